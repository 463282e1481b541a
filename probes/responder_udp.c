/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heartbeats over UDP. Whoever sends a datagram may have forged its source, so
 * that only a well-formed request is answered, by one datagram of its size, and
 * never one that came by broadcast or multicast, which many would answer.
 */
#include "responder_private.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "connhealth/clock.h"

/* Read and answered at once; what is left waits for the loop's next turn, so
 * that a flood of datagrams leaves it time for others. */
#define BATCH 32

/* An IPv4 datagram on an IPv6 socket brings both. */
union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(struct in_pktinfo)) + CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

struct batch {
    struct mmsghdr in[BATCH], out[BATCH];
    struct iovec in_iov[BATCH], out_iov[BATCH];
    struct sockaddr_storage from[BATCH];
    union control control[BATCH];
    /* one more byte than a frame, so that a longer datagram is seen as such */
    uint8_t request[BATCH][CH_FRAME_SIZE + 1];
    uint8_t reply[BATCH][CH_FRAME_SIZE];
};

static void prepare_batch(struct batch *batch)
{
    for (int i = 0; i < BATCH; i++) {
        batch->in_iov[i] =
            (struct iovec){.iov_base = batch->request[i], .iov_len = sizeof(batch->request[i])};
        batch->in[i].msg_hdr = (struct msghdr){
            .msg_name = &batch->from[i],
            .msg_namelen = sizeof(batch->from[i]),
            .msg_iov = &batch->in_iov[i],
            .msg_iovlen = 1,
            .msg_control = &batch->control[i],
            .msg_controllen = sizeof(batch->control[i]),
        };
    }
}

/* Turns the control data of a request into that of its reply: from the address
 * it came to, by the route of the reply's own. A link-local address alone has
 * no route of its own and keeps the interface, which its sockaddr names too.
 * False if the request was not sent to this host alone. (ip(7), ipv6(7)) */
static bool answer_from_same_address(struct msghdr *header)
{
    for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(header); cmsg; cmsg = CMSG_NXTHDR(header, cmsg)) {
        if (cmsg->cmsg_level == IPPROTO_IP && cmsg->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;

            memcpy(&info, CMSG_DATA(cmsg), sizeof(info));
            /* the destination, and the address of ours that it stands for */
            if (info.ipi_addr.s_addr != info.ipi_spec_dst.s_addr)
                return false;
            info.ipi_ifindex = 0;
            memcpy(CMSG_DATA(cmsg), &info, sizeof(info));
        }
        if (cmsg->cmsg_level == IPPROTO_IPV6 && cmsg->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;

            memcpy(&info, CMSG_DATA(cmsg), sizeof(info));
            if (IN6_IS_ADDR_MULTICAST(&info.ipi6_addr))
                return false;
            if (!IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
                info.ipi6_ifindex = 0;
            memcpy(CMSG_DATA(cmsg), &info, sizeof(info));
        }
    }
    return true;
}

/* True if reply number out answers request number in. */
static bool answer(struct batch *batch, int in, int out)
{
    struct mmsghdr *request = &batch->in[in];
    struct ch_frame frame;

    if (request->msg_len != CH_FRAME_SIZE || (request->msg_hdr.msg_flags & MSG_CTRUNC) ||
        !ch_frame_decode(batch->request[in], &frame) || frame.type != CH_FRAME_REQUEST ||
        !answer_from_same_address(&request->msg_hdr))
        return false;
    responder_reply(&frame, ch_clock_realtime(), batch->reply[out]);
    batch->out_iov[out] =
        (struct iovec){.iov_base = batch->reply[out], .iov_len = sizeof(batch->reply[out])};
    batch->out[out].msg_hdr = request->msg_hdr;
    batch->out[out].msg_hdr.msg_iov = &batch->out_iov[out];
    batch->out[out].msg_hdr.msg_flags = 0;
    return true;
}

/* A reply that cannot leave now is dropped: UDP promises nothing, and a queue
 * of replies could be made to grow by anybody. */
static void send_replies(struct responder_udp *udp, struct batch *batch, int count)
{
    for (int next = 0; next < count;) {
        int sent = sendmmsg(udp->io.fd, batch->out + next, (unsigned)(count - next),
                            MSG_NOSIGNAL | MSG_DONTWAIT);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent > 0) {
            for (int i = 0; i < sent; i++)
                responder_count(&udp->responder->counters->heartbeats);
            next += sent;
            continue;
        }
        responder_count_end(udp->responder, CH_PHASE_SEND, ch_category_of_errno(errno));
        next++;
    }
}

static void on_datagrams(struct ch_io *io, uint32_t events)
{
    struct responder_udp *udp = ch_container_of(io, struct responder_udp, io);
    struct batch batch;
    int received, replies = 0;

    (void)events;
    prepare_batch(&batch);
    received = recvmmsg(io->fd, batch.in, BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < received; i++) {
        if (answer(&batch, i, replies))
            replies++;
        else
            responder_count(&udp->responder->counters->malformed);
    }
    send_replies(udp, &batch, replies);
}

int responder_udp_add(struct ch_responder *responder, int fd)
{
    struct responder_udp *udp = calloc(1, sizeof(*udp));
    int r;

    if (!udp) {
        close(fd);
        return -ENOMEM;
    }
    udp->io = (struct ch_io){.fd = -1, .on_ready = on_datagrams};
    udp->responder = responder;
    r = ch_loop_io_add(responder->loop, &udp->io, fd, EPOLLIN);
    if (r < 0) {
        close(fd);
        free(udp);
        return r;
    }
    udp->next = responder->udps;
    responder->udps = udp;
    return 0;
}

struct responder_udp *responder_udp_free(struct responder_udp *udp)
{
    if (!udp)
        return NULL;
    responder_io_close(udp->responder->loop, &udp->io);
    free(udp);
    return NULL;
}
