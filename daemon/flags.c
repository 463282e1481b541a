/* SPDX-License-Identifier: Apache-2.0 */
#include "flags.h"

#include <stdio.h>
#include <string.h>

#include "check.h"

#define DEFAULT_LISTEN ":10337"

struct flag {
    const char *name;
    const char *value; /* what it takes, for the help; NULL: a switch */
    const char *help;
    /* NULL, or what would be right */
    const char *(*set)(struct ch_flags *flags, const char *value);
};

static const char *set_config(struct ch_flags *flags, const char *value)
{
    flags->config_file = value;
    return *value ? NULL : "a path";
}

static const char *set_check(struct ch_flags *flags, const char *value)
{
    (void)value;
    flags->config_check = true;
    return NULL;
}

static const char *set_listen(struct ch_flags *flags, const char *value)
{
    if (flags->listen_count == CH_LISTEN_MAX)
        return "at most 16 addresses";
    flags->listen[flags->listen_count++] = value;
    return *value ? NULL : "HOST:PORT, :PORT or unix:/path";
}

static const char *set_lifecycle(struct ch_flags *flags, const char *value)
{
    (void)value;
    flags->enable_lifecycle = true;
    return NULL;
}

static const char *set_web_config(struct ch_flags *flags, const char *value)
{
    flags->web_config_file = *value ? value : NULL; /* as for Prometheus, "" is none */
    return NULL;
}

static const char *set_systemd_socket(struct ch_flags *flags, const char *value)
{
    (void)value;
    flags->systemd_socket = true;
    return NULL;
}

static bool choose(const char *value, const char *const *names, unsigned count, unsigned *ret)
{
    for (unsigned i = 0; i < count; i++)
        if (strcmp(value, names[i]) == 0) {
            *ret = i;
            return true;
        }
    return false;
}

static const char *set_level(struct ch_flags *flags, const char *value)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    unsigned level;

    if (!choose(value, names, 4, &level))
        return "debug, info, warn or error";
    flags->log_level = (enum ch_log_level)level;
    return NULL;
}

static const char *set_format(struct ch_flags *flags, const char *value)
{
    static const char *const names[] = {"auto", "journal", "logfmt", "json"};
    unsigned format;

    if (!choose(value, names, 4, &format))
        return "auto, journal, logfmt or json";
    flags->log_format = (enum ch_log_format)format;
    return NULL;
}

static const char *set_version(struct ch_flags *flags, const char *value)
{
    (void)value;
    flags->version = true;
    return NULL;
}

static const char *set_help(struct ch_flags *flags, const char *value)
{
    (void)value;
    flags->help = true;
    return NULL;
}

static const struct flag table[] = {
    {"config.file", "PATH", "configuration file (default " CH_DEFAULT_CONFIG ")", set_config},
    {"config.check", NULL, "check the configuration, print OK with counts, and exit", set_check},
    {"web.listen-address", "HOST:PORT",
     "where to serve HTTP, repeatable; :PORT is every address, unix:/path a socket "
     "(default " DEFAULT_LISTEN ")",
     set_listen},
    {"web.systemd-socket", NULL,
     "listen on the sockets that systemd passes, named http, https and responder; HTTP besides "
     "only where --web.listen-address says so",
     set_systemd_socket},
    {"web.config.file", "PATH",
     "TLS, users and more, in the format of Prometheus' exporter-toolkit", set_web_config},
    {"web.enable-lifecycle", NULL, "allow POST and PUT on /-/reload", set_lifecycle},
    {"log.level", "LEVEL", "debug, info, warn or error (default info)", set_level},
    {"log.format", "FORMAT",
     "auto, journal, logfmt or json (default auto: the journal under systemd, else logfmt)",
     set_format},
    {"version", NULL, "print the version and exit", set_version},
    {"help", NULL, "print this and exit", set_help},
};

#define COUNT (sizeof(table) / sizeof(table[0]))

static const struct flag *find(const char *name, size_t len)
{
    for (size_t i = 0; i < COUNT; i++)
        if (strlen(table[i].name) == len && strncmp(table[i].name, name, len) == 0)
            return &table[i];
    return NULL;
}

static bool refuse(const char *argument, const char *why, const char *right)
{
    fprintf(stderr, "connhealthd: %s: %s%s\n", argument, why, right);
    return false;
}

/* Takes one flag from *argv, with its value from the next argument if need be. */
static bool take_flag(struct ch_flags *flags, char ***argv)
{
    const char *argument = **argv;
    const char *name = argument + 2, *equals = strchr(name, '='), *value = NULL, *right;
    const struct flag *flag;

    if (strncmp(argument, "--", 2) != 0)
        return refuse(argument, "unexpected argument, see --help", "");
    flag = find(name, equals ? (size_t)(equals - name) : strlen(name));
    if (!flag)
        return refuse(argument, "unknown flag, see --help", "");
    if (flag->value) {
        value = equals ? equals + 1 : *++*argv;
        if (!value)
            return refuse(argument, "needs a value: ", flag->value);
    } else if (equals) {
        return refuse(argument, "takes no value", "");
    }
    right = flag->set(flags, value);
    if (right)
        return refuse(argument, "should be ", right);
    ++*argv;
    return true;
}

bool ch_flags_parse(int argc, char **argv, struct ch_flags *ret)
{
    struct ch_flags flags = {.config_file = CH_DEFAULT_CONFIG,
                             .log_level = CH_LOG_INFO,
                             .log_format = CH_LOG_FORMAT_AUTO};
    char **at = argv + (argc > 0);

    while (*at)
        if (!take_flag(&flags, &at))
            return false;
    if (flags.listen_count == 0 && !flags.systemd_socket)
        flags.listen[flags.listen_count++] = DEFAULT_LISTEN;
    *ret = flags;
    return true;
}

void ch_flags_print_help(void)
{
    printf("connhealthd exports the health of connections to Prometheus.\n\n"
           "Usage: connhealthd [flags]\n\n");
    for (size_t i = 0; i < COUNT; i++) {
        char usage[64];

        snprintf(usage, sizeof(usage), "--%s%s%s", table[i].name, table[i].value ? "=" : "",
                 table[i].value ? table[i].value : "");
        printf("  %-32s %s\n", usage, table[i].help);
    }
    printf("\nExit status: 0 fine, 1 a failure at run time, 2 unusable arguments or "
           "configuration.\n");
}
