/* SPDX-License-Identifier: Apache-2.0 */
#include "web.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

struct ch_web {
    const char *path;
    pthread_mutex_t lock; /* of all below */
    struct ch_web_state *state;
    struct web_files files;
    char *complaint; /* the last reload's, NULL: it was good */
    uint64_t failures;
};

static struct ch_web_state *make_state(struct web_config *config)
{
    struct ch_web_state *state = config ? calloc(1, sizeof(*state)) : NULL;

    if (!state)
        return NULL;
    atomic_init(&state->refs, 1);
    state->config = config;
    return state;
}

static int load(struct ch_web *web, struct ch_config_errors *errors)
{
    struct web_config *config = NULL;
    struct ch_web_state *state;
    int r = web_config_load(web->path, &config, &web->files, errors);

    if (r < 0)
        return r;
    state = make_state(config);
    if (!state) {
        web_config_free(config);
        return -ENOMEM;
    }
    ch_web_state_unref(web->state);
    web->state = state;
    return 0;
}

/* Each trouble once, however often it is met again. */
static void complain(struct ch_web *web, const struct ch_config_errors *errors, int r)
{
    const char *first = errors->count > 0 ? errors->lines[0] : strerrordesc_np(-r);

    if (web->complaint && strcmp(web->complaint, first) == 0)
        return;
    web->failures++;
    free(web->complaint);
    web->complaint = strdup(first);
    for (size_t i = 0; i < errors->count; i++)
        ch_log_fields(CH_LOG_ERROR, "web configuration error", "error", errors->lines[i], NULL);
    ch_log_fields(CH_LOG_ERROR, "the web configuration was not read anew, the old one goes on",
                  "file", web->path, "error", first, NULL);
}

static void reload(struct ch_web *web)
{
    struct ch_config_errors errors = {0};
    int r = load(web, &errors);

    if (r < 0) {
        complain(web, &errors, r);
    } else {
        ch_log_fields(CH_LOG_INFO, "web configuration loaded", "file", web->path, NULL);
        free(web->complaint);
        web->complaint = NULL;
    }
    ch_config_errors_clear(&errors);
}

int ch_web_new(const char *path, struct ch_web **ret, struct ch_config_errors *errors)
{
    struct ch_web *web = calloc(1, sizeof(*web));
    int r;

    if (!web)
        return -ENOMEM;
    pthread_mutex_init(&web->lock, NULL);
    web->path = path;
    r = load(web, errors);
    if (r < 0) {
        ch_web_free(web);
        return r;
    }
    *ret = web;
    return 0;
}

struct ch_web *ch_web_free(struct ch_web *web)
{
    if (!web)
        return NULL;
    ch_web_state_unref(web->state);
    web_files_clear(&web->files);
    free(web->complaint);
    pthread_mutex_destroy(&web->lock);
    free(web);
    return NULL;
}

struct ch_web_state *ch_web_current(struct ch_web *web)
{
    struct ch_web_state *state;

    pthread_mutex_lock(&web->lock);
    if (web->files.count == 0 || web_files_changed(&web->files))
        reload(web);
    state = web->state;
    atomic_fetch_add_explicit(&state->refs, 1, memory_order_relaxed);
    pthread_mutex_unlock(&web->lock);
    return state;
}

struct ch_web_state *ch_web_state_unref(struct ch_web_state *state)
{
    if (!state || atomic_fetch_sub_explicit(&state->refs, 1, memory_order_acq_rel) > 1)
        return NULL;
    web_config_free(state->config);
    free(state);
    return NULL;
}

int ch_web_render_metrics(void *context, struct ch_text *out, enum ch_metrics_format format)
{
    static const struct ch_family good = {
        .name = "connhealth_web_config_last_reload_successful",
        .type = CH_FAMILY_GAUGE,
        .help = "Whether the web configuration and the files that it names are good as they are "
                "now; while not, the last good state is in force"};
    static const struct ch_family failures = {
        .name = "connhealth_web_config_reload_failures_total",
        .type = CH_FAMILY_COUNTER,
        .help = "How often a changed web configuration could not be used"};
    static const struct ch_family expiry = {
        .name = "connhealth_web_certificate_expiry_timestamp_seconds",
        .type = CH_FAMILY_GAUGE,
        .unit = "seconds",
        .help = "When the server's own certificate expires"};
    struct ch_web *web = context;
    struct ch_web_state *state = ch_web_current(web);
    int64_t expires = state->config->tls ? web_tls_expiry(state->config->tls) : -1;

    ch_exposition_family(out, format, &good);
    ch_exposition_begin(out, &good, "");
    pthread_mutex_lock(&web->lock);
    ch_exposition_u64(out, web->complaint == NULL);
    ch_exposition_family(out, format, &failures);
    ch_exposition_begin(out, &failures, "");
    ch_exposition_u64(out, web->failures);
    pthread_mutex_unlock(&web->lock);
    if (expires >= 0) {
        ch_exposition_family(out, format, &expiry);
        ch_exposition_begin(out, &expiry, "");
        ch_exposition_u64(out, (uint64_t)expires);
    }
    ch_web_state_unref(state);
    return 0;
}
