/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the bus share. Main thread only. */
#ifndef CH_BUS_PRIVATE_H
#define CH_BUS_PRIVATE_H

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "bus.h"
#include "demand.h"

#define BUS_NAME      "org.connhealth1"
#define BUS_PATH      "/org/connhealth1"
#define BUS_INTERFACE "org.connhealth1.Manager"

#define BUS_ERROR_NO_SUCH_TARGET "org.connhealth1.Error.NoSuchTarget"
#define BUS_ERROR_BAD_CONFIG     "org.connhealth1.Error.BadConfiguration"
#define BUS_ERROR_CANCELLED      "org.connhealth1.Error.Cancelled"

/* Beyond what the bus takes (dbus-daemon(1), max_message_size: 32 MiB) it would
 * cut the connection of whoever sends it. */
#define BUS_ANSWER_MAX ((size_t)24 << 20)

/* An answer that takes long to make: made in steps, between which the main
 * thread does whatever else is due. One after the other. */
struct bus_job {
    struct bus_job *next;
    sd_bus_message *call; /* a reference */
    /* 1: there is more to do; 0: answered; negative: a failure, not answered yet */
    int (*step)(struct bus_job *job);
    void (*release)(struct bus_job *job); /* frees the job, not its call */
};

struct bus_probing; /* a Probe call that waits: probe.c */

struct ch_bus {
    struct ch_bus_parts parts;
    sd_event *event;
    sd_event_source *retry, *tick, *work, *answered;
    sd_bus *bus;      /* NULL: none */
    bool named;       /* the name is ours */
    bool complained;  /* that there is none, once */
    uint64_t wait_us; /* before the next try */

    struct bus_job *jobs, **jobs_end;
    size_t job_count;
    struct bus_probing *probings;
    size_t demand_count; /* attempts asked for and not answered yet */

    /* login.c */
    sd_event_source *wake, *rested;
    int inhibitor; /* holds a sleep or shutdown up until it is closed; -1: none */
    bool sleeping, ending;

    /* told last: tell.c */
    uint64_t loaded_us;
    uint64_t generation;
    uint32_t targets, failing;
    bool stale;      /* something changed since */
    unsigned budget; /* signals that may still be sent before the next tick */
    uint64_t lost;
};

/* jobs.c: takes job over; on a negative errno it was released. Returns 1. */
int bus_job_start(struct ch_bus *bus, struct bus_job *job, sd_bus_message *call,
                  sd_bus_error *error);
int bus_jobs_work(sd_event_source *source, void *context);
void bus_jobs_drop(struct ch_bus *bus);

/* target.c */
int bus_append_text(sd_bus_message *message, const char *text);
const char *bus_state_word(const struct ch_record *record);
int bus_append_series(sd_bus_message *message, const struct ch_series *series); /* a{sv} */
/* Whether series is the one, or one of those, that the call names; probe ""
 * names all of a target. */
bool bus_series_is(const struct ch_series *series, const char *group, const char *target,
                   const char *probe);
/* Group, target and probe of a call, the probe checked. */
int bus_read_target(sd_bus_message *call, const char **ret_group, const char **ret_target,
                    const char **ret_probe, sd_bus_error *error);
int bus_no_such_target(sd_bus_error *error, const char *group, const char *target,
                       const char *probe);
int bus_get_target(sd_bus_message *call, void *context, sd_bus_error *error);

/* list.c */
int bus_list_targets(sd_bus_message *call, void *context, sd_bus_error *error);
int bus_list_failing(sd_bus_message *call, void *context, sd_bus_error *error);

/* describe.c */
int bus_describe(sd_bus_message *call, void *context, sd_bus_error *error);

/* probe.c */
int bus_probe(sd_bus_message *call, void *context, sd_bus_error *error);
int bus_probe_answered(sd_event_source *source, int fd, uint32_t events, void *context);
void bus_probes_drop(struct ch_bus *bus); /* nobody waits for them any more */
void bus_probes_free(struct ch_bus *bus);

/* login.c: sleep and shutdown of the machine */
int bus_login_add_sources(struct ch_bus *bus);
int bus_login_begin(struct ch_bus *bus); /* on a new connection */
void bus_login_end(struct ch_bus *bus);

/* tell.c: the properties that change, and the signals */
uint32_t bus_count_failing(struct ch_bus *bus);
void bus_tell_begin(struct ch_bus *bus);
int bus_tell_tick(sd_event_source *source, uint64_t usec, void *context);

/* manager.c */
extern const sd_bus_vtable bus_manager_vtable[];

/* Sources of bus.c's kind: later than what the daemon itself does. */
#define BUS_PRIORITY 10
int bus_add_timer(struct ch_bus *bus, sd_event_time_handler_t handler, sd_event_source **ret);
int bus_arm(sd_event_source *source, uint64_t after_us);

#endif
