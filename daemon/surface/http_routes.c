/* SPDX-License-Identifier: Apache-2.0 */
#include "http_routes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connhealth/clock.h"
#include "gzip.h"
#include "page.h"
#include "page_files.h"

#define JSON  "application/json"
#define PLAIN "text/plain; charset=utf-8"
#define HTML  "text/html; charset=utf-8"

#define READING (HTTP_GET | HTTP_HEAD)

void http_answer_clear(struct http_answer *answer)
{
    ch_text_free(&answer->text);
    answer->stream = ch_stream_free(answer->stream);
}

struct http_answer http_answer_error(unsigned status, const char *message)
{
    struct http_answer answer = {.status = status, .type = JSON};

    ch_json_error(message, &answer.text);
    return answer;
}

static struct http_answer of_text(int r, struct ch_text *text)
{
    struct http_answer answer = {.status = 200, .text = *text};

    if (r == 0 && !text->failed)
        return answer;
    http_answer_clear(&answer);
    return http_answer_error(500, "out of memory");
}

static struct http_answer plain(unsigned status, const char *message)
{
    struct http_answer answer = {.status = status, .type = PLAIN};

    ch_text_puts(&answer.text, message);
    ch_text_puts(&answer.text, "\n");
    return answer;
}

/* The stream, compressed if the client likes that. */
static struct http_answer of_stream(const struct http_request *request, int r,
                                    struct ch_stream *stream)
{
    struct http_answer answer = {.status = 200, .negotiated = true, .stream = stream};

    if (r < 0)
        return http_answer_error(500, "out of memory");
    /* Without the memory to compress it goes out as it is. */
    answer.gzip = ch_accept_gzip(&request->accept) && ch_gzip_open(&stream, &answer.stream) == 0;
    return answer;
}

static struct http_answer get_metrics(const struct http_request *request)
{
    enum ch_metrics_format format = ch_accept_format(&request->accept);
    struct ch_stream *stream = NULL;
    int r = ch_metrics_open(&request->setup->metrics, format, &stream);
    struct http_answer answer = of_stream(request, r, stream);

    if (r == 0)
        answer.type = ch_exposition_content_type(format);
    return answer;
}

static struct http_answer get_targets(const struct http_request *request)
{
    struct ch_stream *stream = NULL;
    int r = ch_json_targets_open(request->setup->metrics.state, &request->query, &stream);

    return of_stream(request, r, stream);
}

static struct http_answer get_overview(const struct http_request *request)
{
    struct ch_stream *stream = NULL;
    int r = ch_json_overview_open(request->setup->metrics.state, ch_clock_realtime(),
                                  &request->query, &stream);

    return of_stream(request, r, stream);
}

static struct http_answer get_events(const struct http_request *request)
{
    struct ch_stream *stream = NULL;
    int r = ch_json_events_open(request->setup->metrics.state, &request->query, &stream);

    return of_stream(request, r, stream);
}

static struct http_answer get_status(const struct http_request *request)
{
    const struct ch_http_setup *setup = request->setup;
    struct ch_text text = {.data = NULL};
    int r = ch_json_status(setup->metrics.state, ch_clock_realtime(), setup->status,
                           setup->status_count, &text);

    return of_text(r, &text);
}

static struct http_answer get_categories(const struct http_request *request)
{
    struct ch_text text = {.data = NULL};

    (void)request;
    return of_text(ch_json_categories(&text), &text);
}

/* Whether the addresses of single connections may be shown to this client. */
static bool may_see_details(const struct http_request *request)
{
    struct ch_generation *generation = ch_state_generation(request->setup->metrics.state);
    bool exposed = generation && generation->config->web.expose_socket_details;

    ch_generation_unref(generation);
    return request->trusted || exposed;
}

static struct http_answer get_sockets(const struct http_request *request)
{
    const struct ch_sockets_page *sockets = &request->setup->sockets;
    struct ch_text text = {.data = NULL};

    if (!sockets->render)
        return http_answer_error(404, "the sockets collector is switched off");
    return of_text(sockets->render(sockets->context, may_see_details(request), &text), &text);
}

static struct http_answer get_config(const struct http_request *request)
{
    struct ch_generation *generation = ch_state_generation(request->setup->metrics.state);
    struct ch_text text = {.data = NULL};
    bool there = generation && generation->config_text;

    if (there)
        ch_text_puts(&text, generation->config_text);
    ch_generation_unref(generation);
    return there ? of_text(0, &text) : http_answer_error(503, "no configuration is loaded yet");
}

static struct http_answer of_page_text(const struct http_request *request, struct ch_text *text)
{
    struct ch_stream *stream = NULL;
    int r = text->failed ? -ENOMEM : ch_text_stream_open(text, &stream);

    if (r < 0)
        ch_text_free(text);
    return of_stream(request, r, stream);
}

