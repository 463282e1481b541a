/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the web configuration's files: what they share while one is read. */
#ifndef CH_SURFACE_WEB_CONFIG_BUILD_H
#define CH_SURFACE_WEB_CONFIG_BUILD_H

#include "walker.h"
#include "web_config.h"
#include "web_priority.h"

#define WEB_PEM_MAX  (256 * 1024)
#define WEB_TEXT_MAX 4096

#define WEB_TEXT(name, field, length, ...)                                                         \
    {                                                                                              \
        .key = (name), .type = CH_OPTION_TEXT, .offset = offsetof(struct web_config, field),       \
        .max = (length), __VA_ARGS__                                                               \
    }

struct web_build {
    struct ch_report report;
    struct ch_walk walk; /* context: this build */
    struct ch_tree tree;
    struct web_config *config;
    struct web_priority priority;
    const char *path;
    struct web_files *files;
    const struct ch_node *tls, *suites; /* where they were given */
};

static inline struct web_build *web_build_of(const struct ch_walk *walk)
{
    return walk->context;
}

/* web_config_tls.c: the scalars of tls_server_config, and the whole of it. */
extern const struct ch_option web_tls_options[];
void web_config_read_tls(struct ch_walk *walk, const struct ch_node *node, void *config);

#endif
