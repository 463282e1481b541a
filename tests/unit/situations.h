/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every fault that Linux lets a host see, as the evidence a probe would bring
 * home, and the outcome it must have. The figures are those of measured
 * failures on Linux 6.18.
 *
 * A list for the preprocessor, so that a test may make of it what it needs:
 * S(name, phase, category, wire, cause, certain, evidence…).
 */
#ifndef CH_TEST_SITUATIONS_H
#define CH_TEST_SITUATIONS_H

#include <netinet/tcp.h>

#include "connhealth/clock.h"
#include "connhealth/outcome.h"

#define MS  (CH_NS_PER_MS)
#define SEC (CH_NS_PER_S)

#define V4(a, b, c, d, port_)                                                                      \
    {                                                                                              \
        .family = AF_INET, .port = (port_), .ip = {(a), (b), (c), (d) }                            \
    }
#define V6(last, port_)                                                                            \
    {                                                                                              \
        .family = AF_INET6, .port = (port_), .ip = { 0x20, 0x01, 0x0d, 0xb8, [15] = (last) }       \
    }
#define TARGET  V4(10, 0, 2, 7, 6379)
#define TARGET6 V6(7, 6379)
#define HERE    V4(10, 0, 1, 5, 0)
#define ROUTER  V4(10, 0, 1, 1, 0)

/* Where the attempt was. */
#define CONNECTING                                                                                 \
    .transport = CH_TRANSPORT_TCP, .kind = CH_PROBE_CONNECT, .phase = CH_PHASE_CONNECT,            \
    .peer = TARGET, .local = HERE, .duration_ns = 3 * SEC
#define CONNECTING6                                                                                \
    .transport = CH_TRANSPORT_TCP, .kind = CH_PROBE_CONNECT, .phase = CH_PHASE_CONNECT,            \
    .peer = TARGET6, .duration_ns = 3 * SEC
#define HELD(phase_)                                                                               \
    .transport = CH_TRANSPORT_TCP, .kind = CH_PROBE_HEARTBEAT, .phase = CH_PHASE_##phase_,         \
    .established = true, .peer = TARGET, .local = HERE, .age_ns = 3725 * SEC
#define RECEIVING                                                                                  \
    HELD(RECEIVE), .request_sent = true, .request_bytes = 72, .request_acked_at = 145,             \
                   .duration_ns = 1 * SEC
#define SENDING                                                                                    \
    HELD(SEND), .request_bytes = 4000000, .request_acked_at = 4000001, .duration_ns = 1 * SEC
#define IDLE                                                                                       \
    .transport = CH_TRANSPORT_TCP, .kind = CH_PROBE_KEEPALIVE, .phase = CH_PHASE_IDLE,             \
    .established = true, .peer = TARGET, .local = HERE, .age_ns = 3725 * SEC, .idle_ns = 905 * SEC
#define DATAGRAM(phase_)                                                                           \
    .transport = CH_TRANSPORT_UDP, .kind = CH_PROBE_HEARTBEAT, .phase = CH_PHASE_##phase_,         \
    .peer = TARGET, .local = HERE, .request_sent = true, .duration_ns = 1 * SEC

/* How it ended. */
#define ERRNO(error_) .end = CH_END_ERRNO, .error = (error_)
#define AT_ONCE       .synchronous = true
#define DEADLINE      .end = CH_END_DEADLINE
#define FIN           .end = CH_END_EOF

/* Who said so. */
#define ICMP(type_, code_, sender_, address)                                                       \
    {                                                                                              \
        .version = 4, .type = (type_), .code = (code_), .sender = CH_OFFENDER_##sender_,           \
        .offender = address                                                                        \
    }
#define ICMP6(type_, code_, sender_, last)                                                         \
    {                                                                                              \
        .version = 6, .type = (type_), .code = (code_), .sender = CH_OFFENDER_##sender_,           \
        .offender = V6(last, 0)                                                                    \
    }
#define BY_ROUTER(code_) .icmp = ICMP(3, code_, ROUTER, ROUTER)
#define BY_TARGET(code_) .icmp = ICMP(3, code_, DESTINATION, V4(10, 0, 2, 7, 0))
#define BY_US(code_)     .icmp = ICMP(3, code_, SELF, HERE)

/* TCP_INFO at the end: _DEAD rows have unacked and backoff purged. */
#define TCP(state_, ...)                                                                           \
    .tcp = {.state = (state_), .has_snd_wnd = true, .snd_wnd = 65160, .rto_us = 204000, __VA_ARGS__}
#define SYN_OUT(due, left)                                                                         \
    .tcp = {.state = TCP_SYN_SENT,                                                                 \
            .has_snd_wnd = true,                                                                   \
            .retransmits = (due),                                                                  \
            .total_retrans = (left),                                                               \
            .unacked = 1,                                                                          \
            .rto_us = 1000000}
#define SYN_DEAD(due, left)                                                                        \
    .tcp = {.state = TCP_CLOSE,                                                                    \
            .has_snd_wnd = true,                                                                   \
            .retransmits = (due),                                                                  \
            .total_retrans = (left),                                                               \
            .rto_us = 1000000},                                                                    \
    .outstanding = 1
#define QUIET     TCP(TCP_CLOSE, .bytes_acked = 145)
#define NOT_ACKED .outstanding = 72
#define RETRANSMITTING(n)                                                                          \
    TCP(TCP_ESTABLISHED, .bytes_acked = 73, .retransmits = (n), .total_retrans = (n) + 1,          \
        .unacked = 1),                                                                             \
        NOT_ACKED, .silent_ns = 1 * SEC
#define RETRANSMITTED(n)                                                                           \
    TCP(TCP_CLOSE, .bytes_acked = 73, .retransmits = (n), .total_retrans = (n) + 1), NOT_ACKED,    \
        .silent_ns = 925 * SEC
#define STUCK(due, left)                                                                           \
    TCP(TCP_ESTABLISHED, .bytes_acked = 73, .retransmits = (due), .total_retrans = (left),         \
        .unacked = 1),                                                                             \
        NOT_ACKED, .silent_ns = 1 * SEC
#define STUCK_DEAD(due, left)                                                                      \
    TCP(TCP_CLOSE, .bytes_acked = 73, .retransmits = (due), .total_retrans = (left)), NOT_ACKED,   \
        .silent_ns = 20 * SEC
#define UNSENT                                                                                     \
    TCP(TCP_ESTABLISHED, .bytes_acked = 73, .probes = 3, .notsent_bytes = 72), NOT_ACKED,          \
        .silent_ns = 1 * SEC
#define UNSENT_DEAD                                                                                \
    TCP(TCP_CLOSE, .bytes_acked = 73, .probes = 5, .notsent_bytes = 72), NOT_ACKED,                \
        .silent_ns = 9 * SEC
#define WINDOW_CLOSED(state_, probes_)                                                             \
    .tcp = {.state = (state_),                                                                     \
            .has_snd_wnd = true,                                                                   \
            .probes = (probes_),                                                                   \
            .notsent_bytes = 200000,                                                               \
            .last_ack_recv_ms = 90},                                                               \
    .outstanding = 200000
#define UNANSWERED(n) TCP(TCP_CLOSE, .bytes_acked = 145, .probes = (n)), .silent_ns = 60 * SEC

/* What a new connection met. */
#define NEW_CONNECTED .confirm = CH_CONFIRM_CONNECTED
#define NEW_REFUSED   .confirm = CH_CONFIRM_REFUSED, .confirm_error = ECONNREFUSED
#define NEW_SILENT    .confirm = CH_CONFIRM_SILENT
#define NEW_ICMP(code_)                                                                            \
    .confirm = CH_CONFIRM_UNREACHABLE, .confirm_error = EHOSTUNREACH,                              \
    .confirm_icmp = ICMP(3, code_, ROUTER, ROUTER)
