/* SPDX-License-Identifier: Apache-2.0 */
#include "http_clients.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

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
    struct http_place *places;
    unsigned total;
    unsigned limit;
    unsigned per_address;
};

int http_clients_new(unsigned limit, unsigned per_address, struct http_clients **ret)
{
    struct http_clients *clients = calloc(1, sizeof(*clients));

    if (!clients)
        return -ENOMEM;
    pthread_mutex_init(&clients->lock, NULL);
    clients->limit = limit;
    clients->per_address = per_address;
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

static void drop_if_empty(struct http_clients *clients, struct http_place *place)
{
    if (place->taken > 0)
        return;
    HASH_DEL(clients->places, place);
    free(place);
}

struct http_place *http_clients_enter(struct http_clients *clients, const struct ch_addr *addr)
{
    struct http_place *place = NULL;

    pthread_mutex_lock(&clients->lock);
    if (clients->total < clients->limit)
        place = place_of(clients, addr);
    if (place && clients->per_address > 0 && addr->family != AF_UNSPEC &&
        place->taken >= clients->per_address)
        place = NULL;
    if (place) {
        place->taken++;
        clients->total++;
    }
    pthread_mutex_unlock(&clients->lock);
    return place;
}

void http_clients_leave(struct http_clients *clients, struct http_place *place)
{
    pthread_mutex_lock(&clients->lock);
    clients->total--;
    place->taken--;
    drop_if_empty(clients, place);
    pthread_mutex_unlock(&clients->lock);
}
