/* SPDX-License-Identifier: Apache-2.0 */
#include "ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connhealth/clock.h"
#include "connhealth/text.h"
#include "exit_status.h"
#include "fetch.h"
#include "json_read.h"
#include "layout.h"
#include "plain.h"

#define TIMEOUT_NS     (30 * CH_NS_PER_S)
#define TIMEOUT_MIN_NS CH_NS_PER_MS
#define TIMEOUT_MAX_NS (3600 * CH_NS_PER_S)

enum { HELP_WIDTH = 21 };
enum { HTTP_OK = 200, HTTP_FORBIDDEN = 403, HTTP_FAILED = 500 };

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
    layout_row("--address ADDRESS", HELP_WIDTH,
               "HOST:PORT or unix:/path where the daemon serves HTTP (default " CTL_DEFAULT_ADDRESS
               ")");
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

static const char *address_of(const struct ctl_question *question)
{
    return question->address ? question->address : CTL_DEFAULT_ADDRESS;
}

static int fetch(const struct ctl_question *question, const char *method, const char *path,
                 struct ctl_fetched *ret)
{
    char reason[CTL_REASON];
    int status = ctl_fetch(&(struct ctl_fetch){.address = address_of(question),
                                               .method = method,
                                               .path = path,
                                               .timeout_ns = question->timeout_ns,
                                               .wait_mask = question->wait_mask},
                           ret, reason);

    if (status != EXIT_FINE && reason[0] && !question->quiet)
        ctl_refuse(&question->args, "%s", reason);
    return status;
}

/* The API says what is wrong as {"error": "…"}. */
static int refuse_status(const struct ctl_question *question, const struct ctl_fetched *fetched)
{
    struct cJSON *object = json_read(fetched->body, fetched->len);
    const char *error = json_get_text(object, "error");
    char quoted[CH_QUOTED_TEXT];

    if (!*error)
        error = fetched->body;
    if (!question->quiet)
        ctl_refuse(&question->args, "%s: answers with status %u: %s", address_of(question),
                   fetched->status, ch_text_quote(error, strcspn(error, "\n"), quoted));
    json_read_free(object);
    return EXIT_RUNTIME;
}

int ctl_ask(const struct ctl_question *question, const char *resource, struct ctl_answer *ret)
{
    struct ctl_fetched fetched = {.body = NULL};
    char *path;
    int status;

    if (asprintf(&path, "/api/v1/%s", resource) < 0)
        return ctl_answer_refuse(question, -ENOMEM);
    status = fetch(question, "GET", path, &fetched);
    free(path);
    if (status == EXIT_FINE && fetched.status != HTTP_OK)
        status = refuse_status(question, &fetched);
    if (status == EXIT_FINE)
        *ret = (struct ctl_answer){.body = fetched.body, .len = fetched.len};
    else
        free(fetched.body);
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
    struct ctl_fetched fetched = {.body = NULL};
    int status = fetch(question, "POST", "/-/reload", &fetched);

    if (status != EXIT_FINE)
        return status;
    if (fetched.status == HTTP_FAILED) {
        print_errors(fetched.body);
        status = EXIT_UNUSABLE;
    } else if (fetched.status == HTTP_FORBIDDEN) {
        ctl_refuse(&question->args,
                   "%s: does not reload over HTTP (--web.enable-lifecycle is not given): use "
                   "systemctl reload connhealthd, or send it SIGHUP",
                   address_of(question));
        status = EXIT_RUNTIME;
    } else if (fetched.status != HTTP_OK) {
        status = refuse_status(question, &fetched);
    }
    free(fetched.body);
    return status;
}

int ctl_answer_refuse(const struct ctl_question *question, int r)
{
    ctl_refuse(&question->args, "%s",
               r == -EBADMSG ? "the daemon's answer is not what its API promises"
                             : strerror(-r)); // NOLINT
    return EXIT_RUNTIME;
}
