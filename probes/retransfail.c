/* SPDX-License-Identifier: Apache-2.0 */
#include "retransfail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connhealth/clock.h"

#define FRESH_NS (50 * CH_NS_PER_MS)

/* /proc/net/netstat has a line of names and a line of values for each group;
 * the same position in both belongs together. */
static uint64_t value_at(char *names, char *values, const char *wanted)
{
    char *name_place, *value_place;
    const char *name = strtok_r(names, " \n", &name_place);
    const char *value = strtok_r(values, " \n", &value_place);

    while (name && value) {
        if (strcmp(name, wanted) == 0)
            return strtoull(value, NULL, 10);
        name = strtok_r(NULL, " \n", &name_place);
        value = strtok_r(NULL, " \n", &value_place);
    }
    return 0;
}

static uint64_t read_counter(void)
{
    char *names = NULL, *values = NULL;
    size_t names_size = 0, values_size = 0;
    uint64_t counter = 0;
    FILE *file = fopen("/proc/thread-self/net/netstat", "re");

    if (!file)
        return 0;
    while (getline(&names, &names_size, file) > 0 && getline(&values, &values_size, file) > 0)
        if (strncmp(names, "TcpExt:", 7) == 0) {
            counter = value_at(names, values, "TCPRetransFail");
            break;
        }
    free(names);
    free(values);
    fclose(file);
    return counter;
}

bool ch_retrans_fail_moved(uint64_t baseline)
{
    return read_counter() > baseline;
}

uint64_t ch_retrans_fail_baseline(int64_t now_ns)
{
    static _Thread_local uint64_t counter;
    static _Thread_local int64_t read_at;

    if (read_at == 0 || now_ns - read_at > FRESH_NS) {
        counter = read_counter();
        read_at = now_ns;
    }
    return counter;
}