#define NEW_FAILED(error_) .confirm = CH_CONFIRM_FAILED, .confirm_error = (error_)
#define SAME_IDS           NEW_CONNECTED, .identity = CH_IDENTITY_SAME
#define NEW_INSTANCE       NEW_CONNECTED, .identity = CH_IDENTITY_NEW_INSTANCE
#define NEW_BOOT           NEW_CONNECTED, .identity = CH_IDENTITY_NEW_BOOT

#define P 1 /* proof */
#define I 0 /* inference */

/* clang-format off */

#define SITUATIONS_RESOLVE(S)                                                                      \
    S("NXDOMAIN", RESOLVE, NAME_RESOLUTION, NONE, NAME_NOT_FOUND, P, .kind = CH_PROBE_CONNECT,     \
      .phase = CH_PHASE_RESOLVE, .end = CH_END_NAME, .dns = CH_DNS_NOT_FOUND)                      \
    S("a name without an address", RESOLVE, NAME_RESOLUTION, NONE, NAME_NOT_FOUND, P,              \
      .phase = CH_PHASE_RESOLVE, .end = CH_END_NAME, .dns = CH_DNS_NO_ADDRESS)                     \
    S("SERVFAIL", RESOLVE, NAME_RESOLUTION, NONE, RESOLVER_FAILED, P, .phase = CH_PHASE_RESOLVE,   \
      .end = CH_END_NAME, .dns = CH_DNS_SERVFAIL)                                                  \
    S("the resolver is silent", RESOLVE, NAME_RESOLUTION, NONE, RESOLVER_FAILED, P,                \
      .phase = CH_PHASE_RESOLVE, .end = CH_END_NAME, .dns = CH_DNS_TIMEOUT)                        \
    S("the resolver refuses", RESOLVE, NAME_RESOLUTION, NONE, RESOLVER_FAILED, P,                  \
      .phase = CH_PHASE_RESOLVE, .end = CH_END_NAME, .dns = CH_DNS_REFUSED)                        \
    S("the lookup fails in another way", RESOLVE, NAME_RESOLUTION, NONE, RESOLVER_FAILED, P,       \
      .phase = CH_PHASE_RESOLVE, .end = CH_END_NAME, .dns = CH_DNS_OTHER)                          \
    S("the deadline passes during the lookup", RESOLVE, NAME_RESOLUTION, NONE, RESOLVER_FAILED, P, \
      .phase = CH_PHASE_RESOLVE, DEADLINE)                                                         \
    S("no descriptor for the lookup", RESOLVE, LOCAL_RESOURCE, NONE, LOCAL_LIMIT, P,               \
      .phase = CH_PHASE_RESOLVE, ERRNO(EMFILE), AT_ONCE)                                           \
    S("an errno of the lookup", RESOLVE, NAME_RESOLUTION, NONE, RESOLVER_FAILED, P,                \
      .phase = CH_PHASE_RESOLVE, ERRNO(ECONNREFUSED))

