/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The web configuration as it is at present: whoever asks gets the newest that
 * is good. Whether a file has changed is looked up at each question; one that
 * has become bad leaves the old state in force, which is logged and counted.
 * Any thread.
 */
#ifndef CH_SURFACE_WEB_H
#define CH_SURFACE_WEB_H

#include <stdatomic.h>

#include "exposition.h"
#include "web_config.h"

struct ch_web;

/* 0; -EINVAL with errors filled; another negative errno. path is borrowed. */
int ch_web_new(const char *path, struct ch_web **ret, struct ch_config_errors *errors);
/* After every reference was given back. Takes NULL, returns NULL. */
struct ch_web *ch_web_free(struct ch_web *web);

/* One state of it; constant. */
struct ch_web_state {
    atomic_uint refs;
    struct web_config *config;
};

/* A reference. */
struct ch_web_state *ch_web_current(struct ch_web *web);
/* Takes NULL, returns NULL. */
struct ch_web_state *ch_web_state_unref(struct ch_web_state *state);

/* struct ch_family_writer's render; context is the struct ch_web. */
int ch_web_render_metrics(void *web, struct ch_text *out, enum ch_metrics_format format);

#endif
