/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of --web.config.file, in the format of Prometheus' exporter-toolkit:
 * TLS, users, headers, a rate limit. Read whole with every file that it names,
 * and constant from then on.
 */
#ifndef CH_SURFACE_WEB_CONFIG_H
#define CH_SURFACE_WEB_CONFIG_H

#include "config.h"
#include "connhealth/option.h"
#include "web_files.h"
#include "web_tls.h"

/* A bcrypt hash takes 2^cost rounds; 16 are about 4 s. */
#define WEB_COST_MIN 4
#define WEB_COST_MAX 16
#define WEB_HASH_LEN 60

struct web_user {
    char *name;
    char hash[WEB_HASH_LEN + 1];
    unsigned cost;
};

enum web_header {
    WEB_HEADER_CSP,
    WEB_HEADER_FRAME_OPTIONS,
    WEB_HEADER_CONTENT_TYPE_OPTIONS,
    WEB_HEADER_XSS_PROTECTION,
    WEB_HEADER_STRICT_TRANSPORT,
    WEB_HEADER_COUNT,
};
extern const char *const web_header_names[WEB_HEADER_COUNT];

struct web_config {
    struct web_tls_settings tls_settings;
    struct web_tls *tls; /* NULL: plain HTTP */
    bool http2;          /* passed over: HTTP/1.1 is spoken */
    struct web_user *users;
    size_t user_count;                         /* 0: everybody is let in */
    struct ch_bytes headers[WEB_HEADER_COUNT]; /* data NULL or len 0: not given */
    struct {
        int64_t interval_ns; /* 0: no limit */
        uint32_t burst;
    } rate;
};

/* 0; -EINVAL with errors filled, each with its place; -ENOMEM. *files (cleared
 * before) is what was or should have been read, in every case. */
int web_config_load(const char *path, struct web_config **ret, struct web_files *files,
                    struct ch_config_errors *errors);
struct web_config *web_config_free(struct web_config *config); /* takes NULL, returns NULL */

#endif
