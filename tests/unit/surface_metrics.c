/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "metrics.h"
#include "oom.h"
#include "surface_fixture.h"

#define COUNT_OF(table) (sizeof(table) / sizeof((table)[0]))

static struct ch_state shared;
static struct ch_metrics metrics = {.state = &shared};

static char *render(enum ch_metrics_format format, size_t step)
{
    struct ch_stream *stream = NULL;

    assert_int_equal(ch_metrics_open(&metrics, format, &stream), 0);
    return fixture_read(stream, step);
}

/* The values of what is the process's own become an asterisk. */
static void mask_process(char *text)
{
    char *out = text;

    for (char *line = text, *end; *line; line = end) {
        bool own = strncmp(line, "process_", 8) == 0;
        bool build = strncmp(line, "connhealth_build_info{", 22) == 0;
        char *space;

        end = strchr(line, '\n') + 1;
        space = memchr(line, own ? ' ' : '{', (size_t)(end - line));
        if (!own && !build) {
            memmove(out, line, (size_t)(end - line));
            out += end - line;
            continue;
        }
        memmove(out, line, (size_t)(space - line));
        out += space - line;
        memcpy(out, " *\n", 3);
        out += 3;
    }
    *out = '\0';
}

static void golden(enum ch_metrics_format format, const char *name)
{
    char *text;

    fixture_state(&shared, synthetic_golden_yaml);
    text = render(format, 65536);
    mask_process(text);
    fixture_golden(name, text);
    free(text);
    fixture_clear(&shared);
}

static void test_golden_text(void **state)
{
    (void)state;
    golden(CH_METRICS_TEXT, "metrics.txt");
}

static void test_golden_openmetrics(void **state)
{
    (void)state;
    golden(CH_METRICS_OPENMETRICS, "metrics.openmetrics");
}

static const char *find_line(const char *text, const char *start)
{
    size_t len = strlen(start);

    for (const char *line = text; line && *line; line = strchr(line, '\n') + 1)
        if (strncmp(line, start, len) == 0)
            return line;
    return NULL;
}

static void test_without_a_generation(void **state)
{
    char *text;

    (void)state;
    assert_int_equal(ch_state_init(&shared), 0);
    text = render(CH_METRICS_TEXT, 4096);
    assert_non_null(find_line(text, "connhealth_targets 0\n"));
    assert_null(find_line(text, "connhealth_probe_"));
    assert_null(find_line(text, "# HELP connhealth_probe_"));
    assert_null(find_line(text, "connhealth_responder_"));
    assert_null(find_line(text, "connhealth_loop_lag_"));
    assert_null(find_line(text, "connhealth_config_last_reload_success_timestamp_seconds"));
    free(text);
    ch_state_clear(&shared);
}

static void test_what_is_not_known_has_no_sample(void **state)
{
    struct ch_generation *generation = synthetic_generation(synthetic_golden_yaml);
    char *text;

    (void)state;
    assert_int_equal(ch_state_init(&shared), 0);
    ch_state_publish(&shared, generation);
    text = render(CH_METRICS_TEXT, 4096);
    assert_null(strstr(text, "connhealth_probe_success"));
    assert_null(strstr(text, "_timestamp_seconds{"));
    assert_null(strstr(text, "connhealth_probe_rtt_seconds"));
    assert_null(strstr(text, "connhealth_probe_idle_"));
    assert_null(strstr(text, "connhealth_probe_causes_total{"));
    assert_non_null(find_line(text, "connhealth_probe_attempts_total{group=\"redis\""));
    assert_non_null(strstr(text, "category=\"refused\"} 0\n"));
    assert_null(strstr(text, "category=\"refused\"} 1\n"));
    free(text);
    ch_state_clear(&shared);
}