#define SITUATIONS_CONNECT(S)                                                                      \
    S("closed port", CONNECT, REFUSED, RST, PORT_CLOSED, P, CONNECTING, ERRNO(ECONNREFUSED),       \
      SYN_DEAD(0, 0))                                                                              \
    S("closed port, v6", CONNECT, REFUSED, RST, PORT_CLOSED, P, CONNECTING6, ERRNO(ECONNREFUSED),  \
      SYN_DEAD(0, 0))                                                                              \
    S("SYN dropped, the deadline passes", CONNECT, TIMEOUT, SILENCE, NO_ANSWER, I, CONNECTING,     \
      DEADLINE, SYN_OUT(2, 2))                                                                     \
    S("SYN dropped, a deadline before the first retransmission", CONNECT, TIMEOUT, SILENCE,        \
      NO_ANSWER, I, CONNECTING, DEADLINE, SYN_OUT(0, 0), .retrans_fail = true)                     \
    S("SYN dropped, the kernel gives up", CONNECT, TIMEOUT, SILENCE, NO_ANSWER, I, CONNECTING,     \
      ERRNO(ETIMEDOUT), SYN_DEAD(6, 6))                                                            \
    S("net unreachable 3/0", CONNECT, NET_UNREACHABLE, ICMP, ROUTER_UNREACHABLE, P, CONNECTING,    \
      ERRNO(ENETUNREACH), BY_ROUTER(0))                                                            \
    S("host unreachable 3/1", CONNECT, HOST_UNREACHABLE, ICMP, ROUTER_UNREACHABLE, P, CONNECTING,  \
      ERRNO(EHOSTUNREACH), BY_ROUTER(1))                                                           \
    S("protocol unreachable 3/2", CONNECT, OTHER, ICMP, FIREWALL_REJECTED, P, CONNECTING,          \
      ERRNO(ENOPROTOOPT), BY_TARGET(2))                                                            \
    S("port unreachable 3/3 by a router", CONNECT, REFUSED, ICMP, FIREWALL_REJECTED, P,            \
      CONNECTING, ERRNO(ECONNREFUSED), BY_ROUTER(3))                                               \
    S("port unreachable 3/3 by the target", CONNECT, REFUSED, ICMP, FIREWALL_REJECTED, P,          \
      CONNECTING, ERRNO(ECONNREFUSED), BY_TARGET(3))                                               \
    S("source route failed 3/5", CONNECT, OTHER, ICMP, ROUTER_UNREACHABLE, P, CONNECTING,          \
      ERRNO(EOPNOTSUPP), BY_ROUTER(5))                                                             \
    S("network unknown 3/6", CONNECT, NET_UNREACHABLE, ICMP, ROUTER_UNREACHABLE, P, CONNECTING,    \
      ERRNO(ENETUNREACH), BY_ROUTER(6))                                                            \
    S("host unknown 3/7", CONNECT, HOST_UNREACHABLE, ICMP, ROUTER_UNREACHABLE, P, CONNECTING,      \
      ERRNO(EHOSTDOWN), BY_ROUTER(7))                                                              \
    S("source host isolated 3/8", CONNECT, NET_UNREACHABLE, ICMP, ROUTER_UNREACHABLE, P,           \
      CONNECTING, ERRNO(ENONET), BY_ROUTER(8))                                                     \
    S("network prohibited 3/9", CONNECT, NET_UNREACHABLE, ICMP, FIREWALL_REJECTED, P, CONNECTING,  \
      ERRNO(ENETUNREACH), BY_ROUTER(9))                                                            \
    S("host prohibited 3/10", CONNECT, HOST_UNREACHABLE, ICMP, FIREWALL_REJECTED, P, CONNECTING,   \
      ERRNO(EHOSTUNREACH), BY_ROUTER(10))                                                          \
    S("network unreachable for TOS 3/11", CONNECT, NET_UNREACHABLE, ICMP, ROUTER_UNREACHABLE, P,   \
      CONNECTING, ERRNO(ENETUNREACH), BY_ROUTER(11))                                               \
    S("host unreachable for TOS 3/12", CONNECT, HOST_UNREACHABLE, ICMP, ROUTER_UNREACHABLE, P,     \
      CONNECTING, ERRNO(EHOSTUNREACH), BY_ROUTER(12))                                              \
    S("administratively prohibited 3/13", CONNECT, HOST_UNREACHABLE, ICMP, FIREWALL_REJECTED, P,   \
      CONNECTING, ERRNO(EHOSTUNREACH), BY_ROUTER(13))                                              \
    S("precedence violation 3/14", CONNECT, HOST_UNREACHABLE, ICMP, FIREWALL_REJECTED, P,          \
      CONNECTING, ERRNO(EHOSTUNREACH), BY_ROUTER(14))                                              \
    S("precedence cutoff 3/15", CONNECT, HOST_UNREACHABLE, ICMP, FIREWALL_REJECTED, P, CONNECTING, \
      ERRNO(EHOSTUNREACH), BY_ROUTER(15))                                                          \
    S("routing loop 11/0", CONNECT, HOST_UNREACHABLE, ICMP, ROUTER_UNREACHABLE, P, CONNECTING,     \
      ERRNO(EHOSTUNREACH), .icmp = ICMP(11, 0, ROUTER, ROUTER))                                    \
    S("parameter problem 12/0", CONNECT, OTHER, ICMP, UNKNOWN, I, CONNECTING, ERRNO(EPROTO),       \
      .icmp = ICMP(12, 0, ROUTER, ROUTER))                                                         \
    S("v6 no route 1/0", CONNECT, NET_UNREACHABLE, ICMP, ROUTER_UNREACHABLE, P, CONNECTING6,       \
      ERRNO(ENETUNREACH), .icmp = ICMP6(1, 0, ROUTER, 1))                                          \
    S("v6 prohibited 1/1", CONNECT, DENIED, ICMP, FIREWALL_REJECTED, P, CONNECTING6,               \
      ERRNO(EACCES), .icmp = ICMP6(1, 1, ROUTER, 1))                                               \
    S("v6 beyond scope 1/2", CONNECT, HOST_UNREACHABLE, ICMP, ROUTER_UNREACHABLE, P, CONNECTING6,  \
      ERRNO(EHOSTUNREACH), .icmp = ICMP6(1, 2, ROUTER, 1))                                         \
    S("v6 address unreachable 1/3", CONNECT, HOST_UNREACHABLE, ICMP, ROUTER_UNREACHABLE, P,        \
      CONNECTING6, ERRNO(EHOSTUNREACH), .icmp = ICMP6(1, 3, ROUTER, 1))                            \
    S("v6 port unreachable 1/4", CONNECT, REFUSED, ICMP, FIREWALL_REJECTED, P, CONNECTING6,        \
      ERRNO(ECONNREFUSED), .icmp = ICMP6(1, 4, DESTINATION, 7))                                    \
    S("v6 policy 1/5", CONNECT, DENIED, ICMP, FIREWALL_REJECTED, P, CONNECTING6, ERRNO(EACCES),    \
      .icmp = ICMP6(1, 5, ROUTER, 1))                                                              \
    S("v6 reject route 1/6", CONNECT, DENIED, ICMP, FIREWALL_REJECTED, P, CONNECTING6,             \
      ERRNO(EACCES), .icmp = ICMP6(1, 6, ROUTER, 1))                                               \
    S("v6 hop limit 3/0", CONNECT, HOST_UNREACHABLE, ICMP, ROUTER_UNREACHABLE, P, CONNECTING6,     \
      ERRNO(EHOSTUNREACH), .icmp = ICMP6(3, 0, ROUTER, 1))                                         \
    S("v6 prohibited, its message lost", CONNECT, DENIED, ICMP, FIREWALL_REJECTED, I, CONNECTING6, \
      ERRNO(EACCES), SYN_DEAD(0, 0))                                                               \
    S("v6 unreachable, its message lost", CONNECT, HOST_UNREACHABLE, ICMP, ROUTER_UNREACHABLE, I,  \
      CONNECTING6, ERRNO(EHOSTUNREACH), SYN_DEAD(0, 0))                                            \
    S("the target's own firewall says host prohibited", CONNECT, HOST_UNREACHABLE, ICMP,           \
      FIREWALL_REJECTED, P, CONNECTING, ERRNO(EHOSTUNREACH), BY_TARGET(10))                        \
    S("the target's own firewall says host unreachable", CONNECT, HOST_UNREACHABLE, ICMP,          \
      FIREWALL_REJECTED, P, CONNECTING, ERRNO(EHOSTUNREACH), BY_TARGET(1))                         \
    S("host down, the router's ARP fails", CONNECT, HOST_UNREACHABLE, ICMP, ROUTER_UNREACHABLE, P, \
      CONNECTING, ERRNO(EHOSTUNREACH), BY_ROUTER(1), SYN_DEAD(3, 3))                               \
    S("our ARP fails", CONNECT, HOST_UNREACHABLE, NONE, NEIGHBOUR_UNREACHABLE, P, CONNECTING,      \
      ERRNO(EHOSTUNREACH), BY_US(1), SYN_DEAD(3, 0))                                               \
    S("our ND fails", CONNECT, HOST_UNREACHABLE, NONE, NEIGHBOUR_UNREACHABLE, P, CONNECTING6,      \
      ERRNO(EHOSTUNREACH), .icmp = ICMP6(1, 3, SELF, 5), SYN_DEAD(3, 0))                           \
    S("our ARP is failing when the deadline passes", CONNECT, TIMEOUT, NONE,                       \
      NEIGHBOUR_UNREACHABLE, P, CONNECTING, DEADLINE, SYN_OUT(2, 0))                               \
    S("our ARP fails before any retransmission", CONNECT, HOST_UNREACHABLE, NONE,                  \
      NEIGHBOUR_UNREACHABLE, I, CONNECTING, ERRNO(EHOSTUNREACH), BY_US(1), SYN_DEAD(0, 0))         \
    S("no route", CONNECT, NET_UNREACHABLE, NONE, NO_LOCAL_ROUTE, P, CONNECTING,                   \
      ERRNO(ENETUNREACH), AT_ONCE)                                                                 \
    S("unreachable route", CONNECT, HOST_UNREACHABLE, NONE, NO_LOCAL_ROUTE, P, CONNECTING,         \
      ERRNO(EHOSTUNREACH), AT_ONCE)                                                                \
    S("interface down", CONNECT, NET_UNREACHABLE, NONE, NO_LOCAL_ROUTE, P, CONNECTING,             \
      ERRNO(ENETDOWN), AT_ONCE)                                                                    \
    S("prohibit route", CONNECT, DENIED, NONE, NO_LOCAL_ROUTE, I, CONNECTING, ERRNO(EACCES),       \
      AT_ONCE)                                                                                     \
    S("blackhole route", CONNECT, OTHER, NONE, NO_LOCAL_ROUTE, P, CONNECTING, ERRNO(EINVAL),       \
      AT_ONCE)                                                                                     \
    S("a link-local address without its interface", CONNECT, OTHER, NONE, UNKNOWN, I,              \
      .kind = CH_PROBE_CONNECT, .phase = CH_PHASE_CONNECT, ERRNO(EINVAL), AT_ONCE,                 \
      .peer = {.family = AF_INET6, .port = 80, .ip = {0xfe, 0x80, [15] = 1}})                      \
    S("EINVAL for a global address", CONNECT, OTHER, NONE, NO_LOCAL_ROUTE, P, CONNECTING6,         \
      ERRNO(EINVAL), AT_ONCE)                                                                      \
    S("EINVAL for a link-local address with its interface", CONNECT, OTHER, NONE, NO_LOCAL_ROUTE,  \
      P, .kind = CH_PROBE_CONNECT, .phase = CH_PHASE_CONNECT, ERRNO(EINVAL), AT_ONCE,              \
      .peer = {.family = AF_INET6, .port = 80, .scope = 2, .ip = {0xfe, 0x80, [15] = 1}})          \
    S("a sandbox forbids the connection", CONNECT, DENIED, NONE, LOCAL_FIREWALL, I, CONNECTING,    \
      ERRNO(EPERM), AT_ONCE)                                                                       \
    S("our firewall drops the SYN", CONNECT, TIMEOUT, SILENCE, LOCAL_FIREWALL, I, CONNECTING,      \
      DEADLINE, SYN_OUT(2, 2), .retrans_fail = true)                                               \
    S("our firewall drops the SYN, the kernel gives up", CONNECT, TIMEOUT, SILENCE,                \
      LOCAL_FIREWALL, I, CONNECTING, ERRNO(ETIMEDOUT), SYN_DEAD(6, 6), .retrans_fail = true)       \
    S("our firewall drops another connection's SYN, not this one", CONNECT, TIMEOUT, SILENCE,      \
      NO_ANSWER, I, CONNECTING, ERRNO(ETIMEDOUT),                                                  \
      .tcp = {.state = TCP_CLOSE, .retransmits = 6, .retrans = 1, .total_retrans = 6},             \
      .retrans_fail = true)                                                                        \
    S("our firewall drops the SYN, TCP_INFO not known", CONNECT, TIMEOUT, SILENCE, LOCAL_FIREWALL, \
      I, CONNECTING, DEADLINE, .retrans_fail = true)                                               \
    S("our firewall rejects with port unreachable", CONNECT, REFUSED, NONE, FIREWALL_REJECTED, P,  \
      CONNECTING, ERRNO(ECONNREFUSED), BY_US(3), SYN_DEAD(1, 1), .retrans_fail = true)             \
    S("our firewall rejects with prohibited", CONNECT, HOST_UNREACHABLE, NONE, FIREWALL_REJECTED,  \
      P, CONNECTING, ERRNO(EHOSTUNREACH), BY_US(13), SYN_DEAD(1, 1))                               \
    S("our firewall rejects with net unreachable", CONNECT, NET_UNREACHABLE, NONE,                 \
      FIREWALL_REJECTED, P, CONNECTING, ERRNO(ENETUNREACH), BY_US(0), SYN_DEAD(1, 1))              \
    S("our firewall rejects with host unreachable", CONNECT, HOST_UNREACHABLE, NONE,               \
      FIREWALL_REJECTED, I, CONNECTING, ERRNO(EHOSTUNREACH), BY_US(1), SYN_DEAD(1, 1),             \
      .retrans_fail = true)                                                                        \
    S("our firewall rejects, the deadline comes first", CONNECT, TIMEOUT, NONE, FIREWALL_REJECTED, \
      P, CONNECTING, DEADLINE, BY_US(3), SYN_OUT(0, 0), .soft_error = ECONNREFUSED,                \
      .soft_errors = 1)                                                                            \
    S("ports exhausted", CONNECT, LOCAL_RESOURCE, NONE, LOCAL_LIMIT, P, CONNECTING,                \
      ERRNO(EADDRNOTAVAIL), AT_ONCE)                                                               \
    S("ports exhausted at bind", CONNECT, LOCAL_RESOURCE, NONE, LOCAL_LIMIT, P, CONNECTING,        \
      ERRNO(EADDRINUSE), AT_ONCE)                                                                  \
    S("no descriptor", CONNECT, LOCAL_RESOURCE, NONE, LOCAL_LIMIT, P, CONNECTING, ERRNO(EMFILE),   \
      AT_ONCE)                                                                                     \
    S("the host's descriptors are used up", CONNECT, LOCAL_RESOURCE, NONE, LOCAL_LIMIT, P,         \
      CONNECTING, ERRNO(ENFILE), AT_ONCE)                                                          \
    S("no memory", CONNECT, LOCAL_RESOURCE, NONE, LOCAL_LIMIT, P, CONNECTING, ERRNO(ENOMEM),       \
      AT_ONCE)                                                                                     \
    S("no buffers", CONNECT, LOCAL_RESOURCE, NONE, LOCAL_LIMIT, P, CONNECTING, ERRNO(ENOBUFS),     \
      AT_ONCE)                                                                                     \
    S("no room in epoll", CONNECT, LOCAL_RESOURCE, NONE, LOCAL_LIMIT, P, CONNECTING,               \
      ERRNO(ENOSPC), AT_ONCE)                                                                      \
    S("accepted and reset at once", CONNECT, RESET, RST, CONNECTION_ABORTED, I, CONNECTING,        \
      ERRNO(ECONNRESET), QUIET)                                                                    \
    S("ss -K while connecting", CONNECT, ABORTED, NONE, KILLED_LOCALLY, P, CONNECTING,             \
      ERRNO(ECONNABORTED), SYN_DEAD(1, 1))

