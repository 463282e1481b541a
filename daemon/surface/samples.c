/* SPDX-License-Identifier: Apache-2.0 */
#include "samples.h"

#include <stdio.h>

#include "build.h"
#include "connhealth/clock.h"
#include "connhealth/icmp.h"
#include "connhealth/responder.h"

#define PIECE_MAX sizeof(((struct ch_piece *)0)->text)

/* Room for any number and what follows it. */
#define VALUE_MAX (CH_NUMBER_TEXT + 1)

static void piece_set(struct ch_piece *piece, const char *a, const char *b, const char *c)
{
    int len = snprintf(piece->text, PIECE_MAX, "%s%s%s", a, b, c);

    piece->len = (uint8_t)(len < (int)PIECE_MAX ? len : (int)PIECE_MAX - 1);
}

static bool per_series(const struct ch_row *row)
{
    return row->source == CH_SOURCE_RECORD || row->source == CH_SOURCE_SETTINGS;
}

static void set_bounds(struct ch_renderer *renderer, const struct ch_histogram *histogram)
{
    const char *before = per_series(renderer->row) ? ",le=\"" : "le=\"";
    char number[CH_BOUND_TEXT];

    for (unsigned i = 0; i <= histogram->bound_count; i++) {
        int64_t bound = i < histogram->bound_count ? histogram->bounds_ns[i] : INT64_MAX;

        *ch_exposition_bound(number, renderer->format, bound) = '\0';
        piece_set(&renderer->bounds[i], before, number, "\"} ");
    }
}

void ch_samples_begin_row(struct ch_renderer *renderer, const struct ch_row *row)
{
    const char *name = row->family.name, *brace = per_series(row) ? "{" : "";

    renderer->row = row;
    renderer->opened = false;
    piece_set(&renderer->name, name, brace, "");
    piece_set(&renderer->close, per_series(row) ? "} " : " ", "", "");
    if (row->as != CH_AS_HISTOGRAM)
        return;
    piece_set(&renderer->name_bucket, name, "_bucket", "{");
    piece_set(&renderer->name_sum, name, "_sum", brace);
    piece_set(&renderer->name_count, name, "_count", brace);
    set_bounds(renderer, row->histogram);
}

/* Writes a sample up to its value and returns where that goes, or NULL. */
static inline char *begin_sample(struct ch_renderer *renderer, const struct ch_series *series,
                                 const struct ch_piece *name, const struct ch_piece *tail)
{
    struct ch_text *out = renderer->out;
    size_t labels_len = series ? series->labels_len : 0;
    char *at;

    if (!renderer->opened) {
        ch_exposition_family(out, renderer->format, &renderer->row->family);
        renderer->opened = true;
    }
    if (!ch_text_reserve(out, labels_len + 2 * PIECE_MAX + VALUE_MAX) || out->failed)
        return NULL;
    at = mempcpy(out->data + out->len, name->text, name->len);
    if (series)
        at = mempcpy(at, series->labels, labels_len);
    return mempcpy(at, tail->text, tail->len);
}

static inline void end_sample(struct ch_renderer *renderer, char *at)
{
    *at++ = '\n';
    renderer->out->len = (size_t)(at - renderer->out->data);
}

static void sample_u64(struct ch_renderer *renderer, const struct ch_series *series,
                       const struct ch_piece *name, const struct ch_piece *tail, uint64_t value)
{
    char *at = begin_sample(renderer, series, name, tail);

    if (at)
        end_sample(renderer, ch_number_u64(at, value));
}

static void sample_decimal(struct ch_renderer *renderer, const struct ch_series *series,
                           const struct ch_piece *name, int64_t value, unsigned scale)
{
    char *at = begin_sample(renderer, series, name, &renderer->close);

    if (at)
        end_sample(renderer, ch_number_decimal(at, value, scale));
}

static void write_count(struct ch_renderer *renderer, const struct ch_series *series,
                        const void *at)
{
    sample_u64(renderer, series, &renderer->name, &renderer->close, ch_counter(at));
}

static void write_plain(struct ch_renderer *renderer, const struct ch_series *series,
                        const void *at)
{
    sample_u64(renderer, series, &renderer->name, &renderer->close, *(const uint64_t *)at);
}

