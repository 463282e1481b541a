/* SPDX-License-Identifier: Apache-2.0 */
#include "responder_private.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "connhealth/clock.h"

/* A frame is 72 bytes: room for hundreds of them, and little to be pinned in
 * the kernel by a client that does not read. The kernel doubles it (socket(7)). */
#define SOCKET_BUFFER_BYTES (16 * 1024)
#define BACKLOG             1024
/* For port 0: the TCP port that the kernel chose may be taken over UDP. */
#define PORT_TRIES 16

const struct responder_patience responder_default_patience = {
    .stall_ns = 30 * CH_NS_PER_S,
    .pause_ns = 100 * CH_NS_PER_MS,
    .room_ns = 60 * CH_NS_PER_S,
    .keepalive_idle_s = 30,
    .keepalive_interval_s = 10,
    .keepalive_count = 3,
    .user_timeout_ms = 60000,
};

void responder_count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

void responder_count_end(struct ch_responder *responder, enum ch_phase phase,
                         enum ch_category category)
{
    responder_count(&responder->counters->ends[phase][category]);
}

void responder_io_close(struct ch_loop *loop, struct ch_io *io)
{
    int fd = ch_loop_io_remove(loop, io);

    if (fd >= 0)
        close(fd);
}

void responder_reply(const struct ch_frame *request, int64_t received, uint8_t bytes[CH_FRAME_SIZE])
{
    struct ch_frame reply = {
        .type = CH_FRAME_REPLY,
        .sequence = request->sequence,
        .sent = request->sent,
        .received = received,
        .replied = ch_clock_realtime(),
        .ids = *ch_frame_own_ids(),
    };

    ch_frame_encode(&reply, bytes);
}

int ch_responder_new(struct ch_loop *loop, const struct ch_responder_limits *limits,
                     struct ch_responder_counters *counters, struct ch_responder **ret)
{
    struct ch_responder *responder = calloc(1, sizeof(*responder));

    if (!responder)
        return -ENOMEM;
    responder->loop = loop;
    responder->limits = *limits;
    responder->counters = counters;
    responder->patience = responder_default_patience;
    *ret = responder;
    return 0;
}

struct ch_responder *ch_responder_free(struct ch_responder *responder)
{
    if (!responder)
        return NULL;
    while (responder->listeners) {
        struct responder_listener *listener = responder->listeners;

        responder->listeners = listener->next;
        responder_listener_free(listener);
    }
    while (responder->udps) {
        struct responder_udp *udp = responder->udps;

        responder->udps = udp->next;
        responder_udp_free(udp);
    }
    while (responder->conns)
        responder_conn_dismiss(responder->conns);
    free(responder);
    return NULL;
}

static bool is_unspecified(const struct ch_addr *addr)
{
    static const uint8_t zero[sizeof(addr->ip)];

    return memcmp(addr->ip, zero, addr->family == AF_INET ? 4 : sizeof(addr->ip)) == 0;
}

static int set_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

void ch_responder_lend(struct ch_responder *responder, struct ch_responder_passed *passed,
                       size_t count)
{
    responder->passed = passed;
    responder->passed_count = count;
}

static bool is_bound_to(int fd, const struct ch_addr *addr, int type)
{
    struct sockaddr_storage sa = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(sa), type_len = sizeof(int);
    struct ch_addr bound;
    int bound_type = 0;

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &bound_type, &type_len) < 0 || bound_type != type ||
        getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
        return false;
    bound = ch_addr_from_sockaddr((struct sockaddr *)&sa, len);
    return bound.port == addr->port && ch_addr_same_host(&bound, addr);
}

/* A duplicate of the socket that was passed for it, -ENOENT if there is none. */
static int take_passed(struct ch_responder *responder, const struct ch_addr *addr, int type)
{
    for (size_t i = 0; i < responder->passed_count; i++) {
        struct ch_responder_passed *passed = &responder->passed[i];
        int fd;

        if (!is_bound_to(passed->fd, addr, type))
            continue;
        fd = fcntl(passed->fd, F_DUPFD_CLOEXEC, 0);
        if (fd < 0 || fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0) {
            int r = -errno;

            if (fd >= 0)
                close(fd);
            return r;
        }
        passed->used = true;
        return fd;
    }
    return -ENOENT;
}

