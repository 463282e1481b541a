/* SPDX-License-Identifier: Apache-2.0 */
/* connhealthd: arguments, wiring, the order of start and stop. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "build.h"
#include "bus.h"
#include "check.h"
#include "connhealth/sockets.h"
#include "exit_status.h"
#include "flags.h"
#include "http.h"
#include "json_sockets.h"
#include "keep.h"
#include "passed.h"
#include "service.h"
#include "sockets_metrics.h"
#include "sockets_settings.h"

struct daemon {
    struct ch_flags flags;
    struct ch_passed passed;
    struct ch_state state;
    struct ch_events *events;
    struct ch_changes *changes;
    struct ch_responder_counters responder;
    struct ch_prober_thread *prober;
    struct ch_sockets *sockets;
    struct ch_sockets_snapshot *sockets_kept; /* counters of the process before, or for the next */
    struct ch_loader *loader;
    struct ch_service *service;
    struct ch_bus *bus;
    bool restored; /* the counters of the process before */
    struct ch_web *web;
    struct ch_family_writer families[2];
    struct ch_json_writer status;
    struct ch_http *http;
};

static int complain(const char *what, int r)
{
    fprintf(stderr, "connhealthd: %s: %s\n", what, strerror(-r)); // NOLINT
    return EXIT_RUNTIME;
}

/* Every target may need a descriptor: the soft limit is raised to the hard one. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Signals are the main thread's, which takes them from a descriptor; a write to
 * a closed connection is an errno, never a death. */
