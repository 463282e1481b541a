/* SPDX-License-Identifier: Apache-2.0 */
/*
 * By D-Bus: Describe and Reload of org.connhealth1.Manager, as documented in
 * deploy/dbus/org.connhealth1.Manager.xml. The daemon is not started for it.
 *
 * sd_bus_call(3) would go on through signals: the reply is waited for here.
 */
#include "reach.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <systemd/sd-bus.h>

#include "connhealth/clock.h"
#include "connhealth/text.h"
#include "exit_status.h"

#define NAME "org.connhealth1"

struct call {
    const struct ctl_request *request;
    struct ctl_reply *reply;
    char *reason;
    int64_t deadline_ns;
    sd_bus *bus;
    bool done;
    int result; /* once done: the exit status */
};

static int fail(struct call *call, const char *why)
{
    char quoted[CH_QUOTED_TEXT];
    size_t len = strlen(ch_text_quote(why, strcspn(why, "\n"), quoted));

    snprintf(call->reason, CTL_REASON, NAME " on the system bus: %.*s", (int)len - 2, quoted + 1);
    return EXIT_RUNTIME;
}

static int answer(struct call *call, unsigned status, const char *body)
{
    char *copy = strdup(body);

    if (!copy)
        return fail(call, strerror(ENOMEM)); // NOLINT
    *call->reply = (struct ctl_reply){
        .status = status, .body = copy, .len = strlen(copy), .from = NAME " on the system bus"};
    return EXIT_FINE;
}

/* What a person can do something about is an answer; of the rest another way may do. */
static int take_error(struct call *call, const sd_bus_error *error)
{
    const char *message = error->message ? error->message : error->name;

    if (sd_bus_error_has_name(error, SD_BUS_ERROR_INVALID_ARGS))
        return answer(call, CTL_STATUS_BAD_REQUEST, message);
    if (sd_bus_error_has_name(error, "org.connhealth1.Error.BadConfiguration"))
        return answer(call, CTL_STATUS_FAILED, message);
    if (sd_bus_error_has_name(error, SD_BUS_ERROR_ACCESS_DENIED) && !call->request->resource)
        return answer(call, CTL_STATUS_FORBIDDEN, message);
    if (sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
        sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
        return fail(call, "nobody has that name");
    return fail(call, message);
}

static int on_reply(sd_bus_message *message, void *context, sd_bus_error *error)
{
    struct call *call = context;
    const char *body = "";

    (void)error;
    call->done = true;
    if (sd_bus_message_is_method_error(message, NULL))
        call->result = take_error(call, sd_bus_message_get_error(message));
    else if (call->request->resource && sd_bus_message_read(message, "s", &body) < 0)
        call->result = fail(call, "does not answer as it promises");
    else
        call->result = answer(call, CTL_STATUS_OK, body);
    return 0;
}

static int send_call(struct call *call)
{
    const char *resource = call->request->resource;
    sd_bus_message *message = NULL;
    int r = sd_bus_message_new_method_call(call->bus, &message, NAME, "/org/connhealth1",
                                           NAME ".Manager", resource ? "Describe" : "Reload");

    if (r >= 0 && resource)
        r = sd_bus_message_append(message, "s", resource);
    if (r >= 0)
        r = sd_bus_message_set_auto_start(message, false);
    if (r >= 0)
        r = sd_bus_call_async(call->bus, NULL, message, on_reply, call,
                              (uint64_t)(call->request->timeout_ns / CH_NS_PER_US));
    sd_bus_message_unref(message);
    return r;
}

/* Until there is something to do, at most until the deadline. */
static int wait_for_bus(const struct call *call)
{
    struct pollfd poll_fd = {.fd = sd_bus_get_fd(call->bus)};
    int64_t left_ns = call->deadline_ns - ch_clock_monotonic();
    struct timespec left = {.tv_sec = left_ns > 0 ? left_ns / CH_NS_PER_S : 0,
                            .tv_nsec = left_ns > 0 ? left_ns % CH_NS_PER_S : 0};
    int events = sd_bus_get_events(call->bus), r;

    if (events < 0)
        return events;
    poll_fd.events = (short)events;
    r = ppoll(&poll_fd, 1, &left, call->request->wait_mask);
    if (r < 0)
        return errno == EINTR && !call->request->wait_mask ? 0 : -errno;
    return r == 0 ? -ETIMEDOUT : 0;
}

static int talk(struct call *call)
{
    int r = send_call(call);

    while (r >= 0 && !call->done) {
        r = sd_bus_process(call->bus, NULL);
        if (r == 0)
            r = wait_for_bus(call);
    }
    if (call->done)
        return call->result;
    return r == -EINTR ? r : fail(call, strerror(-r)); // NOLINT
}

int ctl_reach_bus(const struct ctl_request *request, struct ctl_reply *ret, char reason[CTL_REASON])
{
    struct call call = {.request = request,
                        .reply = ret,
                        .reason = reason,
                        .deadline_ns = ch_clock_monotonic() + request->timeout_ns};
    int status = EXIT_RUNTIME;

    /* A host without a bus is not worth a word. */
    if (sd_bus_open_system(&call.bus) >= 0)
        status = talk(&call);
    sd_bus_close_unref(call.bus);
    return status;
}
