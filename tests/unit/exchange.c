/* SPDX-License-Identifier: Apache-2.0 */
/* Answers as they come: whole, in pieces, late, wrong. No socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "connhealth/expect.h"
#include "exchange.h"
#include "oom.h"

static const struct ch_identity_ids peer = {{1}, {2}};

static void encode(uint8_t *bytes, enum ch_frame_type type, uint64_t sequence)
{
    ch_frame_encode(&(struct ch_frame){.type = type, .sequence = sequence, .ids = peer}, bytes);
}

/* Two requests are out of it: the answer to the second has the sequence 2. */
static struct ch_exchange native(void)
{
    struct ch_exchange exchange;
    uint8_t frame[CH_FRAME_SIZE];

    ch_exchange_init(&exchange, NULL);
    assert_true(ch_exchange_native(&exchange) && ch_exchange_sends(&exchange));
    ch_exchange_request(&exchange, frame);
    ch_exchange_request(&exchange, frame);
    return exchange;
}

static void a_stream_may_be_cut_anywhere(void **state)
{
    uint8_t stream[3 * CH_FRAME_SIZE];

    (void)state;
    encode(stream, CH_FRAME_REPLY, 1); /* late, the first request's */
    encode(stream + CH_FRAME_SIZE, CH_FRAME_REPLY, 2);
    encode(stream + 2 * CH_FRAME_SIZE, CH_FRAME_GOODBYE, 0);
    for (size_t cut = 1; cut < sizeof(stream); cut++) {
        struct ch_exchange exchange = native();
        enum ch_reply first = ch_exchange_take(&exchange, stream, cut, false), second;

        assert_int_equal(first, cut < 2 * CH_FRAME_SIZE ? CH_REPLY_MORE : CH_REPLY_ANSWERED);
        /* what is left is the beginning of the next frame, and stays */
        ch_exchange_forget_reply(&exchange);
        second = ch_exchange_take(&exchange, stream + cut, sizeof(stream) - cut, false);
        assert_int_equal(second, cut < 2 * CH_FRAME_SIZE ? CH_REPLY_ANSWERED : CH_REPLY_MORE);
        assert_true(exchange.goodbye);
        assert_false(ch_exchange_partial(&exchange));
        assert_memory_equal(&exchange.ids, &peer, sizeof(peer));
        ch_exchange_begin_stream(&exchange);
        assert_false(exchange.goodbye);
        assert_true(exchange.ids_known); /* to be compared with those that come */
        ch_exchange_clear(&exchange);
    }
}

static void what_is_no_frame_is_wrong_at_its_first_byte(void **state)
{
    struct ch_exchange exchange = native();
    struct ch_evidence evidence = {0};
    uint8_t frame[CH_FRAME_SIZE];

    (void)state;
    assert_int_equal(ch_exchange_take(&exchange, (const uint8_t *)"H", 1, false),
                     CH_REPLY_MISMATCH);
    ch_exchange_show(&exchange, &evidence);
    assert_int_equal(evidence.reply_len, 1);
    assert_int_equal(evidence.reply[0], 'H');
    ch_exchange_begin_stream(&exchange);
    encode(frame, CH_FRAME_REQUEST, 2); /* our own, echoed */
    assert_int_equal(ch_exchange_take(&exchange, frame, sizeof(frame), false), CH_REPLY_MISMATCH);
    ch_exchange_clear(&exchange);
}

static void a_datagram_is_one_frame(void **state)
{
    struct ch_exchange exchange = native();
    uint8_t bytes[CH_FRAME_SIZE + 1] = {0};

    (void)state;
    encode(bytes, CH_FRAME_REPLY, 1);
    assert_int_equal(ch_exchange_take(&exchange, bytes, CH_FRAME_SIZE, true), CH_REPLY_MORE);
    encode(bytes, CH_FRAME_REPLY, 2);
    for (size_t len = 0; len <= sizeof(bytes); len++)
        assert_int_equal(ch_exchange_take(&exchange, bytes, len, true),
                         len == CH_FRAME_SIZE ? CH_REPLY_ANSWERED : CH_REPLY_MISMATCH);
    ch_exchange_clear(&exchange);
}

