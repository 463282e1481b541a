/* SPDX-License-Identifier: Apache-2.0 */
#include "service.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "changes_log.h"
#include "connhealth/clock.h"
#include "log.h"
#include "messages.h"

#define TICK_US      UINT64_C(1000000)
#define STATUS_TICKS 5 /* counting what fails of 100,000 targets is not for free */
/* A thread that has not turned for so many ticks hangs. */
#define HANGS_AFTER 10
/* Files are often written in several steps: changes are gathered for a while. */
#define SETTLE_US   UINT64_C(50000)
#define ACCURACY_US UINT64_C(10000) /* 0 would mean 250 ms */

/* A reload asked for by another thread, which waits for it. */
struct reload_request {
    pthread_mutex_t lock;
    pthread_cond_t done_changed;
    int fd;
    uint64_t asked, done;
    bool ended; /* nobody will answer any more */
    int result;
};

struct watched {
    const char *name;
    uint64_t (*turns)(void *context);
    void *context;
    uint64_t before;
    unsigned still; /* ticks without a turn */
};

struct ch_service {
    struct ch_service_parts parts;
    sd_event *event;
    sd_event_source *settle, *refresh, *tick;
    struct reload_request request;
    unsigned ticks;
    struct watched watched[CH_SERVICE_WATCHED_MAX];
    size_t watched_count;
};

static int arm(sd_event_source *source, uint64_t after_us)
{
    int r = sd_event_source_set_time_relative(source, after_us);

    return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void arm_refresh(struct ch_service *service)
{
    int64_t refresh_ns = ch_loader_refresh_ns(service->parts.loader);

    if (refresh_ns > 0)
        arm(service->refresh, (uint64_t)(refresh_ns / CH_NS_PER_US));
    else
        sd_event_source_set_enabled(service->refresh, SD_EVENT_OFF);
}

static void tell_status(struct ch_service *service)
{
    struct ch_generation *generation;
    size_t failing = 0;

    if (!getenv("NOTIFY_SOCKET")) /* nobody listens: spare the look at every target */
        return;
    generation = ch_state_generation(service->parts.state);
    if (!generation)
        return;
    for (size_t i = 0; i < generation->series_count; i++)
        failing += atomic_load_explicit(&generation->series[i].record->success,
                                        memory_order_relaxed) == CH_SUCCESS_NO;
    sd_notifyf(0, "STATUS=%zu targets, %zu of %zu probes failing; configuration %s",
               generation->target_count, failing, generation->series_count,
               atomic_load(&service->parts.state->last_reload_ok)
                   ? "loaded"
                   : "NOT reloaded: see the log, the old one runs");
    ch_generation_unref(generation);
}

static int reload(struct ch_service *service)
{
    struct ch_addr failed;
    int r;

    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, ch_clock_monotonic() / CH_NS_PER_US);
    r = ch_loader_load(service->parts.loader, &failed);
    if (r == 0)
        service->parts.reloaded(service->parts.context, ch_loader_config(service->parts.loader));
    else
        ch_log_message(CH_LOG_ERROR, ch_message_row(CH_MESSAGE_CONFIG_FAILED)->id,
                       "reload failed, the old configuration goes on", "error",
                       r == -EINVAL ? "see the lines before" : strerror(-r), NULL); // NOLINT
    arm_refresh(service);
    sd_notify(0, "READY=1");
    tell_status(service);
    return r;
}

