/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics.h"

#include <errno.h>
#include <stdlib.h>

#include "samples.h"
#include "self.h"

struct metrics_stream {
    struct ch_stream stream;
    const struct ch_metrics *metrics;
    struct ch_generation *generation; /* a reference; NULL before the first */
    struct ch_self self;
    struct ch_renderer renderer;
    size_t row;    /* of ch_families; beyond the end: the writers' turn */
    size_t series; /* the next one of this row */
    size_t writer;
};

static bool full(const struct ch_text *out)
{
    return out->len >= CH_STREAM_CHUNK;
}

/* Every series from where the last call stopped; true when the row is done. */
static bool render_series(struct metrics_stream *metrics, struct ch_text *out)
{
    const struct ch_generation *generation = metrics->generation;
    bool record = metrics->renderer.row->source == CH_SOURCE_RECORD;

    while (generation && metrics->series < generation->series_count) {
        const struct ch_series *series;

        if (full(out))
            return false;
        series = &generation->series[metrics->series++];
        ch_samples_write(&metrics->renderer, series,
                         record ? (const void *)series->record : series->settings);
    }
    metrics->series = 0;
    return true;
}

static bool render_row(struct metrics_stream *metrics, struct ch_text *out)
{
    const struct ch_state *state = metrics->metrics->state;
    const void *base = NULL;

    switch (metrics->renderer.row->source) {
    case CH_SOURCE_RECORD:
    case CH_SOURCE_SETTINGS:
        return render_series(metrics, out);
    case CH_SOURCE_SELF:
        base = &metrics->self;
        break;
    case CH_SOURCE_LAG:
        base = state->loop_lag;
        break;
    case CH_SOURCE_RESPONDER:
        base = state->responder;
        break;
    }
    if (base)
        ch_samples_write(&metrics->renderer, NULL, base);
    return true;
}

static int produce(struct ch_stream *stream, struct ch_text *out)
{
    struct metrics_stream *metrics = (struct metrics_stream *)stream;

    metrics->renderer.out = out;
    while (metrics->row < ch_family_count && !full(out)) {
        if (metrics->renderer.row != &ch_families[metrics->row])
            ch_samples_begin_row(&metrics->renderer, &ch_families[metrics->row]);
        if (render_row(metrics, out))
            metrics->row++;
    }
    while (metrics->row >= ch_family_count && metrics->writer < metrics->metrics->writer_count &&
           !full(out)) {
        const struct ch_family_writer *writer = &metrics->metrics->writers[metrics->writer++];
        int r = writer->render(writer->context, out, metrics->renderer.format);

        if (r < 0)
            return r;
    }
    if (metrics->row < ch_family_count || metrics->writer < metrics->metrics->writer_count)
        return 1;
    ch_exposition_end(out, metrics->renderer.format);
    return 0;
}

static void release(struct ch_stream *stream)
{
    struct metrics_stream *metrics = (struct metrics_stream *)stream;

    if (metrics->generation)
        ch_generation_unref(metrics->generation);
    free(metrics);
}

int ch_metrics_open(const struct ch_metrics *metrics, enum ch_metrics_format format,
                    struct ch_stream **ret)
{
    static const struct ch_stream_ops ops = {.produce = produce, .release = release};
    struct metrics_stream *stream = calloc(1, sizeof(*stream));

    if (!stream)
        return -ENOMEM;
    ch_stream_init(&stream->stream, &ops);
    stream->metrics = metrics;
    stream->renderer.format = format;
    stream->generation = ch_state_generation(metrics->state);
    ch_self_read(metrics->state, stream->generation, &stream->self);
    *ret = &stream->stream;
    return 0;
}
