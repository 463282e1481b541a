/* SPDX-License-Identifier: Apache-2.0 */
/* What a client asks for: Accept, Accept-Encoding, and the parameters. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "accept.h"
#include "json.h"
#include "query.h"

#define COUNT_OF(table) (sizeof(table) / sizeof((table)[0]))

static const struct {
    const char *header;
    enum ch_metrics_format format;
} accepts[] = {
    {"", CH_METRICS_TEXT},
    {"*/*", CH_METRICS_TEXT},
    {"text/plain", CH_METRICS_TEXT},
    {"text/html, application/xhtml+xml, */*;q=0.8", CH_METRICS_TEXT},
    {"application/json", CH_METRICS_TEXT},
    {"application/openmetrics-text", CH_METRICS_OPENMETRICS},
    {"APPLICATION/OpenMetrics-Text; Version=1.0.0", CH_METRICS_OPENMETRICS},
    {"application/openmetrics-text;version=\"1.0.0\"", CH_METRICS_OPENMETRICS},
    {"application/openmetrics-text ; version = 1.0.0 ; charset=utf-8", CH_METRICS_OPENMETRICS},
    {"application/openmetrics-text;version=0.0.1", CH_METRICS_TEXT},
    {"application/openmetrics-text;version=2.0.0,text/plain;q=0.1", CH_METRICS_TEXT},
    /* Prometheus 2.42, 2.50 and 3.0 */
    {"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
     "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
     CH_METRICS_OPENMETRICS},
    {"application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;"
     "q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
     CH_METRICS_OPENMETRICS},
    {"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
     "application/openmetrics-text;version=0.0.1;q=0.5,"
     "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,"
     "*/*;q=0.2",
     CH_METRICS_OPENMETRICS},
    {"text/plain;version=0.0.4;q=0.6,application/openmetrics-text;q=0.5", CH_METRICS_TEXT},
    {"text/plain;q=0.6,application/openmetrics-text;q=0.6", CH_METRICS_TEXT},
    {"application/openmetrics-text, */*", CH_METRICS_OPENMETRICS},
    {"application/openmetrics-text;q=0", CH_METRICS_TEXT},
    {"application/openmetrics-text;q=0, */*", CH_METRICS_TEXT},
    {"application/openmetrics-text;q=0.000", CH_METRICS_TEXT},
    {"application/openmetrics-text;q=0.001", CH_METRICS_OPENMETRICS},
    {"application/openmetrics-text;q=0.001,text/*;q=0.002", CH_METRICS_TEXT},
    {"application/*;q=0.9, text/*;q=0.1", CH_METRICS_OPENMETRICS},
    {"text/plain;version=1.0.0, application/openmetrics-text;q=0.1", CH_METRICS_OPENMETRICS},
    /* what is malformed is passed over */
    {"application/openmetrics-text;q=2", CH_METRICS_TEXT},
    {"application/openmetrics-text;q=1.001", CH_METRICS_TEXT},
    {"application/openmetrics-text;q=0.1234", CH_METRICS_TEXT},
    {"application/openmetrics-text;q=-1", CH_METRICS_TEXT},
    {"application/openmetrics-text;q=", CH_METRICS_TEXT},
    {"application/openmetrics-text;q=.5", CH_METRICS_TEXT},
    {"application/openmetrics-text;q=1.", CH_METRICS_OPENMETRICS},
    {";;;,,,q=1,\"", CH_METRICS_TEXT},
    {"a;b=\"application/openmetrics-text,\", text/plain", CH_METRICS_TEXT},
    {"a;b=\"\\\", application/openmetrics-text\"", CH_METRICS_TEXT},
    {"application/openmetrics-text;\"", CH_METRICS_OPENMETRICS},
    {"application/openmetrics-texts", CH_METRICS_TEXT},
    {"application/openmetrics", CH_METRICS_TEXT},
};

static void test_accept(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(accepts); i++) {
        struct ch_accept accept = {.text = {.weight = 0}};

        ch_accept_types(&accept, accepts[i].header);
        if (ch_accept_format(&accept) != accepts[i].format)
            fail_msg("%s", accepts[i].header);
    }
}

static void test_several_headers_count_as_one(void **state)
{
    struct ch_accept accept = {.text = {.weight = 0}};

    (void)state;
    ch_accept_types(&accept, "text/plain;q=0.5");
    assert_int_equal(ch_accept_format(&accept), CH_METRICS_TEXT);
    ch_accept_types(&accept, "application/openmetrics-text;q=0.7");
    assert_int_equal(ch_accept_format(&accept), CH_METRICS_OPENMETRICS);
    ch_accept_types(&accept, "text/plain");
    assert_int_equal(ch_accept_format(&accept), CH_METRICS_TEXT);
}

