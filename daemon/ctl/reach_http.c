/* SPDX-License-Identifier: Apache-2.0 */
#include "reach.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "connhealth/address.h"
#include "connhealth/clock.h"
#include "connhealth/text.h"
#include "exit_status.h"
#include "response.h"

/* Above what 100,000 targets take; beyond it something else answers. */
#define ANSWER_MAX (256UL << 20)
#define ROOM_FIRST (64UL << 10)
#define UNIX       "unix:"

/* One of several addresses of a name may not take all the time. */
static const int64_t connect_limit_ns = 3 * CH_NS_PER_S;

struct exchange {
    const struct ctl_request *request;
    char *reason;
    int64_t deadline_ns;
    int fd;
    char *bytes; /* the answer as it came */
    size_t len, room;
};

static int fail(const struct exchange *exchange, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int fail(const struct exchange *exchange, int status, const char *format, ...)
{
    const char *address = exchange->request->address;
    char quoted[CH_QUOTED_TEXT], why[CTL_REASON - CH_QUOTED_TEXT - 2];
    va_list list;
    size_t len;

    va_start(list, format);
    vsnprintf(why, sizeof(why), format, list);
    va_end(list);
    ch_text_quote(address, strlen(address), quoted);
    len = strlen(quoted);
    /* An address of plain characters needs no quotes. */
    if (len == strlen(address) + 2 && status != EXIT_UNUSABLE)
        snprintf(exchange->reason, CTL_REASON, "%.*s: %s", (int)len - 2, quoted + 1, why);
    else
        snprintf(exchange->reason, CTL_REASON, "%s: %s", quoted, why);
    return status;
}

static int fail_errno(const struct exchange *exchange, int r)
{
    if (r == -EINTR)
        return r;
    if (r == -EMSGSIZE)
        return fail(exchange, EXIT_RUNTIME, "the answer is larger than %lu MiB", ANSWER_MAX >> 20);
    if (r == -ETIMEDOUT)
        return fail(exchange, EXIT_RUNTIME, "no whole answer within %.3g s",
                    (double)exchange->request->timeout_ns / (double)CH_NS_PER_S);
    return fail(exchange, EXIT_RUNTIME, "%s", strerror(-r)); // NOLINT
}

/* ---- the connection ---------------------------------------------------- */

/* 0, -ETIMEDOUT, or the errno of ppoll. */
static int wait_until(const struct exchange *exchange, int fd, short events, int64_t deadline_ns)
{
    struct pollfd poll_fd = {.fd = fd, .events = events};
    int r;

    do {
        int64_t left_ns = deadline_ns - ch_clock_monotonic();
        struct timespec left = {.tv_sec = left_ns > 0 ? left_ns / CH_NS_PER_S : 0,
                                .tv_nsec = left_ns > 0 ? left_ns % CH_NS_PER_S : 0};

        r = ppoll(&poll_fd, 1, &left, exchange->request->wait_mask);
    } while (r < 0 && errno == EINTR && !exchange->request->wait_mask);
    return r > 0 ? 0 : r == 0 ? -ETIMEDOUT : -errno;
}

static int finish_connect(const struct exchange *exchange, int fd)
{
    int64_t deadline_ns = ch_clock_monotonic() + connect_limit_ns;
    socklen_t len = sizeof(int);
    int error = 0, r;

    if (deadline_ns > exchange->deadline_ns)
        deadline_ns = exchange->deadline_ns;
    r = wait_until(exchange, fd, POLLOUT, deadline_ns);
    if (r < 0)
        return r;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 ? -errno : -error;
}

/* Leaves fd connected, or returns a negative errno. */
static int connect_to(struct exchange *exchange, const struct sockaddr *address, socklen_t len)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r = 0;

    if (fd < 0)
        return -errno;
    if (connect(fd, address, len) < 0)
        r = errno == EINPROGRESS ? finish_connect(exchange, fd) : -errno;
    if (r < 0)
        close(fd);
    else
        exchange->fd = fd;
    return r;
}

static int connect_failed(const struct exchange *exchange, int r)
{
    if (r == -EINTR)
        return fail_errno(exchange, r);
    return fail(exchange, EXIT_RUNTIME, "%s: is connhealthd running there?",
                strerror(-r)); // NOLINT
}

static int connect_unix(struct exchange *exchange, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int r;

    if (path[0] != '/' || strlen(path) >= sizeof(address.sun_path))
        return fail(exchange, EXIT_UNUSABLE, "needs an absolute path of at most %zu bytes",
                    sizeof(address.sun_path) - 1);
    memcpy(address.sun_path, path, strlen(path));
    r = connect_to(exchange, (const struct sockaddr *)&address, sizeof(address));
    /* A unix socket does not wait: EAGAIN is a full queue (connect(2)). */
    return r < 0 ? connect_failed(exchange, r) : EXIT_FINE;
}

