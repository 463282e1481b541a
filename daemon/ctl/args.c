/* SPDX-License-Identifier: Apache-2.0 */
#include "args.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connhealth/option.h"
#include "connhealth/text.h"

struct ctl_args ctl_args_begin(const char *command, char **argv)
{
    return (struct ctl_args){.command = command, .at = argv};
}

/* A name that is too long is cut, and then is no flag's. */
static void take_flag(struct ctl_args *args, const char *text)
{
    size_t len = strcspn(text + 2, "=");

    args->flag = text;
    args->inline_value = text[2 + len] == '=' ? text + 2 + len + 1 : NULL;
    if (len >= sizeof(args->name))
        len = sizeof(args->name) - 1;
    memcpy(args->name, text + 2, len);
    args->name[len] = '\0';
    for (char *c = args->name; *c; c++)
        if (*c == '-')
            *c = '_';
}

enum ctl_arg ctl_args_next(struct ctl_args *args, const char **ret_plain)
{
    const char *text = *args->at;

    if (!text)
        return CTL_ARG_END;
    args->at++;
    if (!args->no_more_flags && strcmp(text, "--") == 0) {
        args->no_more_flags = true;
        return ctl_args_next(args, ret_plain);
    }
    if (args->no_more_flags || text[0] != '-' || text[1] == '\0') {
        *ret_plain = text;
        return CTL_ARG_PLAIN;
    }
    if (text[1] == '-') {
        take_flag(args, text);
    } else {
        args->flag = text;
        args->inline_value = NULL;
        snprintf(args->name, sizeof(args->name), "%s", text);
    }
    return CTL_ARG_FLAG;
}

bool ctl_args_value(struct ctl_args *args, const char **ret)
{
    *ret = args->inline_value;
    if (!*ret && *args->at)
        *ret = *args->at++;
    if (!*ret)
        return ctl_refuse(args, "%s: needs a value", args->flag);
    return true;
}

bool ctl_args_switch(struct ctl_args *args, bool *ret)
{
    if (args->inline_value)
        return ctl_refuse(args, "--%s: takes no value", args->name);
    *ret = true;
    return true;
}

bool ctl_args_flag(struct ctl_args *args, const struct ctl_flag *flags, bool *ret_known)
{
    *ret_known = true;
    for (; flags->name; flags++)
        if (strcmp(args->name, flags->name) == 0)
            return flags->given ? ctl_args_switch(args, flags->given)
                                : ctl_args_value(args, flags->value);
    *ret_known = false;
    return true;
}

bool ctl_args_duration(const struct ctl_args *args, const char *name, const char *value,
                       int64_t min_ns, int64_t max_ns, int64_t *ret_ns)
{
    char quoted[CH_QUOTED_TEXT], min[CH_DURATION_TEXT], max[CH_DURATION_TEXT];

    ch_text_quote(value, strlen(value), quoted);
    if (ch_duration_parse(value, strlen(value), ret_ns) == -EINVAL)
        return ctl_refuse(args, "--%s: %s is not a duration (examples: 500ms, 10s, 1m30s)", name,
                          quoted);
    if (*ret_ns < min_ns || *ret_ns > max_ns)
        return ctl_refuse(args, "--%s: %s is out of range (%s to %s)", name, quoted,
                          ch_duration_format(min_ns, min), ch_duration_format(max_ns, max));
    return true;
}

bool ctl_args_number(const struct ctl_args *args, const char *name, const char *value, unsigned max,
                     unsigned *ret)
{
    char quoted[CH_QUOTED_TEXT];
    unsigned long number = 0;
    char *end = NULL;

    if (value[0] >= '0' && value[0] <= '9')
        number = strtoul(value, &end, 10);
    if (!end || *end != '\0' || number > max)
        return ctl_refuse(args, "--%s: %s is not a whole number up to %u", name,
                          ch_text_quote(value, strlen(value), quoted), max);
    *ret = (unsigned)number;
    return true;
}

bool ctl_refuse(const struct ctl_args *args, const char *format, ...)
{
    va_list list;

    fprintf(stderr, "%s: ", args->command);
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
    return false;
}

bool ctl_refuse_plain(const struct ctl_args *args, const char *plain)
{
    char quoted[CH_QUOTED_TEXT];

    return ctl_refuse(args, "%s: unexpected argument, see --help",
                      ch_text_quote(plain, strlen(plain), quoted));
}

bool ctl_args_common(struct ctl_args *args, struct ctl_common *common)
{
    char quoted[CH_QUOTED_TEXT];

    if (strcmp(args->name, "json") == 0)
        return ctl_args_switch(args, &common->json);
    if (strcmp(args->name, "help") == 0)
        return ctl_args_switch(args, &common->help);
    return ctl_refuse(args, "%s: unknown flag, see --help",
                      ch_text_quote(args->flag, strlen(args->flag), quoted));
}
