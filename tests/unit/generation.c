/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "connhealth/clock.h"
#include "connhealth/expect.h"
#include "generation.h"
#include "oom.h"
#include "state.h"

/* Two kinds that exist only here, with one option of most types. */
struct options {
    int64_t idle_ns;
    uint32_t count;
    bool strict;
    struct ch_bytes send;
    struct ch_durations steps;
    struct ch_expect *expect;
};

static const struct ch_option option_table[] = {
    {.key = "idle", .type = CH_OPTION_DURATION, .offset = offsetof(struct options, idle_ns)},
    {.key = "count", .type = CH_OPTION_UINT, .offset = offsetof(struct options, count)},
    {.key = "strict", .type = CH_OPTION_BOOL, .offset = offsetof(struct options, strict)},
    {.key = "send", .type = CH_OPTION_TEXT, .offset = offsetof(struct options, send)},
    {.key = "steps", .type = CH_OPTION_DURATIONS, .offset = offsetof(struct options, steps)},
    {.key = "expect", .type = CH_OPTION_REGEX, .offset = offsetof(struct options, expect)},
    CH_OPTION_END,
};

static const struct ch_probe_ops connect_ops = {
    .kind = CH_PROBE_CONNECT, .options = option_table, .options_size = sizeof(struct options)};
static const struct ch_probe_ops heartbeat_ops = {
    .kind = CH_PROBE_HEARTBEAT, .options = option_table, .options_size = sizeof(struct options)};

static char *copy(const char *text)
{
    char *made = strdup(text);

    assert_non_null(made);
    return made;
}

static void *make(size_t count, size_t size)
{
    void *made = calloc(count ? count : 1, size);

    assert_non_null(made);
    return made;
}

static struct ch_probe_settings *make_settings(const struct ch_probe_ops *ops)
{
    struct ch_probe_settings *settings = ch_probe_settings_new(ops);

    assert_non_null(settings);
    settings->interval_ns = settings->timeout_ns = CH_NS_PER_S;
    return settings;
}

static struct ch_config *make_config(size_t groups)
{
    struct ch_config *config = make(1, sizeof(*config));

    atomic_init(&config->refs, 1);
    config->groups = make(groups, sizeof(*config->groups));
    config->group_count = groups;
    return config;
}

static void make_group(struct ch_config *config, size_t index, const char *name, bool heartbeat)
{
    struct ch_group *group = &config->groups[index];

    group->name = copy(name);
    group->probes[CH_PROBE_CONNECT] = make_settings(&connect_ops);
    if (heartbeat)
        group->probes[CH_PROBE_HEARTBEAT] = make_settings(&heartbeat_ops);
}

/* targets and labels: space-separated words; a label is name=value. */
static struct ch_target_list make_list(const char *targets, const char *labels)
{
    struct ch_target_list list = {0};
    char *words = copy(targets), *rest = words, *word;

    list.targets = make(strlen(targets), sizeof(*list.targets));
    while ((word = strsep(&rest, " ")) && *word)
        list.targets[list.count++] = copy(word);
    free(words);
    words = rest = copy(labels);
    list.labels.items = make(strlen(labels), sizeof(*list.labels.items));
    while ((word = strsep(&rest, " ")) && *word) {
        char *value = strchr(word, '=');

        *value++ = '\0';
        list.labels.items[list.labels.count++] =
            (struct ch_label){.name = copy(word), .value = copy(value)};
    }
    free(words);
    return list;
}

static void add_static(struct ch_config *config, size_t index, struct ch_target_list list)
{
    struct ch_group *group = &config->groups[index];

    group->static_configs = realloc(group->static_configs, (group->static_config_count + 1) *
                                                               sizeof(*group->static_configs));
    assert_non_null(group->static_configs);
    group->static_configs[group->static_config_count++] = list;
}

static void free_list(struct ch_target_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->targets[i]);
    for (size_t i = 0; i < list->labels.count; i++) {
        free(list->labels.items[i].name);
        free(list->labels.items[i].value);
    }
    free(list->targets);
    free(list->labels.items);
}