#define SITUATIONS_LOCAL(S)                                                                        \
    S("hung application", RECEIVE, TIMEOUT, SILENCE, APPLICATION_HUNG, P, RECEIVING, DEADLINE,     \
      TCP(TCP_ESTABLISHED, .bytes_acked = 145))                                                    \
    S("hung application, new connections are taken", RECEIVE, TIMEOUT, SILENCE, APPLICATION_HUNG,  \
      P, RECEIVING, DEADLINE, TCP(TCP_ESTABLISHED, .bytes_acked = 145), SAME_IDS)                  \
    S("hung application, or the host left after its ACK", RECEIVE, TIMEOUT, SILENCE,               \
      APPLICATION_HUNG, I, RECEIVING, DEADLINE, TCP(TCP_ESTABLISHED, .bytes_acked = 145),          \
      NEW_SILENT)                                                                                  \
    S("hung application, its window closed besides", RECEIVE, TIMEOUT, SILENCE, APPLICATION_HUNG,  \
      P, RECEIVING, DEADLINE,                                                                      \
      .tcp = {.state = TCP_ESTABLISHED, .has_snd_wnd = true, .bytes_acked = 145})                  \
    S("a server that should greet says nothing, its port is closed now", RECEIVE, TIMEOUT,         \
      SILENCE, PROCESS_GONE, I, HELD(RECEIVE), DEADLINE, TCP(TCP_ESTABLISHED, .bytes_acked = 1),   \
      NEW_REFUSED)                                                                                 \
    S("a server that should greet says nothing, new connections are taken", RECEIVE, TIMEOUT,      \
      SILENCE, APPLICATION_HUNG, I, HELD(RECEIVE), DEADLINE,                                       \
      TCP(TCP_ESTABLISHED, .bytes_acked = 1), NEW_CONNECTED)                                       \
    S("a server that should greet says nothing", RECEIVE, TIMEOUT, SILENCE, APPLICATION_HUNG, I,   \
      HELD(RECEIVE), DEADLINE, TCP(TCP_ESTABLISHED, .bytes_acked = 1), .duration_ns = 1 * SEC)     \
    S("a reply that came late, over a path with loss", RECEIVE, TIMEOUT, SILENCE, UNKNOWN, I,      \
      RECEIVING, DEADLINE, RETRANSMITTING(2), .answered_late = true)                               \
    S("peer does not read, the buffer is full", SEND, WOULD_BLOCK, SILENCE, PEER_NOT_READING, P,   \
      SENDING, DEADLINE, WINDOW_CLOSED(TCP_ESTABLISHED, 0), .send_incomplete = true,               \
      .stalled = true)                                                                             \
    S("peer does not read, one window probe is out", SEND, WOULD_BLOCK, SILENCE, PEER_NOT_READING, \
      P, SENDING, DEADLINE, WINDOW_CLOSED(TCP_ESTABLISHED, 1), .send_incomplete = true,            \
      .stalled = true, NEW_CONNECTED)                                                              \
    S("peer does not read, the request waits", RECEIVE, TIMEOUT, SILENCE, PEER_NOT_READING, P,     \
      RECEIVING, DEADLINE, WINDOW_CLOSED(TCP_ESTABLISHED, 1))                                      \
    S("peer does not read, TCP_USER_TIMEOUT ends it", SEND, TIMEOUT, SILENCE, PEER_NOT_READING, P, \
      SENDING, ERRNO(ETIMEDOUT), WINDOW_CLOSED(TCP_CLOSE, 1))                                      \
    S("send gave EAGAIN to the end", SEND, WOULD_BLOCK, SILENCE, PEER_NOT_READING, P, SENDING,     \
      ERRNO(EAGAIN), WINDOW_CLOSED(TCP_ESTABLISHED, 0), .send_incomplete = true)                   \
    S("a slow reader", SEND, WOULD_BLOCK, SILENCE, PEER_NOT_READING, I, SENDING, DEADLINE,         \
      TCP(TCP_ESTABLISHED, .bytes_acked = 900000, .unacked = 40), .outstanding = 2500000,          \
      .send_incomplete = true, .stalled = true)                                                    \
    S("peer did not read, its host may have left", SEND, WOULD_BLOCK, SILENCE, HOST_OR_PATH_LOST,  \
      I, SENDING, DEADLINE, WINDOW_CLOSED(TCP_ESTABLISHED, 1), .send_incomplete = true,            \
      NEW_SILENT)                                                                                  \
    S("peer did not read, a router gives up now", SEND, WOULD_BLOCK, SILENCE, ROUTER_UNREACHABLE,  \
      P, SENDING, DEADLINE, WINDOW_CLOSED(TCP_ESTABLISHED, 1), .send_incomplete = true,            \
      NEW_ICMP(1))                                                                                 \
    S("window probes unanswered, new connections work", SEND, WOULD_BLOCK, SILENCE, FLOW_DROPPED,  \
      I, SENDING, DEADLINE, WINDOW_CLOSED(TCP_ESTABLISHED, 3), .send_incomplete = true,            \
      NEW_CONNECTED)                                                                               \
    S("window closed while data in flight is lost", SEND, WOULD_BLOCK, SILENCE, HOST_OR_PATH_LOST, \
      I, SENDING, DEADLINE, .outstanding = 2500000, .send_incomplete = true, NEW_SILENT,           \
      .tcp = {.state = TCP_ESTABLISHED,                                                            \
              .has_snd_wnd = true,                                                                 \
              .retransmits = 3,                                                                    \
              .total_retrans = 3,                                                                  \
              .notsent_bytes = 9000})                                                              \
    S("window closed, the last segment not acknowledged", RECEIVE, TIMEOUT, SILENCE, UNKNOWN, I,   \
      RECEIVING, DEADLINE, .outstanding = 72,                                                      \
      .tcp = {.state = TCP_ESTABLISHED, .has_snd_wnd = true, .unacked = 1})                        \
    S("the send buffer is full, TCP_INFO not known", SEND, WOULD_BLOCK, SILENCE, UNKNOWN, I,       \
      SENDING, DEADLINE, .outstanding = 2500000, .send_incomplete = true, NEW_CONNECTED)           \
    S("the deadline passes when all is sent", SEND, TIMEOUT, SILENCE, FLOW_DROPPED, I, SENDING,    \
      DEADLINE, .outstanding = 2500000, NEW_CONNECTED)                                             \
    S("the buffer is full because the flow was dropped", SEND, WOULD_BLOCK, SILENCE, FLOW_DROPPED, \
      I, SENDING, DEADLINE,                                                                        \
      TCP(TCP_ESTABLISHED, .retransmits = 2, .total_retrans = 3, .unacked = 40),                   \
      .outstanding = 2500000, .send_incomplete = true, NEW_CONNECTED)                              \
    S("peer did not read, then its host left", SEND, TIMEOUT, SILENCE, HOST_OR_PATH_LOST, I,       \
      SENDING, ERRNO(ETIMEDOUT), WINDOW_CLOSED(TCP_CLOSE, 15), NEW_SILENT)                         \
    S("the buffer is full because the path is cut", SEND, WOULD_BLOCK, SILENCE, HOST_OR_PATH_LOST, \
      I, SENDING, DEADLINE,                                                                        \
      TCP(TCP_ESTABLISHED, .retransmits = 2, .total_retrans = 3, .unacked = 40),                   \
      .outstanding = 2500000, .send_incomplete = true, .stalled = true, NEW_SILENT)                \
    S("our firewall, link or route stops what is sent", RECEIVE, TIMEOUT, NONE, NEVER_LEFT_HOST,   \
      P, RECEIVING, DEADLINE, UNSENT, NEW_SILENT)                                                  \
    S("the same, before the probe timer fired", RECEIVE, TIMEOUT, NONE, NEVER_LEFT_HOST, P,        \
      RECEIVING, DEADLINE, NOT_ACKED, TCP(TCP_ESTABLISHED, .notsent_bytes = 72))                   \
    S("the same, the kernel gives up", RECEIVE, TIMEOUT, NONE, NEVER_LEFT_HOST, P, RECEIVING,      \
      ERRNO(ETIMEDOUT), UNSENT_DEAD)                                                               \
    S("the same, v6 without a route", RECEIVE, NET_UNREACHABLE, NONE, NEVER_LEFT_HOST, P,          \
      RECEIVING, ERRNO(ENETUNREACH), UNSENT_DEAD, NEW_FAILED(ENETUNREACH))                         \
    S("a window too small for the next segment", RECEIVE, TIMEOUT, SILENCE, UNKNOWN, I, RECEIVING, \
      DEADLINE, .outstanding = 72,                                                                 \
      .tcp = {.state = TCP_ESTABLISHED, .has_snd_wnd = true, .snd_wnd = 10, .notsent_bytes = 72})  \
    S("our firewall drops the retransmissions", RECEIVE, TIMEOUT, SILENCE, LOCAL_FIREWALL, I,      \
      RECEIVING, DEADLINE, RETRANSMITTING(3), .retrans_fail = true, NEW_SILENT)                    \
    S("route lost under data in flight", RECEIVE, NET_UNREACHABLE, NONE, NO_LOCAL_ROUTE, P,        \
      RECEIVING, ERRNO(ENETUNREACH), STUCK_DEAD(5, 0))                                             \
    S("blackhole route under data in flight", RECEIVE, OTHER, NONE, NO_LOCAL_ROUTE, P, RECEIVING,  \
      ERRNO(EINVAL), STUCK_DEAD(5, 0))                                                             \
    S("prohibit route under data in flight", RECEIVE, DENIED, NONE, NO_LOCAL_ROUTE, P, RECEIVING,  \
      ERRNO(EACCES), STUCK_DEAD(5, 0))                                                             \
    S("route lost, the deadline passes", RECEIVE, TIMEOUT, NONE, NO_LOCAL_ROUTE, P, RECEIVING,     \
      DEADLINE, STUCK(2, 0), NEW_FAILED(ENETUNREACH))                                              \
    S("route lost under an idle connection", IDLE, TIMEOUT, SILENCE, NO_LOCAL_ROUTE, P, IDLE,      \
      ERRNO(ETIMEDOUT), UNANSWERED(3), NEW_FAILED(EHOSTUNREACH))                                   \
    S("route lost under an idle connection, v6", IDLE, NET_UNREACHABLE, NONE, NO_LOCAL_ROUTE, P,   \
      IDLE, ERRNO(ENETUNREACH), UNANSWERED(2), NEW_FAILED(ENETUNREACH))                            \
    S("our ARP fails under data in flight", RECEIVE, HOST_UNREACHABLE, NONE,                       \
      NEIGHBOUR_UNREACHABLE, P, RECEIVING, ERRNO(EHOSTUNREACH), STUCK_DEAD(8, 3))                  \
    S("our ARP fails before anything left again", RECEIVE, HOST_UNREACHABLE, NONE,                 \
      NEIGHBOUR_UNREACHABLE, I, RECEIVING, ERRNO(EHOSTUNREACH), STUCK_DEAD(3, 0))                  \
    S("our ARP fails, the deadline passes", RECEIVE, TIMEOUT, NONE, NEIGHBOUR_UNREACHABLE, P,      \
      RECEIVING, DEADLINE, STUCK(2, 0), NEW_SILENT)                                                \
    S("our ARP or route fails, no new connection tried", RECEIVE, TIMEOUT, NONE,                   \
      NEIGHBOUR_UNREACHABLE, I, RECEIVING, DEADLINE, STUCK(2, 0))                                  \
    S("our ARP fails under an idle connection", IDLE, TIMEOUT, SILENCE, NEIGHBOUR_UNREACHABLE, P,  \
      IDLE, ERRNO(ETIMEDOUT), UNANSWERED(3), NEW_SILENT, .confirm_stuck = true)                    \
    S("our ARP fails, we say so to the new connection", IDLE, TIMEOUT, SILENCE,                    \
      NEIGHBOUR_UNREACHABLE, I, IDLE, ERRNO(ETIMEDOUT), UNANSWERED(3), NEW_FAILED(EHOSTUNREACH),   \
      .confirm_icmp = ICMP(3, 1, SELF, HERE))                                                      \
    S("ss -K here, idle", IDLE, ABORTED, NONE, KILLED_LOCALLY, P, IDLE, ERRNO(ECONNABORTED),       \
      QUIET)                                                                                       \
    S("ss -K here, a reply awaited", RECEIVE, ABORTED, NONE, KILLED_LOCALLY, P, RECEIVING,         \
      ERRNO(ECONNABORTED), QUIET)                                                                  \
    S("memory ends in an exchange", SEND, LOCAL_RESOURCE, NONE, LOCAL_LIMIT, P, SENDING,           \
      ERRNO(ENOBUFS))

