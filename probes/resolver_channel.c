/* SPDX-License-Identifier: Apache-2.0 */
/*
 * c-ares on the loop: its sockets as ch_io, its timeouts as one ch_timer, its
 * answers as resolver_result. Nothing here remembers an answer.
 *
 * c-ares reads resolv.conf only when a channel is made (ares_init_options(3)):
 * when the file has changed, a new channel takes over what is under way.
 */
#include "resolver_private.h"

#include <ares.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <utlist.h>

#include "connhealth/clock.h"
#include "connhealth/container.h"

#define TRIES 3
/* How often a lookup looks whether resolv.conf is another one. */
#define LOOK_AT_FILE_NS CH_NS_PER_S
/* Idle: the timer keeps its place in the heap, so that arming it cannot fail. */
#define FOREVER_NS (3600 * CH_NS_PER_S)

struct watched_socket {
    struct ch_io io;
    struct resolver_channel *channel;
    struct watched_socket *next;
};

struct resolver_channel {
    struct ch_loop *loop;
    struct resolver_source source;
    ares_channel ares;
    struct ch_timer timer;
    struct watched_socket *sockets;
    struct resolver_query *queries; /* under way */
    bool ending;                    /* c-ares calls back for what it throws away */
    unsigned inside;                /* calls of c-ares that have not returned */
    int socket_error;               /* of the last socket(2), 0 if it was made */
    unsigned refusals;              /* ICMP port unreachables that came back */
    int64_t file_seen;              /* when the file was last looked at */
    struct stat file;
};

/* c-ares goes on to the next server when one fails, and then keeps only "no
 * server answered": ECONNREFUSED after SERVFAIL, ETIMEOUT after an ICMP. */
static enum ch_dns failure_of(const struct resolver_query *query, int status)
{
    switch (status) {
    case ARES_ENOTFOUND:
    case ARES_EBADNAME: /* not a name that could exist */
        return CH_DNS_NOT_FOUND;
    case ARES_ENODATA:
        return CH_DNS_NO_ADDRESS;
    case ARES_ETIMEOUT:
    case ARES_ECONNREFUSED:
        if (query->said != CH_DNS_NONE)
            return query->said;
        if (query->refusals != query->channel->refusals || status == ARES_ECONNREFUSED)
            return CH_DNS_REFUSED;
        return CH_DNS_TIMEOUT;
    default:
        return CH_DNS_OTHER;
    }
}

/* Moves the timer to where c-ares wants to be called next. */
static void follow_timeouts(struct resolver_channel *channel)
{
    int64_t when = ch_loop_now(channel->loop) + FOREVER_NS;
    struct timeval tv;

    if (ares_timeout(channel->ares, NULL, &tv))
        when = ch_clock_monotonic() + tv.tv_sec * CH_NS_PER_S + tv.tv_usec * CH_NS_PER_US;
    ch_loop_timer_arm(channel->loop, &channel->timer, when);
}

static void process(struct resolver_channel *channel, int readable, int writable)
{
    channel->inside++;
    ares_process_fd(channel->ares, readable, writable);
    channel->inside--;
    follow_timeouts(channel);
}

