/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of sock_diag(7): requests, and the decoding of dumps and destroy
 * notifications. Pure: no socket, no clock, nothing allocated. Rows point into
 * the datagram they were decoded from and live as long as it does.
 *
 * Every length is checked; attributes of any length are accepted. Older kernels
 * give a shorter struct tcp_info: what they lack reads as 0. Newer ones give a
 * longer one: what is not known here is not looked at.
 */
#ifndef CH_SOCKETS_DIAG_H
#define CH_SOCKETS_DIAG_H

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "connhealth/address.h"
#include "connhealth/sockets_words.h"

/* The kernel fills at most 32 KiB of one dump datagram, and only if the reader
 * has shown a buffer of that size (net/netlink/af_netlink.c, netlink_dump). */
#define CH_DIAG_BUFFER_BYTES 32768
/* No datagram of that size holds more rows. */
#define CH_DIAG_ROWS_MAX                                                                           \
    (CH_DIAG_BUFFER_BYTES / (sizeof(struct nlmsghdr) + sizeof(struct inet_diag_msg)))

/* Bits of a request, by the kernel's numbers. Sockets that are bound and neither
 * connected nor listening are asked for apart (Linux 6.8, TCP_BOUND_INACTIVE;
 * older kernels give none): for them the kernel walks the owners of every bound
 * port with softirqs off, all connections of a listener among them
 * (inet_diag_dump_icsk), which with very many would hold up the network. */
#define CH_DIAG_STATES         0x1FFEU
#define CH_DIAG_BOUND_INACTIVE (1U << 13)
#define CH_BOUND_ASKED_MAX     8192 /* TCP sockets, up to which they are asked for */

struct ch_diag_request {
    struct nlmsghdr header;
    struct inet_diag_req_v2 body;
};

/* A dump of one family and protocol. states: bits by the kernel's state number. */
void ch_diag_request(struct ch_diag_request *ret, uint8_t family, uint8_t protocol, uint32_t states,
                     uint32_t sequence);

struct ch_diag_row {
    const struct inet_diag_msg *msg;
    const uint8_t *info;  /* struct tcp_info, as long as the kernel made it; may be NULL */
    const uint8_t *skmem; /* SK_MEMINFO_* words; may be NULL */
    uint64_t cookie;
    uint64_t cgroup; /* 0: the kernel gave none */
    uint16_t info_len;
    uint16_t skmem_len;
};

struct ch_diag_result {
    size_t rows;
    uint32_t malformed;
    int error; /* of NLMSG_ERROR or NLMSG_DONE: 0 or a negative errno */
    bool done;
    bool interrupted; /* NLM_F_DUMP_INTR: the kernel's tables changed under the dump */
};

/* Decodes one datagram into at most max rows; more of them count as malformed.
 * Messages of another sequence are skipped (destroy notifications have 0).
 * bytes is aligned to 4, as netlink messages are. */
void ch_diag_decode(const void *bytes, size_t len, uint32_t sequence, struct ch_diag_row *rows,
                    size_t max, struct ch_diag_result *ret);

/* A field of tcp_info; 0 where the kernel's is too short to have it. */
#define CH_DIAG_INFO(row, field)                                                                   \
    ((__typeof__(((struct tcp_info *)0)->field))ch_diag_field(                                     \
        (row)->info, (row)->info_len, offsetof(struct tcp_info, field),                            \
        sizeof(((struct tcp_info *)0)->field)))
#define CH_DIAG_HAS(row, field)                                                                    \
    ((row)->info_len >= offsetof(struct tcp_info, field) + sizeof(((struct tcp_info *)0)->field))

static inline uint64_t ch_diag_field(const uint8_t *bytes, size_t len, size_t offset, size_t size)
{
    if (offset + size > len)
        return 0;
    switch (size) {
    case 1:
        return bytes[offset];
    case 4: {
        uint32_t value;
        memcpy(&value, bytes + offset, sizeof(value));
        return value;
    }
    default: {
        uint64_t value;
        memcpy(&value, bytes + offset, sizeof(value));
        return value;
    }
    }
}

/* One of SK_MEMINFO_*; 0 where the kernel gave none. */
static inline uint32_t ch_diag_skmem(const struct ch_diag_row *row, unsigned which)
{
    return (uint32_t)ch_diag_field(row->skmem, row->skmem_len, which * sizeof(uint32_t),
                                   sizeof(uint32_t));
}

/* IPv4 for v4-mapped addresses, as ss(8) counts them. */
uint16_t ch_diag_family(const struct inet_diag_msg *msg);
struct ch_addr ch_diag_local(const struct inet_diag_msg *msg);
struct ch_addr ch_diag_remote(const struct inet_diag_msg *msg);

/* False for a number that is no state of that protocol. */
bool ch_diag_state(uint8_t protocol, uint8_t kernel_state, enum ch_socket_state *ret);

#endif