#define SITUATIONS_PEER(S)                                                                         \
    S("unexpected reply", RECEIVE, BAD_REPLY, NONE, UNEXPECTED_REPLY, P, RECEIVING,                \
      .end = CH_END_MISMATCH, .reply = "-ERR no\r\n", .reply_len = 9)                              \
    S("closed, the port is closed now", IDLE, EOF, FIN, PROCESS_GONE, P, IDLE, FIN,                \
      TCP(TCP_CLOSE_WAIT, .bytes_acked = 145), NEW_REFUSED)                                        \
    S("closed where an answer was due, the port is closed now", RECEIVE, EOF, FIN, PROCESS_GONE,   \
      P, RECEIVING, FIN, TCP(TCP_CLOSE_WAIT, .bytes_acked = 145), NEW_REFUSED)                     \
    S("closed, new connections are taken", IDLE, EOF, FIN, CONNECTION_CLOSED, I, IDLE, FIN,        \
      TCP(TCP_CLOSE_WAIT, .bytes_acked = 145), NEW_CONNECTED)                                      \
    S("closed by the same service", IDLE, EOF, FIN, CONNECTION_CLOSED, P, IDLE, FIN, SAME_IDS)     \
    S("closed by a restart", IDLE, EOF, FIN, PEER_RESTARTED, P, IDLE, FIN, NEW_INSTANCE)           \
    S("closed by a reboot", IDLE, EOF, FIN, HOST_REBOOTED, P, IDLE, FIN, NEW_BOOT)                 \
    S("goodbye, then FIN", IDLE, EOF, FIN, PEER_SHUTDOWN, P, IDLE, FIN, .goodbye = true,           \
      NEW_REFUSED)                                                                                 \
    S("goodbye, then a new instance", IDLE, EOF, FIN, PEER_SHUTDOWN, P, IDLE, FIN,                 \
      .goodbye = true, NEW_INSTANCE)                                                               \
    S("closed, then silence", IDLE, EOF, FIN, HOST_OR_PATH_LOST, I, IDLE, FIN, NEW_SILENT)         \
    S("closed, then the router gives up", IDLE, EOF, FIN, HOST_OR_PATH_LOST, I, IDLE, FIN,         \
      NEW_ICMP(1))                                                                                 \
    S("closed, no new connection tried", IDLE, EOF, FIN, UNKNOWN, I, IDLE, FIN)                    \
    S("closed, the new connection failed for us", IDLE, EOF, FIN, UNKNOWN, I, IDLE, FIN,           \
      NEW_FAILED(EMFILE))                                                                          \
    S("RST after the FIN, the port is closed now", SEND, BROKEN_PIPE, RST, PROCESS_GONE, P,        \
      SENDING, ERRNO(EPIPE), NEW_REFUSED)                                                          \
    S("RST after the FIN, new connections are taken", SEND, BROKEN_PIPE, RST, CONNECTION_CLOSED,   \
      I, SENDING, ERRNO(EPIPE), .outstanding = 72, NEW_CONNECTED)                                  \
    S("RST after the FIN, a new instance", SEND, BROKEN_PIPE, RST, PEER_RESTARTED, P, SENDING,     \
      ERRNO(EPIPE), NEW_INSTANCE)                                                                  \
    S("killed with unread input", IDLE, RESET, RST, PROCESS_GONE, P, IDLE, ERRNO(ECONNRESET),      \
      QUIET, NEW_REFUSED)                                                                          \
    S("killed with our request unread", RECEIVE, RESET, RST, PROCESS_GONE, P, RECEIVING,           \
      ERRNO(ECONNRESET), QUIET, NEW_REFUSED)                                                       \
    S("aborted by the peer, or ss -K there", IDLE, RESET, RST, CONNECTION_ABORTED, P, IDLE,        \
      ERRNO(ECONNRESET), QUIET, NEW_CONNECTED)                                                     \
    S("aborted, the same service runs", IDLE, RESET, RST, CONNECTION_ABORTED, P, IDLE,             \
      ERRNO(ECONNRESET), QUIET, SAME_IDS)                                                          \
    S("aborted by a restart with unread input", IDLE, RESET, RST, PEER_RESTARTED, P, IDLE,         \
      ERRNO(ECONNRESET), QUIET, NEW_INSTANCE)                                                      \
    S("reset, then silence", IDLE, RESET, RST, HOST_OR_PATH_LOST, I, IDLE, ERRNO(ECONNRESET),      \
      QUIET, NEW_SILENT)                                                                           \
    S("reset, no new connection tried", IDLE, RESET, RST, UNKNOWN, I, IDLE, ERRNO(ECONNRESET),     \
      QUIET)                                                                                       \
    S("reset in answer to a request", RECEIVE, RESET, RST, STATE_LOST, I, RECEIVING,               \
      ERRNO(ECONNRESET), TCP(TCP_CLOSE, .bytes_acked = 73), NOT_ACKED, NEW_CONNECTED)              \
    S("reset in answer, no new connection tried", RECEIVE, RESET, RST, STATE_LOST, I, RECEIVING,   \
      ERRNO(ECONNRESET), TCP(TCP_CLOSE, .bytes_acked = 73), NOT_ACKED)                             \
    S("reset in answer to a keepalive probe", IDLE, RESET, RST, STATE_LOST, I, IDLE,               \
      ERRNO(ECONNRESET), UNANSWERED(1), NEW_CONNECTED)                                             \
    S("reset in answer to a retransmission", RECEIVE, RESET, RST, STATE_LOST, I, RECEIVING,        \
      ERRNO(ECONNRESET), RETRANSMITTED(2), NEW_CONNECTED)                                          \
    S("reset in answer, the port is closed now", RECEIVE, RESET, RST, PROCESS_GONE, P, RECEIVING,  \
      ERRNO(ECONNRESET), NOT_ACKED, NEW_REFUSED)                                                   \
    S("reset in answer, after a reboot", RECEIVE, RESET, RST, HOST_REBOOTED, P, RECEIVING,         \
      ERRNO(ECONNRESET), NOT_ACKED, NEW_BOOT)                                                      \
    S("reset in answer, after a restart", RECEIVE, RESET, RST, PEER_RESTARTED, P, RECEIVING,       \
      ERRNO(ECONNRESET), NOT_ACKED, NEW_INSTANCE)                                                  \
    S("reset in answer, by a middlebox", RECEIVE, RESET, RST, MIDDLEBOX_RESET, P, RECEIVING,       \
      ERRNO(ECONNRESET), NOT_ACKED, SAME_IDS)                                                      \
    S("goodbye, then a reset", IDLE, RESET, RST, PEER_SHUTDOWN, P, IDLE, ERRNO(ECONNRESET),        \
      .goodbye = true, NEW_REFUSED)