static struct http_answer get_page(const struct http_request *request)
{
    struct ch_text text = {.data = NULL};

    ch_page_render(request->setup->metrics.state, ch_clock_realtime(), &text);
    return of_page_text(request, &text);
}

/* Weakly (RFC 9110, 13.1.2): what is compressed on the way is the same file. Our
 * hash in quotes is found in a list as well as alone. */
static bool has_etag(const char *header, const char *etag)
{
    return header && (strstr(header, etag) || strcmp(header, "*") == 0);
}

/* A part of the page, which the browser keeps and asks about. */
static struct http_answer of_file(const struct http_request *request, enum ch_page_file file)
{
    struct ch_page_bytes bytes = ch_page_file(file);
    struct http_answer answer = {.status = 304};

    if (!has_etag(request->if_none_match, bytes.etag)) {
        struct ch_text text = {.data = NULL};

        ch_text_append(&text, bytes.data, bytes.len);
        answer = of_page_text(request, &text);
    }
    answer.etag = answer.status < 400 ? bytes.etag : NULL;
    return answer;
}

static struct http_answer get_style(const struct http_request *request)
{
    return of_file(request, CH_PAGE_STYLE);
}

static struct http_answer get_script(const struct http_request *request)
{
    return of_file(request, CH_PAGE_SCRIPT);
}

static struct http_answer get_icon(const struct http_request *request)
{
    return of_file(request, CH_PAGE_ICON);
}

static struct http_answer get_healthy(const struct http_request *request)
{
    if (atomic_load_explicit(&request->setup->metrics.state->healthy, memory_order_relaxed))
        return plain(200, "healthy");
    return plain(503, "not healthy: a thread of the daemon has stopped turning");
}

static struct http_answer get_ready(const struct http_request *request)
{
    if (atomic_load_explicit(&request->setup->metrics.state->ready, memory_order_relaxed))
        return plain(200, "ready");
    return plain(503, "not ready: the first configuration does not run yet");
}

static struct http_answer post_reload(const struct http_request *request)
{
    const struct ch_reloader *reloader = &request->setup->reloader;
    struct http_answer answer;
    char *errors = NULL;
    int r;

    if (!request->setup->lifecycle || !reloader->reload)
        return plain(403, "reloading over HTTP is switched off: start the daemon with "
                          "--web.enable-lifecycle");
    if (atomic_flag_test_and_set(request->reloading))
        return plain(503, "another reload is under way");
    r = reloader->reload(reloader->context, &errors);
    atomic_flag_clear(request->reloading);
    if (r < 0)
        answer = plain(500, errors ? errors : strerror(-r));
    else
        answer = plain(200, "reloaded");
    free(errors);
    return answer;
}

static const struct http_route routes[] = {
    {"/", READING, false, 0, HTML, get_page},
    {"/page.css", READING, false, 0, "text/css; charset=utf-8", get_style},
    {"/page.js", READING, false, 0, "text/javascript; charset=utf-8", get_script},
    {"/page.svg", READING, false, 0, "image/svg+xml", get_icon},
    {"/metrics", READING, false, 0, PLAIN, get_metrics},
    {"/api/v1/status", READING, true, 0, JSON, get_status},
    {"/api/v1/overview", READING, true, CH_JSON_OVERVIEW_KEYS, JSON, get_overview},
    {"/api/v1/targets", READING, true, CH_JSON_TARGETS_KEYS, JSON, get_targets},
    {"/api/v1/events", READING, true, CH_JSON_EVENTS_KEYS, JSON, get_events},
    {"/api/v1/sockets", READING, true, 0, JSON, get_sockets},
    {"/api/v1/categories", READING, true, 0, JSON, get_categories},
    {"/config", READING, false, 0, PLAIN, get_config},
    {"/-/healthy", READING, false, 0, PLAIN, get_healthy},
    {"/-/ready", READING, false, 0, PLAIN, get_ready},
    {"/-/reload", HTTP_POST | HTTP_PUT, false, 0, PLAIN, post_reload},
};

const struct http_route *http_route_find(const char *path)
{
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
        if (strcmp(routes[i].path, path) == 0)
            return &routes[i];
    return NULL;
}

const char *http_route_allow(const struct http_route *route, char text[HTTP_ALLOW_TEXT])
{
    static const struct {
        enum http_method method;
        const char *name;
    } methods[] = {{HTTP_GET, "GET"}, {HTTP_HEAD, "HEAD"}, {HTTP_POST, "POST"}, {HTTP_PUT, "PUT"}};
    size_t len = 0;

    text[0] = '\0';
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (route->methods & methods[i].method)
            len += (size_t)snprintf(text + len, HTTP_ALLOW_TEXT - len, "%s%s", len ? ", " : "",
                                    methods[i].name);
    return text;
}
