/* SPDX-License-Identifier: Apache-2.0 */
/* The native frame: its bytes are a protocol, so they are written out here. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "connhealth/frame.h"

static const uint8_t golden[CH_FRAME_SIZE] = {
    'C',  'H',  'B',  '1',  2,    0,    0,    0,                                  /* reply */
    0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,                               /* sequence */
    0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18,                               /* sent */
    0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28,                               /* received */
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe,                               /* replied: -2 */
    0xa0, 1,    2,    3,    4,    5,    6,    7,    8, 9, 10, 11, 12, 13, 14, 15, /* instance */
    0xb0, 1,    2,    3,    4,    5,    6,    7,    8, 9, 10, 11, 12, 13, 14, 15, /* boot */
};

static void bytes_are_as_specified(void **state)
{
    struct ch_frame frame = {.type = CH_FRAME_REPLY,
                             .sequence = UINT64_C(0x0102030405060708),
                             .sent = INT64_C(0x1112131415161718),
                             .received = INT64_C(0x2122232425262728),
                             .replied = -2};
    uint8_t bytes[CH_FRAME_SIZE];

    (void)state;
    memcpy(frame.ids.instance, golden + 40, CH_ID_SIZE);
    memcpy(frame.ids.boot, golden + 56, CH_ID_SIZE);
    memset(bytes, 0xee, sizeof(bytes));
    ch_frame_encode(&frame, bytes);
    assert_memory_equal(bytes, golden, CH_FRAME_SIZE);
}

static void decoding_gives_every_field_back(void **state)
{
    struct ch_frame frame;

    (void)state;
    assert_true(ch_frame_decode(golden, &frame));
    assert_int_equal(frame.type, CH_FRAME_REPLY);
    assert_true(frame.sequence == UINT64_C(0x0102030405060708));
    assert_true(frame.sent == INT64_C(0x1112131415161718));
    assert_true(frame.received == INT64_C(0x2122232425262728));
    assert_true(frame.replied == -2);
    assert_memory_equal(frame.ids.instance, golden + 40, CH_ID_SIZE);
    assert_memory_equal(frame.ids.boot, golden + 56, CH_ID_SIZE);
}

/* Every byte of the header, every value: only the three types are taken. */
static void a_wrong_header_is_refused_and_nothing_is_written(void **state)
{
    (void)state;
    for (size_t at = 0; at < 8; at++) {
        for (unsigned value = 0; value < 256; value++) {
            uint8_t bytes[CH_FRAME_SIZE];
            struct ch_frame frame, untouched;
            bool well_formed = at == 4 ? value >= 1 && value <= 3 : value == golden[at];

            memcpy(bytes, golden, sizeof(bytes));
            bytes[at] = (uint8_t)value;
            memset(&frame, 0x5a, sizeof(frame));
            memset(&untouched, 0x5a, sizeof(untouched));
            assert_int_equal(ch_frame_decode(bytes, &frame), well_formed);
            if (!well_formed)
                assert_memory_equal(&frame, &untouched, sizeof(frame));
            /* the fault shows as soon as its byte is there, and not before */
            assert_true(ch_frame_may_begin(bytes, at));
            assert_int_equal(ch_frame_may_begin(bytes, at + 1), well_formed);
        }
    }
}

static void every_prefix_of_a_frame_may_begin_one(void **state)
{
    (void)state;
    for (size_t len = 0; len <= CH_FRAME_SIZE; len++)
        assert_true(ch_frame_may_begin(golden, len));
}

static void *ask_for_ids(void *arg)
{
    *(const struct ch_identity_ids **)arg = ch_frame_own_ids();
    return NULL;
}

static void own_ids_are_constant_and_the_boot_id_is_the_hosts(void **state)
{
    static const uint8_t zero[CH_ID_SIZE];
    const struct ch_identity_ids *seen[4];
    struct ch_identity_ids first;
    pthread_t threads[4];
    char from_kernel[64] = "", ours[64] = "";
    FILE *file;

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_for_ids, &seen[i]), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    first = *ch_frame_own_ids();
    for (int i = 0; i < 4; i++)
        assert_memory_equal(seen[i], &first, sizeof(first));
    assert_memory_not_equal(first.instance, zero, CH_ID_SIZE);

    file = fopen("/proc/sys/kernel/random/boot_id", "re");
    assert_non_null(file);
    assert_non_null(fgets(from_kernel, sizeof(from_kernel), file));
    fclose(file);
    from_kernel[strcspn(from_kernel, "\n")] = '\0';
    for (int i = 0; i < CH_ID_SIZE; i++)
        snprintf(ours + strlen(ours), sizeof(ours) - strlen(ours), "%s%02x",
                 i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", first.boot[i]);
    assert_string_equal(ours, from_kernel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_as_specified),
        cmocka_unit_test(decoding_gives_every_field_back),
        cmocka_unit_test(a_wrong_header_is_refused_and_nothing_is_written),
        cmocka_unit_test(every_prefix_of_a_frame_may_begin_one),
        cmocka_unit_test(own_ids_are_constant_and_the_boot_id_is_the_hosts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
