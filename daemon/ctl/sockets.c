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
    printf("Usage: connhealthctl sockets [--address ADDRESS] [--json]\n\n"
           "The sockets of the daemon's host as its last sweep saw them: what is in trouble\n"
           "now, the units with their sockets by state, the accept queues, and how\n"
           "connections ended since the daemon began.\n\n"
           "  --address ADDRESS  HOST:PORT or unix:/path where the daemon serves HTTP\n"
           "                     (default " CTL_DEFAULT_ADDRESS ")\n"
           "  --json             as JSON: the body of /api/v1/sockets\n");
    return EXIT_FINE;
}

/* 0, or -ENOMEM, or -EBADMSG. */
static int print_body(const char *body, size_t len, bool json)
{
    struct cJSON *root = json_read(body, len);
    int r = -EBADMSG;

    if (root && json) {
        fwrite(body, 1, len, stdout);
        r = 0;
    } else if (root) {
        r = sockets_report(root);
    }
    json_read_free(root);
    return r;
}

static int sockets(const struct ctl_args *args, const struct ctl_daemon *daemon, bool json)
{
    char *body = NULL;
    size_t len = 0;
    int status = ctl_ask(args, daemon, "sockets", &body, &len), r;

    if (status != EXIT_FINE)
        return status;
    r = print_body(body, len, json);
    free(body);
    return r < 0 ? ctl_answer_refuse(args, r) : EXIT_FINE;
}

int ctl_sockets(char **argv)
{
    struct ctl_args args = ctl_args_begin("connhealthctl sockets", argv);
    struct ctl_daemon daemon = {.address = NULL};
    struct ctl_common common = {.json = false};
    const char *plain;

    for (;;) {
        switch (ctl_args_next(&args, &plain)) {
        case CTL_ARG_END:
            return common.help ? print_help() : sockets(&args, &daemon, common.json);
        case CTL_ARG_PLAIN:
            ctl_refuse_plain(&args, plain);
            return EXIT_UNUSABLE;
        case CTL_ARG_FLAG:
            if (!ctl_daemon_flag(&args, &daemon, &common))
                return EXIT_UNUSABLE;
            break;
        }
    }
}
