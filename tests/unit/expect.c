/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "connhealth/expect.h"

static struct ch_expect *compile(const char *pattern)
{
    struct ch_expect *expect = NULL;
    char reason[128] = "";
    size_t offset = 0;

    if (ch_expect_new(pattern, strlen(pattern), &expect, reason, sizeof(reason), &offset) != 0)
        fail_msg("%s: %s", pattern, reason);
    assert_string_equal(ch_expect_pattern(expect), pattern);
    return expect;
}

static void a_reply_matches_as_it_arrives(void **state)
{
    static const struct {
        const char *pattern, *data;
        enum ch_match arriving, complete;
        size_t used;
    } rows[] = {
        {"^\\+PONG", "", CH_MATCH_MORE, CH_MATCH_NO, 0},
        {"^\\+PONG", "+", CH_MATCH_MORE, CH_MATCH_NO, 0},
        {"^\\+PON", "+PO", CH_MATCH_MORE, CH_MATCH_NO, 0},
        {"^\\+PONG", "+PONG\r\n", CH_MATCH_YES, CH_MATCH_YES, 5},
        {"^\\+PONG", "-", CH_MATCH_NO, CH_MATCH_NO, 0},
        {"^\\+PONG", "-ERR unknown\r\n", CH_MATCH_NO, CH_MATCH_NO, 0},
        {"^\\+PONG", "x+PONG", CH_MATCH_NO, CH_MATCH_NO, 0},
        {"\\A\\+PONG|^OK", "OL", CH_MATCH_NO, CH_MATCH_NO, 0},
        {"\\A\\+PONG|^OK", "O", CH_MATCH_MORE, CH_MATCH_NO, 0},
        /* not anchored: it may still come */
        {"PONG", "-ERR", CH_MATCH_MORE, CH_MATCH_NO, 0},
        {"PONG", "-ERR PONG", CH_MATCH_YES, CH_MATCH_YES, 9},
        {"(?m)^OK$", "220 hello\nno", CH_MATCH_MORE, CH_MATCH_NO, 0},
        {"(?m)^OK$", "220 hello\nOK\n", CH_MATCH_YES, CH_MATCH_YES, 12},
        {"^SSH-2\\.0-", "SSH-1.99-", CH_MATCH_NO, CH_MATCH_NO, 0},
        {"(?s)^.*end", "a\nb", CH_MATCH_MORE, CH_MATCH_NO, 0},
        {"^a.*z", "a\nz", CH_MATCH_NO, CH_MATCH_NO, 0},
        /* what matches nothing still waits for something */
        {"", "", CH_MATCH_MORE, CH_MATCH_YES, 0},
        {".*", "ab", CH_MATCH_YES, CH_MATCH_YES, 2},
        /* bytes, not characters */
        {"^.\\xbc", "\xc3\xbc", CH_MATCH_YES, CH_MATCH_YES, 2},
        {"^\\xff", "\xff", CH_MATCH_YES, CH_MATCH_YES, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ch_expect *expect = compile(rows[i].pattern);
        const uint8_t *data = (const uint8_t *)rows[i].data;
        size_t len = strlen(rows[i].data), used = 0;
        enum ch_match got = ch_expect_match(expect, data, len, 0, &used);

        if (got != rows[i].arriving)
            fail_msg("%s, %s, arriving: %d", rows[i].pattern, rows[i].data, (int)got);
        if (got == CH_MATCH_YES)
            assert_int_equal(used, rows[i].used);
        got = ch_expect_match(expect, data, len, 1, NULL);
        if (got != rows[i].complete)
            fail_msg("%s, %s, complete: %d", rows[i].pattern, rows[i].data, (int)got);
        ch_expect_free(expect);
    }
}

static void bad_patterns_say_why_and_where(void **state)
{
    static const struct {
        const char *pattern;
        size_t len;
        const char *reason;
        size_t offset;
    } bad[] = {
        {"a(b", 3, "missing closing parenthesis", 3},
        {"*a", 2, "quantifier does not follow a repeatable item", 0},
        {"[z-a]", 5, "range out of order in character class", 3},
        {"(*UTF)a", 7, "using UTF is disabled by the application", 6},
        {"(*UCP)a", 7, "using UCP is disabled by the application", 6},
        {"a\0b", 3, "it holds a NUL byte, write \\x00 for one", 1},
    };
    char long_one[5000];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct ch_expect *expect = NULL;
        char reason[128] = "";
        size_t offset = 99;

        assert_int_equal(
            ch_expect_new(bad[i].pattern, bad[i].len, &expect, reason, sizeof(reason), &offset),
            -EINVAL);
        assert_null(expect);
        assert_string_equal(reason, bad[i].reason);
        assert_int_equal(offset, bad[i].offset);
    }
    {
        struct ch_expect *expect = NULL;
        char reason[8] = "";
        size_t offset = 0;

        memset(long_one, 'a', sizeof(long_one));
        assert_int_equal(
            ch_expect_new(long_one, sizeof(long_one), &expect, reason, sizeof(reason), &offset),
            -EINVAL);
        assert_string_equal(reason, "it is l"); /* cut, not overrun */
        assert_int_equal(ch_expect_new(long_one, 4096, &expect, reason, sizeof(reason), &offset),
                         0);
        ch_expect_free(expect);
    }
    assert_null(ch_expect_free(NULL));
}

