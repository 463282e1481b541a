/* SPDX-License-Identifier: Apache-2.0 */
#include "http.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "connhealth/clock.h"
#include "http_worker.h"

const struct ch_http_limits ch_http_default_limits = {
    .connections = 512,
    .connections_per_address = 64,
    .memory_bytes = (size_t)64 * 1024,
    .idle_s = 65, /* longer than the usual scrape interval, which keeps its connection */
    .request_ns = 120 * CH_NS_PER_S,
    .body_bytes = (size_t)64 * 1024,
    .drain_ns = 500 * CH_NS_PER_MS,
};

struct ch_http {
    struct http_shared shared;
    struct http_listener *listeners;
    struct http_worker *workers[CH_HTTP_THREADS]; /* one more than a reload may hold up */
};

static int open_listeners(struct ch_http *http, char reason[CH_HTTP_REASON])
{
    const struct ch_http_setup *setup = &http->shared.setup;
    int r = 0;

    http->listeners =
        calloc(setup->address_count + setup->socket_count + 1, sizeof(*http->listeners));
    if (!http->listeners) {
        snprintf(reason, CH_HTTP_REASON, "out of memory");
        return -ENOMEM;
    }
    for (size_t i = 0; i < setup->address_count && r == 0; i++) {
        r = http_listener_open(setup->addresses[i], &http->listeners[http->shared.listener_count],
                               reason);
        http->shared.listener_count += r == 0;
    }
    for (size_t i = 0; i < setup->socket_count && r == 0; i++) {
        r = http_listener_adopt(setup->sockets_passed[i],
                                &http->listeners[http->shared.listener_count], reason);
        http->shared.listener_count += r == 0;
    }
    http->shared.listeners = http->listeners;
    return r;
}

static int start_workers(struct ch_http *http)
{
    const struct ch_http_limits *limits = &http->shared.setup.limits;
    sigset_t all, before;
    int r;

    http->shared.stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (http->shared.stop_fd < 0)
        return -errno;
    r = http_clients_new(limits, &http->shared.clients);
    if (r == 0 && http->shared.setup.web)
        r = http_auth_new(&http->shared.auth);
    if (r == 0 && http->shared.setup.web)
        r = http_rates_new(&http->shared.rates);
    /* signals are for the thread that waits for them: new ones inherit this */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (size_t i = 0; i < CH_HTTP_THREADS && r == 0; i++)
        r = http_worker_new(&http->shared, &http->workers[i]);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r;
}

int ch_http_new(const struct ch_http_setup *setup, struct ch_http **ret,
                char reason[CH_HTTP_REASON])
{
    struct ch_http *http = calloc(1, sizeof(*http));
    int r;

    if (!http) {
        snprintf(reason, CH_HTTP_REASON, "out of memory");
        return -ENOMEM;
    }
    http->shared.setup = *setup;
    http->shared.stop_fd = -1;
    atomic_flag_clear(&http->shared.reloading);
    r = open_listeners(http, reason);
    if (r == 0) {
        r = start_workers(http);
        if (r < 0)
            snprintf(reason, CH_HTTP_REASON, "cannot start the HTTP server: %s", strerror(-r));
    }
    if (r < 0) {
        ch_http_free(http);
        return r;
    }
    *ret = http;
    return 0;
}

const char *ch_http_address(const struct ch_http *http, size_t index)
{
    return index < http->shared.listener_count ? http->listeners[index].name : NULL;
}

uint64_t ch_http_turns(const struct ch_http *http, unsigned thread)
{
    return http_worker_turns(http->workers[thread]);
}

struct ch_http *ch_http_free(struct ch_http *http)
{
    if (!http)
        return NULL;
    if (http->shared.stop_fd >= 0)
        eventfd_write(http->shared.stop_fd, 1);
    for (size_t i = 0; i < CH_HTTP_THREADS; i++)
        http_worker_join(http->workers[i]);
    http_auth_stop(http->shared.auth);
    for (size_t i = 0; i < CH_HTTP_THREADS; i++)
        http_worker_free(http->workers[i]);
    http_auth_free(http->shared.auth);
    http_rates_free(http->shared.rates);
    for (size_t i = 0; i < http->shared.listener_count; i++)
        http_listener_close(&http->listeners[i]);
    http_clients_free(http->shared.clients);
    if (http->shared.stop_fd >= 0)
        close(http->shared.stop_fd);
    free(http->listeners);
    free(http);
    return NULL;
}
