/* SPDX-License-Identifier: Apache-2.0 */
#include "http_worker.h"

#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "connhealth/clock.h"
#include "http_exchange.h"
#include "log.h"

/* Clients accepted at one go, before those that are there get their turn. */
#define ACCEPT_MAX     64
#define NICE_OF_THREAD 15

/* How long it does not accept when it could not. */
#define PAUSE_NS (100 * CH_NS_PER_MS)

struct client {
    struct client *previous, *next;
    struct http_place *place;
    int64_t deadline; /* monotonic; 0: passed, shut down, no longer in the ring */
    bool idle;        /* between two requests; not before the first */
    int fd;
};

struct http_worker {
    struct http_exchanges exchanges; /* what its callbacks are given */
    struct http_shared *shared;
    pthread_t thread;
    _Atomic uint64_t turns;
    struct MHD_Daemon *daemon;
    int epoll_fd;
    bool exhausted;       /* accepting failed, and that was logged */
    int64_t paused_until; /* monotonic; 0: it accepts */
    int64_t next_refusal; /* when one may be logged again, monotonic */
    int64_t ends_at;      /* 0: not asked to end yet, monotonic */
    /* A ring, the nearest deadline first: all are as far away when they start,
     * so adding at the end keeps the order. */
    struct client clients;
    struct client *entering; /* between accept and libmicrohttpd's notification */
};

/* --- clients and their deadlines */

static void unlink_client(struct client *client)
{
    if (client->deadline == 0)
        return;
    client->previous->next = client->next;
    client->next->previous = client->previous;
    client->deadline = 0;
}

static void link_client(struct http_worker *worker, struct client *client)
{
    client->deadline = ch_clock_monotonic() + worker->shared->setup.limits.request_ns;
    client->previous = worker->clients.previous;
    client->next = &worker->clients;
    client->previous->next = client;
    worker->clients.previous = client;
}

static void free_client(struct http_worker *worker, struct client *client)
{
    unlink_client(client);
    http_clients_leave(worker->shared->clients, client->place);
    free(client);
}

/* At most once a minute: a flood of clients must not become one of lines. */
static void log_refusal(struct http_worker *worker, const struct ch_addr *addr)
{
    const struct ch_http_limits *limits = &worker->shared->setup.limits;
    int64_t now = ch_clock_monotonic();
    char text[CH_ADDR_TEXT];

    if (now < worker->next_refusal)
        return;
    worker->next_refusal = now + 60 * CH_NS_PER_S;
    ch_log(CH_LOG_WARN,
           "refusing an HTTP client (%s): %u connections in all and %u of one address are allowed",
           ch_addr_format_host(addr, text), limits->connections, limits->connections_per_address);
}

static struct client *make_client(struct http_worker *worker, int fd, const struct ch_addr *addr)
{
    struct client *client = calloc(1, sizeof(*client));

    if (!client)
        return NULL;
    client->place = http_clients_enter(worker->shared->clients, addr);
    if (!client->place) {
        log_refusal(worker, addr);
        free(client);
        return NULL;
    }
    client->fd = fd;
    return client;
}

/* To libmicrohttpd it looks as if the client had ended. */
static void expire_clients(struct http_worker *worker)
{
    int64_t now;

    if (worker->clients.next == &worker->clients)
        return;
    now = ch_clock_monotonic();
    while (worker->clients.next != &worker->clients && worker->clients.next->deadline <= now) {
        struct client *client = worker->clients.next;

        unlink_client(client);
        shutdown(client->fd, SHUT_RDWR);
    }
}

static void on_advance(void *context, struct MHD_Connection *connection, bool idle)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct client *client = info ? info->socket_context : NULL;

    if (!client || client->deadline == 0)
        return;
    client->idle = idle;
    unlink_client(client);
    link_client(context, client);
}

/* Nobody who has asked, or has just come to ask, waits for an answer any more. */
static bool all_idle(const struct http_worker *worker)
{
    for (const struct client *at = worker->clients.next; at != &worker->clients; at = at->next)
        if (!at->idle)
            return false;
    return true;
}

/* The socket is still open at the end (daemon.c, MHD_cleanup_connections). */
static void on_connection(void *context, struct MHD_Connection *connection, void **client_at,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http_worker *worker = context;

    (void)connection;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *client_at = worker->entering;
        worker->entering = NULL;
        link_client(worker, *client_at);
    } else if (*client_at) {
        free_client(worker, *client_at);
        *client_at = NULL;
    }
}

