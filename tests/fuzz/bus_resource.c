/* SPDX-License-Identifier: Apache-2.0 */
/* What a D-Bus client may ask to have described. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "resource.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void fuzz(const char *text)
{
    char reason[CH_QUERY_REASON] = "";
    struct resource resource;
    int r = resource_parse(text, &resource, reason);

    must(r == 0 || (r == -EINVAL && reason[0] != '\0'));
    must(memchr(reason, '\0', sizeof(reason)) != NULL);
    if (r < 0)
        return;
    must(!(resource.query.given & CH_QUERY_GROUP) || strlen(resource.query.group) < strlen(text));
    must(!(resource.query.given & CH_QUERY_TARGET) || strlen(resource.query.target) < strlen(text));
    resource_clear(&resource);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    must(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    fuzz(text);
    free(text);
    return 0;
}