/* However it is read, and with whatever in between, the bytes are the same. */
static void test_any_step_gives_the_same_bytes(void **state)
{
    char *yaml = synthetic_yaml(2000), *whole;

    (void)state;
    fixture_state(&shared, yaml);
    whole = render(CH_METRICS_TEXT, 1 << 20);
    assert_true(strlen(whole) > 20 * CH_STREAM_CHUNK);
    mask_process(whole);
    for (size_t step = 1; step < 200000; step = step * 7 + 6) {
        char *text = render(CH_METRICS_TEXT, step);

        mask_process(text);
        assert_string_equal(text, whole);
        free(text);
    }
    free(whole);
    free(yaml);
    fixture_clear(&shared);
}

static void test_memory_is_one_chunk(void **state)
{
    char *yaml = synthetic_yaml(3000), buffer[4096];
    struct ch_stream *stream = NULL;
    size_t len = 0;
    ssize_t got;

    (void)state;
    fixture_state(&shared, yaml);
    assert_int_equal(ch_metrics_open(&metrics, CH_METRICS_TEXT, &stream), 0);
    while ((got = ch_stream_read(stream, buffer, sizeof(buffer))) > 0) {
        len += (size_t)got;
        assert_true(stream->chunk.size <= 2 * CH_STREAM_CHUNK);
    }
    assert_int_equal(got, 0);
    assert_true(len > 40 * CH_STREAM_CHUNK);
    ch_stream_free(stream);
    free(yaml);
    fixture_clear(&shared);
}

static void test_labels_longer_than_a_chunk(void **state)
{
    struct ch_text yaml = {.data = NULL};
    char *text, *config;

    (void)state;
    ch_text_puts(&yaml, "groups:\n  - name: g\n    connect: {}\n    static_configs:\n"
                        "      - targets: [\"h:1\"]\n        labels:\n");
    for (int i = 0; i < 100; i++)
        ch_text_printf(&yaml, "          label%d: %01000d\n", i, i);
    config = ch_text_take(&yaml);
    assert_non_null(config);
    fixture_state(&shared, config);
    assert_true(shared.generation->series[0].labels_len > CH_STREAM_CHUNK);
    text = render(CH_METRICS_TEXT, 1000);
    assert_true(strlen(text) > 20 * CH_STREAM_CHUNK);
    free(text);
    free(config);
    fixture_clear(&shared);
}

static int write_family(void *context, struct ch_text *out, enum ch_metrics_format format)
{
    static const struct ch_family family = {
        .name = "other_total", .type = CH_FAMILY_COUNTER, .help = "Said \"by\" an\\other"};

    ch_exposition_family(out, format, &family);
    ch_exposition_begin(out, &family, "");
    ch_exposition_label(out, "a", "\"\\\n\xff");
    ch_exposition_label(out, "b", "");
    ch_exposition_decimal(out, -1500, 3);
    ch_exposition_begin(out, &family, "");
    ch_exposition_u64(out, UINT64_MAX);
    return *(int *)context;
}

static void test_other_families_come_last(void **state)
{
    int result = 0;
    struct ch_family_writer writers[] = {{write_family, &result}, {write_family, &result}};
    struct ch_stream *stream = NULL;
    char *text, buffer[65536];
    const char *at;

    (void)state;
    fixture_state(&shared, synthetic_golden_yaml);
    metrics.writers = writers;
    metrics.writer_count = 1;
    text = render(CH_METRICS_OPENMETRICS, 4096);
    at = find_line(text, "# HELP other ");
    assert_non_null(at);
    assert_string_equal(at, "# HELP other Said \\\"by\\\" an\\\\other\n"
                            "# TYPE other counter\n"
                            "other_total{a=\"\\\"\\\\\\n\xEF\xBF\xBD\",b=\"\"} -1.5\n"
                            "other_total 18446744073709551615\n"
                            "# EOF\n");
    free(text);
    text = render(CH_METRICS_TEXT, 4096);
    assert_non_null(find_line(text, "# HELP other_total Said \"by\" an\\\\other\n"));
    free(text);

    metrics.writer_count = 2;
    result = -EBUSY; /* what a writer returns ends the scrape as failed */
    assert_int_equal(ch_metrics_open(&metrics, CH_METRICS_TEXT, &stream), 0);
    for (ssize_t got = 1; got != -EBUSY;) {
        got = ch_stream_read(stream, buffer, sizeof(buffer));
        assert_true(got > 0 || got == -EBUSY);
    }
    ch_stream_free(stream);
    metrics.writers = NULL;
    metrics.writer_count = 0;
    fixture_clear(&shared);
}

