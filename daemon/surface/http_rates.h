/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often a client address may do something: a token bucket for each (IPv6: for
 * each /64), in a table of fixed size. Any thread. Private to http.
 */
#ifndef CH_SURFACE_HTTP_RATES_H
#define CH_SURFACE_HTTP_RATES_H

#include <stdbool.h>

#include "connhealth/address.h"

struct http_rates;

/* 0 or a negative errno. */
int http_rates_new(struct http_rates **ret);
struct http_rates *http_rates_free(struct http_rates *rates); /* takes NULL, returns NULL */

/* One in interval_ns, and burst at once before that. */
struct http_rate {
    int64_t interval_ns;
    unsigned burst;
};

/* 0: there is a token, and it was taken (with take) or left; else how long until
 * there is one, in ns. */
int64_t http_rates_ask(struct http_rates *rates, const struct http_rate *rate,
                       const struct ch_addr *addr, bool take);

#endif
