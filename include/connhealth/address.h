/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An IPv4 or IPv6 address with a port, and the HOST:PORT notation of targets.
 * Plain values, no ownership; any thread.
 */
#ifndef CONNHEALTH_ADDRESS_H
#define CONNHEALTH_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct ch_addr {
    uint16_t family; /* AF_INET, AF_INET6, or AF_UNSPEC for "none" */
    uint16_t port;   /* host byte order */
    uint32_t scope;  /* interface index of a link-local IPv6 address, else 0 */
    uint8_t ip[16];  /* network byte order; IPv4 in the first four bytes */
};

/* Room for "[address%scope]:port" and its NUL. */
#define CH_ADDR_TEXT 80

/* A target's HOST:PORT split; host without brackets. The longest DNS name is
 * 253 bytes (RFC 1035, 2.3.4). */
struct ch_hostport {
    char host[256];
    uint16_t port;
    bool literal; /* host is an address, not a name */
};

/* Returns 0, or a static one-line English reason ("has no port", …) that names
 * what is wrong, never NULL on failure. Accepts 10.0.0.1:80, name:80,
 * [2001:db8::7]:80, [fe80::1%eth0]:80. Port 1 to 65535. */
const char *ch_hostport_parse(const char *text, struct ch_hostport *ret);

/* A numeric address, no port (port is set as given). False if it is none, or if
 * its scope names an interface that this host does not have at present. */
bool ch_addr_parse(const char *text, uint16_t port, struct ch_addr *ret);

/* Length for the socket calls. */
socklen_t ch_addr_to_sockaddr(const struct ch_addr *addr, struct sockaddr_storage *ret);
/* AF_UNSPEC if the family is neither IPv4 nor IPv6. A v4-mapped IPv6 address
 * becomes IPv4, because that is what an operator would look for. */
struct ch_addr ch_addr_from_sockaddr(const struct sockaddr *sa, socklen_t len);

bool ch_addr_same_host(const struct ch_addr *a, const struct ch_addr *b);

/* Both write at most CH_ADDR_TEXT bytes and return text. "" for AF_UNSPEC. */
const char *ch_addr_format(const struct ch_addr *addr, char text[CH_ADDR_TEXT]);
const char *ch_addr_format_host(const struct ch_addr *addr, char text[CH_ADDR_TEXT]);

#endif
