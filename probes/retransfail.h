/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCPRetransFail of this network namespace: the only trace that an output
 * firewall leaves when it drops a SYN's retransmission (TCP gets no EPERM).
 */
#ifndef CH_PROBES_RETRANSFAIL_H
#define CH_PROBES_RETRANSFAIL_H

#include <stdint.h>

/* The counter, read again at most every 50 ms; 0 if it cannot be read. Each
 * thread has its own copy. */
uint64_t ch_retrans_fail_read(int64_t now_ns);

#endif
