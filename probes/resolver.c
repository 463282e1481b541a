/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answers, and those who wait for them. One entry a name: at most one
 * lookup of it is under way, whoever asks meanwhile waits for the same.
 */
/* Without memory for the table the asker is told so; uthash's own way is to end
 * the process. */
#define HASH_NONFATAL_OOM            1
#define uthash_nonfatal_oom(element) ((element)->unlisted = true)

#include "resolver_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "connhealth/clock.h"
#include "connhealth/container.h"

/* c-ares looks at all its queries often, and one UDP socket carries them all:
 * more at once would be slower, and lost at the server. The others queue. */
#define LOOKUPS_AT_ONCE 500
/* "No such name" and a resolver's failure are believed for as long. */
#define NEGATIVE_NS CH_RESOLVER_TTL_MIN
/* Longer than c-ares ever takes: the end of waiting whatever happens. */
#define GIVE_UP_NS (60 * CH_NS_PER_S)
/* An answer that nobody has asked for in this time is forgotten. */
#define UNUSED_NS (6 * 3600 * CH_NS_PER_S)

enum lookup_state { AT_REST, QUEUED, UNDER_WAY };

struct resolver_name {
    UT_hash_handle hh;
    struct resolver_name *next, *prev;             /* by last use */
    struct resolver_name *queue_next, *queue_prev; /* while QUEUED */
    struct ch_resolver *resolver;
    struct resolver_query query;
    enum lookup_state state;
    struct ch_lookup *waiters;
    struct ch_timer wake; /* when the waiters are told, armed while there are any */
    int64_t last_use;
    int64_t pending_since; /* unless AT_REST */
    int64_t good_until;    /* what is below needs no new lookup before */
    enum ch_dns failure;   /* of the last lookup */
    int local_error;       /* the last lookup could not even begin */
    uint16_t count;        /* the last good answer */
    struct ch_addr *address;
    bool unlisted; /* no memory to enter it into the table */
    char name[];
};

struct ch_resolver {
    struct ch_loop *loop;
    struct resolver_channel *channel;
    struct resolver_name *table;  /* uthash */
    struct resolver_name *by_use; /* the longest unused first */
    struct resolver_name *queue;
    uint32_t under_way;
    bool starting;
    int64_t stale_after_ns, recheck_ns;
};

static bool is_resolver_failure(enum ch_dns failure)
{
    return failure != CH_DNS_NONE && failure != CH_DNS_NOT_FOUND && failure != CH_DNS_NO_ADDRESS;
}

static void name_free(struct resolver_name *entry)
{
    free(entry->address);
    free(entry);
}

static void forget(struct ch_resolver *resolver, struct resolver_name *entry)
{
    /* what is in the list is in the table: the table is not empty */
    HASH_DELETE(hh, resolver->table, entry); // NOLINT(clang-analyzer-core.NullDereference)
    DL_DELETE(resolver->by_use, entry);
    name_free(entry);
}

/* Two are looked at for each one that comes, so that the table shrinks. */
static void forget_unused(struct ch_resolver *resolver)
{
    int64_t now = ch_loop_now(resolver->loop);

    for (int i = 0; i < 2; i++) {
        struct resolver_name *oldest = resolver->by_use;

        if (!oldest || now - oldest->last_use < UNUSED_NS || oldest->state != AT_REST ||
            oldest->waiters)
            return;
        forget(resolver, oldest);
    }
}

static void fill_answer(const struct resolver_name *entry, struct ch_answer *ret)
{
    ret->stale = entry->count > 0 && (entry->state != AT_REST || entry->failure != CH_DNS_NONE);
    ret->failure = entry->count > 0 ? CH_DNS_NONE : entry->failure;
    ret->count = entry->count;
    if (entry->count > 0)
        memcpy(ret->address, entry->address, entry->count * sizeof(*entry->address));
    /* Given up while the lookup still hangs. */
    if (ret->count == 0 && entry->state != AT_REST)
        ret->failure = CH_DNS_TIMEOUT;
}

static void stop_waiting(struct ch_lookup *lookup)
{
    *lookup->place = lookup->next;
    if (lookup->next)
        lookup->next->place = lookup->place;
    lookup->next = NULL;
    lookup->place = NULL;
}

