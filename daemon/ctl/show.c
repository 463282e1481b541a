/* SPDX-License-Identifier: Apache-2.0 */
/* connhealthctl show TARGET: all that the daemon knows of it, and what happened. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "commands.h"
#include "connhealth/text.h"
#include "exit_status.h"
#include "json_read.h"
#include "layout.h"
#include "output.h"

enum { HELP_WIDTH = 21, LINES = 10, LINES_MAX = 1000 };

struct request {
    struct ctl_question question;
    const char *group;
    unsigned lines; /* of the history */
};

static int print_help(void)
{
    printf("Usage: connhealthctl show TARGET [flags]\n\n"
           "TARGET, as it is written in the configuration: each probe of it, its last\n"
           "failure with the evidence, and its latest failures and changes. With --json\n"
           "those elements of /api/v1/targets and /api/v1/events.\n\n");
    layout_row("--group NAME", HELP_WIDTH, "in this group alone");
    layout_row("--lines NUMBER", HELP_WIDTH, "of the history (default 10)");
    ctl_question_help();
    return EXIT_FINE;
}

static char *resource_of(const struct request *request, const char *name, const char *limit)
{
    struct ch_text resource = {.data = NULL};

    ch_text_puts(&resource, name);
    ctl_resource_add(&resource, "target", request->question.plain);
    ctl_resource_add(&resource, "group", request->group);
    ctl_resource_add(&resource, "limit", limit);
    return ch_text_take(&resource);
}

/* The list under that name in an answer; *ret is freed with json_read_free. */
static int ask_list(const struct request *request, const char *name, const char *limit,
                    struct cJSON **ret)
{
    char *resource = resource_of(request, name, limit);
    struct ctl_answer answer;
    int status;

    if (!resource)
        return ctl_answer_refuse(&request->question, -ENOMEM);
    status = ctl_ask(&request->question, resource, &answer);
    free(resource);
    if (status != EXIT_FINE)
        return status;
    *ret = json_read(answer.body, answer.len);
    free(answer.body);
    return json_get(*ret, name) ? EXIT_FINE : ctl_answer_refuse(&request->question, -EBADMSG);
}

static int print_json(const struct cJSON *targets, const struct cJSON *events)
{
    int r;

    printf("{\"targets\":");
    r = json_print_value(json_get(targets, "targets"));
    printf(",\"events\":");
    if (r == 0 && events)
        r = json_print_value(json_get(events, "events"));
    else
        printf("[]");
    printf("}\n");
    return r;
}

static int refuse_unknown(const struct request *request)
{
    const char *target = request->question.plain;
    char quoted[CH_QUOTED_TEXT];

    ctl_refuse(&request->question.args, "%s: no such target%s; connhealthctl targets lists them",
               ch_text_quote(target, strlen(target), quoted),
               request->group ? " in that group" : "");
    return EXIT_UNUSABLE;
}

static int show(const struct request *request)
{
    struct cJSON *targets = NULL, *events = NULL;
    char limit[16];
    int status, r = 0;

    snprintf(limit, sizeof(limit), "%u", request->lines);
    status = ask_list(request, "targets", NULL, &targets);
    if (status == EXIT_FINE && !json_first(json_get(targets, "targets")))
        status = refuse_unknown(request);
    if (status == EXIT_FINE && request->lines > 0)
        status = ask_list(request, "events", limit, &events);
    if (status == EXIT_FINE && request->question.common.json)
        r = print_json(targets, events);
    else if (status == EXIT_FINE)
        r = show_report(json_get(targets, "targets"), json_get(events, "events"));
    json_read_free(targets);
    json_read_free(events);
    return r < 0 ? ctl_answer_refuse(&request->question, r) : status;
}

int ctl_show(char **argv)
{
    struct request request = {.lines = LINES};
    const char *lines = NULL;
    const struct ctl_flag flags[] = {{.name = "group", .value = &request.group},
                                     {.name = "lines", .value = &lines},
                                     {.name = NULL}};
    struct ctl_question *question = &request.question;

    if (!ctl_question_read(question, "connhealthctl show", argv, flags, true) ||
        (lines && !ctl_args_number(&question->args, "lines", lines, LINES_MAX, &request.lines)))
        return EXIT_UNUSABLE;
    if (question->common.help)
        return print_help();
    if (!question->plain) {
        ctl_refuse(&question->args, "needs a target, as connhealthctl targets lists them");
        return EXIT_UNUSABLE;
    }
    return show(&request);
}
