/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The main thread's life: signals, reloads, changed target files, the log of
 * changed outcomes, and what systemd is told. Built on sd-event; ends on SIGTERM
 * and SIGINT.
 */
#ifndef CH_DAEMON_SERVICE_H
#define CH_DAEMON_SERVICE_H

#include "changes_log.h"
#include "loader.h"

struct ch_service;
struct sd_event;

struct ch_service_parts {
    struct ch_state *state;
    struct ch_loader *loader;
    struct ch_changes *changes;
    /* told after each successful load, to those who need not be reloaded in step */
    void (*reloaded)(void *context, const struct ch_config *config);
    void *context;
    struct ch_changes_follower follower; /* told of each change after it was logged */
};

/* parts are borrowed and outlive the service. 0 or a negative errno. */
int ch_service_new(const struct ch_service_parts *parts, struct ch_service **ret);
struct ch_service *ch_service_free(struct ch_service *service);

/* A thread that must go on turning: turns(context) grows at least once a second
 * or tells the thread to turn. While one stands still the daemon is unhealthy and
 * systemd's watchdog is not fed. name is static. Before the run. */
#define CH_SERVICE_WATCHED_MAX 8
void ch_service_watch(struct ch_service *service, const char *name,
                      uint64_t (*turns)(void *context), void *context);

/* The main thread's loop, for others that live on it. Borrowed. */
struct sd_event *ch_service_event(struct ch_service *service);

/* What each stage of a stop may take, as systemd is told: with 100,000 targets
 * there are as many connections to close and counters to write. */
#define CH_SERVICE_STOP_US "10000000"

/* Says READY and runs until it is told to end; says STOPPING. */
int ch_service_run(struct ch_service *service);
/* Whoever waits for a reload is told that none will come. After the run, or
 * instead of it, and before threads that may wait are joined; any thread. */
void ch_service_end(struct ch_service *service);

/* Any thread but the main one: reloads and waits for the result. 0, or -EINVAL
 * with the errors in *ret_errors (malloc'd; NULL if there was no memory). */
int ch_service_reload(void *service, char **ret_errors);
/* The same for the main thread, which does it at once. */
int ch_service_reload_here(void *service, char **ret_errors);

#endif
