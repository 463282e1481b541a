/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor_connect PORT CONCURRENCY COUNT fin|reset: the least that a connect probe
 * can cost. So many at a time, each: socket, non-blocking connect, epoll,
 * getsockopt(SO_ERROR), close; nothing is kept of any.
 */
#include <errno.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#define EVENTS 256

static bool by_reset;
static uint64_t failures;

static void begin(int epoll, uint16_t port, uint32_t target)
{
    struct sockaddr_in address = bench_target(port, target);
    struct epoll_event event = {.events = EPOLLOUT};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        bench_die("socket");
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 && errno != EINPROGRESS)
        bench_die("connect");
    event.data.u64 = (uint64_t)target << 32 | (uint32_t)fd;
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        bench_die("epoll_ctl");
}

static void finish(int fd)
{
    static const struct linger reset = {.l_onoff = 1};
    int error = 0;
    socklen_t len = sizeof(error);

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error != 0)
        failures++;
    if (by_reset)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(fd);
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS];
    struct bench_mark mark = {0};
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    uint64_t done = 0, total, warm_up;
    uint16_t port;
    uint32_t concurrency;

    if (argc != 5 || epoll < 0) {
        fprintf(stderr, "usage: floor_connect PORT CONCURRENCY COUNT fin|reset\n");
        return 2;
    }
    port = (uint16_t)bench_number(argv[1]);
    concurrency = (uint32_t)bench_number(argv[2]);
    total = bench_number(argv[3]);
    by_reset = strcmp(argv[4], "reset") == 0;
    warm_up = total / 10;
    for (uint32_t i = 0; i < concurrency; i++)
        begin(epoll, port, i);
    while (done < warm_up + total) {
        int count = epoll_wait(epoll, events, EVENTS, -1);

        if (mark.cpu_ns == 0 && done >= warm_up)
            mark = bench_mark(done);
        for (int i = 0; i < count; i++, done++) {
            finish((int)(uint32_t)events[i].data.u64);
            begin(epoll, port, (uint32_t)(events[i].data.u64 >> 32));
        }
    }
    bench_report(mark, bench_mark(done), failures);
    return 0;
}
