/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_DIAGNOSIS_ERRNOS_H
#define CH_DIAGNOSIS_ERRNOS_H

#include "connhealth/vocabulary.h"

/* What came over the wire when it was the network that caused this errno: NONE
 * for those that only this host can cause. */
enum ch_wire ch_errno_wire(int error);

#endif
