/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users and passwords. A bcrypt hash takes tens of milliseconds: it is computed
 * on a thread of its own, one at a time, while the server serves others. What
 * was right once is known from then on by a keyed hash, until the user's entry
 * changes. A name that does not exist takes as long as a wrong password.
 *
 * An address that guesses is told to wait after a few failures, and nothing is
 * computed for it meanwhile; who is known already is let in even then.
 */
#ifndef CH_SURFACE_HTTP_AUTH_H
#define CH_SURFACE_HTTP_AUTH_H

#include "connhealth/address.h"
#include "web.h"

struct http_auth;
struct http_check; /* one computation */

enum http_verdict {
    HTTP_GRANTED,
    HTTP_DENIED,
    HTTP_LATER,   /* *ret_wait_ns says when to ask again */
    HTTP_PENDING, /* *ret_check must be computed */
};

/* Starts the thread. 0 or a negative errno. */
int http_auth_new(struct http_auth **ret);
/* Ends the thread; every check is done (and denied) before that returns. Takes
 * NULL, does nothing. To be called before those are freed who wait. */
void http_auth_stop(struct http_auth *auth);
struct http_auth *http_auth_free(struct http_auth *auth); /* takes NULL, returns NULL */

/* header: Authorization's value, or NULL. done(context) is called on the thread
 * when a started check is done; it must not call back. */
struct http_question {
    struct ch_web_state *state;
    const char *header;
    struct ch_addr addr;
    void (*done)(void *context);
    void *context;
};
enum http_verdict http_auth_ask(struct http_auth *auth, const struct http_question *question,
                                struct http_check **ret_check, int64_t *ret_wait_ns);
void http_auth_start(struct http_auth *auth, struct http_check *check);
/* After it is done: what came out; frees it. */
enum http_verdict http_auth_finish(struct http_check *check);

#endif
