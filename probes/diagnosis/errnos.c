/* SPDX-License-Identifier: Apache-2.0 */
/* Which category an errno belongs to. One row each; what has no row is `other`.
 *
 * The table knows the errno alone. Where the same errno means different things
 * (EACCES from our own prohibit route or from an ICMPv6 prohibition) the causes
 * in rules.c tell them apart. */
#include <stddef.h>
#include <string.h>

#include "connhealth/vocabulary.h"

/* X(errno, category) */
#define ERRNOS(X)                                                                                  \
    X(ECONNREFUSED, REFUSED)                                                                       \
    X(ECONNRESET, RESET)                                                                           \
    X(ECONNABORTED, ABORTED)                                                                       \
    X(ETIMEDOUT, TIMEOUT)                                                                          \
    X(EPIPE, BROKEN_PIPE)                                                                          \
    X(EHOSTUNREACH, HOST_UNREACHABLE)                                                              \
    X(EHOSTDOWN, HOST_UNREACHABLE) /* ICMP 3/7, host unknown */                                    \
    X(ENETUNREACH, NET_UNREACHABLE)                                                                \
    X(ENETDOWN, NET_UNREACHABLE) /* our interface is down */                                       \
    X(ENONET, NET_UNREACHABLE)   /* ICMP 3/8, our host is cut off from that network */             \
    X(EAGAIN, WOULD_BLOCK)       /* EWOULDBLOCK is the same number on Linux */                     \
    X(EACCES, DENIED)                                                                              \
    X(EPERM, DENIED)                                                                               \
    X(EMFILE, LOCAL_RESOURCE)                                                                      \
    X(ENFILE, LOCAL_RESOURCE)                                                                      \
    X(ENOBUFS, LOCAL_RESOURCE)                                                                     \
    X(ENOMEM, LOCAL_RESOURCE)                                                                      \
    X(EADDRNOTAVAIL, LOCAL_RESOURCE) /* no free port, or no local address to speak from */         \
    X(EADDRINUSE, LOCAL_RESOURCE)    /* bind(2) to port 0 with the range used up */                \
    X(ENOSPC, LOCAL_RESOURCE)        /* epoll_ctl(2): max_user_watches reached */                  \
    X(ENOPROTOOPT, OTHER)            /* ICMP 3/2, protocol unreachable */                          \
    X(EOPNOTSUPP, OTHER)             /* ICMP 3/5, source route failed */                           \
    X(EPROTO, OTHER)                 /* ICMP 12/0, parameter problem */                            \
    X(EINVAL, OTHER)                 /* our own blackhole route */                                 \
    X(EMSGSIZE, OTHER)               /* a datagram larger than it may be */

static const struct {
    int error;
    enum ch_category category;
    const char *name;
} errnos[] = {
#define X(error, category) {error, CH_CATEGORY_##category, #error},
    ERRNOS(X)
#undef X
};

enum ch_category ch_category_of_errno(int error)
{
    for (size_t i = 0; i < sizeof(errnos) / sizeof(*errnos); i++)
        if (errnos[i].error == error)
            return errnos[i].category;
    return CH_CATEGORY_OTHER;
}

const char *ch_errno_name(int error)
{
    for (size_t i = 0; i < sizeof(errnos) / sizeof(*errnos); i++)
        if (errnos[i].error == error)
            return errnos[i].name;
    /* strerrorname_np(3) names 0 "0" */
    return error > 0 ? strerrorname_np(error) : NULL;
}
