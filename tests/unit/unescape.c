/* SPDX-License-Identifier: Apache-2.0 */
/* The escapes of C on the command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unescape.h"

static void escapes_become_bytes(void **state)
{
    static const struct {
        const char *text, *bytes;
        size_t len;
    } cases[] = {
        {"", "", 0},
        {"PING\\r\\n", "PING\r\n", 6},
        {"\\a\\b\\f\\n\\r\\t\\v\\\\\\'\\\"\\?\\e", "\a\b\f\n\r\t\v\\'\"?\033", 12},
        {"\\0", "\0", 1},
        {"a\\0b", "a\0b", 3},
        {"\\1017", "A7", 2},
        {"\\377\\08", "\377\0008", 3},
        {"\\x41", "A", 1},
        {"\\x4g", "\004g", 2},
        {"\\x414", "A4", 2},
        {"\\xfF", "\xff", 1},
        {"plain \xc3\xa4", "plain \xc3\xa4", 8},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *out = malloc(strlen(cases[i].text) + 1);
        size_t len = SIZE_MAX, offset;

        assert_non_null(out);
        assert_null(ctl_unescape(cases[i].text, out, &len, &offset));
        assert_int_equal(len, cases[i].len);
        assert_memory_equal(out, cases[i].bytes, len);
        free(out);
    }
}

static void what_is_no_escape_is_refused_with_its_place(void **state)
{
    static const struct {
        const char *text;
        size_t offset;
    } cases[] = {{"\\", 0}, {"ab\\", 2}, {"a\\q", 1}, {"\\x", 0}, {"\\xg", 0}, {"..\\400", 2}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *out = malloc(strlen(cases[i].text) + 1);
        size_t len, offset = SIZE_MAX;

        assert_non_null(out);
        assert_non_null(ctl_unescape(cases[i].text, out, &len, &offset));
        assert_int_equal(offset, cases[i].offset);
        free(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes_become_bytes),
        cmocka_unit_test(what_is_no_escape_is_refused_with_its_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
