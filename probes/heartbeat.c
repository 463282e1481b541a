/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heartbeat probe: one exchange an attempt, over a TCP connection that is
 * held from one to the next, or over one UDP socket.
 *
 * At most one request is out at a time. An answer that stays out is waited for
 * in the attempts that follow (each of them fails) and nothing more is sent
 * meanwhile, so that a late answer can never be taken for a later one's. The
 * connection is made anew when a confirming connect shows that the flow is dead,
 * after an unexpected reply, and after several misses in a row.
 *
 * Without send, the peer speaks first: each exchange then takes a connection of
 * its own, because a greeting comes only once.
 *
 * Blocks: never. Allocates: what is undecided of a reply, at most CH_REPLY_MAX.
 */
#include <stddef.h>

#include "connhealth/container.h"
#include "heartbeat.h"
#include "kinds.h"

static struct heartbeat *heartbeat_of(struct ch_probe *probe)
{
    return ch_container_of(probe, struct heartbeat, probe);
}

static const struct heartbeat_carrier *carrier_of(const struct ch_probe *probe)
{
    return probe->spec->transport == CH_TRANSPORT_UDP ? &heartbeat_over_udp : &heartbeat_over_tcp;
}

static void heartbeat_init(struct ch_probe *probe)
{
    ch_exchange_init(&heartbeat_of(probe)->exchange, probe->spec->options);
    carrier_of(probe)->init(heartbeat_of(probe));
}

static void heartbeat_start(struct ch_probe *probe, int64_t deadline)
{
    carrier_of(probe)->start(heartbeat_of(probe), deadline);
}

static void heartbeat_expire(struct ch_probe *probe)
{
    carrier_of(probe)->expire(heartbeat_of(probe));
}

static void heartbeat_release(struct ch_probe *probe)
{
    carrier_of(probe)->release(heartbeat_of(probe));
    ch_exchange_clear(&heartbeat_of(probe)->exchange);
}

static const char *heartbeat_check(const void *options, enum ch_transport transport,
                                   const char **ret_key)
{
    const struct ch_heartbeat_options *o = options;

    if (o->send.data && o->send_hex.data) {
        *ret_key = "send_hex";
        return "send and send_hex exclude each other: keep one";
    }
    if (o->expect && o->expect_hex.data) {
        *ret_key = "expect_hex";
        return "expect and expect_hex exclude each other: keep one";
    }
    if (transport == CH_TRANSPORT_UDP && !o->send.data && !o->send_hex.data &&
        (o->expect || o->expect_hex.data)) {
        *ret_key = o->expect ? "expect" : "expect_hex";
        return "over udp nothing is received unless something is sent: add send or send_hex";
    }
    return NULL;
}

#define BIT(category) (1u << CH_CATEGORY_##category)

static uint32_t heartbeat_categories(enum ch_transport transport)
{
    uint32_t both = BIT(REFUSED) | BIT(TIMEOUT) | BIT(HOST_UNREACHABLE) | BIT(NET_UNREACHABLE) |
                    BIT(WOULD_BLOCK) | BIT(BAD_REPLY) | BIT(NAME_RESOLUTION) | BIT(DENIED) |
                    BIT(LOCAL_RESOURCE) | BIT(OTHER);

    if (transport == CH_TRANSPORT_UDP)
        return both;
    return both | BIT(RESET) | BIT(ABORTED) | BIT(BROKEN_PIPE) | BIT(EOF);
}

/* A datagram carries at most 65507 bytes (udp(7)); a longer request over TCP
 * would measure bandwidth, not health. */
#define SEND_MAX (1 << 20)

static const struct ch_option heartbeat_options[] = {
    {.key = "send",
     .type = CH_OPTION_TEXT,
     .offset = offsetof(struct ch_heartbeat_options, send),
     .min = 1,
     .max = SEND_MAX,
     .secret = true, /* it may hold a password */
     .help = "the request, as text; without send and expect the native protocol is spoken"},
    {.key = "send_hex",
     .type = CH_OPTION_HEX,
     .offset = offsetof(struct ch_heartbeat_options, send_hex),
     .min = 1,
     .max = SEND_MAX,
     .secret = true,
     .help = "the request, as hexadecimal bytes"},
    {.key = "expect",
     .type = CH_OPTION_REGEX,
     .offset = offsetof(struct ch_heartbeat_options, expect),
     .help = "regular expression (PCRE2) over what is received; without it any answer will do"},
    {.key = "expect_hex",
     .type = CH_OPTION_HEX,
     .offset = offsetof(struct ch_heartbeat_options, expect_hex),
     .min = 1,
     .max = CH_REPLY_MAX,
     .help = "the exact answer, as hexadecimal bytes"},
    {.key = "send_buffer",
     .type = CH_OPTION_UINT,
     .offset = offsetof(struct ch_heartbeat_options, send_buffer),
     .min = 0,
     .max = 1 << 30,
     .fallback = "0",
     .help = "SO_SNDBUF in bytes, 0 for the kernel's: a small one notices a peer that does not "
             "read sooner"},
    CH_OPTION_END,
};

const struct ch_probe_ops ch_heartbeat_ops = {
    .kind = CH_PROBE_HEARTBEAT,
    .tcp = true,
    .udp = true,
    .persistent = true,
    .options = heartbeat_options,
    .options_size = sizeof(struct ch_heartbeat_options),
    .state_size = sizeof(struct heartbeat),
    .check = heartbeat_check,
    .categories = heartbeat_categories,
    .init = heartbeat_init,
    .start = heartbeat_start,
    .expire = heartbeat_expire,
    .release = heartbeat_release,
};