/* --- accepting */

static int watch(const struct http_worker *worker, int fd, int mark, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = mark};

    return epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* Exclusive: one client wakes one worker. */
static int watch_listeners(const struct http_worker *worker)
{
    const struct http_shared *shared = worker->shared;
    int r = 0;

    for (size_t i = 0; i < shared->listener_count && r == 0; i++) {
        r = watch(worker, shared->listeners[i].fd, shared->listeners[i].fd,
                  EPOLLIN | EPOLLEXCLUSIVE);
        if (r == -EEXIST)
            r = 0;
    }
    return r;
}

static void unwatch_listeners(const struct http_worker *worker)
{
    const struct http_shared *shared = worker->shared;

    for (size_t i = 0; i < shared->listener_count; i++)
        epoll_ctl(worker->epoll_fd, EPOLL_CTL_DEL, shared->listeners[i].fd, NULL);
}

/* Without a descriptor or memory a client cannot be accepted, and the listener
 * stays readable: looking away for a moment beats spinning, and the client waits
 * in the kernel's queue. */
static void pause_accepting(struct http_worker *worker, int error)
{
    if (!worker->exhausted)
        ch_log_fields(CH_LOG_WARN, "cannot accept HTTP clients at present, trying again", "error",
                      strerror(error), NULL); // NOLINT(concurrency-mt-unsafe)
    worker->exhausted = true;
    worker->paused_until = ch_clock_monotonic() + PAUSE_NS;
    unwatch_listeners(worker);
}

static void resume_accepting(struct http_worker *worker)
{
    int64_t now;

    if (worker->paused_until == 0)
        return;
    now = ch_clock_monotonic();
    if (now >= worker->paused_until)
        worker->paused_until = watch_listeners(worker) < 0 ? now + PAUSE_NS : 0;
}

static void add_client(struct http_worker *worker, int fd, const struct sockaddr *sa, socklen_t len)
{
    struct ch_addr addr = ch_addr_from_sockaddr(sa, len);

    worker->entering = make_client(worker, fd, &addr);
    if (!worker->entering) {
        close(fd);
        return;
    }
    MHD_add_connection(worker->daemon, fd, sa, len); /* closes what it refuses */
    if (worker->entering)
        free_client(worker, worker->entering);
    worker->entering = NULL;
}

/* False when there is nothing more to accept at present. */
static bool accept_client(struct http_worker *worker, int listener)
{
    struct sockaddr_storage addr = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(addr);
    int fd = accept4(listener, (struct sockaddr *)&addr, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd >= 0) {
        worker->exhausted = false;
        add_client(worker, fd, (struct sockaddr *)&addr, len);
        return true;
    }
    /* another worker was faster, or the client gave up (accept(2)) */
    if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED && errno != EPROTO)
        pause_accepting(worker, errno);
    return false;
}

static void accept_clients(struct http_worker *worker, int listener)
{
    for (int i = 0; i < ACCEPT_MAX && accept_client(worker, listener); i++)
        ;
}

/* --- the thread */

/* Who waits to be accepted is left to the next process, where the socket was
 * passed; who is connected is still answered, within reason. */
static void begin_end(struct http_worker *worker)
{
    worker->ends_at = ch_clock_monotonic() + worker->shared->setup.limits.drain_ns;
    worker->exchanges.ending = true;
    worker->paused_until = 0;
    unwatch_listeners(worker);
    epoll_ctl(worker->epoll_fd, EPOLL_CTL_DEL, worker->shared->stop_fd, NULL);
}

static bool has_ended(const struct http_worker *worker)
{
    return worker->ends_at != 0 && (all_idle(worker) || ch_clock_monotonic() >= worker->ends_at);
}

/* The least of what is awaited, and at most a second: the watchdog's. */
static int wait_ms(const struct http_worker *worker)
{
    const struct client *first = worker->clients.next;
    int64_t until = worker->ends_at ? worker->ends_at : worker->paused_until, left = 1000;
    unsigned long long timeout;

    if (first != &worker->clients && (until == 0 || first->deadline < until))
        until = first->deadline;
    if (until != 0) {
        int64_t ms = (until - ch_clock_monotonic() + CH_NS_PER_MS - 1) / CH_NS_PER_MS;

        left = ms < left ? ms : left;
    }
    if (left > 0 && MHD_get_timeout(worker->daemon, &timeout) == MHD_YES &&
        timeout < (unsigned long long)left)
        left = (int64_t)timeout;
    return left > 0 ? (int)left : 0;
}

