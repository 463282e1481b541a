/* SPDX-License-Identifier: Apache-2.0 */
/* connhealthctl targets: every probe of every target, in the order of the
 * configuration. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "exit_status.h"
#include "json_read.h"
#include "layout.h"
#include "output.h"
#include "plain.h"
#include "probes.h"

enum { HELP_WIDTH = 21 };

static int print_help(void)
{
    printf("Usage: connhealthctl targets [flags]\n\n"
           "Every probe of every target, in the order of the configuration: whether it\n"
           "fails, for how long, and why. With --json the body of /api/v1/targets.\n\n");
    layout_row("--failing", HELP_WIDTH, "those alone that fail");
    layout_row("--group NAME", HELP_WIDTH, "those of this group alone");
    layout_row("--names", HELP_WIDTH, "the targets' names alone, one a line");
    ctl_question_help();
    return EXIT_FINE;
}

/* The probes of a target follow each other. */
static bool print_name(const struct cJSON *element, void *context)
{
    const char *name = json_get_text(element, "target");
    struct ch_text *last = context;

    if (last->len == strlen(name) && memcmp(last->data, name, last->len) == 0)
        return true;
    ch_text_free(last);
    plain_text(last, name);
    printf("%.*s\n", (int)last->len, last->data);
    ch_text_free(last);
    ch_text_puts(last, name);
    return !last->failed;
}

static int print_names(const struct ctl_answer *answer)
{
    struct ch_text last = {.data = NULL};
    int r = json_read_each(answer->body, answer->len, "targets", print_name, &last) ? 0 : -EBADMSG;

    if (last.failed)
        r = -ENOMEM;
    ch_text_free(&last);
    return r;
}

static bool ignore(const struct cJSON *element, void *context)
{
    (void)element;
    (void)context;
    return true;
}

static int print_answer(const struct ctl_answer *answer, bool json, bool names)
{
    size_t count;
    int r;

    if (names)
        return print_names(answer);
    if (!json) {
        r = probes_print(answer, false, &count);
        if (r == 0 && count == 0)
            printf("There are none.\n");
        return r;
    }
    if (!json_read_each(answer->body, answer->len, "targets", ignore, NULL))
        return -EBADMSG;
    json_print_body(answer->body, answer->len);
    return 0;
}

static int targets(const struct ctl_question *question, const char *group, bool failing, bool names)
{
    struct ch_text resource = {.data = NULL};
    struct ctl_answer answer;
    char *asked;
    int status, r;

    ch_text_puts(&resource, "targets");
    ctl_resource_add(&resource, "group", group);
    ctl_resource_add(&resource, "failing", failing ? "true" : NULL);
    asked = ch_text_take(&resource);
    if (!asked)
        return ctl_answer_refuse(question, -ENOMEM);
    status = ctl_ask(question, asked, &answer);
    free(asked);
    if (status != EXIT_FINE)
        return status;
    r = print_answer(&answer, question->common.json, names);
    free(answer.body);
    return r < 0 ? ctl_answer_refuse(question, r) : EXIT_FINE;
}

int ctl_targets(char **argv)
{
    bool failing = false, names = false;
    const char *group = NULL;
    const struct ctl_flag flags[] = {{.name = "failing", .given = &failing},
                                     {.name = "group", .value = &group},
                                     {.name = "names", .given = &names},
                                     {.name = NULL}};
    struct ctl_question question;

    if (!ctl_question_read(&question, "connhealthctl targets", argv, flags, false))
        return EXIT_UNUSABLE;
    if (question.common.help)
        return print_help();
    if (names && question.common.json) {
        ctl_refuse(&question.args, "--names: not together with --json");
        return EXIT_UNUSABLE;
    }
    return targets(&question, group, failing, names);
}
