/* SPDX-License-Identifier: Apache-2.0 */
#include "http_guard.h"

#include <sys/eventfd.h>

#include "connhealth/clock.h"

static bool is_within_rate(const struct http_guard *guard, struct http_exchanges *exchanges,
                           const struct http_client *client, int64_t *ret_wait_ns)
{
    const struct web_config *config = guard->state->config;
    struct http_rate rate = {config->rate.interval_ns, config->rate.burst};

    *ret_wait_ns =
        rate.interval_ns > 0 ? http_rates_ask(exchanges->rates, &rate, &client->addr, true) : 0;
    return *ret_wait_ns == 0;
}

static bool has_verified_certificate(const struct http_client *client,
                                     struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info;

    if (!client->tls_state)
        return false;
    info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    return info && web_tls_is_verified(client->tls_state->config->tls, info->tls_session);
}

/* libmicrohttpd goes on at its next turn, but does not make its own epoll
 * descriptor readable for that. */
static void on_checked(void *context)
{
    const struct http_guard *guard = context;
    int wake_fd = guard->wake_fd;

    MHD_resume_connection(guard->connection); /* from here on guard may be gone */
    eventfd_write(wake_fd, 1);
}

static enum http_verdict ask_for_password(struct http_guard *guard,
                                          struct http_exchanges *exchanges,
                                          const struct http_client *client,
                                          struct MHD_Connection *connection, int64_t *ret_wait_ns)
{
    struct http_question question = {
        .state = guard->state,
        .header =
            MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION),
        .addr = client->addr,
        .done = on_checked,
        .context = guard,
    };
    enum http_verdict verdict;

    if (guard->check) {
        verdict = http_auth_finish(guard->check);
        guard->check = NULL;
        return verdict;
    }
    verdict = http_auth_ask(exchanges->auth, &question, &guard->check, ret_wait_ns);
    if (verdict == HTTP_PENDING) {
        guard->connection = connection;
        guard->wake_fd = exchanges->wake_fd;
        MHD_suspend_connection(connection);
        http_auth_start(exchanges->auth, guard->check);
    }
    return verdict;
}

static enum http_passage passage_of(enum http_verdict verdict)
{
    switch (verdict) {
    case HTTP_GRANTED:
        return HTTP_PASS;
    case HTTP_PENDING:
        return HTTP_WAIT;
    case HTTP_LATER:
        return HTTP_TOO_MANY;
    case HTTP_DENIED:
        break;
    }
    return HTTP_UNAUTHORIZED;
}

static enum http_passage ask(struct http_guard *guard, struct http_exchanges *exchanges,
                             const struct http_client *client, struct MHD_Connection *connection,
                             int64_t *ret_wait_ns)
{
    enum http_passage passage;

    if (!guard->let_through && !is_within_rate(guard, exchanges, client, ret_wait_ns))
        return HTTP_TOO_MANY;
    guard->let_through = true;
    guard->authenticated = has_verified_certificate(client, connection);
    if (guard->state->config->user_count == 0)
        return HTTP_PASS;
    passage = passage_of(ask_for_password(guard, exchanges, client, connection, ret_wait_ns));
    guard->authenticated = passage == HTTP_PASS;
    return passage;
}

enum http_passage http_guard_ask(struct http_guard *guard, struct http_exchanges *exchanges,
                                 struct MHD_Connection *connection, unsigned *ret_retry_s)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    const struct http_client *client = info ? info->socket_context : NULL;
    enum http_passage passage;
    int64_t wait_ns = 0;

    if (!exchanges->setup->web)
        return HTTP_PASS;
    if (!guard->state)
        guard->state = ch_web_current(exchanges->setup->web);
    if (!client)
        return HTTP_UNAUTHORIZED;
    if (!client->guarded)
        return HTTP_PASS;
    passage = ask(guard, exchanges, client, connection, &wait_ns);
    *ret_retry_s = (unsigned)((wait_ns + CH_NS_PER_S - 1) / CH_NS_PER_S);
    return passage;
}

void http_guard_clear(struct http_guard *guard)
{
    if (guard->check)
        http_auth_finish(guard->check);
    ch_web_state_unref(guard->state);
    *guard = (struct http_guard){0};
}
