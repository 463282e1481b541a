/* SPDX-License-Identifier: Apache-2.0 */
/* Groups and the probes in them. */
#include <stdlib.h>
#include <string.h>

#include "config_build.h"
#include "connhealth/clock.h"
#include "connhealth/text.h"

#define DAY_NS (86400 * CH_NS_PER_S)

/* A group while it is read. */
struct draft {
    struct ch_group *group;
    const struct ch_node *node;
    int64_t interval_ns; /* its own or global's */
    int64_t timeout_ns;
    uint32_t transport;
    bool confirm;
    bool timeout_reported; /* one line, however many probes it is too long for */
};

static const char *const transports[] = {"tcp", "udp", NULL};

static const struct ch_option group_options[] = {
    {.key = "transport",
     .type = CH_OPTION_CHOICE,
     .offset = offsetof(struct draft, transport),
     .choices = transports,
     .fallback = "tcp",
     .help = "what the probes speak"},
    {.key = "interval",
     .type = CH_OPTION_DURATION,
     .offset = offsetof(struct draft, interval_ns),
     .min = 10 * CH_NS_PER_MS,
     .max = DAY_NS,
     .help = "for this group's probes instead of global's"},
    {.key = "timeout",
     .type = CH_OPTION_DURATION,
     .offset = offsetof(struct draft, timeout_ns),
     .min = CH_NS_PER_MS,
     .max = DAY_NS,
     .help = "for this group's probes instead of global's"},
    {.key = "confirm",
     .type = CH_OPTION_BOOL,
     .offset = offsetof(struct draft, confirm),
     .fallback = "true",
     .help = "make one fresh connect when an established connection broke, for the diagnosis"},
    CH_OPTION_END,
};

static const struct ch_option probe_options[] = {
    {.key = "interval",
     .type = CH_OPTION_DURATION,
     .offset = offsetof(struct ch_probe_settings, interval_ns),
     .min = 10 * CH_NS_PER_MS,
     .max = DAY_NS,
     .help = "for this probe instead of the group's"},
    {.key = "timeout",
     .type = CH_OPTION_DURATION,
     .offset = offsetof(struct ch_probe_settings, timeout_ns),
     .min = CH_NS_PER_MS,
     .max = DAY_NS,
     .help = "for this probe instead of the group's"},
    CH_OPTION_END,
};
const struct ch_section ch_probe_section = {.options = probe_options};

/* How near to the probe a value was written; the nearest counts. */
enum distance { AT_PROBE, AT_GROUP, FURTHER };

static enum distance written_at(const struct draft *draft, const struct ch_node *probe,
                                const struct ch_probe_ops *ops, const char *key,
                                const struct ch_node **ret_node)
{
    /* a kind's own option of that name means something else: keepalive's interval */
    if (!ch_option_find(ops->options, key)) {
        *ret_node = ch_node_child(probe, key);
        if (*ret_node)
            return AT_PROBE;
    }
    *ret_node = ch_node_child(draft->node, key);
    return *ret_node ? AT_GROUP : FURTHER;
}

static bool is_duration(const struct ch_node *node)
{
    int64_t ns;

    return !node || (!node->refused && node->kind == CH_NODE_SCALAR &&
                     ch_duration_parse(node->text, node->len, &ns) == 0);
}

/* A timeout must fit into the interval that is in force where it was written.
 * One that comes from further out than the interval is cut to it, as Prometheus
 * does with scrape_timeout. */
static void settle_times(struct ch_walk *walk, struct draft *draft, const struct ch_node *probe,
                         struct ch_probe_settings *settings)
{
    const struct ch_node *interval, *timeout;
    enum distance interval_at = written_at(draft, probe, settings->ops, "interval", &interval);
    enum distance timeout_at = written_at(draft, probe, settings->ops, "timeout", &timeout);
    char text[CH_DURATION_TEXT];