/* Any of those that are told may ask again, or cancel others. */
static void on_wake(struct ch_timer *timer, int64_t now)
{
    struct resolver_name *entry = ch_container_of(timer, struct resolver_name, wake);
    struct ch_lookup *told = entry->waiters;
    struct ch_answer answer;

    (void)now;
    fill_answer(entry, &answer);
    entry->waiters = NULL;
    if (told)
        told->place = &told;
    while (told) {
        struct ch_lookup *lookup = told;

        stop_waiting(lookup);
        lookup->on_answer(lookup, &answer);
    }
}

/* Without memory for the new addresses the old ones stay. */
static void keep_good(struct resolver_name *entry, const struct resolver_result *result)
{
    struct ch_addr *copy = malloc(result->count * sizeof(*copy));

    if (!copy)
        return;
    memcpy(copy, result->address, result->count * sizeof(*copy));
    free(entry->address);
    entry->address = copy;
    entry->count = result->count;
}

static int64_t clamp_ttl(int64_t ttl)
{
    if (ttl < CH_RESOLVER_TTL_MIN)
        return CH_RESOLVER_TTL_MIN;
    return ttl > CH_RESOLVER_TTL_MAX ? CH_RESOLVER_TTL_MAX : ttl;
}

static void keep_result(struct resolver_name *entry, const struct resolver_result *result)
{
    int64_t lifetime = NEGATIVE_NS;

    entry->failure = result->failure;
    entry->local_error = result->local_error;
    if (result->failure == CH_DNS_NONE) {
        keep_good(entry, result);
        lifetime = clamp_ttl(result->ttl_ns);
        if (entry->count == 0) { /* there was no memory */
            entry->failure = CH_DNS_OTHER;
            entry->local_error = ENOMEM;
        }
    } else if (!is_resolver_failure(result->failure)) {
        entry->count = 0;
    } else if (entry->count > 0) {
        lifetime = entry->resolver->recheck_ns;
    }
    if (entry->local_error != 0)
        lifetime = 0;
    entry->good_until = ch_loop_now(entry->resolver->loop) + lifetime;
}

/* Names that are found in /etc/hosts have their result before ask returns; a
 * queue of them must not become a recursion. */
static void start_queued(struct ch_resolver *resolver)
{
    if (resolver->starting)
        return;
    resolver->starting = true;
    while (resolver->queue && resolver->under_way < LOOKUPS_AT_ONCE) {
        struct resolver_name *entry = resolver->queue;

        DL_DELETE2(resolver->queue, entry, queue_prev, queue_next);
        entry->state = UNDER_WAY;
        resolver->under_way++;
        resolver_channel_ask(resolver->channel, &entry->query);
    }
    resolver->starting = false;
}

/* Called from within c-ares: the waiters are told from the loop. */
static void on_result(struct resolver_query *query, const struct resolver_result *result)
{
    struct resolver_name *entry = ch_container_of(query, struct resolver_name, query);
    struct ch_resolver *resolver = entry->resolver;

    keep_result(entry, result);
    entry->state = AT_REST;
    resolver->under_way--;
    if (entry->waiters) /* armed already: moving it cannot fail */
        ch_loop_timer_arm(resolver->loop, &entry->wake, ch_loop_now(resolver->loop));
    start_queued(resolver);
}

static void begin_lookup(struct ch_resolver *resolver, struct resolver_name *entry)
{
    entry->state = QUEUED;
    entry->pending_since = ch_loop_now(resolver->loop);
    DL_APPEND2(resolver->queue, entry, queue_prev, queue_next);
    start_queued(resolver);
}

static struct resolver_name *name_new(struct ch_resolver *resolver, const char *name)
{
    size_t len = strlen(name);
    struct resolver_name *entry;

    forget_unused(resolver);
    entry = calloc(1, sizeof(*entry) + len + 1);
    if (!entry)
        return NULL;
    memcpy(entry->name, name, len);
    entry->resolver = resolver;
    entry->query.name = entry->name;
    entry->query.on_result = on_result;
    entry->wake.on_fire = on_wake;
    entry->good_until = INT64_MIN;
    HASH_ADD_KEYPTR(hh, resolver->table, entry->name, len, entry);
    if (entry->unlisted) {
        name_free(entry);
        return NULL;
    }
    DL_APPEND(resolver->by_use, entry);
    return entry;
}

