/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words for what the collector of the host's own sockets finds: states,
 * ends, troubles, the kernel's counters and the limits of an unprivileged
 * process. One table each; labels, HELP texts, JSON and connhealthctl read the
 * rows and nothing else.
 *
 * Constant data: any thread, no ownership.
 */
#ifndef CONNHEALTH_SOCKETS_WORDS_H
#define CONNHEALTH_SOCKETS_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* X(ENUM, slug): the eleven states of TCP in the kernel's order
 * (include/net/tcp_states.h, from 1), then the two of UDP, which the kernel
 * shows as ESTABLISHED and CLOSE. */
#define CH_SOCKET_STATES(X)                                                                        \
    X(ESTABLISHED, "established")                                                                  \
    X(SYN_SENT, "syn_sent")                                                                        \
    X(SYN_RECV, "syn_recv")                                                                        \
    X(FIN_WAIT1, "fin_wait1")                                                                      \
    X(FIN_WAIT2, "fin_wait2")                                                                      \
    X(TIME_WAIT, "time_wait")                                                                      \
    X(CLOSE, "close")                                                                              \
    X(CLOSE_WAIT, "close_wait")                                                                    \
    X(LAST_ACK, "last_ack")                                                                        \
    X(LISTEN, "listen")                                                                            \
    X(CLOSING, "closing")                                                                          \
    X(UDP_CONNECTED, "connected")                                                                  \
    X(UDP_UNCONNECTED, "unconnected")

enum ch_socket_state {
#define X(id, slug) CH_SOCKET_##id,
    CH_SOCKET_STATES(X)
#undef X
        CH_SOCKET_STATE_COUNT
};
#define CH_SOCKET_TCP_STATES 11

/* X(ENUM, slug, what the kernel's last record proves)
 *
 * The record of a destroyed socket carries no errno, no state and no cgroup;
 * what it proves is worked out in probes/sockets/ends.c. Where it cannot tell
 * two ends apart there is one word for both. */
#define CH_SOCKET_ENDS(X)                                                                          \
    X(CLOSED, "closed", "orderly: our FIN was acknowledged, so all that was sent had arrived")     \
    X(RESET, "reset",                                                                              \
      "the peer reset it: a segment that acknowledged nothing came, and it was over")              \
    X(ABORTED, "aborted",                                                                          \
      "this host ended it with a reset: SO_LINGER 0, closed with unread input, not accepted "      \
      "before its listener closed, or killed (ss -K)")                                             \
    X(RESET_OR_ABORTED, "reset_or_aborted", "ended by a reset; the record does not tell whose")    \
    X(TIMEOUT, "timeout",                                                                          \
      "data went unanswered through retransmissions until the end, and nothing came from the "     \
      "peer")                                                                                      \
    X(KEEPALIVE_TIMEOUT, "keepalive_timeout",                                                      \
      "idle, and keepalive probes went unanswered until the end")                                  \
    X(TIMEOUT_OR_RESET, "timeout_or_reset",                                                        \
      "retransmissions or keepalive probes were unanswered at the end; the record does not tell "  \
      "whether a reset came at last")                                                              \
    X(WINDOW_CLOSED, "window_closed",                                                              \
      "ended while the peer's window was closed and data waited for it: the peer was not reading") \
    X(NEVER_SENT, "never_sent",                                                                    \
      "ended with data waiting and the window open: this host refused to transmit (firewall, "     \
      "route, link)")                                                                              \
    X(REFUSED, "refused", "a connect that was answered, and not made: a reset answered the SYN")   \
    X(UNANSWERED, "unanswered",                                                                    \
      "a connect that no segment answered: timed out, given up, or stopped by ICMP")               \
    X(CONNECT_FAILED, "connect_failed",                                                            \
      "a connect that failed; the kernel had wiped how (blocking connect)")                        \
    X(UNKNOWN, "unknown", "a connection ended, and its record does not tell how")