    if (settings->timeout_ns <= settings->interval_ns)
        return;
    if (timeout_at > interval_at) {
        settings->timeout_ns = settings->interval_ns;
        return;
    }
    if (!is_duration(interval) || !is_duration(timeout) || !timeout ||
        (timeout_at == AT_GROUP && draft->timeout_reported))
        return;
    draft->timeout_reported = timeout_at == AT_GROUP;
    ch_report_node(walk->report, timeout,
                   "is longer than the interval, %s; shorten the one or lengthen the other",
                   ch_duration_format(settings->interval_ns, text));
}

static void check_probe(struct ch_walk *walk, struct draft *draft, const struct ch_node *node,
                        const struct ch_probe_settings *settings)
{
    enum ch_transport transport = draft->transport ? CH_TRANSPORT_UDP : CH_TRANSPORT_TCP;
    const struct ch_probe_ops *ops = settings->ops;
    const char *key = NULL, *reason;
    const struct ch_node *at;

    if (!ops->check)
        return;
    reason = ops->check(settings->options, transport, &key);
    if (!reason)
        return;
    at = key ? ch_node_child(node, key) : NULL;
    ch_report_node(walk->report, at ? at : node, "%s", reason);
}

static void read_probe(struct ch_walk *walk, const struct ch_node *node, void *object)
{
    struct draft *draft = object;
    size_t before = walk->report->total;
    struct ch_section kind_section = {0};
    struct ch_probe_settings *settings;
    enum ch_probe_kind kind;

    if (!ch_probe_kind_from_slug(node->key, &kind))
        return;
    settings = ch_probe_settings_new(ch_probe_ops_of(kind));
    if (!settings) {
        walk->report->out_of_memory = true;
        return;
    }
    settings->interval_ns = draft->interval_ns;
    settings->timeout_ns = draft->timeout_ns;
    draft->group->probes[kind] = settings;
    if (draft->transport ? !settings->ops->udp : !settings->ops->tcp)
        ch_report_node(walk->report, node,
                       "is for %s only; this group's transport is %s, so leave it out",
                       draft->transport ? "tcp" : "udp", transports[draft->transport]);
    kind_section.options = settings->ops->options;
    if (!ch_walk_mapping(
            walk, node,
            (struct ch_layer[]){{&kind_section, settings->options}, {&ch_probe_section, settings}},
            2))
        return;
    settle_times(walk, draft, node, settings);
    if (walk->report->total == before)
        check_probe(walk, draft, node, settings);
}

static void read_name(struct ch_walk *walk, const struct ch_node *node, void *object)
{
    struct draft *draft = object;

    draft->group->name = ch_walk_copy_text(walk, node, "a name", 1, CH_NAME_MAX);
}

static void read_static(struct ch_walk *walk, const struct ch_node *node, void *object)
{
    ch_config_read_static(walk, node, ((struct draft *)object)->group);
}

static void read_file_sd(struct ch_walk *walk, const struct ch_node *node, void *object)
{
    ch_config_read_file_sd(walk, node, ((struct draft *)object)->group);
}

static const struct ch_field group_fields[] = {
    {.key = "name", .read = read_name, .help = "label group=\"…\"; unique"},
#define X(id, slug, persistent, meaning) {.key = (slug), .read = read_probe, .help = (meaning)},
    CH_PROBE_KINDS(X)
#undef X
        {.key = "static_configs",
         .read = read_static,
         .section = &ch_target_list_section,
         .list = true,
         .help = "targets written here"},
    {.key = "file_sd_configs",
     .read = read_file_sd,
     .section = &ch_file_sd_section,
     .list = true,
     .help = "targets read from files"},
    CH_FIELD_END,
};
const struct ch_section ch_group_section = {group_options, group_fields};

static void read_group(struct ch_walk *walk, const struct ch_node *node, struct ch_group *group)
{
    const struct ch_config *config = ch_build_of(walk)->config;
    struct draft draft = {
        .group = group,
        .node = node,
        .interval_ns = config->global.interval_ns,
        .timeout_ns = config->global.timeout_ns,
    };
    bool probed = false;

    if (ch_options_defaults(group_options, &draft) < 0)
        walk->report->out_of_memory = true;
    if (!ch_walk_section(walk, node, &ch_group_section, &draft))
        return;
    group->transport = draft.transport ? CH_TRANSPORT_UDP : CH_TRANSPORT_TCP;
    group->confirm = draft.confirm;
    if (!ch_node_child(node, "name"))
        ch_report_node(walk->report, node, "has no name; add one, such as name: redis");
    for (int kind = 0; kind < CH_PROBE_KIND_COUNT; kind++)
        probed = probed ||
                 ch_node_child(node, ch_probe_kind_word((enum ch_probe_kind)kind)->slug) != NULL;
    if (!probed)
        ch_report_node(walk->report, node,
                       "has no probe; add connect: {}, heartbeat: or keepalive:");
}

