/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one attempt saw: everything the diagnosis may rest on, and nothing that
 * it would have to ask for. A probe fills one, ch_classify() reads it, the
 * record keeps a copy.
 *
 * A plain value without pointers: copy it freely, on any thread. Zero means
 * "not seen" for every field.
 */
#ifndef CONNHEALTH_EVIDENCE_H
#define CONNHEALTH_EVIDENCE_H

#include "connhealth/address.h"
#include "connhealth/vocabulary.h"

/* How the attempt came to its end, as the probe saw it. */
enum ch_end {
    CH_END_OK = 0,   /* what was due came */
    CH_END_ERRNO,    /* a system call or SO_ERROR said so: see error */
    CH_END_EOF,      /* read returned 0 (the first reader: no errno was lost) */
    CH_END_DEADLINE, /* the probe's own deadline passed */
    CH_END_MISMATCH, /* a reply came and was not the expected one */
    CH_END_NAME,     /* the name did not resolve: see dns */
};

/* What the resolver said. */
enum ch_dns {
    CH_DNS_NONE = 0,   /* no lookup was needed, or it succeeded */
    CH_DNS_NOT_FOUND,  /* NXDOMAIN */
    CH_DNS_NO_ADDRESS, /* the name exists and has no address (NODATA) */
    CH_DNS_SERVFAIL,
    CH_DNS_TIMEOUT,
    CH_DNS_REFUSED, /* the resolver refused, or nothing listens there */
    CH_DNS_OTHER,
};

/* Who sent an ICMP error, seen from this host. */
enum ch_offender {
    CH_OFFENDER_NONE = 0,
    CH_OFFENDER_SELF,        /* our own address: our link or our firewall */
    CH_OFFENDER_DESTINATION, /* the target itself: it is up */
    CH_OFFENDER_ROUTER,      /* anybody else */
};

/* From the error queue (ip(7), IP_RECVERR: struct sock_extended_err). */
struct ch_icmp {
    uint8_t version; /* 4: ICMP, 6: ICMPv6, 0: none came */
    uint8_t type;
    uint8_t code;
    uint8_t sender; /* enum ch_offender */
    struct ch_addr offender;
};

/* The parts of struct tcp_info (linux/tcp.h) that the diagnosis reads, under
 * the kernel's names. Times are microseconds, sizes bytes, others segments.
 * Older kernels fill less: what is missing is 0. */
struct ch_tcp_facts {
    uint8_t state; /* TCP_ESTABLISHED …, as in netinet/tcp.h; 0: not read */
    uint8_t ca_state;
    uint8_t retransmits;
    uint8_t probes;
    uint8_t backoff;
    uint32_t rto_us;
    uint32_t unacked;
    uint32_t lost;
    uint32_t last_data_sent_ms; /* since boot when it never happened */
    uint32_t last_data_recv_ms;
    uint32_t last_ack_recv_ms;
    uint32_t rtt_us;
    uint32_t rttvar_us;
    uint32_t retrans; /* retransmitted segments that are out: 0 if the local stack refused them */
    uint32_t total_retrans;
    uint64_t bytes_acked; /* counts SYN and FIN, one each */
    uint64_t bytes_received;
    uint64_t bytes_sent; /* with retransmissions */
    uint64_t bytes_retrans;
    uint32_t segs_out;
    uint32_t segs_in;
    uint32_t notsent_bytes;
    uint32_t snd_wnd;   /* Linux 5.4; 0 also where the kernel lacks it: has_snd_wnd tells */
    uint32_t total_rto; /* Linux 6.7 */
    bool has_snd_wnd;
};

/* The fresh connect made right after an established connection broke or an
 * answer stayed out. */
enum ch_confirm {
    CH_CONFIRM_NONE = 0,    /* none was made (switched off, or out of budget) */
    CH_CONFIRM_CONNECTED,   /* a new connection was made at once */
    CH_CONFIRM_REFUSED,     /* refused by an RST */
    CH_CONFIRM_SILENT,      /* no answer in the time it had */
    CH_CONFIRM_UNREACHABLE, /* an ICMP error came back: confirm_icmp, confirm_error */
    CH_CONFIRM_FAILED,      /* it failed on this host (ports, descriptors, routes) */
};

/* The native heartbeat's ids before the break and on the confirming
 * connection, compared. */
enum ch_identity {
    CH_IDENTITY_UNKNOWN = 0,  /* not native, or no answer */
    CH_IDENTITY_SAME,         /* same boot id, same instance id */
    CH_IDENTITY_NEW_INSTANCE, /* same boot id, other instance id */
    CH_IDENTITY_NEW_BOOT,     /* other boot id */
};

/* As much of an unexpected reply as is kept to be shown; raw bytes. */
#define CH_REPLY_SHOWN 48

struct ch_evidence {
    uint8_t transport; /* enum ch_transport */
    uint8_t kind;      /* enum ch_probe_kind */
    uint8_t phase;     /* enum ch_phase: where it was when it ended */
    uint8_t end;       /* enum ch_end */
    uint8_t dns;       /* enum ch_dns */
    uint8_t confirm;   /* enum ch_confirm */
    uint8_t identity;  /* enum ch_identity */

    bool established;     /* the connection had been made before this ended */
    bool synchronous;     /* the errno came from the call itself, before any packet */
    bool goodbye;         /* a native goodbye frame came first */
    bool server_side;     /* seen by the responder, as the peer of a client */
    bool stalled;         /* the send buffer was full at least once in this attempt */
    bool send_incomplete; /* part of the request never entered the send buffer */
    bool request_sent;    /* in this exchange a request is (still) out */
    bool retrans_fail;    /* TCPRetransFail moved on this host meanwhile: our own
                             firewall may be refusing transmissions */
    bool dns_stale;       /* a cached address was used because the resolver failed */
    bool answered_late;   /* the reply came after the deadline; tcp is as it was at the deadline */
    bool confirm_stuck;   /* the confirming SYN waited in this host when it was due to be
                             repeated (its tcp_info: retransmits > total_retrans) */

    int32_t error;      /* errno; 0 if none */
    int32_t soft_error; /* last errno seen while the connection lived on: a hint only */
    uint32_t soft_errors;

    struct ch_addr local; /* AF_UNSPEC if none was bound */
    struct ch_addr peer;  /* the address this attempt spoke to */
    uint16_t addresses_tried;

    struct ch_icmp icmp;
    struct ch_icmp confirm_icmp;
    int32_t confirm_error;

    struct ch_tcp_facts tcp;   /* read after SO_ERROR, before close */
    uint32_t outstanding;      /* SIOCOUTQ: bytes never acknowledged; valid on a dead socket */
    uint32_t request_bytes;    /* length of the request that is out */
    uint64_t request_acked_at; /* bytes_acked that would cover the whole request; 0 if none */

    int64_t duration_ns; /* of the attempt: SYN to established, send to full reply */
    int64_t silent_ns;   /* since the last segment received from the peer */
    int64_t idle_ns;     /* how long the connection had been idle before this exchange */
    int64_t age_ns;      /* of the connection, 0 if never established */

    uint8_t reply_len; /* bytes in reply, for CH_END_MISMATCH */
    uint8_t reply[CH_REPLY_SHOWN];
};

#endif
