/* SPDX-License-Identifier: Apache-2.0 */
#include "ends.h"

#include "connhealth/clock.h"

/* Bytes of payload and of SYN and FIN that were acknowledged beyond the payload
 * that was sent: on a quiet connection the number of our SYN and FIN that
 * bytes_acked counts. bytes_sent counts retransmissions again. */
static uint64_t acked_beyond_sent(const struct ch_diag_row *row)
{
    return CH_DIAG_INFO(row, tcpi_bytes_acked) -
           (CH_DIAG_INFO(row, tcpi_bytes_sent) - CH_DIAG_INFO(row, tcpi_bytes_retrans));
}

enum ch_role ch_end_role(const struct ch_diag_row *row)
{
    uint8_t state = row->msg->idiag_state;

    if (state != CH_SOCKET_ESTABLISHED + 1 && state != CH_SOCKET_CLOSE_WAIT + 1)
        return CH_ROLE_UNKNOWN;
    /* tcp_get_info() reads these under the socket's lock: they fit together. */
    if (!CH_DIAG_HAS(row, tcpi_bytes_retrans) || CH_DIAG_INFO(row, tcpi_unacked) != 0 ||
        CH_DIAG_INFO(row, tcpi_notsent_bytes) != 0)
        return CH_ROLE_UNKNOWN;
    switch (acked_beyond_sent(row)) {
    case 0:
        return CH_ROLE_PASSIVE;
    case 1:
        return CH_ROLE_ACTIVE;
    default:
        return CH_ROLE_UNKNOWN;
    }
}

static bool was_connection(const struct ch_end_context *context)
{
    return context->known && context->state != CH_SOCKET_LISTEN &&
           context->state != CH_SOCKET_CLOSE;
}

/* tcp_disconnect() clears the destination and the counters (SO_LINGER 0, a child
 * never accepted, a failed blocking connect), and leaves
 * write_seq - snd_una = the greatest window the peer ever offered + 2, or 3
 * where no SYN was ever answered. A socket that never tried has 0. */
enum { wiped_unanswered_queue = 3 };

static bool is_wiped(const struct ch_diag_row *row)
{
    return row->msg->id.idiag_dport == 0;
}

bool ch_end_is_connection(const struct ch_diag_row *row, const struct ch_end_context *context)
{
    if (context->known && context->state == CH_SOCKET_LISTEN)
        return false;
    return !is_wiped(row) || row->msg->idiag_wqueue > 0 || was_connection(context);
}

static enum ch_socket_end end_of_wiped(const struct ch_diag_row *row,
                                       const struct ch_end_context *context)
{
    if (row->msg->idiag_wqueue > wiped_unanswered_queue)
        return CH_SOCKET_END_ABORTED;
    if (was_connection(context) && context->state != CH_SOCKET_SYN_SENT)
        return CH_SOCKET_END_ABORTED;
    return CH_SOCKET_END_CONNECT_FAILED;
}

static bool was_never_established(const struct ch_diag_row *row)
{
    return row->msg->idiag_wqueue > 0 && CH_DIAG_INFO(row, tcpi_bytes_acked) == 0 &&
           CH_DIAG_INFO(row, tcpi_bytes_received) == 0 && CH_DIAG_INFO(row, tcpi_rtt) == 0 &&
           CH_DIAG_INFO(row, tcpi_snd_wnd) == 0;
}

/* Nothing at all came since the sweep. */
static bool was_silent(const struct ch_diag_row *row, const struct ch_end_context *context)
{
    return context->known && CH_DIAG_INFO(row, tcpi_segs_in) == context->segs_in;
}

/* Something came since the sweep, and it was no acknowledgement: every segment
 * of an established connection is one, but for a reset, which is counted in
 * segs_in and leaves last_ack_recv as it was. */
static bool was_reset(const struct ch_diag_row *row, const struct ch_end_context *context)
{
    int64_t last_ack_ns = CH_DIAG_INFO(row, tcpi_last_ack_recv) * CH_NS_PER_MS;

    return context->known && CH_DIAG_INFO(row, tcpi_segs_in) != context->segs_in &&
           last_ack_ns >= context->seen_ago_ns;
}

static enum ch_socket_end unless_reset(const struct ch_diag_row *row,
                                       const struct ch_end_context *context,
                                       enum ch_socket_end when_silent,
                                       enum ch_socket_end when_not_told)
{
    if (was_silent(row, context))
        return when_silent;
    return was_reset(row, context) ? CH_SOCKET_END_RESET : when_not_told;
}

enum ch_socket_end ch_end_of(const struct ch_diag_row *row, enum ch_role role,
                             const struct ch_end_context *context)
{
    uint32_t queued = row->msg->idiag_wqueue;
    uint64_t syns = role == CH_ROLE_ACTIVE ? 1 : 0;
    uint64_t beyond = acked_beyond_sent(row);

    if (is_wiped(row))
        return end_of_wiped(row, context);
    if (row->info_len == 0)
        return CH_SOCKET_END_UNKNOWN;
    if (was_never_established(row))
        return CH_DIAG_INFO(row, tcpi_segs_in) ? CH_SOCKET_END_REFUSED : CH_SOCKET_END_UNANSWERED;

    if (queued > 0 && CH_DIAG_INFO(row, tcpi_retransmits) > 0)
        return unless_reset(row, context, CH_SOCKET_END_TIMEOUT, CH_SOCKET_END_TIMEOUT_OR_RESET);
    if (queued > 0 && CH_DIAG_INFO(row, tcpi_notsent_bytes) > 0 && CH_DIAG_HAS(row, tcpi_snd_wnd)) {
        if (CH_DIAG_INFO(row, tcpi_snd_wnd) == 0)
            return CH_SOCKET_END_WINDOW_CLOSED;
        if (CH_DIAG_INFO(row, tcpi_probes) > 0)
            return CH_SOCKET_END_NEVER_SENT;
    }
    if (queued == 0 && CH_DIAG_INFO(row, tcpi_probes) > 0)
        return unless_reset(row, context, CH_SOCKET_END_KEEPALIVE_TIMEOUT,
                            CH_SOCKET_END_TIMEOUT_OR_RESET);
    if (queued == 0) {
        if (role == CH_ROLE_UNKNOWN || !CH_DIAG_HAS(row, tcpi_bytes_retrans))
            return CH_SOCKET_END_UNKNOWN;
        if (beyond == syns + 1)
            return CH_SOCKET_END_CLOSED;
        if (beyond != syns) /* the sums do not fit: nothing is proved */
            return CH_SOCKET_END_UNKNOWN;
    }
    return unless_reset(row, context, CH_SOCKET_END_ABORTED, CH_SOCKET_END_RESET_OR_ABORTED);
}
