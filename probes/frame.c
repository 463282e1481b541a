/* SPDX-License-Identifier: Apache-2.0 */
#include "connhealth/frame.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "connhealth/clock.h"
#include "connhealth/text.h"

enum {
    MAGIC_SIZE = 4,
    TYPE_AT = 4,
    PADDING_AT = 5,
    SEQUENCE_AT = 8,
    SENT_AT = 16,
    RECEIVED_AT = 24,
    REPLIED_AT = 32,
    INSTANCE_AT = 40,
    BOOT_AT = 56,
};
_Static_assert(BOOT_AT + CH_ID_SIZE == CH_FRAME_SIZE, "the fields fill the frame");

static const uint8_t magic[MAGIC_SIZE] = {'C', 'H', 'B', '1'};

static void put_u64(uint8_t *at, uint64_t value)
{
    value = htobe64(value);
    memcpy(at, &value, sizeof(value));
}

static uint64_t get_u64(const uint8_t *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof(value));
    return be64toh(value);
}

void ch_frame_encode(const struct ch_frame *frame, uint8_t bytes[CH_FRAME_SIZE])
{
    memcpy(bytes, magic, MAGIC_SIZE);
    bytes[TYPE_AT] = (uint8_t)frame->type;
    memset(bytes + PADDING_AT, 0, SEQUENCE_AT - PADDING_AT);
    put_u64(bytes + SEQUENCE_AT, frame->sequence);
    put_u64(bytes + SENT_AT, (uint64_t)frame->sent);
    put_u64(bytes + RECEIVED_AT, (uint64_t)frame->received);
    put_u64(bytes + REPLIED_AT, (uint64_t)frame->replied);
    memcpy(bytes + INSTANCE_AT, frame->ids.instance, CH_ID_SIZE);
    memcpy(bytes + BOOT_AT, frame->ids.boot, CH_ID_SIZE);
}

bool ch_frame_may_begin(const uint8_t *bytes, size_t len)
{
    if (memcmp(bytes, magic, len < MAGIC_SIZE ? len : MAGIC_SIZE) != 0)
        return false;
    if (len > TYPE_AT && (bytes[TYPE_AT] < CH_FRAME_REQUEST || bytes[TYPE_AT] > CH_FRAME_GOODBYE))
        return false;
    for (size_t at = PADDING_AT; at < len && at < SEQUENCE_AT; at++)
        if (bytes[at] != 0)
            return false;
    return true;
}

bool ch_frame_decode(const uint8_t bytes[CH_FRAME_SIZE], struct ch_frame *ret)
{
    if (!ch_frame_may_begin(bytes, CH_FRAME_SIZE))
        return false;
    ret->type = bytes[TYPE_AT];
    ret->sequence = get_u64(bytes + SEQUENCE_AT);
    ret->sent = (int64_t)get_u64(bytes + SENT_AT);
    ret->received = (int64_t)get_u64(bytes + RECEIVED_AT);
    ret->replied = (int64_t)get_u64(bytes + REPLIED_AT);
    memcpy(ret->ids.instance, bytes + INSTANCE_AT, CH_ID_SIZE);
    memcpy(ret->ids.boot, bytes + BOOT_AT, CH_ID_SIZE);
    return true;
}

static struct ch_identity_ids own_ids;

static void make_instance_id(uint8_t id[CH_ID_SIZE])
{
    ssize_t got;

    /* Up to 256 bytes come whole once the pool is ready (getrandom(2)). */
    do
        got = getrandom(id, CH_ID_SIZE, 0);
    while (got < 0 && errno == EINTR);
    if (got == CH_ID_SIZE)
        return;
    /* A sandbox forbids the call: an id need not be secret, only new at every
     * start, and no two starts share both a pid and a nanosecond. */
    put_u64(id, (uint64_t)ch_clock_realtime());
    put_u64(id + sizeof(uint64_t), (uint64_t)getpid());
}

/* The kernel prints it as a UUID: 32 small hex digits and four dashes
 * (random(4)). Anything else leaves the id zero. */
static void read_boot_id(uint8_t id[CH_ID_SIZE])
{
    uint8_t parsed[CH_ID_SIZE] = {0};
    char text[64];
    size_t digits = 0;
    ssize_t len;
    int fd;

    fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    len = read(fd, text, sizeof(text));
    close(fd);
    for (ssize_t i = 0; i < len && digits < (size_t)2 * CH_ID_SIZE; i++) {
        int digit = ch_text_hex_digit(text[i]);

        if (digit < 0)
            continue;
        parsed[digits / 2] = (uint8_t)(parsed[digits / 2] << 4 | digit);
        digits++;
    }
    if (digits == (size_t)2 * CH_ID_SIZE)
        memcpy(id, parsed, CH_ID_SIZE);
}

static void make_own_ids(void)
{
    make_instance_id(own_ids.instance);
    read_boot_id(own_ids.boot);
}

const struct ch_identity_ids *ch_frame_own_ids(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, make_own_ids);
    return &own_ids;
}
