/* SPDX-License-Identifier: Apache-2.0 */
#include "http.h"

#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "connhealth/address.h"
#include "connhealth/clock.h"
#include "http_accept.h"
#include "http_deadline.h"
#include "http_listen.h"
#include "http_routes.h"
#include "log.h"

const struct ch_http_limits ch_http_default_limits = {
    .connections = 512,
    .connections_per_address = 64,
    .memory_bytes = (size_t)64 * 1024,
    .idle_s = 65, /* longer than the usual scrape interval, which keeps its connection */
    .request_ns = 120 * CH_NS_PER_S,
    .body_bytes = (size_t)64 * 1024,
};

/* One more than a reload may hold up. */
#define THREADS 2

/* What is read from a stream at a time for a client that cannot take chunks. */
#define BLOCK_BYTES ((size_t)16 * 1024)

struct ch_http {
    struct ch_http_setup setup;
    struct http_deadlines *deadlines;
    struct http_acceptor *acceptor;
    struct MHD_Daemon *daemon;
    atomic_flag reloading;
    struct http_listener *listeners;
    size_t listener_count;
};

/* One request, from its header to its last byte. */
struct exchange {
    size_t body_bytes;
};

static enum http_method method_of(const char *name)
{
    static const struct {
        const char *name;
        enum http_method method;
    } methods[] = {{MHD_HTTP_METHOD_GET, HTTP_GET},
                   {MHD_HTTP_METHOD_HEAD, HTTP_HEAD},
                   {MHD_HTTP_METHOD_POST, HTTP_POST},
                   {MHD_HTTP_METHOD_PUT, HTTP_PUT}};

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (strcmp(name, methods[i].name) == 0)
            return methods[i].method;
    return 0;
}

/* --- requests */

static bool is_local(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    struct ch_addr addr;

    if (!info || !info->client_addr)
        return false;
    if (info->client_addr->sa_family == AF_UNIX)
        return true;
    addr = ch_addr_from_sockaddr(info->client_addr, sizeof(struct sockaddr_in6));
    if (addr.family == AF_INET)
        return addr.ip[0] == 127;
    return addr.family == AF_INET6 && memcmp(addr.ip, &in6addr_loopback, sizeof(addr.ip)) == 0;
}

static enum MHD_Result on_header(void *context, enum MHD_ValueKind kind, const char *key,
                                 size_t key_size, const char *value, size_t value_size)
{
    struct ch_accept *accept = context;

    (void)kind;
    (void)key_size;
    (void)value_size;
    if (value && strcasecmp(key, MHD_HTTP_HEADER_ACCEPT) == 0)
        ch_accept_types(accept, value);
    else if (value && strcasecmp(key, MHD_HTTP_HEADER_ACCEPT_ENCODING) == 0)
        ch_accept_encodings(accept, value);
    return MHD_YES;
}

struct query_reader {
    struct ch_query query;
    unsigned keys;
    bool failed;
    char reason[CH_QUERY_REASON];
};

static enum MHD_Result on_parameter(void *context, enum MHD_ValueKind kind, const char *key,
                                    size_t key_size, const char *value, size_t value_size)
{
    struct query_reader *reader = context;

    (void)kind;
    if (strlen(key) != key_size || (value && strlen(value) != value_size)) {
        strcpy(reader->reason, "a parameter has a NUL byte in it");
        reader->failed = true;
    } else {
        reader->failed = ch_query_add(&reader->query, reader->keys, key, value, reader->reason) < 0;
    }
    return reader->failed ? MHD_NO : MHD_YES;
}

static struct http_answer answer_to(struct ch_http *http, struct MHD_Connection *connection,
                                    const struct http_route *route, enum http_method method)
{
    struct http_request request = {.setup = &http->setup,
                                   .reloading = &http->reloading,
                                   .method = method,
                                   .local = is_local(connection)};
    struct query_reader reader = {.keys = route->query_keys};

    if (!(route->methods & method))
        return http_answer_error(MHD_HTTP_METHOD_NOT_ALLOWED, "the method does not fit the path");
    if (route->takes_query)
        MHD_get_connection_values_n(connection, MHD_GET_ARGUMENT_KIND, on_parameter, &reader);
    if (reader.failed)
        return http_answer_error(MHD_HTTP_BAD_REQUEST, reader.reason);
    request.query = reader.query;
    MHD_get_connection_values_n(connection, MHD_HEADER_KIND, on_header, &request.accept);
    return route->handle(&request);
}

/* --- answers */

