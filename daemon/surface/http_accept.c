/* SPDX-License-Identifier: Apache-2.0 */
#include "http_accept.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "log.h"

/* How long to leave a listener alone that has no memory to accept with. */
#define PAUSE_MS 100

struct http_acceptor {
    pthread_t thread;
    http_take *take;
    void *context;
    int stop_fd;
    int spare_fd;   /* given up for a moment when no other descriptor is left */
    bool exhausted; /* that was logged */
    size_t count;
    struct pollfd poll[]; /* the listeners, then stop_fd */
};

static int open_spare(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Without a descriptor a waiting client can neither be served nor sent away, and
 * the listener stays readable: it is accepted with the spare one and dropped. */
static void drop_one(struct http_acceptor *acceptor, int listener)
{
    int fd;

    if (!acceptor->exhausted)
        ch_log(CH_LOG_WARN, "no file descriptor is left for an HTTP client: dropping it");
    acceptor->exhausted = true;
    if (acceptor->spare_fd >= 0)
        close(acceptor->spare_fd);
    fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0)
        close(fd);
    acceptor->spare_fd = open_spare();
}

/* False when it is better to wait a little before the next try. */
static bool accept_one(struct http_acceptor *acceptor, int listener)
{
    struct sockaddr_storage addr = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(addr);
    int fd = accept4(listener, (struct sockaddr *)&addr, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd >= 0) {
        acceptor->exhausted = false;
        acceptor->take(acceptor->context, fd, (struct sockaddr *)&addr, len);
        return true;
    }
    if (errno == EMFILE || errno == ENFILE) {
        drop_one(acceptor, listener);
        return acceptor->spare_fd >= 0;
    }
    /* The client gave up, or another took it (accept(2)); anything else is
     * memory, or a fault that trying at once would not mend. */
    return errno == EAGAIN || errno == EINTR || errno == ECONNABORTED || errno == EPROTO;
}

static void *run(void *argument)
{
    struct http_acceptor *acceptor = argument;
    struct pollfd *stop = &acceptor->poll[acceptor->count];

    pthread_setname_np(pthread_self(), "http-accept");
    for (;;) {
        bool fine = true;

        if (poll(acceptor->poll, acceptor->count + 1, -1) < 0)
            continue;
        if (stop->revents)
            return NULL;
        for (size_t i = 0; i < acceptor->count; i++)
            if (acceptor->poll[i].revents)
                fine = accept_one(acceptor, acceptor->poll[i].fd) && fine;
        if (!fine)
            poll(stop, 1, PAUSE_MS);
    }
}

int http_acceptor_new(const struct http_listener *listeners, size_t count, http_take *take,
                      void *context, struct http_acceptor **ret)
{
    struct http_acceptor *acceptor =
        calloc(1, sizeof(*acceptor) + (count + 1) * sizeof(acceptor->poll[0]));
    int r = -ENOMEM;

    if (!acceptor)
        return -ENOMEM;
    acceptor->take = take;
    acceptor->context = context;
    acceptor->count = count;
    acceptor->spare_fd = open_spare();
    acceptor->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (acceptor->stop_fd < 0) {
        r = -errno;
        goto failed;
    }
    for (size_t i = 0; i < count; i++)
        acceptor->poll[i] = (struct pollfd){.fd = listeners[i].fd, .events = POLLIN};
    acceptor->poll[count] = (struct pollfd){.fd = acceptor->stop_fd, .events = POLLIN};
    r = -pthread_create(&acceptor->thread, NULL, run, acceptor);
    if (r == 0) {
        *ret = acceptor;
        return 0;
    }
    close(acceptor->stop_fd);
failed:
    if (acceptor->spare_fd >= 0)
        close(acceptor->spare_fd);
    free(acceptor);
    return r;
}

struct http_acceptor *http_acceptor_free(struct http_acceptor *acceptor)
{
    if (!acceptor)
        return NULL;
    eventfd_write(acceptor->stop_fd, 1); /* cannot fail: nothing was written before */
    pthread_join(acceptor->thread, NULL);
    close(acceptor->stop_fd);
    if (acceptor->spare_fd >= 0)
        close(acceptor->spare_fd);
    free(acceptor);
    return NULL;
}
