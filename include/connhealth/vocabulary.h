/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words connhealth uses for what happened to a connection: one table for
 * each enumeration. Labels, JSON, HELP texts, `connhealthctl explain`,
 * /api/v1/categories and the man page all read these rows; nobody writes a
 * slug by hand anywhere else.
 *
 * Adding a category is one row here and, if it has an errno of its own, one
 * row in probes/diagnosis/errnos.c. Adding a cause is one row here and at
 * least one rule in probes/diagnosis/rules.c.
 *
 * Everything here is constant data: any thread, no ownership.
 */
#ifndef CONNHEALTH_VOCABULARY_H
#define CONNHEALTH_VOCABULARY_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

/* X(ENUM, slug, errno or 0, what happened, what to look at) */
#define CH_CATEGORIES(X)                                                                           \
    X(REFUSED, "refused", ECONNREFUSED,                                                            \
      "an RST answered the SYN, or for UDP an ICMP port unreachable came back",                    \
      "see whether the service listens on that address and port (ss -ltn), and whether a "         \
      "firewall rejects")                                                                          \
    X(RESET, "reset", ECONNRESET, "the peer reset an established connection",                      \
      "look for a crash, a restart or a reboot of the peer, and for middleboxes that reset idle "  \
      "flows")                                                                                     \
    X(ABORTED, "aborted", ECONNABORTED,                                                            \
      "a connection was aborted before it was accepted, or the local stack aborted it",            \
      "clients that give up early, a slow accept loop, or ss -K on this host")                     \
    X(TIMEOUT, "timeout", ETIMEDOUT,                                                               \
      "no answer to the SYN, to retransmitted data, to keepalive probes, or before the probe's "   \
      "own deadline",                                                                              \
      "see the cause: a dead host, a path or a firewall that drops, or a service that hangs")      \
    X(BROKEN_PIPE, "broken_pipe", EPIPE,                                                           \
      "written to a connection that the peer had already closed and reset",                        \
      "the peer ends connections while they are in use: look for restarts and idle timeouts")      \
    X(HOST_UNREACHABLE, "host_unreachable", EHOSTUNREACH,                                          \
      "a router or the local link says that the host cannot be reached",                           \
      "the ICMP's sender says who gave up: a router, the peer's firewall, or our own link")        \
    X(NET_UNREACHABLE, "net_unreachable", ENETUNREACH,                                             \
      "a router or the local routing table says that the network cannot be reached",               \
      "look at ip route get ADDRESS here, and at the routes of the router that said so")           \
    X(WOULD_BLOCK, "would_block", EAGAIN,                                                          \
      "the send buffer stayed full until the deadline: the peer is not reading",                   \
      "look at the peer's receive queue (ss -tn) and at what its process is doing")                \
    X(EOF, "eof", 0,                                                                               \
      "the server terminated prematurely: FIN where an answer was due or a connection should "     \
      "have stayed open",                                                                          \
      "look for restarts, idle timeouts and connection limits of the service")                     \
    X(BAD_REPLY, "bad_reply", 0, "an answer came, and it was not the expected one",                \
      "compare the reply in the evidence with what the configuration expects")                     \
    X(NAME_RESOLUTION, "name_resolution", 0, "the name did not resolve",                           \
      "look at the resolvers in /etc/resolv.conf and at the zone")                                 \
    X(DENIED, "denied", EACCES, "the local system (firewall, sandbox) forbade it",                 \
      "look at this host's output firewall, its prohibit routes, and the unit's sandbox")          \
    X(LOCAL_RESOURCE, "local_resource", EMFILE,                                                    \
      "this host ran out of something (descriptors, ports, buffers, memory)",                      \
      "not the target's fault: raise LimitNOFILE=, the port range or memory on this host")         \
    X(OTHER, "other", 0, "any other error", "the errno is in the JSON and in the log")

enum ch_category {
    CH_CATEGORY_NONE = 0, /* the attempt succeeded */
#define X(id, slug, error, meaning, advice) CH_CATEGORY_##id,
    CH_CATEGORIES(X)
#undef X
        CH_CATEGORY_COUNT
};

/* X(ENUM, slug, meaning) */
#define CH_PHASES(X)                                                                               \
    X(RESOLVE, "resolve", "while the name was looked up")                                          \
    X(CONNECT, "connect", "while the connection was being made")                                   \
    X(SEND, "send", "while a request was being sent")                                              \
    X(RECEIVE, "receive", "while an answer was awaited")                                           \
    X(IDLE, "idle", "while the connection was held without traffic of ours")                       \
    X(ACCEPT, "accept", "while a connection was being accepted")

enum ch_phase {
    CH_PHASE_NONE = 0,
#define X(id, slug, meaning) CH_PHASE_##id,
    CH_PHASES(X)
#undef X
        CH_PHASE_COUNT
};

/* X(ENUM, slug, meaning) */
#define CH_WIRES(X)                                                                                \
    X(NONE, "none", "it never reached the wire")                                                   \
    X(RST, "rst", "a TCP reset")                                                                   \
    X(FIN, "fin", "the peer's orderly end")                                                        \
    X(ICMP, "icmp", "an ICMP error")                                                               \
    X(SILENCE, "silence", "nothing came back")

enum ch_wire {
#define X(id, slug, meaning) CH_WIRE_##id,
    CH_WIRES(X)
#undef X
        CH_WIRE_COUNT
};

/* X(ENUM, slug, what it says) - proof or inference is decided by the rule that
 * found the cause, because the same cause may rest on either. */
