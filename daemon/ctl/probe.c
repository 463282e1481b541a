/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connhealthctl probe ADDRESS: the arguments become a probe's specification. A
 * kind's own options come from its table, under the keys of the configuration.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "commands.h"
#include "connhealth/clock.h"
#include "connhealth/probe_options.h"
#include "connhealth/text.h"
#include "exit_status.h"
#include "layout.h"
#include "output.h"
#include "unescape.h"

#define DEFAULT_TIMEOUT_NS (3 * CH_NS_PER_S)
#define TIMEOUT_MIN_NS     CH_NS_PER_MS
#define TIMEOUT_MAX_NS     (24 * 3600 * CH_NS_PER_S)
#define OPTIONS_MAX        32
#define HELP_WIDTH         21

struct given_option {
    char name[CTL_FLAG_NAME];
    const char *flag; /* as it was written */
    const char *value;
};

struct request {
    const char *address;
    bool has_kind, has_transport, no_confirm;
    enum ch_probe_kind kind;
    enum ch_transport transport;
    int64_t timeout_ns;
    struct ctl_common common;
    struct given_option options[OPTIONS_MAX];
    size_t option_count;
};

static bool set_kind(struct ctl_args *args, struct request *request)
{
    const char *value;

    if (!ctl_args_value(args, &value))
        return false;
    request->has_kind = true;
    if (!ch_probe_kind_from_slug(value, &request->kind))
        return ctl_refuse(args, "--%s: should be connect, heartbeat or keepalive", args->name);
    return true;
}

static bool set_transport(struct ctl_args *args, struct request *request)
{
    const char *value;

    if (!ctl_args_value(args, &value))
        return false;
    request->has_transport = true;
    for (unsigned i = CH_TRANSPORT_TCP; i <= CH_TRANSPORT_UDP; i++)
        if (strcmp(value, ch_transport_slug((enum ch_transport)i)) == 0) {
            request->transport = (enum ch_transport)i;
            return true;
        }
    return ctl_refuse(args, "--transport: should be tcp or udp");
}

static bool set_udp(struct ctl_args *args, struct request *request)
{
    request->transport = CH_TRANSPORT_UDP;
    return ctl_args_switch(args, &request->has_transport);
}

static bool set_timeout(struct ctl_args *args, struct request *request)
{
    const char *value;

    return ctl_args_value(args, &value) &&
           ctl_args_duration(args, args->name, value, TIMEOUT_MIN_NS, TIMEOUT_MAX_NS,
                             &request->timeout_ns);
}

static bool set_no_confirm(struct ctl_args *args, struct request *request)
{
    return ctl_args_switch(args, &request->no_confirm);
}

static const struct {
    const char *name;
    bool (*set)(struct ctl_args *args, struct request *request);
    const char *usage, *help; /* NULL: another name of the one before */
} flags[] = {
    {"probe", set_kind, "--probe KIND",
     "connect (default), heartbeat or keepalive; --kind is the same"},
    {"kind", set_kind, NULL, NULL},
    {"transport", set_transport, "--transport NAME",
     "tcp (default) or udp; --udp is the same as --transport udp"},
    {"udp", set_udp, NULL, NULL},
    {"timeout", set_timeout, "--timeout DURATION",
     "of the attempt (default 3s); a keepalive's connection is held so long"},
    {"no_confirm", set_no_confirm, "--no-confirm",
     "without the connect that tells a lost flow from a lost host"},
};

static const char *kind_slug(unsigned kind)
{
    return ch_probe_kind_word((enum ch_probe_kind)kind)->slug;
}

static bool is_option_of_some_kind(const char *name)
{
    for (unsigned i = 0; i < CH_PROBE_KIND_COUNT; i++)
        if (ch_option_find(ch_probe_ops_of((enum ch_probe_kind)i)->options, name))
            return true;
    return false;
}