enum ch_socket_end {
#define X(id, slug, meaning) CH_SOCKET_END_##id,
    CH_SOCKET_ENDS(X)
#undef X
        CH_SOCKET_END_COUNT
};

/* X(ENUM, slug, what amount counts (NULL: nothing), what it is) */
#define CH_SOCKET_TROUBLES(X)                                                                      \
    X(RETRANSMITTING, "retransmitting", "rounds",                                                  \
      "retransmitting with back-off, on the way to ETIMEDOUT")                                     \
    X(UNACKNOWLEDGED, "unacknowledged", "bytes",                                                   \
      "retransmitted data that no acknowledgement came for")                                       \
    X(ZERO_WINDOW, "zero_window", "bytes", "the peer's window is closed and data wait for it")     \
    X(SEND_BUFFER_FULL, "send_buffer_full", "bytes",                                               \
      "the send buffer is full: poll(2) does not call it writable")                                \
    X(KEEPALIVE_UNANSWERED, "keepalive_unanswered", "probes", "keepalive probes are unanswered")   \
    X(CLOSE_WAIT, "close_wait", NULL,                                                              \
      "the peer has closed, and the service has not: it may never close")                          \
    X(SYN_SENT, "syn_sent", "rounds", "a connect is waiting for its answer")                       \
    X(FIN_WAIT2, "fin_wait2", NULL, "we have closed, and the peer has not")                        \
    X(ORPHAN, "orphan", "bytes", "closed by its owner, its end not yet acknowledged")              \
    X(DEAD, "dead", NULL,                                                                          \
      "over, and no row of the kernel's any more, but no end was told: the owner still holds the " \
      "descriptor")

enum ch_socket_trouble {
#define X(id, slug, unit, meaning) CH_SOCKET_TROUBLE_##id,
    CH_SOCKET_TROUBLES(X)
#undef X
        CH_SOCKET_TROUBLE_COUNT
};

/* X(ENUM, group of the file, the kernel's name, slug, help): rows of
 * /proc/net/snmp ("Tcp") and /proc/net/netstat ("TcpExt"). What each really
 * means was measured; the kernel's own documentation is
 * Documentation/networking/snmp_counter.rst. */