#define SITUATIONS_SILENCE(S)                                                                      \
    S("no reply, TCP_INFO not known", RECEIVE, TIMEOUT, SILENCE, UNKNOWN, I, RECEIVING, DEADLINE,  \
      NEW_CONNECTED)                                                                               \
    S("request not acknowledged, new connections are silent", RECEIVE, TIMEOUT, SILENCE,           \
      HOST_OR_PATH_LOST, I, RECEIVING, DEADLINE, RETRANSMITTING(2), NEW_SILENT)                    \
    S("request not acknowledged, new connections work", RECEIVE, TIMEOUT, SILENCE, FLOW_DROPPED,   \
      I, RECEIVING, DEADLINE, RETRANSMITTING(2), NEW_CONNECTED, .idle_ns = 905 * SEC)              \
    S("request not acknowledged, same ids on a new connection", RECEIVE, TIMEOUT, SILENCE,         \
      FLOW_DROPPED, P, RECEIVING, DEADLINE, RETRANSMITTING(2), SAME_IDS, .idle_ns = 905 * SEC)     \
    S("request not acknowledged, a new boot", RECEIVE, TIMEOUT, SILENCE, HOST_REBOOTED, P,         \
      RECEIVING, DEADLINE, RETRANSMITTING(2), NEW_BOOT)                                            \
    S("request not acknowledged, a new instance", RECEIVE, TIMEOUT, SILENCE, PEER_RESTARTED, P,    \
      RECEIVING, DEADLINE, RETRANSMITTING(2), NEW_INSTANCE)                                        \
    S("request not acknowledged, the port is closed now", RECEIVE, TIMEOUT, SILENCE, PROCESS_GONE, \
      I, RECEIVING, DEADLINE, RETRANSMITTING(2), NEW_REFUSED)                                      \
    S("request not acknowledged, a router gives up", RECEIVE, TIMEOUT, SILENCE,                    \
      ROUTER_UNREACHABLE, P, RECEIVING, DEADLINE, RETRANSMITTING(2), NEW_ICMP(1))                  \
    S("request not acknowledged, a firewall rejects", RECEIVE, TIMEOUT, SILENCE,                   \
      FIREWALL_REJECTED, P, RECEIVING, DEADLINE, RETRANSMITTING(2), NEW_ICMP(13))                  \
    S("request not acknowledged, no new connection tried", RECEIVE, TIMEOUT, SILENCE, UNKNOWN, I,  \
      RECEIVING, DEADLINE, RETRANSMITTING(2))                                                      \
    S("request not acknowledged, the new one failed for us", RECEIVE, TIMEOUT, SILENCE, UNKNOWN,   \
      I, RECEIVING, DEADLINE, RETRANSMITTING(2), NEW_FAILED(EMFILE))                               \
    S("RTO death", RECEIVE, TIMEOUT, SILENCE, HOST_OR_PATH_LOST, I, RECEIVING, ERRNO(ETIMEDOUT),   \
      RETRANSMITTED(15), NEW_SILENT)                                                               \
    S("RTO death, new connections work", RECEIVE, TIMEOUT, SILENCE, FLOW_DROPPED, I, RECEIVING,    \
      ERRNO(ETIMEDOUT), RETRANSMITTED(15), NEW_CONNECTED)                                          \
    S("keepalive death", IDLE, TIMEOUT, SILENCE, HOST_OR_PATH_LOST, I, IDLE, ERRNO(ETIMEDOUT),     \
      UNANSWERED(3), NEW_SILENT)                                                                   \
    S("keepalive death, new connections work", IDLE, TIMEOUT, SILENCE, FLOW_DROPPED, I, IDLE,      \
      ERRNO(ETIMEDOUT), UNANSWERED(3), NEW_CONNECTED)                                              \
    S("keepalive death, the port is closed now", IDLE, TIMEOUT, SILENCE, PROCESS_GONE, I, IDLE,    \
      ERRNO(ETIMEDOUT), UNANSWERED(3), NEW_REFUSED)                                                \
    S("keepalive death, a router gives up", IDLE, TIMEOUT, SILENCE, ROUTER_UNREACHABLE, P, IDLE,   \
      ERRNO(ETIMEDOUT), UNANSWERED(3), NEW_ICMP(1))                                                \
    S("keepalive death, no new connection tried", IDLE, TIMEOUT, SILENCE, UNKNOWN, I, IDLE,        \
      ERRNO(ETIMEDOUT), UNANSWERED(3))                                                             \
    S("host unreachable at the end, a router named", RECEIVE, HOST_UNREACHABLE, ICMP,              \
      ROUTER_UNREACHABLE, P, RECEIVING, ERRNO(EHOSTUNREACH), RETRANSMITTED(17), NEW_ICMP(1))       \
    S("host unreachable at the end, nobody named", RECEIVE, HOST_UNREACHABLE, ICMP,                \
      ROUTER_UNREACHABLE, I, RECEIVING, ERRNO(EHOSTUNREACH), RETRANSMITTED(17), NEW_SILENT)        \
    S("host unreachable at the end, the path healed since", RECEIVE, HOST_UNREACHABLE, ICMP,       \
      ROUTER_UNREACHABLE, I, RECEIVING, ERRNO(EHOSTUNREACH), RETRANSMITTED(17), NEW_CONNECTED)     \
    S("net unreachable at the end", RECEIVE, NET_UNREACHABLE, ICMP, ROUTER_UNREACHABLE, P,         \
      RECEIVING, ERRNO(ENETUNREACH), RETRANSMITTED(17), NEW_ICMP(0))                               \
    S("prohibited at the end, a firewall named", RECEIVE, HOST_UNREACHABLE, ICMP,                  \
      FIREWALL_REJECTED, P, RECEIVING, ERRNO(EHOSTUNREACH), RETRANSMITTED(15), NEW_ICMP(13))       \
    S("port unreachable at the end", RECEIVE, REFUSED, ICMP, FIREWALL_REJECTED, I, RECEIVING,      \
      ERRNO(ECONNREFUSED), RETRANSMITTED(15))                                                      \
    S("v6 prohibited at the end", RECEIVE, DENIED, ICMP, FIREWALL_REJECTED, I, RECEIVING,          \
      ERRNO(EACCES), RETRANSMITTED(15), NEW_SILENT)                                                \
    S("an ICMP error left over from the SYN", RECEIVE, TIMEOUT, SILENCE, HOST_OR_PATH_LOST, I,     \
      RECEIVING, DEADLINE, RETRANSMITTING(2), NEW_SILENT, BY_ROUTER(13))

