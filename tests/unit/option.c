/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "connhealth/clock.h"
#include "connhealth/expect.h"
#include "connhealth/option.h"

static const char *const colours[] = {"red", "green", NULL};

struct options {
    int64_t wait_ns;
    uint32_t count;
    bool quick;
    struct ch_bytes text;
    struct ch_bytes hex;
    struct ch_bytes password;
    struct ch_expect *expect;
    uint32_t colour;
    struct ch_durations ages;
};

#define OPTION(name, field, kind, ...)                                                             \
    {                                                                                              \
        .key = name, .type = CH_OPTION_##kind, .offset = offsetof(struct options, field),          \
        .help = name, __VA_ARGS__                                                                  \
    }

static const struct ch_option table[] = {
    OPTION("wait", wait_ns, DURATION, .min = CH_NS_PER_MS, .max = 3600 * CH_NS_PER_S,
           .fallback = "10s"),
    OPTION("count", count, UINT, .min = 1, .max = 127, .fallback = "3"),
    OPTION("quick", quick, BOOL, .fallback = "true"),
    OPTION("text", text, TEXT, .min = 1, .max = 8),
    OPTION("hex", hex, HEX, .min = 1, .max = 4),
    OPTION("password", password, TEXT, .min = 0, .max = 64, .secret = true),
    OPTION("expect", expect, REGEX, .fallback = NULL),
    OPTION("colour", colour, CHOICE, .choices = colours, .fallback = "green"),
    OPTION("ages", ages, DURATIONS, .min = CH_NS_PER_S, .max = 86400 * CH_NS_PER_S),
    CH_OPTION_END,
};

static int set(struct options *options, const char *key, const char *text, char *reason)
{
    const struct ch_option *option = ch_option_find(table, key);

    assert_non_null(option);
    reason[0] = '\0';
    return ch_option_parse(option, text, strlen(text), options, reason);
}

static void durations_are_prometheus_durations(void **state)
{
    static const struct {
        const char *text;
        int64_t ns;
    } good[] = {
        {"0", 0},
        {"0s", 0},
        {"500ms", 500 * CH_NS_PER_MS},
        {"15s", 15 * CH_NS_PER_S},
        {"1m30s", 90 * CH_NS_PER_S},
        {"90s", 90 * CH_NS_PER_S},
        {"1m1ms", 60 * CH_NS_PER_S + CH_NS_PER_MS},
        {"1y2w3d4h5m6s7ms",
         (365 + 14 + 3) * 86400 * CH_NS_PER_S + 14706 * CH_NS_PER_S + 7 * CH_NS_PER_MS},
        {"292y", INT64_C(292) * 365 * 86400 * CH_NS_PER_S},
        {"0000000000000000000000001s", CH_NS_PER_S},
    };
    static const char *const bad[] = {"",    "5x",   "5",    "s",    "1.5s",  "-1s", "+1s",
                                      " 1s", "1s ",  "1s1m", "1s1s", "1ms1s", "00",  "1S",
                                      "1µs", "1m s", "1h30", "0x1s", "1ns"};
    static const char *const too_long[] = {"293y", "9223372036854775807s", "99999999999999999999s",
                                           "106751d23h47m16s855ms"};
    int64_t ns = -1;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(ch_duration_parse(good[i].text, strlen(good[i].text), &ns), 0);
        assert_int_equal(ns, good[i].ns);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (ch_duration_parse(bad[i], strlen(bad[i]), &ns) != -EINVAL)
            fail_msg("%s was accepted", bad[i]);
    }
    for (size_t i = 0; i < sizeof(too_long) / sizeof(too_long[0]); i++)
        assert_int_equal(ch_duration_parse(too_long[i], strlen(too_long[i]), &ns), -ERANGE);
    /* only len bytes are looked at */
    assert_int_equal(ch_duration_parse("1mill", 2, &ns), 0);
    assert_int_equal(ns, 60 * CH_NS_PER_S);
}

