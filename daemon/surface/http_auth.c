/* SPDX-License-Identifier: Apache-2.0 */
#include "http_auth.h"

#include <crypt.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>

#include "authorization.h"
#include "connhealth/clock.h"
#include "http_rates.h"

#define DIGEST_BYTES 32
#define KNOWN_MAX    256
/* Waiting for the thread: in all, and of one address. */
#define WAITING_MAX             64
#define WAITING_MAX_PER_ADDRESS 4
#define NICE_OF_THREAD          15

/* Failures of one address that are computed. */
static const struct http_rate failures = {.interval_ns = CH_NS_PER_S, .burst = 10};

struct http_check {
    struct http_check *next;
    struct http_question question; /* with a reference on its state */
    struct ch_credentials credentials;
    uint8_t digest[DIGEST_BYTES];
    enum http_verdict verdict;
};

struct http_auth {
    pthread_mutex_t lock; /* of all below but the thread's own */
    pthread_cond_t changed;
    pthread_t thread;
    bool running, stopping;
    uint8_t secret[DIGEST_BYTES];
    struct http_rates *rates;
    struct http_check *first, **end;
    unsigned waiting;
    uint8_t known[KNOWN_MAX][DIGEST_BYTES]; /* what was right; a ring */
    size_t known_count, known_next;
    struct crypt_data crypt; /* the thread's */
};

/* --- what is known */

static const struct web_user *find_user(const struct web_config *config, const char *name)
{
    for (size_t i = 0; i < config->user_count; i++)
        if (strcmp(config->users[i].name, name) == 0)
            return &config->users[i];
    return NULL;
}

/* Of name, password and stored hash: an entry that changes is no longer known. */
static bool digest_of(const struct http_auth *auth, const struct web_user *user,
                      const struct ch_credentials *credentials, uint8_t digest[DIGEST_BYTES])
{
    gnutls_hmac_hd_t hmac;

    if (gnutls_hmac_init(&hmac, GNUTLS_MAC_SHA256, auth->secret, sizeof(auth->secret)) < 0)
        return false;
    gnutls_hmac(hmac, user->hash, sizeof(user->hash));
    gnutls_hmac(hmac, credentials->user, strlen(credentials->user) + 1);
    gnutls_hmac(hmac, credentials->password, strlen(credentials->password));
    gnutls_hmac_deinit(hmac, digest);
    return true;
}

static bool is_known(const struct http_auth *auth, const uint8_t digest[DIGEST_BYTES])
{
    for (size_t i = 0; i < auth->known_count; i++)
        if (gnutls_memcmp(auth->known[i], digest, DIGEST_BYTES) == 0)
            return true;
    return false;
}

static void make_known(struct http_auth *auth, const uint8_t digest[DIGEST_BYTES])
{
    if (is_known(auth, digest))
        return;
    memcpy(auth->known[auth->known_next], digest, DIGEST_BYTES);
    auth->known_next = (auth->known_next + 1) % KNOWN_MAX;
    if (auth->known_count < KNOWN_MAX)
        auth->known_count++;
}

/* --- the thread */

static bool matches(struct http_auth *auth, const char *password, const char *hash)
{
    const char *made = crypt_rn(password, hash, &auth->crypt, (int)sizeof(auth->crypt));

    return made && strlen(made) == WEB_HASH_LEN && gnutls_memcmp(made, hash, WEB_HASH_LEN) == 0;
}

static void spend(struct http_auth *auth, const char *password, unsigned cost)
{
    static const char tail[] = "abcdefghijklmnopqrstuu0000000000000000000000000000000";
    char nobody[WEB_HASH_LEN + 1];

    snprintf(nobody, sizeof(nobody), "$2b$%02u$%s", cost % 100, tail);
    (void)matches(auth, password, nobody);
}

static unsigned highest_cost(const struct web_config *config)
{
    unsigned cost = WEB_COST_MIN;

    for (size_t i = 0; i < config->user_count; i++)
        if (config->users[i].cost > cost)
            cost = config->users[i].cost;
    return cost;
}

/* Every failure takes as long as the dearest user's: 2^n is 2^k and then
 * 2^k + 2^(k+1) + … + 2^(n-1). */
static bool compute(struct http_auth *auth, const struct http_check *check)
{
    const struct web_config *config = check->question.state->config;
    const struct ch_credentials *credentials = &check->credentials;
    const struct web_user *user = find_user(config, credentials->user);
    unsigned highest = highest_cost(config);

    if (!user) {
        spend(auth, credentials->password, highest);
        return false;
    }
    if (matches(auth, credentials->password, user->hash))
        return true;
    for (unsigned cost = user->cost; cost < highest; cost++)
        spend(auth, credentials->password, cost);
    return false;
}

static void conclude(struct http_auth *auth, struct http_check *check, bool right)
{
    void (*done)(void *context) = check->question.done;
    void *context = check->question.context;

    if (right)
        make_known(auth, check->digest);
    else
        http_rates_ask(auth->rates, &failures, &check->question.addr, true);
    check->verdict = right ? HTTP_GRANTED : HTTP_DENIED;
    done(context); /* from here on it may be gone */
}

static struct http_check *take_first(struct http_auth *auth)
{
    struct http_check *check = auth->first;

