/* SPDX-License-Identifier: Apache-2.0 */
/* Which category an errno belongs to, and what on the wire it stands for. One
 * row each; what has no row is `other`.
 *
 * The table knows the errno alone. Where the same errno means different things
 * (EACCES from our own prohibit route or from an ICMPv6 prohibition) the rest
 * of the evidence tells them apart: see rules.c. */
#include "errnos.h"

#include <stddef.h>
#include <string.h>

/* X(errno, category, wire). Which ICMP code becomes which errno:
 * icmp_err_convert[] in net/ipv4/icmp.c, tab_unreach[] in net/ipv6/icmp.c. */
#define ERRNOS(X)                                                                                  \
    X(ECONNREFUSED, REFUSED, RST) /* for UDP and established TCP: ICMP, see classify.c */          \
    X(ECONNRESET, RESET, RST)                                                                      \
    X(ECONNABORTED, ABORTED, NONE)                                                                 \
    X(ETIMEDOUT, TIMEOUT, SILENCE)                                                                 \
    X(EPIPE, BROKEN_PIPE, RST)                                                                     \
    X(EHOSTUNREACH, HOST_UNREACHABLE, ICMP)                                                        \
    X(EHOSTDOWN, HOST_UNREACHABLE, ICMP) /* ICMP 3/7, host unknown */                              \
    X(ENETUNREACH, NET_UNREACHABLE, ICMP)                                                          \
    X(ENETDOWN, NET_UNREACHABLE, NONE) /* our interface is down */                                 \
    X(ENONET, NET_UNREACHABLE, ICMP)   /* ICMP 3/8, our host is cut off from there */              \
    X(EAGAIN, WOULD_BLOCK, SILENCE)    /* EWOULDBLOCK is the same number on Linux */               \
    X(EACCES, DENIED, ICMP)            /* ICMPv6 1/1, 1/5 and 1/6 */                               \
    X(EPERM, DENIED, NONE)                                                                         \
    X(EMFILE, LOCAL_RESOURCE, NONE)                                                                \
    X(ENFILE, LOCAL_RESOURCE, NONE)                                                                \
    X(ENOBUFS, LOCAL_RESOURCE, NONE)                                                               \
    X(ENOMEM, LOCAL_RESOURCE, NONE)                                                                \
    X(EADDRNOTAVAIL, LOCAL_RESOURCE, NONE) /* no free port, or no address to speak from */         \
    X(EADDRINUSE, LOCAL_RESOURCE, NONE)    /* bind(2) to port 0 with the range used up */          \
    X(ENOSPC, LOCAL_RESOURCE, NONE)        /* epoll_ctl(2): max_user_watches reached */            \
    X(ENOPROTOOPT, OTHER, ICMP)            /* ICMP 3/2, protocol unreachable */                    \
    X(EOPNOTSUPP, OTHER, ICMP)             /* ICMP 3/5, source route failed */                     \
    X(EPROTO, OTHER, ICMP)                 /* ICMP 12/0, parameter problem */                      \
    X(EINVAL, OTHER, NONE)                 /* our own blackhole route */                           \
    X(EMSGSIZE, OTHER, NONE)               /* a datagram larger than it may be */

static const struct row {
    int error;
    enum ch_category category;
    enum ch_wire wire;
    const char *name;
} errnos[] = {
#define X(error, category, wire) {error, CH_CATEGORY_##category, CH_WIRE_##wire, #error},
    ERRNOS(X)
#undef X
};

static const struct row *row_of(int error)
{
    for (size_t i = 0; i < sizeof(errnos) / sizeof(*errnos); i++)
        if (errnos[i].error == error)
            return &errnos[i];
    return NULL;
}

enum ch_category ch_category_of_errno(int error)
{
    const struct row *row = row_of(error);

    return row ? row->category : CH_CATEGORY_OTHER;
}

enum ch_wire ch_errno_wire(int error)
{
    const struct row *row = row_of(error);

    return row ? row->wire : CH_WIRE_NONE;
}

const char *ch_errno_name(int error)
{
    const struct row *row = row_of(error);

    if (row)
        return row->name;
    /* strerrorname_np(3) names 0 "0" */
    return error > 0 ? strerrorname_np(error) : NULL;
}
