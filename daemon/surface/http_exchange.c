/* SPDX-License-Identifier: Apache-2.0 */
#include "http_exchange.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connhealth/address.h"
#include "http_guard.h"
#include "http_routes.h"
#include "log.h"

/* What is read from a stream at a time for a client that cannot take chunks. */
#define BLOCK_BYTES ((size_t)16 * 1024)

/* One request, from its header to its last byte. */
struct exchange {
    size_t body_bytes;
    struct http_guard guard;
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

static struct http_answer answer_to(struct http_exchanges *exchanges,
                                    const struct exchange *exchange,
                                    struct MHD_Connection *connection,
                                    const struct http_route *route, enum http_method method)
{
    struct http_request request = {.setup = exchanges->setup,
                                   .reloading = exchanges->reloading,
                                   .method = method,
                                   .trusted =
                                       is_local(connection) || exchange->guard.authenticated};
    struct query_reader reader = {.keys = route->query_keys};

    if (!(route->methods & method))
        return http_answer_error(MHD_HTTP_METHOD_NOT_ALLOWED, "the method does not fit the path");
    if (route->takes_query)
        MHD_get_connection_values_n(connection, MHD_GET_ARGUMENT_KIND, on_parameter, &reader);
    if (reader.failed)
        return http_answer_error(MHD_HTTP_BAD_REQUEST, reader.reason);
    request.query = reader.query;
    MHD_get_connection_values_n(connection, MHD_HEADER_KIND, on_header, &request.accept);
    request.if_none_match =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_IF_NONE_MATCH);
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

/* The configured ones, or our own where nothing is configured. */
static void add_security_headers(struct MHD_Response *response, const struct ch_web_state *state)
{
    static const char *const defaults[WEB_HEADER_COUNT] = {
        [WEB_HEADER_CONTENT_TYPE_OPTIONS] = "nosniff",
        /* The page's own files and nothing else, and no string of it ever becomes markup. */
        [WEB_HEADER_CSP] = "default-src 'none'; script-src 'self'; style-src 'self'; "
                           "img-src 'self'; connect-src 'self'; base-uri 'none'; "
                           "form-action 'none'; frame-ancestors 'none'; "
                           "require-trusted-types-for 'script'; trusted-types 'none'",
    };

    for (unsigned i = 0; i < WEB_HEADER_COUNT; i++) {
        const struct ch_bytes *given = state ? &state->config->headers[i] : NULL;
        const char *value = given && given->len > 0 ? (const char *)given->data : defaults[i];

        if (value)
            MHD_add_response_header(response, web_header_names[i], value);
    }
}

static void add_headers(struct MHD_Response *response, const struct http_route *route,
                        const struct http_answer *answer, const struct ch_web_state *state)
{
    const char *type = answer->type ? answer->type : route ? route->type : NULL;
    char allow[HTTP_ALLOW_TEXT], retry[12];

    if (type)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    if (answer->gzip)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_ENCODING, "gzip");
    if (route && answer->negotiated)
        MHD_add_response_header(response, MHD_HTTP_HEADER_VARY, "Accept, Accept-Encoding");
    if (route && answer->status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, http_route_allow(route, allow));
    if (answer->status == MHD_HTTP_UNAUTHORIZED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
                                "Basic realm=\"connhealth\", charset=\"UTF-8\"");
    snprintf(retry, sizeof(retry), "%u", answer->retry_s);
    if (answer->retry_s > 0)
        MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, retry);
    if (answer->etag)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, answer->etag);
    /* no-cache: kept, and asked about each time (RFC 9111, 5.2.2.4) */
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL,
                            answer->etag ? "no-cache" : "no-store");
    MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
    MHD_add_response_header(response, "Cross-Origin-Resource-Policy", "same-origin");
    add_security_headers(response, state);
}