static ssize_t read_stream(void *context, uint64_t position, char *buffer, size_t size)
{
    ssize_t len = ch_stream_read(context, buffer, size);

    (void)position;
    if (len < 0)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    return len == 0 ? MHD_CONTENT_READER_END_OF_STREAM : len;
}

static void free_stream(void *context)
{
    ch_stream_free(context);
}

/* Takes the body out of answer. NULL: out of memory. */
static struct MHD_Response *response_of(struct http_answer *answer)
{
    struct MHD_Response *response;

    if (answer->stream) {
        response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_stream,
                                                     answer->stream, free_stream);
        if (response)
            answer->stream = NULL;
        return response;
    }
    response =
        MHD_create_response_from_buffer(answer->text.len, answer->text.data, MHD_RESPMEM_MUST_FREE);
    if (response)
        answer->text.data = NULL;
    return response;
}

static void add_headers(struct MHD_Response *response, const struct http_route *route,
                        const struct http_answer *answer)
{
    const char *type = answer->type ? answer->type : route ? route->type : NULL;
    char allow[HTTP_ALLOW_TEXT];

    if (type)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    if (answer->gzip)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_ENCODING, "gzip");
    if (route && answer->negotiated)
        MHD_add_response_header(response, MHD_HTTP_HEADER_VARY, "Accept, Accept-Encoding");
    if (route && answer->status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, http_route_allow(route, allow));
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, "Content-Security-Policy",
                            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
                            "form-action 'none'; frame-ancestors 'none'");
}

static enum MHD_Result send_answer(struct MHD_Connection *connection,
                                   const struct http_route *route, struct http_answer *answer)
{
    struct MHD_Response *response = response_of(answer);
    enum MHD_Result result = MHD_NO;

    if (response) {
        add_headers(response, route, answer);
        result = MHD_queue_response(connection, answer->status, response);
        MHD_destroy_response(response);
    }
    http_answer_clear(answer);
    return result;
}

static enum MHD_Result respond(struct ch_http *http, struct MHD_Connection *connection,
                               const char *path, const char *method)
{
    const struct http_route *route = http_route_find(path);
    struct http_answer answer;

    if (route)
        answer = answer_to(http, connection, route, method_of(method));
    else
        answer = http_answer_error(MHD_HTTP_NOT_FOUND, "there is no such path");
    if (ch_log_enabled(CH_LOG_DEBUG)) {
        char status[12];

        snprintf(status, sizeof(status), "%u", answer.status);
        ch_log_fields(CH_LOG_DEBUG, "http request", "method", method, "path", path, "status",
                      status, NULL);
    }
    return send_answer(connection, route, &answer);
}

/* --- libmicrohttpd's callbacks, each on one of its threads */

static struct http_deadline *deadline_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info ? info->socket_context : NULL;
}

static void restart_deadline(struct ch_http *http, struct MHD_Connection *connection)
{
    struct http_deadline *deadline = deadline_of(connection);

    if (deadline)
        http_deadline_restart(http->deadlines, deadline);
}

static bool announces_too_much(const struct ch_http *http, struct MHD_Connection *connection)
{
    const char *length =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

    return length && strtoull(length, NULL, 10) > http->setup.limits.body_bytes;
}

static enum MHD_Result begin_exchange(struct ch_http *http, struct MHD_Connection *connection,
                                      void **context)
{
    struct exchange *exchange = calloc(1, sizeof(*exchange));
    struct http_answer answer;

    if (!exchange)
        return MHD_NO;
    *context = exchange;
    restart_deadline(http, connection);
    if (!announces_too_much(http, connection))
        return MHD_YES;
    answer = http_answer_error(MHD_HTTP_CONTENT_TOO_LARGE, "the request's body is too long");
    return send_answer(connection, NULL, &answer);
}

/* Called once with the header, then with each part of the body, then once more
 * to be answered. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection,
                                  const char *path, const char *method, const char *version,
                                  const char *body, size_t *body_size, void **exchange_at)
{
    struct ch_http *http = context;
    struct exchange *exchange = *exchange_at;

    (void)version;
    (void)body;
    if (!exchange)
        return begin_exchange(http, connection, exchange_at);
    if (*body_size > 0) {
        exchange->body_bytes += *body_size;
        *body_size = 0;
        return exchange->body_bytes <= http->setup.limits.body_bytes ? MHD_YES : MHD_NO;
    }
    return respond(http, connection, path, method);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **exchange_at,
                         enum MHD_RequestTerminationCode code)
{
    (void)code;
    free(*exchange_at);
    *exchange_at = NULL;
    restart_deadline(context, connection);
}

static void on_connection(void *context, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct ch_http *http = context;
    const union MHD_ConnectionInfo *info;

    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        /* the socket is closed after this (daemon.c, MHD_cleanup_connections) */
        if (*socket_context)
            http_deadline_remove(http->deadlines, *socket_context);
        *socket_context = NULL;
        return;
    }
    info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    *socket_context = http_deadline_add(http->deadlines, info->connect_fd);
    if (!*socket_context) /* without a deadline it must not live */
        shutdown(info->connect_fd, SHUT_RDWR);
}

