/* SPDX-License-Identifier: Apache-2.0 */
#include "exchange.h"

#include <stdlib.h>
#include <string.h>

#include "connhealth/clock.h"
#include "connhealth/expect.h"

void ch_exchange_init(struct ch_exchange *exchange, const struct ch_heartbeat_options *options)
{
    *exchange = (struct ch_exchange){0};
    if (options && (options->send.data || options->send_hex.data || options->expect ||
                    options->expect_hex.data))
        exchange->options = options;
}

void ch_exchange_clear(struct ch_exchange *exchange)
{
    free(exchange->reply);
    exchange->reply = NULL;
    exchange->reply_len = exchange->reply_size = 0;
}

void ch_exchange_begin_stream(struct ch_exchange *exchange)
{
    ch_exchange_clear(exchange);
    exchange->goodbye = false;
}

void ch_exchange_forget_reply(struct ch_exchange *exchange)
{
    /* What is left of a native stream is the beginning of its next frame. */
    if (ch_exchange_native(exchange) && exchange->reply_len > 0)
        return;
    /* Long replies give their memory back: ten thousand idle connections must
     * not keep the size of their longest answer. */
    if (exchange->reply_size > 1024)
        ch_exchange_clear(exchange);
    exchange->reply_len = 0;
}

bool ch_exchange_sends(const struct ch_exchange *exchange)
{
    return ch_exchange_native(exchange) || exchange->options->send.data ||
           exchange->options->send_hex.data;
}

struct ch_bytes ch_exchange_request(struct ch_exchange *exchange, uint8_t frame[CH_FRAME_SIZE])
{
    ch_exchange_forget_reply(exchange);
    if (!ch_exchange_native(exchange))
        return exchange->options->send.data ? exchange->options->send : exchange->options->send_hex;
    ch_frame_encode(
        &(struct ch_frame){
            .type = CH_FRAME_REQUEST,
            .sequence = ++exchange->sequence,
            .sent = ch_clock_monotonic(),
            .ids = *ch_frame_own_ids(),
        },
        frame);
    return (struct ch_bytes){.data = frame, .len = CH_FRAME_SIZE};
}

/* MORE when it is kept, else why not. */
static enum ch_reply keep(struct ch_exchange *exchange, const uint8_t *data, size_t len)
{
    size_t needed = exchange->reply_len + len;

    if (needed > CH_REPLY_MAX)
        return CH_REPLY_MISMATCH;
    if (needed > exchange->reply_size) {
        size_t size = exchange->reply_size ? exchange->reply_size : 256;
        uint8_t *reply;

        while (size < needed)
            size *= 2;
        reply = realloc(exchange->reply, size);
        if (!reply)
            return CH_REPLY_NO_ROOM;
        exchange->reply = reply;
        exchange->reply_size = size;
    }
    if (len > 0) /* an empty datagram is a reply, too */
        memcpy(exchange->reply + exchange->reply_len, data, len);
    exchange->reply_len = needed;
    return CH_REPLY_MORE;
}

static enum ch_reply judge_frame(struct ch_exchange *exchange, const uint8_t *bytes)
{
    struct ch_frame frame;

    if (!ch_frame_decode(bytes, &frame) || frame.type == CH_FRAME_REQUEST)
        return CH_REPLY_MISMATCH;
    exchange->ids = frame.ids;
    exchange->ids_known = true;
    if (frame.type == CH_FRAME_GOODBYE) {
        exchange->goodbye = true;
        return CH_REPLY_MORE;
    }
    /* An answer to an earlier request came late: ours is still to come. */
    return frame.sequence == exchange->sequence ? CH_REPLY_ANSWERED : CH_REPLY_MORE;
}

static enum ch_reply take_datagram_frame(struct ch_exchange *exchange, const uint8_t *data,
                                         size_t len)
{
    return len == CH_FRAME_SIZE ? judge_frame(exchange, data) : CH_REPLY_MISMATCH;
}

static enum ch_reply take_stream_frames(struct ch_exchange *exchange)
{
    enum ch_reply reply = CH_REPLY_MORE;
    size_t used = 0;

