/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor_heartbeat PORT CONNECTIONS COUNT: the least that a heartbeat can cost.
 * On each connection, over and over: send, epoll, recv; the answer is looked at
 * for its length alone.
 */
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#define EVENTS 256

static void ping(int fd)
{
    if (send(fd, BENCH_PING, sizeof(BENCH_PING) - 1, MSG_NOSIGNAL) < 0)
        bench_die("send");
}

static void begin(int epoll, uint16_t port, uint32_t target)
{
    struct sockaddr_in address = bench_target(port, target);
    struct epoll_event event = {.events = EPOLLIN};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        bench_die("connect");
    event.data.fd = fd;
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        bench_die("epoll_ctl");
    ping(fd);
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS];
    struct bench_mark mark = {0};
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    uint64_t done = 0, failures = 0, total, warm_up;
    uint32_t connections;

    if (argc != 4 || epoll < 0) {
        fprintf(stderr, "usage: floor_heartbeat PORT CONNECTIONS COUNT\n");
        return 2;
    }
    bench_raise_descriptors();
    connections = (uint32_t)bench_number(argv[2]);
    total = bench_number(argv[3]);
    warm_up = total / 10;
    for (uint32_t i = 0; i < connections; i++)
        begin(epoll, (uint16_t)bench_number(argv[1]), i);
    while (done < warm_up + total) {
        int count = epoll_wait(epoll, events, EVENTS, -1);

        if (mark.cpu_ns == 0 && done >= warm_up)
            mark = bench_mark(done);
        for (int i = 0; i < count; i++, done++) {
            char reply[64];

            if (recv(events[i].data.fd, reply, sizeof(reply), MSG_DONTWAIT) !=
                sizeof(BENCH_PONG) - 1)
                failures++;
            ping(events[i].data.fd);
        }
    }
    bench_report(mark, bench_mark(done), failures);
    return 0;
}
