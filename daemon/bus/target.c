/* SPDX-License-Identifier: Apache-2.0 */
/* One target's one probe as D-Bus sees it. */
#include <errno.h>
#include <stdlib.h>

#include "bus_private.h"
#include "connhealth/clock.h"

#define LOAD(field) atomic_load_explicit(&(field), memory_order_relaxed)

static bool is_ascii(const char *text)
{
    while (*text && !(*text & 0x80))
        text++;
    return *text == '\0';
}

/* D-Bus takes UTF-8 alone (specification, "Valid UTF-8"); a name that was cut, or
 * that came from a file of targets, need not be. */
int bus_append_text(sd_bus_message *message, const char *text)
{
    struct ch_text valid = {.data = NULL};
    char *copy;
    int r;

    if (is_ascii(text))
        return sd_bus_message_append_basic(message, 's', text);
    ch_text_utf8(&valid, text, strlen(text));
    copy = ch_text_take(&valid);
    if (!copy)
        return -ENOMEM;
    r = sd_bus_message_append_basic(message, 's', copy);
    free(copy);
    return r;
}

const char *bus_state_word(const struct ch_record *record)
{
    switch (LOAD(record->success)) {
    case CH_SUCCESS_YES:
        return "succeeding";
    case CH_SUCCESS_NO:
        return "failing";
    default:
        return "untried";
    }
}

static uint64_t us_of(int64_t ns)
{
    return ns > 0 ? (uint64_t)(ns / CH_NS_PER_US) : 0;
}

/* The members of an a{sv}, one after the other; the first failure is kept. */
struct dictionary {
    sd_bus_message *message;
    int r;
};

static void put_text(struct dictionary *dictionary, const char *key, const char *text)
{
    sd_bus_message *message = dictionary->message;
    int r = dictionary->r;

    if (r >= 0)
        r = sd_bus_message_open_container(message, 'e', "sv");
    if (r >= 0)
        r = sd_bus_message_append_basic(message, 's', key);
    if (r >= 0)
        r = sd_bus_message_open_container(message, 'v', "s");
    if (r >= 0)
        r = bus_append_text(message, text);
    if (r >= 0)
        r = sd_bus_message_close_container(message);
    dictionary->r = r < 0 ? r : sd_bus_message_close_container(message);
}

static void put_u64(struct dictionary *dictionary, const char *key, uint64_t value)
{
    if (dictionary->r >= 0)
        dictionary->r = sd_bus_message_append(dictionary->message, "{sv}", key, "t", value);
}

static void put_bool(struct dictionary *dictionary, const char *key, bool value)
{
    if (dictionary->r >= 0)
        dictionary->r = sd_bus_message_append(dictionary->message, "{sv}", key, "b", (int)value);
}

static void open_member(struct dictionary *dictionary, const char *key, const char *type)
{
    int r = dictionary->r;

    if (r >= 0)
        r = sd_bus_message_open_container(dictionary->message, 'e', "sv");
    if (r >= 0)
        r = sd_bus_message_append_basic(dictionary->message, 's', key);
    if (r >= 0)
        r = sd_bus_message_open_container(dictionary->message, 'v', type);
    dictionary->r = r < 0 ? r : sd_bus_message_open_container(dictionary->message, 'a', type + 1);
}

static void close_member(struct dictionary *dictionary)
{
    for (int i = 0; i < 3 && dictionary->r >= 0; i++)
        dictionary->r = sd_bus_message_close_container(dictionary->message);
}

static void put_labels(struct dictionary *dictionary, const struct ch_labels *labels)
{
    open_member(dictionary, "Labels", "a{ss}");
    for (size_t i = 0; dictionary->r >= 0 && i < labels->count; i++) {
        sd_bus_message *message = dictionary->message;
        int r = sd_bus_message_open_container(message, 'e', "ss");

        if (r >= 0)
            r = bus_append_text(message, labels->items[i].name);
        if (r >= 0)
            r = bus_append_text(message, labels->items[i].value);
        dictionary->r = r < 0 ? r : sd_bus_message_close_container(message);
    }
    close_member(dictionary);
}

static void put_failures(struct dictionary *dictionary, const struct ch_record *record)
{
    open_member(dictionary, "Failures", "a{st}");
    for (int i = CH_CATEGORY_NONE + 1; dictionary->r >= 0 && i < CH_CATEGORY_COUNT; i++) {
        uint64_t count = ch_counter(&record->failures[i]);

        if (count > 0)
            dictionary->r = sd_bus_message_append(
                dictionary->message, "{st}", ch_category_row((enum ch_category)i)->slug, count);
    }
    close_member(dictionary);
}