#define CH_CAUSES(X)                                                                               \
    X(UNKNOWN, "unknown", "none of the known causes; the evidence is kept")                        \
    X(PORT_CLOSED, "port_closed", "something at that address answered that nothing listens there") \
    X(FIREWALL_REJECTED, "firewall_rejected",                                                      \
      "an ICMP prohibition, or a port-unreachable in answer to a SYN")                             \
    X(ROUTER_UNREACHABLE, "router_unreachable",                                                    \
      "a router says that the host or the network cannot be reached")                              \
    X(NEIGHBOUR_UNREACHABLE, "neighbour_unreachable",                                              \
      "our own link: the neighbour or gateway does not answer ARP or ND")                          \
    X(NO_LOCAL_ROUTE, "no_local_route", "this host's routing table refuses")                       \
    X(LOCAL_FIREWALL, "local_firewall", "this host's own firewall drops what we send")             \
    X(NEVER_LEFT_HOST, "never_left_host",                                                          \
      "data queued and the window open, yet nothing was ever transmitted")                         \
    X(NO_ANSWER, "no_answer",                                                                      \
      "silence to a SYN or a datagram: host down, filtered, or accept queue full")                 \
    X(APPLICATION_HUNG, "application_hung",                                                        \
      "the peer's kernel acknowledged the request, its application did not answer")                \
    X(PEER_NOT_READING, "peer_not_reading",                                                        \
      "the peer's window is closed and it still acknowledges probes")                              \
    X(PROCESS_GONE, "process_gone",                                                                \
      "the connection ended and the port is closed now, while the host answers")                   \
    X(CONNECTION_CLOSED, "connection_closed",                                                      \
      "the peer closed this connection and takes new ones")                                        \
    X(CONNECTION_ABORTED, "connection_aborted",                                                    \
      "a reset with nothing of ours outstanding, while new connections are taken")                 \
    X(STATE_LOST, "state_lost",                                                                    \
      "a reset in answer to our segment: the peer no longer knew the connection")                  \
    X(PEER_RESTARTED, "peer_restarted", "the same boot, a new instance of the service")            \
    X(HOST_REBOOTED, "host_rebooted", "the peer's host has booted anew")                           \
    X(MIDDLEBOX_RESET, "middlebox_reset",                                                          \
      "a reset, yet the same service on the same boot still runs")                                 \
    X(PEER_SHUTDOWN, "peer_shutdown", "the peer said goodbye before it closed")                    \
    X(FLOW_DROPPED, "flow_dropped",                                                                \
      "silence on this connection while a new one works at once: a middlebox forgot the flow")     \
    X(HOST_OR_PATH_LOST, "host_or_path_lost", "silence on the connection and on a new one")        \
    X(KILLED_LOCALLY, "killed_locally", "something on this host destroyed the socket")             \
    X(ABORTED_BEFORE_ACCEPT, "aborted_before_accept", "the responder was handed a dead socket")    \
    X(UNEXPECTED_REPLY, "unexpected_reply", "the reply did not match")                             \
    X(NAME_NOT_FOUND, "name_not_found", "the name does not exist, or has no address")              \
    X(RESOLVER_FAILED, "resolver_failed", "the resolver failed, refused or did not answer")        \
    X(LOCAL_LIMIT, "local_limit", "a limit of this host: descriptors, ports or memory")

enum ch_cause {
    CH_CAUSE_NONE = 0, /* the attempt succeeded */
#define X(id, slug, meaning) CH_CAUSE_##id,
    CH_CAUSES(X)
#undef X
        CH_CAUSE_COUNT
};

/* X(ENUM, slug, persistent, meaning) */
#define CH_PROBE_KINDS(X)                                                                          \
    X(CONNECT, "connect", false, "one TCP connect an attempt")                                     \
    X(HEARTBEAT, "heartbeat", true, "one exchange an attempt on a held connection")                \
    X(KEEPALIVE, "keepalive", true, "a held idle connection, judged by the kernel's keepalive")

enum ch_probe_kind {
#define X(id, slug, persistent, meaning) CH_PROBE_##id,
    CH_PROBE_KINDS(X)
#undef X
        CH_PROBE_KIND_COUNT
};

enum ch_transport { CH_TRANSPORT_TCP, CH_TRANSPORT_UDP };

/* One row of a table above, for those who print it. Strings are static. */
struct ch_category_row {
    const char *slug;
    int error;              /* the errno it stands for, 0 if none */
    const char *error_name; /* "ECONNREFUSED", NULL if none */
    const char *meaning;
    const char *advice;
};

struct ch_word {
    const char *slug;
    const char *meaning;
};

/* Each takes any value: one outside the enumeration gives the row of "none" or
 * "unknown" with slug "". */
const struct ch_category_row *ch_category_row(enum ch_category category);
const struct ch_word *ch_phase_word(enum ch_phase phase);
const struct ch_word *ch_wire_word(enum ch_wire wire);
const struct ch_word *ch_cause_word(enum ch_cause cause);
const struct ch_word *ch_probe_kind_word(enum ch_probe_kind kind);
const char *ch_transport_slug(enum ch_transport transport);

/* Slug to enumerator; false if there is none such. */
bool ch_category_from_slug(const char *slug, enum ch_category *ret_category);
bool ch_probe_kind_from_slug(const char *slug, enum ch_probe_kind *ret_kind);

/* The category of an errno by the errno table alone (EAGAIN is would_block,
 * EMFILE local_resource, an errno without a row other). */
enum ch_category ch_category_of_errno(int error);

/* "ECONNRESET" for 104; "E104"-like text is never made up: NULL if unknown. */
const char *ch_errno_name(int error);

#endif
