/* SPDX-License-Identifier: Apache-2.0 */
#include "diag.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <netinet/in.h>

/* linux/inet_diag.h of the build host may be older than the kernel. */
enum { attr_cgroup_id = 21 };
/* Since Linux 6.8; include/net/tcp_states.h. */
enum { kernel_new_syn_recv = 12, kernel_bound_inactive = 13 };

void ch_diag_request(struct ch_diag_request *ret, uint8_t family, uint8_t protocol, uint32_t states,
                     uint32_t sequence)
{
    *ret = (struct ch_diag_request){
        .header = {.nlmsg_len = sizeof(*ret),
                   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
                   .nlmsg_seq = sequence},
        .body = {.sdiag_family = family,
                 .sdiag_protocol = protocol,
                 .idiag_states = states,
                 .idiag_ext = 1U << (INET_DIAG_SKMEMINFO - 1)},
    };
    if (protocol == IPPROTO_TCP)
        ret->body.idiag_ext |= 1U << (INET_DIAG_INFO - 1);
}

/* The next attribute in [*at, end), or NULL. As mnl_attr_ok() and
 * mnl_attr_next(), inline: this is called ten times for each socket, and calls
 * into a library were a tenth of a sweep. */
static inline const struct nlattr *next_attribute(const char **at, const char *end)
{
    const struct nlattr *attr = (const struct nlattr *)*at;
    size_t left = (size_t)(end - *at);

    if (*at >= end || left < sizeof(*attr) || attr->nla_len < sizeof(*attr) || attr->nla_len > left)
        return NULL;
    *at += MNL_ALIGN(attr->nla_len);
    return attr;
}

static inline void take_attribute(const struct nlattr *attr, struct ch_diag_row *ret)
{
    const uint8_t *payload = (const uint8_t *)(attr + 1);
    uint16_t len = (uint16_t)(attr->nla_len - sizeof(*attr));

    switch (attr->nla_type & NLA_TYPE_MASK) {
    case INET_DIAG_INFO:
        ret->info = payload;
        ret->info_len = len;
        break;
    case INET_DIAG_SKMEMINFO:
        ret->skmem = payload;
        ret->skmem_len = len;
        break;
    case attr_cgroup_id:
        ret->cgroup = ch_diag_field(payload, len, 0, sizeof(uint64_t));
        break;
    default:
        break;
    }
}

/* False if the message is shorter than the fixed header. An attribute that runs
 * over the end of the message ends the row there. */
static bool decode_row(const struct nlmsghdr *header, struct ch_diag_row *ret)
{
    const struct inet_diag_msg *msg = mnl_nlmsg_get_payload(header);
    const char *at = (const char *)(msg + 1), *end = (const char *)header + header->nlmsg_len;
    const struct nlattr *attr;

    if (header->nlmsg_len < sizeof(*header) + sizeof(*msg))
        return false;
    *ret = (struct ch_diag_row){
        .msg = msg,
        .cookie = (uint64_t)msg->id.idiag_cookie[1] << 32 | msg->id.idiag_cookie[0],
    };
    while ((attr = next_attribute(&at, end)))
        take_attribute(attr, ret);
    return true;
}

static int error_of(const struct nlmsghdr *header)
{
    int error = 0;

    /* Both NLMSG_ERROR and NLMSG_DONE begin with a signed error number. */
    if (mnl_nlmsg_get_payload_len(header) >= sizeof(error))
        memcpy(&error, mnl_nlmsg_get_payload(header), sizeof(error));
    return error < 0 && error > -4096 ? error : 0;
}

/* libmnl 1.0.4 compares lengths as int: one above INT_MAX would pass. */
static bool is_message(const struct nlmsghdr *header, int left)
{
    return mnl_nlmsg_ok(header, left) && header->nlmsg_len <= (uint32_t)left;
}

void ch_diag_decode(const void *bytes, size_t len, uint32_t sequence, struct ch_diag_row *rows,
                    size_t max, struct ch_diag_result *ret)
{
    const struct nlmsghdr *header = bytes;
    int left = (int)len;

    *ret = (struct ch_diag_result){0};
    for (; is_message(header, left); header = mnl_nlmsg_next(header, &left)) {
        if (header->nlmsg_seq != sequence)
            continue;
        if (header->nlmsg_flags & NLM_F_DUMP_INTR)
            ret->interrupted = true;
        if (header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR) {
            ret->error = error_of(header);
            ret->done = true;
            return;
        }
        if (header->nlmsg_type != SOCK_DIAG_BY_FAMILY)
            continue;
        if (ret->rows == max || !decode_row(header, &rows[ret->rows]))
            ret->malformed++;
        else
            ret->rows++;
    }
    if (left > 0)
        ret->malformed++;
}

static bool is_v4_mapped(const __be32 ip[4])
{
    return ip[0] == 0 && ip[1] == 0 && ip[2] == htonl(0xffff);
}

static bool is_any(const __be32 ip[4])
{
    return (ip[0] | ip[1] | ip[2] | ip[3]) == 0;
}

uint16_t ch_diag_family(const struct inet_diag_msg *msg)
{
    if (msg->idiag_family != AF_INET6)
        return AF_INET;
    /* An unconnected socket has a destination of zeros; its source decides. */
    return is_v4_mapped(is_any(msg->id.idiag_dst) ? msg->id.idiag_src : msg->id.idiag_dst)
               ? AF_INET
               : AF_INET6;
}

static struct ch_addr address_of(const struct inet_diag_msg *msg, const __be32 ip[4], __be16 port)
{
    struct ch_addr addr = {.family = AF_INET, .port = ntohs(port)};

    if (msg->idiag_family != AF_INET6) {
        memcpy(addr.ip, ip, 4);
    } else if (is_v4_mapped(ip)) {
        memcpy(addr.ip, &ip[3], 4);
    } else {
        addr.family = AF_INET6;
        memcpy(addr.ip, ip, sizeof(addr.ip));
        if ((ntohl(ip[0]) & 0xffc00000) == 0xfe800000) /* fe80::/10 is per link */
            addr.scope = msg->id.idiag_if;
    }
    return addr;
}

struct ch_addr ch_diag_local(const struct inet_diag_msg *msg)
{
    return address_of(msg, msg->id.idiag_src, msg->id.idiag_sport);
}

struct ch_addr ch_diag_remote(const struct inet_diag_msg *msg)
{
    return address_of(msg, msg->id.idiag_dst, msg->id.idiag_dport);
}

bool ch_diag_state(uint8_t protocol, uint8_t kernel_state, enum ch_socket_state *ret)
{
    if (protocol == IPPROTO_UDP) {
        *ret = kernel_state == CH_SOCKET_ESTABLISHED + 1 ? CH_SOCKET_UDP_CONNECTED
                                                         : CH_SOCKET_UDP_UNCONNECTED;
        return true;
    }
    if (kernel_state == kernel_new_syn_recv)
        kernel_state = CH_SOCKET_SYN_RECV + 1;
    else if (kernel_state == kernel_bound_inactive)
        kernel_state = CH_SOCKET_CLOSE + 1;
    if (kernel_state < 1 || kernel_state > CH_SOCKET_TCP_STATES)
        return false;
    *ret = (enum ch_socket_state)(kernel_state - 1);
    return true;
}
