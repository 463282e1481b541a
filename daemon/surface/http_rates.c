/* SPDX-License-Identifier: Apache-2.0 */
#include "http_rates.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "connhealth/clock.h"

#define PLACES 4096 /* a power of two */
#define NEAR   8    /* places where an address may be kept */

/* Instead of tokens, the time when the bucket will be full again (the generic
 * cell rate algorithm): one number says all, and one in the past nothing. */
struct place {
    uint64_t key; /* 0: free */
    int64_t full_at;
};

struct http_rates {
    pthread_mutex_t lock;
    uint64_t secret; /* so that nobody can aim at another's place */
    struct place places[PLACES];
};

int http_rates_new(struct http_rates **ret)
{
    struct http_rates *rates = calloc(1, sizeof(*rates));

    if (!rates)
        return -ENOMEM;
    if (getrandom(&rates->secret, sizeof(rates->secret), 0) != (ssize_t)sizeof(rates->secret)) {
        free(rates);
        return -EIO;
    }
    pthread_mutex_init(&rates->lock, NULL);
    *ret = rates;
    return 0;
}

struct http_rates *http_rates_free(struct http_rates *rates)
{
    if (!rates)
        return NULL;
    pthread_mutex_destroy(&rates->lock);
    free(rates);
    return NULL;
}

/* Reversible but for the truncated IPv6 address, and so without collisions. */
static uint64_t key_of(const struct http_rates *rates, const struct ch_addr *addr)
{
    uint64_t key = 0;

    memcpy(&key, addr->ip, addr->family == AF_INET ? 4 : 8);
    key = (key ^ rates->secret) * UINT64_C(0x9e3779b97f4a7c15);
    key ^= key >> 32;
    return key ? key : 1;
}

/* Its place, or the one whose owner has been quiet for the longest. */
static struct place *place_of(struct http_rates *rates, uint64_t key)
{
    struct place *best = &rates->places[key % PLACES];

    for (size_t i = 0; i < NEAR; i++) {
        struct place *place = &rates->places[(key + i) % PLACES];

        if (place->key == key)
            return place;
        if (place->full_at < best->full_at)
            best = place;
    }
    *best = (struct place){.key = key};
    return best;
}

int64_t http_rates_ask(struct http_rates *rates, const struct http_rate *rate,
                       const struct ch_addr *addr, bool take)
{
    int64_t now = ch_clock_monotonic(), wait;
    struct place *place;

    if (addr->family != AF_INET && addr->family != AF_INET6)
        return 0;
    pthread_mutex_lock(&rates->lock);
    place = place_of(rates, key_of(rates, addr));
    if (place->full_at < now)
        place->full_at = now;
    wait = place->full_at + rate->interval_ns - now - rate->interval_ns * rate->burst;
    if (wait <= 0 && take)
        place->full_at += rate->interval_ns;
    pthread_mutex_unlock(&rates->lock);
    return wait > 0 ? wait : 0;
}
