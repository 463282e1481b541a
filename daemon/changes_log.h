/* SPDX-License-Identifier: Apache-2.0 */
/* One log line for each change of outcome. */
#ifndef CH_DAEMON_CHANGES_LOG_H
#define CH_DAEMON_CHANGES_LOG_H

#include "changes.h"

/* Main thread: logs all that wait. */
void ch_changes_log(struct ch_changes *changes);

#endif
