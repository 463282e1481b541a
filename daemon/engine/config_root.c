/* SPDX-License-Identifier: Apache-2.0 */
/* The top level of the configuration, and its sections besides the groups. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_build.h"
#include "connhealth/clock.h"
#include "connhealth/text.h"

#define DAY_NS (86400 * CH_NS_PER_S)

#define OPTION(name, field, kind, ...)                                                             \
    {                                                                                              \
        .key = (name), .type = CH_OPTION_##kind, .offset = offsetof(struct ch_config, field),      \
        __VA_ARGS__                                                                                \
    }

static const struct ch_option global_options[] = {
    OPTION("interval", global.interval_ns, DURATION, .min = 10 * CH_NS_PER_MS, .max = DAY_NS,
           .fallback = "15s", .help = "time between two attempts of one probe at one target"),
    OPTION("timeout", global.timeout_ns, DURATION, .min = CH_NS_PER_MS, .max = DAY_NS,
           .fallback = "3s", .help = "after this an attempt has failed; at most the interval"),
    CH_OPTION_END,
};
const struct ch_section ch_global_section = {.options = global_options};

static const struct ch_option responder_options[] = {
    OPTION("max_connections", responder.max_connections, UINT, .min = 1, .max = 1000000,
           .fallback = "1024", .help = "connections held at a time, in all"),
    OPTION("max_connections_per_address", responder.max_connections_per_address, UINT, .min = 1,
           .max = 1000000, .fallback = "64",
           .help = "connections held at a time from one IPv4 address or one IPv6 /64"),
    OPTION("idle_timeout", responder.idle_timeout_ns, DURATION, .max = DAY_NS, .fallback = "0s",
           .help = "a connection without a heartbeat for so long is closed; 0s: only to make room "
                   "for another"),
    CH_OPTION_END,
};

static const struct ch_option sockets_options[] = {
    OPTION("enabled", sockets.enabled, BOOL, .fallback = "true",
           .help = "look at the host's own sockets at all"),
    OPTION("interval", sockets.interval_ns, DURATION, .min = 100 * CH_NS_PER_MS, .max = DAY_NS,
           .fallback = "15s", .help = "time between two sweeps over all sockets"),
    OPTION("listeners", sockets.listeners, BOOL, .fallback = "true",
           .help = "export the accept queues of listening sockets"),
    CH_OPTION_END,
};

static const struct ch_option units_options[] = {
    OPTION("enabled", sockets.units, BOOL, .fallback = "true",
           .help = "attribute sockets to systemd units"),
    OPTION("limit", sockets.unit_limit, UINT, .min = 1, .max = 100000, .fallback = "200",
           .help = "units told apart; the rest is summed as unit=\"other\""),
    CH_OPTION_END,
};

static const struct ch_option web_options[] = {
    OPTION("expose_socket_details", web.expose_socket_details, BOOL, .fallback = "false",
           .help = "serve the addresses of peers without authentication, too"),
    CH_OPTION_END,
};

/* The unspecified IPv6 address listens for IPv4 as well (ipv6(7), IPV6_V6ONLY). */
static bool covers(const struct ch_addr *a, const struct ch_addr *b)
{
    static const uint8_t unspecified[sizeof(a->ip)];

    if (ch_addr_same_host(a, b))
        return true;
    if (memcmp(a->ip, unspecified, a->family == AF_INET ? 4 : sizeof(a->ip)) != 0)
        return false;
    return a->family == AF_INET6 || b->family == AF_INET;
}

static bool overlap(const struct ch_addr *a, const struct ch_addr *b)
{
    return a->port == b->port && (covers(a, b) || covers(b, a));
}

static void read_listen_address(struct ch_walk *walk, const struct ch_node *node,
                                struct ch_config *config)
{
    struct ch_addr *listen = &config->responder.listen[config->responder.listen_count];
    char quoted[CH_QUOTED_TEXT], text[CH_ADDR_TEXT + sizeof("[::]")];
    const char *reason = "is too long for an address";
    struct ch_hostport split;

