/* SPDX-License-Identifier: Apache-2.0 */
#include "sight.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <linux/errqueue.h>
#include <linux/sockios.h>
#include <linux/tcp.h>

#include "connhealth/clock.h"

/* Fields behind tcpi_snd_wnd, which the headers of the build may not know:
 * rcv_wnd, rehash (4 bytes each), then total_rto (2 bytes; Linux 6.7). */
#define TCP_INFO_SND_WND_END (offsetof(struct tcp_info, tcpi_snd_wnd) + 4)
#define TCP_INFO_TOTAL_RTO   (TCP_INFO_SND_WND_END + 8)

bool ch_sight_tcp(int fd, struct ch_tcp_facts *ret)
{
    union {
        struct tcp_info info;
        uint8_t bytes[sizeof(struct tcp_info) + 64];
    } raw;
    const struct tcp_info *info = &raw.info;
    socklen_t len = sizeof(raw);
    uint16_t total_rto = 0;

    memset(&raw, 0, sizeof(raw)); /* an older kernel fills less */
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &raw, &len) < 0)
        return false;
    if (len >= TCP_INFO_TOTAL_RTO + sizeof(total_rto))
        memcpy(&total_rto, raw.bytes + TCP_INFO_TOTAL_RTO, sizeof(total_rto));
    *ret = (struct ch_tcp_facts){
        .state = info->tcpi_state,
        .ca_state = info->tcpi_ca_state,
        .retransmits = info->tcpi_retransmits,
        .probes = info->tcpi_probes,
        .backoff = info->tcpi_backoff,
        .rto_us = info->tcpi_rto,
        .unacked = info->tcpi_unacked,
        .lost = info->tcpi_lost,
        .last_data_sent_ms = info->tcpi_last_data_sent,
        .last_data_recv_ms = info->tcpi_last_data_recv,
        .last_ack_recv_ms = info->tcpi_last_ack_recv,
        .rtt_us = info->tcpi_rtt,
        .rttvar_us = info->tcpi_rttvar,
        .retrans = info->tcpi_retrans,
        .total_retrans = info->tcpi_total_retrans,
        .bytes_acked = info->tcpi_bytes_acked,
        .bytes_received = info->tcpi_bytes_received,
        .bytes_sent = info->tcpi_bytes_sent,
        .bytes_retrans = info->tcpi_bytes_retrans,
        .segs_out = info->tcpi_segs_out,
        .segs_in = info->tcpi_segs_in,
        .notsent_bytes = info->tcpi_notsent_bytes,
        .snd_wnd = info->tcpi_snd_wnd,
        .total_rto = total_rto,
        .has_snd_wnd = len >= TCP_INFO_SND_WND_END,
    };
    return true;
}

int ch_sight_error(int fd)
{
    int error = 0;
    socklen_t len = sizeof(error);

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        return errno;
    return error;
}

struct ch_addr ch_sight_local(int fd)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);

    if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
        return (struct ch_addr){0};
    return ch_addr_from_sockaddr((struct sockaddr *)&ss, len);
}

static enum ch_offender sender_of(int fd, const struct ch_addr *offender,
                                  const struct ch_addr *destination)
{
    struct ch_addr local = ch_sight_local(fd);

    /* Loopback is both ourselves and the destination: the destination says more. */
    if (ch_addr_same_host(offender, destination))
        return CH_OFFENDER_DESTINATION;
    if (ch_addr_same_host(offender, &local))
        return CH_OFFENDER_SELF;
    return CH_OFFENDER_ROUTER;
}

/* One entry of the queue; false when it was no ICMP error. */
static bool icmp_of(int fd, const struct sock_extended_err *ee, const struct ch_addr *destination,
                    struct ch_icmp *ret)
{
    const struct sockaddr *from = SO_EE_OFFENDER(ee);

    if (ee->ee_origin != SO_EE_ORIGIN_ICMP && ee->ee_origin != SO_EE_ORIGIN_ICMP6)
        return false;
    *ret = (struct ch_icmp){
        .version = ee->ee_origin == SO_EE_ORIGIN_ICMP ? 4 : 6,
        .type = ee->ee_type,
        .code = ee->ee_code,
        .offender = ch_addr_from_sockaddr(from, sizeof(struct sockaddr_in6)),
    };
    ret->offender.port = 0;
    ret->sender = (uint8_t)sender_of(fd, &ret->offender, destination);
    return true;
}

static const struct sock_extended_err *extended_error(struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c))
        if ((c->cmsg_level == SOL_IP && c->cmsg_type == IP_RECVERR) ||
            (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_RECVERR))
            return (const void *)CMSG_DATA(c);
    return NULL;
}

bool ch_sight_icmp(int fd, const struct ch_addr *destination, struct ch_icmp *ret, int *ret_error)
{
    char payload[64];
    _Alignas(struct cmsghdr) char control[512];
    bool found = false;

    if (ret_error)
        *ret_error = 0;
    for (;;) {
        struct iovec iov = {.iov_base = payload, .iov_len = sizeof(payload)};
        struct msghdr message = {.msg_iov = &iov,
                                 .msg_iovlen = 1,
                                 .msg_control = control,
                                 .msg_controllen = sizeof(control)};
        const struct sock_extended_err *ee;

        if (recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
            return found;
        ee = extended_error(&message);
        if (!ee)
            continue;
        if (ret_error)
            *ret_error = (int)ee->ee_errno;
        if (icmp_of(fd, ee, destination, ret))
            found = true;
    }
}

void ch_sight_autopsy(int fd, struct ch_evidence *evidence)
{
    int outstanding = 0;

    ch_sight_tcp(fd, &evidence->tcp);
    if (evidence->error == 0 && evidence->tcp.state == CH_TCP_CLOSE) {
        evidence->error = ch_sight_error(fd);
        if (evidence->error != 0)
            evidence->end = CH_END_ERRNO;
    }
    if (ioctl(fd, SIOCOUTQ, &outstanding) == 0 && outstanding > 0)
        evidence->outstanding = (uint32_t)outstanding;
    evidence->local = ch_sight_local(fd);
    if (evidence->icmp.version == 0)
        ch_sight_icmp(fd, &evidence->peer, &evidence->icmp, NULL);
}

int64_t ch_sight_silence(const struct ch_tcp_facts *tcp, int64_t age_ns)
{
    uint32_t ms = tcp->last_ack_recv_ms < tcp->last_data_recv_ms ? tcp->last_ack_recv_ms
                                                                 : tcp->last_data_recv_ms;
    int64_t silent_ns = (int64_t)ms * CH_NS_PER_MS;

    return silent_ns < age_ns ? silent_ns : age_ns;
}
