/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the surfaces share: a state over made-up targets, streams
 * read to their end, and golden files (CH_UPDATE_GOLDEN=1 writes them anew). */
#ifndef CH_TEST_SURFACE_FIXTURE_H
#define CH_TEST_SURFACE_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"
#include "stream.h"
#include "synthetic.h"
#include "synthetic_yaml.h"

static struct ch_loop_lag fixture_lag;
static struct ch_responder_counters fixture_responder;

/* A state that never varies, but for what the process itself is. */
static void fixture_state(struct ch_state *state, const char *yaml)
{
    struct ch_generation *generation = synthetic_generation(yaml);

    assert_int_equal(ch_state_init(state), 0);
    assert_int_equal(ch_events_new(&state->events), 0);
    synthetic_morning(generation, state->events);
    ch_state_publish(state, generation);
    state->started_ns = SYNTHETIC_NOW_NS - 3600 * INT64_C(1000000000);
    atomic_store(&state->last_reload_ok, true);
    atomic_store(&state->last_reload_success_ns, state->started_ns);
    atomic_store(&state->ready, true);
    atomic_store(&state->healthy, true);
    memset(&fixture_lag, 0, sizeof(fixture_lag));
    memset(&fixture_responder, 0, sizeof(fixture_responder));
    fixture_lag.bucket[0] = 40;
    fixture_lag.bucket[CH_LOOP_LAG_BUCKETS - 1] = 2;
    fixture_lag.sum_ns = 2500000000;
    fixture_responder.connections = 3;
    fixture_responder.ends[CH_PHASE_ACCEPT][CH_CATEGORY_ABORTED] = 5;
    fixture_responder.ends[CH_PHASE_IDLE][CH_CATEGORY_NONE] = 9;
    fixture_responder.ends[CH_PHASE_SEND][CH_CATEGORY_OTHER] = 1;
    state->loop_lag = &fixture_lag;
    state->responder = &fixture_responder;
}

static void fixture_clear(struct ch_state *state)
{
    state->events = ch_events_free(state->events);
    ch_state_clear(state);
}

/* Everything of a stream, read in steps of at most step bytes; frees it. */
static char *fixture_read(struct ch_stream *stream, size_t step)
{
    size_t len = 0, room = 4096;
    char *text = malloc(room + 1);
    ssize_t got;

    assert_non_null(text);
    do {
        if (room - len < step) {
            room = 2 * room + step;
            text = realloc(text, room + 1);
            assert_non_null(text);
        }
        got = ch_stream_read(stream, text + len, step);
        assert_true(got >= 0);
        len += (size_t)got;
    } while (got > 0);
    text[len] = '\0';
    assert_int_equal(strlen(text), len);
    assert_null(ch_stream_free(stream));
    return text;
}

static void fixture_golden(const char *name, const char *text)
{
    char path[512], *expected;
    size_t len = strlen(text);
    FILE *file;

    snprintf(path, sizeof(path), "%s/surface/%s", CH_TEST_DATA, name);
    if (getenv("CH_UPDATE_GOLDEN")) {
        file = fopen(path, "w");
        assert_non_null(file);
        assert_int_equal(fwrite(text, 1, len, file), len);
        fclose(file);
    }
    file = fopen(path, "r");
    assert_non_null(file);
    expected = calloc(1, len + 2);
    assert_non_null(expected);
    (void)!fread(expected, 1, len + 1, file);
    fclose(file);
    assert_string_equal(text, expected);
    free(expected);
}

#endif
