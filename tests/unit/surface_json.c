/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <cjson/cJSON.h>

#include "connhealth/text.h"
#include "json.h"
#include "oom.h"
#include "page.h"
#include "surface_fixture.h"

static struct ch_state shared;

static int set_up(void **state)
{
    (void)state;
    fixture_state(&shared, synthetic_golden_yaml);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    oom_after = -1;
    fixture_clear(&shared);
    return 0;
}

typedef int opener(struct ch_state *state, const struct ch_query *query, struct ch_stream **ret);

static char *read_all(opener *open, const struct ch_query *query, size_t step)
{
    struct ch_stream *stream = NULL;

    assert_int_equal(open(&shared, query, &stream), 0);
    return fixture_read(stream, step);
}

static cJSON *parse(const char *text)
{
    const char *end = NULL;
    cJSON *root;

    assert_true(ch_text_is_utf8(text, strlen(text)));
    root = cJSON_ParseWithOpts(text, &end, false);
    assert_non_null(root);
    assert_string_equal(end, "\n");
    return root;
}

static const cJSON *at(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

    if (!item)
        fail_msg("no \"%s\"", key);
    return item;
}

static const char *text_at(const cJSON *object, const char *key)
{
    const char *text = cJSON_GetStringValue(at(object, key));

    assert_non_null(text);
    return text;
}

/* The sentences are the diagnosis' own; one line for each element, to be read. */
static void golden(const char *name, char *text)
{
    static const char mark[] = "\"detail\":\"",
                      between[] = "},{\"group\":", between_events[] = "},{\"number\":";

    for (char *detail = text; (detail = strstr(detail, mark));) {
        char *start = detail + sizeof(mark) - 1, *end = start;

        while (*end != '"')
            end += *end == '\\' ? 2 : 1;
        assert_true(end > start);
        *start = '*';
        memmove(start + 1, end, strlen(end) + 1);
        detail = start;
    }
    for (char *comma = text;
         (comma = strstr(comma, strstr(name, "events") ? between_events : between)); comma++)
        comma[1] = '\n';
    fixture_golden(name, text);
}

static void test_golden_targets(void **state)
{
    struct ch_query query = {.given = 0};
    char *text = read_all(ch_json_targets_open, &query, 65536);

    (void)state;
    cJSON_Delete(parse(text));
    golden("targets.json", text);
    free(text);
}

static void test_golden_events(void **state)
{
    struct ch_query query = {.given = 0};
    char *text = read_all(ch_json_events_open, &query, 65536);

    (void)state;
    cJSON_Delete(parse(text));
    golden("events.json", text);
    free(text);
}

static void test_any_step_gives_the_same_bytes(void **state)
{
    struct ch_query query = {.given = 0};
    char *yaml = synthetic_yaml(300), *whole;

    (void)state;
    fixture_clear(&shared);
    fixture_state(&shared, yaml);
    whole = read_all(ch_json_targets_open, &query, 1 << 20);
    assert_true(strlen(whole) > 3 * CH_STREAM_CHUNK);
    for (size_t step = 1; step < 200000; step = step * 7 + 6) {
        char *text = read_all(ch_json_targets_open, &query, step);

        assert_string_equal(text, whole);
        free(text);
    }
    cJSON_Delete(parse(whole));
    free(whole);
    free(yaml);
}

static int count_of(opener *open, struct ch_query query)
{
    const char *key = open == ch_json_targets_open ? "targets" : "events";
    char *text = read_all(open, &query, 4096);
    cJSON *root = parse(text);
    int count = cJSON_GetArraySize(at(root, key));

    cJSON_Delete(root);
    free(text);
    return count;
}

