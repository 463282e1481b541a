/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCPRetransFail of this network namespace: the only trace that an output
 * firewall leaves when it drops a SYN's retransmission (TCP gets no EPERM).
 */
#ifndef CH_PROBES_RETRANSFAIL_H
#define CH_PROBES_RETRANSFAIL_H

#include <stdbool.h>
#include <stdint.h>

/* The counter as it was at most 50 ms ago: a baseline, shared by all who need
 * one at the same time. 0 if it cannot be read. Each thread has its own copy. */
uint64_t ch_retrans_fail_baseline(int64_t now_ns);

/* Whether it has moved since, up to this moment. */
bool ch_retrans_fail_moved(uint64_t baseline);

#endif
