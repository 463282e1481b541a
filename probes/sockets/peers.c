/* SPDX-License-Identifier: Apache-2.0 */
#include "peers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void ch_peers_clear(struct ch_peers *peers)
{
    free(peers->sums);
    *peers = (struct ch_peers){0};
}

static void inherit_sums(struct ch_peer_sockets *sums, const struct ch_peers *old)
{
    for (size_t i = 0; i < old->count; i++)
        if (strcmp(old->sums[i].name, sums->name) == 0) {
            sums->retransmitted_segments = old->sums[i].retransmitted_segments;
            sums->rtt = old->sums[i].rtt;
        }
}

int ch_peers_configure(struct ch_peers *peers, const struct ch_sockets_peer *rules, size_t count)
{
    struct ch_peer_sockets *sums;

    if (count > CH_PEERS_MAX)
        return -E2BIG;
    sums = calloc(count + 1, sizeof(*sums));
    if (!sums)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        sums[i].name = rules[i].name;
        inherit_sums(&sums[i], peers);
    }
    free(peers->sums);
    *peers = (struct ch_peers){.rules = rules, .sums = sums, .count = count};
    return 0;
}

void ch_peers_sweep_begin(struct ch_peers *peers)
{
    for (size_t i = 0; i < peers->count; i++)
        memset(peers->sums[i].sockets, 0, sizeof(peers->sums[i].sockets));
}

static bool is_within(const struct ch_sockets_net *net, const struct ch_addr *address)
{
    unsigned whole = net->prefix / 8, rest = net->prefix % 8;

    if (net->address.family != address->family || whole > sizeof(address->ip) ||
        memcmp(net->address.ip, address->ip, whole) != 0)
        return false;
    return rest == 0 || whole == sizeof(address->ip) ||
           ((net->address.ip[whole] ^ address->ip[whole]) & (0xff00 >> rest) & 0xff) == 0;
}

static bool is_of(const struct ch_sockets_peer *rule, const struct ch_addr *remote)
{
    bool found = rule->port_count == 0;

    for (size_t i = 0; i < rule->port_count && !found; i++)
        found = rule->ports[i] == remote->port;
    if (!found)
        return false;
    for (size_t i = 0; i < rule->network_count; i++)
        if (is_within(&rule->networks[i], remote))
            return true;
    return false;
}

uint16_t ch_peers_match(const struct ch_peers *peers, const struct ch_addr *remote)
{
    for (size_t i = 0; i < peers->count; i++)
        if (is_of(&peers->rules[i], remote))
            return (uint16_t)(i + CH_PEER_FIRST);
    return CH_PEER_NONE;
}
