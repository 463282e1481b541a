/* SPDX-License-Identifier: Apache-2.0 */
/* TLS versions, cipher suites and curves by Go's names, as GnuTLS wants them.
 * Pure. */
#ifndef CH_SURFACE_WEB_PRIORITY_H
#define CH_SURFACE_WEB_PRIORITY_H

#include <stdbool.h>
#include <stddef.h>

#include "web_tls.h"

#define WEB_SUITES_MAX 32
#define WEB_CURVES_MAX 8

/* Indices of what was asked for, in its order; none: the defaults. */
struct web_priority {
    unsigned suites[WEB_SUITES_MAX], curves[WEB_CURVES_MAX];
    size_t suite_count, curve_count;
};

/* The index of a name, -1 if it is not known. */
int web_suite_find(const char *name);
int web_curve_find(const char *name);

/* NULL, or what cannot be honoured and what to do. */
const char *web_priority_write(const struct web_priority *priority,
                               struct web_tls_settings *settings);

#endif
