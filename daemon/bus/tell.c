/* SPDX-License-Identifier: Apache-2.0 */
/* What is told without being asked: changed properties, at most once a second,
 * and changes of outcome, at most so many a second. */
#include "bus_private.h"
#include "connhealth/clock.h"

#define TICK_US        UINT64_C(1000000)
#define SIGNALS_A_TICK 2000
#define QUEUED_MOST    4096 /* messages that the bus has not taken yet */

#define LOAD(field) atomic_load_explicit(&(field), memory_order_relaxed)

uint32_t bus_count_failing(struct ch_bus *bus)
{
    struct ch_generation *generation = ch_state_generation(bus->parts.state);
    uint32_t failing = 0;

    for (size_t i = 0; i < generation->series_count; i++)
        failing += LOAD(generation->series[i].record->success) == CH_SUCCESS_NO;
    ch_generation_unref(generation);
    return failing;
}

/* Notes what is true now; returns the names of the properties that it differs in
 * from what was noted before. */
static void note(struct ch_bus *bus, char *ret_names[4])
{
    struct ch_generation *generation = ch_state_generation(bus->parts.state);
    uint64_t loaded_us = (uint64_t)LOAD(bus->parts.state->last_reload_success_ns) / CH_NS_PER_US;
    uint32_t targets = (uint32_t)generation->target_count, failing = bus->failing;
    size_t count = 0;

    if (bus->stale || generation->number != bus->generation)
        failing = bus_count_failing(bus);
    if (loaded_us != bus->loaded_us)
        ret_names[count++] = "ConfigLoadedUSec";
    if (targets != bus->targets)
        ret_names[count++] = "NTargets";
    if (failing != bus->failing)
        ret_names[count++] = "NFailing";
    ret_names[count] = NULL;
    bus->loaded_us = loaded_us;
    bus->generation = generation->number;
    bus->targets = targets;
    bus->failing = failing;
    bus->stale = false;
    ch_generation_unref(generation);
}

void bus_tell_begin(struct ch_bus *bus)
{
    char *names[4];

    bus->stale = true;
    bus->budget = SIGNALS_A_TICK;
    bus->lost = 0;
    note(bus, names);
    bus_arm(bus->tick, TICK_US);
}

static void tell_properties(struct ch_bus *bus)
{
    char *names[4];

    note(bus, names);
    if (names[0])
        (void)sd_bus_emit_properties_changed_strv(bus->bus, BUS_PATH, BUS_INTERFACE, names);
}

static void tell_losses(struct ch_bus *bus)
{
    if (bus->lost > 0 &&
        sd_bus_emit_signal(bus->bus, BUS_PATH, BUS_INTERFACE, "ChangesLost", "t", bus->lost) >= 0)
        bus->lost = 0;
}

int bus_tell_tick(sd_event_source *source, uint64_t usec, void *context)
{
    struct ch_bus *bus = context;

    (void)usec;
    bus->budget = SIGNALS_A_TICK;
    tell_losses(bus);
    tell_properties(bus);
    return bus_arm(source, TICK_US);
}

static int append_change(sd_bus_message *signal, const struct ch_change *change)
{
    const struct ch_attempt *attempt = &change->event.attempt;
    const struct ch_outcome *outcome = &attempt->outcome;
    bool success = outcome->success;
    char detail[CH_DETAIL_TEXT] = "";
    int r = bus_append_text(signal, change->event.group);

    if (!success)
        ch_outcome_describe(&attempt->evidence, outcome, detail, sizeof(detail));
    if (r >= 0)
        r = bus_append_text(signal, change->event.target);
    if (r >= 0)
        r = sd_bus_message_append(signal, "sbssssb", ch_probe_kind_word(change->kind)->slug,
                                  (int)success, ch_category_row(outcome->category)->slug,
                                  success ? "" : ch_phase_word(outcome->phase)->slug,
                                  success ? "" : ch_wire_word(outcome->wire)->slug,
                                  success ? "" : ch_cause_word(outcome->cause)->slug,
                                  (int)outcome->certain);
    if (r >= 0)
        r = bus_append_text(signal, detail);
    return r < 0 ? r
                 : sd_bus_message_append(signal, "t", (uint64_t)attempt->time_ns / CH_NS_PER_US);
}

static int send_change(struct ch_bus *bus, const struct ch_change *change)
{
    sd_bus_message *signal = NULL;
    int r = sd_bus_message_new_signal(bus->bus, &signal, BUS_PATH, BUS_INTERFACE, "TargetChanged");

    if (r >= 0)
        r = append_change(signal, change);
    if (r >= 0)
        r = sd_bus_send(bus->bus, signal, NULL);
    sd_bus_message_unref(signal);
    return r;
}

void ch_bus_changed(struct ch_bus *bus, const struct ch_change *change)
{
    uint64_t queued = 0;

    if (!bus || !bus->named)
        return;
    bus->stale = true;
    if (bus->budget == 0 || sd_bus_get_n_queued_write(bus->bus, &queued) < 0 ||
        queued > QUEUED_MOST || send_change(bus, change) < 0) {
        ch_bus_lost(bus, 1);
        return;
    }
    bus->budget--;
}

void ch_bus_lost(struct ch_bus *bus, uint64_t count)
{
    if (!bus || !bus->named)
        return;
    bus->stale = true;
    bus->lost += count;
}
