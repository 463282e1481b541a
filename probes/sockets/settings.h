/* SPDX-License-Identifier: Apache-2.0 */
/* Settings that own all they point to, in one piece. */
#ifndef CH_SOCKETS_SETTINGS_H
#define CH_SOCKETS_SETTINGS_H

#include "connhealth/sockets.h"

/* NULL: out of memory. Freed with free(). */
struct ch_sockets_settings *ch_sockets_settings_copy(const struct ch_sockets_settings *settings);

#endif
