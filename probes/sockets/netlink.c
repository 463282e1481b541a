/* SPDX-License-Identifier: Apache-2.0 */
#include "netlink.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "connhealth/clock.h"

/* An answer is made inside of recvmsg() (netlink_dump); if none is there after
 * this, none will come. */
enum { dump_timeout_s = 2 };

static int open_diag(uint32_t groups)
{
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = groups};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

    if (fd < 0)
        return -errno;
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        int r = -errno;

        close(fd);
        return r;
    }
    return fd;
}

/* ---- dumps ------------------------------------------------------------- */

int ch_dump_open(struct ch_dump *ret)
{
    struct timeval timeout = {.tv_sec = dump_timeout_s};
    struct ch_dump dump = {.fd = open_diag(0)};

    if (dump.fd < 0)
        return dump.fd;
    dump.buffer = aligned_alloc(16, CH_DIAG_BUFFER_BYTES);
    dump.rows = calloc(CH_DIAG_ROWS_MAX, sizeof(*dump.rows));
    if (!dump.buffer || !dump.rows) {
        ch_dump_close(&dump);
        return -ENOMEM;
    }
    (void)setsockopt(dump.fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    *ret = dump;
    return 0;
}

void ch_dump_close(struct ch_dump *dump)
{
    if (dump->fd >= 0)
        close(dump->fd);
    free(dump->buffer);
    free(dump->rows);
    *dump = (struct ch_dump){.fd = -1};
}

int ch_dump_begin(struct ch_dump *dump, uint8_t family, uint8_t protocol, uint32_t states)
{
    struct ch_diag_request request;

    if (++dump->sequence == 0) /* 0 is the kernel's own */
        dump->sequence = 1;
    ch_diag_request(&request, family, protocol, states, dump->sequence);
    if (send(dump->fd, &request, sizeof(request), 0) < 0)
        return -errno;
    return 0;
}

int ch_dump_next(struct ch_dump *dump, struct ch_diag_result *ret)
{
    struct sockaddr_nl from = {0};
    struct iovec part = {.iov_base = dump->buffer, .iov_len = CH_DIAG_BUFFER_BYTES};
    struct msghdr message = {
        .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &part, .msg_iovlen = 1};
    ssize_t len;

    do {
        len = recvmsg(dump->fd, &message, 0);
    } while (len < 0 && errno == EINTR);
    if (len < 0)
        return errno == EAGAIN ? -ETIMEDOUT : -errno;
    *ret = (struct ch_diag_result){0};
    if (from.nl_pid != 0) /* not the kernel's */
        return 0;
    ch_diag_decode(dump->buffer, (size_t)len, dump->sequence, dump->rows, CH_DIAG_ROWS_MAX, ret);
    if (message.msg_flags & MSG_TRUNC)
        ret->malformed++;
    return 0;
}

/* ---- ends -------------------------------------------------------------- */

/* A record takes 450 to 1280 bytes of it (its skb's truesize): 13,000 records at
 * least, a second of very many ends. SO_RCVBUFFORCE needs CAP_NET_ADMIN; without
 * it net.core.rmem_max is the limit. The kernel doubles what is asked for. */
enum { ends_buffer_bytes = 8 << 20 };

static void enlarge_buffer(struct ch_ends *ends)
{
    int wanted = ends_buffer_bytes, got = 0;
    socklen_t len = sizeof(got);

    if (setsockopt(ends->fd, SOL_SOCKET, SO_RCVBUFFORCE, &wanted, sizeof(wanted)) < 0)
        (void)setsockopt(ends->fd, SOL_SOCKET, SO_RCVBUF, &wanted, sizeof(wanted));
    if (getsockopt(ends->fd, SOL_SOCKET, SO_RCVBUF, &got, &len) == 0 && got > 0)
        ends->buffer_bytes = (uint32_t)got;
    ends->forced = ends->buffer_bytes >= 2 * (uint32_t)ends_buffer_bytes;
}

int ch_ends_open(struct ch_ends *ret)
{
    struct ch_ends ends = {.fd = open_diag(1U << (SKNLGRP_INET_TCP_DESTROY - 1) |
                                           1U << (SKNLGRP_INET6_TCP_DESTROY - 1))};

    if (ends.fd < 0)
        return ends.fd;
    ends.buffer = aligned_alloc(16, CH_ENDS_BATCH * CH_ENDS_RECORD_BYTES);
    ends.rows = calloc(CH_ENDS_BATCH, sizeof(*ends.rows));
    if (!ends.buffer || !ends.rows) {
        ch_ends_close(&ends);
        return -ENOMEM;
    }
    enlarge_buffer(&ends);
    *ret = ends;
    return 0;
}

void ch_ends_close(struct ch_ends *ends)
{
    if (ends->fd >= 0)
        close(ends->fd);
    free(ends->buffer);
    free(ends->rows);
    *ends = (struct ch_ends){.fd = -1};
}

static void decode_record(struct ch_ends *ends, const struct mmsghdr *message,
                          const struct sockaddr_nl *from, struct ch_ends_result *ret)
{
    struct ch_diag_result result;

    if (from->nl_pid != 0)
        return;
    /* One record a datagram (sock_diag_broadcast_destroy_work). */
    ch_diag_decode(message->msg_hdr.msg_iov->iov_base, message->msg_len, 0, &ends->rows[ret->rows],
                   1, &result);
    ret->malformed += result.malformed;
    ret->rows += result.rows;
}

int ch_ends_read(struct ch_ends *ends, struct ch_ends_result *ret)
{
    struct sockaddr_nl from[CH_ENDS_BATCH];
    struct iovec parts[CH_ENDS_BATCH];
    struct mmsghdr messages[CH_ENDS_BATCH];
    int count;

    *ret = (struct ch_ends_result){0};
    for (size_t i = 0; i < CH_ENDS_BATCH; i++) {
        parts[i] = (struct iovec){.iov_base = ends->buffer + i * CH_ENDS_RECORD_BYTES,
                                  .iov_len = CH_ENDS_RECORD_BYTES};
        from[i] = (struct sockaddr_nl){0};
        messages[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &from[i],
                                                   .msg_namelen = sizeof(from[i]),
                                                   .msg_iov = &parts[i],
                                                   .msg_iovlen = 1}};
    }
    count = recvmmsg(ends->fd, messages, CH_ENDS_BATCH, MSG_DONTWAIT, NULL);
    if (count < 0 && errno == ENOBUFS) {
        ends->congested = ret->overrun = ret->more = true;
        return 0;
    }
    if (count < 0 && errno == EAGAIN) {
        /* Since it was told, the kernel has dropped all that came, without a word
         * (netlink_overrun(), netlink_rcv_wake()): from now on it does not. */
        ret->overrun = ends->congested;
        ends->congested = false;
        return 0;
    }
    if (count < 0)
        return errno == EINTR ? 0 : -errno;
    ret->more = count == CH_ENDS_BATCH || ends->congested;
    for (int i = 0; i < count; i++)
        decode_record(ends, &messages[i], &from[i], ret);
    return 0;
}

uint32_t ch_ends_lost(struct ch_ends *ends)
{
    /* SO_MEMINFO (Linux 4.12): the socket's own count of what it dropped. An
     * overrun is one ENOBUFS however many were lost. */
    uint32_t memory[SK_MEMINFO_VARS] = {0}, lost;
    socklen_t len = sizeof(memory);

    if (getsockopt(ends->fd, SOL_SOCKET, SO_MEMINFO, memory, &len) < 0 ||
        len < (SK_MEMINFO_DROPS + 1) * sizeof(memory[0]))
        return ends->congested ? 1 : 0;
    lost = memory[SK_MEMINFO_DROPS] - ends->dropped;
    ends->dropped = memory[SK_MEMINFO_DROPS];
    return lost;
}
