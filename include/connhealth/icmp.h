/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of ICMP errors, as they appear in the label icmp and in JSON: one
 * table, ICMP (RFC 792, RFC 1122, RFC 1812) and ICMPv6 (RFC 4443).
 *
 * Constant data; any thread, no ownership.
 */
#ifndef CONNHEALTH_ICMP_H
#define CONNHEALTH_ICMP_H

#include "connhealth/evidence.h"

/* Never NULL: an error without a row, and none at all, is "other". */
const struct ch_word *ch_icmp_word(const struct ch_icmp *icmp);

#endif
