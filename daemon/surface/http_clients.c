/* SPDX-License-Identifier: Apache-2.0 */
#include "http_clients.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "connhealth/clock.h"
#include "log.h"

struct key {
    uint16_t family;
    uint8_t ip[8]; /* an IPv4 address, or the first half of an IPv6 one */
};

struct http_place {
    struct key key;
    unsigned taken;
    UT_hash_handle hh;
};

struct http_clients {
    pthread_mutex_t lock;
    const struct ch_http_limits *limits;
    struct http_place *places;
    unsigned total;
    /* A ring, the nearest deadline first: all are as far away when they start,
     * so adding at the end keeps the order. Those that were cut off are not in
     * it. */
    struct http_client ring;
    uint64_t displaced;
    int64_t next_complaint; /* monotonic */
};

int http_clients_new(const struct ch_http_limits *limits, struct http_clients **ret)
{
    struct http_clients *clients = calloc(1, sizeof(*clients));

    if (!clients)
        return -ENOMEM;
    pthread_mutex_init(&clients->lock, NULL);
    clients->limits = limits;
    clients->ring.previous = clients->ring.next = &clients->ring;
    *ret = clients;
    return 0;
}

struct http_clients *http_clients_free(struct http_clients *clients)
{
    if (!clients)
        return NULL;
    pthread_mutex_destroy(&clients->lock);
    free(clients);
    return NULL;
}

static struct http_place *place_of(struct http_clients *clients, const struct ch_addr *addr)
{
    struct http_place *place = NULL, *made;
    struct key key;

    memset(&key, 0, sizeof(key)); /* with its padding: it is compared as bytes */
    key.family = addr->family;
    memcpy(key.ip, addr->ip, addr->family == AF_INET ? 4 : addr->family == AF_INET6 ? 8 : 0);
    HASH_FIND(hh, clients->places, &key, sizeof(key), place);
    if (place)
        return place;
    made = calloc(1, sizeof(*made));
    if (!made)
        return NULL;
    made->key = key;
    HASH_ADD(hh, clients->places, key, sizeof(key), made);
    HASH_FIND(hh, clients->places, &key, sizeof(key), place);
    if (!place) /* the table had no memory to grow */
        free(made);
    return place;
}

/* --- in and out of the ring, with the lock held */

static void link_client(struct http_clients *clients, struct http_client *client)
{
    client->deadline = ch_clock_monotonic() + clients->limits->request_ns;
    client->previous = clients->ring.previous;
    client->next = &clients->ring;
    client->previous->next = client;
    clients->ring.previous = client;
}

static void unlink_client(struct http_client *client)
{
    if (!client->next)
        return;
    client->previous->next = client->next;
    client->next->previous = client->previous;
    client->next = NULL;
}

static void leave_place(struct http_clients *clients, struct http_client *client)
{
    struct http_place *place = client->place;

    client->place = NULL;
    clients->total--;
    if (--place->taken > 0) // NOLINT: who is in the ring has a place
        return;
    HASH_DEL(clients->places, place);
    free(place);
}

/* Its thread then finds that it has ended, and lets it leave. */
static void cut_off(struct http_clients *clients, struct http_client *client)
{
    unlink_client(client);
    leave_place(clients, client);
    shutdown(client->fd, SHUT_RDWR);
}

/* At most once a minute: a flood of clients must not become one of lines. */
static void complain(struct http_clients *clients, const struct ch_addr *addr)
{
    int64_t now = ch_clock_monotonic();
    char text[CH_ADDR_TEXT];

    clients->displaced++;
    if (now < clients->next_complaint)
        return;
    clients->next_complaint = now + 60 * CH_NS_PER_S;
    ch_log(CH_LOG_WARN,
           "cutting off the slowest HTTP clients to make room (now one of %s): %u connections in "
           "all and %u of one address are allowed",
           addr->family == AF_UNSPEC ? "a unix socket" : ch_addr_format_host(addr, text),
           clients->limits->connections, clients->limits->connections_per_address);
}

/* Of one place, or of all (NULL). */
static void displace_slowest(struct http_clients *clients, const struct http_place *place)
{
    for (struct http_client *at = clients->ring.next; at != &clients->ring; at = at->next)
        if (!place || at->place == place) {
            complain(clients, &at->addr);
            cut_off(clients, at);
            return;
        }
}

static struct http_place *make_room(struct http_clients *clients, const struct ch_addr *addr)
{
    const struct ch_http_limits *limits = clients->limits;
    struct http_place *place = place_of(clients, addr);

    if (!place)
        return NULL;
    place->taken++; /* it must not go with its last client */
    clients->total++;
    if (limits->connections_per_address > 0 && addr->family != AF_UNSPEC &&
        place->taken > limits->connections_per_address)
        displace_slowest(clients, place);
    else if (clients->total > limits->connections)
        displace_slowest(clients, NULL);
    return place;
}

/* --- */

struct http_client *http_clients_enter(struct http_clients *clients, int fd,
                                       const struct ch_addr *addr)
{
    struct http_client *client = calloc(1, sizeof(*client));

    if (!client)
        return NULL;
    client->fd = fd;
    client->addr = *addr;
    pthread_mutex_lock(&clients->lock);
    client->place = make_room(clients, addr);
    pthread_mutex_unlock(&clients->lock);
    if (client->place)
        return client;
    free(client);
    return NULL;
}

void http_clients_leave(struct http_clients *clients, struct http_client *client)
{
    pthread_mutex_lock(&clients->lock);
    if (client->place) {
        unlink_client(client);
        leave_place(clients, client);
    }
    pthread_mutex_unlock(&clients->lock);
    ch_web_state_unref(client->tls_state);
    free(client);
}

void http_clients_advance(struct http_clients *clients, struct http_client *client, bool idle)
{
    pthread_mutex_lock(&clients->lock);
    client->idle = idle;
    if (client->place) {
        unlink_client(client);
        link_client(clients, client);
    }
    pthread_mutex_unlock(&clients->lock);
}

int64_t http_clients_expire(struct http_clients *clients)
{
    struct http_client *first;
    int64_t next = 0;

    pthread_mutex_lock(&clients->lock);
    if (clients->ring.next != &clients->ring) {
        int64_t now = ch_clock_monotonic();

        while ((first = clients->ring.next) != &clients->ring && first->deadline <= now)
            cut_off(clients, first);
        next = first != &clients->ring ? first->deadline : 0;
    }
    pthread_mutex_unlock(&clients->lock);
    return next;
}

bool http_clients_all_idle(struct http_clients *clients)
{
    bool all = true;

    pthread_mutex_lock(&clients->lock);
    for (const struct http_client *at = clients->ring.next; at != &clients->ring && all;
         at = at->next)
        all = at->idle;
    pthread_mutex_unlock(&clients->lock);
    return all;
}

uint64_t http_clients_displaced(struct http_clients *clients)
{
    uint64_t displaced;

    pthread_mutex_lock(&clients->lock);
    displaced = clients->displaced;
    pthread_mutex_unlock(&clients->lock);
    return displaced;
}