    /* To the last: a goodbye may have come with the answer. */
    while (reply != CH_REPLY_MISMATCH && exchange->reply_len - used >= CH_FRAME_SIZE) {
        enum ch_reply next = judge_frame(exchange, exchange->reply + used);

        if (next != CH_REPLY_MORE)
            reply = next;
        if (next != CH_REPLY_MISMATCH)
            used += CH_FRAME_SIZE;
    }
    if (reply == CH_REPLY_MORE &&
        !ch_frame_may_begin(exchange->reply + used, exchange->reply_len - used))
        reply = CH_REPLY_MISMATCH;
    exchange->reply_len -= used;
    memmove(exchange->reply, exchange->reply + used, exchange->reply_len);
    return reply;
}

static enum ch_reply judge_exact(const struct ch_bytes *expected, const uint8_t *data, size_t len,
                                 bool datagram)
{
    if (len > expected->len || (len > 0 && memcmp(data, expected->data, len) != 0))
        return CH_REPLY_MISMATCH;
    if (len == expected->len)
        return CH_REPLY_ANSWERED;
    return datagram ? CH_REPLY_MISMATCH : CH_REPLY_MORE;
}

static enum ch_reply judge_bytes(const struct ch_exchange *exchange, const uint8_t *data,
                                 size_t len, bool datagram)
{
    const struct ch_heartbeat_options *options = exchange->options;

    if (options->expect_hex.data)
        return judge_exact(&options->expect_hex, data, len, datagram);
    if (!options->expect)
        return CH_REPLY_ANSWERED; /* whatever it is, it is an answer */
    switch (ch_expect_match(options->expect, data, len, datagram, NULL)) {
    case CH_MATCH_YES:
        return CH_REPLY_ANSWERED;
    case CH_MATCH_MORE:
        return CH_REPLY_MORE;
    case CH_MATCH_NO:
        break;
    }
    return CH_REPLY_MISMATCH;
}

enum ch_reply ch_exchange_take(struct ch_exchange *exchange, const uint8_t *data, size_t len,
                               bool datagram)
{
    enum ch_reply reply;

    if (ch_exchange_native(exchange)) {
        if (datagram)
            return take_datagram_frame(exchange, data, len);
        reply = keep(exchange, data, len);
        return reply == CH_REPLY_MORE ? take_stream_frames(exchange) : reply;
    }
    /* The usual answer is whole in its first segment and need not be kept. */
    if (exchange->reply_len == 0) {
        reply = judge_bytes(exchange, data, len, datagram);
        if (reply == CH_REPLY_ANSWERED)
            return reply;
    }
    reply = keep(exchange, data, len);
    if (reply != CH_REPLY_MORE)
        return reply;
    return judge_bytes(exchange, exchange->reply, exchange->reply_len, datagram);
}

void ch_exchange_show(const struct ch_exchange *exchange, struct ch_evidence *evidence)
{
    size_t len = exchange->reply_len < CH_REPLY_SHOWN ? exchange->reply_len : CH_REPLY_SHOWN;

    if (len > 0)
        memcpy(evidence->reply, exchange->reply, len);
    evidence->reply_len = (uint8_t)len;
}

enum ch_identity ch_identity_compare(const struct ch_identity_ids *before,
                                     const struct ch_identity_ids *after)
{
    static const uint8_t none[CH_ID_SIZE];

    /* A host that cannot read its boot id says nothing about reboots. */
    if (memcmp(before->boot, after->boot, CH_ID_SIZE) != 0)
        return memcmp(before->boot, none, CH_ID_SIZE) == 0 ||
                       memcmp(after->boot, none, CH_ID_SIZE) == 0
                   ? CH_IDENTITY_UNKNOWN
                   : CH_IDENTITY_NEW_BOOT;
    if (memcmp(before->instance, after->instance, CH_ID_SIZE) != 0)
        return CH_IDENTITY_NEW_INSTANCE;
    return CH_IDENTITY_SAME;
}
