/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server PORT: what the benchmarks probe, as a process of its own, so that its
 * time is nobody's else. It accepts on every local address and answers each
 * PING with a PONG; it ends with its parent. Prints "ready" when it listens.
 */
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#define EVENTS 256

static int listen_on(uint16_t port)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 || listen(fd, 65535) < 0)
        bench_die("listen");
    return fd;
}

static void accept_all(int epoll, int listener)
{
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
            bench_die("epoll_ctl");
    }
    if (errno != EAGAIN && errno != ECONNABORTED)
        bench_die("accept4");
}

/* A request is one send and one segment, so it arrives whole. */
static void answer(int fd)
{
    char request[64];
    ssize_t len = recv(fd, request, sizeof(request), 0);

    if (len <= 0) {
        if (len == 0 || errno != EAGAIN)
            close(fd);
        return;
    }
    if (send(fd, BENCH_PONG, sizeof(BENCH_PONG) - 1, MSG_NOSIGNAL) < 0)
        close(fd);
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS], event = {.events = EPOLLIN};
    int listener, epoll = epoll_create1(EPOLL_CLOEXEC);

    if (argc != 2) {
        fprintf(stderr, "usage: server PORT\n");
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    bench_raise_descriptors();
    listener = event.data.fd = listen_on((uint16_t)bench_number(argv[1]));
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0)
        bench_die("epoll");
    puts("ready");
    fflush(stdout);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);

        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener)
                accept_all(epoll, listener);
            else
                answer(events[i].data.fd);
        }
    }
}