__attribute__((format(printf, 2, 0))) static void on_log(void *context, const char *format,
                                                         va_list args)
{
    char line[256];

    (void)context;
    if (!ch_log_enabled(CH_LOG_DEBUG))
        return;
    vsnprintf(line, sizeof(line), format, args);
    line[strcspn(line, "\n")] = '\0';
    ch_log_fields(CH_LOG_DEBUG, "http server", "text", line, NULL);
}

/* On the acceptor's thread; libmicrohttpd closes what it refuses. */
static void take_client(void *context, int fd, const struct sockaddr *addr, socklen_t len)
{
    struct ch_http *http = context;

    MHD_add_connection(http->daemon, fd, addr, len);
}

/* --- start and stop */

static int open_listeners(struct ch_http *http, char reason[CH_HTTP_REASON])
{
    const struct ch_http_setup *setup = &http->setup;
    int r = 0;

    http->listeners =
        calloc(setup->address_count + setup->socket_count + 1, sizeof(*http->listeners));
    if (!http->listeners) {
        strcpy(reason, "out of memory");
        return -ENOMEM;
    }
    for (size_t i = 0; i < setup->address_count && r == 0; i++) {
        r = http_listener_open(setup->addresses[i], &http->listeners[http->listener_count], reason);
        http->listener_count += r == 0;
    }
    for (size_t i = 0; i < setup->socket_count && r == 0; i++) {
        r = http_listener_adopt(setup->sockets_passed[i], &http->listeners[http->listener_count],
                                reason);
        http->listener_count += r == 0;
    }
    return r;
}

static struct MHD_Daemon *start_daemon(struct ch_http *http)
{
    const struct ch_http_limits *limits = &http->setup.limits;

    return MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC | MHD_USE_ERROR_LOG,
        0, NULL, NULL, on_request, http, /* the logger first: it hears of the other options */
        MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,                            /* */
        MHD_OPTION_THREAD_POOL_SIZE, (unsigned)THREADS,                      /* */
        MHD_OPTION_CONNECTION_LIMIT, limits->connections,                    /* */
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, limits->connections_per_address, /* */
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, limits->memory_bytes,            /* */
        MHD_OPTION_CONNECTION_TIMEOUT, limits->idle_s,                       /* */
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, http,                     /* */
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, http,                   /* */
        MHD_OPTION_END);
}

static int start_threads(struct ch_http *http)
{
    int r = http_deadlines_new(http->setup.limits.request_ns, &http->deadlines);

    if (r < 0)
        return r;
    errno = 0;
    http->daemon = start_daemon(http);
    if (!http->daemon)
        return errno ? -errno : -EIO;
    return http_acceptor_new(http->listeners, http->listener_count, take_client, http,
                             &http->acceptor);
}

int ch_http_new(const struct ch_http_setup *setup, struct ch_http **ret,
                char reason[CH_HTTP_REASON])
{
    struct ch_http *http = calloc(1, sizeof(*http));
    sigset_t all, before;
    int r;

    if (!http) {
        strcpy(reason, "out of memory");
        return -ENOMEM;
    }
    http->setup = *setup;
    atomic_flag_clear(&http->reloading);
    r = open_listeners(http, reason);
    if (r == 0) {
        /* signals are for the thread that waits for them: new ones inherit this */
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        r = start_threads(http);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (r < 0)
            snprintf(reason, CH_HTTP_REASON, "cannot start the HTTP server: %s", strerror(-r));
    }
    if (r < 0) {
        ch_http_free(http);
        return r;
    }
    *ret = http;
    return 0;
}

const char *ch_http_address(const struct ch_http *http, size_t index)
{
    return index < http->listener_count ? http->listeners[index].name : NULL;
}

struct ch_http *ch_http_free(struct ch_http *http)
{
    if (!http)
        return NULL;
    http_acceptor_free(http->acceptor);
    for (size_t i = 0; i < http->listener_count; i++)
        http_listener_close(&http->listeners[i]);
    if (http->daemon)
        MHD_stop_daemon(http->daemon);
    http_deadlines_free(http->deadlines);
    free(http->listeners);
    free(http);
    return NULL;
}
