/* SPDX-License-Identifier: Apache-2.0 */
#include "http_worker.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "connhealth/clock.h"
#include "http_exchange.h"
#include "log.h"

/* Clients accepted at one go, before those that are there get their turn. */
#define ACCEPT_MAX     64
#define NICE_OF_THREAD 15

/* libmicrohttpd 0.9.75 wants to turn at once for as long as a TLS handshake waits
 * for its client (MHD_run_tls_handshake_ leaves the connection marked as ready). A
 * packet makes the descriptor readable all the same: while handshakes are all
 * there is, it turns no more often than this. */
#define HANDSHAKE_MS 5

/* How long it does not accept when it could not. */
#define PAUSE_NS (100 * CH_NS_PER_MS)
/* In the place of a descriptor, of which none is negative: libmicrohttpd's own. */
#define OF_CLIENTS (-1)

struct http_worker {
    struct http_exchanges exchanges; /* what its callbacks are given */
    struct http_shared *shared;
    pthread_t thread;
    _Atomic uint64_t turns;
    struct MHD_Daemon *plain, *secure; /* secure NULL: there is no web configuration */
    int epoll_fd;
    unsigned asking;              /* requests over TLS that are under way */
    bool exhausted;               /* accepting failed, and that was logged */
    int64_t paused_until;         /* monotonic; 0: it accepts */
    int64_t ends_at;              /* 0: not asked to end yet, monotonic */
    int64_t ends_at_last;         /* however much is going on */
    struct http_client *entering; /* between accept and libmicrohttpd's notification */
};

/* --- clients */

static struct http_client *client_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info ? info->socket_context : NULL;
}

static void mark_asking(struct http_worker *worker, struct http_client *client, bool asking)
{
    if (!client->tls_state || client->asking == asking)
        return;
    client->asking = asking;
    if (asking)
        worker->asking++;
    else
        worker->asking--;
}

static void on_advance(void *context, struct MHD_Connection *connection, bool idle)
{
    struct http_worker *worker = context;
    struct http_client *client = client_of(connection);

    if (!client)
        return;
    mark_asking(worker, client, !idle);
    http_clients_advance(worker->shared->clients, client, idle);
}

/* Its certificate and all else are those of now, and stay its own. */
static void begin_tls(const struct http_client *client, struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);

    if (!info || web_tls_apply(client->tls_state->config->tls, info->tls_session) < 0)
        shutdown(client->fd, SHUT_RDWR);
}

/* The socket is still open at the end (daemon.c, MHD_cleanup_connections). */
static void on_connection(void *context, struct MHD_Connection *connection, void **client_at,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http_worker *worker = context;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        struct http_client *client = *client_at = worker->entering;

        worker->entering = NULL;
        http_clients_advance(worker->shared->clients, client, false);
        if (client->tls_state)
            begin_tls(client, connection);
    } else if (*client_at) {
        mark_asking(worker, *client_at, false);
        http_clients_leave(worker->shared->clients, *client_at);
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

/* Which of libmicrohttpd's servers takes a client. */
static struct MHD_Daemon *daemon_for(const struct http_worker *worker, struct http_client *client)
{
    if (!client->guarded || !worker->secure)
        return worker->plain;
    client->tls_state = ch_web_current(worker->shared->setup.web);
    if (client->tls_state->config->tls)
        return worker->secure;
    client->tls_state = ch_web_state_unref(client->tls_state);
    return worker->plain;
}

static void add_client(struct http_worker *worker, const struct http_listener *listener, int fd,
                       const struct sockaddr *sa, socklen_t len)
{
    struct ch_addr addr = ch_addr_from_sockaddr(sa, len);
    struct http_client *client = http_clients_enter(worker->shared->clients, fd, &addr);

    if (!client) {
        close(fd);
        return;
    }
    client->guarded = listener->guarded;
    worker->entering = client;
    /* closes what it refuses */
    MHD_add_connection(daemon_for(worker, client), fd, sa, len);
    if (worker->entering)
        http_clients_leave(worker->shared->clients, worker->entering);
    worker->entering = NULL;
}

/* False when there is nothing more to accept at present. */
static bool accept_client(struct http_worker *worker, const struct http_listener *listener)
{
    struct sockaddr_storage addr = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(addr);
    int fd = accept4(listener->fd, (struct sockaddr *)&addr, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd >= 0) {
        worker->exhausted = false;
        add_client(worker, listener, fd, (struct sockaddr *)&addr, len);
        return true;
    }
    /* another worker was faster, or the client gave up (accept(2)) */
    if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED && errno != EPROTO)
        pause_accepting(worker, errno);
    return false;
}