#define CH_KERNEL_EVENTS(X)                                                                        \
    X(ACTIVE_OPENS, "Tcp", "ActiveOpens", "active_opens", "connects begun")                        \
    X(PASSIVE_OPENS, "Tcp", "PassiveOpens", "passive_opens", "connections taken by listeners")     \
    X(ATTEMPT_FAILS, "Tcp", "AttemptFails", "attempt_fails",                                       \
      "connects that failed in any way, and half-made connections that were reset")                \
    X(ESTAB_RESETS, "Tcp", "EstabResets", "estab_resets",                                          \
      "established connections that went to CLOSE at once: resets either way and timeouts")        \
    X(RETRANS_SEGS, "Tcp", "RetransSegs", "retrans_segs", "segments retransmitted")                \
    X(OUT_SEGS, "Tcp", "OutSegs", "out_segs", "segments sent, without the retransmitted")          \
    X(IN_ERRS, "Tcp", "InErrs", "in_errs", "segments received in error")                           \
    X(OUT_RSTS, "Tcp", "OutRsts", "out_rsts",                                                      \
      "resets sent, one for each refused SYN and each keepalive death included")                   \
    X(ABORT_ON_TIMEOUT, "TcpExt", "TCPAbortOnTimeout", "abort_on_timeout",                         \
      "connections ended by any timeout: SYN, retransmission, keepalive, user timeout")            \
    X(ABORT_ON_CLOSE, "TcpExt", "TCPAbortOnClose", "abort_on_close",                               \
      "connections reset because their owner closed them with unread input")                       \
    X(ABORT_ON_DATA, "TcpExt", "TCPAbortOnData", "abort_on_data",                                  \
      "connections reset by SO_LINGER 0, or by data for a socket that nobody owns")                \
    X(ABORT_ON_MEMORY, "TcpExt", "TCPAbortOnMemory", "abort_on_memory",                            \
      "connections ended for want of memory or because there were too many orphans")               \
    X(ABORT_ON_LINGER, "TcpExt", "TCPAbortOnLinger", "abort_on_linger",                            \
      "orphans given up because their linger time was over")                                       \
    X(ABORT_FAILED, "TcpExt", "TCPAbortFailed", "abort_failed",                                    \
      "resets that could not be sent by this host")                                                \
    X(TIMEOUTS, "TcpExt", "TCPTimeouts", "timeouts", "retransmission timers that fired")           \
    X(SPURIOUS_RTX_HOST_QUEUES, "TcpExt", "TCPSpuriousRtxHostQueues", "spurious_rtx_host_queues",  \
      "retransmissions due while the first copy still lay in this host (neighbour or queue)")      \
    X(SYN_RETRANS, "TcpExt", "TCPSynRetrans", "syn_retrans", "SYN and SYN-ACK retransmitted")      \
    X(LOSS_PROBES, "TcpExt", "TCPLossProbes", "loss_probes", "tail loss probes sent")              \
    X(RETRANS_FAIL, "TcpExt", "TCPRetransFail", "retrans_fail",                                    \
      "retransmissions that this host refused (its own firewall)")                                 \
    X(KEEPALIVE, "TcpExt", "TCPKeepAlive", "keepalive", "keepalive probes sent")                   \
    X(LISTEN_OVERFLOWS, "TcpExt", "ListenOverflows", "listen_overflows",                           \
      "SYNs or final ACKs that met a full accept queue")                                           \
    X(LISTEN_DROPS, "TcpExt", "ListenDrops", "listen_drops",                                       \
      "SYNs or final ACKs dropped by listeners for any reason")                                    \
    X(REQ_Q_FULL_DROP, "TcpExt", "TCPReqQFullDrop", "req_q_full_drop",                             \
      "SYNs dropped because the queue of half-made connections was full")                          \
    X(REQ_Q_FULL_DO_COOKIES, "TcpExt", "TCPReqQFullDoCookies", "req_q_full_do_cookies",            \
      "SYNs answered with a SYN cookie because that queue was full")                               \
    X(EMBRYONIC_RSTS, "TcpExt", "EmbryonicRsts", "embryonic_rsts",                                 \
      "half-made connections that were reset")                                                     \
    X(SYNCOOKIES_FAILED, "TcpExt", "SyncookiesFailed", "syncookies_failed",                        \
      "ACKs that carried no valid SYN cookie")                                                     \
    X(WIN_PROBE, "TcpExt", "TCPWinProbe", "win_probe", "probes of a closed window sent")           \
    X(TO_ZERO_WINDOW, "TcpExt", "TCPToZeroWindowAdv", "to_zero_window",                            \
      "times this host closed its own window: a service here was not reading")                     \
    X(FROM_ZERO_WINDOW, "TcpExt", "TCPFromZeroWindowAdv", "from_zero_window",                      \
      "times this host opened its window again")                                                   \
    X(RCVQ_DROP, "TcpExt", "TCPRcvQDrop", "rcvq_drop",                                             \
      "segments dropped because a receive queue was full")                                         \
    X(BACKLOG_DROP, "TcpExt", "TCPBacklogDrop", "backlog_drop",                                    \
      "segments dropped because a socket's backlog was full")                                      \
    X(OUT_OF_WINDOW_ICMPS, "TcpExt", "OutOfWindowIcmps", "out_of_window_icmps",                    \
      "ICMP errors that fit no data in flight, answers to keepalive probes among them")            \
    X(LOCK_DROPPED_ICMPS, "TcpExt", "LockDroppedIcmps", "lock_dropped_icmps",                      \
      "ICMP errors ignored because the socket was in use at that moment")                          \
    X(TIME_WAIT_OVERFLOW, "TcpExt", "TCPTimeWaitOverflow", "time_wait_overflow",                   \
      "connections closed without TIME_WAIT because there were too many")                          \
    X(CHALLENGE_ACK, "TcpExt", "TCPChallengeACK", "challenge_ack", "challenge ACKs sent")          \
    X(MEMORY_PRESSURES, "TcpExt", "TCPMemoryPressures", "memory_pressures",                        \
      "times TCP came under memory pressure")