static enum MHD_Result send_answer(const struct http_exchanges *exchanges,
                                   const struct exchange *exchange,
                                   struct MHD_Connection *connection,
                                   const struct http_route *route, struct http_answer *answer)
{
    struct MHD_Response *response = response_of(answer);
    enum MHD_Result result = MHD_NO;

    if (response) {
        add_headers(response, route, answer, exchange->guard.state);
        if (exchanges->ending)
            MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
        result = MHD_queue_response(connection, answer->status, response);
        MHD_destroy_response(response);
    }
    http_answer_clear(answer);
    return result;
}

static enum MHD_Result respond(struct http_exchanges *exchanges, struct exchange *exchange,
                               struct MHD_Connection *connection, const char *path,
                               const char *method)
{
    const struct http_route *route = NULL;
    struct http_answer answer;
    unsigned retry_s = 0;

    switch (http_guard_ask(&exchange->guard, exchanges, connection, &retry_s)) {
    case HTTP_WAIT:
        return MHD_YES;
    case HTTP_UNAUTHORIZED:
        answer = http_answer_error(MHD_HTTP_UNAUTHORIZED, "a user's name and password are needed");
        break;
    case HTTP_TOO_MANY:
        answer = http_answer_error(MHD_HTTP_TOO_MANY_REQUESTS, "too many requests");
        answer.retry_s = retry_s;
        break;
    case HTTP_PASS:
        route = http_route_find(path);
        if (route)
            answer = answer_to(exchanges, exchange, connection, route, method_of(method));
        else
            answer = http_answer_error(MHD_HTTP_NOT_FOUND, "there is no such path");
        break;
    }
    if (ch_log_enabled(CH_LOG_DEBUG)) {
        char status[12];

        snprintf(status, sizeof(status), "%u", answer.status);
        ch_log_fields(CH_LOG_DEBUG, "http request", "method", method, "path", path, "status",
                      status, NULL);
    }
    return send_answer(exchanges, exchange, connection, route, &answer);
}

/* --- libmicrohttpd's callbacks */

static bool announces_too_much(const struct http_exchanges *exchanges,
                               struct MHD_Connection *connection)
{
    const char *length =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

    return length && strtoull(length, NULL, 10) > exchanges->setup->limits.body_bytes;
}

static enum MHD_Result begin_exchange(struct http_exchanges *exchanges,
                                      struct MHD_Connection *connection, void **context)
{
    struct exchange *exchange = calloc(1, sizeof(*exchange));
    struct http_answer answer;

    if (!exchange)
        return MHD_NO;
    *context = exchange;
    exchanges->advanced(exchanges->context, connection, false);
    if (!announces_too_much(exchanges, connection))
        return MHD_YES;
    answer = http_answer_error(MHD_HTTP_CONTENT_TOO_LARGE, "the request's body is too long");
    return send_answer(exchanges, exchange, connection, NULL, &answer);
}

/* Called once with the header, then with each part of the body, then once more
 * to be answered. */
enum MHD_Result http_exchange_request(void *context, struct MHD_Connection *connection,
                                      const char *path, const char *method, const char *version,
                                      const char *body, size_t *body_size, void **exchange_at)
{
    struct http_exchanges *exchanges = context;
    struct exchange *exchange = *exchange_at;

    (void)version;
    (void)body;
    if (!exchange)
        return begin_exchange(exchanges, connection, exchange_at);
    if (*body_size > 0) {
        exchange->body_bytes += *body_size;
        *body_size = 0;
        return exchange->body_bytes <= exchanges->setup->limits.body_bytes ? MHD_YES : MHD_NO;
    }
    return respond(exchanges, exchange, connection, path, method);
}

void http_exchange_completed(void *context, struct MHD_Connection *connection, void **exchange_at,
                             enum MHD_RequestTerminationCode code)
{
    struct http_exchanges *exchanges = context;
    struct exchange *exchange = *exchange_at;

    (void)code;
    if (exchange)
        http_guard_clear(&exchange->guard);
    free(exchange);
    *exchange_at = NULL;
    exchanges->advanced(exchanges->context, connection, true);
}
