/* SPDX-License-Identifier: Apache-2.0 */
/* connhealthctl: the operator's command line. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "build.h"
#include "commands.h"
#include "exit_status.h"
#include "layout.h"

static const struct {
    const char *name;
    const char *arguments;
    const char *help;
    int (*run)(char **argv);
} commands[] = {
    {"status", "[flags]", "the daemon, and its probes: failing first, for how long, why",
     ctl_status},
    {"targets", "[flags]", "every probe of every target", ctl_targets},
    {"show", "TARGET [flags]", "all of one target: its last failure with the evidence, its history",
     ctl_show},
    {"watch", "[TARGET] [flags]", "follow the changes, one line each", ctl_watch},
    {"sockets", "[flags]", "the host's own sockets: what is in trouble, units, accept queues, ends",
     ctl_sockets},
    {"reload", "[flags]", "have the daemon read its configuration again", ctl_reload},
    {"probe", "ADDRESS [flags]", "one attempt from here, without a daemon: what failed, and why",
     ctl_probe},
    {"explain", "[NAME]", "what a category, a cause or an errno says, and what it rests on",
     ctl_explain},
    {"check-config", "[FILE]", "validate a configuration and print OK with counts, or every error",
     ctl_check_config},
};

enum { USAGE_WIDTH = 25 };
#define COUNT (sizeof(commands) / sizeof(commands[0]))

static int print_help(void)
{
    printf("connhealthctl is the operator's command line of connhealthd.\n\n"
           "Usage: connhealthctl COMMAND [arguments]\n\n");
    for (size_t i = 0; i < COUNT; i++) {
        char usage[64];

        snprintf(usage, sizeof(usage), "%s %s", commands[i].name, commands[i].arguments);
        layout_row(usage, USAGE_WIDTH, commands[i].help);
    }
    printf("\n  --help, --version, and --help behind each command\n\n");
    layout_wrap(0, 0,
                "Exit status: 0 fine, 1 a failure at run time (of probe: the probe failed), 2 "
                "unusable arguments or configuration.");
    return EXIT_FINE;
}

static int print_version(void)
{
    printf("connhealthctl, version %s (revision %s, compiler %s)\n", ch_build_version(),
           ch_build_revision(), ch_build_compiler());
    return EXIT_FINE;
}

static int run(char **argv)
{
    struct ctl_args args = ctl_args_begin("connhealthctl", argv);

    if (!argv[0]) {
        ctl_refuse(&args, "needs a command, such as status or probe; see --help");
        return EXIT_UNUSABLE;
    }
    if (strcmp(argv[0], "--help") == 0)
        return print_help();
    if (strcmp(argv[0], "--version") == 0)
        return print_version();
    for (size_t i = 0; i < COUNT; i++)
        if (strcmp(argv[0], commands[i].name) == 0)
            return commands[i].run(argv + 1);
    if (argv[0][0] == '-')
        ctl_refuse(&args, "%s: unknown flag, see --help", argv[0]);
    else
        ctl_refuse(&args, "%s: unknown command, see --help", argv[0]);
    return EXIT_UNUSABLE;
}

int main(int argc, char **argv)
{
    int status;

    /* A write to a closed connection is an errno, never a death. */
    signal(SIGPIPE, SIG_IGN);
    status = run(argv + (argc > 0));
    /* A full disk or a closed pipe must not pass for a success. */
    if (fflush(stdout) != 0 && status == EXIT_FINE) {
        perror("connhealthctl: standard output");
        return EXIT_RUNTIME;
    }
    return status;
}
