/* SPDX-License-Identifier: Apache-2.0 */
/* The running daemon, asked for a resource of its API. */
#ifndef CH_CTL_ASK_H
#define CH_CTL_ASK_H

#include "args.h"
#include "fetch.h"

#define CTL_DEFAULT_ADDRESS "127.0.0.1:10337"

struct ctl_daemon {
    const char *address; /* HOST:PORT or unix:/path; NULL: the default */
};

/* The flags of every subcommand that asks: --address, --json, --help. */
bool ctl_daemon_flag(struct ctl_args *args, struct ctl_daemon *daemon, struct ctl_common *common);

/* resource: what follows /api/v1/, with its query encoded. The exit status; with
 * EXIT_FINE *ret_body is the caller's, NUL-terminated, else a line on stderr says
 * why. */
int ctl_ask(const struct ctl_args *args, const struct ctl_daemon *daemon, const char *resource,
            char **ret_body, size_t *ret_len);

/* An answer that cannot be used, by the errno of reading it; EXIT_RUNTIME. */
int ctl_answer_refuse(const struct ctl_args *args, int r);

#endif
