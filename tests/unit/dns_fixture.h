/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A name server on the test's own loop, that answers as the test tells it and
 * counts what it is asked. UDP only; one question a message (RFC 1035).
 */
#ifndef CH_TEST_DNS_FIXTURE_H
#define CH_TEST_DNS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "connhealth/address.h"
#include "connhealth/clock.h"
#include "connhealth/container.h"
#include "connhealth/loop.h"

enum dns_rcode { OK = 0, SERVFAIL = 2, NXDOMAIN = 3, REFUSED = 5, SILENCE = 255 };
enum { TYPE_A = 1, TYPE_CNAME = 5, TYPE_AAAA = 28 };

/* What one name is answered, by type. */
struct dns_zone {
    const char *name;
    enum dns_rcode a, aaaa;
    const char *address[24]; /* of either family, until NULL */
    uint32_t ttl;
    uint32_t alias_ttl; /* not 0: the addresses are those of an alias */
};

struct dns_server {
    struct ch_loop *loop;
    struct ch_io io;
    const struct dns_zone *zones; /* ended by one without a name */
    unsigned queries;
};

struct dns_message {
    uint8_t bytes[512];
    size_t len;
};

static inline void dns_put(struct dns_message *message, const void *bytes, size_t len)
{
    assert_true(message->len + len <= sizeof(message->bytes));
    memcpy(message->bytes + message->len, bytes, len);
    message->len += len;
}

static inline void dns_put_u16(struct dns_message *message, unsigned value)
{
    uint8_t bytes[] = {(uint8_t)(value >> 8), (uint8_t)value};

    dns_put(message, bytes, sizeof(bytes));
}

/* owner: the offset of its name in the message (RFC 1035, 4.1.4) */
static inline void dns_put_record(struct dns_message *message, unsigned owner, unsigned type,
                                  uint32_t ttl, const void *data, size_t len)
{
    dns_put_u16(message, 0xc000 | owner);
    dns_put_u16(message, type);
    dns_put_u16(message, 1);
    dns_put_u16(message, ttl >> 16);
    dns_put_u16(message, ttl & 0xffff);
    dns_put_u16(message, (unsigned)len);
    dns_put(message, data, len);
}

/* The question's name as text; returns the offset behind it. */
static inline size_t dns_read_name(const struct dns_message *query, char name[256])
{
    size_t at = 12, out = 0;

    while (query->bytes[at] != 0) {
        size_t len = query->bytes[at++];

        assert_true(at + len < query->len && out + len + 1 < 256);
        if (out > 0)
            name[out++] = '.';
        memcpy(name + out, query->bytes + at, len);
        out += len;
        at += len;
    }
    name[out] = '\0';
    return at + 1;
}

static inline unsigned dns_put_answers(struct dns_message *reply, const struct dns_zone *zone,
                                       unsigned type)
{
    unsigned owner = 12, count = 0;

    if (zone->alias_ttl != 0) {
        static const uint8_t alias[] = "\5alias\4test";

        dns_put_record(reply, owner, TYPE_CNAME, zone->alias_ttl, alias, sizeof(alias));
        owner = (unsigned)(reply->len - sizeof(alias));
        count++;
    }
    for (int i = 0; i < 24 && zone->address[i]; i++) {
        struct ch_addr addr;

        assert_true(ch_addr_parse(zone->address[i], 0, &addr));
        if ((addr.family == AF_INET) != (type == TYPE_A))
            continue;
        dns_put_record(reply, owner, type, zone->ttl, addr.ip, addr.family == AF_INET ? 4 : 16);
        count++;
    }
    return count;
}

static inline const struct dns_zone *dns_find(const struct dns_server *server, const char *name)
{
    for (const struct dns_zone *zone = server->zones; zone && zone->name; zone++)
        if (strcmp(zone->name, name) == 0)
            return zone;
    return NULL;
}

static inline void dns_on_query(struct ch_io *io, uint32_t events)
{
    struct dns_server *server = ch_container_of(io, struct dns_server, io);
    struct dns_message query, reply = {.len = 0};
    struct sockaddr_storage from;
    socklen_t len = sizeof(from);
    const struct dns_zone *zone;
    enum dns_rcode rcode;
    char name[256];
    unsigned type;
    ssize_t n;
    size_t end;

    (void)events;
    n = recvfrom(io->fd, query.bytes, sizeof(query.bytes), MSG_DONTWAIT, (struct sockaddr *)&from,
                 &len);
    if (n < 0)
        return;
    query.len = (size_t)n;
    server->queries++;
    end = dns_read_name(&query, name);
    type = query.bytes[end + 1];
    zone = dns_find(server, name);
    rcode = !zone ? NXDOMAIN : type == TYPE_A ? zone->a : zone->aaaa;
    if (rcode == SILENCE)
        return;
    dns_put(&reply, query.bytes, end + 4);
    reply.bytes[2] = 0x85; /* a reply, authoritative, recursion desired */
    reply.bytes[3] = (uint8_t)(0x80 | rcode);
    if (rcode == OK)
        reply.bytes[7] = (uint8_t)dns_put_answers(&reply, zone, type);
    assert_int_equal(sendto(io->fd, reply.bytes, reply.len, 0, (struct sockaddr *)&from, len),
                     (ssize_t)reply.len);
}

/* Returns the port. */
static inline uint16_t dns_start(struct dns_server *server, struct ch_loop *loop, const char *host,
                                 uint16_t port)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), room = 1 << 22;
    struct sockaddr_storage sa;
    struct ch_addr addr;
    socklen_t len;

    *server = (struct dns_server){.loop = loop, .io = {.fd = -1, .on_ready = dns_on_query}};
    assert_true(ch_addr_parse(host, port, &addr));
    len = ch_addr_to_sockaddr(&addr, &sa);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    assert_int_equal(ch_loop_io_add(loop, &server->io, fd, EPOLLIN), 0);
    return ch_addr_from_sockaddr((struct sockaddr *)&sa, len).port;
}

static inline void dns_stop(struct dns_server *server)
{
    ch_loop_io_close(server->loop, &server->io);
}

#endif
