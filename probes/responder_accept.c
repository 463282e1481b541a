/* SPDX-License-Identifier: Apache-2.0 */
/* Admitting clients: within the limits, whatever accept(2) says. */
/* Without memory for the table a client is turned away; uthash's own way is to
 * end the process. */
#define HASH_NONFATAL_OOM            1
#define uthash_nonfatal_oom(element) ((element)->connections = 0)

#include "responder_private.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* So that a flood of clients leaves the loop time for others. */
#define ACCEPTS_PER_TURN 32

static struct ch_addr client_network(const struct ch_addr *peer)
{
    struct ch_addr network;

    /* The struct is a hash key: no byte of it may be left to chance. */
    memset(&network, 0, sizeof(network));
    network.family = peer->family;
    /* One IPv6 client commonly holds a whole /64 (RFC 6177, RFC 8981). */
    memcpy(network.ip, peer->ip, peer->family == AF_INET6 ? 8 : 4);
    return network;
}

/* NULL if there is no memory, or no room for one more of this address. */
static struct responder_client *client_enter(struct ch_responder *responder,
                                             const struct ch_addr *peer)
{
    struct ch_addr network = client_network(peer);
    struct responder_client *client;

    HASH_FIND(hh, responder->clients, &network, sizeof(network), client);
    if (client) {
        if (client->connections >= responder->limits.connections_per_address)
            return NULL;
        client->connections++;
        return client;
    }
    if (responder->limits.connections_per_address == 0)
        return NULL;
    client = calloc(1, sizeof(*client));
    if (!client)
        return NULL;
    client->network = network;
    client->connections = 1;
    HASH_ADD(hh, responder->clients, network, sizeof(client->network), client);
    if (client->connections == 0) {
        free(client);
        return NULL;
    }
    return client;
}

void responder_client_leave(struct ch_responder *responder, struct responder_client *client)
{
    if (--client->connections > 0)
        return;
    HASH_DELETE(hh, responder->clients, client);
    free(client);
}

/* A client's RST that overtook accept() leaves a socket in CLOSE: Linux hands
 * it out instead of saying ECONNABORTED. */
static bool is_dead(int fd)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);

    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 && info.tcpi_state == TCP_CLOSE;
}

void responder_admit(struct ch_responder *responder, int fd, const struct ch_addr *peer)
{
    struct responder_client *client;

    responder_count(&responder->counters->accepts);
    if (is_dead(fd)) {
        responder_count_end(responder, CH_PHASE_ACCEPT, CH_CATEGORY_ABORTED);
        close(fd);
        return;
    }
    client = client_enter(responder, peer);
    if (client && responder->conn_count >= responder->limits.connections &&
        !responder_conn_make_room(responder)) {
        responder_client_leave(responder, client);
        client = NULL;
    }
    if (!client) {
        responder_count(&responder->counters->refused);
        close(fd);
        return;
    }
    if (responder_conn_new(responder, fd, client) < 0)
        responder_count_end(responder, CH_PHASE_ACCEPT, CH_CATEGORY_LOCAL_RESOURCE);
}

/* The clients stay in the accept queue and the listener stays readable, so
 * asking again at once would only burn the processor. */
static void pause_accepting(struct responder_listener *listener)
{
    struct ch_responder *responder = listener->responder;
    int64_t when = ch_loop_now(responder->loop) + responder->patience.pause_ns;

    if (ch_loop_timer_arm(responder->loop, &listener->resume, when) < 0)
        return; /* no memory for a pause either: better busy than deaf */
    if (ch_loop_io_change(responder->loop, &listener->io, 0) < 0)
        ch_loop_timer_disarm(responder->loop, &listener->resume);
}

static void on_resume(struct ch_timer *timer, int64_t now)
{
    struct responder_listener *listener = ch_container_of(timer, struct responder_listener, resume);
    struct ch_loop *loop = listener->responder->loop;

    if (ch_loop_io_change(loop, &listener->io, EPOLLIN) < 0)
        ch_loop_timer_arm(loop, timer, now + listener->responder->patience.pause_ns);
}

/* True if the listener should be asked again in this turn. */
static bool on_accept_error(struct responder_listener *listener, int error)
{
    enum ch_category category;

    if (error == EAGAIN)
        return false;
    if (error == EINTR)
        return true;
    category = ch_category_of_errno(error);
    responder_count_end(listener->responder, CH_PHASE_ACCEPT, category);
    /* The connection's own error, not the listener's (accept(2)). */
    if (category == CH_CATEGORY_ABORTED)
        return true;
    pause_accepting(listener);
    return false;
}

static void on_client_waiting(struct ch_io *io, uint32_t events)
{
    struct responder_listener *listener = ch_container_of(io, struct responder_listener, io);

    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        struct sockaddr_storage sa;
        socklen_t len = sizeof(sa);
        struct ch_addr peer;
        int fd;

        fd = accept4(io->fd, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (!on_accept_error(listener, errno))
                return;
            continue;
        }
        peer = ch_addr_from_sockaddr((struct sockaddr *)&sa, len);
        responder_admit(listener->responder, fd, &peer);
    }
}

int responder_listener_add(struct ch_responder *responder, int fd)
{
    struct responder_listener *listener = calloc(1, sizeof(*listener));
    int r;

    if (!listener) {
        close(fd);
        return -ENOMEM;
    }
    listener->io = (struct ch_io){.fd = -1, .on_ready = on_client_waiting};
    listener->resume.on_fire = on_resume;
    listener->responder = responder;
    r = ch_loop_io_add(responder->loop, &listener->io, fd, EPOLLIN);
    if (r < 0) {
        close(fd);
        free(listener);
        return r;
    }
    listener->next = responder->listeners;
    responder->listeners = listener;
    return 0;
}

struct responder_listener *responder_listener_free(struct responder_listener *listener)
{
    if (!listener)
        return NULL;
    ch_loop_timer_disarm(listener->responder->loop, &listener->resume);
    responder_io_close(listener->responder->loop, &listener->io);
    free(listener);
    return NULL;
}
