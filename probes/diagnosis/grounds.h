/* SPDX-License-Identifier: Apache-2.0 */
/* The tests that the rules rest on. What each asks is said in words by its row
 * in rules.c. */
#ifndef CH_DIAGNOSIS_GROUNDS_H
#define CH_DIAGNOSIS_GROUNDS_H

#include "connhealth/evidence.h"

/* this host, the name, the reply */
bool ch_ground_local_limit(const struct ch_evidence *e);
bool ch_ground_name_not_found(const struct ch_evidence *e);
bool ch_ground_resolver_failed(const struct ch_evidence *e);
bool ch_ground_mismatch(const struct ch_evidence *e);
bool ch_ground_killed_locally(const struct ch_evidence *e);
bool ch_ground_datagram_forbidden(const struct ch_evidence *e);
bool ch_ground_call_forbidden(const struct ch_evidence *e);

/* an ICMP error answered the SYN or the datagram */
bool ch_ground_own_link_icmp(const struct ch_evidence *e);
bool ch_ground_own_link_icmp_and_stuck(const struct ch_evidence *e);
bool ch_ground_own_firewall_says_host(const struct ch_evidence *e);
bool ch_ground_udp_port_unreachable(const struct ch_evidence *e);
bool ch_ground_rejected_here(const struct ch_evidence *e);
bool ch_ground_rejected_there(const struct ch_evidence *e);
bool ch_ground_rejected(const struct ch_evidence *e);
bool ch_ground_router_gave_up(const struct ch_evidence *e);

/* no connection yet, no ICMP error */
bool ch_ground_no_route(const struct ch_evidence *e);
bool ch_ground_route_prohibits(const struct ch_evidence *e);
bool ch_ground_refused_by_rst(const struct ch_evidence *e);
bool ch_ground_refused_datagram(const struct ch_evidence *e);
bool ch_ground_datagrams_kept(const struct ch_evidence *e);
bool ch_ground_silent_datagram(const struct ch_evidence *e);
bool ch_ground_silent_start(const struct ch_evidence *e);
bool ch_ground_syn_stuck(const struct ch_evidence *e);
bool ch_ground_syn_refused_here(const struct ch_evidence *e);
bool ch_ground_reset_at_once(const struct ch_evidence *e);

/* an established connection, seen from this host */
bool ch_ground_zero_window(const struct ch_evidence *e);
bool ch_ground_slow_reader(const struct ch_evidence *e);
bool ch_ground_route_lost(const struct ch_evidence *e);
bool ch_ground_neighbour_silent(const struct ch_evidence *e);
bool ch_ground_neighbour_or_route(const struct ch_evidence *e);
bool ch_ground_application_hung(const struct ch_evidence *e);
bool ch_ground_hung_for_sure(const struct ch_evidence *e);
bool ch_ground_no_greeting(const struct ch_evidence *e);

/* the peer's own word */
bool ch_ground_goodbye(const struct ch_evidence *e);
bool ch_ground_new_boot(const struct ch_evidence *e);
bool ch_ground_new_instance(const struct ch_evidence *e);
bool ch_ground_reset_in_answer(const struct ch_evidence *e);
bool ch_ground_same_and_closed(const struct ch_evidence *e);
bool ch_ground_same_and_reset(const struct ch_evidence *e);
bool ch_ground_same_and_silent(const struct ch_evidence *e);

/* what the confirming connect met */
bool ch_ground_ended_and_refused(const struct ch_evidence *e);
bool ch_ground_aborted(const struct ch_evidence *e);
bool ch_ground_closed_and_connected(const struct ch_evidence *e);
bool ch_ground_ended_and_gone(const struct ch_evidence *e);
bool ch_ground_confirm_rejected(const struct ch_evidence *e);
bool ch_ground_confirm_met_router(const struct ch_evidence *e);
bool ch_ground_told_rejected(const struct ch_evidence *e);
bool ch_ground_told_unreachable(const struct ch_evidence *e);
bool ch_ground_silent_and_connected(const struct ch_evidence *e);
bool ch_ground_silent_and_refused(const struct ch_evidence *e);
bool ch_ground_retransmissions_refused(const struct ch_evidence *e);
bool ch_ground_silent_and_silent(const struct ch_evidence *e);

#endif
