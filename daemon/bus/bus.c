/* SPDX-License-Identifier: Apache-2.0 */
/* The connection to the bus: found, lost and found again. */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "bus_private.h"
#include "log.h"

#define RETRY_FIRST_US UINT64_C(1000000)
#define RETRY_LAST_US  UINT64_C(60000000)
#define ACCURACY_US    UINT64_C(50000)

/* What sd-bus waits for with the main thread held up: who the caller is. */
#define BLOCKING_CALL_US UINT64_C(3000000)

/* Signals, timers and systemd's watchdog come before what others ask of us. */
#define PRIORITY_BUS  BUS_PRIORITY
#define PRIORITY_WORK 20

int bus_arm(sd_event_source *source, uint64_t after_us)
{
    int r = sd_event_source_set_time_relative(source, after_us);

    return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void disconnect(struct ch_bus *bus)
{
    bus->named = false;
    sd_event_source_set_enabled(bus->tick, SD_EVENT_OFF);
    bus_jobs_drop(bus);
    bus_probes_drop(bus);
    bus_login_end(bus);
    /* Without a flush: whoever does not read must not hold up a stop. */
    bus->bus = sd_bus_close_unref(bus->bus);
}

/* The connection is closed when its callbacks have returned. */
static void try_again(struct ch_bus *bus, int error, const char *what)
{
    /* A container without a bus is nothing to complain of; one line says it. */
    ch_log_fields(bus->complained ? CH_LOG_DEBUG : CH_LOG_INFO, what, "error",
                  error ? strerror(-error) : NULL, NULL); // NOLINT
    bus->complained = true;
    bus->named = false;
    bus_arm(bus->retry, bus->wait_us);
    bus->wait_us = bus->wait_us < RETRY_LAST_US / 2 ? bus->wait_us * 2 : RETRY_LAST_US;
}

static int on_disconnected(sd_bus_message *message, void *context, sd_bus_error *error)
{
    struct ch_bus *bus = context;

    (void)message;
    (void)error;
    if (bus->named)
        bus->complained = false;
    try_again(bus, 0, "the D-Bus connection is lost");
    return 0;
}

static int on_name(sd_bus_message *answer, void *context, sd_bus_error *error)
{
    const sd_bus_error *refusal = sd_bus_message_get_error(answer);
    struct ch_bus *bus = context;
    uint32_t result = 0;

    (void)error;
    if (refusal) {
        try_again(bus, -sd_bus_error_get_errno(refusal), "D-Bus does not give us our name");
        return 0;
    }
    /* 1: primary owner; 3: somebody else is (D-Bus specification, RequestName) */
    if (sd_bus_message_read(answer, "u", &result) < 0 || result != 1) {
        try_again(bus, -EEXIST, "D-Bus does not give us our name");
        return 0;
    }
    bus->named = true;
    bus->complained = false;
    bus->wait_us = RETRY_FIRST_US;
    ch_log_fields(CH_LOG_INFO, "on D-Bus", "name", BUS_NAME, NULL);
    bus_tell_begin(bus);
    return 0;
}

static int set_up(struct ch_bus *bus)
{
    int r = sd_bus_set_exit_on_disconnect(bus->bus, false);

    if (r >= 0)
        r = sd_bus_set_method_call_timeout(bus->bus, BLOCKING_CALL_US);
    if (r >= 0)
        r = sd_bus_match_signal_async(bus->bus, NULL, "org.freedesktop.DBus.Local",
                                      "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local",
                                      "Disconnected", on_disconnected, NULL, bus);
    if (r >= 0)
        r = sd_bus_add_object_vtable(bus->bus, NULL, BUS_PATH, BUS_INTERFACE, bus_manager_vtable,
                                     bus);
    if (r >= 0)
        r = sd_bus_attach_event(bus->bus, bus->event, PRIORITY_BUS);
    if (r >= 0)
        r = bus_login_begin(bus);
    return r < 0 ? r : sd_bus_request_name_async(bus->bus, NULL, BUS_NAME, 0, on_name, bus);
}

static int on_retry(sd_event_source *source, uint64_t usec, void *context)
{
    struct ch_bus *bus = context;
    int r;

    (void)source;
    (void)usec;
    disconnect(bus);
    r = sd_bus_open_system(&bus->bus);
    if (r >= 0)
        r = set_up(bus);
    if (r < 0)
        try_again(bus, r, "without D-Bus");
    return 0;
}

int bus_add_timer(struct ch_bus *bus, sd_event_time_handler_t handler, sd_event_source **ret)
{
    int r =
        sd_event_add_time_relative(bus->event, ret, CLOCK_MONOTONIC, 0, ACCURACY_US, handler, bus);

    if (r >= 0)
        r = sd_event_source_set_priority(*ret, PRIORITY_BUS);
    return r < 0 ? r : sd_event_source_set_enabled(*ret, SD_EVENT_OFF);
}

static int add_sources(struct ch_bus *bus)
{
    int r = bus_add_timer(bus, on_retry, &bus->retry);

    if (r >= 0)
        r = bus_add_timer(bus, bus_tell_tick, &bus->tick);
    if (r >= 0)
        r = sd_event_add_defer(bus->event, &bus->work, bus_jobs_work, bus);
    if (r >= 0)
        r = sd_event_source_set_priority(bus->work, PRIORITY_WORK);
    if (r >= 0)
        r = sd_event_source_set_enabled(bus->work, SD_EVENT_OFF);
    if (r >= 0)
        r = sd_event_add_io(bus->event, &bus->answered, ch_prober_answered_fd(bus->parts.prober),
                            EPOLLIN, bus_probe_answered, bus);
    if (r >= 0)
        r = sd_event_source_set_priority(bus->answered, PRIORITY_BUS);
    if (r >= 0)
        r = bus_login_add_sources(bus);
    return r < 0 ? r : bus_arm(bus->retry, 0);
}

int ch_bus_new(const struct ch_bus_parts *parts, struct sd_event *event, struct ch_bus **ret)
{
    struct ch_bus *bus = calloc(1, sizeof(*bus));
    int r;

    if (!bus)
        return -ENOMEM;
    bus->parts = *parts;
    bus->event = sd_event_ref(event);
    bus->jobs_end = &bus->jobs;
    bus->inhibitor = -1;
    bus->wait_us = RETRY_FIRST_US;
    r = add_sources(bus);
    if (r < 0) {
        ch_bus_free(bus);
        return r;
    }
    *ret = bus;
    return 0;
}

struct ch_bus *ch_bus_free(struct ch_bus *bus)
{
    if (!bus)
        return NULL;
    disconnect(bus);
    bus_probes_free(bus);
    sd_event_source_disable_unref(bus->retry);
    sd_event_source_disable_unref(bus->tick);
    sd_event_source_disable_unref(bus->work);
    sd_event_source_disable_unref(bus->answered);
    sd_event_source_disable_unref(bus->wake);
    sd_event_source_disable_unref(bus->rested);
    sd_event_unref(bus->event);
    free(bus);
    return NULL;
}
