/* SPDX-License-Identifier: Apache-2.0 */
#include "http_listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connhealth/address.h"

static const char *remedy(int error)
{
    switch (error) {
    case EADDRINUSE:
        return "another process listens there: stop it, or choose another with "
               "--web.listen-address";
    case EADDRNOTAVAIL:
        return "this host has no such address: see ip address";
    case EACCES:
    case EPERM:
        return "not permitted: choose a port from 1024, or a directory that this user may write";
    case ENOENT:
    case ENOTDIR:
        return "the directory is not there: make it";
    case EAFNOSUPPORT:
        return "this host does not speak that protocol";
    case EMFILE:
    case ENFILE:
        return "no file descriptors are left: raise the limit";
    default:
        return "see the error";
    }
}

static int failed(const char *address, int error, char reason[HTTP_REASON])
{
    snprintf(reason, HTTP_REASON, "cannot listen on %s: %s (%s)", address, strerror(error),
             remedy(error));
    return -error;
}

static int unusable(const char *address, char reason[HTTP_REASON], const char *why)
{
    snprintf(reason, HTTP_REASON,
             "cannot listen on \"%s\": %s (examples: :10337, 127.0.0.1:10337, [::1]:10337, "
             "unix:/run/connhealthd/http.sock)",
             address, why);
    return -EINVAL;
}

/* Accepted sockets inherit it: the kernel takes no more of an answer than a client
 * that does not read may have, however far it would grow the buffer for one that
 * does (tcp(7): TCP_NOTSENT_LOWAT); and a TLS handshake, which writes in pieces,
 * does not wait for the client's delayed acknowledgements. Of no meaning to a unix
 * socket. */
static void prepare_tcp(int fd)
{
    int bytes = 128 * 1024, on = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof(bytes));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void describe_listener(struct http_listener *listener)
{
    struct sockaddr_storage storage = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(storage);
    char text[CH_ADDR_TEXT];
    struct ch_addr addr;

    if (getsockname(listener->fd, (struct sockaddr *)&storage, &len) < 0)
        return;
    listener->guarded = true;
    if (storage.ss_family == AF_UNIX) {
        const struct sockaddr_un *un = (const struct sockaddr_un *)&storage;
        struct stat st;

        /* connecting needs the permission to write (unix(7)) */
        listener->guarded = stat(un->sun_path, &st) < 0 || (st.st_mode & S_IWOTH);
        snprintf(listener->name, sizeof(listener->name), "unix:%s", un->sun_path);
        return;
    }
    addr = ch_addr_from_sockaddr((struct sockaddr *)&storage, len);
    snprintf(listener->name, sizeof(listener->name), "%s", ch_addr_format(&addr, text));
}

/* A socket bound and listening there, or a negative errno. */
static int listen_at(const struct sockaddr *addr, socklen_t len)
{
    int on = 1, off = 0, error;
    int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    /* A restart must not wait for the old connections' TIME_WAIT. */
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (addr->sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(fd, addr, len) == 0 && listen(fd, SOMAXCONN) == 0)
        return fd;
    error = errno;
    close(fd);
    return -error;
}

/* Of a name's addresses one is used, an IPv4 one before others, as the programs
 * around Prometheus do. */
static int listen_at_name(const char *host, const char *port, const char **ret_why)
{
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL, *best;
    int fd, r = getaddrinfo(host, port, &hints, &found);

    if (r != 0 || !found) {
        *ret_why = gai_strerror(r);
        return -EINVAL;
    }
    best = found;
    for (struct addrinfo *at = found; at; at = at->ai_next)
        if (at->ai_family == AF_INET && best->ai_family != AF_INET)
            best = at;
    fd = listen_at(best->ai_addr, best->ai_addrlen);
    freeaddrinfo(found);
    return fd;
}

static int listen_everywhere(uint16_t port)
{
    struct sockaddr_in6 six = {
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = in6addr_any};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = listen_at((struct sockaddr *)&six, sizeof(six));

    /* IPv6 switched off, in the kernel or by sysctl */
    if (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL)
        fd = listen_at((struct sockaddr *)&four, sizeof(four));
    return fd;
}

