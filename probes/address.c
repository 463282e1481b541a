/* SPDX-License-Identifier: Apache-2.0 */
#include "connhealth/address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* RFC 1035, 2.3.4: without the root's dot. */
#define NAME_MAX_BYTES  253
#define LABEL_MAX_BYTES 63

#define REASON_NO_PORT  "has no port; write HOST:PORT"
#define REASON_PORT     "has a port that is not a number from 1 to 65535"
#define REASON_BRACKETS "is an IPv6 address without brackets; write [ADDRESS]:PORT"
#define REASON_NAME                                                                                \
    "has a host that is neither an address nor a name of letters, digits, '-' and '.'"
#define REASON_LONG "has a host that is longer than 253 bytes"
#define REASON_NOT_V4                                                                              \
    "has a host that ends in a number and is no IPv4 address (four numbers up to 255)"
#define REASON_NOT_V6     "has no IPv6 address between its brackets"
#define REASON_NO_BRACKET "has an opening bracket and no closing one"
#define REASON_SCHEME     "is a URL; write HOST:PORT alone"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_byte(char c)
{
    /* '_' is no host name by RFC 952, and in daily use all the same. */
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
}

static const char *check_label(const char *label, size_t len)
{
    if (len == 0 || len > LABEL_MAX_BYTES || label[0] == '-' || label[len - 1] == '-')
        return REASON_NAME;
    for (size_t i = 0; i < len; i++) {
        if (!is_name_byte(label[i]))
            return REASON_NAME;
    }
    return NULL;
}

static const char *check_name(const char *host)
{
    size_t len = strlen(host);
    const char *label = host;

    if (len > 0 && host[len - 1] == '.')
        len--;
    if (len > NAME_MAX_BYTES)
        return REASON_LONG;
    for (;;) {
        size_t label_len = strcspn(label, ".");
        const char *reason = check_label(label, label_len);

        if (reason)
            return reason;
        if (label + label_len >= host + len)
            break;
        label += label_len + 1;
    }
    /* No top-level domain is numeric (RFC 3696, 2), so this is a mistyped
     * address; inet_aton's "10.1" forms are not accepted. */
    if (strspn(label, "0123456789") == strcspn(label, "."))
        return REASON_NOT_V4;
    return NULL;
}

static bool is_scope(const char *scope)
{
    size_t len = strlen(scope);

    return len > 0 && len < IF_NAMESIZE && !strpbrk(scope, "/:%] \t");
}

/* Checks the notation alone: the interface of a scope may come later. */
static bool is_ipv6(const char *host)
{
    char plain[INET6_ADDRSTRLEN];
    struct in6_addr ip;
    size_t len = strcspn(host, "%");

    if (len >= sizeof(plain) || (host[len] == '%' && !is_scope(host + len + 1)))
        return false;
    memcpy(plain, host, len);
    plain[len] = '\0';
    return inet_pton(AF_INET6, plain, &ip) == 1;
}

static const char *parse_port(const char *text, uint16_t *ret)
{
    size_t len = strlen(text);
    long port;

    if (len == 0 || len > 5 || strspn(text, "0123456789") != len)
        return REASON_PORT;
    port = strtol(text, NULL, 10);
    if (port < 1 || port > UINT16_MAX)
        return REASON_PORT;
    *ret = (uint16_t)port;
    return NULL;
}

static const char *parse_bracketed(const char *text, struct ch_hostport *ret)
{
    const char *end = strchr(text, ']');
    size_t len;

    if (!end)
        return REASON_NO_BRACKET;
    len = (size_t)(end - text) - 1;
    if (len >= sizeof(ret->host))
        return REASON_NOT_V6;
    memcpy(ret->host, text + 1, len);
    ret->host[len] = '\0';
    if (!is_ipv6(ret->host))
        return REASON_NOT_V6;
    if (end[1] != ':')
        return REASON_NO_PORT;
    ret->literal = true;
    return parse_port(end + 2, &ret->port);
}

static const char *parse_plain(const char *text, struct ch_hostport *ret)
{
    const char *colon = strrchr(text, ':');
    struct in_addr ip;
    size_t len;

    if (strstr(text, "://"))
        return REASON_SCHEME;
    if (colon && strchr(text, ':') != colon)
        return REASON_BRACKETS;
    len = colon ? (size_t)(colon - text) : strlen(text);
    if (len > NAME_MAX_BYTES + 1)
        return REASON_LONG;
    memcpy(ret->host, text, len);
    ret->host[len] = '\0';
    ret->literal = inet_pton(AF_INET, ret->host, &ip) == 1;
    if (!ret->literal) {
        const char *reason = check_name(ret->host);

        if (reason)
            return reason;
    }
    return colon ? parse_port(colon + 1, &ret->port) : REASON_NO_PORT;
}

const char *ch_hostport_parse(const char *text, struct ch_hostport *ret)
{
    struct ch_hostport parsed = {0};
    const char *reason;

    if (!text[0])
        return "is empty; write HOST:PORT";
    reason = text[0] == '[' ? parse_bracketed(text, &parsed) : parse_plain(text, &parsed);
    if (!reason)
        *ret = parsed;
    return reason;
}

