/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two netlink sockets of the collector: one that dumps, one that hears of
 * destroyed sockets. Neither needs a privilege (sock_diag(7)).
 */
#ifndef CH_SOCKETS_NETLINK_H
#define CH_SOCKETS_NETLINK_H

#include "diag.h"

/* ---- dumps ------------------------------------------------------------- */

struct ch_dump {
    int fd; /* -1: not open */
    uint32_t sequence;
    uint8_t *buffer; /* CH_DIAG_BUFFER_BYTES */
    struct ch_diag_row *rows;
};

int ch_dump_open(struct ch_dump *ret); /* 0 or negative errno */
void ch_dump_close(struct ch_dump *dump);

int ch_dump_begin(struct ch_dump *dump, uint8_t family, uint8_t protocol, uint32_t states);
/* The next datagram of the dump that was begun: 0 and *ret (dump->rows filled),
 * or a negative errno: -ETIMEDOUT where the kernel did not answer. After an
 * error, and after ret->done, nothing more is to be read. */
int ch_dump_next(struct ch_dump *dump, struct ch_diag_result *ret);

/* ---- ends -------------------------------------------------------------- */

/* A record is 380 bytes on Linux 6.18; there is room for it to grow. */
#define CH_ENDS_BATCH        64
#define CH_ENDS_RECORD_BYTES 1024

struct ch_ends {
    int fd; /* -1: not open */
    uint32_t buffer_bytes;
    bool forced;      /* the buffer is as large as was asked for */
    bool congested;   /* records are dropped until all that is there was read */
    uint32_t dropped; /* the kernel's count, when it was read last */
    uint8_t *buffer;
    struct ch_diag_row *rows; /* of one batch */
};

struct ch_ends_result {
    size_t rows;
    uint32_t malformed;
    bool overrun; /* records may have been lost: ch_ends_lost() says how many */
    bool more;    /* there may be more at once */
};

/* Joins the destroy groups of TCP over IPv4 and IPv6. 0 or negative errno. */
int ch_ends_open(struct ch_ends *ret);
void ch_ends_close(struct ch_ends *ends);
/* What is there, without waiting. 0 or a negative errno of the socket. */
int ch_ends_read(struct ch_ends *ends, struct ch_ends_result *ret);
/* Records the kernel dropped since the last call. */
uint32_t ch_ends_lost(struct ch_ends *ends);

#endif