static const struct {
    const char *header;
    bool gzip;
} encodings[] = {
    {"", false},
    {"gzip", true},
    {"GZip", true},
    {"x-gzip", true},
    {"deflate, gzip, br", true},
    {"gzip;q=0", false},
    {"gzip;q=0.5, identity;q=0.4", true},
    {"gzip;q=0.5, identity", false},
    {"identity", false},
    {"*", false},
    {"*;q=0", false},
    {"identity;q=0, *;q=0.5", true},
    {"*;q=0, gzip;q=0.1", true},
    {"gzip;q=nonsense", false},
    {"gzipped", false},
};

static void test_accept_encoding(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(encodings); i++) {
        struct ch_accept accept = {.text = {.weight = 0}};

        ch_accept_encodings(&accept, encodings[i].header);
        if (ch_accept_gzip(&accept) != encodings[i].gzip)
            fail_msg("%s", encodings[i].header);
    }
}

static const struct {
    unsigned allowed;
    const char *key, *value;
    const char *reason; /* NULL: fine */
} parameters[] = {
    {CH_JSON_TARGETS_KEYS, "group", "redis", NULL},
    {CH_JSON_TARGETS_KEYS, "target", "[2001:db8::7]:80", NULL},
    {CH_JSON_TARGETS_KEYS, "failing", "true", NULL},
    {CH_JSON_TARGETS_KEYS, "failing", "false", NULL},
    {CH_JSON_EVENTS_KEYS, "limit", "1", NULL},
    {CH_JSON_EVENTS_KEYS, "limit", "18446744073709", NULL},
    {CH_JSON_TARGETS_KEYS, "failing", "yes", "failing=\"yes\" is not true or false"},
    {CH_JSON_TARGETS_KEYS, "failing", NULL, "failing=\"\" is not true or false"},
    {CH_JSON_TARGETS_KEYS, "group", NULL, "group=\"\" is not the name of a group"},
    {CH_JSON_TARGETS_KEYS, "target", "",
     "target=\"\" is not a target as it is written in the configuration"},
    {CH_JSON_EVENTS_KEYS, "limit", "0", "limit=\"0\" is not a whole number from 1"},
    {CH_JSON_EVENTS_KEYS, "limit", "", "limit=\"\" is not a whole number from 1"},
    {CH_JSON_EVENTS_KEYS, "limit", "-1", "limit=\"-1\" is not a whole number from 1"},
    {CH_JSON_EVENTS_KEYS, "limit", "1 ", "limit=\"1 \" is not a whole number from 1"},
    {CH_JSON_EVENTS_KEYS, "limit", "99999999999999999999999",
     "limit=\"99999999999999999999999\" is not a whole number from 1"},
    {CH_JSON_TARGETS_KEYS, "limit", "1",
     "there is no parameter \"limit\" here (there is: group, target, failing)"},
    {CH_JSON_EVENTS_KEYS, "failing", "true",
     "there is no parameter \"failing\" here (there is: group, target, limit)"},
    {0, "Group", "redis", "there is no parameter \"Group\" here (there is: none)"},
    {0, "a\n\xff", "", "there is no parameter \"a\\n\\xff\" here (there is: none)"},
};

static void test_query(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(parameters); i++) {
        struct ch_query query = {.given = 0};
        char reason[CH_QUERY_REASON] = "";
        int r = ch_query_add(&query, parameters[i].allowed, parameters[i].key, parameters[i].value,
                             reason);

        assert_int_equal(r, parameters[i].reason ? -EINVAL : 0);
        assert_string_equal(reason, parameters[i].reason ? parameters[i].reason : "");
        assert_int_equal(query.given != 0, r == 0);
    }
}

static void test_query_values(void **state)
{
    struct ch_query query = {.given = 0};
    char reason[CH_QUERY_REASON];
    unsigned all = CH_JSON_TARGETS_KEYS | CH_JSON_EVENTS_KEYS;

    (void)state;
    assert_int_equal(ch_query_add(&query, all, "group", "g", reason), 0);
    assert_int_equal(ch_query_add(&query, all, "limit", "25", reason), 0);
    assert_int_equal(ch_query_add(&query, all, "failing", "false", reason), 0);
    assert_int_equal(ch_query_add(&query, all, "target", "t:1", reason), 0);
    assert_int_equal(query.given, all);
    assert_string_equal(query.group, "g");
    assert_string_equal(query.target, "t:1");
    assert_int_equal(query.limit, 25);
    assert_false(query.failing);
    assert_int_equal(ch_query_add(&query, all, "limit", "26", reason), -EINVAL);
    assert_string_equal(reason, "limit is given twice");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accept),          cmocka_unit_test(test_several_headers_count_as_one),
        cmocka_unit_test(test_accept_encoding), cmocka_unit_test(test_query),
        cmocka_unit_test(test_query_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