static void on_timeout(struct ch_timer *timer, int64_t now)
{
    struct resolver_channel *channel = ch_container_of(timer, struct resolver_channel, timer);

    (void)now;
    process(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void on_socket_ready(struct ch_io *io, uint32_t events)
{
    struct watched_socket *watched = ch_container_of(io, struct watched_socket, io);
    struct resolver_channel *channel = watched->channel;
    bool readable = events & (EPOLLIN | EPOLLERR | EPOLLHUP);

    /* c-ares may close the socket, and watched goes with it */
    process(channel, readable ? io->fd : ARES_SOCKET_BAD,
            events & EPOLLOUT ? io->fd : ARES_SOCKET_BAD);
}

static void unwatch(struct resolver_channel *channel, struct watched_socket *watched)
{
    ch_loop_io_remove(channel->loop, &watched->io);
    LL_DELETE(channel->sockets, watched);
    free(watched);
}

static void watch(struct resolver_channel *channel, int fd, uint32_t events)
{
    struct watched_socket *watched = calloc(1, sizeof(*watched));

    /* Unheard, the query times out. */
    if (!watched)
        return;
    watched->channel = channel;
    watched->io = (struct ch_io){.fd = -1, .on_ready = on_socket_ready};
    if (ch_loop_io_add(channel->loop, &watched->io, fd, events) < 0) {
        free(watched);
        return;
    }
    LL_PREPEND(channel->sockets, watched);
}

/* ares_init_options(3), ARES_OPT_SOCK_STATE_CB: neither to be read nor written
 * means that the socket is about to be closed. */
static void on_socket_state(void *data, ares_socket_t fd, int readable, int writable)
{
    struct resolver_channel *channel = data;
    uint32_t events = (readable ? EPOLLIN : 0U) | (writable ? EPOLLOUT : 0U);
    struct watched_socket *watched;

    LL_SEARCH_SCALAR(channel->sockets, watched, io.fd, fd);
    if (!watched && events != 0)
        watch(channel, fd, events);
    else if (watched && events == 0)
        unwatch(channel, watched);
    else if (watched && ch_loop_io_change(channel->loop, &watched->io, events) < 0)
        unwatch(channel, watched);
}

/* c-ares' own socket calls lose the errno, so that "no descriptor left" would
 * pass for a server that refuses, and write without MSG_NOSIGNAL. */
static ares_socket_t make_socket(int family, int type, int protocol, void *data)
{
    struct resolver_channel *channel = data;
    int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);

    /* a family that the host lacks is only an order of addresses less */
    if (fd >= 0)
        channel->socket_error = 0;
    else if (errno != EAFNOSUPPORT)
        channel->socket_error = errno;
    return fd;
}

static int close_socket(ares_socket_t fd, void *data)
{
    (void)data;
    return close(fd);
}

static int connect_socket(ares_socket_t fd, const struct sockaddr *sa, ares_socklen_t len,
                          void *data)
{
    (void)data;
    return connect(fd, sa, len);
}

/* The search list may have added a domain; a dot at the end forbids it that. */
static bool asks_for(const struct resolver_query *query, const char *name)
{
    size_t len = strlen(query->name);

    if (len > 0 && query->name[len - 1] == '.')
        len--;
    return strncasecmp(query->name, name, len) == 0 && (name[len] == '\0' || name[len] == '.');
}

static void note_failure(struct resolver_channel *channel, const uint8_t *bytes, size_t len)
{
    char name[RESOLVER_NAME_TEXT];
    enum ch_dns failure = resolver_reply_failure(bytes, len, name);
    struct resolver_query *query;

    if (failure == CH_DNS_NONE)
        return;
    DL_FOREACH (channel->queries, query)
        if (asks_for(query, name))
            query->said = failure;
}

static ares_ssize_t receive_from(ares_socket_t fd, void *buffer, size_t size, int flags,
                                 struct sockaddr *from, ares_socklen_t *len, void *data)
{
    struct resolver_channel *channel = data;
    ssize_t n = recvfrom(fd, buffer, size, flags, from, len);

    if (n > 0)
        note_failure(channel, buffer, (size_t)n);
    else if (n < 0 && errno == ECONNREFUSED)
        channel->refusals++;
    return n;
}

static ares_ssize_t send_vector(ares_socket_t fd, const struct iovec *vector, int count, void *data)
{
    struct msghdr message = {.msg_iov = (struct iovec *)vector, .msg_iovlen = (size_t)count};

    (void)data;
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

static const struct ares_socket_functions socket_functions = {
    .asocket = make_socket,
    .aclose = close_socket,
    .aconnect = connect_socket,
    .arecvfrom = receive_from,
    .asendv = send_vector,
};

static bool has(const struct resolver_result *result, const struct ch_addr *addr)
{
    for (uint16_t i = 0; i < result->count; i++)
        if (ch_addr_same_host(&result->address[i], addr))
            return true;
    return false;
}

static void add_node(struct resolver_result *result, const struct ares_addrinfo_node *node)
{
    struct ch_addr addr = ch_addr_from_sockaddr(node->ai_addr, node->ai_addrlen);

    if (addr.family != AF_UNSPEC && result->count < CH_RESOLVER_ADDRESSES && !has(result, &addr))
        result->address[result->count++] = addr;
}

/* c-ares has sorted by RFC 6724. The first of the other family comes second, so
 * that it is there however many addresses the first family has. */
static void take_addresses(const struct ares_addrinfo *info, struct resolver_result *result)
{
    const struct ares_addrinfo_node *other = info->nodes;

    while (other && other->ai_family == info->nodes->ai_family)
        other = other->ai_next;
    for (const struct ares_addrinfo_node *node = info->nodes; node; node = node->ai_next) {
        add_node(result, node);
        if (node == info->nodes && other)
            add_node(result, other);
    }
}

static int64_t shortest_ttl(const struct ares_addrinfo *info)
{
    int ttl = INT32_MAX;

    for (const struct ares_addrinfo_node *node = info->nodes; node; node = node->ai_next)
        if (node->ai_ttl < ttl)
            ttl = node->ai_ttl;
    for (const struct ares_addrinfo_cname *cname = info->cnames; cname; cname = cname->next)
        if (cname->ttl < ttl)
            ttl = cname->ttl;
    return ttl * CH_NS_PER_S;
}

static void begin(struct resolver_channel *channel, struct resolver_query *query, int family);

static void on_addresses(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
    struct resolver_query *query = arg;
    struct resolver_channel *channel = query->channel;
    struct resolver_result result = {0};

    (void)timeouts;
    if (channel->ending) /* the next channel asks again */
        return;
    /* For both families together c-ares keeps only the last status: "no such
     * data" may hide that the other family's question failed. */
    if (status == ARES_ENODATA && query->family != AF_INET6) {
        begin(channel, query, query->family == AF_UNSPEC ? AF_INET : AF_INET6);
        return;
    }
    if (status == ARES_SUCCESS) {
        take_addresses(info, &result);
        result.ttl_ns = shortest_ttl(info);
        ares_freeaddrinfo(info);
    }
    if (result.count == 0)
        result.failure = failure_of(query, status == ARES_SUCCESS ? ARES_ENODATA : status);
    if (status == ARES_ECONNREFUSED && channel->socket_error != 0) {
        result.failure = CH_DNS_OTHER;
        result.local_error = channel->socket_error;
    }
    DL_DELETE(channel->queries, query);
    query->channel = NULL;
    query->on_result(query, &result);
}

static void begin(struct resolver_channel *channel, struct resolver_query *query, int family)
{
    const struct ares_addrinfo_hints hints = {.ai_family = family, .ai_socktype = SOCK_STREAM};

    query->family = family;
    query->said = CH_DNS_NONE;
    query->refusals = channel->refusals;
    channel->inside++;
    ares_getaddrinfo(channel->ares, query->name, NULL, &hints, on_addresses, query);
    channel->inside--;
}

static int errno_of(int status)
{
    return status == ARES_ENOMEM ? ENOMEM : EIO;
}

static int open_ares(struct resolver_channel *channel, ares_channel *ret)
{
    struct ares_options options = {
        .timeout = channel->source.first_try_ms,
        .tries = TRIES,
        .udp_port = channel->source.port,
        .tcp_port = channel->source.port,
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = channel,
        .resolvconf_path = (char *)channel->source.resolv_conf,
    };
    int status;

    status =
        ares_init_options(ret, &options,
                          ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_UDP_PORT |
                              ARES_OPT_TCP_PORT | ARES_OPT_SOCK_STATE_CB | ARES_OPT_RESOLVCONF);
    if (status != ARES_SUCCESS)
        return -errno_of(status);
    ares_set_socket_functions(*ret, &socket_functions, channel);
    return 0;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static bool file_changed(struct resolver_channel *channel)
{
    struct stat now = {0}; /* as all zero as a file that is not there */
    bool changed;

    stat(channel->source.resolv_conf, &now);
    changed = !same_file(&now, &channel->file);
    channel->file = now;
    return changed;
}

static void close_ares(struct resolver_channel *channel)
{
    channel->ending = true;
    ares_destroy(channel->ares);
    channel->ending = false;
}

/* Not from within c-ares, which goes on with the old channel when its callback
 * returns. If there is no memory for a new one, the old is better than none. */
static void follow_file(struct resolver_channel *channel)
{
    int64_t now = ch_loop_now(channel->loop);
    struct stat before = channel->file;
    struct resolver_query *query, *pending;
    ares_channel fresh;

    if (channel->inside > 0 || now - channel->file_seen < LOOK_AT_FILE_NS)
        return;
    channel->file_seen = now;
    if (!file_changed(channel))
        return;
    if (open_ares(channel, &fresh) < 0) {
        channel->file = before; /* so that it is tried again */
        return;
    }
    close_ares(channel);
    channel->ares = fresh;
    pending = channel->queries;
    channel->queries = NULL;
    while ((query = pending)) {
        DL_DELETE(pending, query);
        DL_APPEND(channel->queries, query);
        begin(channel, query, AF_UNSPEC);
    }
}

void resolver_channel_ask(struct resolver_channel *channel, struct resolver_query *query)
{
    follow_file(channel);
    query->channel = channel;
    DL_APPEND(channel->queries, query);
    begin(channel, query, AF_UNSPEC);
    follow_timeouts(channel);
}

static int library_status;

static void init_library(void)
{
    library_status = ares_library_init(ARES_LIB_INIT_ALL);
}

int resolver_channel_new(struct ch_loop *loop, const struct resolver_source *source,
                         struct resolver_channel **ret)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct resolver_channel *channel;
    int r;

    pthread_once(&once, init_library);
    if (library_status != ARES_SUCCESS)
        return -errno_of(library_status);
    channel = calloc(1, sizeof(*channel));
    if (!channel)
        return -ENOMEM;
    channel->loop = loop;
    channel->source = *source;
    channel->timer.on_fire = on_timeout;
    channel->file_seen = ch_loop_now(loop);
    file_changed(channel);
    r = open_ares(channel, &channel->ares);
    if (r < 0) {
        free(channel);
        return r;
    }
    r = ch_loop_timer_arm(loop, &channel->timer, ch_loop_now(loop) + FOREVER_NS);
    if (r < 0) {
        resolver_channel_free(channel);
        return r;
    }
    *ret = channel;
    return 0;
}

struct resolver_channel *resolver_channel_free(struct resolver_channel *channel)
{
    if (!channel)
        return NULL;
    close_ares(channel);
    while (channel->sockets)
        unwatch(channel, channel->sockets);
    ch_loop_timer_disarm(channel->loop, &channel->timer);
    free(channel);
    return NULL;
}
