/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a row of the table and the memory it points at to sample lines. Private
 * to the exposition; one renderer belongs to one stream.
 */
#ifndef CH_SURFACE_SAMPLES_H
#define CH_SURFACE_SAMPLES_H

#include "families.h"

/* A run of bytes that many samples have in common. */
struct ch_piece {
    char text[144];
    uint8_t len;
};

/* What all samples of one row share, put together once for the row. */
struct ch_renderer {
    enum ch_metrics_format format;
    const struct ch_row *row;
    struct ch_text *out;
    bool opened; /* HELP and TYPE were written: a sample came */
    struct ch_piece name, name_bucket, name_sum, name_count;
    struct ch_piece close; /* what stands between the labels and the value */
    struct ch_piece bounds[CH_HISTOGRAM_BUCKETS_MAX];
};

/* Begins a row; its header is written with the first sample, so that a family
 * without samples leaves no trace. */
void ch_samples_begin_row(struct ch_renderer *renderer, const struct ch_row *row);

/* The samples of what lies at base (the struct that row->source names). series
 * is NULL where the source is not one for each series. */
void ch_samples_write(struct ch_renderer *renderer, const struct ch_series *series,
                      const void *base);

#endif