/* Without limits these take minutes or the stack. */
static void no_pattern_hangs(void **state)
{
    static const char *const hopeless[] = {"^(a+)+$", "(a+)+$", "^(a|aa)+$", "^(?:a?){30}a{30}b",
                                           "(.*)*\\1b"};
    uint8_t data[4096];

    (void)state;
    memset(data, 'a', sizeof(data));
    data[sizeof(data) - 1] = '!';
    for (size_t i = 0; i < sizeof(hopeless) / sizeof(hopeless[0]); i++) {
        struct ch_expect *expect = compile(hopeless[i]);

        assert_int_equal(ch_expect_match(expect, data, sizeof(data), 1, NULL), CH_MATCH_NO);
        ch_expect_free(expect);
    }
}

/* The limits must not cut off what an operator would sensibly write. */
static void honest_patterns_are_within_the_limits(void **state)
{
    struct ch_expect *expect = compile("(?s)^HTTP/1\\.[01] 200 .*\r\n\r\n.*</html>\\s*$");
    size_t len = 60000, used = 0;
    char *page = malloc(len);

    (void)state;
    assert_non_null(page);
    memset(page, 'x', len);
    memcpy(page, "HTTP/1.1 200 OK\r\n", 17);
    memcpy(page + 5000, "\r\n\r\n", 4);
    memcpy(page + len - 8, "</html>\n", 8);
    assert_int_equal(ch_expect_match(expect, (uint8_t *)page, len, 0, &used), CH_MATCH_YES);
    assert_int_equal(used, len);
    assert_int_equal(ch_expect_match(expect, (uint8_t *)page, len - 8, 0, &used), CH_MATCH_MORE);
    free(page);
    ch_expect_free(expect);
}

static void *match_many(void *argument)
{
    const struct ch_expect *expect = argument;
    size_t wrong = 0;

    for (int i = 0; i < 2000; i++) {
        size_t used = 0;

        if (ch_expect_match(expect, (const uint8_t *)"xx1234yy", 8, 0, &used) != CH_MATCH_YES ||
            used != 6)
            wrong++;
    }
    return (void *)wrong;
}

static void threads_share_one_expression(void **state)
{
    struct ch_expect *expect = compile("([0-9])+");
    pthread_t threads[4];

    (void)state;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, match_many, expect), 0);
    for (size_t i = 0; i < 4; i++) {
        void *wrong;

        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
    ch_expect_free(expect);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reply_matches_as_it_arrives),
        cmocka_unit_test(bad_patterns_say_why_and_where),
        cmocka_unit_test(no_pattern_hangs),
        cmocka_unit_test(honest_patterns_are_within_the_limits),
        cmocka_unit_test(threads_share_one_expression),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
