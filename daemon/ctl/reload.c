/* SPDX-License-Identifier: Apache-2.0 */
/* connhealthctl reload: the running daemon reads its configuration again. */
#include <stdio.h>

#include "ask.h"
#include "commands.h"
#include "exit_status.h"

static int print_help(void)
{
    printf("Usage: connhealthctl reload [flags]\n\n"
           "The daemon reads its configuration again. If there is an error in it, each is a\n"
           "line on stderr, the exit status is 2, and the old configuration goes on running.\n"
           "Over D-Bus root alone may ask for it, over HTTP the daemon must have been\n"
           "started with --web.enable-lifecycle; systemctl reload connhealthd does it in any\n"
           "case.\n\n");
    ctl_question_help();
    return EXIT_FINE;
}

int ctl_reload(char **argv)
{
    struct ctl_question question;
    int status;

    if (!ctl_question_read(&question, "connhealthctl reload", argv, NULL, false))
        return EXIT_UNUSABLE;
    if (question.common.help)
        return print_help();
    status = ctl_ask_reload(&question);
    if (question.common.json && status != EXIT_RUNTIME)
        printf("{\"reloaded\":%s}\n", status == EXIT_FINE ? "true" : "false");
    else if (status == EXIT_FINE)
        printf("reloaded\n");
    return status;
}
