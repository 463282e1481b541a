/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a peer sends, as one piece and cut in two others' sizes: however a stream
 * is cut, the verdict is the same, and what is shown of it lies within it. The
 * first byte chooses the kind of exchange, the second the size of the pieces.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "connhealth/expect.h"
#include "exchange.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NATIVE, REGEX, EXACT, ANYTHING, KINDS };

static const struct ch_heartbeat_options *options_of(unsigned kind)
{
    static struct ch_heartbeat_options options[KINDS];
    char reason[64];
    size_t offset;

    if (!options[REGEX].expect) {
        if (ch_expect_new("^\\+OK [0-9]+\r\n", 13, &options[REGEX].expect, reason, sizeof(reason),
                          &offset) < 0)
            abort();
        options[EXACT].expect_hex = (struct ch_bytes){(uint8_t *)"+OK\0\r\n", 6};
        options[ANYTHING].send = (struct ch_bytes){(uint8_t *)"?", 1};
    }
    return kind == NATIVE ? NULL : &options[kind];
}

static void begin(struct ch_exchange *exchange, unsigned kind)
{
    uint8_t frame[CH_FRAME_SIZE];

    ch_exchange_init(exchange, options_of(kind));
    ch_exchange_request(exchange, frame); /* sequence 1 */
}

static void end(struct ch_exchange *exchange)
{
    struct ch_evidence evidence = {0};

    ch_exchange_show(exchange, &evidence);
    if (evidence.reply_len > CH_REPLY_SHOWN || exchange->reply_len > CH_REPLY_MAX)
        abort();
    ch_exchange_forget_reply(exchange);
    ch_exchange_begin_stream(exchange);
    if (ch_exchange_partial(exchange))
        abort();
    ch_exchange_clear(exchange);
}

static void check_datagram(unsigned kind, const uint8_t *data, size_t len)
{
    struct ch_exchange exchange;

    begin(&exchange, kind);
    /* only a frame may be another's answer: of other bytes nothing more comes */
    if (ch_exchange_take(&exchange, data, len, true) == CH_REPLY_MORE && kind != NATIVE)
        abort();
    end(&exchange);
}

static void check_stream(unsigned kind, size_t piece, const uint8_t *data, size_t len)
{
    struct ch_exchange whole, cut;
    enum ch_reply at_once, reply = CH_REPLY_MORE, first = CH_REPLY_MORE;

    begin(&whole, kind);
    begin(&cut, kind);
    at_once = ch_exchange_take(&whole, data, len, false);
    for (size_t at = 0; at < len && reply != CH_REPLY_MISMATCH; at += piece) {
        reply = ch_exchange_take(&cut, data + at, len - at < piece ? len - at : piece, false);
        if (first == CH_REPLY_MORE)
            first = reply;
        if (kind != NATIVE && first != CH_REPLY_MORE)
            break; /* what follows an answer is not looked at */
    }
    if (at_once == CH_REPLY_MORE && first != CH_REPLY_MORE)
        abort();
    if (at_once == CH_REPLY_ANSWERED && first != CH_REPLY_ANSWERED)
        abort();
    if (kind == NATIVE && at_once == CH_REPLY_MISMATCH && reply != CH_REPLY_MISMATCH)
        abort();
    if (kind == NATIVE && (whole.goodbye != cut.goodbye || whole.ids_known != cut.ids_known ||
                           memcmp(&whole.ids, &cut.ids, sizeof(whole.ids)) != 0))
        abort();
    end(&whole);
    end(&cut);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    check_datagram(data[0] % KINDS, data + 2, size - 2);
    check_stream(data[0] % KINDS, data[1] % 100U + 1, data + 2, size - 2);
    return 0;
}
