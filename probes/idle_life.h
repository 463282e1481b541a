/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long an idle connection lives on the path: a connection is left idle for
 * each age of a list in turn, without keepalive, and then used once. It is used
 * by switching the kernel's keepalive on, which any TCP peer answers, whatever
 * it speaks.
 *
 * Only the use at the end of the age counts. A connection that the peer ends in
 * between says nothing of the path; one that died counts only if a new one can
 * be made at once, since else the peer is gone and not the flow.
 */
#ifndef CH_PROBES_IDLE_LIFE_H
#define CH_PROBES_IDLE_LIFE_H

#include "connhealth/probe.h"

struct ch_idle_watch;

/* Results go to prober->ops->idle_life(probe). ages and address are borrowed,
 * ages not empty. 0 or -ENOMEM. */
int ch_idle_watch_new(struct ch_probe *probe, const struct ch_durations *ages,
                      struct ch_idle_watch **ret);
/* Begins if it has not yet. */
void ch_idle_watch_start(struct ch_idle_watch *watch);
struct ch_idle_watch *ch_idle_watch_free(struct ch_idle_watch *watch); /* takes NULL */

#endif