static void *run(void *context)
{
    struct http_worker *worker = context;
    struct epoll_event events[16];

    pthread_setname_np(pthread_self(), "http");
    /* A scrape of very many targets is a second of work: it must not keep the
     * probes from their places. Of this thread alone (setpriority(2)). */
    if (getpriority(PRIO_PROCESS, 0) < NICE_OF_THREAD)
        (void)setpriority(PRIO_PROCESS, 0, NICE_OF_THREAD);
    while (!has_ended(worker)) {
        int count = epoll_wait(worker->epoll_fd, events, 16, wait_ms(worker));

        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == worker->shared->stop_fd)
                begin_end(worker);
            else if (events[i].data.fd >= 0 && worker->ends_at == 0)
                accept_clients(worker, events[i].data.fd);
        }
        ch_count(&worker->turns);
        MHD_run(worker->daemon);
        expire_clients(worker);
        resume_accepting(worker);
    }
    return NULL;
}

/* --- start and stop */

__attribute__((format(printf, 2, 0))) static void on_log(void *context, const char *format,
                                                         va_list args)
{
    char line[256];

    (void)context;
    if (!ch_log_enabled(CH_LOG_DEBUG))
        return;
    vsnprintf(line, sizeof(line), format, args);
    line[strcspn(line, "\n")] = '\0';
    ch_log_fields(CH_LOG_DEBUG, "http server", "text", line, NULL);
}

static struct MHD_Daemon *start_daemon(struct http_worker *worker)
{
    const struct ch_http_limits *limits = &worker->shared->setup.limits;
    struct MHD_OptionItem options[] = {
        {MHD_OPTION_CONNECTION_LIMIT, (intptr_t)limits->connections, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)limits->memory_bytes, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, (intptr_t)limits->idle_s, NULL},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)http_exchange_completed, &worker->exchanges},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, worker},
        {MHD_OPTION_END, 0, NULL},
    };

    /* the logger first: it hears of what is wrong with the other options */
    return MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG, 0, NULL,
                            NULL, http_exchange_request, &worker->exchanges,
                            MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_ARRAY, options,
                            MHD_OPTION_END);
}

static int watch_all(const struct http_worker *worker)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(worker->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    int r = info ? watch(worker, info->epoll_fd, -1, EPOLLIN) : -EIO;

    if (r == 0)
        r = watch(worker, worker->shared->stop_fd, worker->shared->stop_fd, EPOLLIN);
    return r < 0 ? r : watch_listeners(worker);
}

static struct http_worker *release(struct http_worker *worker)
{
    if (worker->daemon)
        MHD_stop_daemon(worker->daemon);
    if (worker->epoll_fd >= 0)
        close(worker->epoll_fd);
    free(worker);
    return NULL;
}

int http_worker_new(struct http_shared *shared, struct http_worker **ret)
{
    struct http_worker *worker = calloc(1, sizeof(*worker));
    int r = 0;

    if (!worker)
        return -ENOMEM;
    worker->shared = shared;
    worker->exchanges = (struct http_exchanges){
        .setup = &shared->setup,
        .reloading = &shared->reloading,
        .advanced = on_advance,
        .context = worker,
    };
    worker->clients.previous = worker->clients.next = &worker->clients;
    worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (worker->epoll_fd < 0)
        r = -errno;
    errno = 0;
    if (r == 0 && !(worker->daemon = start_daemon(worker)))
        r = errno ? -errno : -EIO;
    if (r == 0)
        r = watch_all(worker);
    if (r == 0)
        r = -pthread_create(&worker->thread, NULL, run, worker);
    if (r < 0) {
        release(worker);
        return r;
    }
    *ret = worker;
    return 0;
}

uint64_t http_worker_turns(const struct http_worker *worker)
{
    return ch_counter(&worker->turns);
}

struct http_worker *http_worker_free(struct http_worker *worker)
{
    if (!worker)
        return NULL;
    pthread_join(worker->thread, NULL);
    return release(worker);
}
