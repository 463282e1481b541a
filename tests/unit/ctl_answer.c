/* SPDX-License-Identifier: Apache-2.0 */
/* What answers connhealthctl: the HTTP response, its JSON, its text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "json_read.h"
#include "plain.h"
#include "response.h"

#define COUNT_OF(table) (sizeof(table) / sizeof((table)[0]))

static void a_response_is_a_status_and_a_body(void **state)
{
    static const struct {
        const char *bytes, *body;
        unsigned status;
    } cases[] = {
        {"HTTP/1.0 200 OK\r\n\r\nbody", "body", 200},
        {"HTTP/1.1 200\r\n\r\n", "", 200},
        {"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}", "{}", 404},
        {"HTTP/1.1 500 X\r\ncontent-length:\t1 \r\nA: b\r\n\r\nabc", "a", 500},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", "a", 200},
        {"HTTP/1.1 200 OK\r\nX-Content-Length: 9\r\n\r\na\r\n\r\nb", "a\r\n\r\nb", 200},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ctl_response response;

        assert_null(ctl_response_parse(cases[i].bytes, strlen(cases[i].bytes), &response));
        assert_int_equal(response.status, cases[i].status);
        assert_int_equal(response.body_len, strlen(cases[i].body));
        assert_memory_equal(response.body, cases[i].body, response.body_len);
    }
}

static void what_is_no_response_is_refused(void **state)
{
    static const struct {
        const char *bytes, *fault;
    } cases[] = {
        {"", "does not answer in HTTP"},
        {"SSH-2.0-OpenSSH_9.2\r\n", "does not answer in HTTP"},
        {"HTTP/2 200 OK\r\n\r\n", "does not answer in HTTP"},
        {"HTTP/1.1 20 OK\r\n\r\n", "does not answer in HTTP"},
        {"HTTP/1.1 2000\r\n\r\n", "does not answer in HTTP"},
        {"HTTP/1.1 600 OK\r\n\r\n", "does not answer in HTTP"},
        {"HTTP/1.1 200 OK", "does not answer in HTTP"},
        {"HTTP/1.1 200 OK\r\n", "the answer ends early"},
        {"HTTP/1.1 200 OK\r\nContent-Le", "the answer ends early"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na", "the answer ends early"},
        {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\na",
         "answers with a Content-Length that is none"},
        {"HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\na",
         "answers with a Content-Length that is none"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\na",
         "answers with a Content-Length that is none"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 0\r\n\r\na",
         "answers with a Content-Length that is none"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         "answers in a transfer encoding that was not asked for"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ctl_response response;

        assert_string_equal(ctl_response_parse(cases[i].bytes, strlen(cases[i].bytes), &response),
                            cases[i].fault);
    }
}

static void json_that_is_not_there_reads_as_nothing(void **state)
{
    static const char text[] =
        "{\"a\":\"x\",\"n\":null,\"i\":-3,\"big\":1e300,\"t\":true,\"o\":{}}\n";
    struct cJSON *root = json_read(text, strlen(text));

    (void)state;
    assert_non_null(root);
    assert_string_equal(json_get_text(root, "a"), "x");
    assert_string_equal(json_get_text(root, "A"), "");
    assert_string_equal(json_get_text(root, "i"), "");
    assert_null(json_get(root, "n"));
    assert_true(json_get_number(root, "i") == -3);
    assert_int_equal(json_get_count(root, "i"), 0);
    assert_true(json_get_count(root, "big") == UINT64_MAX);
    assert_true(json_get_number(root, "a") == 0);
    assert_true(json_get_bool(root, "t"));
    assert_false(json_get_bool(root, "a"));
    assert_null(json_first(json_get(root, "o")));
    assert_null(json_first(json_get(root, "a")));
    assert_null(json_get(NULL, "a"));
    assert_string_equal(json_get_text(json_get(NULL, "a"), "b"), "");
    assert_null(json_read_free(root));
    assert_null(json_read("{}x", 3));
    assert_null(json_read("{", 1));
    assert_null(json_read("", 0));
}

static bool count_until_the_third(const struct cJSON *element, void *context)
{
    unsigned *count = context;

    assert_true(json_number(element) == ++*count);
    return *count < 3;
}

static void elements_are_read_one_by_one(void **state)
{
    static const struct {
        const char *text;
        bool whole;
        unsigned count;
    } cases[] = {
        {"{\"list\":[]}", true, 0},
        {"{\"list\":[1]}\n", true, 1},
        {" { \"list\" : [ 1 , 2 ] } \r\n", true, 2},
        {"{\"list\":[1,2,3,oops", true, 3}, /* ended before the fault */
        {"{\"list\":[1,2", false, 2},
        {"{\"list\":[1,]}", false, 1},
        {"{\"list\":[1 2]}", false, 1},
        {"{\"list\":[1]", false, 1},
        {"{\"list\":[1]}x", false, 1},
        {"{\"other\":[1]}", false, 0},
        {"{\"list\":{}}", false, 0},
        {"[1]", false, 0},
        {"", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        unsigned count = 0;

        assert_int_equal(json_read_each(cases[i].text, strlen(cases[i].text), "list",
                                        count_until_the_third, &count),
                         cases[i].whole);
        assert_int_equal(count, cases[i].count);
    }
}