static struct ch_generation *build(struct ch_config *config,
                                   const struct ch_group_targets *discovered,
                                   const struct ch_generation *previous)
{
    struct ch_generation *made = NULL;

    assert_int_equal(ch_generation_new(&config, discovered, previous, &made), 0);
    assert_null(config);
    return made;
}

static const struct ch_series *find(const struct ch_generation *generation, const char *labels)
{
    for (size_t i = 0; i < generation->series_count; i++) {
        const struct ch_series *series = &generation->series[i];

        assert_int_equal(series->labels_len, strlen(series->labels));
        if (strcmp(series->labels, labels) == 0)
            return series;
    }
    return NULL;
}

static void test_an_empty_configuration(void **state)
{
    struct ch_generation *made = build(make_config(0), NULL, NULL), *next;

    (void)state;
    assert_int_equal(made->series_count, 0);
    assert_int_equal(made->number, 1);
    next = build(make_config(0), NULL, made);
    assert_int_equal(next->number, 2);
    ch_generation_unref(made);
    ch_generation_unref(next);
    assert_null(ch_generation_unref(NULL));
}

static void test_series_come_in_order(void **state)
{
    struct ch_config *config = make_config(2);
    struct ch_target_list found[] = {make_list("d:4", "zone=b"), make_list("e:5", "")};
    struct ch_group_targets discovered[] = {{.lists = found, .count = 2}, {0}};
    struct ch_generation *made;
    const char *expected[] = {
        "group=\"redis\",target=\"c:3\",probe=\"connect\"",
        "group=\"redis\",target=\"c:3\",probe=\"heartbeat\"",
        "group=\"redis\",target=\"a:1\",probe=\"connect\"",
        "group=\"redis\",target=\"a:1\",probe=\"heartbeat\"",
        "group=\"redis\",target=\"d:4\",probe=\"connect\",zone=\"b\"",
        "group=\"redis\",target=\"d:4\",probe=\"heartbeat\",zone=\"b\"",
        "group=\"redis\",target=\"e:5\",probe=\"connect\"",
        "group=\"redis\",target=\"e:5\",probe=\"heartbeat\"",
        "group=\"apache\",target=\"a:1\",probe=\"connect\",env=\"x\",team=\"y\"",
    };

    (void)state;
    make_group(config, 0, "redis", true);
    add_static(config, 0, make_list("c:3 a:1", ""));
    make_group(config, 1, "apache", false);
    add_static(config, 1, make_list("a:1", "env=x team=y"));
    made = build(config, discovered, NULL);
    /* nothing of what was discovered is held on to */
    free_list(&found[0]);
    free_list(&found[1]);

    assert_int_equal(made->target_count, 5);
    assert_int_equal(made->series_count, sizeof(expected) / sizeof(*expected));
    for (size_t i = 0; i < made->series_count; i++) {
        const struct ch_series *series = &made->series[i];

        assert_string_equal(series->labels, expected[i]);
        assert_int_equal(series->previous, CH_SERIES_NEW);
        assert_ptr_equal(series->settings, series->target->group->probes[series->kind]);
        assert_non_null(series->record);
        if (i == 0 || series->target != series[-1].target)
            assert_int_equal(series->target->first_series, i);
    }
    assert_string_equal(made->targets[2].name, "d:4");
    assert_string_equal(made->targets[2].labels.items[0].value, "b");
    ch_generation_unref(made);
}

