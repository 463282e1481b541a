/* SPDX-License-Identifier: Apache-2.0 */
/* The interface: its members, and those that need no file of their own. */
#include <stdlib.h>

#include "build.h"
#include "bus_private.h"
#include "connhealth/clock.h"

#define LOAD(field) atomic_load_explicit(&(field), memory_order_relaxed)

static int get_version(sd_bus *connection, const char *path, const char *interface,
                       const char *property, sd_bus_message *answer, void *context,
                       sd_bus_error *error)
{
    (void)connection;
    (void)path;
    (void)interface;
    (void)property;
    (void)context;
    (void)error;
    return sd_bus_message_append(answer, "s", ch_build_version());
}

static int get_config_loaded(sd_bus *connection, const char *path, const char *interface,
                             const char *property, sd_bus_message *answer, void *context,
                             sd_bus_error *error)
{
    struct ch_bus *bus = context;

    (void)connection;
    (void)path;
    (void)interface;
    (void)property;
    (void)error;
    return sd_bus_message_append(
        answer, "t", (uint64_t)LOAD(bus->parts.state->last_reload_success_ns) / CH_NS_PER_US);
}

static int get_n_targets(sd_bus *connection, const char *path, const char *interface,
                         const char *property, sd_bus_message *answer, void *context,
                         sd_bus_error *error)
{
    struct ch_bus *bus = context;
    struct ch_generation *generation = ch_state_generation(bus->parts.state);
    uint32_t count = (uint32_t)generation->target_count;

    (void)connection;
    (void)path;
    (void)interface;
    (void)property;
    (void)error;
    ch_generation_unref(generation);
    return sd_bus_message_append(answer, "u", count);
}

static int get_n_failing(sd_bus *connection, const char *path, const char *interface,
                         const char *property, sd_bus_message *answer, void *context,
                         sd_bus_error *error)
{
    (void)connection;
    (void)path;
    (void)interface;
    (void)property;
    (void)error;
    return sd_bus_message_append(answer, "u", bus_count_failing(context));
}

static int reload(sd_bus_message *call, void *context, sd_bus_error *error)
{
    struct ch_bus *bus = context;
    char *errors = NULL;
    int r = bus->parts.reload(bus->parts.reload_context, &errors);

    if (r < 0 && errors)
        r = sd_bus_error_set(error, BUS_ERROR_BAD_CONFIG, errors);
    free(errors);
    return r < 0 ? r : sd_bus_reply_method_return(call, NULL);
}

#define ROWS "a(ssssttss)"

/* Members without UNPRIVILEGED are for root alone (and for the user that the
 * daemon runs as): sd-bus asks, whatever the policy of the bus lets through. */
const sd_bus_vtable bus_manager_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("ConfigLoadedUSec", "t", get_config_loaded, 0,
                    SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("NTargets", "u", get_n_targets, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("NFailing", "u", get_n_failing, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_METHOD_WITH_ARGS("ListTargets", SD_BUS_NO_ARGS, SD_BUS_RESULT(ROWS, targets),
                            bus_list_targets, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("ListFailing", SD_BUS_NO_ARGS, SD_BUS_RESULT(ROWS, targets),
                            bus_list_failing, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("GetTarget", SD_BUS_ARGS("s", group, "s", target, "s", probe),
                            SD_BUS_RESULT("aa{sv}", probes), bus_get_target,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Describe", SD_BUS_ARGS("s", resource), SD_BUS_RESULT("s", json),
                            bus_describe, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Probe", SD_BUS_ARGS("s", group, "s", target, "s", probe),
                            SD_BUS_RESULT("aa{sv}", probes), bus_probe, 0),
    SD_BUS_METHOD_WITH_ARGS("Reload", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, reload, 0),
    SD_BUS_SIGNAL_WITH_ARGS("TargetChanged",
                            SD_BUS_ARGS("s", group, "s", target, "s", probe, "b", success, "s",
                                        category, "s", phase, "s", wire, "s", cause, "b", certain,
                                        "s", detail, "t", time_usec),
                            0),
    SD_BUS_SIGNAL_WITH_ARGS("ChangesLost", SD_BUS_ARGS("t", count), 0),
    SD_BUS_VTABLE_END,
};
