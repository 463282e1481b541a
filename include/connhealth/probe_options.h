/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of each probe kind, as the tables in probes/ fill them. Those who
 * are generic over kinds use the tables; only who must know one kind's meaning
 * includes this.
 */
#ifndef CONNHEALTH_PROBE_OPTIONS_H
#define CONNHEALTH_PROBE_OPTIONS_H

#include "connhealth/option.h"

enum ch_connect_close { CH_CONNECT_CLOSE_AUTO, CH_CONNECT_CLOSE_FIN, CH_CONNECT_CLOSE_RESET };

struct ch_connect_options {
    uint32_t close; /* enum ch_connect_close */
};

/* Without any of them: the native heartbeat (connhealth/frame.h). */
struct ch_heartbeat_options {
    struct ch_bytes send;
    struct ch_bytes send_hex;
    struct ch_expect *expect;
    struct ch_bytes expect_hex;
    uint32_t send_buffer; /* SO_SNDBUF in bytes; 0: the kernel's */
};

struct ch_keepalive_options {
    int64_t idle_ns;
    int64_t interval_ns;
    uint32_t count;
    int64_t user_timeout_ns; /* 0: off */
    struct ch_durations verify_after;
};

#endif