/* An interface's index as a number or by its name; 0 if there is none such. */
static uint32_t scope_index(const char *scope)
{
    size_t len = strlen(scope);

    if (len > 0 && len < 10 && strspn(scope, "0123456789") == len)
        return (uint32_t)strtoul(scope, NULL, 10);
    return if_nametoindex(scope);
}

bool ch_addr_parse(const char *text, uint16_t port, struct ch_addr *ret)
{
    struct ch_addr addr = {.port = port};
    char plain[INET6_ADDRSTRLEN];
    size_t len = strcspn(text, "%");

    if (inet_pton(AF_INET, text, addr.ip) == 1) {
        addr.family = AF_INET;
        *ret = addr;
        return true;
    }
    if (!is_ipv6(text))
        return false;
    memcpy(plain, text, len);
    plain[len] = '\0';
    if (inet_pton(AF_INET6, plain, addr.ip) != 1)
        return false;
    if (text[len] == '%') {
        addr.scope = scope_index(text + len + 1);
        if (addr.scope == 0)
            return false;
    }
    addr.family = AF_INET6;
    *ret = addr;
    return true;
}

socklen_t ch_addr_to_sockaddr(const struct ch_addr *addr, struct sockaddr_storage *ret)
{
    memset(ret, 0, sizeof(*ret));
    if (addr->family == AF_INET) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)ret;

        v4->sin_family = AF_INET;
        v4->sin_port = htons(addr->port);
        memcpy(&v4->sin_addr, addr->ip, sizeof(v4->sin_addr));
        return sizeof(*v4);
    }
    if (addr->family == AF_INET6) {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;

        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(addr->port);
        v6->sin6_scope_id = addr->scope;
        memcpy(&v6->sin6_addr, addr->ip, sizeof(v6->sin6_addr));
        return sizeof(*v6);
    }
    ret->ss_family = AF_UNSPEC;
    return sizeof(ret->ss_family);
}

struct ch_addr ch_addr_from_sockaddr(const struct sockaddr *sa, socklen_t len)
{
    struct ch_addr addr = {.family = AF_UNSPEC};

    if (len >= sizeof(struct sockaddr_in) && sa->sa_family == AF_INET) {
        struct sockaddr_in v4;

        memcpy(&v4, sa, sizeof(v4)); /* a netlink or error-queue buffer need not be aligned */
        addr.family = AF_INET;
        addr.port = ntohs(v4.sin_port);
        memcpy(addr.ip, &v4.sin_addr, sizeof(v4.sin_addr));
    } else if (len >= sizeof(struct sockaddr_in6) && sa->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;

        memcpy(&v6, sa, sizeof(v6));
        addr.port = ntohs(v6.sin6_port);
        if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
            addr.family = AF_INET;
            memcpy(addr.ip, &v6.sin6_addr.s6_addr[12], 4);
        } else {
            addr.family = AF_INET6;
            addr.scope = v6.sin6_scope_id;
            memcpy(addr.ip, &v6.sin6_addr, sizeof(v6.sin6_addr));
        }
    }
    return addr;
}

bool ch_addr_same_host(const struct ch_addr *a, const struct ch_addr *b)
{
    if (a->family != b->family || a->family == AF_UNSPEC)
        return false;
    if (a->family == AF_INET)
        return memcmp(a->ip, b->ip, 4) == 0;
    return a->scope == b->scope && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

static void append_scope(uint32_t scope, char text[CH_ADDR_TEXT])
{
    char name[IF_NAMESIZE];
    size_t used = strlen(text);

    if (if_indextoname(scope, name))
        snprintf(text + used, CH_ADDR_TEXT - used, "%%%s", name);
    else
        snprintf(text + used, CH_ADDR_TEXT - used, "%%%u", scope);
}

const char *ch_addr_format_host(const struct ch_addr *addr, char text[CH_ADDR_TEXT])
{
    text[0] = '\0';
    if (addr->family != AF_INET && addr->family != AF_INET6)
        return text;
    if (!inet_ntop(addr->family, addr->ip, text, CH_ADDR_TEXT)) {
        text[0] = '\0';
        return text;
    }
    if (addr->family == AF_INET6 && addr->scope)
        append_scope(addr->scope, text);
    return text;
}

const char *ch_addr_format(const struct ch_addr *addr, char text[CH_ADDR_TEXT])
{
    /* inet_ntop's longest, '%', an interface name: the rest is for []:65535 */
    char host[CH_ADDR_TEXT];

    ch_addr_format_host(addr, host);
    if (addr->family == AF_INET)
        snprintf(text, CH_ADDR_TEXT, "%.48s:%u", host, addr->port);
    else if (addr->family == AF_INET6)
        snprintf(text, CH_ADDR_TEXT, "[%.62s]:%u", host, addr->port);
    else
        text[0] = '\0';
    return text;
}
