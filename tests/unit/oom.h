/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that runs out on demand, for tests linked by ch_unit_test_oom(): the
 * linker sends every malloc, calloc and realloc of our own code through here. */
#ifndef CH_TEST_OOM_H
#define CH_TEST_OOM_H

#include <stdlib.h>

/* So many more allocations succeed, then none; negative: all do. */
static long oom_after = -1;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static int oom_strikes(void)
{
    if (oom_after < 0)
        return 0;
    if (oom_after == 0)
        return 1;
    oom_after--;
    return 0;
}

void *__wrap_malloc(size_t size)
{
    return oom_strikes() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return oom_strikes() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return oom_strikes() ? NULL : __real_realloc(old, size);
}

#endif
