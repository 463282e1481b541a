/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a reply should look like: a PCRE2 regular expression, without JIT, with
 * match and depth limits, so that no reply and no pattern can hang the prober.
 * A compiled expression is immutable: any thread may match with it.
 */
#ifndef CONNHEALTH_EXPECT_H
#define CONNHEALTH_EXPECT_H

#include <stddef.h>
#include <stdint.h>

struct ch_expect;

enum ch_match {
    CH_MATCH_YES,
    CH_MATCH_MORE, /* not yet: more bytes could make it match */
    CH_MATCH_NO,   /* whatever follows, it will not match */
};

/* 0 and *ret, which the caller frees; -EINVAL with the reason and the offset of
 * the fault in pattern; -ENOMEM. The pattern is bytes: no UTF mode. */
int ch_expect_new(const char *pattern, size_t len, struct ch_expect **ret, char *reason,
                  size_t reason_size, size_t *ret_offset);
struct ch_expect *ch_expect_free(struct ch_expect *expect); /* takes NULL, returns NULL */
const char *ch_expect_pattern(const struct ch_expect *expect);

/* data is all that was received of this reply so far. complete says that no
 * more can come (a datagram, or the end of the stream): never MORE then. While
 * nothing was received it is MORE, even for a pattern that matches nothing.
 * NO before the end comes only from an anchored pattern (^ or \A): any other
 * could match in what is still to come. A match that runs into the limits is
 * NO. *ret_used (may be NULL) is the end of the match on YES. */
enum ch_match ch_expect_match(const struct ch_expect *expect, const uint8_t *data, size_t len,
                              int complete, size_t *ret_used);

#endif