static void put_last(struct dictionary *dictionary, const struct ch_record *record)
{
    char detail[CH_DETAIL_TEXT];
    struct ch_attempt last;
    const char *error;

    if (!ch_record_last(record, &last))
        return;
    if (last.outcome.success) {
        put_u64(dictionary, "LastDurationUSec", us_of(last.evidence.duration_ns));
        return;
    }
    error = last.evidence.error ? ch_errno_name(last.evidence.error) : NULL;
    put_text(dictionary, "Category", ch_category_row(last.outcome.category)->slug);
    put_text(dictionary, "Phase", ch_phase_word(last.outcome.phase)->slug);
    put_text(dictionary, "Wire", ch_wire_word(last.outcome.wire)->slug);
    put_text(dictionary, "Cause", ch_cause_word(last.outcome.cause)->slug);
    put_bool(dictionary, "Certain", last.outcome.certain);
    put_text(dictionary, "Detail",
             ch_outcome_describe(&last.evidence, &last.outcome, detail, sizeof(detail)));
    if (error)
        put_text(dictionary, "Errno", error);
}

int bus_append_series(sd_bus_message *message, const struct ch_series *series)
{
    const struct ch_record *record = series->record;
    const struct ch_target *target = series->target;
    struct dictionary dictionary = {
        .message = message,
        .r = sd_bus_message_open_container(message, 'a', "{sv}"),
    };

    put_text(&dictionary, "Group", target->group->name);
    put_text(&dictionary, "Target", target->name);
    put_text(&dictionary, "Probe", ch_probe_kind_word(series->kind)->slug);
    put_text(&dictionary, "Transport", ch_transport_slug(target->group->transport));
    put_labels(&dictionary, &target->labels);
    put_text(&dictionary, "State", bus_state_word(record));
    put_u64(&dictionary, "SinceUSec", us_of(LOAD(record->since_ns)));
    put_u64(&dictionary, "Consecutive", LOAD(record->consecutive));
    put_u64(&dictionary, "Attempts", ch_counter(&record->attempts));
    put_failures(&dictionary, record);
    put_u64(&dictionary, "IntervalUSec", us_of(series->settings->interval_ns));
    put_u64(&dictionary, "TimeoutUSec", us_of(series->settings->timeout_ns));
    put_u64(&dictionary, "LastAttemptUSec", us_of(LOAD(record->last_attempt_ns)));
    put_u64(&dictionary, "LastSuccessUSec", us_of(LOAD(record->last_success_ns)));
    put_last(&dictionary, record);
    return dictionary.r < 0 ? dictionary.r : sd_bus_message_close_container(message);
}

bool bus_series_is(const struct ch_series *series, const char *group, const char *target,
                   const char *probe)
{
    return strcmp(series->target->name, target) == 0 &&
           strcmp(series->target->group->name, group) == 0 &&
           (!*probe || strcmp(ch_probe_kind_word(series->kind)->slug, probe) == 0);
}

int bus_read_target(sd_bus_message *call, const char **ret_group, const char **ret_target,
                    const char **ret_probe, sd_bus_error *error)
{
    enum ch_probe_kind kind;
    int r = sd_bus_message_read(call, "sss", ret_group, ret_target, ret_probe);

    if (r < 0)
        return r;
    if (**ret_probe && !ch_probe_kind_from_slug(*ret_probe, &kind))
        return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS,
                                "the probe is none of connect, heartbeat, keepalive, nor empty "
                                "for all");
    return 0;
}

int bus_no_such_target(sd_bus_error *error, const char *group, const char *target,
                       const char *probe)
{
    return sd_bus_error_setf(error, BUS_ERROR_NO_SUCH_TARGET,
                             "there is no target %s with %s probe in the group %s: see ListTargets",
                             target, *probe ? probe : "any", group);
}

int bus_get_target(sd_bus_message *call, void *context, sd_bus_error *error)
{
    const char *group, *target, *probe;
    sd_bus_message *answer = NULL;
    struct ch_generation *generation;
    struct ch_bus *bus = context;
    size_t found = 0;
    int r = bus_read_target(call, &group, &target, &probe, error);

    if (r < 0)
        return r;
    r = sd_bus_message_new_method_return(call, &answer);
    if (r >= 0)
        r = sd_bus_message_open_container(answer, 'a', "a{sv}");
    generation = ch_state_generation(bus->parts.state);
    for (size_t i = 0; r >= 0 && i < generation->series_count; i++) {
        if (!bus_series_is(&generation->series[i], group, target, probe))
            continue;
        r = bus_append_series(answer, &generation->series[i]);
        found++;
    }
    ch_generation_unref(generation);
    if (r >= 0 && found == 0)
        r = bus_no_such_target(error, group, target, probe);
    if (r >= 0)
        r = sd_bus_message_close_container(answer);
    if (r >= 0)
        r = sd_bus_send(NULL, answer, NULL);
    sd_bus_message_unref(answer);
    return r < 0 ? r : 1;
}
