/* SPDX-License-Identifier: Apache-2.0 */
/* What both programs tell their caller. */
#ifndef CH_DAEMON_EXIT_STATUS_H
#define CH_DAEMON_EXIT_STATUS_H

enum { EXIT_FINE = 0, EXIT_RUNTIME = 1, EXIT_UNUSABLE = 2 };

#endif
