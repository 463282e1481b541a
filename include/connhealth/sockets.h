/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's own sockets: what sock_diag(7) shows of every TCP and UDP socket
 * of this network namespace, per systemd unit, per listener and per configured
 * peer, and how each TCP connection ended.
 *
 * The collector owns one thread. Everything it found is published as a
 * snapshot: immutable, reference-counted, replaced as a whole after each sweep.
 * Whoever made the collector makes, resumes, starts, stops and frees it, on one
 * thread; all else may be called on any. Only stop and free wait for a sweep.
 */
#ifndef CONNHEALTH_SOCKETS_H
#define CONNHEALTH_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "connhealth/address.h"
#include "connhealth/sockets_words.h"

/* ---- settings ---------------------------------------------------------- */

struct ch_sockets_net {
    struct ch_addr address;
    uint8_t prefix;
};

/* Destinations by network and port. The first peer that matches has the
 * connection. */
struct ch_sockets_peer {
    const char *name;
    const struct ch_sockets_net *networks;
    size_t network_count;
    const uint16_t *ports; /* count 0: any */
    size_t port_count;
};

struct ch_sockets_settings {
    bool enabled; /* false: sleep, and publish nothing */
    int64_t interval_ns;
    bool units;
    uint32_t unit_limit; /* named units; the rest is summed as "other" */
    bool listeners;
    const struct ch_sockets_peer *peers;
    size_t peer_count;
};

/* ---- what a sweep found ------------------------------------------------ */

/* One kind of trouble: how many connections are in it, and the worst of them.
 * The addresses are for those who may see them (web.expose_socket_details). */
struct ch_socket_trouble_cell {
    uint32_t sockets;
    uint32_t limit; /* of amount, where the kernel has one (retries), else 0 */
    int64_t amount; /* of the worst, in the unit of the trouble's row */
    int64_t age_ns; /* of the worst: for how long, as far as known */
    struct ch_addr local;
    struct ch_addr remote;
};

#define CH_RTT_BUCKETS 11 /* the last is +Inf */
extern const int64_t ch_rtt_bounds_ns[CH_RTT_BUCKETS - 1];

/* Smoothed round trip times, one sample a sweep from each established
 * connection that got an acknowledgement since the sweep before. */
struct ch_rtt_histogram {
    uint64_t bucket[CH_RTT_BUCKETS]; /* not cumulative */
    uint64_t sum_us;
};

struct ch_unit_sockets {
    const char *name; /* "": not known; "other": all beyond the limit */
    uint64_t sockets[CH_SOCKET_STATE_COUNT];
    uint64_t retransmitted_segments; /* counter */
    uint64_t send_queue_bytes;
    uint64_t receive_queue_bytes;
    int64_t close_wait_oldest_ns; /* 0: none is in CLOSE_WAIT */
    struct ch_rtt_histogram rtt;  /* counter */
    uint64_t ends[CH_SOCKET_END_COUNT];
    struct ch_socket_trouble_cell trouble[CH_SOCKET_TROUBLE_COUNT];
};

/* All listening sockets of one address and port (several with SO_REUSEPORT). */
struct ch_listener {
    struct ch_addr address;
    uint32_t unit; /* index into units */
    uint32_t sockets;
    uint64_t backlog; /* connections waiting to be accepted */
    uint64_t limit;
    uint64_t drops;         /* counter: the kernel's, with those of sockets that are gone */
    uint32_t fullest;       /* the fullest of its sockets: waiting … */
    uint32_t fullest_limit; /* … of this many */
    uint64_t connections[CH_SOCKET_STATE_COUNT];
    struct ch_socket_trouble_cell trouble[CH_SOCKET_TROUBLE_COUNT];
};

struct ch_peer_sockets {
    const char *name;
    uint64_t sockets[CH_SOCKET_STATE_COUNT];
    uint64_t retransmitted_segments; /* counter */
    struct ch_rtt_histogram rtt;     /* counter */
};

#define CH_SWEEP_BUCKETS 12 /* the last is +Inf */
extern const int64_t ch_sweep_bounds_ns[CH_SWEEP_BUCKETS - 1];

enum ch_socket_family { CH_SOCKET_IPV4, CH_SOCKET_IPV6, CH_SOCKET_FAMILY_COUNT };
enum ch_socket_protocol { CH_SOCKET_TCP, CH_SOCKET_UDP, CH_SOCKET_PROTOCOL_COUNT };

struct ch_sockets_snapshot {
    int64_t time_ns; /* realtime, when the sweep began */
    int64_t duration_ns;
    int64_t interval_ns;
    bool complete; /* no dump failed and none was interrupted */
    int error;     /* errno of the last dump that failed in this sweep, 0 if none */

