/* SPDX-License-Identifier: Apache-2.0 */
/* The effective configuration as YAML, with every default written out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_build.h"
#include "connhealth/text.h"

struct writer {
    FILE *out;
    bool out_of_memory;
};

/* Text from outside, in double quotes whatever it holds. */
static void write_quoted(struct writer *writer, const char *text)
{
    char *escaped = ch_text_escape(text, strlen(text));

    if (!escaped) {
        writer->out_of_memory = true;
        return;
    }
    fprintf(writer->out, "\"%s\"", escaped);
    free(escaped);
}

static void write_options(struct writer *writer, const char *indent, const struct ch_option *table,
                          const void *object)
{
    for (const struct ch_option *option = table; option->key; option++) {
        bool quoted = option->type == CH_OPTION_TEXT || option->type == CH_OPTION_REGEX ||
                      option->type == CH_OPTION_HEX;
        char *value;

        if (!ch_option_is_set(option, object))
            continue;
        value = ch_option_format(option, object);
        if (!value) {
            writer->out_of_memory = true;
            continue;
        }
        fprintf(writer->out, "%s%s: %s%s%s\n", indent, option->key, quoted ? "\"" : "", value,
                quoted ? "\"" : "");
        free(value);
    }
}

static void write_duration(struct writer *writer, const char *indent, const char *key, int64_t ns)
{
    char text[CH_DURATION_TEXT];

    fprintf(writer->out, "%s%s: %s\n", indent, key, ch_duration_format(ns, text));
}

static void write_probe(struct writer *writer, const struct ch_probe_settings *settings)
{
    const struct ch_option *options = settings->ops->options;

    fprintf(writer->out, "    %s:\n", ch_probe_kind_word(settings->ops->kind)->slug);
    /* where the kind has an interval of its own, the group says how often to look */
    if (!ch_option_find(options, "interval"))
        write_duration(writer, "      ", "interval", settings->interval_ns);
    if (!ch_option_find(options, "timeout"))
        write_duration(writer, "      ", "timeout", settings->timeout_ns);
    write_options(writer, "      ", options, settings->options);
}

static void write_labels(struct writer *writer, const struct ch_labels *labels)
{
    if (labels->count == 0)
        return;
    fprintf(writer->out, "        labels:\n");
    for (size_t i = 0; i < labels->count; i++) {
        fprintf(writer->out, "          \"%s\": ", labels->items[i].name);
        write_quoted(writer, labels->items[i].value);
        fprintf(writer->out, "\n");
    }
}

static void write_list(struct writer *writer, const char *key, char *const *items, size_t count)
{
    fprintf(writer->out, "      - %s:%s\n", key, count ? "" : " []");
    for (size_t i = 0; i < count; i++) {
        fprintf(writer->out, "          - ");
        write_quoted(writer, items[i]);
        fprintf(writer->out, "\n");
    }
}

static void write_static_configs(struct writer *writer, const struct ch_group *group)
{
    if (group->static_config_count > 0)
        fprintf(writer->out, "    static_configs:\n");
    for (size_t i = 0; i < group->static_config_count; i++) {
        const struct ch_target_list *list = &group->static_configs[i];

        write_list(writer, "targets", list->targets, list->count);
        write_labels(writer, &list->labels);
    }
}

static void write_file_sd_configs(struct writer *writer, const struct ch_group *group)
{
    if (group->file_sd_config_count > 0)
        fprintf(writer->out, "    file_sd_configs:\n");
    for (size_t i = 0; i < group->file_sd_config_count; i++) {
        const struct ch_file_sd *sd = &group->file_sd_configs[i];

        write_list(writer, "files", sd->patterns, sd->count);
        write_options(writer, "        ", ch_file_sd_section.options, sd);
    }
}

