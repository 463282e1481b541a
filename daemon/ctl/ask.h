/* SPDX-License-Identifier: Apache-2.0 */
/* The running daemon, asked for a resource of its API: what the subcommands have
 * in common that ask it. */
#ifndef CH_CTL_ASK_H
#define CH_CTL_ASK_H

#include <signal.h>

#include "args.h"
#include "text.h"

struct ctl_question {
    struct ctl_args args;
    struct ctl_common common;
    const char *plain;         /* the one argument that is no flag; NULL if there was none */
    const char *address;       /* HOST:PORT or unix:/path; NULL: the default */
    int64_t timeout_ns;        /* of each answer */
    const sigset_t *wait_mask; /* as in reach.h */
    bool quiet;                /* say nothing of a daemon that does not answer */
};

/* Reads the arguments: --address, --timeout, --json, --help, those of flags (NULL:
 * none), and one plain argument if takes_plain. False with a message. */
bool ctl_question_read(struct ctl_question *question, const char *command, char **argv,
                       const struct ctl_flag *flags, bool takes_plain);
/* The help of the flags that each such subcommand has. */
void ctl_question_help(void);

/* Appends ?key=value or &key=value, encoded (RFC 3986, 2.1); nothing for NULL. */
void ctl_resource_add(struct ch_text *resource, const char *key, const char *value);

struct ctl_answer {
    char *body; /* NUL-terminated, the caller's to free */
    size_t len;
};

/* resource: what follows /api/v1/, with its query encoded. The exit status; unless
 * EXIT_FINE a line on stderr has said why. */
int ctl_ask(const struct ctl_question *question, const char *resource, struct ctl_answer *ret);
/* The same; EXIT_FINE after a reload, EXIT_UNUSABLE with the lines of what is wrong
 * with the configuration. */
int ctl_ask_reload(const struct ctl_question *question);

/* An answer that cannot be used, by the errno of reading it; EXIT_RUNTIME. */
int ctl_answer_refuse(const struct ctl_question *question, int r);

#endif
