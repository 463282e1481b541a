/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the responder: responder.c holds it together and opens its
 * sockets, responder_accept.c admits clients, responder_conn.c speaks with one
 * of them, responder_udp.c answers datagrams. Everything belongs to the loop's
 * thread.
 */
#ifndef CH_PROBES_RESPONDER_PRIVATE_H
#define CH_PROBES_RESPONDER_PRIVATE_H

#include <uthash.h>

#include "connhealth/container.h"
#include "connhealth/frame.h"
#include "connhealth/responder.h"

/* How long the responder waits for clients; the tests shorten it. */
struct responder_patience {
    int64_t stall_ns; /* a reply that cannot be sent or a request that is not whole */
    int64_t pause_ns; /* between two tries when accept finds no descriptor */
    int64_t room_ns;  /* who was silent for so long makes room where all places are taken */
    /* Together they end a connection whose client is gone without a word after
     * about a minute; the user timeout must be longer than the stall, or the
     * kernel calls a client that does not read a timeout (tcp(7):
     * TCP_USER_TIMEOUT). */
    int keepalive_idle_s;
    int keepalive_interval_s;
    int keepalive_count;
    int user_timeout_ms;
};
extern const struct responder_patience responder_default_patience;

/* Connections of one client address (IPv6: of one /64). */
struct responder_client {
    struct ch_addr network; /* the key: port and scope are 0 */
    uint32_t connections;
    UT_hash_handle hh;
};

struct responder_conn {
    struct ch_io io;
    struct ch_timer timer;
    struct ch_responder *responder;
    struct responder_client *client;
    struct responder_conn *next, *prev;
    int64_t last_request;  /* or when it was accepted */
    int64_t stalled_since; /* 0: the reply before this one has left */
    int64_t begun_since;   /* a part of a request; only while in_len > 0 */
    bool spoken;           /* a well-formed request came */
    uint8_t in_len;
    uint8_t out_len, out_sent;
    uint8_t in[CH_FRAME_SIZE];
    uint8_t out[CH_FRAME_SIZE];
};

struct responder_listener {
    struct ch_io io;
    struct ch_timer resume;
    struct ch_responder *responder;
    struct responder_listener *next;
};

struct responder_udp {
    struct ch_io io;
    struct ch_responder *responder;
    struct responder_udp *next;
};

struct ch_responder {
    struct ch_loop *loop;
    struct ch_responder_limits limits;
    struct ch_responder_counters *counters;
    struct responder_patience patience;
    struct ch_responder_passed *passed;
    size_t passed_count;
    struct responder_listener *listeners;
    struct responder_udp *udps;
    struct responder_client *clients; /* uthash */
    struct responder_conn *conns;     /* who was silent for longest is first */
    uint32_t conn_count;
    uint16_t last_port; /* of the last listen, for those who asked for any */
};

void responder_count_end(struct ch_responder *responder, enum ch_phase phase,
                         enum ch_category category);
void responder_count(_Atomic uint64_t *counter);

/* For a socket that may have been passed: closing one of its descriptors does not
 * end what epoll watches while another is open (epoll(7), Q6). */
void responder_io_close(struct ch_loop *loop, struct ch_io *io);

/* The reply to a request, with this process's ids and times; received is when
 * the request was read, on the real-time clock. */
void responder_reply(const struct ch_frame *request, int64_t received,
                     uint8_t bytes[CH_FRAME_SIZE]);

/* fd is listening; taken over also on error. */
int responder_listener_add(struct ch_responder *responder, int fd);
struct responder_listener *responder_listener_free(struct responder_listener *listener);

/* Takes a stream socket over, whatever becomes of it: it may be closed at once
 * for a limit. The fuzzer's entry. */
void responder_admit(struct ch_responder *responder, int fd, const struct ch_addr *peer);
/* Forgets one connection of a client, and the client after its last one. */
void responder_client_leave(struct ch_responder *responder, struct responder_client *client);

/* Takes fd and the client's place over; closes both on error. */
int responder_conn_new(struct ch_responder *responder, int fd, struct responder_client *client);
/* Ends the connection that was silent for longest, if that was long. */
bool responder_conn_make_room(struct ch_responder *responder);
/* For the responder's own end: says goodbye to a client that has spoken. */
void responder_conn_dismiss(struct responder_conn *conn);

/* fd is bound; taken over also on error. */
int responder_udp_add(struct ch_responder *responder, int fd);
struct responder_udp *responder_udp_free(struct responder_udp *udp);

#endif