static int open_bound(struct ch_responder *responder, const struct ch_addr *addr, int type)
{
    struct sockaddr_storage sa;
    socklen_t len = ch_addr_to_sockaddr(addr, &sa);
    int fd, r;

    r = take_passed(responder, addr, type);
    if (r != -ENOENT)
        return r;
    fd = socket(addr->family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    r = 0;
    /* Over TCP it lets a restart bind beside its forerunner's TIME_WAITs; over
     * UDP it would let somebody else share the port (socket(7)). */
    if (type == SOCK_STREAM)
        r = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (r == 0 && addr->family == AF_INET6)
        r = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, !is_unspecified(addr));
    if (r == 0 && bind(fd, (struct sockaddr *)&sa, len) < 0)
        r = -errno;
    if (r < 0) {
        close(fd);
        return r;
    }
    return fd;
}

/* Accepted sockets inherit all of these from the listener, so that accepting
 * one costs no further system call. */
static int prepare_listener(int fd, const struct responder_patience *patience)
{
    const struct {
        int level, name, value;
    } options[] = {
        {SOL_SOCKET, SO_SNDBUF, SOCKET_BUFFER_BYTES},
        {SOL_SOCKET, SO_RCVBUF, SOCKET_BUFFER_BYTES},
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, patience->keepalive_idle_s},
        {IPPROTO_TCP, TCP_KEEPINTVL, patience->keepalive_interval_s},
        {IPPROTO_TCP, TCP_KEEPCNT, patience->keepalive_count},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, patience->user_timeout_ms},
        {IPPROTO_TCP, TCP_NODELAY, 1},
    };

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        int r = set_option(fd, options[i].level, options[i].name, options[i].value);

        if (r < 0)
            return r;
    }
    return listen(fd, BACKLOG) < 0 ? -errno : 0;
}

/* Replies must leave from the address that was asked, which a socket bound to
 * all of them only learns from each datagram (ip(7): IP_PKTINFO; ipv6(7)). */
static int prepare_udp(int fd, const struct ch_addr *addr)
{
    int r;

    if (!is_unspecified(addr))
        return 0;
    /* Also on an IPv6 socket, for its IPv4 datagrams: IPV6_PKTINFO would not
     * tell which of those were broadcast. */
    r = set_option(fd, IPPROTO_IP, IP_PKTINFO, 1);
    if (r == 0 && addr->family == AF_INET6)
        r = set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    return r;
}

static int bound_port(int fd)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof(sa);

    if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
        return -errno;
    return ch_addr_from_sockaddr((struct sockaddr *)&sa, len).port;
}

/* Both sockets, bound to one port, or none. */
static int open_pair(struct ch_responder *responder, const struct ch_addr *addr, int *ret_tcp,
                     int *ret_udp)
{
    struct ch_addr same_port = *addr;
    int tcp, udp, r;

    tcp = open_bound(responder, addr, SOCK_STREAM);
    if (tcp < 0)
        return tcp;
    r = prepare_listener(tcp, &responder->patience);
    if (r == 0)
        r = bound_port(tcp);
    if (r >= 0) {
        same_port.port = (uint16_t)r;
        r = udp = open_bound(responder, &same_port, SOCK_DGRAM);
    }
    if (r >= 0) {
        r = prepare_udp(udp, addr);
        if (r < 0)
            close(udp);
    }
    if (r < 0) {
        close(tcp);
        return r;
    }
    *ret_tcp = tcp;
    *ret_udp = udp;
    return same_port.port;
}

static int open_pair_somewhere(struct ch_responder *responder, const struct ch_addr *addr,
                               int *ret_tcp, int *ret_udp)
{
    int r = -EADDRINUSE;

    for (int i = 0; i < (addr->port == 0 ? PORT_TRIES : 1) && r == -EADDRINUSE; i++)
        r = open_pair(responder, addr, ret_tcp, ret_udp);
    return r;
}

int ch_responder_listen(struct ch_responder *responder, const struct ch_addr *addr)
{
    struct ch_addr any_ipv4 = {.family = AF_INET, .port = addr->port};
    int tcp, udp, r, port;

    r = open_pair_somewhere(responder, addr, &tcp, &udp);
    /* "All addresses" on a host without IPv6 are those of IPv4. */
    if (r == -EAFNOSUPPORT && addr->family == AF_INET6 && is_unspecified(addr))
        r = open_pair_somewhere(responder, &any_ipv4, &tcp, &udp);
    if (r < 0)
        return r;
    port = r;

    r = responder_udp_add(responder, udp);
    if (r < 0) {
        close(tcp);
        return r;
    }
    r = responder_listener_add(responder, tcp);
    if (r < 0) {
        struct responder_udp *added = responder->udps;

        responder->udps = added->next;
        responder_udp_free(added);
        return r;
    }
    responder->last_port = (uint16_t)port;
    return 0;
}
