/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "connhealth/text.h"

static void quoting_keeps_to_one_short_line(void **state)
{
    char text[CH_QUOTED_TEXT];
    char all[256], many[1000];

    (void)state;
    assert_string_equal(ch_text_quote("a\"\\\n\r\t\x01\xc3\xbc", 9, text),
                        "\"a\\\"\\\\\\n\\r\\t\\x01\\xc3\\xbc\"");
    assert_string_equal(ch_text_quote("", 0, text), "\"\"");
    memset(many, 'a', sizeof(many));
    ch_text_quote(many, sizeof(many), text);
    assert_true(strlen(text) < CH_QUOTED_TEXT);
    assert_string_equal(text + strlen(text) - 5, "a...\"");
    memset(many, 0xff, sizeof(many));
    for (size_t len = 0; len < sizeof(many); len++)
        assert_true(strlen(ch_text_quote(many, len, text)) < CH_QUOTED_TEXT);
    for (size_t i = 0; i < sizeof(all); i++)
        all[i] = (char)i;
    for (size_t i = 0; i < sizeof(all); i++) {
        ch_text_quote(all + i, 1, text);
        for (const char *at = text; *at; at++)
            assert_true(*at >= 0x20 && *at < 0x7f);
    }
}

static void utf8_is_what_rfc_3629_allows(void **state)
{
    static const char *const good[] = {"",
                                       "a",
                                       "\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf",
                                       "m\xc3\xbcller \xf0\x9f\x98\x80"};
    static const char *const bad[] = {"\x80",
                                      "\xbf",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xc2",
                                      "\xc2g",
                                      "\xe0\x9f\xbf",
                                      "\xe2\x82",
                                      "\xed\xa0\x80",
                                      "\xed\xbf\xbf",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf0\x9f\x98",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xff",
                                      "ok\xfe"};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(ch_text_is_utf8(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(ch_text_is_utf8(bad[i], strlen(bad[i])));
    assert_true(ch_text_is_utf8("a\0b", 3));
}

static void assert_escapes(const char *bytes, size_t len, const char *expected)
{
    char *text = ch_text_escape(bytes, len);

    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

static void escapes_are_yaml(void **state)
{
    (void)state;
    assert_escapes("", 0, "");
    assert_escapes("a\"b\\c\r\n\t\x01\x7f\0", 11, "a\\\"b\\\\c\\r\\n\\t\\x01\\x7f\\x00");
    assert_escapes("m\xc3\xbcller", 7, "m\xc3\xbcller");
    /* what YAML takes for a line break, refuses, or nobody can see */
    assert_escapes("\xc2\x85\xe2\x80\xa8\xe2\x80\xa9\xef\xbb\xbf\xef\xbf\xbe", 14,
                   "\\x85\\u2028\\u2029\\ufeff\\ufffe");
    assert_escapes("\xf0\x9f\x98\x80", 4, "\xf0\x9f\x98\x80");
    /* no UTF-8: bytes as they are */
    assert_escapes("\xff\xc3", 2, "\\xff\\xc3");
}

static void hexadecimal_digits(void **state)
{
    static const char digits[] = "0123456789abcdef";

    (void)state;
    for (int c = CHAR_MIN; c <= CHAR_MAX; c++) {
        const char *at = c == 0 ? NULL : strchr(digits, tolower((unsigned char)c));

        assert_int_equal(ch_text_hex_digit((char)c), at ? at - digits : -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quoting_keeps_to_one_short_line),
        cmocka_unit_test(utf8_is_what_rfc_3629_allows),
        cmocka_unit_test(escapes_are_yaml),
        cmocka_unit_test(hexadecimal_digits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
