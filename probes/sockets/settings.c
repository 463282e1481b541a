/* SPDX-License-Identifier: Apache-2.0 */
#include "settings.h"

#include <stdlib.h>
#include <string.h>

/* Peers and networks first, then ports, then names: each part keeps the
 * alignment that the one before it had. */
static size_t size_of(const struct ch_sockets_settings *settings)
{
    size_t size = sizeof(*settings) + settings->peer_count * sizeof(*settings->peers);

    for (size_t i = 0; i < settings->peer_count; i++) {
        const struct ch_sockets_peer *peer = &settings->peers[i];

        size += peer->network_count * sizeof(*peer->networks);
        size += peer->port_count * sizeof(*peer->ports);
        size += strlen(peer->name) + 1;
    }
    return size;
}

static void *append(char **at, const void *data, size_t size)
{
    void *copy = *at;

    if (size > 0)
        memcpy(copy, data, size);
    *at += size;
    return copy;
}

struct ch_sockets_settings *ch_sockets_settings_copy(const struct ch_sockets_settings *settings)
{
    struct ch_sockets_settings *copy = malloc(size_of(settings));
    struct ch_sockets_peer *peers;
    char *at = (char *)(copy + 1);

    if (!copy)
        return NULL;
    *copy = *settings;
    copy->peers = peers =
        append(&at, settings->peers, settings->peer_count * sizeof(*settings->peers));
    for (size_t i = 0; i < copy->peer_count; i++)
        peers[i].networks =
            append(&at, peers[i].networks, peers[i].network_count * sizeof(*peers[i].networks));
    for (size_t i = 0; i < copy->peer_count; i++)
        peers[i].ports = append(&at, peers[i].ports, peers[i].port_count * sizeof(uint16_t));
    for (size_t i = 0; i < copy->peer_count; i++)
        peers[i].name = append(&at, peers[i].name, strlen(peers[i].name) + 1);
    return copy;
}