    if (!ch_walk_is_text(walk, node, "an address such as \"[::]:10338\""))
        return;
    if (strlen(node->text) < CH_ADDR_TEXT) {
        snprintf(text, sizeof(text), "%s%s", node->text[0] == ':' ? "[::]" : "", node->text);
        reason = ch_hostport_parse(text, &split);
        if (!reason && !split.literal)
            reason = "is a name; write an address of this host such as \"[::]:10338\"";
        else if (!reason && !ch_addr_parse(split.host, split.port, listen))
            reason = "has a scope that is no interface of this host";
    }
    for (size_t i = 0; !reason && i < config->responder.listen_count; i++) {
        if (overlap(listen, &config->responder.listen[i]))
            reason = "is served by another address of this list already; keep one";
    }
    if (reason)
        ch_report_node(walk->report, node, "%s %s", ch_text_quote(node->text, node->len, quoted),
                       reason);
    else
        config->responder.listen_count++;
}

static void read_listen(struct ch_walk *walk, const struct ch_node *node, void *object)
{
    struct ch_config *config = object;

    if (!ch_walk_is_list(walk, node, "addresses such as \"[::]:10338\""))
        return;
    config->responder.listen = ch_walk_array(walk, node->count, sizeof(struct ch_addr));
    if (!config->responder.listen)
        return;
    for (const struct ch_node *item = node->first; item; item = item->next)
        read_listen_address(walk, item, config);
}

const struct ch_section ch_units_section = {.options = units_options};

static void read_units(struct ch_walk *walk, const struct ch_node *node, void *object)
{
    ch_walk_section(walk, node, &ch_units_section, object);
}

static void read_peer_name(struct ch_walk *walk, const struct ch_node *node, void *object)
{
    struct ch_peer_group *peer = object;

    peer->name = ch_walk_copy_text(walk, node, "a name", 1, CH_NAME_MAX);
}

static bool has_host_bits(const struct ch_peer_net *net)
{
    unsigned bits = net->address.family == AF_INET ? 32 : 128;

    for (unsigned bit = net->prefix; bit < bits; bit++) {
        if (net->address.ip[bit / 8] & (0x80U >> bit % 8))
            return true;
    }
    return false;
}

/* ADDRESS or ADDRESS/PREFIX; NULL, or what is wrong. */
static const char *parse_network(const char *text, struct ch_peer_net *net)
{
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    char host[INET6_ADDRSTRLEN];
    unsigned long prefix, most;
    char *end;

    if (len >= sizeof(host))
        return "is no network";
    memcpy(host, text, len);
    host[len] = '\0';
    if (strchr(host, '%') || !ch_addr_parse(host, 0, &net->address))
        return "is no network (examples: 10.0.0.0/8, 2001:db8::/32, 192.0.2.7)";
    most = net->address.family == AF_INET ? 32 : 128;
    net->prefix = (uint8_t)most;
    if (!slash)
        return NULL;
    prefix = strtoul(slash + 1, &end, 10);
    if (slash[1] < '0' || slash[1] > '9' || *end || prefix > most)
        return most == 32 ? "has a prefix that is not a number from 0 to 32"
                          : "has a prefix that is not a number from 0 to 128";
    net->prefix = (uint8_t)prefix;
    return has_host_bits(net) ? "has bits set beyond its prefix; clear them or lengthen it" : NULL;
}

static void read_networks(struct ch_walk *walk, const struct ch_node *node, void *object)
{
    struct ch_peer_group *peer = object;
    char quoted[CH_QUOTED_TEXT];

    if (!ch_walk_is_list(walk, node, "networks such as 10.0.0.0/8"))
        return;
    peer->networks = ch_walk_array(walk, node->count, sizeof(*peer->networks));
    if (!peer->networks)
        return;
    for (const struct ch_node *item = node->first; item; item = item->next) {
        const char *reason;

        if (!ch_walk_is_text(walk, item, "a network such as 10.0.0.0/8"))
            continue;
        reason = parse_network(item->text, &peer->networks[peer->network_count]);
        if (reason)
            ch_report_node(walk->report, item, "%s %s",
                           ch_text_quote(item->text, item->len, quoted), reason);
        else
            peer->network_count++;
    }
}

