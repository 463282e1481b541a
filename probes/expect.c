/* SPDX-License-Identifier: Apache-2.0 */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "connhealth/expect.h"

#include <errno.h>
#include <pcre2.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATTERN_MAX_BYTES 4096

/* Steps of the matcher: so many take about ten milliseconds. PCRE2 counts
 * them anew at each start offset, so a pattern that may begin anywhere gets its
 * share of them at each, yet always enough to look at every byte a few times. */
#define STEPS_TOTAL      500000U
#define STEPS_MIN        1000U
#define STEPS_PER_BYTE   4U
#define DEPTH_MAX        100000U
#define MATCHER_HEAP_KIB 16384U

struct ch_expect {
    pcre2_code *code;
    bool anchored; /* matches at the beginning or nowhere */
    char pattern[];
};

/* What one thread needs to match with any expression (pcre2api(3),
 * MULTITHREADING): made at the thread's first match, freed at its end. */
struct matcher {
    pcre2_match_data *data;
    pcre2_match_context *context;
};

static pthread_once_t matcher_once = PTHREAD_ONCE_INIT;
static pthread_key_t matcher_key;
static bool matcher_key_made;

static struct matcher *matcher_free(struct matcher *matcher)
{
    if (matcher) {
        pcre2_match_data_free(matcher->data);
        pcre2_match_context_free(matcher->context);
        free(matcher);
    }
    return NULL;
}

static void on_thread_end(void *value)
{
    matcher_free(value);
}

static void make_matcher_key(void)
{
    matcher_key_made = pthread_key_create(&matcher_key, on_thread_end) == 0;
}

static struct matcher *matcher_new(void)
{
    struct matcher *matcher = calloc(1, sizeof(*matcher));

    if (!matcher)
        return NULL;
    /* One pair is enough: only the end of the whole match is read. */
    matcher->data = pcre2_match_data_create(1, NULL);
    matcher->context = pcre2_match_context_create(NULL);
    if (!matcher->data || !matcher->context)
        return matcher_free(matcher);
    pcre2_set_depth_limit(matcher->context, DEPTH_MAX);
    pcre2_set_heap_limit(matcher->context, MATCHER_HEAP_KIB);
    return matcher;
}

static struct matcher *matcher_of_thread(void)
{
    struct matcher *matcher;

    pthread_once(&matcher_once, make_matcher_key);
    if (!matcher_key_made)
        return NULL;
    matcher = pthread_getspecific(matcher_key);
    if (matcher)
        return matcher;
    matcher = matcher_new();
    if (matcher && pthread_setspecific(matcher_key, matcher) != 0)
        return matcher_free(matcher);
    return matcher;
}

static int refuse(const char *why, size_t offset, char *reason, size_t reason_size,
                  size_t *ret_offset)
{
    snprintf(reason, reason_size, "%s", why);
    *ret_offset = offset;
    return -EINVAL;
}

static bool is_anchored(const pcre2_code *code)
{
    uint32_t options = 0;

    /* ALLOPTIONS has ANCHORED also where PCRE2 found it out by itself, from a
     * leading ^ or \A in every branch (pcre2api(3)). */
    return pcre2_pattern_info(code, PCRE2_INFO_ALLOPTIONS, &options) == 0 &&
           (options & PCRE2_ANCHORED);
}

int ch_expect_new(const char *pattern, size_t len, struct ch_expect **ret, char *reason,
                  size_t reason_size, size_t *ret_offset)
{
    /* (*UTF) in a pattern would make the matcher refuse replies that are not. */
    const uint32_t options = PCRE2_NEVER_UTF | PCRE2_NEVER_UCP;
    const char *nul = memchr(pattern, '\0', len);
    PCRE2_UCHAR why[128];
    struct ch_expect *expect;
    PCRE2_SIZE offset = 0;
    int error = 0;

    if (len > PATTERN_MAX_BYTES)
        return refuse("it is longer than 4096 bytes", PATTERN_MAX_BYTES, reason, reason_size,
                      ret_offset);
    if (nul)
        return refuse("it holds a NUL byte, write \\x00 for one", (size_t)(nul - pattern), reason,
                      reason_size, ret_offset);
    expect = malloc(sizeof(*expect) + len + 1);
    if (!expect)
        return -ENOMEM;
    expect->code = pcre2_compile((PCRE2_SPTR)pattern, len, options, &error, &offset, NULL);
    if (!expect->code) {
        free(expect);
        if (error == PCRE2_ERROR_HEAP_FAILED)
            return -ENOMEM;
        pcre2_get_error_message(error, why, sizeof(why));
        return refuse((const char *)why, offset, reason, reason_size, ret_offset);
    }
    expect->anchored = is_anchored(expect->code);
    memcpy(expect->pattern, pattern, len);
    expect->pattern[len] = '\0';
    *ret = expect;
    return 0;
}

struct ch_expect *ch_expect_free(struct ch_expect *expect)
{
    if (expect) {
        pcre2_code_free(expect->code);
        free(expect);
    }
    return NULL;
}

const char *ch_expect_pattern(const struct ch_expect *expect)
{
    return expect->pattern;
}

static uint32_t steps_for(const struct ch_expect *expect, size_t len)
{
    uint64_t least = STEPS_MIN + (uint64_t)STEPS_PER_BYTE * len;
    uint64_t steps = expect->anchored ? STEPS_TOTAL : STEPS_TOTAL / (len + 1);

    if (steps < least)
        steps = least;
    return steps > UINT32_MAX ? UINT32_MAX : (uint32_t)steps;
}

enum ch_match ch_expect_match(const struct ch_expect *expect, const uint8_t *data, size_t len,
                              int complete, size_t *ret_used)
{
    struct matcher *matcher;
    int rc;

    if (len == 0 && !complete)
        return CH_MATCH_MORE;
    matcher = matcher_of_thread();
    if (!matcher)
        return CH_MATCH_NO;
    pcre2_set_match_limit(matcher->context, steps_for(expect, len));
    rc = pcre2_match(expect->code, len ? data : (const uint8_t *)"", len, 0,
                     complete ? 0 : PCRE2_PARTIAL_SOFT, matcher->data, matcher->context);
    if (rc >= 0) {
        if (ret_used)
            *ret_used = pcre2_get_ovector_pointer(matcher->data)[1];
        return CH_MATCH_YES;
    }
    if (rc == PCRE2_ERROR_PARTIAL)
        return CH_MATCH_MORE;
    if (rc == PCRE2_ERROR_NOMATCH && !complete && !expect->anchored)
        return CH_MATCH_MORE; /* it could begin in what is still to come */
    return CH_MATCH_NO;
}
