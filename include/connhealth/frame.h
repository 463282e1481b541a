/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off: the table below is the specification, keep its columns */
/*
 * The native heartbeat: one frame of fixed size, the same over TCP and UDP, in
 * both directions. The specification is this header; both sides use it.
 *
 * offset size  field
 *      0    4  magic, the bytes "CHB1" (the digit is the version)
 *      4    1  type: 1 request, 2 reply, 3 goodbye
 *      5    3  zero; a receiver refuses anything else
 *      8    8  sequence: chosen by the requester, repeated in the reply
 *     16    8  sent: the requester's CLOCK_MONOTONIC in ns, repeated in the
 *              reply
 *     24    8  received: the responder's CLOCK_REALTIME in ns when it read the
 *              request; 0 in a request
 *     32    8  replied: the responder's CLOCK_REALTIME in ns when it sent the
 *              reply; 0 in a request
 *     40   16  instance id: random, new at every start of the sender
 *     56   16  boot id: /proc/sys/kernel/random/boot_id of the sender's host;
 *              zero if unreadable
 *     72       end
 *
 * Integers are big-endian (network byte order). A goodbye carries sequence,
 * sent and received 0, and says that the sender is stopping cleanly and will
 * close; it is sent by a responder on each TCP connection that has spoken the
 * protocol, and asks for no answer.
 *
 * A responder answers a well-formed request with exactly one reply of the same
 * size and nothing else with anything, so that over UDP it amplifies nothing.
 * A frame with an unknown version, type or nonzero padding is malformed.
 */
/* clang-format on */
#ifndef CONNHEALTH_FRAME_H
#define CONNHEALTH_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CH_FRAME_SIZE 72
#define CH_ID_SIZE    16
#define CH_FRAME_PORT 10338

enum ch_frame_type { CH_FRAME_REQUEST = 1, CH_FRAME_REPLY = 2, CH_FRAME_GOODBYE = 3 };

struct ch_identity_ids {
    uint8_t instance[CH_ID_SIZE];
    uint8_t boot[CH_ID_SIZE];
};

struct ch_frame {
    enum ch_frame_type type;
    uint64_t sequence;
    int64_t sent;     /* requester's CLOCK_MONOTONIC, ns */
    int64_t received; /* responder's CLOCK_REALTIME, ns */
    int64_t replied;  /* responder's CLOCK_REALTIME, ns */
    struct ch_identity_ids ids;
};

void ch_frame_encode(const struct ch_frame *frame, uint8_t bytes[CH_FRAME_SIZE]);
/* False if malformed; *ret is untouched then. */
bool ch_frame_decode(const uint8_t bytes[CH_FRAME_SIZE], struct ch_frame *ret);
/* True if these len <= CH_FRAME_SIZE bytes could be the start of a frame. */
bool ch_frame_may_begin(const uint8_t *bytes, size_t len);

/* This process's ids: a random instance id made at the first call, the host's
 * boot id. Any thread; constant after the first call. */
const struct ch_identity_ids *ch_frame_own_ids(void);

#endif
