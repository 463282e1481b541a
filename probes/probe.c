/* SPDX-License-Identifier: Apache-2.0 */
#include "connhealth/probe.h"

#include <errno.h>
#include <stdlib.h>

#include "kinds.h"

static const struct ch_probe_ops *const registry[CH_PROBE_KIND_COUNT] = {
    [CH_PROBE_CONNECT] = &ch_connect_ops,
    [CH_PROBE_HEARTBEAT] = &ch_heartbeat_ops,
    [CH_PROBE_KEEPALIVE] = &ch_keepalive_ops,
};

const struct ch_probe_ops *ch_probe_ops_of(enum ch_probe_kind kind)
{
    return registry[kind];
}

int ch_probe_new(const struct ch_probe_spec *spec, struct ch_prober *prober, void *owner,
                 struct ch_probe **ret)
{
    struct ch_probe *probe = calloc(1, spec->ops->state_size);

    if (!probe)
        return -ENOMEM;
    probe->spec = spec;
    probe->prober = prober;
    probe->owner = owner;
    spec->ops->init(probe);
    *ret = probe;
    return 0;
}

struct ch_probe *ch_probe_free(struct ch_probe *probe)
{
    if (!probe)
        return NULL;
    probe->spec->ops->release(probe);
    free(probe);
    return NULL;
}
