/* SPDX-License-Identifier: Apache-2.0 */
/* What a live connection's TCP_INFO says of trouble, before the kernel gives up.
 * Pure. */
#ifndef CH_PROBES_TROUBLE_H
#define CH_PROBES_TROUBLE_H

#include "connhealth/probe.h"

struct ch_trouble_setting {
    int64_t age_ns; /* of the connection */
    int64_t keepalive_interval_ns;
    uint32_t keepalive_count;  /* 0: keepalive is off */
    int64_t user_timeout_ns;   /* 0: off */
    uint64_t request_acked_at; /* as in the evidence; 0: no request is out */
    int64_t waiting_ns;        /* since that request went out; 0: none is out */
    uint32_t retries2;         /* net.ipv4.tcp_retries2 */
    int64_t rto_max_ns;        /* net.ipv4.tcp_rto_max_ms, TCP_RTO_MAX before Linux 6.15 */
};

struct ch_trouble_report ch_trouble_of(const struct ch_tcp_facts *tcp,
                                       const struct ch_trouble_setting *setting);

/* The two settings of this network namespace, read once. */
uint32_t ch_trouble_retries2(void);
int64_t ch_trouble_rto_max_ns(void);

#endif