#define SITUATIONS_UDP(S)                                                                          \
    S("UDP closed port", RECEIVE, REFUSED, ICMP, PORT_CLOSED, P, DATAGRAM(RECEIVE),                \
      ERRNO(ECONNREFUSED), BY_TARGET(3))                                                           \
    S("UDP closed port, the sender not known", SEND, REFUSED, ICMP, PORT_CLOSED, I,                \
      DATAGRAM(SEND), ERRNO(ECONNREFUSED), AT_ONCE)                                                \
    S("UDP closed port, the target is this host", RECEIVE, REFUSED, ICMP, PORT_CLOSED, P,          \
      DATAGRAM(RECEIVE), ERRNO(ECONNREFUSED), .icmp = ICMP(3, 3, SELF, V4(10, 0, 2, 7, 0)))        \
    S("UDP an earlier datagram's ICMP fails the send", SEND, HOST_UNREACHABLE, ICMP,               \
      ROUTER_UNREACHABLE, P, DATAGRAM(SEND), ERRNO(EHOSTUNREACH), AT_ONCE, BY_ROUTER(1))           \
    S("UDP port unreachable by a router", RECEIVE, REFUSED, ICMP, FIREWALL_REJECTED, P,            \
      DATAGRAM(RECEIVE), ERRNO(ECONNREFUSED), BY_ROUTER(3))                                        \
    S("UDP host unreachable", RECEIVE, HOST_UNREACHABLE, ICMP, ROUTER_UNREACHABLE, P,              \
      DATAGRAM(RECEIVE), ERRNO(EHOSTUNREACH), BY_ROUTER(1))                                        \
    S("UDP net unreachable", RECEIVE, NET_UNREACHABLE, ICMP, ROUTER_UNREACHABLE, P,                \
      DATAGRAM(RECEIVE), ERRNO(ENETUNREACH), BY_ROUTER(0))                                         \
    S("UDP prohibited", RECEIVE, HOST_UNREACHABLE, ICMP, FIREWALL_REJECTED, P, DATAGRAM(RECEIVE),  \
      ERRNO(EHOSTUNREACH), BY_ROUTER(13))                                                          \
    S("UDP protocol unreachable", RECEIVE, OTHER, ICMP, FIREWALL_REJECTED, P, DATAGRAM(RECEIVE),   \
      ERRNO(ENOPROTOOPT), BY_TARGET(2))                                                            \
    S("UDP our ARP fails", RECEIVE, HOST_UNREACHABLE, NONE, NEIGHBOUR_UNREACHABLE, I,              \
      DATAGRAM(RECEIVE), ERRNO(EHOSTUNREACH), BY_US(1))                                            \
    S("UDP our firewall rejects", RECEIVE, REFUSED, NONE, FIREWALL_REJECTED, P, DATAGRAM(RECEIVE), \
      ERRNO(ECONNREFUSED), BY_US(3))                                                               \
    S("UDP our firewall drops", SEND, DENIED, NONE, LOCAL_FIREWALL, P, DATAGRAM(SEND),             \
      ERRNO(EPERM), AT_ONCE)                                                                       \
    S("UDP no reply", RECEIVE, TIMEOUT, SILENCE, NO_ANSWER, I, DATAGRAM(RECEIVE), DEADLINE)        \
    S("UDP no route", SEND, NET_UNREACHABLE, NONE, NO_LOCAL_ROUTE, P, DATAGRAM(SEND),              \
      ERRNO(ENETUNREACH), AT_ONCE)                                                                 \
    S("UDP prohibit route or broadcast", SEND, DENIED, NONE, NO_LOCAL_ROUTE, I, DATAGRAM(SEND),    \
      ERRNO(EACCES), AT_ONCE)                                                                      \
    S("UDP local queue full", RECEIVE, LOCAL_RESOURCE, NONE, LOCAL_LIMIT, P, DATAGRAM(RECEIVE),    \
      ERRNO(ENOBUFS))                                                                              \
    S("UDP datagram too long", SEND, OTHER, NONE, UNKNOWN, I, DATAGRAM(SEND), ERRNO(EMSGSIZE),     \
      AT_ONCE)                                                                                     \
    S("UDP send buffer stays full", SEND, WOULD_BLOCK, NONE, NEVER_LEFT_HOST, P, DATAGRAM(SEND),   \
      DEADLINE, .send_incomplete = true, .stalled = true)                                          \
    S("UDP unexpected reply", RECEIVE, BAD_REPLY, NONE, UNEXPECTED_REPLY, P, DATAGRAM(RECEIVE),    \
      .end = CH_END_MISMATCH, .reply = "?", .reply_len = 1)                                        \
    S("UDP ss -K here", RECEIVE, ABORTED, NONE, KILLED_LOCALLY, P, DATAGRAM(RECEIVE),              \
      ERRNO(ECONNABORTED))