static void accept_clients(struct http_worker *worker, int fd)
{
    const struct http_shared *shared = worker->shared;

    for (size_t k = 0; k < shared->listener_count; k++)
        for (int i = 0; shared->listeners[k].fd == fd && i < ACCEPT_MAX; i++)
            if (!accept_client(worker, &shared->listeners[k]))
                return;
}

/* --- the thread */

/* Who waits to be accepted is left to the next process, where the socket was
 * passed; who is connected is still answered, within reason. */
static void begin_end(struct http_worker *worker)
{
    int64_t now = ch_clock_monotonic(), drain = worker->shared->setup.limits.drain_ns;

    worker->ends_at = now + drain;
    worker->ends_at_last = now + CH_HTTP_DRAINS * drain;
    worker->exchanges.ending = true;
    worker->paused_until = 0;
    unwatch_listeners(worker);
    epoll_ctl(worker->epoll_fd, EPOLL_CTL_DEL, worker->shared->stop_fd, NULL);
}

static bool due_at_once(struct MHD_Daemon *daemon)
{
    unsigned long long timeout;

    return daemon && MHD_get_timeout(daemon, &timeout) == MHD_YES && timeout == 0;
}

/* An answer that is still being read is not cut off: a restart would fail the
 * scrape of many targets. served: libmicrohttpd had events of its clients. One that
 * is never kept waiting causes none, but is due at once; so is a TLS handshake that
 * waits, wrongly. */
static void put_off_end(struct http_worker *worker, bool served)
{
    int64_t until;

    if (!served && !due_at_once(worker->plain) &&
        !(worker->asking > 0 && due_at_once(worker->secure)))
        return;
    until = ch_clock_monotonic() + worker->shared->setup.limits.drain_ns;
    worker->ends_at = until < worker->ends_at_last ? until : worker->ends_at_last;
}

static bool has_ended(const struct http_worker *worker)
{
    return worker->ends_at != 0 && (http_clients_all_idle(worker->shared->clients) ||
                                    ch_clock_monotonic() >= worker->ends_at);
}

/* No longer than libmicrohttpd wants to sleep, and at least so long. */
static int64_t least_ms(struct MHD_Daemon *daemon, int64_t left, unsigned least)
{
    unsigned long long timeout;

    if (daemon && left > 0 && MHD_get_timeout(daemon, &timeout) == MHD_YES &&
        timeout < (unsigned long long)left)
        left = timeout < least && least < (unsigned long long)left ? least : (int64_t)timeout;
    return left;
}

/* The least of what is awaited, and at most a second: the watchdog's. */
static int wait_ms(const struct http_worker *worker, int64_t first_deadline)
{
    int64_t until = worker->ends_at ? worker->ends_at : worker->paused_until, left = 1000;

    if (first_deadline != 0 && (until == 0 || first_deadline < until))
        until = first_deadline;
    if (until != 0) {
        int64_t ms = (until - ch_clock_monotonic() + CH_NS_PER_MS - 1) / CH_NS_PER_MS;

        left = ms < left ? ms : left;
    }
    left = least_ms(worker->plain, left, 0);
    left = least_ms(worker->secure, left, worker->asking > 0 ? 0 : HANDSHAKE_MS);
    return left > 0 ? (int)left : 0;
}

static void *run(void *context)
{
    struct http_worker *worker = context;
    struct epoll_event events[16];
    int64_t first_deadline = 0;
    eventfd_t woken;

    pthread_setname_np(pthread_self(), "http");
    /* A scrape of very many targets is a second of work: it must not keep the
     * probes from their places. Of this thread alone (setpriority(2)). */
    if (getpriority(PRIO_PROCESS, 0) < NICE_OF_THREAD)
        (void)setpriority(PRIO_PROCESS, 0, NICE_OF_THREAD);
    while (!has_ended(worker)) {
        int count = epoll_wait(worker->epoll_fd, events, 16, wait_ms(worker, first_deadline));
        bool served = false;

        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == worker->shared->stop_fd)
                begin_end(worker);
            else if (events[i].data.fd == worker->exchanges.wake_fd)
                eventfd_read(events[i].data.fd, &woken);
            else if (events[i].data.fd >= 0 && worker->ends_at == 0)
                accept_clients(worker, events[i].data.fd);
            else if (events[i].data.fd == OF_CLIENTS)
                served = true;
        }
        ch_count(&worker->turns);
        MHD_run(worker->plain);
        if (worker->secure)
            MHD_run(worker->secure);
        first_deadline = http_clients_expire(worker->shared->clients);
        if (worker->ends_at != 0)
            put_off_end(worker, served);
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