/* Two codes of one word, and the pairs beyond the bound, are one series each. */
static void test_icmp_errors_are_no_duplicates(void **state)
{
    struct ch_generation *generation;
    struct ch_icmp icmp = {.version = 4, .type = 5, .code = 0};
    char *text;

    (void)state;
    fixture_state(&shared, synthetic_golden_yaml);
    generation = ch_state_generation(&shared);
    assert_true(ch_addr_parse("192.0.2.1", 0, &icmp.offender));
    for (icmp.code = 0; icmp.code < 3; icmp.code++)
        ch_record_icmp(generation->series[1].record, &icmp);
    icmp = (struct ch_icmp){.version = 4, .type = 3, .code = 1};
    for (unsigned i = 0; i < 30; i++) {
        char address[24];

        snprintf(address, sizeof(address), "192.0.2.%u", 100 + i);
        assert_true(ch_addr_parse(address, 0, &icmp.offender));
        ch_record_icmp(generation->series[1].record, &icmp);
    }
    ch_generation_unref(generation);
    text = render(CH_METRICS_TEXT, 4096);
    assert_non_null(strstr(text, ",icmp=\"redirect\",offender=\"192.0.2.1\"} 3\n"));
    assert_non_null(strstr(text, ",icmp=\"host_unreachable\",offender=\"192.0.2.100\"} 1\n"));
    assert_non_null(strstr(text, ",icmp=\"other\",offender=\"other\"} 17\n"));
    free(text);
    fixture_clear(&shared);
}

/* --- while the prober counts on */

static atomic_bool stop;

static void *count_on(void *context)
{
    struct ch_generation *generation = context;

    while (!atomic_load(&stop))
        synthetic_morning(generation, NULL);
    return NULL;
}

static void check_histogram(const char *text)
{
    unsigned long long infinite = 0, before = 0, value;
    unsigned checked = 0;

    for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
        const char *end = strchr(line, '\n'), *last = end;

        if (strncmp(line, "connhealth_probe_duration_seconds_", 34) != 0)
            continue;
        while (last[-1] != ' ')
            last--;
        value = strtoull(last, NULL, 10);
        if (line[34] == 'b') {
            assert_true(value >= before);
            before = infinite = value;
        } else if (line[34] == 'c') {
            assert_int_equal(value, infinite);
            before = 0;
            checked++;
        }
    }
    assert_true(checked > 0);
}

static void test_while_the_prober_counts(void **state)
{
    struct ch_generation *generation;
    pthread_t thread;

    (void)state;
    fixture_state(&shared, synthetic_golden_yaml);
    generation = ch_state_generation(&shared);
    atomic_store(&stop, false);
    assert_int_equal(pthread_create(&thread, NULL, count_on, generation), 0);
    for (int i = 0; i < 50; i++) {
        char *text = render(CH_METRICS_TEXT, 4096);

        check_histogram(text);
        free(text);
    }
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    ch_generation_unref(generation);
    fixture_clear(&shared);
}

/* --- numbers */

static void test_integers(void **state)
{
    char text[CH_NUMBER_TEXT + 1], expected[32];
    uint64_t value = 0;

    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        *ch_number_u64(text, value) = '\0';
        snprintf(expected, sizeof(expected), "%" PRIu64, value);
        assert_string_equal(text, expected);
        value = i < 110 ? value + 1 : value * 3 + i;
    }
    *ch_number_u64(text, UINT64_MAX) = '\0';
    assert_string_equal(text, "18446744073709551615");
}

