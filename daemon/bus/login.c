/* SPDX-License-Identifier: Apache-2.0 */
/* Sleep and shutdown, as systemd-logind announces them
 * (org.freedesktop.login1(5)). While we hold its lock, it waits for us, five
 * seconds at most (InhibitDelayMaxSec=). */
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bus_private.h"
#include "log.h"
#include "messages.h"

#define LOGIN_NAME      "org.freedesktop.login1"
#define LOGIN_PATH      "/org/freedesktop/login1"
#define LOGIN_INTERFACE "org.freedesktop.login1.Manager"

/* Links and addresses come back in that time. */
#define AFTER_SLEEP_US UINT64_C(5000000)

/* Should the end never be announced: so long awake is no sleep (the clock stands
 * still in one), so long alive no shutdown. */
#define AWAKE_ALL_THE_SAME_US UINT64_C(60000000)
#define ALIVE_ALL_THE_SAME_US UINT64_C(300000000)

static void release_lock(struct ch_bus *bus)
{
    if (bus->inhibitor >= 0)
        close(bus->inhibitor);
    bus->inhibitor = -1;
}

static int on_lock(sd_bus_message *answer, void *context, sd_bus_error *error)
{
    struct ch_bus *bus = context;
    int fd;

    (void)error;
    if (sd_bus_message_is_method_error(answer, NULL) || sd_bus_message_read(answer, "h", &fd) < 0) {
        const sd_bus_error *refusal = sd_bus_message_get_error(answer);

        ch_log_fields(CH_LOG_DEBUG, "without login1's lock a sleep may come as a surprise", "error",
                      refusal ? refusal->message : NULL, NULL);
        return 0;
    }
    release_lock(bus);
    bus->inhibitor = fcntl(fd, F_DUPFD_CLOEXEC, 3); /* the message closes its own */
    return 0;
}

/* Without login1 there is no answer but an error: it is not started for us. */
static int take_lock(struct ch_bus *bus)
{
    sd_bus_message *call = NULL;
    int r = sd_bus_message_new_method_call(bus->bus, &call, LOGIN_NAME, LOGIN_PATH, LOGIN_INTERFACE,
                                           "Inhibit");

    if (r >= 0)
        r = sd_bus_message_set_auto_start(call, false);
    if (r >= 0)
        r = sd_bus_message_append(call, "ssss", "sleep:shutdown", "connhealthd",
                                  "Connections are closed first", "delay");
    if (r >= 0)
        r = sd_bus_call_async(bus->bus, NULL, call, on_lock, bus, 0);
    sd_bus_message_unref(call);
    return r;
}

static void rest(struct ch_bus *bus)
{
    ch_prober_rest(bus->parts.prober, bus->sleeping ? CH_REST_ALL
                                      : bus->ending ? CH_REST_RESPONDER
                                                    : CH_REST_NONE);
}

static void go_on(struct ch_bus *bus)
{
    bus->sleeping = bus->ending = false;
    sd_event_source_set_enabled(bus->wake, SD_EVENT_OFF);
    ch_log_message(CH_LOG_INFO, ch_message_row(CH_MESSAGE_RESUME)->id, "probing goes on", NULL);
    rest(bus);
    if (bus->bus && bus->inhibitor < 0)
        (void)take_lock(bus);
}

static int on_wake(sd_event_source *source, uint64_t usec, void *context)
{
    (void)source;
    (void)usec;
    go_on(context);
    return 0;
}

static int on_sleep(sd_bus_message *signal, void *context, sd_bus_error *error)
{
    struct ch_bus *bus = context;
    int begins, r = sd_bus_message_read(signal, "b", &begins);

    (void)error;
    if (r < 0)
        return 0;
    if (!begins) {
        if (bus->sleeping)
            bus_arm(bus->wake, AFTER_SLEEP_US);
        return 0;
    }
    if (!bus->sleeping)
        ch_log_message(CH_LOG_INFO, ch_message_row(CH_MESSAGE_SLEEP)->id,
                       "the machine goes to sleep, probing rests", NULL);
    bus->sleeping = true;
    bus_arm(bus->wake, AWAKE_ALL_THE_SAME_US);
    rest(bus);
    return 0;
}

static int on_shutdown(sd_bus_message *signal, void *context, sd_bus_error *error)
{
    struct ch_bus *bus = context;
    int begins, r = sd_bus_message_read(signal, "b", &begins);

    (void)error;
    if (r < 0)
        return 0;
    if (!begins) {
        if (bus->ending)
            go_on(bus);
        return 0;
    }
    if (!bus->ending)
        ch_log_message(CH_LOG_INFO, ch_message_row(CH_MESSAGE_SHUTDOWN)->id,
                       "the machine goes down, the responder says goodbye", NULL);
    bus->ending = true;
    bus_arm(bus->wake, ALIVE_ALL_THE_SAME_US);
    rest(bus);
    return 0;
}

/* All is closed: the machine may go. */
static int on_rested(sd_event_source *source, int fd, uint32_t events, void *context)
{
    struct ch_bus *bus = context;
    uint64_t value;

    (void)source;
    (void)events;
    if (read(fd, &value, sizeof(value)) == sizeof(value) && (bus->sleeping || bus->ending))
        release_lock(bus);
    return 0;
}

/* login1 was started after us. */
static int on_owner(sd_bus_message *signal, void *context, sd_bus_error *error)
{
    struct ch_bus *bus = context;
    const char *name, *before, *now;

    (void)error;
    if (sd_bus_message_read(signal, "sss", &name, &before, &now) >= 0 && *now &&
        bus->inhibitor < 0 && !bus->sleeping && !bus->ending)
        (void)take_lock(bus);
    return 0;
}

int bus_login_add_sources(struct ch_bus *bus)
{
    int r = bus_add_timer(bus, on_wake, &bus->wake);

    if (r >= 0)
        r = sd_event_add_io(bus->event, &bus->rested, ch_prober_rested_fd(bus->parts.prober),
                            EPOLLIN, on_rested, bus);
    return r < 0 ? r : sd_event_source_set_priority(bus->rested, BUS_PRIORITY);
}

int bus_login_begin(struct ch_bus *bus)
{
    int r = sd_bus_match_signal_async(bus->bus, NULL, LOGIN_NAME, LOGIN_PATH, LOGIN_INTERFACE,
                                      "PrepareForSleep", on_sleep, NULL, bus);

    if (r >= 0)
        r = sd_bus_match_signal_async(bus->bus, NULL, LOGIN_NAME, LOGIN_PATH, LOGIN_INTERFACE,
                                      "PrepareForShutdown", on_shutdown, NULL, bus);
    if (r >= 0)
        r = sd_bus_add_match_async(bus->bus, NULL,
                                   "type='signal',sender='org.freedesktop.DBus',"
                                   "interface='org.freedesktop.DBus',member='NameOwnerChanged',"
                                   "arg0='" LOGIN_NAME "'",
                                   on_owner, NULL, bus);
    return r < 0 ? r : take_lock(bus);
}

/* What was announced stays so: the timer ends it if nobody else can. */
void bus_login_end(struct ch_bus *bus)
{
    release_lock(bus);
}
