/* SPDX-License-Identifier: Apache-2.0 */
/* The text that the sockets collector reads: mountinfo, the kernel's counters,
 * and cgroup paths, which anybody may name who may make a cgroup. */
#include <stdlib.h>
#include <string.h>

#include "sockets/cgroup.h"
#include "sockets/counters.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ch_kernel_counters counters = {0};
    char *text = malloc(size + 1), mount[100], unit[CH_UNIT_NAME];

    memcpy(text, data, size);
    text[size] = '\0';
    ch_counters_parse(text, &counters);
    if (ch_cgroup_mount_of(text, mount, sizeof(mount)) && strlen(mount) >= sizeof(mount))
        abort();
    ch_unit_of_path(text, unit);
    /* What becomes a label is plain text. */
    if (strspn(unit, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@/") !=
        strlen(unit))
        abort();
    free(text);
    return 0;
}
