/* SPDX-License-Identifier: Apache-2.0 */
/* connhealthctl sockets: the host's own sockets, as the running daemon last saw
 * them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "commands.h"
#include "exit_status.h"
#include "json_read.h"
#include "output.h"

static int print_help(void)
{
    printf("Usage: connhealthctl sockets [flags]\n\n"
           "The sockets of the daemon's host as its last sweep saw them: what is in trouble\n"
           "now, the units with their sockets by state, the accept queues, and how\n"
           "connections ended since the daemon began. With --json the body of\n"
           "/api/v1/sockets.\n\n");
    ctl_question_help();
    return EXIT_FINE;
}

/* 0, or -ENOMEM, or -EBADMSG. */
static int print_answer(const struct ctl_answer *answer, bool json)
{
    struct cJSON *root = json_read(answer->body, answer->len);
    int r = root ? 0 : -EBADMSG;

    if (root && json)
        json_print_body(answer->body, answer->len);
    else if (root)
        r = sockets_report(root);
    json_read_free(root);
    return r;
}

int ctl_sockets(char **argv)
{
    struct ctl_question question;
    struct ctl_answer answer;
    int status, r;

    if (!ctl_question_read(&question, "connhealthctl sockets", argv, NULL, false))
        return EXIT_UNUSABLE;
    if (question.common.help)
        return print_help();
    status = ctl_ask(&question, "sockets", &answer);
    if (status != EXIT_FINE)
        return status;
    r = print_answer(&answer, question.common.json);
    free(answer.body);
    return r < 0 ? ctl_answer_refuse(&question, r) : EXIT_FINE;
}
