/* SPDX-License-Identifier: Apache-2.0 */
/* Messages as the kernel's inet_diag makes them, by hand. */
#ifndef CH_TEST_SOCKETS_FIXTURE_H
#define CH_TEST_SOCKETS_FIXTURE_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "sockets/diag.h"

struct datagram {
    _Alignas(8) uint8_t bytes[CH_DIAG_BUFFER_BYTES];
    size_t len;
};

/* The kernel's numbers are one above those of enum ch_socket_state. */
static inline uint8_t kernel_state(enum ch_socket_state state)
{
    return (uint8_t)(state + 1);
}

struct made_row {
    uint8_t family; /* 0: AF_INET */
    enum ch_socket_state state;
    uint8_t timer, retrans;
    uint64_t cookie, cgroup;    /* cgroup 0: no attribute */
    const char *local, *remote; /* NULL: any */
    uint16_t local_port, remote_port;
    uint32_t rqueue, wqueue, inode;
    struct tcp_info info;
    uint16_t info_len; /* 0: all of info; 1: no attribute */
    uint32_t skmem[9];
    uint32_t sequence;
    uint16_t flags;
};

static inline void *datagram_add(struct datagram *datagram, size_t len)
{
    void *at = datagram->bytes + datagram->len;

    memset(at, 0, (len + 3) & ~(size_t)3);
    datagram->len += (len + 3) & ~(size_t)3;
    return at;
}

static inline void add_attribute(struct datagram *datagram, uint16_t type, const void *data,
                                 size_t len)
{
    struct nlattr *attr = datagram_add(datagram, sizeof(*attr) + len);

    attr->nla_type = type;
    attr->nla_len = (uint16_t)(sizeof(*attr) + len);
    memcpy(attr + 1, data, len);
}

static inline void put_address(int family, const char *text, void *ret)
{
    if (text)
        (void)inet_pton(family, text, ret);
}

/* Returns the message's header, to be spoilt. */
static inline struct nlmsghdr *add_row(struct datagram *datagram, const struct made_row *made)
{
    size_t begin = datagram->len;
    struct nlmsghdr *header =
        datagram_add(datagram, sizeof(*header) + sizeof(struct inet_diag_msg));
    struct inet_diag_msg *msg = (struct inet_diag_msg *)(header + 1);
    int family = made->family ? made->family : AF_INET;

    header->nlmsg_type = SOCK_DIAG_BY_FAMILY;
    header->nlmsg_flags = (uint16_t)(NLM_F_MULTI | made->flags);
    header->nlmsg_seq = made->sequence;
    msg->idiag_family = (uint8_t)family;
    msg->idiag_state = kernel_state(made->state);
    msg->idiag_timer = made->timer;
    msg->idiag_retrans = made->retrans;
    msg->id.idiag_sport = htons(made->local_port);
    msg->id.idiag_dport = htons(made->remote_port);
    put_address(family, made->local, msg->id.idiag_src);
    put_address(family, made->remote, msg->id.idiag_dst);
    msg->id.idiag_cookie[0] = (uint32_t)made->cookie;
    msg->id.idiag_cookie[1] = (uint32_t)(made->cookie >> 32);
    msg->idiag_rqueue = made->rqueue;
    msg->idiag_wqueue = made->wqueue;
    msg->idiag_inode = made->inode;
    add_attribute(datagram, INET_DIAG_SHUTDOWN, "", 1); /* not looked at */
    if (made->cgroup)
        add_attribute(datagram, 21, &made->cgroup, sizeof(made->cgroup));
    add_attribute(datagram, INET_DIAG_SKMEMINFO, made->skmem, sizeof(made->skmem));
    if (made->info_len != 1)
        add_attribute(datagram, INET_DIAG_INFO, &made->info,
                      made->info_len ? made->info_len : sizeof(made->info));
    header->nlmsg_len = (uint32_t)(datagram->len - begin);
    return header;
}

static inline struct nlmsghdr *add_end_of_dump(struct datagram *datagram, uint16_t type,
                                               uint32_t sequence, int error)
{
    struct nlmsghdr *header = datagram_add(datagram, sizeof(*header) + sizeof(error));

    header->nlmsg_len = sizeof(*header) + sizeof(error);
    header->nlmsg_type = type;
    header->nlmsg_seq = sequence;
    memcpy(header + 1, &error, sizeof(error));
    return header;
}

#endif