static void test_targets_named_twice_become_one(void **state)
{
    struct ch_config *config = make_config(2);
    struct ch_target_list found = make_list("b:2 a:1 c:3", "");
    struct ch_group_targets discovered[] = {{.lists = &found, .count = 1}, {0}};
    struct ch_generation *made;

    (void)state;
    make_group(config, 0, "one", false);
    add_static(config, 0, make_list("b:2 a:1 b:2", ""));
    add_static(config, 0, make_list("a:1", "team=x"));
    add_static(config, 0, make_list("a:1", "team="));
    make_group(config, 1, "two", false);
    add_static(config, 1, make_list("a:1 a:1", ""));
    made = build(config, discovered, NULL);
    free_list(&found);
    assert_int_equal(made->target_count, 5);
    assert_string_equal(made->series[0].labels, "group=\"one\",target=\"b:2\",probe=\"connect\"");
    assert_string_equal(made->series[1].labels, "group=\"one\",target=\"a:1\",probe=\"connect\"");
    assert_string_equal(made->series[2].labels,
                        "group=\"one\",target=\"a:1\",probe=\"connect\",team=\"x\"");
    assert_string_equal(made->series[3].labels, "group=\"one\",target=\"c:3\",probe=\"connect\"");
    assert_string_equal(made->series[4].labels, "group=\"two\",target=\"a:1\",probe=\"connect\"");
    ch_generation_unref(made);
}

static void test_label_values_are_escaped(void **state)
{
    struct ch_config *config = make_config(1);
    struct ch_generation *made;

    (void)state;
    make_group(config, 0, "a\"\\\nb", false);
    add_static(config, 0, make_list("x:1", "path=C:\\dir\" empty= note=a\nb"));
    made = build(config, NULL, NULL);
    assert_string_equal(made->series[0].labels,
                        "group=\"a\\\"\\\\\\nb\",target=\"x:1\",probe=\"connect\","
                        "path=\"C:\\\\dir\\\"\",note=\"a\\nb\"");
    ch_generation_unref(made);
}

static void test_a_label_longer_than_any_block(void **state)
{
    struct ch_config *config = make_config(1);
    struct ch_target_list list = make_list("x:1 y:2", "note=-");
    size_t len = 300000;
    struct ch_generation *made;

    (void)state;
    free(list.labels.items[0].value);
    list.labels.items[0].value = make(len + 1, 1);
    memset(list.labels.items[0].value, '"', len);
    make_group(config, 0, "g", false);
    add_static(config, 0, list);
    made = build(config, NULL, NULL);
    assert_int_equal(made->series[1].labels_len,
                     strlen("group=\"g\",target=\"y:2\",probe=\"connect\",note=\"\"") + 2 * len);
    ch_generation_unref(made);
}

static struct ch_config *config_of_two_groups(bool heartbeat, const char *first, const char *second)
{
    struct ch_config *config = make_config(2);

    make_group(config, 0, "one", heartbeat);
    add_static(config, 0, make_list(first, ""));
    make_group(config, 1, "two", heartbeat);
    add_static(config, 1, make_list(second, "team=x"));
    return config;
}

static void test_records_are_taken_over(void **state)
{
    const char *kept = "group=\"one\",target=\"b:2\",probe=\"connect\"";
    const char *moved = "group=\"two\",target=\"a:1\",probe=\"connect\",team=\"x\"";
    struct ch_generation *before, *after;
    const struct ch_series *series;
    struct ch_record *record;

    (void)state;
    before = build(config_of_two_groups(false, "c:3 b:2 a:1", "a:1 z:9"), NULL, NULL);
    record = find(before, kept)->record;
    ch_count(&record->attempts);
    after = build(config_of_two_groups(true, "n:7 b:2", "y:8 a:1 x:7"), NULL, before);

    series = find(after, kept);
    assert_ptr_equal(series->record, record);
    assert_ptr_equal(&before->series[series->previous], find(before, kept));
    series = find(after, moved);
    assert_ptr_equal(&before->series[series->previous], find(before, moved));
    for (size_t i = 0; i < after->series_count; i++) {
        bool taken = strcmp(after->series[i].labels, kept) == 0 ||
                     strcmp(after->series[i].labels, moved) == 0;

        assert_int_equal(after->series[i].previous != CH_SERIES_NEW, taken);
        assert_int_equal(atomic_load(&after->series[i].record->refs), taken ? 2 : 1);
    }
    ch_generation_unref(before);
    assert_int_equal(atomic_load(&record->refs), 1);
    assert_int_equal(ch_counter(&record->attempts), 1);
    ch_generation_unref(after);
}

