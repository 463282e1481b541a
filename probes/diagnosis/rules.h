/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_DIAGNOSIS_RULES_H
#define CH_DIAGNOSIS_RULES_H

#include "connhealth/outcome.h"

/* The index of the first rule that holds for a failed attempt; there always is
 * one, because the last holds for everything. */
unsigned ch_rule_match(const struct ch_evidence *evidence);

#endif
