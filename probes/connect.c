/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connect probe: one TCP connect an attempt, SYN to established, then the
 * connection is closed.
 *
 * How it is closed. A FIN from us leaves a TIME_WAIT of 60 s on this host
 * (RFC 9293, 3.6.1; TCP_TIMEWAIT_LEN) for every attempt: at 10,000 connects a
 * second that is 600,000 of them, more than tcp_max_tw_buckets and, against few
 * targets, more than there are ports. An RST (SO_LINGER 0) leaves nothing, but
 * shows as an aborted connection to the server. So both exist, and `close: auto`
 * takes the polite one while it is cheap: the engine decides once for a whole
 * configuration, by the number of connects it will make in 60 s, so that a
 * target is always closed in the same way.
 *
 * Blocks: never. Allocates: nothing in an attempt on a literal address.
 */
#include <stdlib.h>
#include <string.h>

#include "connhealth/clock.h"
#include "connhealth/container.h"
#include "connhealth/probe_options.h"
#include "dial.h"
#include "kinds.h"
#include "sight.h"

struct connect_probe {
    struct ch_probe probe;
    struct ch_dial dial;
};

static struct connect_probe *connect_of(struct ch_probe *probe)
{
    return ch_container_of(probe, struct connect_probe, probe);
}

static void finish(struct ch_probe *probe, struct ch_evidence *evidence)
{
    evidence->transport = CH_TRANSPORT_TCP;
    evidence->kind = CH_PROBE_CONNECT;
    probe->prober->ops->finished(probe, evidence);
}

static void on_dialled(struct ch_dial *dial, const struct ch_evidence *failure)
{
    struct connect_probe *self = ch_container_of(dial, struct connect_probe, dial);
    struct ch_evidence evidence;

    if (failure) {
        evidence = *failure;
        if (evidence.icmp.version != 0)
            self->probe.prober->ops->icmp(&self->probe, &evidence.icmp);
        finish(&self->probe, &evidence);
        return;
    }
    evidence = (struct ch_evidence){
        .phase = CH_PHASE_CONNECT,
        .end = CH_END_OK,
        .established = true,
        .dns_stale = dial->stale,
        .addresses_tried = dial->tried,
        .peer = dial->peer,
        .duration_ns = dial->connected_after_ns,
    };
    ch_sight_tcp(dial->io.fd, &evidence.tcp);
    if (self->probe.spec->close_by_reset)
        ch_dial_reset(dial);
    else
        ch_dial_close(dial);
    finish(&self->probe, &evidence);
}

static void connect_init(struct ch_probe *probe)
{
    ch_dial_init(&connect_of(probe)->dial, probe->prober, &probe->spec->address, on_dialled);
}

static void connect_start(struct ch_probe *probe, int64_t deadline)
{
    ch_dial_start(&connect_of(probe)->dial, deadline);
}

static void connect_expire(struct ch_probe *probe)
{
    struct ch_evidence evidence;

    if (!ch_dial_expire(&connect_of(probe)->dial, &evidence)) {
        on_dialled(&connect_of(probe)->dial, NULL);
        return;
    }
    if (evidence.icmp.version != 0)
        probe->prober->ops->icmp(probe, &evidence.icmp);
    finish(probe, &evidence);
}

static void connect_release(struct ch_probe *probe)
{
    ch_dial_close(&connect_of(probe)->dial);
}

#define BIT(category) (1u << CH_CATEGORY_##category)

static uint32_t connect_categories(enum ch_transport transport)
{
    (void)transport;
    return BIT(REFUSED) | BIT(TIMEOUT) | BIT(HOST_UNREACHABLE) | BIT(NET_UNREACHABLE) |
           BIT(NAME_RESOLUTION) | BIT(DENIED) | BIT(LOCAL_RESOURCE) | BIT(OTHER);
}

static const char *const close_choices[] = {"auto", "fin", "reset", NULL};

static const struct ch_option connect_options[] = {
    {.key = "close",
     .type = CH_OPTION_CHOICE,
     .offset = offsetof(struct ch_connect_options, close),
     .choices = close_choices,
     .fallback = "auto",
     .help = "how the connection is closed: fin (leaves a TIME_WAIT here for 60 s), reset "
             "(leaves none; the server sees an abort), auto: fin while all connect probes "
             "together make at most 4096 connects in 60 s, else reset"},
    CH_OPTION_END,
};

const struct ch_probe_ops ch_connect_ops = {
    .kind = CH_PROBE_CONNECT,
    .tcp = true,
    .udp = false,
    .persistent = false,
    .options = connect_options,
    .options_size = sizeof(struct ch_connect_options),
    .state_size = sizeof(struct connect_probe),
    .categories = connect_categories,
    .init = connect_init,
    .start = connect_start,
    .expire = connect_expire,
    .release = connect_release,
};
