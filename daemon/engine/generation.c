/* SPDX-License-Identifier: Apache-2.0 */
#include "generation.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct ch_generation *ch_generation_ref(struct ch_generation *generation)
{
    atomic_fetch_add_explicit(&generation->refs, 1, memory_order_relaxed);
    return generation;
}

struct ch_generation *ch_generation_unref(struct ch_generation *generation)
{
    if (!generation || atomic_fetch_sub_explicit(&generation->refs, 1, memory_order_acq_rel) > 1)
        return NULL;
    for (size_t i = 0; i < generation->series_count; i++)
        ch_record_unref(generation->series[i].record);
    free(generation->series);
    free(generation->targets);
    free(generation->sorted);
    free(generation->config_text);
    ch_arena_clear(&generation->text);
    ch_config_free(generation->config);
    free(generation);
    return NULL;
}

static void drop_generation(struct ch_generation **generation)
{
    ch_generation_unref(*generation);
}

/* A label without a value is the same as no label (Prometheus data model). */
static const struct ch_label *next_label(const struct ch_labels *labels, size_t *at)
{
    while (*at < labels->count && labels->items[*at].value[0] == '\0')
        ++*at;
    return *at < labels->count ? &labels->items[(*at)++] : NULL;
}

/* FNV-1a, the string's end included */
static uint32_t add_to_hash(uint32_t hash, const char *text)
{
    do
        hash = (hash ^ (uint8_t)*text) * 16777619u;
    while (*text++);
    return hash;
}

static uint32_t hash_target(const struct ch_target *target)
{
    uint32_t hash = add_to_hash(add_to_hash(2166136261u, target->group->name), target->name);
    const struct ch_label *label;

    for (size_t i = 0; (label = next_label(&target->labels, &i));)
        hash = add_to_hash(add_to_hash(hash, label->name), label->value);
    return hash;
}

static int compare_labels(const struct ch_labels *a, const struct ch_labels *b)
{
    size_t at_a = 0, at_b = 0;

    for (;;) {
        const struct ch_label *label_a = next_label(a, &at_a), *label_b = next_label(b, &at_b);
        int order;

        if (!label_a || !label_b)
            return (label_a != NULL) - (label_b != NULL);
        order = strcmp(label_a->name, label_b->name);
        if (order == 0)
            order = strcmp(label_a->value, label_b->value);
        if (order != 0)
            return order;
    }
}

/* Any total order will do; the hash spares most of the comparing of text. */
static int compare_targets(const struct ch_target *a, const struct ch_target *b)
{
    int order = (a->hash > b->hash) - (a->hash < b->hash);

    if (order == 0 && a->group != b->group)
        order = strcmp(a->group->name, b->group->name);
    if (order == 0)
        order = strcmp(a->name, b->name);
    return order != 0 ? order : compare_labels(&a->labels, &b->labels);
}

static int compare_indices(const void *a, const void *b, void *targets)
{
    uint32_t index_a = *(const uint32_t *)a, index_b = *(const uint32_t *)b;
    const struct ch_target *all = targets;
    int order = compare_targets(&all[index_a], &all[index_b]);

    return order != 0 ? order : (index_a > index_b) - (index_a < index_b);
}

static void sort_targets(struct ch_generation *made)
{
    for (uint32_t i = 0; i < made->target_count; i++)
        made->sorted[i] = i;
    qsort_r(made->sorted, made->target_count, sizeof(*made->sorted), compare_indices,
            made->targets);
}

static size_t count_targets(const struct ch_target_list *lists, size_t count)
{
    size_t targets = 0;

    for (size_t i = 0; i < count; i++)
        targets += lists[i].count;
    return targets;
}

static void add_target(struct ch_generation *made, const struct ch_group *group, const char *name,
                       struct ch_labels labels)
{
    struct ch_target *target = &made->targets[made->target_count++];

    *target = (struct ch_target){.group = group, .name = name, .labels = labels};
    target->hash = hash_target(target);
}

static void add_list(struct ch_generation *made, const struct ch_group *group,
                     const struct ch_target_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        add_target(made, group, list->targets[i], list->labels);
}

