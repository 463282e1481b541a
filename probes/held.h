/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TCP connection that is held from one attempt to the next: what the
 * persistent kinds have in common. It knows when the connection came up and
 * when it was last used, takes the evidence when it breaks, and has it
 * confirmed before it reports.
 */
#ifndef CH_PROBES_HELD_H
#define CH_PROBES_HELD_H

#include "confirm.h"
#include "dial.h"
#include "exchange.h"
#include "trouble.h"

/* What every exchange touches comes first. */
struct ch_held {
    struct ch_probe *probe;
    int64_t established_at, used_at;
    struct ch_evidence *pending; /* waits for the confirming connect */
    uint32_t soft_errors;
    int32_t soft_error;
    uint8_t trouble; /* enum ch_trouble, as last reported */
    bool up;
    bool goodbye; /* came on this connection */
    struct ch_dial dial;
    struct ch_exchange *exchange; /* whose ids are compared; NULL: none */
    struct ch_confirm_probe *confirm;
};

void ch_held_init(struct ch_held *held, struct ch_probe *probe, struct ch_exchange *exchange,
                  void (*dialled)(struct ch_dial *dial, const struct ch_evidence *failure));
/* The dial succeeded: events go to on_ready. Negative errno of epoll. */
int ch_held_established(struct ch_held *held, void (*on_ready)(struct ch_io *io, uint32_t events),
                        uint32_t events);

/* Fills what is common to every evidence of this connection. */
void ch_held_describe(const struct ch_held *held, struct ch_evidence *evidence);

/* The connection is dead: completes the evidence, closes, confirms, reports.
 * The probe must not be touched afterwards. */
void ch_held_broke(struct ch_held *held, struct ch_evidence *evidence);

/* Reports, with a confirming connect first if confirm is set and the spec
 * allows it. The probe must not be touched afterwards. */
void ch_held_report(struct ch_held *held, const struct ch_evidence *evidence, bool confirm);

/* The answer came while its absence was being confirmed: the confirmation is
 * called off, and the miss reported as a late answer. The probe must not be
 * touched afterwards. */
void ch_held_answered_late(struct ch_held *held);

/* An errno on a connection that lives on: a hint. */
void ch_held_soft_error(struct ch_held *held, int error);

/* Says what trouble the connection is in now, if that is news or lasts. */
void ch_held_watch(struct ch_held *held, struct ch_trouble_setting *setting);
void ch_held_calm(struct ch_held *held); /* no trouble any more */

/* Closes a live connection without a report (connection(false) is told). */
void ch_held_drop(struct ch_held *held);
void ch_held_release(struct ch_held *held);

static inline bool ch_held_reporting(const struct ch_held *held)
{
    return held->pending != NULL;
}

#endif