static void read_ports(struct ch_walk *walk, const struct ch_node *node, void *object)
{
    struct ch_peer_group *peer = object;
    char quoted[CH_QUOTED_TEXT];

    if (!ch_walk_is_list(walk, node, "ports"))
        return;
    peer->ports = ch_walk_array(walk, node->count, sizeof(*peer->ports));
    if (!peer->ports)
        return;
    for (const struct ch_node *item = node->first; item; item = item->next) {
        unsigned long port;
        char *end;

        if (!ch_walk_is_text(walk, item, "a port"))
            continue;
        port = strtoul(item->text, &end, 10);
        if (!item->plain || item->text[0] < '0' || item->text[0] > '9' || *end || port < 1 ||
            port > UINT16_MAX)
            ch_report_node(walk->report, item, "%s is not a port (1 to 65535, without quotes)",
                           ch_text_quote(item->text, item->len, quoted));
        else
            peer->ports[peer->port_count++] = (uint16_t)port;
    }
}

static const struct ch_field peer_fields[] = {
    {.key = "name", .read = read_peer_name, .help = "label peer=\"…\"; unique"},
    {.key = "networks",
     .read = read_networks,
     .list = true,
     .help = "destinations: addresses or networks in CIDR notation"},
    {.key = "ports", .read = read_ports, .list = true, .help = "ports there; none: any"},
    CH_FIELD_END,
};
static const struct ch_section peer_section = {.fields = peer_fields};

static void read_peer(struct ch_walk *walk, const struct ch_node *node, struct ch_config *config)
{
    struct ch_peer_group *peer = &config->sockets.peers[config->sockets.peer_count++];
    const struct ch_node *networks = ch_node_child(node, "networks");

    if (!ch_walk_section(walk, node, &peer_section, peer))
        return;
    if (!ch_node_child(node, "name"))
        ch_report_node(walk->report, node, "has no name; add one, such as name: databases");
    if (!networks || ch_node_is_null(networks) ||
        (networks->kind == CH_NODE_LIST && networks->count == 0))
        ch_report_node(walk->report, networks ? networks : node,
                       "has no networks; add some, such as [10.0.0.0/8]");
    for (size_t i = 0; peer->name && i + 1 < config->sockets.peer_count; i++) {
        const char *other = config->sockets.peers[i].name;

        if (other && strcmp(other, peer->name) == 0)
            ch_report_node(walk->report, ch_node_child(node, "name"),
                           "is the name of another peer already; choose another");
    }
}

static void read_peers(struct ch_walk *walk, const struct ch_node *node, void *object)
{
    struct ch_config *config = object;

    if (!ch_walk_is_list(walk, node, "peers (name, networks, ports)"))
        return;
    if (node->count > 1000) {
        ch_report_node(walk->report, node, "has %u peers; at most 1000 are told apart",
                       node->count);
        return;
    }
    config->sockets.peers = ch_walk_array(walk, node->count, sizeof(*config->sockets.peers));
    if (!config->sockets.peers)
        return;
    for (const struct ch_node *item = node->first; item; item = item->next)
        read_peer(walk, item, config);
}

static const struct ch_field responder_fields[] = {
    {.key = "listen", .read = read_listen, .list = true, .help = "addresses, each TCP and UDP"},
    CH_FIELD_END,
};
const struct ch_section ch_responder_section = {responder_options, responder_fields};

static const struct ch_field sockets_fields[] = {
    {.key = "units", .read = read_units, .section = &ch_units_section, .help = "by systemd unit"},
    {.key = "peers",
     .read = read_peers,
     .section = &peer_section,
     .list = true,
     .help = "names for destinations of the host's connections"},
    CH_FIELD_END,
};
const struct ch_section ch_sockets_section = {sockets_options, sockets_fields};
const struct ch_section ch_web_section = {.options = web_options};

