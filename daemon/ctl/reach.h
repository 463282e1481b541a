/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way to the running daemon: where --address says, or else the first that
 * answers of the system's D-Bus, the unix socket of the packaged service, and the
 * default port of this host.
 */
#ifndef CH_CTL_REACH_H
#define CH_CTL_REACH_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#define CTL_DEFAULT_SOCKET  "/run/connhealthd/http.sock"
#define CTL_DEFAULT_ADDRESS "127.0.0.1:10337"
#define CTL_REASON          512

struct ctl_request {
    const char *address;  /* HOST:PORT or unix:/path; NULL: find the daemon */
    const char *resource; /* what follows /api/v1/; NULL: reload */
    int64_t timeout_ns;
    /* In force while it waits, with poll(2)'s race closed; a signal that comes then
     * ends it with an empty reason. NULL: signals are as they are. */
    const sigset_t *wait_mask;
};

/* As HTTP has them; D-Bus' errors are turned into these. */
enum ctl_status {
    CTL_STATUS_OK = 200,
    CTL_STATUS_BAD_REQUEST = 400,
    CTL_STATUS_FORBIDDEN = 403,
    CTL_STATUS_FAILED = 500, /* of a reload: the body has the errors, one a line */
};

struct ctl_reply {
    unsigned status; /* enum ctl_status, or any other of HTTP */
    char *body;      /* NUL-terminated, the caller's to free */
    size_t len;
    const char *from; /* who answered: the request's address, or a constant */
};

/* The exit status: EXIT_FINE if there was an answer, whatever its status;
 * EXIT_UNUSABLE if the address is none; EXIT_RUNTIME. Without an answer reason
 * says why, in one line of printable text. */
int ctl_reach(const struct ctl_request *request, struct ctl_reply *ret, char reason[CTL_REASON]);

/* The ways, for reach.c; -EINTR for a signal. By HTTP/1.0, bounded in time and size; address is
 * set. */
int ctl_reach_http(const struct ctl_request *request, struct ctl_reply *ret,
                   char reason[CTL_REASON]);
/* By D-Bus; address is not used. EXIT_RUNTIME also if the bus or the daemon is not
 * there, or its answer too large for a bus: then another way may do. */
int ctl_reach_bus(const struct ctl_request *request, struct ctl_reply *ret,
                  char reason[CTL_REASON]);

#endif
