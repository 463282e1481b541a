/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets that were passed to the process by systemd, or by whoever
 * speaks its protocol (sd_listen_fds(3)), each with a name that says what it is
 * for: http and https the web, responder the native heartbeats.
 */
#ifndef CH_DAEMON_PASSED_H
#define CH_DAEMON_PASSED_H

#include <stdbool.h>
#include <stddef.h>

#include "connhealth/responder.h"

#define CH_PASSED_MAX 32

/* The sockets stay open until the process ends. */
struct ch_passed {
    int web[CH_PASSED_MAX];
    size_t web_count; /* at least one */
    bool wants_tls;   /* one of them is named https */
    struct ch_responder_passed responder[CH_PASSED_MAX];
    size_t responder_count;
};

/* Passes over descriptors that are no sockets, as a file descriptor store may
 * hold. False with a line on stderr for each thing that is wrong. */
bool ch_passed_take(struct ch_passed *ret);

#endif