static void write_signed(struct ch_renderer *renderer, const struct ch_series *series,
                         const void *at)
{
    int64_t value = *(const int64_t *)at;

    if (value >= 0)
        sample_u64(renderer, series, &renderer->name, &renderer->close, (uint64_t)value);
}

static void write_flag(struct ch_renderer *renderer, const struct ch_series *series, const void *at)
{
    sample_u64(renderer, series, &renderer->name, &renderer->close, *(const uint8_t *)at != 0);
}

static uint8_t load_byte(const void *at)
{
    return atomic_load_explicit((const _Atomic uint8_t *)at, memory_order_relaxed);
}

static int64_t load_time(const void *at)
{
    return atomic_load_explicit((const _Atomic int64_t *)at, memory_order_relaxed);
}

static void write_bool(struct ch_renderer *renderer, const struct ch_series *series, const void *at)
{
    sample_u64(renderer, series, &renderer->name, &renderer->close, load_byte(at) != 0);
}

static void write_success(struct ch_renderer *renderer, const struct ch_series *series,
                          const void *at)
{
    uint8_t success = load_byte(at);

    if (success != CH_SUCCESS_NEVER_TRIED)
        sample_u64(renderer, series, &renderer->name, &renderer->close, success == CH_SUCCESS_YES);
}

/* Points in time are printed to the millisecond: a float64 holds little more of
 * today's Unix time. */
static void sample_time(struct ch_renderer *renderer, const struct ch_series *series, int64_t ns)
{
    if (ns != 0)
        sample_decimal(renderer, series, &renderer->name, ns / CH_NS_PER_MS, 3);
}

static void write_time(struct ch_renderer *renderer, const struct ch_series *series, const void *at)
{
    sample_time(renderer, series, load_time(at));
}

static void write_plain_time(struct ch_renderer *renderer, const struct ch_series *series,
                             const void *at)
{
    sample_time(renderer, series, *(const int64_t *)at);
}

static void write_ns(struct ch_renderer *renderer, const struct ch_series *series, const void *at)
{
    int64_t ns = load_time(at);

    if (ns != 0)
        sample_decimal(renderer, series, &renderer->name, ns, 9);
}

static void write_plain_ns(struct ch_renderer *renderer, const struct ch_series *series,
                           const void *at)
{
    sample_decimal(renderer, series, &renderer->name, *(const int64_t *)at, 9);
}

static void write_us(struct ch_renderer *renderer, const struct ch_series *series, const void *at)
{
    uint32_t us = atomic_load_explicit((const _Atomic uint32_t *)at, memory_order_relaxed);

    if (us != 0)
        sample_decimal(renderer, series, &renderer->name, us, 6);
}

/* The count is the sum of what was read, not a counter of its own, so that the
 * +Inf bucket and _count agree while the prober counts on. */
static void write_histogram(struct ch_renderer *renderer, const struct ch_series *series,
                            const void *at)
{
    const struct ch_histogram *histogram = renderer->row->histogram;
    const char *base = at;
    const _Atomic uint64_t *buckets = (const void *)(base + histogram->bucket_offset);
    uint64_t total = 0;

    for (unsigned i = 0; i <= histogram->bound_count; i++) {
        total += ch_counter(&buckets[i]);
        sample_u64(renderer, series, &renderer->name_bucket, &renderer->bounds[i], total);
    }
    sample_decimal(renderer, series, &renderer->name_sum,
                   (int64_t)ch_counter((const void *)(base + histogram->sum_offset)), 9);
    sample_u64(renderer, series, &renderer->name_count, &renderer->close, total);
}

static void write_categories(struct ch_renderer *renderer, const struct ch_series *series,
                             const void *at)
{
    static const struct ch_piece tails[CH_CATEGORY_COUNT] = {
#define TAIL(slug)                                                                                 \
    {.text = ",category=\"" slug "\"} ", .len = sizeof(",category=\"" slug "\"} ") - 1}
#define X(id, slug, error, meaning, advice) [CH_CATEGORY_##id] = TAIL(slug),
        CH_CATEGORIES(X)
#undef X
#undef TAIL
    };
    const _Atomic uint64_t *failures = at;
    const struct ch_probe_ops *ops = series->settings->ops;
    uint32_t expected = ops->categories(series->target->group->transport);

    for (unsigned i = CH_CATEGORY_NONE + 1; i < CH_CATEGORY_COUNT; i++) {
        uint64_t count = ch_counter(&failures[i]);

        if (count > 0 || (expected & 1u << i))
            sample_u64(renderer, series, &renderer->name, &tails[i], count);
    }
}

