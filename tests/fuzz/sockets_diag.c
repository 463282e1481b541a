/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sock_diag's bytes through decoder and bookkeeping. The input is a list of
 * records: one byte what it is (rows of TCP, rows of UDP, ends, or the end of a
 * sweep), two bytes length (little-endian), and a datagram.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "connhealth/clock.h"
#include "sockets/snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed(struct ch_tally *tally, uint8_t what, const uint8_t *bytes, size_t len,
                 int64_t now_ns)
{
    static struct ch_diag_row rows[CH_DIAG_ROWS_MAX];
    struct ch_diag_result result;
    uint8_t *exact = malloc(len + 1); /* aligned, and ends where the input ends */
    uint32_t sequence = 0;

    memcpy(exact, bytes, len);
    if (what < 2 && len >= 12) /* whatever sequence it was recorded with */
        memcpy(&sequence, exact + 8, sizeof(sequence));
    ch_diag_decode(exact, len, sequence, rows, CH_DIAG_ROWS_MAX, &result);
    if (what == 2)
        ch_tally_ends(tally, rows, result.rows, now_ns);
    else
        ch_tally_rows(tally, what == 0 ? IPPROTO_TCP : IPPROTO_UDP, rows, result.rows);
    free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct ch_sockets_net all = {{.family = AF_INET}, 3};
    const struct ch_sockets_peer peer = {.name = "p", .networks = &all, .network_count = 1};
    const struct ch_sockets_settings settings = {
        .interval_ns = CH_NS_PER_S, .unit_limit = 3, .peers = &peer, .peer_count = 1};
    const struct ch_sockets_snapshot proto = {.has_listeners = true};
    int64_t now_ns = 1000 * CH_NS_PER_S;
    static struct ch_tally tally;

    if (ch_tally_init(&tally, now_ns) < 0 || ch_tally_configure(&tally, &settings) < 0)
        abort();
    ch_tally_sweep_begin(&tally, now_ns);
    while (size >= 3) {
        uint8_t what = data[0] % 4;
        size_t len = (size_t)(data[1] | data[2] << 8);

        data += 3;
        size -= 3;
        len = len < size ? len : size;
        now_ns += CH_NS_PER_S / 4;
        if (what == 3) {
            ch_tally_sweep_end(&tally, len & 1, len & 2);
            ch_sockets_snapshot_unref(ch_sockets_snapshot_new(&tally, &proto));
            ch_tally_sweep_begin(&tally, now_ns);
            continue;
        }
        feed(&tally, what, data, len, now_ns);
        data += len;
        size -= len;
    }
    ch_tally_sweep_end(&tally, true, false);
    ch_sockets_snapshot_unref(ch_sockets_snapshot_new(&tally, &proto));
    ch_tally_clear(&tally);
    return 0;
}