static void test_without_memory_nothing_changes(void **state)
{
    struct ch_target_list found = make_list("d:4 e:5", "zone=b");
    struct ch_group_targets discovered[] = {{.lists = &found, .count = 1}, {0}};
    struct ch_generation *before =
        build(config_of_two_groups(true, "a:1 b:2", "c:3"), discovered, NULL);
    struct ch_config *config = config_of_two_groups(true, "a:1 n:3", "c:3");
    struct ch_generation *made = NULL;
    int r = -ENOMEM;
    long after;

    (void)state;
    for (after = 0; r == -ENOMEM; after++) {
        oom_after = after;
        r = ch_generation_new(&config, discovered, before, &made);
        oom_after = -1;
        if (r == 0)
            break;
        assert_int_equal(r, -ENOMEM);
        assert_non_null(config);
        assert_null(made);
        for (size_t i = 0; i < before->series_count; i++)
            assert_int_equal(atomic_load(&before->series[i].record->refs), 1);
    }
    assert_int_equal(r, 0);
    /* itself, its four arrays and blocks, the two records of n:3 */
    assert_true(after >= 7);
    ch_generation_unref(before);
    ch_generation_unref(made);
    free_list(&found);
}

static struct ch_config *config_of_many(size_t count)
{
    struct ch_config *config = make_config(1);
    struct ch_target_list list = {.targets = make(count, sizeof(char *)), .count = count};

    make_group(config, 0, "connect", false);
    list.labels.items = make(1, sizeof(*list.labels.items));
    list.labels.items[0] = (struct ch_label){.name = copy("team"), .value = copy("storage")};
    list.labels.count = 1;
    for (size_t i = 0; i < count; i++) {
        char name[64];
        size_t host = (i * 7919) % count; /* in no order */

        snprintf(name, sizeof(name), "127.%zu.%zu.%zu:10338", host >> 16 & 255, host >> 8 & 255,
                 host & 255);
        list.targets[i] = copy(name);
    }
    add_static(config, 0, list);
    return config;
}

