/* SPDX-License-Identifier: Apache-2.0 */
#include "demand.h"

#include <stdlib.h>
#include <unistd.h>

#include "connhealth/container.h"
#include "prober_private.h"

struct ch_demand *ch_demand_new(struct ch_generation *generation, uint32_t series, void *context)
{
    struct ch_demand *demand = calloc(1, sizeof(*demand));

    if (demand) {
        demand->generation = ch_generation_ref(generation);
        demand->series = series;
        demand->context = context;
    }
    return demand;
}

struct ch_demand *ch_demand_free(struct ch_demand *demand)
{
    if (demand)
        ch_generation_unref(demand->generation);
    free(demand);
    return NULL;
}

void prober_answered(struct ch_demand *demand)
{
    struct ch_prober_thread *prober = demand->prober;
    uint64_t one = 1;
    ssize_t written;

    demand->next = atomic_load(&prober->answered);
    while (!atomic_compare_exchange_weak(&prober->answered, &demand->next, demand))
        ;
    written = write(prober->answered_fd, &one, sizeof(one)); /* EAGAIN: readable already */
    (void)written;
}

static void on_demand(struct ch_task *task)
{
    struct ch_demand *demand = ch_container_of(task, struct ch_demand, task);
    struct ch_generation *generation = demand->prober->generation;
    /* Another one only if what was asked about was never applied. */
    struct ch_runner *runner =
        generation == demand->generation ? generation->series[demand->series].runner : NULL;

    if (runner) {
        ch_runner_demand(runner, demand);
        return;
    }
    demand->result = -ECANCELED;
    prober_answered(demand);
}

void ch_prober_demand(struct ch_prober_thread *prober, struct ch_demand *demand)
{
    demand->prober = prober;
    demand->task.run = on_demand;
    ch_loop_post(prober->loop, &demand->task);
}

int ch_prober_answered_fd(const struct ch_prober_thread *prober)
{
    return prober->answered_fd;
}

struct ch_demand *ch_prober_answered(struct ch_prober_thread *prober)
{
    uint64_t value;
    ssize_t n = read(prober->answered_fd, &value, sizeof(value)); /* EAGAIN: nothing new */

    (void)n;
    return atomic_exchange(&prober->answered, NULL);
}

void prober_free_answered(struct ch_prober_thread *prober)
{
    for (struct ch_demand *demand = ch_prober_answered(prober), *next; demand; demand = next) {
        next = demand->next;
        ch_demand_free(demand);
    }
}