static int on_end(sd_event_source *source, const struct signalfd_siginfo *info, void *context)
{
    (void)context;
    ch_log(CH_LOG_INFO, "stopping on %s", info->ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT");
    return sd_event_exit(sd_event_source_get_event(source), 0);
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *context)
{
    (void)source;
    (void)info;
    reload(context);
    return 0;
}

static int on_request(sd_event_source *source, int fd, uint32_t events, void *context)
{
    struct ch_service *service = context;
    struct reload_request *request = &service->request;
    uint64_t value, asked;
    int r;

    (void)source;
    (void)events;
    if (read(fd, &value, sizeof(value)) < 0)
        return 0;
    pthread_mutex_lock(&request->lock);
    asked = request->asked;
    pthread_mutex_unlock(&request->lock);
    r = reload(service);
    pthread_mutex_lock(&request->lock);
    request->done = asked;
    request->result = r;
    pthread_cond_broadcast(&request->done_changed);
    pthread_mutex_unlock(&request->lock);
    return 0;
}

static int on_changes(sd_event_source *source, int fd, uint32_t events, void *context)
{
    struct ch_service *service = context;

    (void)source;
    (void)fd;
    (void)events;
    ch_changes_log(service->parts.changes, &service->parts.follower);
    return 0;
}

static int on_files(sd_event_source *source, int fd, uint32_t events, void *context)
{
    struct ch_service *service = context;
    int armed = SD_EVENT_OFF;

    (void)source;
    (void)fd;
    (void)events;

    /* Armed already: a directory that never rests must not put it off for ever. */
    if (ch_loader_changed(service->parts.loader) &&
        sd_event_source_get_enabled(service->settle, &armed) >= 0 && armed == SD_EVENT_OFF)
        arm(service->settle, SETTLE_US);
    return 0;
}

static int on_rediscover(sd_event_source *source, uint64_t usec, void *context)
{
    struct ch_service *service = context;

    (void)source;
    (void)usec;
    ch_loader_rediscover(service->parts.loader);
    arm_refresh(service);
    return 0;
}

/* True while all the watched threads turn. */
static bool all_turn(struct ch_service *service)
{
    bool all = true;

    for (size_t i = 0; i < service->watched_count; i++) {
        struct watched *watched = &service->watched[i];
        uint64_t now = watched->turns(watched->context);

        watched->still = now != watched->before ? 0 : watched->still + 1;
        watched->before = now;
        if (watched->still == HANGS_AFTER)
            ch_log_message(CH_LOG_ERROR, ch_message_row(CH_MESSAGE_THREAD_HANGS)->id,
                           "a thread hangs", "thread", watched->name, NULL);
        if (watched->still >= HANGS_AFTER)
            all = false;
    }
    return all;
}

static int on_tick(sd_event_source *source, uint64_t usec, void *context)
{
    struct ch_service *service = context;
    bool healthy = all_turn(service);

    (void)usec;
    atomic_store(&service->parts.state->healthy, healthy);
    if (healthy)
        sd_notify(0, "WATCHDOG=1");
    if (++service->ticks % STATUS_TICKS == 0)
        tell_status(service);
    return arm(source, TICK_US);
}

void ch_service_watch(struct ch_service *service, const char *name,
                      uint64_t (*turns)(void *context), void *context)
{
    if (service->watched_count < CH_SERVICE_WATCHED_MAX)
        service->watched[service->watched_count++] =
            (struct watched){.name = name, .turns = turns, .context = context};
}

static int add_time(struct ch_service *service, sd_event_source **ret,
                    sd_event_time_handler_t handler)
{
    int r = sd_event_add_time_relative(service->event, ret, CLOCK_MONOTONIC, TICK_US, ACCURACY_US,
                                       handler, service);

    return r < 0 ? r : sd_event_source_set_enabled(*ret, SD_EVENT_OFF);
}

static int add_sources(struct ch_service *service)
{
    int r = sd_event_add_signal(service->event, NULL, SIGTERM | SD_EVENT_SIGNAL_PROCMASK, on_end,
                                service);

    if (r >= 0)
        r = sd_event_add_signal(service->event, NULL, SIGINT | SD_EVENT_SIGNAL_PROCMASK, on_end,
                                service);
    if (r >= 0)
        r = sd_event_add_signal(service->event, NULL, SIGHUP | SD_EVENT_SIGNAL_PROCMASK, on_hangup,
                                service);
    if (r >= 0)
        r = sd_event_add_io(service->event, NULL, ch_changes_fd(service->parts.changes), EPOLLIN,
                            on_changes, service);
    if (r >= 0)
        r = sd_event_add_io(service->event, NULL, ch_loader_fd(service->parts.loader), EPOLLIN,
                            on_files, service);
    if (r >= 0)
        r = sd_event_add_io(service->event, NULL, service->request.fd, EPOLLIN, on_request,
                            service);
    if (r >= 0)
        r = add_time(service, &service->settle, on_rediscover);
    if (r >= 0)
        r = add_time(service, &service->refresh, on_rediscover);
    if (r >= 0)
        r = add_time(service, &service->tick, on_tick);
    return r < 0 ? r : arm(service->tick, TICK_US);
}

int ch_service_new(const struct ch_service_parts *parts, struct ch_service **ret)
{
    struct ch_service *service = calloc(1, sizeof(*service));
    int r;

    if (!service)
        return -ENOMEM;
    service->parts = *parts;
    pthread_mutex_init(&service->request.lock, NULL);
    pthread_cond_init(&service->request.done_changed, NULL);
    service->request.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    r = service->request.fd < 0 ? -errno : sd_event_new(&service->event);
    if (r >= 0)
        r = add_sources(service);
    if (r < 0) {
        ch_service_free(service);
        return r;
    }
    arm_refresh(service);
    atomic_store(&parts->state->healthy, true); /* HTTP may serve before the run */
    *ret = service;
    return 0;
}

struct ch_service *ch_service_free(struct ch_service *service)
{
    if (!service)
        return NULL;
    sd_event_source_unref(service->settle);
    sd_event_source_unref(service->refresh);
    sd_event_source_unref(service->tick);
    sd_event_unref(service->event);
    if (service->request.fd >= 0)
        close(service->request.fd);
    pthread_cond_destroy(&service->request.done_changed);
    pthread_mutex_destroy(&service->request.lock);
    free(service);
    return NULL;
}

int ch_service_run(struct ch_service *service)
{
    int r;

    atomic_store(&service->parts.state->ready, true);
    sd_notify(0, "READY=1");
    tell_status(service);
    r = sd_event_loop(service->event);
    sd_notify(0, "STOPPING=1\nEXTEND_TIMEOUT_USEC=" CH_SERVICE_STOP_US);
    ch_changes_log(service->parts.changes,
                   &service->parts.follower); /* what came with the last events */
    atomic_store(&service->parts.state->ready, false);
    return r < 0 ? r : 0;
}

void ch_service_end(struct ch_service *service)
{
    if (!service)
        return;
    pthread_mutex_lock(&service->request.lock);
    service->request.ended = true;
    pthread_cond_broadcast(&service->request.done_changed);
    pthread_mutex_unlock(&service->request.lock);
}

struct sd_event *ch_service_event(struct ch_service *service)
{
    return service->event;
}

int ch_service_reload_here(void *context, char **ret_errors)
{
    struct ch_service *service = context;
    int r = reload(service);

    *ret_errors = r < 0 ? ch_state_reload_errors(service->parts.state) : NULL;
    return r;
}

int ch_service_reload(void *context, char **ret_errors)
{
    struct ch_service *service = context;
    struct reload_request *request = &service->request;
    uint64_t mine, one = 1;
    int r = -ESHUTDOWN;

    *ret_errors = NULL;
    pthread_mutex_lock(&request->lock);
    mine = ++request->asked;
    if (write(request->fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
        request->ended = true;
    while (request->done < mine && !request->ended)
        pthread_cond_wait(&request->done_changed, &request->lock);
    if (request->done >= mine)
        r = request->result;
    pthread_mutex_unlock(&request->lock);
    if (r < 0)
        *ret_errors = ch_state_reload_errors(service->parts.state);
    return r;
}