static void write_causes(struct ch_renderer *renderer, const struct ch_series *series,
                         const void *at)
{
    struct ch_cause_count *const _Atomic *head = at;
    struct ch_piece tail;

    for (struct ch_cause_count *row = atomic_load_explicit(head, memory_order_acquire); row;
         row = atomic_load_explicit(&row->next, memory_order_acquire)) {
        const struct ch_outcome *outcome = &row->outcome;
        int len = snprintf(
            tail.text, PIECE_MAX, ",phase=\"%s\",category=\"%s\",wire=\"%s\",cause=\"%s\"} ",
            ch_phase_word(outcome->phase)->slug, ch_category_row(outcome->category)->slug,
            ch_wire_word(outcome->wire)->slug, ch_cause_word(outcome->cause)->slug);

        tail.len = (uint8_t)len;
        sample_u64(renderer, series, &renderer->name, &tail, ch_counter(&row->count));
    }
}

static bool same_icmp_labels(const struct ch_icmp *a, const struct ch_icmp *b)
{
    if (ch_icmp_word(a) != ch_icmp_word(b) || a->offender.family != b->offender.family)
        return false;
    return a->offender.family == AF_UNSPEC ? (a->version == 0) == (b->version == 0)
                                           : ch_addr_same_host(&a->offender, &b->offender);
}

static struct ch_icmp_count *next_icmp(const struct ch_icmp_count *row)
{
    return atomic_load_explicit(&row->next, memory_order_acquire);
}

static void sample_icmp(struct ch_renderer *renderer, const struct ch_series *series,
                        const struct ch_icmp *icmp, uint64_t count)
{
    char offender[CH_ADDR_TEXT] = "other"; /* the pairs beyond the record's bound */
    struct ch_piece tail;

    if (icmp->version != 0)
        ch_addr_format_host(&icmp->offender, offender);
    tail.len = (uint8_t)snprintf(tail.text, PIECE_MAX, ",icmp=\"%s\",offender=\"%s\"} ",
                                 ch_icmp_word(icmp)->slug, offender);
    sample_u64(renderer, series, &renderer->name, &tail, count);
}

/* Several codes may share one word: what would be the same series is added up. */
static void write_icmp(struct ch_renderer *renderer, const struct ch_series *series, const void *at)
{
    struct ch_icmp_count *const _Atomic *head = at;
    struct ch_icmp_count *first = atomic_load_explicit(head, memory_order_acquire);

    for (struct ch_icmp_count *row = first; row; row = next_icmp(row)) {
        struct ch_icmp_count *other = first;
        uint64_t count = 0;

        while (other != row && !same_icmp_labels(&other->icmp, &row->icmp))
            other = next_icmp(other);
        if (other != row)
            continue;
        for (; other; other = next_icmp(other))
            if (same_icmp_labels(&other->icmp, &row->icmp))
                count += ch_counter(&other->count);
        sample_icmp(renderer, series, &row->icmp, count);
    }
}

static void write_troubles(struct ch_renderer *renderer, const struct ch_series *series,
                           const void *at)
{
    static const struct ch_piece tails[CH_TROUBLE_COUNT] = {
#define TAIL(slug)           {.text = ",trouble=\"" slug "\"} ", .len = sizeof(",trouble=\"" slug "\"} ") - 1}
#define X(id, slug, meaning) [CH_TROUBLE_##id] = TAIL(slug),
        CH_TROUBLES(X)
#undef X
#undef TAIL
    };
    uint8_t trouble = load_byte(at);

    for (unsigned i = CH_TROUBLE_NONE + 1; i < CH_TROUBLE_COUNT; i++)
        sample_u64(renderer, series, &renderer->name, &tails[i], trouble == i);
}

