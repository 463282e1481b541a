/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arguments of one subcommand: flags as --name=value or --name value, in any
 * order with the rest. "-" and "_" in a name are the same.
 */
#ifndef CH_CTL_ARGS_H
#define CH_CTL_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CTL_FLAG_NAME 64

struct ctl_args {
    const char *command; /* for messages: "connhealthctl probe" */
    char **at;           /* the next argument; NULL-terminated */
    const char *flag;    /* the present flag as it was written */
    char name[CTL_FLAG_NAME];
    const char *inline_value; /* after "=", NULL if there was none */
    bool no_more_flags;       /* "--" was seen */
};

enum ctl_arg { CTL_ARG_END, CTL_ARG_FLAG, CTL_ARG_PLAIN };

struct ctl_args ctl_args_begin(const char *command, char **argv);
/* A flag: args->name, with "_" for "-". A plain argument: *ret_plain. */
enum ctl_arg ctl_args_next(struct ctl_args *args, const char **ret_plain);

/* The present flag's value; false with a message if there is none. */
bool ctl_args_value(struct ctl_args *args, const char **ret);
/* False with a message if it was given one. */
bool ctl_args_switch(struct ctl_args *args, bool *ret);

/* What every subcommand takes: --json and --help. Any other flag is refused. */
struct ctl_common {
    bool json, help;
};
bool ctl_args_common(struct ctl_args *args, struct ctl_common *common);

/* A subcommand's own flag: either a switch or one with a value. */
struct ctl_flag {
    const char *name; /* with "_" for "-"; NULL ends a table */
    bool *given;
    const char **value;
};
/* The present flag, if the table has it; *ret_known tells. */
bool ctl_args_flag(struct ctl_args *args, const struct ctl_flag *flags, bool *ret_known);

/* Values of flags; false with a message if they are none. */
bool ctl_args_duration(const struct ctl_args *args, const char *name, const char *value,
                       int64_t min_ns, int64_t max_ns, int64_t *ret_ns);
bool ctl_args_number(const struct ctl_args *args, const char *name, const char *value, unsigned max,
                     unsigned *ret);

/* One line on stderr, that begins with the command; always false. */
bool ctl_refuse(const struct ctl_args *args, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
bool ctl_refuse_plain(const struct ctl_args *args, const char *plain);

#endif
