/* SPDX-License-Identifier: Apache-2.0 */
#include "demand.h"

#include <stdlib.h>

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