/* False if another file has the section already. */
static bool is_first(struct ch_walk *walk, const struct ch_node *node, enum ch_top_key key)
{
    struct ch_build *build = ch_build_of(walk);
    struct ch_origin *origin = &build->top[key];

    if (origin->node) {
        ch_report_node(walk->report, node, "is given already in %.200s, line %u; keep one",
                       origin->file, origin->node->line);
        return false;
    }
    *origin = (struct ch_origin){build->report.file, build->report.file_index, node};
    return true;
}

static void read_responder(struct ch_walk *walk, const struct ch_node *node, void *object)
{
    if (is_first(walk, node, CH_TOP_RESPONDER))
        ch_walk_section(walk, node, &ch_responder_section, object);
}

static void read_sockets(struct ch_walk *walk, const struct ch_node *node, void *object)
{
    if (is_first(walk, node, CH_TOP_SOCKETS))
        ch_walk_section(walk, node, &ch_sockets_section, object);
}

static void read_web(struct ch_walk *walk, const struct ch_node *node, void *object)
{
    if (is_first(walk, node, CH_TOP_WEB))
        ch_walk_section(walk, node, &ch_web_section, object);
}

/* Its turn was earlier: ch_config_read_global(). */
static void pass_over_global(struct ch_walk *walk, const struct ch_node *node, void *object)
{
    (void)walk;
    (void)node;
    (void)object;
}

static const struct ch_field root_fields[] = {
    {.key = "global",
     .read = pass_over_global,
     .section = &ch_global_section,
     .help = "defaults for every group"},
    {.key = "groups",
     .read = ch_config_read_groups,
     .section = &ch_group_section,
     .list = true,
     .help = "what is probed, and how"},
    {.key = "responder",
     .read = read_responder,
     .section = &ch_responder_section,
     .help = "answers native heartbeats of other connhealthd"},
    {.key = "sockets",
     .read = read_sockets,
     .section = &ch_sockets_section,
     .help = "the host's own sockets"},
    {.key = "web", .read = read_web, .section = &ch_web_section, .help = "the HTTP surface"},
    CH_FIELD_END,
};
const struct ch_section ch_root_section = {.fields = root_fields};

int ch_config_set_defaults(struct ch_config *config)
{
    const struct ch_option *tables[] = {global_options, responder_options, sockets_options,
                                        units_options, web_options};

    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        int r = ch_options_defaults(tables[i], config);

        if (r < 0)
            return r;
    }
    return 0;
}

/* A timeout that was written must fit; one that was not follows the interval. */
static void settle_global_times(struct ch_walk *walk, const struct ch_node *node,
                                struct ch_config *config)
{
    const struct ch_node *timeout = ch_node_child(node, "timeout");
    char interval[CH_DURATION_TEXT];

    if (config->global.timeout_ns <= config->global.interval_ns)
        return;
    if (timeout)
        ch_report_node(walk->report, timeout,
                       "is longer than the interval, %s; shorten the one or lengthen the other",
                       ch_duration_format(config->global.interval_ns, interval));
    else
        config->global.timeout_ns = config->global.interval_ns;
}

void ch_config_read_global(struct ch_build *build, const struct ch_node *root)
{
    const struct ch_node *node = ch_node_child(root, "global");
    size_t before = build->report.total;

    if (!node || node->refused || !is_first(&build->walk, node, CH_TOP_GLOBAL))
        return;
    if (ch_walk_section(&build->walk, node, &ch_global_section, build->config) &&
        build->report.total == before)
        settle_global_times(&build->walk, node, build->config);
}

void ch_config_read_root(struct ch_build *build, const struct ch_node *root)
{
    if (root)
        ch_walk_section(&build->walk, root, &ch_root_section, build->config);
}