/* Cuts HOST:PORT in place; NULL, or what is wrong with it. */
static const char *split_port(char *text, char **ret_host, char **ret_port, uint16_t *ret_number)
{
    char *colon = strrchr(text, ':'), *end;
    unsigned long number;

    if (!colon)
        return "it has no port";
    *colon = '\0';
    *ret_port = colon + 1;
    number = strtoul(colon + 1, &end, 10);
    if (colon[1] < '0' || colon[1] > '9' || *end || number > UINT16_MAX)
        return "the port is not a number from 0 to 65535";
    *ret_number = (uint16_t)number;
    *ret_host = text;
    if (*text == '[') {
        if (colon[-1] != ']' || colon - text < 3)
            return "there is no address in the brackets before the port";
        colon[-1] = '\0';
        *ret_host = text + 1;
    } else if (strchr(text, ':')) {
        return "an IPv6 address needs brackets";
    }
    return NULL;
}

static int open_tcp(const char *address, struct http_listener *listener, char reason[HTTP_REASON])
{
    char text[300], *host = NULL, *port = NULL;
    const char *why = NULL;
    uint16_t number = 0;

    if (snprintf(text, sizeof(text), "%s", address) >= (int)sizeof(text))
        return unusable(address, reason, "it is too long");
    why = split_port(text, &host, &port, &number);
    if (why)
        return unusable(address, reason, why);
    listener->fd = *host ? listen_at_name(host, port, &why) : listen_everywhere(number);
    if (why)
        return unusable(address, reason, why);
    return listener->fd < 0 ? failed(address, -listener->fd, reason) : 0;
}

/* A socket file whose owner is gone stays behind; one that somebody still
 * listens on must not be taken away. */
static bool is_stale(const struct sockaddr_un *addr)
{
    struct stat st;
    bool stale;
    int fd;

    if (lstat(addr->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return false;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    stale = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 && errno == ECONNREFUSED;
    close(fd);
    return stale;
}

static int bind_unix(const struct sockaddr_un *addr)
{
    int error, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool bound;

    if (fd < 0)
        return -errno;
    bound = bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0;
    if (!bound && errno == EADDRINUSE && is_stale(addr) && unlink(addr->sun_path) == 0)
        bound = bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0;
    /* Its readers see more than those on the network (who is connected to
     * whom): owner and group only. Nobody can connect before listen(2). */
    if (bound && chmod(addr->sun_path, 0660) == 0 && listen(fd, SOMAXCONN) == 0)
        return fd;
    error = errno;
    if (bound)
        unlink(addr->sun_path);
    close(fd);
    return -error;
}

static int open_unix(const char *address, struct http_listener *listener, char reason[HTTP_REASON])
{
    const char *path = address + strlen("unix:");
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    if (path[0] != '/')
        return unusable(address, reason, "the path is not absolute");
    if (snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path) >= (int)sizeof(addr.sun_path))
        return unusable(address, reason, "the path is longer than 107 bytes");
    listener->fd = bind_unix(&addr);
    if (listener->fd < 0)
        return failed(address, -listener->fd, reason);
    snprintf(listener->path, sizeof(listener->path), "%s", addr.sun_path);
    return 0;
}

int http_listener_open(const char *address, struct http_listener *ret, char reason[HTTP_REASON])
{
    struct http_listener listener = {.fd = -1, .guarded = true};
    int r = strncmp(address, "unix:", strlen("unix:")) == 0 ? open_unix(address, &listener, reason)
                                                            : open_tcp(address, &listener, reason);

    if (r < 0)
        return r;
    prepare_tcp(listener.fd);
    describe_listener(&listener);
    *ret = listener;
    return 0;
}

int http_listener_adopt(int fd, struct http_listener *ret, char reason[HTTP_REASON])
{
    struct http_listener listener = {.fd = fd, .passed = true, .guarded = true};
    int listening = 0;
    socklen_t len = sizeof(listening);

    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) < 0 || !listening) {
        snprintf(reason, HTTP_REASON, "the passed descriptor %d is not a listening socket", fd);
        return -EINVAL;
    }
    /* several threads accept from it: one that comes too late must not wait */
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    prepare_tcp(fd);
    describe_listener(&listener);
    *ret = listener;
    return 0;
}

void http_listener_close(struct http_listener *listener)
{
    if (listener->fd >= 0 && !listener->passed)
        close(listener->fd);
    if (listener->path[0])
        unlink(listener->path);
    listener->fd = -1;
}
