/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The confirming connect: one fresh connection to the address whose connection
 * just broke or fell silent. It tells a lost flow from a lost host, and a dead
 * process from a closed connection; over the native protocol it also brings the
 * peer's ids, which decide between restart, reboot and middlebox.
 *
 * It starts CONFIRM_SETTLE after the break, because an exiting process closes
 * its listener and its connections one after the other, and it takes its turn
 * in a budget that all probes share, so that hundreds of breaks at once become
 * a trickle and not a flood; beyond the budget none is made.
 */
#ifndef CH_PROBES_CONFIRM_H
#define CH_PROBES_CONFIRM_H

#include "connhealth/probe.h"
#include "dial.h"
#include "exchange.h"

struct ch_confirm_probe;

struct ch_confirm_result {
    enum ch_confirm result;
    struct ch_icmp icmp;
    int error;
    bool stuck;     /* its SYN still waited in this host when it was due to be repeated */
    bool ids_known; /* native, and it answered */
    struct ch_identity_ids ids;
};

/* Starts one; done is called once, later, within CH_CONFIRM_NS and the budget's
 * wait of at most CH_CONFIRM_WAIT_NS, with context, after which the object is
 * freed by itself. 0; -EBUSY when the budget has none left; -ENOMEM. */
#define CH_CONFIRM_WAIT_NS (INT64_C(500) * 1000000)
int ch_confirm_start(struct ch_prober *prober, const struct ch_addr *peer, bool native,
                     void (*done)(void *context, const struct ch_confirm_result *result),
                     void *context, struct ch_confirm_probe **ret);
/* Ends one that is still out, without a call of done. Takes NULL, returns NULL. */
struct ch_confirm_probe *ch_confirm_cancel(struct ch_confirm_probe *confirm);

#endif