/* Kept until all arguments are read: the kind may come later. */
static bool keep_option(struct ctl_args *args, struct request *request)
{
    struct given_option *option = &request->options[request->option_count];

    if (request->option_count == OPTIONS_MAX)
        return ctl_refuse(args, "%s: too many options", args->flag);
    memcpy(option->name, args->name, sizeof(option->name));
    option->flag = args->flag;
    request->option_count++;
    return ctl_args_value(args, &option->value);
}

static bool take_flag(struct ctl_args *args, struct request *request)
{
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        if (strcmp(args->name, flags[i].name) == 0)
            return flags[i].set(args, request);
    if (is_option_of_some_kind(args->name))
        return keep_option(args, request);
    return ctl_args_common(args, &request->common);
}

static bool parse(struct ctl_args *args, struct request *request)
{
    const char *plain;

    for (;;) {
        switch (ctl_args_next(args, &plain)) {
        case CTL_ARG_END:
            return true;
        case CTL_ARG_PLAIN:
            if (request->address)
                return ctl_refuse_plain(args, plain);
            request->address = plain;
            break;
        case CTL_ARG_FLAG:
            if (!take_flag(args, request))
                return false;
            break;
        }
    }
}

/* Texts take the escapes of C, because a shell has none for \r\n. */
static bool set_text(struct ctl_args *args, const struct given_option *given,
                     const struct ch_option *row, void *options)
{
    char reason[CH_REASON_TEXT];
    char *bytes = malloc(strlen(given->value) + 1);
    const char *why;
    size_t len, offset;
    int r;

    if (!bytes)
        return ctl_refuse(args, "%s", strerror(ENOMEM)); // NOLINT
    why = ctl_unescape(given->value, bytes, &len, &offset);
    if (why) {
        free(bytes);
        return ctl_refuse(args, "--%s: \"%.2s\" at position %zu %s", given->name,
                          given->value + offset, offset + 1, why);
    }
    r = ch_option_parse(row, bytes, len, options, reason);
    free(bytes);
    return r == 0 ? true : ctl_refuse(args, "--%s: %s", given->name, reason);
}

static bool set_option(struct ctl_args *args, const struct given_option *given,
                       const struct ch_probe_ops *kind, void *options)
{
    const struct ch_option *row = ch_option_find(kind->options, given->name);
    char reason[CH_REASON_TEXT];
    int r;

    if (!row)
        return ctl_refuse(args, "--%s: a %s probe has no such option; see --help", given->name,
                          kind_slug(kind->kind));
    if (row->type == CH_OPTION_TEXT)
        return set_text(args, given, row, options);
    r = ch_option_parse(row, given->value, strlen(given->value), options, reason);
    if (r == -ENOMEM)
        return ctl_refuse(args, "%s", strerror(ENOMEM)); // NOLINT
    return r == 0 ? true : ctl_refuse(args, "--%s: %s", given->name, reason);
}

static bool set_options(struct ctl_args *args, const struct request *request,
                        const struct ch_probe_ops *kind, void *options)
{
    const char *key = NULL, *why;

    for (size_t i = 0; i < request->option_count; i++)
        if (!set_option(args, &request->options[i], kind, options))
            return false;
    why = kind->check ? kind->check(options, request->transport, &key) : NULL;
    if (why)
        return ctl_refuse(args, "--%s: %s", key, why);
    return true;
}

/* What was not said follows from what was. */
static bool complete(struct ctl_args *args, struct request *request, struct ctl_attempt *attempt)
{
    const struct ch_probe_ops *kind;
    char quoted[CH_QUOTED_TEXT];
    const char *why = ch_hostport_parse(request->address, &attempt->spec.address);

    if (why)
        return ctl_refuse(args, "%s: %s",
                          ch_text_quote(request->address, strlen(request->address), quoted), why);
    if (!request->has_kind && request->transport == CH_TRANSPORT_UDP)
        request->kind = CH_PROBE_HEARTBEAT;
    kind = ch_probe_ops_of(request->kind);
    if (!(request->transport == CH_TRANSPORT_UDP ? kind->udp : kind->tcp))
        return ctl_refuse(args, "a %s probe does not speak %s", kind_slug(request->kind),
                          ch_transport_slug(request->transport));
    attempt->target = request->address;
    attempt->timeout_ns = request->timeout_ns;
    attempt->spec.ops = kind;
    attempt->spec.transport = request->transport;
    attempt->spec.confirm = !request->no_confirm;
    return true;
}