enum ch_kernel_event {
#define X(id, group, name, slug, help) CH_KERNEL_##id,
    CH_KERNEL_EVENTS(X)
#undef X
        CH_KERNEL_EVENT_COUNT
};

/* X(ENUM, slug, capability or what would help, what is missing) - bits of
 * ch_sockets_snapshot.limits. */
#define CH_SOCKETS_LIMITS(X)                                                                       \
    X(EVENT_BUFFER, "event_buffer", "CAP_NET_ADMIN",                                               \
      "the buffer for ends of connections is held to net.core.rmem_max: bursts may be lost "       \
      "(they are counted)")                                                                        \
    X(EVENTS, "events", "Linux 4.2 or newer",                                                      \
      "the kernel does not tell when sockets end: connhealth_socket_ends_total stays empty")       \
    X(TCP, "tcp", "the kernel module tcp_diag, and AF_NETLINK not forbidden",                      \
      "TCP sockets cannot be listed")                                                              \
    X(UDP, "udp", "the kernel module udp_diag, and AF_NETLINK not forbidden",                      \
      "UDP sockets cannot be listed")                                                              \
    X(BOUND, "bound", "at most 8192 TCP sockets",                                                  \
      "sockets that are only bound (state close) are not listed, because that would hold up the "  \
      "network where there are many")                                                              \
    X(TCP_INFO, "tcp_info", "a kernel whose tcp_info counts sent bytes (4.19 or newer)",           \
      "clean ends cannot be told from others")                                                     \
    X(CGROUP_ID, "cgroup_id", "Linux 5.8 or newer", "sockets carry no cgroup: no units")           \
    X(CGROUP_MOUNT, "cgroup_mount", "a cgroup2 mount that this process can see",                   \
      "cgroups cannot be named: no units")                                                         \
    X(CGROUP_READ, "cgroup_read", "CAP_DAC_READ_SEARCH",                                           \
      "parts of the cgroup tree cannot be read: their units are not known")                        \
    X(KERNEL_COUNTERS, "kernel_counters", "a readable /proc/self/net",                             \
      "the kernel's counters cannot be read")

enum ch_sockets_limit_bit {
#define X(id, slug, remedy, meaning) CH_SOCKETS_LIMIT_BIT_##id,
    CH_SOCKETS_LIMITS(X)
#undef X
        CH_SOCKETS_LIMIT_COUNT
};
#define CH_SOCKETS_LIMIT(id) (1U << CH_SOCKETS_LIMIT_BIT_##id)

/* One row of a table. Strings are static; NULL where the table has no such
 * column. A value outside the enumeration gives a row of "" and NULL. */
struct ch_sockets_word {
    const char *slug;
    const char *meaning;
    const char *unit;   /* troubles: of amount */
    const char *group;  /* kernel events: line of the file */
    const char *name;   /* kernel events: the kernel's own name */
    const char *remedy; /* limits: what would give it */
};

const struct ch_sockets_word *ch_socket_state_word(enum ch_socket_state state);
const struct ch_sockets_word *ch_socket_end_word(enum ch_socket_end end);
const struct ch_sockets_word *ch_socket_trouble_word(enum ch_socket_trouble trouble);
const struct ch_sockets_word *ch_kernel_event_word(enum ch_kernel_event event);
const struct ch_sockets_word *ch_sockets_limit_word(enum ch_sockets_limit_bit limit);

#endif
