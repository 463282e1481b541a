/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "connhealth/expect.h"
#include "generation.h"

struct ch_probe_settings *ch_probe_settings_new(const struct ch_probe_ops *ops)
{
    struct ch_probe_settings *settings = calloc(1, sizeof(*settings));

    if (!settings)
        return NULL;
    atomic_init(&settings->refs, 1);
    settings->ops = ops;
    settings->options = calloc(1, ops->options_size);
    if (!settings->options || ch_options_defaults(ops->options, settings->options) < 0)
        return ch_probe_settings_unref(settings);
    return settings;
}

struct ch_probe_settings *ch_probe_settings_ref(struct ch_probe_settings *settings)
{
    atomic_fetch_add_explicit(&settings->refs, 1, memory_order_relaxed);
    return settings;
}

struct ch_probe_settings *ch_probe_settings_unref(struct ch_probe_settings *settings)
{
    if (!settings || atomic_fetch_sub_explicit(&settings->refs, 1, memory_order_acq_rel) > 1)
        return NULL;
    if (settings->options)
        ch_options_clear(settings->ops->options, settings->options);
    free(settings->options);
    free(settings);
    return NULL;
}

static bool same_bytes(const struct ch_bytes *a, const struct ch_bytes *b)
{
    if (!a->data || !b->data)
        return a->data == b->data;
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

static bool same_expect(const struct ch_expect *a, const struct ch_expect *b)
{
    if (!a || !b)
        return a == b;
    return strcmp(ch_expect_pattern(a), ch_expect_pattern(b)) == 0;
}

static bool same_durations(const struct ch_durations *a, const struct ch_durations *b)
{
    return a->count == b->count &&
           (a->count == 0 || memcmp(a->ns, b->ns, a->count * sizeof(*a->ns)) == 0);
}

static bool same_value(enum ch_option_type type, const void *a, const void *b)
{
    switch (type) {
    case CH_OPTION_DURATION:
        return *(const int64_t *)a == *(const int64_t *)b;
    case CH_OPTION_UINT:
    case CH_OPTION_CHOICE:
        return *(const uint32_t *)a == *(const uint32_t *)b;
    case CH_OPTION_BOOL:
        return *(const bool *)a == *(const bool *)b;
    case CH_OPTION_TEXT:
    case CH_OPTION_HEX:
        return same_bytes(a, b);
    case CH_OPTION_REGEX:
        return same_expect(*(const struct ch_expect *const *)a,
                           *(const struct ch_expect *const *)b);
    case CH_OPTION_DURATIONS:
        return same_durations(a, b);
    }
    return false;
}

bool ch_series_same_settings(const struct ch_series *a, const struct ch_series *b)
{
    const struct ch_probe_ops *ops = a->settings->ops;

    if (ops != b->settings->ops || a->target->group->transport != b->target->group->transport ||
        a->target->group->confirm != b->target->group->confirm ||
        strcmp(a->target->name, b->target->name) != 0)
        return false;
    for (const struct ch_option *row = ops->options; row && row->key; row++) {
        if (!same_value(row->type, (const char *)a->settings->options + row->offset,
                        (const char *)b->settings->options + row->offset))
            return false;
    }
    return true;
}