    /* A dual-stack socket is one socket. Its family is that of its addresses:
     * IPv4 where they are v4-mapped (::ffff:10.0.0.1), as ss shows them. */
    uint64_t sockets[CH_SOCKET_FAMILY_COUNT][CH_SOCKET_PROTOCOL_COUNT][CH_SOCKET_STATE_COUNT];

    bool has_units;                /* the families of units are asked for */
    struct ch_unit_sockets *units; /* [0] is "", [1] is "other" */
    size_t unit_count;
    uint64_t units_folded; /* units that are summed as "other" at present */

    bool has_listeners;
    struct ch_listener *listeners; /* ordered by address and port */
    size_t listener_count;
    uint64_t listeners_folded; /* beyond CH_LISTENERS_MAX: left out */

    struct ch_peer_sockets *peers; /* in the order of the configuration */
    size_t peer_count;

    /* Of the namespace's /proc/net/netstat and snmp; valid where present. */
    uint64_t kernel[CH_KERNEL_EVENT_COUNT];
    bool kernel_present[CH_KERNEL_EVENT_COUNT];

    /* the collector itself; all counters */
    uint64_t sweep_bucket[CH_SWEEP_BUCKETS]; /* not cumulative */
    uint64_t sweep_sum_ns;
    uint64_t sweeps_interrupted;
    uint64_t sweeps_failed;
    uint64_t events;
    uint64_t events_lost;
    uint64_t malformed; /* messages of the kernel that did not decode */

    /* gauges */
    uint64_t remembered;
    uint64_t remembered_bytes;
    uint64_t not_remembered; /* no memory for them in this sweep */
    uint32_t event_buffer_bytes;
    uint32_t limits; /* enum ch_sockets_limit bits: what this process cannot see or do */
};

#define CH_LISTENERS_MAX 1024

/* ---- the collector ----------------------------------------------------- */

struct ch_sockets;

/* Copies the settings. Nothing runs yet. 0; -ENOMEM or the errno of eventfd. */
int ch_sockets_new(const struct ch_sockets_settings *settings, struct ch_sockets **ret);
/* Before the start: counters go on from those of an earlier process, which were
 * read into a snapshot (below; NULL: there are none); takes a reference. The gauges
 * in it say nothing. */
void ch_sockets_resume(struct ch_sockets *sockets, struct ch_sockets_snapshot *before);
/* Starts the thread. A host where sock_diag does not answer is no error here:
 * the snapshot says so, and each sweep tries again. */
int ch_sockets_start(struct ch_sockets *sockets);
/* New settings for the sweeps to come, the first of them at once; copied.
 * Counters survive for the units and peers that are still there. 0 or -ENOMEM
 * (the old settings stay). */
int ch_sockets_apply(struct ch_sockets *sockets, const struct ch_sockets_settings *settings);
/* Stops the thread for good and looks once more, so that nothing is missing from
 * the counters. A reference, the caller's; NULL if switched off or never started. */
struct ch_sockets_snapshot *ch_sockets_stop(struct ch_sockets *sockets);
/* Stops the thread and frees all; snapshots that others hold stay valid. */
struct ch_sockets *ch_sockets_free(struct ch_sockets *sockets); /* takes NULL, returns NULL */

/* Grows while the thread turns, at least once a second: for a watchdog. */
uint64_t ch_sockets_turns(const struct ch_sockets *sockets);

/* A new reference to the newest snapshot; NULL before the first sweep's end and
 * while the collector is switched off, and for NULL. */
struct ch_sockets_snapshot *ch_sockets_snapshot(struct ch_sockets *sockets);
struct ch_sockets_snapshot *ch_sockets_snapshot_unref(struct ch_sockets_snapshot *snapshot);

/* For a reader of kept counters: a snapshot of nothing, one reference, the
 * caller's, and one more of a kind in it, which is valid until the next is added.
 * Names are copied. NULL: out of memory. */
struct ch_sockets_snapshot *ch_sockets_snapshot_empty(void);
struct ch_unit_sockets *ch_sockets_snapshot_add_unit(struct ch_sockets_snapshot *snapshot,
                                                     const char *name);
struct ch_peer_sockets *ch_sockets_snapshot_add_peer(struct ch_sockets_snapshot *snapshot,
                                                     const char *name);
struct ch_listener *ch_sockets_snapshot_add_listener(struct ch_sockets_snapshot *snapshot,
                                                     const struct ch_addr *address);

#endif