static void test_filters(void **state)
{
    opener *const targets = ch_json_targets_open, *const events = ch_json_events_open;

    (void)state;
#define QUERY(...) ((struct ch_query){__VA_ARGS__})
    assert_int_equal(count_of(targets, QUERY(.given = 0)), 5);
    assert_int_equal(count_of(targets, QUERY(.given = CH_QUERY_GROUP, .group = "redis")), 3);
    assert_int_equal(count_of(targets, QUERY(.given = CH_QUERY_GROUP, .group = "redi")), 0);
    assert_int_equal(
        count_of(targets, QUERY(.given = CH_QUERY_TARGET, .target = "cache.example.net:10338")), 1);
    assert_int_equal(count_of(targets, QUERY(.given = CH_QUERY_FAILING, .failing = true)), 1);
    assert_int_equal(count_of(targets, QUERY(.given = CH_QUERY_FAILING, .failing = false)), 4);
    assert_int_equal(count_of(targets, QUERY(.given = CH_QUERY_FAILING | CH_QUERY_GROUP,
                                             .failing = false, .group = "redis")),
                     2);
    assert_int_equal(count_of(events, QUERY(.given = 0)), 5);
    assert_int_equal(count_of(events, QUERY(.given = CH_QUERY_LIMIT, .limit = 2)), 2);
    assert_int_equal(count_of(events, QUERY(.given = CH_QUERY_LIMIT, .limit = 1000000)), 5);
    assert_int_equal(count_of(events, QUERY(.given = CH_QUERY_GROUP, .group = "redis")), 3);
    assert_int_equal(count_of(events, QUERY(.given = CH_QUERY_TARGET, .target = "nothing:1")), 0);
#undef QUERY
}

static void test_nothing_was_tried_yet(void **state)
{
    struct ch_query query = {.given = 0};
    const cJSON *target;
    char *text;
    cJSON *root;

    (void)state;
    fixture_clear(&shared);
    assert_int_equal(ch_state_init(&shared), 0);
    assert_int_equal(ch_events_new(&shared.events), 0);
    text = read_all(ch_json_targets_open, &query, 4096);
    assert_string_equal(text, "{\"targets\":[]}\n");
    free(text);
    shared.started_ns = INT64_C(1699996400123456789);
    text = read_all(ch_json_events_open, &query, 4096);
    assert_string_equal(text, "{\"events\":[],\"started\":1699996400.123}\n");
    free(text);
    ch_state_publish(&shared, synthetic_generation(synthetic_golden_yaml));
    text = read_all(ch_json_targets_open, &query, 4096);
    root = parse(text);
    cJSON_ArrayForEach (target, at(root, "targets")) {
        assert_true(cJSON_IsNull(at(target, "success")));
        assert_true(cJSON_IsNull(at(target, "since")));
        assert_true(cJSON_IsNull(at(target, "last")));
        assert_true(cJSON_IsNull(at(target, "last_failure")));
        assert_int_equal(at(target, "attempts")->valueint, 0);
    }
    cJSON_Delete(root);
    free(text);
}

/* Counters above 2^53 and times are exact, bytes of a peer always UTF-8. */
static void test_numbers_and_bytes(void **state)
{
    struct ch_query query = {.given = CH_QUERY_GROUP, .group = "redis"};
    struct ch_generation *generation = ch_state_generation(&shared);
    struct ch_evidence evidence = {.end = CH_END_MISMATCH,
                                   .phase = CH_PHASE_RECEIVE,
                                   .established = true,
                                   .reply_len = CH_REPLY_SHOWN};
    char *text;

    (void)state;
    for (unsigned i = 0; i < CH_REPLY_SHOWN; i++)
        evidence.reply[i] = (uint8_t)(0xE0 + i % 32);
    synthetic_failure(generation->series[0].record, CH_PROBE_CONNECT, &evidence);
    atomic_store(&generation->series[0].record->attempts, UINT64_C(9007199254740993));
    ch_generation_unref(generation);
    text = read_all(ch_json_targets_open, &query, 4096);
    assert_non_null(strstr(text, "\"attempts\":9007199254740993,"));
    assert_non_null(strstr(text, "\"time\":1700000000.123,"));
    assert_non_null(strstr(text, "\\\\xe0\\\\xe1"));
    cJSON_Delete(parse(text));
    free(text);
}

