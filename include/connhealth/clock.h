/* SPDX-License-Identifier: Apache-2.0 */
/* The two clocks. Every time in the program is int64_t nanoseconds unless its
 * name says otherwise; deadlines are on the monotonic clock. */
#ifndef CONNHEALTH_CLOCK_H
#define CONNHEALTH_CLOCK_H

#include <stdint.h>
#include <time.h>

#define CH_NS_PER_US INT64_C(1000)
#define CH_NS_PER_MS INT64_C(1000000)
#define CH_NS_PER_S  INT64_C(1000000000)

static inline int64_t ch_clock_read(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts); /* cannot fail for these clocks (clock_gettime(2)) */
    return ts.tv_sec * CH_NS_PER_S + ts.tv_nsec;
}

static inline int64_t ch_clock_monotonic(void)
{
    return ch_clock_read(CLOCK_MONOTONIC);
}

static inline int64_t ch_clock_realtime(void)
{
    return ch_clock_read(CLOCK_REALTIME);
}

/* How long the machine has slept since boot: the boot clock goes on meanwhile, the
 * monotonic one does not (clock_gettime(2)). Two clocks cannot be read at once:
 * one answer is never too much, the other never too little. */
static inline int64_t ch_clock_slept_least(void)
{
    int64_t boot = ch_clock_read(CLOCK_BOOTTIME);

    return boot - ch_clock_monotonic();
}

static inline int64_t ch_clock_slept_most(void)
{
    int64_t monotonic = ch_clock_monotonic();

    return ch_clock_read(CLOCK_BOOTTIME) - monotonic;
}

#endif