static int copy_labels(struct ch_arena *arena, const struct ch_labels *labels,
                       struct ch_labels *ret)
{
    struct ch_label *items = ch_arena_alloc(arena, labels->count * sizeof(*items));

    if (!items)
        return -ENOMEM;
    for (size_t i = 0; i < labels->count; i++) {
        items[i].name = ch_arena_copy(arena, labels->items[i].name);
        items[i].value = ch_arena_copy(arena, labels->items[i].value);
        if (!items[i].name || !items[i].value)
            return -ENOMEM;
    }
    *ret = (struct ch_labels){.items = items, .count = labels->count};
    return 0;
}

/* What was discovered belongs to somebody else: names and labels are copied. */
static int add_discovered(struct ch_generation *made, const struct ch_group *group,
                          const struct ch_target_list *list)
{
    struct ch_labels labels;
    int r = copy_labels(&made->text, &list->labels, &labels);

    for (size_t i = 0; r == 0 && i < list->count; i++) {
        char *name = ch_arena_copy(&made->text, list->targets[i]);

        if (!name)
            return -ENOMEM;
        add_target(made, group, name, labels);
    }
    return r;
}

/* Of equal targets the first stays, and the order stays. */
static void drop_repeated_targets(struct ch_generation *made)
{
    struct ch_target *targets = made->targets, *kept = NULL;
    size_t count = 0;

    sort_targets(made);
    for (size_t i = 0; i < made->target_count; i++) {
        struct ch_target *target = &targets[made->sorted[i]];

        if (kept && compare_targets(kept, target) == 0)
            target->first_series = CH_SERIES_NEW; /* marks it until the loop below */
        else
            kept = target;
    }
    for (size_t i = 0; i < made->target_count; i++) {
        if (targets[i].first_series != CH_SERIES_NEW)
            targets[count++] = targets[i];
    }
    if (count < made->target_count) {
        made->target_count = count;
        sort_targets(made);
    }
}

static int gather_targets(struct ch_generation *made, const struct ch_config *config,
                          const struct ch_group_targets *discovered)
{
    size_t most = 0;

    for (size_t i = 0; i < config->group_count; i++) {
        most +=
            count_targets(config->groups[i].static_configs, config->groups[i].static_config_count);
        if (discovered)
            most += count_targets(discovered[i].lists, discovered[i].count);
    }
    if (most >= CH_SERIES_NEW / CH_PROBE_KIND_COUNT) /* indices are 32 bits */
        return -ENOMEM;
    made->targets = calloc(most + 1, sizeof(*made->targets));
    made->sorted = calloc(most + 1, sizeof(*made->sorted));
    if (!made->targets || !made->sorted)
        return -ENOMEM;
    for (size_t i = 0; i < config->group_count; i++) {
        const struct ch_group *group = &config->groups[i];

        for (size_t j = 0; j < group->static_config_count; j++)
            add_list(made, group, &group->static_configs[j]);
        for (size_t j = 0; discovered && j < discovered[i].count; j++) {
            int r = add_discovered(made, group, &discovered[i].lists[j]);

            if (r < 0)
                return r;
        }
    }
    drop_repeated_targets(made);
    return 0;
}

/* Label values of the text format: backslash, quote and newline are escaped. */
static char *put_escaped(char *at, const char *text)
{
    for (; *text; text++) {
        if (*text == '\\' || *text == '"' || *text == '\n')
            *at++ = '\\';
        *at++ = *text == '\n' ? 'n' : *text;
    }
    return at;
}

static char *put_label(char *at, const char *name, const char *value)
{
    at = stpcpy(at, name);
    *at++ = '=';
    *at++ = '"';
    at = put_escaped(at, value);
    *at++ = '"';
    *at++ = ',';
    return at;
}

static size_t label_room(const char *name, const char *value)
{
    return strlen(name) + 2 * strlen(value) + sizeof("=\"\",") - 1;
}