static int connect_host(struct exchange *exchange)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
    struct ch_hostport target;
    const char *fault = ch_hostport_parse(exchange->request->address, &target);
    char port[8];
    int r;

    if (fault)
        return fail(exchange, EXIT_UNUSABLE, "%s; or unix:/path", fault);
    snprintf(port, sizeof(port), "%u", target.port);
    r = getaddrinfo(target.host, port, &hints, &list);
    if (r != 0)
        return fail(exchange, EXIT_RUNTIME, "%s",
                    r == EAI_SYSTEM ? strerror(errno) : gai_strerror(r)); // NOLINT
    r = -EADDRNOTAVAIL;
    for (const struct addrinfo *i = list; i && exchange->fd < 0; i = i->ai_next)
        r = connect_to(exchange, i->ai_addr, i->ai_addrlen);
    freeaddrinfo(list);
    return r < 0 ? connect_failed(exchange, r) : EXIT_FINE;
}

/* ---- the exchange ------------------------------------------------------ */

static int send_all(const struct exchange *exchange, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = send(exchange->fd, text, len, MSG_NOSIGNAL);

        if (n >= 0) {
            text += n;
            len -= (size_t)n;
        } else if (errno == EAGAIN) {
            int r = wait_until(exchange, exchange->fd, POLLOUT, exchange->deadline_ns);

            if (r < 0)
                return r;
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

static int make_room(struct exchange *exchange)
{
    size_t room = exchange->room ? exchange->room * 2 : ROOM_FIRST;
    char *bytes;

    if (exchange->len < exchange->room)
        return 0;
    if (exchange->room >= ANSWER_MAX)
        return -EMSGSIZE;
    bytes = realloc(exchange->bytes, room);
    if (!bytes)
        return -ENOMEM;
    exchange->bytes = bytes;
    exchange->room = room;
    return 0;
}

/* Until the daemon closes, as it does after an answer in HTTP/1.0. */
static int receive_all(struct exchange *exchange)
{
    for (;;) {
        int r = make_room(exchange);
        ssize_t n;

        if (r == 0)
            r = wait_until(exchange, exchange->fd, POLLIN, exchange->deadline_ns);
        if (r < 0)
            return r;
        n = recv(exchange->fd, exchange->bytes + exchange->len, exchange->room - exchange->len, 0);
        if (n == 0)
            return 0;
        if (n > 0)
            exchange->len += (size_t)n;
        else if (errno != EAGAIN && errno != EINTR)
            return -errno;
    }
}

static int send_request(const struct exchange *exchange)
{
    const char *resource = exchange->request->resource;
    char *text;
    int len = asprintf(&text,
                       "%s%s HTTP/1.0\r\nHost: localhost\r\nUser-Agent: connhealthctl\r\n"
                       "Content-Length: 0\r\n\r\n",
                       resource ? "GET /api/v1/" : "POST /-/reload", resource ? resource : "");
    int r;

    if (len < 0)
        return -ENOMEM;
    r = send_all(exchange, text, (size_t)len);
    free(text);
    return r;
}

static int talk(struct exchange *exchange, struct ctl_reply *ret)
{
    struct ctl_response response;
    const char *fault;
    int r = send_request(exchange);

    if (r == 0)
        r = receive_all(exchange);
    if (r < 0)
        return fail_errno(exchange, r);
    fault = ctl_response_parse(exchange->bytes, exchange->len, &response);
    if (fault)
        return fail(exchange, EXIT_RUNTIME, "%s: is connhealthd running there?", fault);
    ret->from = exchange->request->address;
    ret->status = response.status;
    ret->len = response.body_len;
    /* There is room for the NUL where the head was; receive_all() made it. */
    ret->body = memmove(exchange->bytes, response.body, response.body_len); // NOLINT
    ret->body[ret->len] = '\0';
    exchange->bytes = NULL;
    return EXIT_FINE;
}

int ctl_reach_http(const struct ctl_request *request, struct ctl_reply *ret,
                   char reason[CTL_REASON])
{
    struct exchange exchange = {.request = request,
                                .reason = reason,
                                .deadline_ns = ch_clock_monotonic() + request->timeout_ns,
                                .fd = -1};
    size_t prefix = sizeof(UNIX) - 1;
    int status;

    if (strncmp(request->address, UNIX, prefix) == 0)
        status = connect_unix(&exchange, request->address + prefix);
    else
        status = connect_host(&exchange);
    if (status == EXIT_FINE)
        status = talk(&exchange, ret);
    if (exchange.fd >= 0)
        close(exchange.fd);
    free(exchange.bytes);
    return status;
}
