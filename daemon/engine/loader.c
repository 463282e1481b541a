/* SPDX-License-Identifier: Apache-2.0 */
#include "loader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connhealth/clock.h"
#include "discover.h"
#include "log.h"
#include "messages.h"
#include "schedule.h"

struct ch_loader {
    const char *path;
    struct ch_state *state;
    struct ch_prober_thread *prober;
    struct ch_discovery *discovery;
    struct ch_config *config;         /* a reference */
    struct ch_generation *generation; /* a reference */
};

int ch_loader_new(const char *path, struct ch_state *state, struct ch_prober_thread *prober,
                  struct ch_loader **ret)
{
    struct ch_loader *loader = calloc(1, sizeof(*loader));
    int r;

    if (!loader)
        return -ENOMEM;
    loader->path = path;
    loader->state = state;
    loader->prober = prober;
    r = ch_discovery_new(&loader->discovery);
    if (r < 0) {
        free(loader);
        return r;
    }
    *ret = loader;
    return 0;
}

struct ch_loader *ch_loader_free(struct ch_loader *loader)
{
    if (!loader)
        return NULL;
    ch_discovery_free(loader->discovery);
    ch_generation_unref(loader->generation);
    ch_config_free(loader->config);
    free(loader);
    return NULL;
}

static char *join_lines(const struct ch_config_errors *errors)
{
    size_t size = 1;
    char *text, *end;

    for (size_t i = 0; i < errors->count; i++)
        size += strlen(errors->lines[i]) + 1;
    text = malloc(size);
    if (!text)
        return NULL;
    end = text;
    for (size_t i = 0; i < errors->count; i++) {
        end = stpcpy(end, errors->lines[i]);
        *end++ = '\n';
    }
    *(errors->count > 0 ? end - 1 : end) = '\0';
    return text;
}

/* Says in log, metric and state how a load went. */
static void tell_result(struct ch_loader *loader, const struct ch_config_errors *errors, int r)
{
    char *text = errors->count > 0 ? join_lines(errors) : NULL;

    /* Before anything runs, main prints the errors and ends. */
    for (size_t i = 0; loader->generation && i < errors->count; i++)
        ch_log_fields(CH_LOG_ERROR, "configuration error", "error", errors->lines[i], NULL);
    if (r < 0 || errors->count > 0)
        ch_state_reload_result(loader->state, text ? text : strerror(-r)); // NOLINT
    else
        ch_state_reload_result(loader->state, NULL);
    free(text);
}

/* A generation of config (a reference that is taken over) with what the target
 * files hold; published when the prober has it. */
static int run_config(struct ch_loader *loader, struct ch_config *config,
                      struct ch_config_errors *errors, struct ch_addr *ret_failed)
{
    const struct ch_group_targets *discovered;
    struct ch_generation *generation = NULL;
    int r = ch_discovery_read(loader->discovery, config, errors, &discovered);

    if (r == 0)
        r = ch_generation_new(&config, discovered, loader->generation, &generation);
    if (r < 0) {
        ch_config_free(config);
        return r;
    }
    generation->config_text = ch_config_format(generation->config); // NOLINT: r is 0
    r = ch_prober_apply(loader->prober, generation, loader->generation, ret_failed);
    if (r < 0) {
        ch_generation_unref(generation);
        return r;
    }
    ch_config_free(loader->config);
    loader->config = ch_config_ref(generation->config);
    ch_generation_unref(loader->generation);
    loader->generation = ch_generation_ref(generation);
    ch_state_publish(loader->state, generation);
    return 0;
}

static void log_loaded(const struct ch_loader *loader, enum ch_log_level level, const char *message)
{
    char groups[24], targets[24], probes[24];

    snprintf(groups, sizeof(groups), "%zu", loader->config->group_count);
    snprintf(targets, sizeof(targets), "%zu", loader->generation->target_count);
    snprintf(probes, sizeof(probes), "%zu", loader->generation->series_count);
    ch_log_message(level, ch_message_row(CH_MESSAGE_CONFIG_LOADED)->id, message, "file",
                   loader->path, "groups", groups, "targets", targets, "probes", probes, NULL);
    if (ch_schedule_wants_reset(loader->generation))
        ch_log_fields(level, "connect probes close with RST", "reason",
                      "with FIN they would hold more than 4096 local ports in TIME_WAIT", NULL);
}

int ch_loader_load(struct ch_loader *loader, struct ch_addr *ret_failed)
{
    struct ch_config_errors errors = {0};
    struct ch_config *config = NULL;
    int r = ch_config_load(loader->path, &config, &errors);

    *ret_failed = (struct ch_addr){0};
    if (r == 0)
        r = run_config(loader, config, &errors, ret_failed);
    tell_result(loader, &errors, r);
    if (r == 0)
        log_loaded(loader, CH_LOG_INFO, "configuration loaded");
    ch_config_errors_clear(&errors);
    return r;
}

int ch_loader_rediscover(struct ch_loader *loader)
{
    struct ch_config_errors errors = {0};
    struct ch_addr failed;
    size_t before;
    int r;

    if (!loader->config)
        return 0;
    before = loader->generation->target_count;
    r = run_config(loader, ch_config_ref(loader->config), &errors, &failed);
    tell_result(loader, &errors, r);
    if (r == 0)
        log_loaded(loader, loader->generation->target_count != before ? CH_LOG_INFO : CH_LOG_DEBUG,
                   "target files read again");
    ch_config_errors_clear(&errors);
    return r;
}

int ch_loader_fd(const struct ch_loader *loader)
{
    return ch_discovery_fd(loader->discovery);
}

bool ch_loader_changed(struct ch_loader *loader)
{
    return ch_discovery_changed(loader->discovery);
}

int64_t ch_loader_refresh_ns(const struct ch_loader *loader)
{
    return loader->config ? ch_discovery_refresh(loader->config) : 0;
}

const struct ch_config *ch_loader_config(const struct ch_loader *loader)
{
    return loader->config;
}