static void test_names_that_are_not_utf8(void **state)
{
    struct ch_query query = {.given = 0};
    struct ch_event event = {.group = "g\xff\xc3(", .target = "\xed\xa0\x80\"\x01"};
    char *text;
    cJSON *root;

    (void)state;
    ch_events_add(shared.events, &event);
    text = read_all(ch_json_events_open, &query, 4096);
    root = parse(text);
    assert_string_equal(text_at(cJSON_GetArrayItem(at(root, "events"), 0), "group"),
                        "g\xEF\xBF\xBD\xEF\xBF\xBD(");
    assert_string_equal(text_at(cJSON_GetArrayItem(at(root, "events"), 0), "target"),
                        "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"\x01");
    cJSON_Delete(root);
    free(text);
}

static int write_value(void *context, struct ch_text *out)
{
    ch_text_puts(out, "[1,{\"a\":null}]");
    return *(int *)context;
}

static void test_status(void **state)
{
    int result = 0;
    struct ch_json_writer writer = {"sockets", write_value, &result};
    struct ch_text out = {.data = NULL};
    const cJSON *config, *counts;
    char *text;
    cJSON *root;

    (void)state;
    ch_state_reload_result(&shared, "a.yml:1:2: x: is wrong\nb.yml:3:4: y: is wrong");
    assert_int_equal(ch_json_status(&shared, SYNTHETIC_NOW_NS, &writer, 1, &out), 0);
    text = ch_text_take(&out);
    root = parse(text);
    assert_true(at(root, "uptime_seconds")->valuedouble == 3600);
    assert_true(cJSON_IsTrue(at(root, "ready")));
    assert_string_not_equal(text_at(root, "version"), "");
    assert_int_equal(cJSON_GetArraySize(at(root, "sockets")), 2);
    config = at(root, "config");
    assert_true(cJSON_IsFalse(at(config, "last_reload_successful")));
    assert_int_equal(cJSON_GetArraySize(at(config, "errors")), 2);
    assert_string_equal(cJSON_GetArrayItem(at(config, "errors"), 1)->valuestring,
                        "b.yml:3:4: y: is wrong");
    assert_string_equal(text_at(config, "file"), "/etc/connhealthd/connhealthd.yml");
    counts = at(root, "counts");
    assert_int_equal(at(counts, "groups")->valueint, 2);
    assert_int_equal(at(counts, "targets")->valueint, 3);
    assert_int_equal(at(counts, "probes")->valueint, 5);
    assert_int_equal(at(counts, "failing")->valueint, 1);
    assert_int_equal(at(counts, "succeeding")->valueint, 4);
    assert_int_equal(at(counts, "untried")->valueint, 0);
    cJSON_Delete(root);
    free(text);

    result = -EBUSY;
    assert_true(ch_json_status(&shared, SYNTHETIC_NOW_NS, &writer, 1, &out) < 0);
    ch_text_free(&out);
}

static void test_categories(void **state)
{
    struct ch_text out = {.data = NULL};
    const cJSON *row, *words;
    char *text;
    cJSON *root;
    unsigned i = 0;

    (void)state;
    assert_int_equal(ch_json_categories(&out), 0);
    text = ch_text_take(&out);
    root = parse(text);
    cJSON_ArrayForEach (row, at(root, "categories")) {
        enum ch_category category;

        assert_true(ch_category_from_slug(text_at(row, "category"), &category));
        assert_int_equal(category, ++i);
        assert_string_not_equal(text_at(row, "meaning"), "");
        assert_string_not_equal(text_at(row, "advice"), "");
    }
    assert_int_equal(i, CH_CATEGORY_COUNT - 1);
    words = at(cJSON_GetArrayItem(at(root, "categories"), CH_CATEGORY_DENIED - 1), "errnos");
    assert_int_equal(cJSON_GetArraySize(words), 2); /* EACCES, EPERM */
    assert_int_equal(cJSON_GetArraySize(at(root, "phases")), CH_PHASE_COUNT - 1);
    assert_int_equal(cJSON_GetArraySize(at(root, "wires")), CH_WIRE_COUNT);
    assert_int_equal(cJSON_GetArraySize(at(root, "causes")), CH_CAUSE_COUNT - 1);
    assert_int_equal(cJSON_GetArraySize(at(root, "troubles")), CH_TROUBLE_COUNT - 1);
    assert_int_equal(cJSON_GetArraySize(at(root, "rules")), ch_rule_count());
    cJSON_Delete(root);
    free(text);
}

static void test_error(void **state)
{
    struct ch_text out = {.data = NULL};
    char *text;

    (void)state;
    assert_int_equal(ch_json_error("a \"bad\" \xff query", &out), 0);
    text = ch_text_take(&out);
    assert_string_equal(text, "{\"error\":\"a \\\"bad\\\" \xEF\xBF\xBD query\"}\n");
    free(text);
}

/* --- the overview */

static char *overview(int64_t now_ns, const char *since)
{
    struct ch_query query = {.given = 0};
    char reason[CH_QUERY_REASON] = "";
    struct ch_stream *stream = NULL;

    if (since)
        assert_int_equal(ch_query_add(&query, CH_JSON_OVERVIEW_KEYS, "since", since, reason), 0);
    assert_int_equal(ch_json_overview_open(&shared, now_ns, &query, &stream), 0);
    return fixture_read(stream, 65536);
}

static char *cursor_of(const char *text)
{
    cJSON *root = parse(text);
    char *cursor = strdup(text_at(root, "cursor"));

    assert_non_null(cursor);
    cJSON_Delete(root);
    return cursor;
}

static int count_at(const char *text, const char *key)
{
    cJSON *root = parse(text);
    int count = cJSON_GetArraySize(at(root, key));

    cJSON_Delete(root);
    return count;
}

static void test_golden_overview(void **state)
{
    char *text = overview(SYNTHETIC_NOW_NS, NULL);

    (void)state;
    cJSON_Delete(parse(text));
    golden("overview.json", text);
    free(text);
}

static void test_overview_since(void **state)
{
    int64_t later = SYNTHETIC_NOW_NS + INT64_C(60000000000);
    char *all = overview(later, NULL), *cursor = cursor_of(all), *text = overview(later, cursor);
    struct ch_generation *generation = ch_state_generation(&shared);
    struct ch_record *record = generation->series[1].record;

    (void)state;
    assert_non_null(strstr(text, "\"complete\":false"));
    assert_int_equal(count_at(text, "targets"), 0);
    assert_int_equal(count_at(text, "changes"), 0);
    free(text);
    /* what changes from now on is told, and only that */
    atomic_store(&record->changed_ns, later + 1);
    text = overview(later + 2, cursor);
    assert_int_equal(count_at(text, "targets"), 1);
    assert_non_null(strstr(text, "\"id\":1,"));
    ch_generation_unref(generation);
    free(text);
    free(cursor);
    free(all);
}

/* A cursor of another process, of another configuration, or of a time to come. */
static void test_overview_of_another_life(void **state)
{
    static const char *const cursors[] = {"1-1-1", "0-0-0",
                                          "ffffffffffffffff-ffffffffffffffff-ffffffffffffffff"};
    static const char *const bad[] = {
        "", "1", "1-2", "1-2-", "1-2-3-4", "x-2-3", "1-2-3 ", "-1-2-3", "11111111111111111-2-3"};
    char *all = overview(SYNTHETIC_NOW_NS, NULL), *cursor = cursor_of(all), *text;
    struct ch_query query = {.given = 0};
    char reason[CH_QUERY_REASON];

    (void)state;
    for (size_t i = 0; i < sizeof(cursors) / sizeof(cursors[0]); i++) {
        text = overview(SYNTHETIC_NOW_NS, cursors[i]);
        assert_string_equal(text, all);
        free(text);
    }
    text = overview(SYNTHETIC_NOW_NS - 1, cursor); /* the clock was set back */
    assert_int_equal(count_at(text, "targets"), 5);
    free(text);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(ch_query_add(&query, CH_JSON_OVERVIEW_KEYS, "since", bad[i], reason),
                         -EINVAL);
    free(cursor);
    free(all);
}

/* --- the page */

static char *page(void)
{
    struct ch_text out = {.data = NULL};
    char *text;

    ch_page_render(&shared, SYNTHETIC_NOW_NS + INT64_C(93784000000000), &out);
    text = ch_text_take(&out);
    assert_non_null(text);
    assert_non_null(strstr(text, "</html>"));
    return text;
}

static void test_page(void **state)
{
    char *text = page();

    (void)state;
    /* one fails, since a day, two hours, three minutes and four seconds */
    assert_non_null(strstr(text, "<h2 id=\"headline\">1 of 5 probes fails</h2>"));
    assert_non_null(strstr(text,
                           "<time datetime=\"2023-11-14T22:13:20Z\" title=\"2023-11-14T22:13:20Z\">"
                           "1d 2h</time>"));
    assert_non_null(strstr(text, "<bdi class=\"name\">10.0.0.1:6379</bdi><span class=\"place\">"
                                 "<bdi>redis</bdi> · connect</span>"));
    assert_non_null(strstr(text, "<b>refused</b> <span>port_closed</span> <i>certain</i>"));
    assert_null(strstr(text, "<!--"));
    free(text);
}

static void test_page_escapes(void **state)
{
    struct ch_generation *generation = ch_state_generation(&shared);
    struct ch_record *record = generation->series[0].record;
    struct ch_evidence evidence = {.phase = CH_PHASE_RECEIVE,
                                   .end = CH_END_MISMATCH,
                                   .established = true,
                                   .reply = "</td><script>\"it's\" & <b>",
                                   .reply_len = 25};
    char *text;

    (void)state;
    synthetic_failure(record, CH_PROBE_CONNECT, &evidence);
    ch_generation_unref(generation);
    text = page();
    assert_null(strstr(text, "</td><script>"));
    assert_non_null(strstr(text, "&#60;/td&#62;&#60;script&#62;"));
    free(text);
}

static void test_page_of_nothing(void **state)
{
    char *text;

    (void)state;
    fixture_clear(&shared);
    fixture_state(&shared, "groups: []\n");
    text = page();
    assert_non_null(strstr(text, "class=\"empty\""));
    assert_non_null(strstr(text, "No targets are configured"));
    free(text);
}

static void test_page_of_a_failed_reload(void **state)
{
    char *text;

    (void)state;
    ch_state_reload_result(&shared, "x.yml:1:1: <script>alert(1)</script>\xff");
    text = page();
    assert_non_null(strstr(text, "&#60;script&#62;alert(1)&#60;/script&#62;\xEF\xBF\xBD</pre>"));
    free(text);
}

static void test_page_counts_what_it_does_not_show(void **state)
{
    struct ch_evidence evidence = {.end = CH_END_DEADLINE, .phase = CH_PHASE_CONNECT};
    char *yaml = synthetic_yaml(CH_PAGE_ROWS + 7), *text;
    struct ch_generation *generation;
    unsigned rows = 0;

    (void)state;
    fixture_clear(&shared);
    fixture_state(&shared, yaml);
    generation = ch_state_generation(&shared);
    for (size_t i = 0; i < generation->series_count; i++)
        synthetic_failure(generation->series[i].record, CH_PROBE_CONNECT, &evidence);
    ch_generation_unref(generation);
    text = page();
    for (const char *row = text; (row = strstr(row, "<tr class=\"failing\"")); row++)
        rows++;
    assert_int_equal(rows, CH_PAGE_ROWS);
    assert_non_null(strstr(text, "<p>And 7 more: see"));
    free(text);
    free(yaml);
}

/* --- memory that runs out */

static int try_stream(opener *open, const struct ch_query *query)
{
    struct ch_stream *stream = NULL;
    int r = open(&shared, query, &stream);
    char buffer[8192];
    ssize_t got = 1;

    while (r == 0 && got > 0) {
        got = ch_stream_read(stream, buffer, sizeof(buffer));
        if (got < 0)
            r = (int)got;
    }
    ch_stream_free(stream);
    return r;
}

static int open_overview(struct ch_state *state, const struct ch_query *query,
                         struct ch_stream **ret)
{
    return ch_json_overview_open(state, SYNTHETIC_NOW_NS, query, ret);
}

/* Whatever allocation fails, the answer is an error or whole. */
static void test_out_of_memory(void **state)
{
    struct ch_query query = {.given = 0};
    cJSON_Hooks hooks = {__wrap_malloc, free};
    int r = -ENOMEM;
    long after;

    (void)state;
    cJSON_InitHooks(&hooks); /* the library's own calls are not wrapped */
    for (after = 0; r < 0; after++) {
        oom_after = after;
        r = try_stream(ch_json_targets_open, &query);
        oom_after = -1;
        assert_true(r == 0 || r == -ENOMEM);
    }
    assert_true(after > 100);
    for (after = 0, r = -ENOMEM; r < 0; after++) {
        oom_after = after;
        r = try_stream(open_overview, &query);
        oom_after = -1;
        assert_true(r == 0 || r == -ENOMEM);
    }
    assert_true(after > 100);
    for (after = 0, r = -ENOMEM; r < 0; after++) {
        struct ch_text out = {.data = NULL};

        oom_after = after;
        r = ch_json_categories(&out);
        oom_after = -1;
        assert_true(r == 0 || r == -ENOMEM);
        ch_text_free(&out);
    }
    assert_true(after > 100);
    cJSON_InitHooks(NULL);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_golden_targets),
        TEST(test_golden_events),
        TEST(test_any_step_gives_the_same_bytes),
        TEST(test_filters),
        TEST(test_nothing_was_tried_yet),
        TEST(test_numbers_and_bytes),
        TEST(test_names_that_are_not_utf8),
        TEST(test_status),
        TEST(test_categories),
        TEST(test_error),
        TEST(test_golden_overview),
        TEST(test_overview_since),
        TEST(test_overview_of_another_life),
        TEST(test_page),
        TEST(test_page_escapes),
        TEST(test_page_of_nothing),
        TEST(test_page_of_a_failed_reload),
        TEST(test_page_counts_what_it_does_not_show),
        TEST(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
