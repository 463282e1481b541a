/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "build.h"
#include "connhealth/clock.h"
#include "json.h"
#include "json_build.h"
#include "log.h"

#define LOAD(field) atomic_load_explicit(&(field), memory_order_relaxed)

static void put_errors(struct json_build *build, cJSON *object, struct ch_state *state)
{
    cJSON *array = json_array(build, object, "errors");
    char *errors = ch_state_reload_errors(state), *rest = errors;

    for (const char *line; (line = strsep(&rest, "\n"));)
        if (*line)
            json_text_element(build, array, line);
    free(errors);
}

static void put_config(struct json_build *build, cJSON *object, struct ch_state *state,
                       const struct ch_generation *generation)
{
    cJSON *child = json_object(build, object, "config");

    json_text(build, child, "file", generation ? generation->config->path : NULL);
    json_u64(build, child, "generation", generation ? generation->number : 0);
    json_bool(build, child, "last_reload_successful", LOAD(state->last_reload_ok));
    json_time(build, child, "last_reload_success", LOAD(state->last_reload_success_ns));
    put_errors(build, child, state);
}

struct counts {
    uint64_t failing, succeeding, untried;
};

static struct counts count_series(const struct ch_generation *generation)
{
    struct counts counts = {.failing = 0};

    for (size_t i = 0; generation && i < generation->series_count; i++) {
        uint8_t success = LOAD(generation->series[i].record->success);

        counts.failing += success == CH_SUCCESS_NO;
        counts.succeeding += success == CH_SUCCESS_YES;
        counts.untried += success == CH_SUCCESS_NEVER_TRIED;
    }
    return counts;
}

static void put_counts(struct json_build *build, cJSON *object,
                       const struct ch_generation *generation)
{
    struct counts counts = count_series(generation);
    cJSON *child = json_object(build, object, "counts");

    json_u64(build, child, "groups", generation ? generation->config->group_count : 0);
    json_u64(build, child, "targets", generation ? generation->target_count : 0);
    json_u64(build, child, "probes", generation ? generation->series_count : 0);
    json_u64(build, child, "failing", counts.failing);
    json_u64(build, child, "succeeding", counts.succeeding);
    json_u64(build, child, "untried", counts.untried);
    json_u64(build, child, "log_lines_dropped", ch_log_dropped());
}

static int put_other(struct json_build *build, cJSON *object, const struct ch_json_writer *writer)
{
    struct ch_text text = {.data = NULL};
    int r = writer->render(writer->context, &text);
    char *value = ch_text_take(&text);

    if (r == 0 && !value)
        r = -ENOMEM;
    if (r == 0)
        json_raw(build, object, writer->name, value);
    free(value);
    return r;
}

int ch_json_status(struct ch_state *state, int64_t now_ns, const struct ch_json_writer *writers,
                   size_t writer_count, struct ch_text *out)
{
    struct ch_generation *generation = ch_state_generation(state);
    struct json_build build = {.failed = false};
    cJSON *object = json_root(&build);
    int r = 0;

    json_text(&build, object, "version", ch_build_version());
    json_text(&build, object, "revision", ch_build_revision());
    json_text(&build, object, "compiler", ch_build_compiler());
    json_time(&build, object, "started", state->started_ns);
    json_seconds(&build, object, "uptime_seconds",
                 (now_ns - state->started_ns) / CH_NS_PER_MS * CH_NS_PER_MS);
    json_bool(&build, object, "ready", LOAD(state->ready));
    json_bool(&build, object, "healthy", LOAD(state->healthy));
    put_config(&build, object, state, generation);
    put_counts(&build, object, generation);
    ch_generation_unref(generation);
    for (size_t i = 0; i < writer_count && r == 0; i++)
        r = put_other(&build, object, &writers[i]);
    build.failed |= r < 0;
    r = json_finish(&build, object, out);
    ch_text_puts(out, "\n");
    return r;
}

int ch_json_error(const char *message, struct ch_text *out)
{
    struct json_build build = {.failed = false};
    cJSON *object = json_root(&build);
    int r;

    json_text(&build, object, "error", message);
    r = json_finish(&build, object, out);
    ch_text_puts(out, "\n");
    return r;
}
