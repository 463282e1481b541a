/* SPDX-License-Identifier: Apache-2.0 */
/* One exchange with a running daemon over HTTP/1.0, bounded in time and size. */
#ifndef CH_CTL_FETCH_H
#define CH_CTL_FETCH_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#define CTL_REASON 512

struct ctl_fetch {
    const char *address; /* HOST:PORT or unix:/path, as --web.listen-address has it */
    const char *method;
    const char *path; /* with its query, already encoded */
    int64_t timeout_ns;
    /* In force while it waits, with poll(2)'s race closed; a signal that comes then
     * ends it with an empty reason. NULL: signals are as they are. */
    const sigset_t *wait_mask;
};

struct ctl_fetched {
    unsigned status; /* of HTTP */
    char *body;      /* NUL-terminated, the caller's to free */
    size_t len;
};

/* The exit status: EXIT_FINE if there was an answer, whatever its status;
 * EXIT_UNUSABLE if the address is none; EXIT_RUNTIME. Without an answer reason
 * says why, in one line of printable text that begins with the address. */
int ctl_fetch(const struct ctl_fetch *request, struct ctl_fetched *ret, char reason[CTL_REASON]);

#endif