static void text_moves_no_terminal(void **state)
{
    static const struct {
        const char *text, *plain;
        size_t width;
    } cases[] = {
        {"", "", 0},
        {"a b", "a b", 3},
        {"\033[2J\r\n\t\177", "\\x1b[2J\\x0d\\x0a\\x09\\x7f", 23},
        {"M\xc3\xbcnchen", "M\xc3\xbcnchen", 7},
        {"\xc2\x9b", "\\u009b", 6},       /* C1: CSI in one character */
        {"\xe2\x80\xae!", "\\u202e!", 7}, /* right-to-left override */
        {"\xff\xc3", "\\xff\\xc3", 8},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ch_text out = {.data = NULL};
        char *plain;

        plain_text(&out, cases[i].text);
        plain = ch_text_take(&out);
        assert_non_null(plain);
        assert_string_equal(plain, cases[i].plain);
        assert_int_equal(plain_width(plain), cases[i].width);
        free(plain);
    }
}

static void amounts_read_well(void **state)
{
    static const struct {
        double value;
        const char *text;
    } durations[] =
        {
            {-1, "0s"},          {0, "0s"},        {0.0000004, "0us"},      {0.00012, "120us"},
            {0.0123, "12.3ms"},  {0.35, "350ms"},  {0.9996, "1s"},          {1.5, "1.5s"},
            {59.9, "59s"},       {60, "1min"},     {83.5, "1min 23s"},      {3599, "59min 59s"},
            {11520, "3h 12min"}, {90000, "1d 1h"}, {86400 * 365.0, "365d"}, {1e300, "for ever"},
        },
      sizes[] = {
          {0, "0 B"},          {1023, "1023 B"},     {1024, "1.0 KiB"},
          {12595, "12.3 KiB"}, {1048575, "1.0 MiB"}, {5e9, "4.7 GiB"},
      };
    char text[PLAIN_AMOUNT];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(durations); i++)
        assert_string_equal(plain_duration(durations[i].value, text), durations[i].text);
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        assert_string_equal(plain_bytes(sizes[i].value, text), sizes[i].text);
    setenv("TZ", "UTC", 1);
    assert_string_equal(plain_time(1795365266.829, text), "2026-11-22 16:34:26 UTC");
    assert_string_equal(plain_time(0, text), "never");
    assert_string_equal(plain_time(1e300, text), "never");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_response_is_a_status_and_a_body),
        cmocka_unit_test(what_is_no_response_is_refused),
        cmocka_unit_test(json_that_is_not_there_reads_as_nothing),
        cmocka_unit_test(elements_are_read_one_by_one),
        cmocka_unit_test(text_moves_no_terminal),
        cmocka_unit_test(amounts_read_well),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
