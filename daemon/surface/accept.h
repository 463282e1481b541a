/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content negotiation: the Accept and Accept-Encoding headers of RFC 9110,
 * 12.5.1 and 12.5.3. Pure; any bytes may be given, what is malformed is passed
 * over.
 */
#ifndef CH_SURFACE_ACCEPT_H
#define CH_SURFACE_ACCEPT_H

#include <stdbool.h>

#include "exposition.h"

/* A weight in thousandths, and how exact the range was that gave it: 0 none did,
 * 1 a wildcard for all, 2 for all subtypes, 3 the type itself. */
struct ch_preference {
    int weight;
    int exact;
};

/* Gathers over every header of the name; zero-initialise. */
struct ch_accept {
    struct ch_preference text, openmetrics; /* from Accept */
    struct ch_preference gzip, identity;    /* from Accept-Encoding */
};

void ch_accept_types(struct ch_accept *accept, const char *header);
void ch_accept_encodings(struct ch_accept *accept, const char *header);

/* OpenMetrics 1.0 where it is asked for by name and weighs no less than the text
 * format, which is the answer to everything else, to nonsense too. */
enum ch_metrics_format ch_accept_format(const struct ch_accept *accept);
/* gzip where it may be used and weighs no less than the plain body. */
bool ch_accept_gzip(const struct ch_accept *accept);

#endif