/* The look interval of a kind whose own option took the name; NULL: none has. */
static const struct ch_probe_settings *looked_at_by_group(const struct ch_group *group,
                                                          const char *key)
{
    for (int kind = 0; kind < CH_PROBE_KIND_COUNT; kind++) {
        const struct ch_probe_settings *settings = group->probes[kind];

        if (settings && ch_option_find(settings->ops->options, key))
            return settings;
    }
    return NULL;
}

static void write_group(struct writer *writer, const struct ch_group *group)
{
    const struct ch_probe_settings *interval = looked_at_by_group(group, "interval");
    const struct ch_probe_settings *timeout = looked_at_by_group(group, "timeout");

    fprintf(writer->out, "  - name: ");
    write_quoted(writer, group->name);
    fprintf(writer->out, "\n    transport: %s\n    confirm: %s\n",
            ch_transport_slug(group->transport), group->confirm ? "true" : "false");
    if (interval)
        write_duration(writer, "    ", "interval", interval->interval_ns);
    if (timeout)
        write_duration(writer, "    ", "timeout", timeout->timeout_ns);
    for (int kind = 0; kind < CH_PROBE_KIND_COUNT; kind++) {
        if (group->probes[kind])
            write_probe(writer, group->probes[kind]);
    }
    write_static_configs(writer, group);
    write_file_sd_configs(writer, group);
}

static void write_responder(struct writer *writer, const struct ch_config *config)
{
    char text[CH_ADDR_TEXT];

    fprintf(writer->out, "responder:\n  listen:%s\n", config->responder.listen_count ? "" : " []");
    for (size_t i = 0; i < config->responder.listen_count; i++)
        fprintf(writer->out, "    - \"%s\"\n", ch_addr_format(&config->responder.listen[i], text));
    write_options(writer, "  ", ch_responder_section.options, config);
}

static void write_peer(struct writer *writer, const struct ch_peer_group *peer)
{
    char text[CH_ADDR_TEXT];

    fprintf(writer->out, "    - name: ");
    write_quoted(writer, peer->name);
    fprintf(writer->out, "\n      networks:\n");
    for (size_t i = 0; i < peer->network_count; i++)
        fprintf(writer->out, "        - \"%s/%u\"\n",
                ch_addr_format_host(&peer->networks[i].address, text), peer->networks[i].prefix);
    fprintf(writer->out, "      ports: [");
    for (size_t i = 0; i < peer->port_count; i++)
        fprintf(writer->out, "%s%u", i ? ", " : "", peer->ports[i]);
    fprintf(writer->out, "]\n");
}

static void write_sockets(struct writer *writer, const struct ch_config *config)
{
    fprintf(writer->out, "sockets:\n");
    write_options(writer, "  ", ch_sockets_section.options, config);
    fprintf(writer->out, "  units:\n");
    write_options(writer, "    ", ch_units_section.options, config);
    fprintf(writer->out, "  peers:%s\n", config->sockets.peer_count ? "" : " []");
    for (size_t i = 0; i < config->sockets.peer_count; i++)
        write_peer(writer, &config->sockets.peers[i]);
}

static void write_config(struct writer *writer, const struct ch_config *config)
{
    fprintf(writer->out, "global:\n");
    write_options(writer, "  ", ch_global_section.options, config);
    fprintf(writer->out, "groups:%s\n", config->group_count ? "" : " []");
    for (size_t i = 0; i < config->group_count; i++)
        write_group(writer, &config->groups[i]);
    write_responder(writer, config);
    write_sockets(writer, config);
    fprintf(writer->out, "web:\n");
    write_options(writer, "  ", ch_web_section.options, config);
}

char *ch_config_format(const struct ch_config *config)
{
    struct writer writer = {0};
    char *text = NULL;
    size_t len = 0;

    writer.out = open_memstream(&text, &len);
    if (!writer.out)
        return NULL;
    write_config(&writer, config);
    if (ferror(writer.out))
        writer.out_of_memory = true;
    if (fclose(writer.out) != 0 || writer.out_of_memory) {
        free(text);
        return NULL;
    }
    return text;
}
