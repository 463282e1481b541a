/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon on the system's D-Bus: org.connhealth1, documented in
 * deploy/dbus/org.connhealth1.Manager.xml.
 *
 * Everything here belongs to the main thread and its sd-event. Without a bus, or
 * with one that refuses the name, the daemon runs on as well and tries again
 * from time to time: no call here reports that as an error.
 */
#ifndef CH_BUS_BUS_H
#define CH_BUS_BUS_H

#include "json.h"
#include "prober.h"

struct ch_bus;
struct sd_event;

/* Borrowed, with all it points to, until ch_bus_free(). */
struct ch_bus_parts {
    struct ch_state *state;
    struct ch_prober_thread *prober;
    const struct ch_json_writer *status; /* what others add to "status" */
    size_t status_count;
    /* "sockets": appends one JSON value; details: with the addresses of single
     * connections. 0 or a negative errno. */
    int (*sockets)(void *context, bool details, struct ch_text *out);
    void *sockets_context;
    /* Loads the configuration anew: 0, or a negative errno with *ret_errors
     * (malloc'd, or NULL). */
    int (*reload)(void *context, char **ret_errors);
    void *reload_context;
};

/* Begins to look for the bus once the event loop runs. 0 or a negative errno. */
int ch_bus_new(const struct ch_bus_parts *parts, struct sd_event *event, struct ch_bus **ret);
/* Calls that were not answered yet get no answer. Takes NULL, returns NULL. */
struct ch_bus *ch_bus_free(struct ch_bus *bus);

/* A change of outcome: becomes a signal, if there is a bus and room. */
void ch_bus_changed(struct ch_bus *bus, const struct ch_change *change);
/* So many changes were lost before they came here. */
void ch_bus_lost(struct ch_bus *bus, uint64_t count);

#endif
