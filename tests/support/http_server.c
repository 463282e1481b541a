/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ch-test-http ADDRESS…: the HTTP server over made-up targets, for its tests.
 * Prints each address it listens on, then "serving"; ends on SIGTERM, and prints
 * how many milliseconds the stop took.
 *
 * In the environment, numbers: CONNECTIONS, PER_ADDRESS, IDLE_S, REQUEST_MS,
 * TARGETS (0: the few of the golden files), LIFECYCLE (1: reload works, 2: it
 * fails), READY, HEALTHY, DESCRIPTORS (leaves only so many), PASSED_FD.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "connhealth/clock.h"
#include "http.h"
#include "synthetic.h"
#include "synthetic_yaml.h"

static unsigned long number(const char *name, unsigned long fallback)
{
    const char *text = getenv(name);

    return text ? strtoul(text, NULL, 10) : fallback;
}

static int reload(void *context, char **ret_errors)
{
    unsigned long wanted = *(unsigned long *)context;

    usleep(20000); /* long enough for a second one to meet it */
    if (wanted != 2)
        return 0;
    *ret_errors = strdup("connhealthd.yml:1:1: groups: is missing\n"
                         "connhealthd.yml:2:1: nonsense: is not known");
    return -EINVAL;
}

static int render_family(void *context, struct ch_text *out, enum ch_metrics_format format)
{
    static const struct ch_family family = {
        .name = "connhealth_sockets", .type = CH_FAMILY_GAUGE, .help = "Sockets of this host"};

    (void)context;
    ch_exposition_family(out, format, &family);
    ch_exposition_begin(out, &family, "");
    ch_exposition_label(out, "state", "established");
    ch_exposition_u64(out, 7);
    return 0;
}

static int render_status(void *context, struct ch_text *out)
{
    (void)context;
    ch_text_puts(out, "{\"sweeps\":1}");
    return 0;
}

static int render_sockets(void *context, bool details, struct ch_text *out)
{
    (void)context;
    ch_text_puts(out, details ? "{\"details\":true}\n" : "{\"details\":false}\n");
    return 0;
}

static void publish(struct ch_state *state, struct ch_events *events)
{
    unsigned long targets = number("TARGETS", 0);
    char *yaml = targets ? synthetic_yaml(targets) : strdup(synthetic_golden_yaml);
    struct ch_generation *generation = synthetic_generation(yaml);

    free(yaml);
    synthetic_morning(generation, events);
    ch_state_publish(state, generation);
    ch_state_reload_result(state, NULL);
    atomic_store(&state->ready, number("READY", 1) != 0);
    atomic_store(&state->healthy, number("HEALTHY", 1) != 0);
}

static void limit_descriptors(void)
{
    unsigned long left = number("DESCRIPTORS", 0);
    struct rlimit limit;
    int next = open("/dev/null", O_RDONLY | O_CLOEXEC);

    close(next);
    if (left == 0 || next < 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = (rlim_t)next + left;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static int serve(const struct ch_http_setup *setup)
{
    char reason[CH_HTTP_REASON];
    struct ch_http *http;
    int64_t begun;
    sigset_t ends;
    int number_of_signal;

    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);

    if (ch_http_new(setup, &http, reason) < 0) {
        printf("%s\n", reason);
        return 1;
    }
    for (size_t i = 0; ch_http_address(http, i); i++)
        printf("%s\n", ch_http_address(http, i));
    limit_descriptors();
    printf("serving\n");
    fflush(stdout);
    sigwait(&ends, &number_of_signal);
    begun = ch_clock_monotonic();
    ch_http_free(http);
    printf("%lld\n", (long long)((ch_clock_monotonic() - begun) / CH_NS_PER_MS));
    return 0;
}

int main(int argc, char **argv)
{
    static const struct ch_family_writer families[] = {{.render = render_family}};
    static const struct ch_json_writer status[] = {{.name = "sockets", .render = render_status}};
    unsigned long lifecycle = number("LIFECYCLE", 0);
    int passed = (int)number("PASSED_FD", 0), result;
    struct ch_state state;
    struct ch_events *events = NULL;
    struct ch_http_setup setup = {
        .metrics = {.state = &state, .writers = families, .writer_count = 1},
        .status = status,
        .status_count = 1,
        .sockets = {.render = render_sockets},
        .lifecycle = lifecycle != 0,
        .reloader = {.reload = reload, .context = &lifecycle},
        .limits = ch_http_default_limits,
        .addresses = (const char *const *)argv + 1,
        .address_count = (size_t)argc - 1,
        .sockets_passed = &passed,
        .socket_count = passed > 0,
    };

    signal(SIGPIPE, SIG_IGN);
    if (ch_state_init(&state) < 0 || ch_events_new(&events) < 0)
        return 1;
    state.events = events;
    setup.limits.connections = (unsigned)number("CONNECTIONS", setup.limits.connections);
    setup.limits.connections_per_address =
        (unsigned)number("PER_ADDRESS", setup.limits.connections_per_address);
    setup.limits.idle_s = (unsigned)number("IDLE_S", setup.limits.idle_s);
    setup.limits.request_ns =
        (int64_t)number("REQUEST_MS", (unsigned long)(setup.limits.request_ns / CH_NS_PER_MS)) *
        CH_NS_PER_MS;
    setup.limits.drain_ns =
        (int64_t)number("DRAIN_MS", (unsigned long)(setup.limits.drain_ns / CH_NS_PER_MS)) *
        CH_NS_PER_MS;
    publish(&state, events);
    result = serve(&setup);
    ch_state_clear(&state);
    ch_events_free(events);
    return result;
}