static void durations_are_formatted_as_prometheus_does(void **state)
{
    static const struct {
        int64_t ns;
        const char *text;
    } rows[] = {
        {0, "0s"},
        {-5, "0s"},
        {999999, "0s"},
        {CH_NS_PER_MS, "1ms"},
        {90 * CH_NS_PER_S, "1m30s"},
        {86400 * CH_NS_PER_S, "1d"},
        {7 * 86400 * CH_NS_PER_S, "1w"},
        {8 * 86400 * CH_NS_PER_S, "8d"},
        {365 * 86400 * CH_NS_PER_S, "1y"},
        {400 * 86400 * CH_NS_PER_S, "400d"},
        {INT64_MAX, "106751d23h47m16s854ms"},
    };
    char text[CH_DURATION_TEXT];
    int64_t back;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(ch_duration_format(rows[i].ns, text), rows[i].text);
    for (int64_t ns = CH_NS_PER_MS; ns > 0 && ns < INT64_MAX / 3;
         ns = ns * 3 / CH_NS_PER_MS * CH_NS_PER_MS) {
        ch_duration_format(ns, text);
        assert_int_equal(ch_duration_parse(text, strlen(text), &back), 0);
        assert_int_equal(back, ns);
    }
}

static void defaults_are_set(void **state)
{
    struct options options = {0};

    (void)state;
    assert_int_equal(ch_options_defaults(table, &options), 0);
    assert_int_equal(options.wait_ns, 10 * CH_NS_PER_S);
    assert_int_equal(options.count, 3);
    assert_true(options.quick);
    assert_null(options.text.data);
    assert_null(options.expect);
    assert_int_equal(options.colour, 1);
    ch_options_clear(table, &options);
}

static void values_are_parsed_and_replaced(void **state)
{
    struct options options = {0};
    char reason[CH_REASON_TEXT];

    (void)state;
    for (int twice = 0; twice < 2; twice++) {
        assert_int_equal(set(&options, "wait", "250ms", reason), 0);
        assert_int_equal(set(&options, "count", "127", reason), 0);
        assert_int_equal(set(&options, "quick", "true", reason), 0);
        assert_int_equal(set(&options, "text", "PING\r\n", reason), 0);
        assert_int_equal(set(&options, "hex", "50 49\n4e4F", reason), 0);
        assert_int_equal(set(&options, "expect", "^\\+PONG", reason), 0);
        assert_int_equal(set(&options, "colour", "red", reason), 0);
    }
    assert_int_equal(set(&options, "ages", "5m", reason), 0);
    assert_int_equal(set(&options, "ages", "1h", reason), 0);
    assert_int_equal(options.wait_ns, 250 * CH_NS_PER_MS);
    assert_int_equal(options.count, 127);
    assert_true(options.quick);
    assert_int_equal(options.text.len, 6);
    assert_memory_equal(options.text.data, "PING\r\n", 6);
    assert_int_equal(options.hex.len, 4);
    assert_memory_equal(options.hex.data, "PINO", 4);
    assert_string_equal(ch_expect_pattern(options.expect), "^\\+PONG");
    assert_int_equal(options.colour, 0);
    assert_int_equal(options.ages.count, 2);
    assert_int_equal(options.ages.ns[1], 3600 * CH_NS_PER_S);
    ch_options_clear(table, &options);
    assert_null(options.text.data);
    assert_null(options.expect);
    assert_int_equal(options.ages.count, 0);
    ch_options_clear(table, &options);
}

