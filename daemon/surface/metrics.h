/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /metrics: every family, rendered while it is read. A stream holds a reference
 * on the generation that was published when it was opened, and memory of one
 * chunk however many targets there are.
 */
#ifndef CH_SURFACE_METRICS_H
#define CH_SURFACE_METRICS_H

#include "exposition.h"
#include "state.h"
#include "stream.h"

/*
 * Families of another module (the host's own sockets), rendered as a whole at
 * the end of the body. render appends complete families to out, with the
 * functions of exposition.h, and must not repeat a family of anybody else; 0 or
 * a negative errno, which ends the scrape as failed. It is called on a thread of
 * the HTTP server, on several at once, and must not wait for anything longer
 * than a lock held for a few instructions.
 */
struct ch_family_writer {
    int (*render)(void *context, struct ch_text *out, enum ch_metrics_format format);
    void *context;
};

/* What a scrape reads; only borrowed, must outlive every stream. */
struct ch_metrics {
    struct ch_state *state;
    const struct ch_family_writer *writers;
    size_t writer_count;
};

/* 0 or -ENOMEM. */
int ch_metrics_open(const struct ch_metrics *metrics, enum ch_metrics_format format,
                    struct ch_stream **ret);

#endif
