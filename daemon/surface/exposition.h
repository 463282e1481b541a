/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two text formats that Prometheus reads, line by line: text 0.0.4
 * (prometheus.io/docs/instrumenting/exposition_formats) and OpenMetrics 1.0
 * (github.com/prometheus/OpenMetrics). They differ in the names of counters and
 * info metrics, in escaping, in how bounds are written and in the end.
 *
 * Whoever exports a family has a row of a table (struct ch_family) and values,
 * and calls these; nobody puts a line together by hand.
 */
#ifndef CH_SURFACE_EXPOSITION_H
#define CH_SURFACE_EXPOSITION_H

#include "connhealth/vocabulary.h"
#include "text.h"

enum ch_metrics_format { CH_METRICS_TEXT, CH_METRICS_OPENMETRICS };

/* The Content-Type of a body in this format. */
const char *ch_exposition_content_type(enum ch_metrics_format format);

enum ch_family_type {
    CH_FAMILY_COUNTER,
    CH_FAMILY_GAUGE,
    CH_FAMILY_HISTOGRAM,
    CH_FAMILY_INFO, /* the text format knows no such type: a gauge there */
};

struct ch_family {
    const char *name; /* in full: counters with _total, info with _info */
    enum ch_family_type type;
    const char *unit; /* what name ends in before any _total; NULL: none */
    const char *help; /* one sentence without a full stop */
    /* The values of this family's own label, which HELP explains one by one:
     * the index-th (from 0), false beyond the end. NULL: none. */
    bool (*word)(unsigned index, struct ch_word *ret);
};

/* # HELP, # TYPE and # UNIT. Once for a family, before its samples, and all of
 * them right after it. */
void ch_exposition_family(struct ch_text *out, enum ch_metrics_format format,
                          const struct ch_family *family);

/* One sample: begin, label…, then a value. suffix is "" or, of a histogram,
 * "_bucket", "_sum" or "_count". Values and label values are escaped here;
 * label values that are not UTF-8 are made so. */
void ch_exposition_begin(struct ch_text *out, const struct ch_family *family, const char *suffix);
void ch_exposition_label(struct ch_text *out, const char *name, const char *value);
void ch_exposition_u64(struct ch_text *out, uint64_t value);
void ch_exposition_decimal(struct ch_text *out, int64_t value, unsigned scale);

/* The value of a bucket's le, which OpenMetrics wants as a float ("1.0"); ns
 * are printed as seconds, INT64_MAX as +Inf. Returns the end of what it wrote;
 * at has room for CH_BOUND_TEXT bytes. */
#define CH_BOUND_TEXT (CH_NUMBER_TEXT + 3)
char *ch_exposition_bound(char *at, enum ch_metrics_format format, int64_t bound_ns);

/* The last line: # EOF for OpenMetrics. */
void ch_exposition_end(struct ch_text *out, enum ch_metrics_format format);

#endif