static void exact_bytes_are_neither_more_nor_less(void **state)
{
    const struct ch_heartbeat_options options = {
        .expect_hex = {.data = (uint8_t *)"+OK\r\n", .len = 5}};
    struct ch_exchange exchange;

    (void)state;
    ch_exchange_init(&exchange, &options);
    assert_false(ch_exchange_sends(&exchange));
    assert_int_equal(ch_exchange_take(&exchange, (const uint8_t *)"+O", 2, false), CH_REPLY_MORE);
    assert_true(ch_exchange_partial(&exchange));
    assert_int_equal(ch_exchange_take(&exchange, (const uint8_t *)"K\r\n", 3, false),
                     CH_REPLY_ANSWERED);
    ch_exchange_forget_reply(&exchange);
    assert_int_equal(ch_exchange_take(&exchange, (const uint8_t *)"+OK\r\n!", 6, false),
                     CH_REPLY_MISMATCH);
    ch_exchange_forget_reply(&exchange);
    assert_int_equal(ch_exchange_take(&exchange, (const uint8_t *)"+OK", 3, true),
                     CH_REPLY_MISMATCH);
    ch_exchange_forget_reply(&exchange);
    assert_int_equal(ch_exchange_take(&exchange, NULL, 0, true), CH_REPLY_MISMATCH);
    ch_exchange_clear(&exchange);
}

/* A peer that talks on and on without the answer. */
static void a_reply_without_end_is_wrong(void **state)
{
    static uint8_t noise[4096];
    struct ch_heartbeat_options options = {0};
    char reason[CH_REASON_TEXT];
    struct ch_exchange exchange;
    enum ch_reply reply = CH_REPLY_MORE;
    size_t taken = 0;

    (void)state;
    memset(noise, 'x', sizeof(noise));
    assert_int_equal(
        ch_expect_new("PONG", 4, &options.expect, reason, sizeof(reason), &(size_t){0}), 0);
    ch_exchange_init(&exchange, &options);
    while (reply == CH_REPLY_MORE && taken < 10 * CH_REPLY_MAX) {
        reply = ch_exchange_take(&exchange, noise, sizeof(noise), false);
        taken += sizeof(noise);
    }
    assert_int_equal(reply, CH_REPLY_MISMATCH);
    assert_in_range(taken, CH_REPLY_MAX, CH_REPLY_MAX + sizeof(noise));
    ch_exchange_forget_reply(&exchange); /* gives the memory back */
    assert_int_equal(exchange.reply_size, 0);
    ch_exchange_clear(&exchange);
    ch_expect_free(options.expect);
}

/* What is lost here is not the peer's fault. */
static void without_memory_nothing_is_judged(void **state)
{
    const struct ch_heartbeat_options options = {
        .expect_hex = {.data = (uint8_t *)"+OK\r\n", .len = 5}};
    struct ch_exchange exchange;

    (void)state;
    ch_exchange_init(&exchange, &options);
    oom_after = 0;
    assert_int_equal(ch_exchange_take(&exchange, (const uint8_t *)"+O", 2, false),
                     CH_REPLY_NO_ROOM);
    oom_after = -1;
    ch_exchange_clear(&exchange);
}

static void ids_tell_instance_and_boot(void **state)
{
    const struct ch_identity_ids restarted = {{9}, {2}}, rebooted = {{9}, {3}}, unread = {{9}, {0}};

    (void)state;
    assert_int_equal(ch_identity_compare(&peer, &peer), CH_IDENTITY_SAME);
    assert_int_equal(ch_identity_compare(&peer, &restarted), CH_IDENTITY_NEW_INSTANCE);
    assert_int_equal(ch_identity_compare(&peer, &rebooted), CH_IDENTITY_NEW_BOOT);
    assert_int_equal(ch_identity_compare(&peer, &unread), CH_IDENTITY_UNKNOWN);
    assert_int_equal(ch_identity_compare(&unread, &peer), CH_IDENTITY_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_may_be_cut_anywhere),
        cmocka_unit_test(what_is_no_frame_is_wrong_at_its_first_byte),
        cmocka_unit_test(a_datagram_is_one_frame),
        cmocka_unit_test(exact_bytes_are_neither_more_nor_less),
        cmocka_unit_test(a_reply_without_end_is_wrong),
        cmocka_unit_test(without_memory_nothing_is_judged),
        cmocka_unit_test(ids_tell_instance_and_boot),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