    auth->first = check->next;
    if (!auth->first)
        auth->end = &auth->first;
    auth->waiting--;
    return check;
}

static void *run(void *context)
{
    struct http_auth *auth = context;

    pthread_setname_np(pthread_self(), "http-auth");
    (void)setpriority(PRIO_PROCESS, 0, NICE_OF_THREAD); /* of this thread alone */
    pthread_mutex_lock(&auth->lock);
    while (!auth->stopping || auth->first) {
        struct http_check *check;
        bool right = false;

        if (!auth->first) {
            pthread_cond_wait(&auth->changed, &auth->lock);
            continue;
        }
        check = take_first(auth);
        if (!auth->stopping) {
            pthread_mutex_unlock(&auth->lock);
            right = compute(auth, check);
            pthread_mutex_lock(&auth->lock);
        }
        conclude(auth, check, right);
    }
    pthread_mutex_unlock(&auth->lock);
    return NULL;
}

/* --- life */

int http_auth_new(struct http_auth **ret)
{
    struct http_auth *auth = calloc(1, sizeof(*auth));
    int r;

    if (!auth)
        return -ENOMEM;
    pthread_mutex_init(&auth->lock, NULL);
    pthread_cond_init(&auth->changed, NULL);
    auth->end = &auth->first;
    r = http_rates_new(&auth->rates);
    if (r == 0 && getrandom(auth->secret, sizeof(auth->secret), 0) != (ssize_t)sizeof(auth->secret))
        r = -EIO;
    if (r == 0)
        r = -pthread_create(&auth->thread, NULL, run, auth);
    auth->running = r == 0;
    if (r < 0) {
        http_auth_free(auth);
        return r;
    }
    *ret = auth;
    return 0;
}

void http_auth_stop(struct http_auth *auth)
{
    if (!auth || !auth->running)
        return;
    pthread_mutex_lock(&auth->lock);
    auth->stopping = true;
    pthread_cond_signal(&auth->changed);
    pthread_mutex_unlock(&auth->lock);
    pthread_join(auth->thread, NULL);
    auth->running = false;
}

struct http_auth *http_auth_free(struct http_auth *auth)
{
    if (!auth)
        return NULL;
    http_auth_stop(auth);
    http_rates_free(auth->rates);
    pthread_cond_destroy(&auth->changed);
    pthread_mutex_destroy(&auth->lock);
    explicit_bzero(auth, sizeof(*auth));
    free(auth);
    return NULL;
}

/* --- questions */

static bool same_address(const struct ch_addr *a, const struct ch_addr *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, a->family == AF_INET ? 4 : 8) == 0;
}

static bool has_room(const struct http_auth *auth, const struct ch_addr *addr)
{
    unsigned same = 0;

    if (auth->stopping || auth->waiting >= WAITING_MAX)
        return false;
    for (const struct http_check *check = auth->first; check; check = check->next)
        same += same_address(&check->question.addr, addr);
    return same < WAITING_MAX_PER_ADDRESS;
}

/* With the lock held. */
static enum http_verdict decide(struct http_auth *auth, const struct http_check *check,
                                bool has_digest, int64_t *ret_wait_ns)
{
    if (has_digest && is_known(auth, check->digest))
        return HTTP_GRANTED;
    *ret_wait_ns = http_rates_ask(auth->rates, &failures, &check->question.addr, false);
    if (*ret_wait_ns > 0)
        return HTTP_LATER;
    if (has_room(auth, &check->question.addr))
        return HTTP_PENDING;
    *ret_wait_ns = CH_NS_PER_S;
    return HTTP_LATER;
}

enum http_verdict http_auth_ask(struct http_auth *auth, const struct http_question *question,
                                struct http_check **ret_check, int64_t *ret_wait_ns)
{
    const struct web_config *config = question->state->config;
    struct http_check *check;
    const struct web_user *user;
    enum http_verdict verdict = HTTP_DENIED;

    check = question->header ? calloc(1, sizeof(*check)) : NULL;
    if (!check)
        return HTTP_DENIED;
    check->question = *question;
    if (ch_authorization_parse(question->header, &check->credentials)) {
        user = find_user(config, check->credentials.user);
        pthread_mutex_lock(&auth->lock);
        verdict =
            decide(auth, check, user && digest_of(auth, user, &check->credentials, check->digest),
                   ret_wait_ns);
        pthread_mutex_unlock(&auth->lock);
    }
    if (verdict == HTTP_PENDING) {
        atomic_fetch_add_explicit(&check->question.state->refs, 1, memory_order_relaxed);
        *ret_check = check;
        return verdict;
    }
    ch_credentials_wipe(&check->credentials);
    free(check);
    return verdict;
}

void http_auth_start(struct http_auth *auth, struct http_check *check)
{
    pthread_mutex_lock(&auth->lock);
    *auth->end = check;
    auth->end = &check->next;
    auth->waiting++;
    pthread_cond_signal(&auth->changed);
    pthread_mutex_unlock(&auth->lock);
}

enum http_verdict http_auth_finish(struct http_check *check)
{
    enum http_verdict verdict = check->verdict;

    ch_credentials_wipe(&check->credentials);
    ch_web_state_unref(check->question.state);
    free(check);
    return verdict;
}