#define CLIENT            V4(10, 0, 3, 9, 40123)
#define AS_SERVER(phase_) .server_side = true, .phase = CH_PHASE_##phase_, .peer = CLIENT

#define SITUATIONS_SERVER(S)                                                                       \
    S("RST before accept", ACCEPT, ABORTED, RST, ABORTED_BEFORE_ACCEPT, P, AS_SERVER(ACCEPT),      \
      ERRNO(ECONNRESET))                                                                           \
    S("accept says ECONNABORTED", ACCEPT, ABORTED, RST, ABORTED_BEFORE_ACCEPT, P,                  \
      AS_SERVER(ACCEPT), ERRNO(ECONNABORTED))                                                      \
    S("dead at accept, the errno already taken", ACCEPT, ABORTED, RST, ABORTED_BEFORE_ACCEPT, P,   \
      AS_SERVER(ACCEPT), FIN)                                                                      \
    S("timed out before accept", ACCEPT, ABORTED, SILENCE, ABORTED_BEFORE_ACCEPT, P,               \
      AS_SERVER(ACCEPT), ERRNO(ETIMEDOUT))                                                         \
    S("no descriptor for accept", ACCEPT, LOCAL_RESOURCE, NONE, LOCAL_LIMIT, P, AS_SERVER(ACCEPT), \
      ERRNO(EMFILE), AT_ONCE)                                                                      \
    S("accept forbidden", ACCEPT, DENIED, NONE, LOCAL_FIREWALL, I, AS_SERVER(ACCEPT),              \
      ERRNO(EPERM), AT_ONCE)                                                                       \
    S("a client ends in a request", RECEIVE, EOF, FIN, UNKNOWN, I, AS_SERVER(RECEIVE),             \
      .established = true, FIN)                                                                    \
    S("a client resets, our reply unread", SEND, RESET, RST, STATE_LOST, I, AS_SERVER(SEND),       \
      .established = true, ERRNO(ECONNRESET), NOT_ACKED)                                           \
    S("a client is silent", SEND, TIMEOUT, SILENCE, UNKNOWN, I, AS_SERVER(SEND),                   \
      .established = true, ERRNO(ETIMEDOUT), RETRANSMITTED(15))

/* clang-format on */

#define SITUATIONS(S)                                                                              \
    SITUATIONS_RESOLVE(S)                                                                          \
    SITUATIONS_CONNECT(S)                                                                          \
    SITUATIONS_LOCAL(S)                                                                            \
    SITUATIONS_PEER(S)                                                                             \
    SITUATIONS_SILENCE(S)                                                                          \
    SITUATIONS_UDP(S)                                                                              \
    SITUATIONS_SERVER(S)

struct situation {
    const char *name;
    struct ch_outcome expected; /* but for success and rule */
    struct ch_evidence evidence;
};

#define SITUATION(name_, phase_, category_, wire_, cause_, certain_, ...)                          \
    {.name = (name_),                                                                              \
     .expected = {.phase = CH_PHASE_##phase_,                                                      \
                  .category = CH_CATEGORY_##category_,                                             \
                  .wire = CH_WIRE_##wire_,                                                         \
                  .cause = CH_CAUSE_##cause_,                                                      \
                  .certain = (certain_)},                                                          \
     .evidence = {__VA_ARGS__}},

static const struct situation situations[] = {SITUATIONS(SITUATION)};

#define SITUATION_COUNT (sizeof(situations) / sizeof(*situations))

#endif
