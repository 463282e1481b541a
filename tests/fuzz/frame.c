/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes: decode, and what decodes must encode to the same bytes. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "connhealth/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t again[CH_FRAME_SIZE];
    struct ch_frame frame;
    bool begins = ch_frame_may_begin(data, size < CH_FRAME_SIZE ? size : CH_FRAME_SIZE);

    if (size < CH_FRAME_SIZE)
        return 0;
    if (ch_frame_decode(data, &frame) != begins)
        abort();
    if (!begins)
        return 0;
    ch_frame_encode(&frame, again);
    if (memcmp(again, data, CH_FRAME_SIZE) != 0)
        abort();
    return 0;
}