static int run(struct ctl_args *args, struct ctl_attempt *attempt, bool json)
{
    int r = ctl_attempt_run(attempt);

    if (r == 0 && json)
        r = json_print_probe(attempt);
    else if (r == 0)
        probe_report(attempt);
    if (r < 0) {
        ctl_refuse(args, "cannot probe: %s", strerror(-r)); // NOLINT
        return EXIT_RUNTIME;
    }
    return attempt->result.outcome.success ? EXIT_FINE : EXIT_RUNTIME;
}

static int probe(struct ctl_args *args, struct request *request)
{
    struct ctl_attempt attempt = {.target = request->address};
    int status = EXIT_UNUSABLE;
    void *options;

    if (!complete(args, request, &attempt))
        return status;
    options = calloc(1, attempt.spec.ops->options_size);
    if (!options || ch_options_defaults(attempt.spec.ops->options, options) < 0) {
        ctl_refuse(args, "%s", strerror(ENOMEM)); // NOLINT
        status = EXIT_RUNTIME;
    } else if (set_options(args, request, attempt.spec.ops, options)) {
        attempt.spec.options = options;
        attempt.spec.close_by_reset =
            request->kind == CH_PROBE_CONNECT &&
            ((struct ch_connect_options *)options)->close == CH_CONNECT_CLOSE_RESET;
        status = run(args, &attempt, request->common.json);
    }
    if (options)
        ch_options_clear(attempt.spec.ops->options, options);
    free(options);
    return status;
}

static void print_options(const struct ch_probe_ops *kind)
{
    printf("\n%s:\n", kind_slug(kind->kind));
    for (const struct ch_option *row = kind->options; row->key; row++) {
        char usage[64], help[512];

        snprintf(usage, sizeof(usage), "--%s", row->key);
        snprintf(help, sizeof(help), "%s%s%s%s", row->help, row->fallback ? " (default " : "",
                 row->fallback ? row->fallback : "", row->fallback ? ")" : "");
        layout_row(usage, HELP_WIDTH, help);
    }
}

static int print_help(void)
{
    printf("Usage: connhealthctl probe HOST:PORT [flags]\n\n"
           "One attempt from this host, without a daemon: what failed, where, why, and what\n"
           "to look at. Exit status 1 if it failed.\n\n");
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        if (flags[i].help)
            layout_row(flags[i].usage, HELP_WIDTH, flags[i].help);
    layout_row("--json", HELP_WIDTH, "as JSON: the fields of \"last\" in /api/v1/targets");
    for (unsigned i = 0; i < CH_PROBE_KIND_COUNT; i++)
        print_options(ch_probe_ops_of((enum ch_probe_kind)i));
    printf("\n--send takes the escapes of C: --send 'PING\\r\\n'\n");
    return EXIT_FINE;
}

int ctl_probe(char **argv)
{
    struct ctl_args args = ctl_args_begin("connhealthctl probe", argv);
    struct request request = {
        .kind = CH_PROBE_CONNECT, .transport = CH_TRANSPORT_TCP, .timeout_ns = DEFAULT_TIMEOUT_NS};

    if (!parse(&args, &request))
        return EXIT_UNUSABLE;
    if (request.common.help)
        return print_help();
    if (!request.address) {
        ctl_refuse(&args, "needs an address: HOST:PORT");
        return EXIT_UNUSABLE;
    }
    return probe(&args, &request);
}
