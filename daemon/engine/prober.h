/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The prober's thread: the loop, the resolver, the responder and every runner.
 * The only thread that probes; the main one hands it a generation at a time.
 */
#ifndef CH_ENGINE_PROBER_H
#define CH_ENGINE_PROBER_H

#include "changes.h"
#include "connhealth/responder.h"
#include "events.h"
#include "generation.h"

struct ch_prober_thread;

/* events, changes and counters are the caller's and outlive the prober. */
int ch_prober_new(struct ch_events *events, struct ch_changes *changes,
                  struct ch_responder_counters *counters, struct ch_prober_thread **ret);

/* Sockets for responder.listen that were passed to the process, see
 * ch_responder_lend(); one whose address is not configured is logged. Borrowed
 * until ch_prober_free(). Before the first ch_prober_apply(). */
void ch_prober_lend(struct ch_prober_thread *prober, struct ch_responder_passed *passed,
                    size_t count);

/* Takes a reference of its own. Series that previous (the generation applied
 * before, NULL at first) had with the same settings go on undisturbed; others
 * are started or ended. Before
 * ch_prober_start() it acts at once and returns 0 or a negative errno, with the
 * address that could not be listened on in *ret_failed (if it was that); after,
 * it is handed over, and a responder that cannot listen is logged. */
int ch_prober_apply(struct ch_prober_thread *prober, struct ch_generation *generation,
                    const struct ch_generation *previous, struct ch_addr *ret_failed);

int ch_prober_start(struct ch_prober_thread *prober);
/* Ends the thread: nothing is counted any more. */
void ch_prober_stop(struct ch_prober_thread *prober);
/* The same, says the responder's goodbyes, closes everything. Takes
 * NULL, returns NULL. */
struct ch_prober_thread *ch_prober_free(struct ch_prober_thread *prober);

/* Sleep and shutdown. At rest nothing is probed, and what is held is closed: none
 * of that is a failure, and counters stay. A responder at rest has said goodbye
 * to its clients and does not listen. Awake again, probes begin at their places.
 * Main thread; the descriptor becomes readable when it has come into force. */
enum ch_rest { CH_REST_NONE, CH_REST_RESPONDER, CH_REST_ALL };
void ch_prober_rest(struct ch_prober_thread *prober, enum ch_rest rest);
int ch_prober_rested_fd(const struct ch_prober_thread *prober);

/* Before ch_prober_start(). */
void ch_prober_lag_set(struct ch_prober_thread *prober, const struct ch_loop_lag *lag);
const struct ch_loop_lag *ch_prober_lag(const struct ch_prober_thread *prober);
/* Makes the loop turn once and tells how often it did: twice the same number
 * some time apart means that it hangs. Frees what a reload has left. Any thread
 * but the prober's. */
uint64_t ch_prober_pulse(struct ch_prober_thread *prober);

#endif