static void bad_values_say_what_would_be_right(void **state)
{
    static const struct {
        const char *key, *text, *reason;
    } bad[] = {
        {"wait", "5x", "\"5x\" is not a duration (examples: 500ms, 10s, 1m30s)"},
        {"wait", "", "\"\" is not a duration (examples: 500ms, 10s, 1m30s)"},
        {"wait", "0s", "\"0s\" is out of range (1ms to 1h)"},
        {"wait", "61m", "\"61m\" is out of range (1ms to 1h)"},
        {"wait", "300y", "\"300y\" is out of range (1ms to 1h)"},
        {"count", "0", "\"0\" is out of range (1 to 127)"},
        {"count", "128", "\"128\" is out of range (1 to 127)"},
        {"count", "18446744073709551617", "\"18446744073709551617\" is out of range (1 to 127)"},
        {"count", "-1", "\"-1\" is not a whole number (1 to 127)"},
        {"count", "1.0", "\"1.0\" is not a whole number (1 to 127)"},
        {"count", "", "\"\" is not a whole number (1 to 127)"},
        {"quick", "yes", "\"yes\" is neither true nor false"},
        {"quick", "True", "\"True\" is neither true nor false"},
        {"text", "", "is 0 bytes long (1 to 8 are allowed)"},
        {"text", "123456789", "is 9 bytes long (1 to 8 are allowed)"},
        {"hex", "5", "has an odd number of hexadecimal digits (two make one byte)"},
        {"hex", "50 4g",
         "has a character that is no hexadecimal digit at offset 4 (example: 50 49 4e 47)"},
        {"hex", "", "is 0 bytes long (1 to 4 are allowed)"},
        {"hex", "0102030405", "is 5 bytes long (1 to 4 are allowed)"},
        {"expect", "a(b",
         "\"a(b\" is not a regular expression: missing closing parenthesis at offset 3"},
        {"colour", "blue", "\"blue\" is not one of: red, green"},
        {"colour", "re", "\"re\" is not one of: red, green"},
        {"password", "<secret>",
         "<secret> only stands for a secret that was not shown; write the secret"},
        {"ages", "5m", "\"5m\" is not longer than the one before it, 5m (write them ascending)"},
        {"ages", "2d", "\"2d\" is out of range (1s to 1d)"},
    };
    struct options options = {0};
    char reason[CH_REASON_TEXT];

    (void)state;
    assert_int_equal(ch_options_defaults(table, &options), 0);
    assert_int_equal(set(&options, "ages", "5m", reason), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(set(&options, bad[i].key, bad[i].text, reason), -EINVAL);
        assert_string_equal(reason, bad[i].reason);
    }
    assert_int_equal(options.wait_ns, 10 * CH_NS_PER_S);
    assert_int_equal(options.count, 3);
    assert_int_equal(options.ages.count, 1);
    ch_options_clear(table, &options);
}

static void assert_formats(const struct options *options, const char *key, const char *expected)
{
    char *text = ch_option_format(ch_option_find(table, key), options);

    if (!expected)
        assert_null(text);
    else
        assert_string_equal(text, expected);
    free(text);
}

static void values_are_formatted_as_they_are_written(void **state)
{
    struct options options = {0};
    char reason[CH_REASON_TEXT];

    (void)state;
    assert_int_equal(ch_options_defaults(table, &options), 0);
    assert_formats(&options, "wait", "10s");
    assert_formats(&options, "count", "3");
    assert_formats(&options, "quick", "true");
    assert_formats(&options, "colour", "green");
    assert_formats(&options, "text", NULL);
    assert_formats(&options, "hex", NULL);
    assert_formats(&options, "expect", NULL);
    assert_formats(&options, "ages", NULL);
    assert_formats(&options, "password", NULL);
    set(&options, "text", "\"a\\\r\n\t\x01", reason);
    set(&options, "hex", "00fF", reason);
    set(&options, "expect", "^\\+PONG", reason);
    set(&options, "ages", "5m", reason);
    set(&options, "ages", "1h", reason);
    set(&options, "password", "hunter2", reason);
    assert_formats(&options, "text", "\\\"a\\\\\\r\\n\\t\\x01");
    assert_formats(&options, "hex", "00 ff");
    assert_formats(&options, "expect", "^\\\\+PONG");
    assert_formats(&options, "ages", "[5m, 1h]");
    assert_formats(&options, "password", "<secret>");
    ch_options_clear(table, &options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_prometheus_durations),
        cmocka_unit_test(durations_are_formatted_as_prometheus_does),
        cmocka_unit_test(defaults_are_set),
        cmocka_unit_test(values_are_parsed_and_replaced),
        cmocka_unit_test(bad_values_say_what_would_be_right),
        cmocka_unit_test(values_are_formatted_as_they_are_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
