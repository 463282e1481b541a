/* SPDX-License-Identifier: Apache-2.0 */
/* Probe: an attempt now, answered when it has its outcome. */
#include <errno.h>
#include <stdlib.h>

#include "bus_private.h"

#define SERIES_OF_ONE_CALL 32
#define DEMANDS_MAX        256

struct bus_probing {
    struct bus_probing *next;
    sd_bus_message *call; /* a reference; NULL: nobody waits any more */
    struct ch_generation *generation;
    uint32_t series[SERIES_OF_ONE_CALL];
    unsigned count;
    unsigned waiting; /* attempts that are still to end */
    bool cancelled;
};

static void free_probing(struct bus_probing *probing)
{
    sd_bus_message_unref(probing->call);
    ch_generation_unref(probing->generation);
    free(probing);
}

static int find_series(struct bus_probing *probing, const char *group, const char *target,
                       const char *probe, sd_bus_error *error)
{
    const struct ch_generation *generation = probing->generation;

    for (size_t i = 0; i < generation->series_count; i++) {
        if (!bus_series_is(&generation->series[i], group, target, probe))
            continue;
        if (probing->count == SERIES_OF_ONE_CALL)
            return sd_bus_error_set(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                    "more than 32 probes have this name");
        probing->series[probing->count++] = (uint32_t)i;
    }
    return probing->count > 0 ? 0 : bus_no_such_target(error, group, target, probe);
}

/* All or none: half of the demands made would be a puzzle to whoever called. */
static int demand_all(struct ch_bus *bus, struct bus_probing *probing)
{
    struct ch_demand *demands[SERIES_OF_ONE_CALL] = {NULL};
    bool complete = true;

    for (unsigned i = 0; i < probing->count; i++) {
        demands[i] = ch_demand_new(probing->generation, probing->series[i], probing);
        complete = complete && demands[i];
    }
    for (unsigned i = 0; i < probing->count; i++) {
        if (!complete) {
            ch_demand_free(demands[i]);
            continue;
        }
        bus->demand_count++;
        probing->waiting++;
        ch_prober_demand(bus->parts.prober, demands[i]);
    }
    return complete ? 0 : -ENOMEM;
}

int bus_probe(sd_bus_message *call, void *context, sd_bus_error *error)
{
    const char *group, *target, *probe;
    struct bus_probing *probing;
    struct ch_bus *bus = context;
    int r = bus_read_target(call, &group, &target, &probe, error);

    if (r < 0)
        return r;
    if (bus->demand_count >= DEMANDS_MAX)
        return sd_bus_error_set(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                "too many attempts were asked for already: try again");
    probing = calloc(1, sizeof(*probing));
    if (!probing)
        return -ENOMEM;
    probing->call = sd_bus_message_ref(call);
    probing->generation = ch_state_generation(bus->parts.state);
    r = find_series(probing, group, target, probe, error);
    if (r >= 0)
        r = demand_all(bus, probing);
    if (r < 0) {
        free_probing(probing);
        return r;
    }
    probing->next = bus->probings;
    bus->probings = probing;
    return 1;
}

static int send_outcomes(const struct bus_probing *probing)
{
    sd_bus_message *answer = NULL;
    int r = sd_bus_message_new_method_return(probing->call, &answer);

    if (r >= 0)
        r = sd_bus_message_open_container(answer, 'a', "a{sv}");
    for (unsigned i = 0; r >= 0 && i < probing->count; i++)
        r = bus_append_series(answer, &probing->generation->series[probing->series[i]]);
    if (r >= 0)
        r = sd_bus_message_close_container(answer);
    if (r >= 0)
        r = sd_bus_send(NULL, answer, NULL);
    sd_bus_message_unref(answer);
    return r;
}

static void end_probing(struct ch_bus *bus, struct bus_probing *probing)
{
    struct bus_probing **at = &bus->probings;
    int r;

    while (*at != probing)
        at = &(*at)->next;
    *at = probing->next;
    if (probing->call && probing->cancelled) {
        sd_bus_reply_method_errorf(probing->call, BUS_ERROR_CANCELLED,
                                   "a reload removed or changed the target meanwhile, or the "
                                   "machine goes to sleep");
    } else if (probing->call) {
        r = send_outcomes(probing);
        if (r < 0)
            sd_bus_reply_method_errno(probing->call, r, NULL);
    }
    free_probing(probing);
}

int bus_probe_answered(sd_event_source *source, int fd, uint32_t events, void *context)
{
    struct ch_bus *bus = context;
    struct ch_demand *demand = ch_prober_answered(bus->parts.prober), *next;

    (void)source;
    (void)fd;
    (void)events;
    for (; demand; demand = next) {
        struct bus_probing *probing = demand->context;

        next = demand->next;
        probing->cancelled |= demand->result < 0;
        bus->demand_count--;
        if (--probing->waiting == 0)
            end_probing(bus, probing);
        ch_demand_free(demand);
    }
    return 0;
}

void bus_probes_drop(struct ch_bus *bus)
{
    for (struct bus_probing *probing = bus->probings; probing; probing = probing->next)
        probing->call = sd_bus_message_unref(probing->call);
}

void bus_probes_free(struct ch_bus *bus)
{
    while (bus->probings) {
        struct bus_probing *probing = bus->probings;

        bus->probings = probing->next;
        free_probing(probing);
    }
}
