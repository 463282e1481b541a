/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "authorization.h"

static void test_what_is_accepted(void **state)
{
    static const struct {
        const char *header, *user, *password;
    } rows[] = {
        {"Basic YWxpY2U6c2VjcmV0", "alice", "secret"},
        {"bAsIc YWxpY2U6c2VjcmV0", "alice", "secret"},
        {"Basic   YTpi  ", "a", "b"},
        {"Basic Og==", "", ""},
        {"Basic YTo6Yg==", "a", ":b"},
        {"Basic YTo6Yg", "a", ":b"},
        {"Basic YTr/+w==", "a", "\xff\xfb"},
    };
    struct ch_credentials credentials;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_true(ch_authorization_parse(rows[i].header, &credentials));
        assert_string_equal(credentials.user, rows[i].user);
        assert_string_equal(credentials.password, rows[i].password);
    }
}

static void test_what_is_refused(void **state)
{
    static const char *const rows[] = {
        "",
        "Basic",
        "Basic ",
        "Basic",
        "Bearer YTpi",
        "BasicYTpi",
        "Basic YQ==" /* no colon */,
        "Basic YTpi=" /* too much padding */,
        "Basic YTpi====",

        "Basic Y",
        "Basic Y!pi",
        "Basic YTpi YTpi",
        "Basic YTpiAA==" /* a NUL */,
        "Basic YTo6Yg=",
        "Basic ====",
    };
    struct ch_credentials credentials;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (ch_authorization_parse(rows[i], &credentials))
            fail_msg("accepted: %s", rows[i]);
}

/* 4 characters of base64 a 3 bytes, from the scheme on. */
static void test_the_longest(void **state)
{
    char header[1024] = "Basic Ojox";
    struct ch_credentials credentials;

    (void)state;
    while ((strlen(header) - 6) / 4 * 3 < CH_CREDENTIALS_MAX - 3)
        strcat(header, "MTEx");
    assert_true(ch_authorization_parse(header, &credentials));
    assert_int_equal(strlen(credentials.password), (strlen(header) - 6) / 4 * 3 - 1);
    strcat(header, "MTEx");
    assert_false(ch_authorization_parse(header, &credentials));
}

static void test_nothing_is_left(void **state)
{
    struct ch_credentials credentials;
    static const char zero[sizeof(credentials)];

    (void)state;
    assert_true(ch_authorization_parse("Basic YWxpY2U6c2VjcmV0", &credentials));
    ch_credentials_wipe(&credentials);
    assert_memory_equal(&credentials, zero, sizeof(zero));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_accepted),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_the_longest),
        cmocka_unit_test(test_nothing_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