static struct resolver_name *find_or_new(struct ch_resolver *resolver, const char *name)
{
    struct resolver_name *entry;

    HASH_FIND(hh, resolver->table, name, strlen(name), entry);
    if (!entry)
        entry = name_new(resolver, name);
    if (!entry)
        return NULL;
    entry->last_use = ch_loop_now(resolver->loop);
    DL_DELETE(resolver->by_use, entry);
    DL_APPEND(resolver->by_use, entry);
    return entry;
}

static int wait_for(struct resolver_name *entry, struct ch_lookup *lookup)
{
    int64_t patience = entry->count > 0 ? entry->resolver->stale_after_ns : GIVE_UP_NS;

    if (!entry->waiters) {
        int r =
            ch_loop_timer_arm(entry->resolver->loop, &entry->wake, entry->pending_since + patience);

        if (r < 0)
            return r;
    }
    lookup->next = entry->waiters;
    if (lookup->next)
        lookup->next->place = &lookup->next;
    lookup->place = &entry->waiters;
    entry->waiters = lookup;
    return 1;
}

int ch_resolver_ask(struct ch_resolver *resolver, const char *name, struct ch_lookup *lookup,
                    struct ch_answer *ret_answer)
{
    struct resolver_name *entry = find_or_new(resolver, name);
    int64_t now = ch_loop_now(resolver->loop);

    if (!entry)
        return -ENOMEM;
    if (entry->state == AT_REST && now >= entry->good_until) {
        begin_lookup(resolver, entry);
        if (entry->state == AT_REST && entry->local_error != 0)
            return -entry->local_error;
    }
    if (entry->state != AT_REST) {
        bool failing = entry->failure != CH_DNS_NONE ||
                       now - entry->pending_since > entry->resolver->stale_after_ns;

        if (entry->count == 0 || !failing)
            return wait_for(entry, lookup);
    }
    fill_answer(entry, ret_answer);
    return 0;
}

void ch_resolver_cancel(struct ch_lookup *lookup)
{
    if (lookup->place)
        stop_waiting(lookup);
}

int resolver_new_from(struct ch_loop *loop, const struct resolver_source *source,
                      struct ch_resolver **ret)
{
    struct ch_resolver *resolver = calloc(1, sizeof(*resolver));
    int r;

    if (!resolver)
        return -ENOMEM;
    resolver->loop = loop;
    resolver->stale_after_ns = source->first_try_ms * CH_NS_PER_MS;
    resolver->recheck_ns = source->recheck_ns;
    r = resolver_channel_new(loop, source, &resolver->channel);
    if (r < 0) {
        free(resolver);
        return r;
    }
    *ret = resolver;
    return 0;
}

int ch_resolver_new(struct ch_loop *loop, struct ch_resolver **ret)
{
    /* A probe's usual timeout of 3 s holds two tries; with one server all is
     * over after 7 s. */
    static const struct resolver_source hosts_own = {
        .resolv_conf = "/etc/resolv.conf",
        .port = 53,
        .first_try_ms = 1000,
        .recheck_ns = 5 * CH_NS_PER_S,
    };

    return resolver_new_from(loop, &hosts_own, ret);
}

static void release_waiters(struct resolver_name *entry)
{
    struct ch_lookup *lookup = entry->waiters;

    while (lookup) {
        struct ch_lookup *next = lookup->next;

        lookup->next = NULL;
        lookup->place = NULL;
        lookup = next;
    }
}

struct ch_resolver *ch_resolver_free(struct ch_resolver *resolver)
{
    struct resolver_name *entry, *next;

    if (!resolver)
        return NULL;
    resolver_channel_free(resolver->channel);
    HASH_CLEAR(hh, resolver->table);
    DL_FOREACH_SAFE (resolver->by_use, entry, next) {
        release_waiters(entry);
        ch_loop_timer_disarm(resolver->loop, &entry->wake);
        name_free(entry);
    }
    free(resolver);
    return NULL;
}
