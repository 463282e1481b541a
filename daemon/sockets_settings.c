/* SPDX-License-Identifier: Apache-2.0 */
#include "sockets_settings.h"

#include <errno.h>
#include <stdlib.h>

#include "connhealth/sockets.h"

/* The collector's view of the same peers; only the arrays are made here, names
 * and ports stay the configuration's. */
struct peers_view {
    struct ch_sockets_peer *peers;
    struct ch_sockets_net *nets;
};

static size_t count_nets(const struct ch_config *config)
{
    size_t count = 0;

    for (size_t i = 0; i < config->sockets.peer_count; i++)
        count += config->sockets.peers[i].network_count;
    return count;
}

static int view_peers(const struct ch_config *config, struct peers_view *ret)
{
    size_t count = config->sockets.peer_count;
    struct peers_view view = {
        .peers = calloc(count + 1, sizeof(*view.peers)),
        .nets = calloc(count_nets(config) + 1, sizeof(*view.nets)),
    };
    struct ch_sockets_net *net = view.nets;

    if (!view.peers || !view.nets) {
        free(view.peers);
        free(view.nets);
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        const struct ch_peer_group *group = &config->sockets.peers[i];

        view.peers[i] = (struct ch_sockets_peer){
            .name = group->name,
            .networks = net,
            .network_count = group->network_count,
            .ports = group->ports,
            .port_count = group->port_count,
        };
        for (size_t j = 0; j < group->network_count; j++)
            *net++ = (struct ch_sockets_net){.address = group->networks[j].address,
                                             .prefix = group->networks[j].prefix};
    }
    *ret = view;
    return 0;
}

static struct ch_sockets_settings settings_of(const struct ch_config *config,
                                              const struct peers_view *view)
{
    return (struct ch_sockets_settings){
        .enabled = config->sockets.enabled,
        .interval_ns = config->sockets.interval_ns,
        .units = config->sockets.units,
        .unit_limit = config->sockets.unit_limit,
        .listeners = config->sockets.listeners,
        .peers = view->peers,
        .peer_count = config->sockets.peer_count,
    };
}

int ch_sockets_create(const struct ch_config *config, struct ch_sockets **ret)
{
    struct peers_view view;
    struct ch_sockets_settings settings;
    int r = view_peers(config, &view);

    if (r < 0)
        return r;
    settings = settings_of(config, &view);
    r = ch_sockets_new(&settings, ret);
    free(view.peers);
    free(view.nets);
    return r;
}

int ch_sockets_configure(struct ch_sockets *sockets, const struct ch_config *config)
{
    struct peers_view view;
    struct ch_sockets_settings settings;
    int r = view_peers(config, &view);

    if (r < 0)
        return r;
    settings = settings_of(config, &view);
    r = ch_sockets_apply(sockets, &settings);
    free(view.peers);
    free(view.nets);
    return r;
}
