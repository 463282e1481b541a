/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bookkeeping between the kernel's rows and a snapshot: rows of a sweep and
 * records of destroyed sockets go in, sums and what must be remembered stay.
 * Opens no socket and asks no clock (but for cgroups): the caller says what time
 * it is, and the fuzzer is a caller.
 *
 * One sweep is begin, rows…, end; records of ends may come at any time, between
 * two rows too. A socket that ended while its row was still on the way is
 * counted as ended and not as a socket.
 *
 * Owned by the collector's thread.
 */
#ifndef CH_SOCKETS_TALLY_H
#define CH_SOCKETS_TALLY_H

#include "diag.h"
#include "listeners.h"
#include "memory.h"
#include "peers.h"
#include "units.h"

/* The end of a connection that no sweep saw, kept until the next sweep has
 * listed the listeners: only they tell which side it was, and whose. */
struct ch_pending_end {
    struct ch_addr local;
    uint32_t retransmitted;
    uint8_t as_active;  /* enum ch_socket_end */
    uint8_t as_passive; /* enum ch_socket_end */
};

/* Beyond so many between two sweeps, the ends are counted with what is known. */
#define CH_PENDING_ENDS_MAX 65536

struct ch_tally {
    struct ch_memory memory;
    struct ch_units units;
    struct ch_listeners listeners;
    struct ch_peers peers;

    uint64_t sockets[CH_SOCKET_FAMILY_COUNT][CH_SOCKET_PROTOCOL_COUNT][CH_SOCKET_STATE_COUNT];

    uint32_t sweep; /* number of the sweep that runs, or ran last */
    bool sweeping;
    bool settled;         /* a whole sweep has seen all there was at the start */
    int64_t epoch_ns;     /* monotonic time of tick 0 */
    int64_t now_ns;       /* the sweep's begin */
    int64_t before_ns;    /* the begin of the one before it; 0: none */
    int64_t interval_ns;  /* between sweeps, as configured */
    uint32_t retries;     /* net.ipv4.tcp_retries2, 0: not known */
    uint32_t syn_retries; /* retransmissions of a SYN until connect gives up */

    struct ch_pending_end *pending;
    size_t pending_count, pending_room;
    uint8_t unbound_ports[65536 / 8]; /* ports of sockets that ended unconnected since the sweep */

    uint64_t events;         /* counter: records of ends, of whatever socket */
    uint64_t not_remembered; /* in this sweep, for want of memory */
    /* Rows of connections of this sweep that had a cgroup, that had none, whose
     * tcp_info was too short to judge their end. */
    bool saw_cgroup, lacked_cgroup, lacked_info;
};

int ch_tally_init(struct ch_tally *tally, int64_t now_ns); /* 0 or -ENOMEM */
void ch_tally_clear(struct ch_tally *tally);
/* Borrows settings->peers until the next call. 0, or a negative errno: all is as
 * it was then. */
int ch_tally_configure(struct ch_tally *tally, const struct ch_sockets_settings *settings);

/* Before the first sweep, configured: counters go on from these. */
void ch_tally_resume(struct ch_tally *tally, const struct ch_sockets_snapshot *before);

void ch_tally_sweep_begin(struct ch_tally *tally, int64_t now_ns);
/* Rows of one dump datagram. */
void ch_tally_rows(struct ch_tally *tally, uint8_t protocol, const struct ch_diag_row *rows,
                   size_t count);
/* whole: every TCP socket there was has been seen. forget: records of ends were
 * lost, so sockets that went without one are not waited for any longer. */
void ch_tally_sweep_end(struct ch_tally *tally, bool whole, bool forget);

/* Records of destroyed TCP sockets, read at now_ns. */
void ch_tally_ends(struct ch_tally *tally, const struct ch_diag_row *rows, size_t count,
                   int64_t now_ns);

#endif