/* Room for more groups, and for where each was written. */
static bool grow(struct ch_walk *walk, size_t more)
{
    struct ch_build *build = ch_build_of(walk);
    struct ch_config *config = build->config;
    size_t count = config->group_count + more;
    struct ch_group *groups = reallocarray(config->groups, count + 1, sizeof(*groups));
    struct ch_origin *origins;

    if (groups) {
        memset(groups + config->group_count, 0, (more + 1) * sizeof(*groups));
        config->groups = groups;
    }
    origins = reallocarray(build->groups, count + 1, sizeof(*origins));
    if (origins)
        build->groups = origins;
    if (!groups || !origins)
        walk->report->out_of_memory = true;
    return groups && origins;
}

void ch_config_read_groups(struct ch_walk *walk, const struct ch_node *node, void *object)
{
    struct ch_build *build = ch_build_of(walk);
    struct ch_config *config = object;

    if (!ch_walk_is_list(walk, node, "groups") || !grow(walk, node->count))
        return;
    for (const struct ch_node *item = node->first; item; item = item->next) {
        build->groups[config->group_count] =
            (struct ch_origin){build->report.file, build->report.file_index, item};
        read_group(walk, item, &config->groups[config->group_count++]);
    }
}

struct named {
    const char *name;
    size_t index;
};

static int by_name_and_order(const void *left, const void *right)
{
    const struct named *a = left, *b = right;
    int order = strcmp(a->name, b->name);

    if (order != 0)
        return order;
    return a->index < b->index ? -1 : 1;
}

static void report_twin(struct ch_build *build, size_t index, size_t first)
{
    const struct ch_origin *origin = &build->groups[index], *earlier = &build->groups[first];
    const struct ch_node *name = ch_node_child(origin->node, "name");
    char quoted[CH_QUOTED_TEXT];

    build->report.file = origin->file;
    build->report.file_index = origin->file_index;
    ch_report_node(&build->report, name ? name : origin->node,
                   "%s is the name of the group at %.200s:%u already; choose another",
                   ch_text_quote(build->config->groups[index].name,
                                 strlen(build->config->groups[index].name), quoted),
                   earlier->file, earlier->node->line);
}

void ch_config_check_groups(struct ch_build *build)
{
    const struct ch_config *config = build->config;
    struct named *named = ch_walk_array(&build->walk, config->group_count, sizeof(*named));
    size_t count = 0, first = 0;

    if (!named)
        return;
    for (size_t i = 0; i < config->group_count; i++) {
        if (config->groups[i].name)
            named[count++] = (struct named){config->groups[i].name, i};
    }
    qsort(named, count, sizeof(*named), by_name_and_order);
    for (size_t i = 1; i < count; i++) {
        if (strcmp(named[i].name, named[first].name) == 0)
            report_twin(build, named[i].index, named[first].index);
        else
            first = i;
    }
    free(named);
}

void ch_group_clear(struct ch_group *group)
{
    free(group->name);
    for (size_t i = 0; i < CH_PROBE_KIND_COUNT; i++)
        ch_probe_settings_unref(group->probes[i]);
    for (size_t i = 0; i < group->static_config_count; i++)
        ch_target_list_clear(&group->static_configs[i]);
    free(group->static_configs);
    for (size_t i = 0; i < group->file_sd_config_count; i++) {
        for (size_t j = 0; j < group->file_sd_configs[i].count; j++)
            free(group->file_sd_configs[i].patterns[j]);
        free(group->file_sd_configs[i].patterns);
    }
    free(group->file_sd_configs);
    *group = (struct ch_group){0};
}
