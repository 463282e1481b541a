/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that take long to make, in steps. */
#include <errno.h>
#include <stdlib.h>

#include "bus_private.h"

#define JOBS_MAX           64
#define JOBS_OF_ONE_CLIENT 8

static bool has_room_for(const struct ch_bus *bus, sd_bus_message *call)
{
    const char *sender = sd_bus_message_get_sender(call);
    size_t of_this_one = 0;

    for (const struct bus_job *job = bus->jobs; job; job = job->next) {
        const char *other = sd_bus_message_get_sender(job->call);

        of_this_one += sender && other && strcmp(sender, other) == 0;
    }
    return bus->job_count < JOBS_MAX && of_this_one < JOBS_OF_ONE_CLIENT;
}

int bus_job_start(struct ch_bus *bus, struct bus_job *job, sd_bus_message *call,
                  sd_bus_error *error)
{
    if (!has_room_for(bus, call)) {
        job->release(job);
        return sd_bus_error_set(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                "too many answers are being made already: try again");
    }
    job->next = NULL;
    job->call = sd_bus_message_ref(call);
    *bus->jobs_end = job;
    bus->jobs_end = &job->next;
    bus->job_count++;
    sd_event_source_set_enabled(bus->work, SD_EVENT_ON);
    return 1;
}

static void end_first(struct ch_bus *bus)
{
    struct bus_job *job = bus->jobs;

    bus->jobs = job->next;
    if (!bus->jobs)
        bus->jobs_end = &bus->jobs;
    bus->job_count--;
    sd_bus_message_unref(job->call);
    job->release(job);
}

int bus_jobs_work(sd_event_source *source, void *context)
{
    struct ch_bus *bus = context;
    struct bus_job *job = bus->jobs;
    int r;

    if (!job)
        return sd_event_source_set_enabled(source, SD_EVENT_OFF);
    r = job->step(job);
    if (r > 0)
        return 0;
    if (r == -E2BIG)
        sd_bus_reply_method_errorf(job->call, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                   "the answer is too long for D-Bus: ask for less, or over HTTP");
    else if (r < 0)
        sd_bus_reply_method_errno(job->call, r, NULL);
    end_first(bus);
    return 0;
}

void bus_jobs_drop(struct ch_bus *bus)
{
    while (bus->jobs)
        end_first(bus);
}
