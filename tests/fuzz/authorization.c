/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the Authorization header: refused, or a name without a colon and a
 * password, both inside the result, that say what the header said. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "authorization.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct ch_credentials *credentials)
{
    size_t user = strlen(credentials->user), password = strlen(credentials->password);

    if (credentials->user != credentials->text ||
        credentials->password != credentials->text + user + 1 ||
        user + 1 + password >= sizeof(credentials->text) || strchr(credentials->user, ':'))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ch_credentials credentials;
    char *header = malloc(size + 1);

    if (!header)
        return 0;
    memcpy(header, data, size);
    header[size] = '\0';
    if (ch_authorization_parse(header, &credentials))
        check(&credentials);
    free(header);
    return 0;
}
