/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pattern up to the first newline, a reply after it. Whatever both are, the
 * verdict comes soon, a complete reply never waits for more, the match lies
 * within the reply, and the same question gets the same answer.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "connhealth/expect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_match(const struct ch_expect *expect, const uint8_t *data, size_t len)
{
    size_t used = 0, used_again = 0;
    enum ch_match whole = ch_expect_match(expect, data, len, 1, &used);

    if (whole == CH_MATCH_MORE || (whole == CH_MATCH_YES && used > len))
        abort();
    if (ch_expect_match(expect, data, len, 1, &used_again) != whole || used != used_again)
        abort();
    used = 0;
    if (ch_expect_match(expect, data, len, 0, &used) == CH_MATCH_YES && used > len)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *newline = size ? memchr(data, '\n', size) : NULL;
    size_t pattern_len = newline ? (size_t)(newline - data) : size;
    struct ch_expect *expect = NULL;
    size_t offset = 0;
    char reason[64] = "";
    int r =
        ch_expect_new((const char *)data, pattern_len, &expect, reason, sizeof(reason), &offset);

    if (r == -EINVAL && reason[0] && offset <= pattern_len)
        return 0;
    if (r != 0)
        abort();
    if (newline)
        check_match(expect, newline + 1, size - pattern_len - 1);
    ch_expect_free(expect);
    return 0;
}