static void test_a_hundred_thousand_targets(void **state)
{
    const size_t count = 100000;
    int64_t begin, first, second;
    struct ch_config *config = config_of_many(count), *again = config_of_many(count);
    struct ch_generation *before, *after;
    size_t bytes = sizeof(struct ch_record) + sizeof(struct ch_series) + sizeof(struct ch_target) +
                   sizeof(uint32_t);

    (void)state;
    begin = ch_clock_read(CLOCK_THREAD_CPUTIME_ID);
    before = build(config, NULL, NULL);
    first = ch_clock_read(CLOCK_THREAD_CPUTIME_ID);
    after = build(again, NULL, before);
    second = ch_clock_read(CLOCK_THREAD_CPUTIME_ID);
    assert_int_equal(after->series_count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(after->series[i].previous, i);
    bytes += after->series[0].labels_len + 1;
    print_message("record %zu + series %zu + target %zu, with label text %zu bytes; "
                  "built in %lld ms of CPU, taken over in %lld ms\n",
                  sizeof(struct ch_record), sizeof(struct ch_series), sizeof(struct ch_target),
                  bytes, (long long)((first - begin) / CH_NS_PER_MS),
                  (long long)((second - first) / CH_NS_PER_MS));
    /* the promise is 2 KiB a target with the probe's own state; this is our part */
    assert_true(bytes <= 900);
    ch_generation_unref(before);
    ch_generation_unref(after);
}

static struct ch_expect *make_expect(const char *pattern)
{
    struct ch_expect *made = NULL;
    char reason[CH_REASON_TEXT];

    assert_int_equal(ch_expect_new(pattern, strlen(pattern), &made, reason, sizeof(reason), NULL),
                     0);
    return made;
}

static void test_what_makes_settings_the_same(void **state)
{
    uint8_t ping[] = "PING", pong[] = "PONG";
    int64_t steps[] = {1, 2}, other_steps[] = {1, 3};
    struct ch_group group = {.name = (char *)"g", .confirm = true}, other_group = group;
    struct ch_target target = {.group = &group, .name = "a:1"}, other_target = target;
    struct options options = {.idle_ns = 5, .count = 2, .send = {ping, 4}, .steps = {steps, 2}};
    struct options changed = options;
    struct ch_probe_settings settings = {.ops = &connect_ops, .options = &options};
    struct ch_probe_settings changed_settings = {.ops = &connect_ops, .options = &changed};
    struct ch_series a = {.target = &target, .settings = &settings};
    struct ch_series b = {.target = &other_target, .settings = &changed_settings};
    struct ch_expect *same_expect, *other_expect;

    (void)state;
    options.expect = make_expect("^PONG");
    same_expect = make_expect("^PONG");
    other_expect = make_expect("PONG");
#define DIFFERS(change)                                                                            \
    do {                                                                                           \
        changed = options;                                                                         \
        changed_settings = (struct ch_probe_settings){.ops = &connect_ops, .options = &changed};   \
        other_group = group;                                                                       \
        other_target = (struct ch_target){.group = &other_group, .name = "a:1"};                   \
        assert_true(ch_series_same_settings(&a, &b));                                              \
        change;                                                                                    \
        assert_false(ch_series_same_settings(&a, &b));                                             \
        assert_false(ch_series_same_settings(&b, &a));                                             \
    } while (0)
    DIFFERS(changed.idle_ns = 6);
    DIFFERS(changed.count = 3);
    DIFFERS(changed.strict = true);
    DIFFERS(changed.send.data = pong);
    DIFFERS(changed.send.len = 3);
    DIFFERS(changed.send.data = NULL);
    DIFFERS(changed.steps.ns = other_steps);
    DIFFERS(changed.steps.count = 1);
    DIFFERS(changed.expect = other_expect);
    DIFFERS(changed.expect = NULL);
    DIFFERS(changed_settings.ops = &heartbeat_ops);
    DIFFERS(other_group.transport = CH_TRANSPORT_UDP);
    DIFFERS(other_group.confirm = false);
    DIFFERS(other_target.name = "a:2");
    changed_settings.interval_ns = 7; /* the schedule's affair */
    other_target.name = "a:1";
    changed.expect = same_expect;
    assert_true(ch_series_same_settings(&a, &b));
    ch_expect_free(options.expect);
    ch_expect_free(same_expect);
    ch_expect_free(other_expect);
}

static void test_state_publishes_one_generation(void **state)
{
    struct ch_state shared;
    struct ch_generation *first = build(make_config(0), NULL, NULL), *seen;
    char *errors;

    (void)state;
    assert_int_equal(ch_state_init(&shared), 0);
    assert_null(ch_state_generation(&shared));
    ch_state_publish(&shared, first);
    seen = ch_state_generation(&shared);
    assert_ptr_equal(seen, first);
    ch_state_publish(&shared, build(make_config(0), NULL, first));
    assert_int_equal(atomic_load(&seen->refs), 1);
    ch_generation_unref(seen);

    assert_null(ch_state_reload_errors(&shared));
    ch_state_reload_result(&shared, "a\nb");
    assert_false(shared.last_reload_ok);
    assert_int_equal(shared.last_reload_success_ns, 0);
    errors = ch_state_reload_errors(&shared);
    assert_string_equal(errors, "a\nb");
    free(errors);
    ch_state_reload_result(&shared, NULL);
    assert_true(shared.last_reload_ok);
    assert_true(shared.last_reload_success_ns >= shared.started_ns);
    assert_null(ch_state_reload_errors(&shared));
    ch_state_clear(&shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_empty_configuration),
        cmocka_unit_test(test_series_come_in_order),
        cmocka_unit_test(test_targets_named_twice_become_one),
        cmocka_unit_test(test_label_values_are_escaped),
        cmocka_unit_test(test_a_label_longer_than_any_block),
        cmocka_unit_test(test_records_are_taken_over),
        cmocka_unit_test(test_without_memory_nothing_changes),
        cmocka_unit_test(test_a_hundred_thousand_targets),
        cmocka_unit_test(test_what_makes_settings_the_same),
        cmocka_unit_test(test_state_publishes_one_generation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