/* What the responder can meet, present at 0 from the start. */
static bool responder_meets(enum ch_phase phase, enum ch_category category)
{
    switch (category) {
    case CH_CATEGORY_ABORTED:
        return phase == CH_PHASE_ACCEPT;
    case CH_CATEGORY_LOCAL_RESOURCE:
        return phase == CH_PHASE_ACCEPT;
    case CH_CATEGORY_RESET:
    case CH_CATEGORY_TIMEOUT:
        return phase == CH_PHASE_IDLE || phase == CH_PHASE_RECEIVE || phase == CH_PHASE_SEND;
    case CH_CATEGORY_EOF:
    case CH_CATEGORY_BAD_REPLY:
        return phase == CH_PHASE_RECEIVE;
    case CH_CATEGORY_BROKEN_PIPE:
    case CH_CATEGORY_WOULD_BLOCK:
        return phase == CH_PHASE_SEND;
    default:
        return false;
    }
}

static void open_family(struct ch_renderer *renderer)
{
    ch_exposition_family(renderer->out, renderer->format, &renderer->row->family);
}

static void write_ends(struct ch_renderer *renderer, const struct ch_series *series, const void *at)
{
    const _Atomic uint64_t(*ends)[CH_CATEGORY_COUNT] = at;
    struct ch_text *out = renderer->out;

    (void)series;
    open_family(renderer);
    for (unsigned phase = CH_PHASE_NONE + 1; phase < CH_PHASE_COUNT; phase++)
        for (unsigned category = CH_CATEGORY_NONE + 1; category < CH_CATEGORY_COUNT; category++) {
            uint64_t count = ch_counter(&ends[phase][category]);

            if (count == 0 && !responder_meets(phase, category))
                continue;
            ch_exposition_begin(out, &renderer->row->family, "");
            ch_exposition_label(out, "phase", ch_phase_word(phase)->slug);
            ch_exposition_label(out, "category", ch_category_row(category)->slug);
            ch_exposition_u64(out, count);
        }
}

static void write_build(struct ch_renderer *renderer, const struct ch_series *series,
                        const void *at)
{
    struct ch_text *out = renderer->out;

    (void)series;
    (void)at;
    open_family(renderer);
    ch_exposition_begin(out, &renderer->row->family, "");
    ch_exposition_label(out, "version", ch_build_version());
    ch_exposition_label(out, "revision", ch_build_revision());
    ch_exposition_label(out, "compiler", ch_build_compiler());
    ch_exposition_u64(out, 1);
}

/* What has row->only bits may be asked of a series only. */
static bool series_has(const struct ch_series *series, unsigned only)
{
    const struct ch_probe_ops *ops = series->settings->ops;
    enum ch_transport transport = series->target->group->transport;

    if ((only & CH_ONLY_TCP) && transport != CH_TRANSPORT_TCP)
        return false;
    if ((only & CH_ONLY_PERSISTENT) && !ops->persistent)
        return false;
    if ((only & CH_ONLY_TIMED) && series->kind == CH_PROBE_KEEPALIVE)
        return false;
    return !(only & CH_ONLY_SENDING) ||
           (ops->categories(transport) & 1u << CH_CATEGORY_WOULD_BLOCK);
}

void ch_samples_write(struct ch_renderer *renderer, const struct ch_series *series,
                      const void *base)
{
    static void (*const writers[CH_REPRESENTATION_COUNT])(
        struct ch_renderer *, const struct ch_series *, const void *) = {
        [CH_AS_COUNT] = write_count,
        [CH_AS_PLAIN] = write_plain,
        [CH_AS_SIGNED] = write_signed,
        [CH_AS_FLAG] = write_flag,
        [CH_AS_BOOL] = write_bool,
        [CH_AS_SUCCESS] = write_success,
        [CH_AS_TIME] = write_time,
        [CH_AS_PLAIN_TIME] = write_plain_time,
        [CH_AS_NS] = write_ns,
        [CH_AS_PLAIN_NS] = write_plain_ns,
        [CH_AS_US] = write_us,
        [CH_AS_HISTOGRAM] = write_histogram,
        [CH_AS_CATEGORIES] = write_categories,
        [CH_AS_CAUSES] = write_causes,
        [CH_AS_ICMP] = write_icmp,
        [CH_AS_TROUBLES] = write_troubles,
        [CH_AS_ENDS] = write_ends,
        [CH_AS_BUILD] = write_build,
    };
    const struct ch_row *row = renderer->row;

    if (!series || series_has(series, row->only))
        writers[row->as](renderer, series, (const char *)base + row->offset);
}