static void set_signals(void)
{
    sigset_t taken;

    sigemptyset(&taken);
    sigaddset(&taken, SIGTERM);
    sigaddset(&taken, SIGINT);
    sigaddset(&taken, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &taken, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static int make_parts(struct daemon *self)
{
    int r = ch_state_init(&self->state);

    if (r == 0)
        r = ch_events_new(&self->events);
    if (r == 0)
        r = ch_changes_new(&self->changes);
    if (r == 0)
        r = ch_prober_new(self->events, self->changes, &self->responder, &self->prober);
    if (r == 0)
        r = ch_loader_new(self->flags.config_file, &self->state, self->prober, &self->loader);
    if (r < 0)
        return complain("cannot start", r);
    ch_prober_lend(self->prober, self->passed.responder, self->passed.responder_count);
    self->state.events = self->events;
    self->state.loop_lag = ch_prober_lag(self->prober);
    self->state.responder = &self->responder;
    return EXIT_FINE;
}

static int load(struct daemon *self)
{
    struct ch_addr failed;
    char address[CH_ADDR_TEXT];
    char *errors;
    int r = ch_loader_load(self->loader, &failed);

    if (r == 0)
        return EXIT_FINE;
    if (r == -EINVAL) {
        errors = ch_state_reload_errors(&self->state);
        fprintf(stderr, "%s\n", errors ? errors : "out of memory");
        free(errors);
        return EXIT_UNUSABLE;
    }
    if (failed.family == AF_UNSPEC)
        return complain(self->flags.config_file, r);
    fprintf(stderr, "connhealthd: %s: responder.listen: cannot listen on %s: %s\n",
            self->flags.config_file, ch_addr_format(&failed, address), strerror(-r)); // NOLINT
    return EXIT_RUNTIME;
}

static void apply_sockets(void *context, const struct ch_config *config)
{
    struct daemon *self = context;
    int r = ch_sockets_configure(self->sockets, config);

    if (r < 0)
        ch_log_fields(CH_LOG_ERROR, "the sockets collector keeps its old settings", "error",
                      strerror(-r), NULL); // NOLINT
}

static int start_sockets(struct daemon *self)
{
    int r = ch_sockets_create(ch_loader_config(self->loader), &self->sockets);

    if (r == 0) {
        ch_sockets_resume(self->sockets, self->sockets_kept);
        r = ch_sockets_start(self->sockets);
    }
    if (r < 0)
        return complain("cannot start the sockets collector", r);
    self->state.sockets = self->sockets;
    return EXIT_FINE;
}

static void on_changed(void *context, const struct ch_change *change)
{
    ch_bus_changed(((struct daemon *)context)->bus, change);
}

static void on_lost(void *context, uint64_t count)
{
    ch_bus_lost(((struct daemon *)context)->bus, count);
}

/* The web configuration, and what was passed that depends on it. */
static int load_web(struct daemon *self)
{
    struct ch_config_errors errors = {0};
    struct ch_web_state *state;
    bool tls = false;
    int r = 0;

    if (self->flags.web_config_file)
        r = ch_web_new(self->flags.web_config_file, &self->web, &errors);
    for (size_t i = 0; i < errors.count; i++)
        fprintf(stderr, "%s\n", errors.lines[i]);
    ch_config_errors_clear(&errors);
    if (r < 0)
        return r == -EINVAL ? EXIT_UNUSABLE : complain(self->flags.web_config_file, r);
    if (self->web) {
        state = ch_web_current(self->web);
        tls = state->config->tls != NULL;
        ch_web_state_unref(state);
    }
    if (!self->passed.wants_tls || tls)
        return EXIT_FINE;
    fprintf(stderr, "connhealthd: a socket named https was passed, and there is no TLS: name a "
                    "certificate in tls_server_config of --web.config.file\n");
    return EXIT_UNUSABLE;
}

static int make_service(struct daemon *self)
{
    struct ch_service_parts parts = {
        .state = &self->state,
        .loader = self->loader,
        .changes = self->changes,
        .reloaded = apply_sockets,
        .context = self,
        .follower = {.changed = on_changed, .lost = on_lost, .context = self},
    };
    int r = ch_service_new(&parts, &self->service);

    return r < 0 ? complain("cannot start", r) : EXIT_FINE;
}

static int start_bus(struct daemon *self)
{
    struct ch_bus_parts parts = {
        .state = &self->state,
        .prober = self->prober,
        .status = &self->status,
        .status_count = 1,
        .sockets = ch_json_sockets_render,
        .sockets_context = self->sockets,
        .reload = ch_service_reload_here,
        .reload_context = self->service,
    };
    int r = ch_bus_new(&parts, ch_service_event(self->service), &self->bus);

    return r < 0 ? complain("cannot start", r) : EXIT_FINE;
}

static int start_http(struct daemon *self)
{
    struct ch_http_setup setup = {
        .metrics = {.state = &self->state,
                    .writers = self->families,
                    .writer_count = self->web ? 2 : 1},
        .status = &self->status,
        .status_count = 1,
        .sockets = {.render = ch_json_sockets_render, .context = self->sockets},
        .lifecycle = self->flags.enable_lifecycle,
        .reloader = {.reload = ch_service_reload, .context = self->service},
        .limits = ch_http_default_limits,
        .web = self->web,
        .addresses = self->flags.listen,
        .address_count = self->flags.listen_count,
        .sockets_passed = self->passed.web,
        .socket_count = self->passed.web_count,
    };
    char reason[CH_HTTP_REASON];
    int r;

    self->families[0] = (struct ch_family_writer){ch_sockets_metrics_render, self->sockets};
    self->families[1] = (struct ch_family_writer){ch_web_render_metrics, self->web};
    self->status = (struct ch_json_writer){"sockets", ch_json_sockets_status_render, self->sockets};
    r = ch_http_new(&setup, &self->http, reason);
    if (r < 0) {
        fprintf(stderr, "connhealthd: %s\n", reason);
        return r == -EINVAL ? EXIT_UNUSABLE : EXIT_RUNTIME;
    }
    for (size_t i = 0; ch_http_address(self->http, i); i++)
        ch_log_fields(CH_LOG_INFO, "listening", "address", ch_http_address(self->http, i), NULL);
    return EXIT_FINE;
}

static uint64_t prober_turns(void *context)
{
    return ch_prober_pulse(((struct daemon *)context)->prober);
}

static uint64_t sockets_turns(void *context)
{
    return ch_sockets_turns(((struct daemon *)context)->sockets);
}

static uint64_t http_turns_0(void *context)
{
    return ch_http_turns(((struct daemon *)context)->http, 0);
}

static uint64_t http_turns_1(void *context)
{
    return ch_http_turns(((struct daemon *)context)->http, 1);
}

static void watch_threads(struct daemon *self)
{
    ch_service_watch(self->service, "prober", prober_turns, self);
    ch_service_watch(self->service, "sockets", sockets_turns, self);
    ch_service_watch(self->service, "http 0", http_turns_0, self);
    ch_service_watch(self->service, "http 1", http_turns_1, self);
}

/* Before the first scrape, and before the prober counts. */
static bool restore_counters(struct daemon *self)
{
    struct ch_loop_lag lag = {.sum_ns = 0};
    struct ch_kept counters = {
        .generation = ch_state_generation(&self->state),
        .responder = &self->responder,
        .loop_lag = &lag,
        .sockets = ch_sockets_snapshot_empty(),
    };
    bool restored = ch_keep_restore(&counters);

    ch_prober_lag_set(self->prober, &lag);
    if (restored)
        self->sockets_kept = counters.sockets;
    else
        ch_sockets_snapshot_unref(counters.sockets);
    ch_generation_unref(counters.generation);
    return restored;
}

/* Those of sockets that no collector took over go on as they came. */
static void store_counters(struct daemon *self)
{
    struct ch_loop_lag lag = *ch_prober_lag(self->prober);
    struct ch_kept counters = {
        .generation = ch_state_generation(&self->state),
        .responder = &self->responder,
        .loop_lag = &lag,
    };

    if (self->sockets) {
        ch_sockets_snapshot_unref(self->sockets_kept);
        self->sockets_kept = ch_sockets_stop(self->sockets);
    }
    counters.sockets = self->sockets_kept;
    ch_keep_store(&counters);
    ch_generation_unref(counters.generation);
}

static int start(struct daemon *self)
{
    int status = EXIT_FINE;

    if (self->flags.systemd_socket && !ch_passed_take(&self->passed))
        return EXIT_UNUSABLE;
    status = load_web(self);
    if (status == EXIT_FINE)
        status = make_parts(self);
    if (status == EXIT_FINE)
        status = load(self);
    if (status == EXIT_FINE)
        self->restored = restore_counters(self);
    if (status == EXIT_FINE)
        status = start_sockets(self);
    if (status == EXIT_FINE)
        status = make_service(self);
    if (status == EXIT_FINE)
        status = start_http(self);
    if (status == EXIT_FINE)
        status = start_bus(self);
    if (status == EXIT_FINE) {
        int r = ch_prober_start(self->prober);

        watch_threads(self);

        if (r < 0)
            status = complain("cannot start the prober", r);
    }
    return status;
}

/* Readers first, then what they read. */
static void stop(struct daemon *self, bool keep)
{
    ch_service_end(self->service);
    ch_http_free(self->http);
    ch_bus_free(self->bus);
    ch_web_free(self->web);
    ch_service_free(self->service);
    ch_loader_free(self->loader);
    if (keep) {
        ch_prober_stop(self->prober);
        store_counters(self);
    }
    ch_sockets_free(self->sockets);
    ch_sockets_snapshot_unref(self->sockets_kept);
    ch_prober_free(self->prober);
    ch_state_clear(&self->state);
    ch_changes_free(self->changes);
    ch_events_free(self->events);
}

static int run(struct daemon *self)
{
    int status = start(self);

    if (status == EXIT_FINE) {
        int r = ch_service_run(self->service);

        if (r < 0)
            status = complain("the main loop failed", r);
    }
    /* A start that failed after it took the counters gives them back. */
    stop(self, status == EXIT_FINE || self->restored);
    return status;
}

static int check(struct daemon *self)
{
    int web = load_web(self), status = ch_check_config("connhealthd", self->flags.config_file);

    ch_web_free(self->web);
    return web != EXIT_FINE ? web : status;
}

int main(int argc, char **argv)
{
    static struct daemon self;

    if (!ch_flags_parse(argc, argv, &self.flags))
        return EXIT_UNUSABLE;
    if (self.flags.help) {
        ch_flags_print_help();
        return EXIT_FINE;
    }
    if (self.flags.version) {
        printf("connhealthd, version %s (revision %s, compiler %s)\n", ch_build_version(),
               ch_build_revision(), ch_build_compiler());
        return EXIT_FINE;
    }
    if (self.flags.config_check)
        return check(&self);
    ch_log_setup(self.flags.log_level, self.flags.log_format);
    set_signals();
    raise_descriptor_limit();
    return run(&self);
}
