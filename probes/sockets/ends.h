/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a destroyed TCP socket ended, as far as the kernel's last record proves
 * it. Pure.
 *
 * The record (inet_diag_msg and tcp_info of a destroy notification) has no
 * errno, and its state is always CLOSE. What it has: whether our FIN was
 * acknowledged, whether a retransmission or a probe was unanswered at the end,
 * and what was still queued. What an earlier sweep saw of the same socket adds
 * whether anything came from the peer since then.
 */
#ifndef CH_SOCKETS_ENDS_H
#define CH_SOCKETS_ENDS_H

#include "diag.h"

/* tcp_info's bytes_acked counts the SYN on the side that connected, and not on
 * the side that accepted: a clean end cannot be judged without knowing which. */
enum ch_role { CH_ROLE_UNKNOWN = 0, CH_ROLE_ACTIVE, CH_ROLE_PASSIVE };

/* What the last sweep saw of it. */
struct ch_end_context {
    bool known; /* the rest is valid */
    enum ch_socket_state state;
    uint32_t segs_in;
    int64_t seen_ago_ns; /* at least as long ago as its row was read */
};

/* The role of a living socket, from a row of a dump; UNKNOWN while data are on
 * their way. */
enum ch_role ch_end_role(const struct ch_diag_row *row);

/* False for sockets that never were a connection: listeners, and sockets closed
 * before they tried. */
bool ch_end_is_connection(const struct ch_diag_row *row, const struct ch_end_context *context);

/* For a record of which ch_end_is_connection() is true. */
enum ch_socket_end ch_end_of(const struct ch_diag_row *row, enum ch_role role,
                             const struct ch_end_context *context);

#endif
