/* SPDX-License-Identifier: Apache-2.0 */
#include "ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connhealth/clock.h"
#include "connhealth/text.h"
#include "exit_status.h"
#include "json_read.h"
#include "layout.h"
#include "plain.h"
#include "reach.h"

#define TIMEOUT_NS     (30 * CH_NS_PER_S)
#define TIMEOUT_MIN_NS CH_NS_PER_MS
#define TIMEOUT_MAX_NS (3600 * CH_NS_PER_S)

enum { HELP_WIDTH = 21 };

/* ---- arguments --------------------------------------------------------- */

static bool take_flag(struct ctl_question *question, const struct ctl_flag *flags)
{
    struct ctl_args *args = &question->args;
    const char *timeout = NULL;
    const struct ctl_flag own[] = {
        {.name = "address", .value = &question->address},
        {.name = "timeout", .value = &timeout},
        {.name = NULL},
    };
    bool known = false;

    if (!ctl_args_flag(args, own, &known))
        return false;
    if (timeout)
        return ctl_args_duration(args, "timeout", timeout, TIMEOUT_MIN_NS, TIMEOUT_MAX_NS,
                                 &question->timeout_ns);
    if (!known && flags && !ctl_args_flag(args, flags, &known))
        return false;
    return known || ctl_args_common(args, &question->common);
}

bool ctl_question_read(struct ctl_question *question, const char *command, char **argv,
                       const struct ctl_flag *flags, bool takes_plain)
{
    const char *plain;

    *question =
        (struct ctl_question){.args = ctl_args_begin(command, argv), .timeout_ns = TIMEOUT_NS};
    for (;;) {
        switch (ctl_args_next(&question->args, &plain)) {
        case CTL_ARG_END:
            return true;
        case CTL_ARG_PLAIN:
            if (!takes_plain || question->plain)
                return ctl_refuse_plain(&question->args, plain);
            question->plain = plain;
            break;
        case CTL_ARG_FLAG:
            if (!take_flag(question, flags))
                return false;
            break;
        }
    }
}

void ctl_question_help(void)
{
    layout_row(
        "--address ADDRESS", HELP_WIDTH,
        "HOST:PORT or unix:/path where the daemon serves HTTP (default: the first that answers "
        "of D-Bus, unix:" CTL_DEFAULT_SOCKET " and " CTL_DEFAULT_ADDRESS ")");
    layout_row("--timeout DURATION", HELP_WIDTH, "of each answer (default 30s)");
    layout_row("--json", HELP_WIDTH, "as JSON");
}

/* ---- asking ------------------------------------------------------------ */

void ctl_resource_add(struct ch_text *resource, const char *key, const char *value)
{
    if (!value)
        return;
    ch_text_puts(resource, resource->len && memchr(resource->data, '?', resource->len) ? "&" : "?");
    ch_text_puts(resource, key);
    ch_text_puts(resource, "=");
    for (; *value; value++) {
        bool plain = (*value >= 'a' && *value <= 'z') || (*value >= 'A' && *value <= 'Z') ||
                     (*value >= '0' && *value <= '9') || strchr("-._~", *value);

        ch_text_printf(resource, plain ? "%c" : "%%%02X", (unsigned char)*value); // NOLINT
    }
}

static int reach(const struct ctl_question *question, const char *resource, struct ctl_reply *ret)
{
    char reason[CTL_REASON];
    int status = ctl_reach(&(struct ctl_request){.address = question->address,
                                                 .resource = resource,
                                                 .timeout_ns = question->timeout_ns,
                                                 .wait_mask = question->wait_mask},
                           ret, reason);

    if (status != EXIT_FINE && reason[0] && !question->quiet)
        ctl_refuse(&question->args, "%s", reason);
    return status;
}

/* The API says what is wrong as {"error": "…"}. */
static int refuse_status(const struct ctl_question *question, const struct ctl_reply *reply)
{
    struct cJSON *object = json_read(reply->body, reply->len);
    const char *error = json_get_text(object, "error");
    char quoted[CH_QUOTED_TEXT];

    if (!*error)
        error = reply->body;
    if (!question->quiet)
        ctl_refuse(&question->args, "%s: answers with status %u: %s", reply->from, reply->status,
                   ch_text_quote(error, strcspn(error, "\n"), quoted));
    json_read_free(object);
    return EXIT_RUNTIME;
}

int ctl_ask(const struct ctl_question *question, const char *resource, struct ctl_answer *ret)
{
    struct ctl_reply reply = {.body = NULL};
    int status = reach(question, resource, &reply);

    if (status == EXIT_FINE && reply.status != CTL_STATUS_OK)
        status = refuse_status(question, &reply);
    if (status == EXIT_FINE)
        *ret = (struct ctl_answer){.body = reply.body, .len = reply.len};
    else
        free(reply.body);
    return status;
}

/* Each line of the daemon's is a line of ours. */
static void print_errors(const char *text)
{
    for (size_t len; *text; text += len + (text[len] == '\n')) {
        struct ch_text clean = {.data = NULL};
        char *line, *plain;

        len = strcspn(text, "\n");
        line = strndup(text, len);
        if (line)
            plain_text(&clean, line);
        plain = ch_text_take(&clean);
        if (plain && *plain)
            fprintf(stderr, "%s\n", plain);
        free(plain);
        free(line);
    }
}

int ctl_ask_reload(const struct ctl_question *question)
{
    struct ctl_reply reply = {.body = NULL};
    int status = reach(question, NULL, &reply);

    if (status != EXIT_FINE)
        return status;
    if (reply.status == CTL_STATUS_FAILED) {
        print_errors(reply.body);
        status = EXIT_UNUSABLE;
    } else if (reply.status == CTL_STATUS_FORBIDDEN) {
        ctl_refuse(&question->args,
                   "%s: does not reload for you: as root use systemctl reload connhealthd, or "
                   "start it with --web.enable-lifecycle",
                   reply.from);
        status = EXIT_RUNTIME;
    } else if (reply.status != CTL_STATUS_OK) {
        status = refuse_status(question, &reply);
    }
    free(reply.body);
    return status;
}

int ctl_answer_refuse(const struct ctl_question *question, int r)
{
    ctl_refuse(&question->args, "%s",
               r == -EBADMSG ? "the daemon's answer is not what its API promises"
                             : strerror(-r)); // NOLINT
    return EXIT_RUNTIME;
}
