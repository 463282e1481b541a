/* SPDX-License-Identifier: Apache-2.0 */
/* connhealthctl check-config [FILE] */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "commands.h"
#include "exit_status.h"
#include "output.h"

struct request {
    const char *path;
    struct ctl_common common;
};

static bool parse(struct ctl_args *args, struct request *request)
{
    const char *plain;

    for (;;) {
        switch (ctl_args_next(args, &plain)) {
        case CTL_ARG_END:
            return true;
        case CTL_ARG_PLAIN:
            if (request->path)
                return ctl_refuse_plain(args, plain);
            request->path = plain;
            break;
        case CTL_ARG_FLAG:
            if (!ctl_args_common(args, &request->common))
                return false;
            break;
        }
    }
}

static int check_as_json(const struct ctl_args *args, const char *path)
{
    struct ch_config_errors errors = {0};
    struct ch_config *config = NULL;
    int r = ch_config_load(path, &config, &errors);
    int status = r == -EINVAL ? EXIT_UNUSABLE : r < 0 ? EXIT_RUNTIME : EXIT_FINE;

    if (r == 0 || r == -EINVAL)
        r = json_print_check(path, config, &errors);
    if (r < 0) {
        ctl_refuse(args, "%s: %s", path, strerror(-r)); // NOLINT
        status = EXIT_RUNTIME;
    }
    ch_config_errors_clear(&errors);
    ch_config_free(config);
    return status;
}

static int print_help(void)
{
    printf("Usage: connhealthctl check-config [FILE] [--json]\n\n"
           "Reads FILE (default " CH_DEFAULT_CONFIG ") and the conf.d beside it,\n"
           "and prints OK with counts, or every error with its line, column and key.\n");
    return EXIT_FINE;
}

int ctl_check_config(char **argv)
{
    struct ctl_args args = ctl_args_begin("connhealthctl check-config", argv);
    struct request request = {0};

    if (!parse(&args, &request))
        return EXIT_UNUSABLE;
    if (request.common.help)
        return print_help();
    if (!request.path)
        request.path = CH_DEFAULT_CONFIG;
    if (request.common.json)
        return check_as_json(&args, request.path);
    return ch_check_config(args.command, request.path);
}
