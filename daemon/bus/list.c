/* SPDX-License-Identifier: Apache-2.0 */
/* ListTargets and ListFailing. */
#include <errno.h>
#include <stdlib.h>

#include "bus_private.h"
#include "connhealth/clock.h"

#define ROW            "(ssssttss)"
#define SERIES_A_STEP  200
#define ROW_BYTES_MOST 128 /* of a row, beside its strings */

#define LOAD(field) atomic_load_explicit(&(field), memory_order_relaxed)

struct list_job {
    struct bus_job job;
    struct ch_generation *generation; /* a reference */
    bool failing;                     /* only those */
    size_t next;
    size_t bytes; /* at most, so far */
    sd_bus_message *answer;
};

static int append_row(struct list_job *list, const struct ch_series *series)
{
    const struct ch_record *record = series->record;
    struct ch_attempt last = {.outcome = {.success = 1}};
    const char *group = series->target->group->name, *target = series->target->name;
    int r = sd_bus_message_open_container(list->answer, 'r', "ssssttss");

    (void)ch_record_last(record, &last);
    list->bytes += ROW_BYTES_MOST + strlen(group) + strlen(target);
    if (r >= 0)
        r = bus_append_text(list->answer, group);
    if (r >= 0)
        r = bus_append_text(list->answer, target);
    if (r >= 0)
        r = sd_bus_message_append(
            list->answer, "ssttss", ch_probe_kind_word(series->kind)->slug, bus_state_word(record),
            (uint64_t)LOAD(record->since_ns) / CH_NS_PER_US,
            (uint64_t)LOAD(record->last_attempt_ns) / CH_NS_PER_US,
            ch_category_row(last.outcome.category)->slug,
            last.outcome.success ? "" : ch_cause_word(last.outcome.cause)->slug);
    if (r >= 0)
        r = sd_bus_message_close_container(list->answer);
    return r < 0 ? r : list->bytes > BUS_ANSWER_MAX ? -E2BIG : 0;
}

static int begin(struct list_job *list)
{
    int r = sd_bus_message_new_method_return(list->job.call, &list->answer);

    return r < 0 ? r : sd_bus_message_open_container(list->answer, 'a', ROW);
}

static int end(struct list_job *list)
{
    int r = sd_bus_message_close_container(list->answer);

    if (r >= 0)
        r = sd_bus_send(NULL, list->answer, NULL);
    return r < 0 ? r : 0;
}

static int step_list(struct bus_job *job)
{
    struct list_job *list = (struct list_job *)job;
    const struct ch_generation *generation = list->generation;
    size_t before = list->next;
    int r = list->answer ? 0 : begin(list);

    while (r >= 0 && list->next < generation->series_count && list->next - before < SERIES_A_STEP) {
        const struct ch_series *series = &generation->series[list->next++];

        if (!list->failing || LOAD(series->record->success) == CH_SUCCESS_NO)
            r = append_row(list, series);
    }
    if (r < 0)
        return r;
    return list->next < generation->series_count ? 1 : end(list);
}

static void release_list(struct bus_job *job)
{
    struct list_job *list = (struct list_job *)job;

    ch_generation_unref(list->generation);
    sd_bus_message_unref(list->answer);
    free(list);
}

static int start_list(sd_bus_message *call, struct ch_bus *bus, bool failing, sd_bus_error *error)
{
    struct list_job *list = calloc(1, sizeof(*list));

    if (!list)
        return -ENOMEM;
    list->job.step = step_list;
    list->job.release = release_list;
    list->failing = failing;
    list->generation = ch_state_generation(bus->parts.state);
    return bus_job_start(bus, &list->job, call, error);
}

int bus_list_targets(sd_bus_message *call, void *context, sd_bus_error *error)
{
    return start_list(call, context, false, error);
}

int bus_list_failing(sd_bus_message *call, void *context, sd_bus_error *error)
{
    return start_list(call, context, true, error);
}
