/* SPDX-License-Identifier: Apache-2.0 */
/* A name server's bytes: whatever they are, a name that is reported is a string
 * and its failure is one of three. */
#include <stdlib.h>
#include <string.h>

#include "resolver_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char name[RESOLVER_NAME_TEXT];
    enum ch_dns failure;

    memset(name, 'x', sizeof(name));
    failure = resolver_reply_failure(data, size, name);
    if (failure == CH_DNS_NONE)
        return 0;
    if (failure != CH_DNS_SERVFAIL && failure != CH_DNS_REFUSED && failure != CH_DNS_OTHER)
        abort();
    if (strnlen(name, sizeof(name)) == sizeof(name) || name[0] == '\0')
        abort();
    return 0;
}