static void test_decimals(void **state)
{
    static const struct {
        int64_t value;
        unsigned scale;
        const char *text;
    } rows[] = {
        {0, 9, "0"},
        {1, 9, "0.000000001"},
        {2500000, 9, "0.0025"},
        {100000, 9, "0.0001"},
        {1000000000, 9, "1"},
        {1500000000, 9, "1.5"},
        {10000000000, 9, "10"},
        {1700000000123, 3, "1700000000.123"},
        {1700000000120, 3, "1700000000.12"},
        {1700000000000, 3, "1700000000"},
        {-1500, 3, "-1.5"},
        {-1, 9, "-0.000000001"},
        {123, 0, "123"},
        {INT64_MAX, 9, "9223372036.854775807"},
        {INT64_MIN, 9, "-9223372036.854775808"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[CH_NUMBER_TEXT + 1];

        *ch_number_decimal(text, rows[i].value, rows[i].scale) = '\0';
        assert_string_equal(text, rows[i].text);
    }
}

static void test_bounds(void **state)
{
    static const struct {
        int64_t bound;
        const char *text, *openmetrics;
    } rows[] = {{100000, "0.0001", "0.0001"},
                {1000000000, "1", "1.0"},
                {10000000000, "10", "10.0"},
                {2500000000, "2.5", "2.5"},
                {INT64_MAX, "+Inf", "+Inf"}};
    char text[CH_NUMBER_TEXT + 1];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        *ch_exposition_bound(text, CH_METRICS_TEXT, rows[i].bound) = '\0';
        assert_string_equal(text, rows[i].text);
        *ch_exposition_bound(text, CH_METRICS_OPENMETRICS, rows[i].bound) = '\0';
        assert_string_equal(text, rows[i].openmetrics);
    }
}

/* --- memory that runs out */

/* Never half a body that looks whole: an error, or all of it. */
static void test_out_of_memory(void **state)
{
    char buffer[8192];
    long failures = 0;
    bool whole = false;

    (void)state;
    fixture_state(&shared, synthetic_golden_yaml);
    for (long after = 0; !whole && after < 100; after++) {
        struct ch_stream *stream = NULL;
        ssize_t got = -ENOMEM;

        oom_after = after;
        if (ch_metrics_open(&metrics, CH_METRICS_TEXT, &stream) == 0)
            while ((got = ch_stream_read(stream, buffer, sizeof(buffer))) > 0)
                ;
        oom_after = -1;
        assert_true(got == 0 || got == -ENOMEM);
        whole = got == 0;
        failures += got < 0;
        ch_stream_free(stream);
    }
    assert_true(whole);
    assert_true(failures >= 2);
    fixture_clear(&shared);
}

static void test_text_remembers_a_failure(void **state)
{
    struct ch_text text = {.data = NULL};

    (void)state;
    ch_text_puts(&text, "kept");
    oom_after = 0;
    ch_text_append(&text, (char[4096]){0}, 4096);
    oom_after = -1;
    assert_true(text.failed);
    ch_text_puts(&text, "more");
    ch_text_u64(&text, 7);
    ch_text_printf(&text, "%d", 7);
    assert_int_equal(text.len, 4);
    assert_null(ch_text_take(&text));
    assert_false(text.failed);
    assert_false(ch_text_reserve(&text, SIZE_MAX / 2));
    ch_text_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_text),
        cmocka_unit_test(test_golden_openmetrics),
        cmocka_unit_test(test_without_a_generation),
        cmocka_unit_test(test_what_is_not_known_has_no_sample),
        cmocka_unit_test(test_any_step_gives_the_same_bytes),
        cmocka_unit_test(test_memory_is_one_chunk),
        cmocka_unit_test(test_labels_longer_than_a_chunk),
        cmocka_unit_test(test_other_families_come_last),
        cmocka_unit_test(test_icmp_errors_are_no_duplicates),
        cmocka_unit_test(test_while_the_prober_counts),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_decimals),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_text_remembers_a_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