/* For libmicrohttpd, which starts no TLS without a certificate: each session gets
 * its own before the handshake. */
static int no_certificate(gnutls_session_t session, const gnutls_datum_t *names, int name_count,
                          const gnutls_pk_algorithm_t *algorithms, int algorithm_count,
                          gnutls_pcert_st **chain, unsigned *chain_len, gnutls_privkey_t *key)
{
    (void)session;
    (void)names;
    (void)name_count;
    (void)algorithms;
    (void)algorithm_count;
    (void)chain;
    (void)chain_len;
    (void)key;
    return -1;
}

static struct MHD_Daemon *start_daemon(struct http_worker *worker, bool secure)
{
    const struct ch_http_limits *limits = &worker->shared->setup.limits;
    struct MHD_OptionItem options[] = {
        /* http_clients limits them; those that it cut off may still be here */
        {MHD_OPTION_CONNECTION_LIMIT, (intptr_t)limits->connections * 2 + ACCEPT_MAX, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)limits->memory_bytes, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, (intptr_t)limits->idle_s, NULL},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)http_exchange_completed, &worker->exchanges},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, worker},
        {secure ? MHD_OPTION_HTTPS_CERT_CALLBACK : MHD_OPTION_END, 0, (void *)no_certificate},
        {MHD_OPTION_END, 0, NULL},
    };

    /* the logger first: it hears of what is wrong with the other options */
    return MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG |
                                MHD_ALLOW_SUSPEND_RESUME | (secure ? MHD_USE_TLS : 0U),
                            0, NULL, NULL, http_exchange_request, &worker->exchanges,
                            MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_ARRAY, options,
                            MHD_OPTION_END);
}

static int start_daemons(struct http_worker *worker)
{
    errno = 0;
    worker->plain = start_daemon(worker, false);
    if (worker->plain && worker->shared->setup.web)
        worker->secure = start_daemon(worker, true);
    if (worker->plain && (worker->secure || !worker->shared->setup.web))
        return 0;
    return errno ? -errno : -EIO;
}

static int watch_daemon(const struct http_worker *worker, struct MHD_Daemon *daemon)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD);

    return info ? watch(worker, info->epoll_fd, OF_CLIENTS, EPOLLIN) : -EIO;
}

static int watch_all(const struct http_worker *worker)
{
    int r = watch_daemon(worker, worker->plain);

    if (r == 0 && worker->secure)
        r = watch_daemon(worker, worker->secure);
    if (r == 0)
        r = watch(worker, worker->exchanges.wake_fd, worker->exchanges.wake_fd, EPOLLIN);
    if (r == 0)
        r = watch(worker, worker->shared->stop_fd, worker->shared->stop_fd, EPOLLIN);
    return r < 0 ? r : watch_listeners(worker);
}

static struct http_worker *release(struct http_worker *worker)
{
    if (worker->plain)
        MHD_stop_daemon(worker->plain);
    if (worker->secure)
        MHD_stop_daemon(worker->secure);
    if (worker->exchanges.wake_fd >= 0)
        close(worker->exchanges.wake_fd);
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
        .auth = shared->auth,
        .rates = shared->rates,
        .advanced = on_advance,
        .context = worker,
        .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
    };
    worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (worker->epoll_fd < 0 || worker->exchanges.wake_fd < 0)
        r = -errno;
    if (r == 0)
        r = start_daemons(worker);
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

void http_worker_join(struct http_worker *worker)
{
    if (worker)
        pthread_join(worker->thread, NULL);
}

struct http_worker *http_worker_free(struct http_worker *worker)
{
    return worker ? release(worker) : NULL;
}