static int write_labels(struct ch_arena *arena, struct ch_series *series)
{
    const struct ch_target *target = series->target;
    const char *slug = ch_probe_kind_word(series->kind)->slug;
    size_t room = label_room("group", target->group->name) + label_room("target", target->name) +
                  label_room("probe", slug);
    const struct ch_label *label;
    char *at;

    for (size_t i = 0; (label = next_label(&target->labels, &i));)
        room += label_room(label->name, label->value);
    series->labels = at = ch_arena_text(arena, room);
    if (!at || room > UINT32_MAX)
        return -ENOMEM;
    at = put_label(at, "group", target->group->name);
    at = put_label(at, "target", target->name);
    at = put_label(at, "probe", slug);
    for (size_t i = 0; (label = next_label(&target->labels, &i));)
        at = put_label(at, label->name, label->value);
    *--at = '\0'; /* in the place of the last comma */
    series->labels_len = (uint32_t)(at - series->labels);
    ch_arena_trim(arena, series->labels, series->labels_len + 1);
    return 0;
}

static size_t count_series(const struct ch_generation *made)
{
    size_t count = 0;

    for (size_t i = 0; i < made->target_count; i++)
        for (int kind = 0; kind < CH_PROBE_KIND_COUNT; kind++)
            count += made->targets[i].group->probes[kind] != NULL;
    return count;
}

static int make_series(struct ch_generation *made)
{
    made->series = calloc(count_series(made) + 1, sizeof(*made->series));
    if (!made->series)
        return -ENOMEM;
    for (size_t i = 0; i < made->target_count; i++) {
        struct ch_target *target = &made->targets[i];

        target->first_series = (uint32_t)made->series_count;
        for (int kind = 0; kind < CH_PROBE_KIND_COUNT; kind++) {
            struct ch_series *series = &made->series[made->series_count];

            if (!target->group->probes[kind])
                continue;
            *series = (struct ch_series){.target = target,
                                         .settings = target->group->probes[kind],
                                         .previous = CH_SERIES_NEW,
                                         .kind = (enum ch_probe_kind)kind};
            if (write_labels(&made->text, series) < 0)
                return -ENOMEM;
            made->series_count++;
        }
    }
    return 0;
}

static size_t series_end(const struct ch_generation *generation, const struct ch_target *target)
{
    size_t next = (size_t)(target - generation->targets) + 1;

    return next < generation->target_count ? generation->targets[next].first_series
                                           : generation->series_count;
}

static void take_over(struct ch_generation *made, const struct ch_target *target,
                      const struct ch_generation *previous, const struct ch_target *before)
{
    for (size_t i = target->first_series; i < series_end(made, target); i++) {
        for (size_t j = before->first_series; j < series_end(previous, before); j++) {
            if (made->series[i].kind != previous->series[j].kind)
                continue;
            made->series[i].previous = (uint32_t)j;
            made->series[i].record = ch_record_ref(previous->series[j].record);
        }
    }
}

/* Both are sorted: one walk through the two finds what they share. */
static void take_over_records(struct ch_generation *made, const struct ch_generation *previous)
{
    size_t i = 0, j = 0;

    while (i < made->target_count && j < previous->target_count) {
        const struct ch_target *target = &made->targets[made->sorted[i]];
        const struct ch_target *before = &previous->targets[previous->sorted[j]];
        int order = compare_targets(target, before);

        if (order == 0)
            take_over(made, target, previous, before);
        i += order <= 0;
        j += order >= 0;
    }
}

static int make_records(struct ch_generation *made)
{
    for (size_t i = 0; i < made->series_count; i++) {
        if (!made->series[i].record)
            made->series[i].record = ch_record_new();
        if (!made->series[i].record)
            return -ENOMEM;
    }
    return 0;
}

int ch_generation_new(struct ch_config **config, const struct ch_group_targets *discovered,
                      const struct ch_generation *previous, struct ch_generation **ret)
{
    __attribute__((cleanup(drop_generation))) struct ch_generation *made = calloc(1, sizeof(*made));
    int r;

    if (!made)
        return -ENOMEM;
    atomic_init(&made->refs, 1);
    made->number = previous ? previous->number + 1 : 1;
    r = gather_targets(made, *config, discovered);
    if (r == 0)
        r = make_series(made);
    if (r == 0 && previous)
        take_over_records(made, previous);
    if (r == 0)
        r = make_records(made);
    if (r < 0)
        return r;
    made->config = *config;
    *config = NULL;
    *ret = made;
    made = NULL;
    return 0;
}
