/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the benchmark programs share. Each measures one thing, between a warm-up
 * and an end, and prints one line of JSON for tests/bench/run.
 */
#ifndef CH_BENCH_H
#define CH_BENCH_H

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "connhealth/clock.h"

#define BENCH_PING "PING\r\n"
#define BENCH_PONG "+PONG\r\n"

/* User and system time of this process, all threads. */
static inline int64_t bench_cpu_ns(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * CH_NS_PER_S +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * CH_NS_PER_US;
}

struct bench_mark {
    int64_t cpu_ns;
    int64_t wall_ns;
    uint64_t count;
};

static inline struct bench_mark bench_mark(uint64_t count)
{
    return (struct bench_mark){
        .cpu_ns = bench_cpu_ns(), .wall_ns = ch_clock_monotonic(), .count = count};
}

/* Operations from begin to end; failures besides (they spoil the result). */
static inline void bench_report(struct bench_mark begin, struct bench_mark end, uint64_t failures)
{
    double count = (double)(end.count - begin.count);
    double wall_ns = (double)(end.wall_ns - begin.wall_ns);

    printf("{\"count\": %.0f, \"failures\": %" PRIu64 ", \"cpu_us\": %.3f, \"per_second\": %.0f}\n",
           count, failures, (double)(end.cpu_ns - begin.cpu_ns) / count / 1000.0,
           count * 1e9 / wall_ns);
}

/* The i-th target: an address of its own each, so that no pair of addresses runs
 * out of ports while closed connections stand in TIME_WAIT. */
static inline struct sockaddr_in bench_target(uint16_t port, uint32_t i)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons(port),
                                .sin_addr.s_addr = htonl(UINT32_C(0x7f000001) + i)};
}

/* The only way a benchmark ends when something does not work. */
static inline _Noreturn void bench_die(const char *what)
{
    perror(what);
    exit(1);
}

static inline unsigned long bench_number(const char *text)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (*text == '\0' || *end != '\0') {
        fprintf(stderr, "%s is not a number\n", text);
        exit(2);
    }
    return value;
}

static inline void bench_raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

#endif
