/* SPDX-License-Identifier: Apache-2.0 */
/* connhealthctl explain [NAME]: the tables that the daemon itself works by. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "args.h"
#include "commands.h"
#include "connhealth/text.h"
#include "exit_status.h"
#include "layout.h"
#include "output.h"

enum { NAME_WIDTH = 24, ERRNO_WIDTH = 16, GROUND_WIDTH = 12 };
/* Linux' errnos end well below. */
#define ERRNO_MAX 200

/* How a cause is known: by the rules that lead to it. */
static const char *ground_of(enum ch_cause cause)
{
    bool proof = false, inference = false;

    for (unsigned i = 0; i < ch_rule_count(); i++) {
        const struct ch_rule *rule = ch_rule_at(i);

        if (rule->cause != cause)
            continue;
        proof |= rule->certain;
        inference |= !rule->certain;
    }
    return proof && inference ? "either" : proof ? "proof" : "inference";
}

static void explain_everything(void)
{
    layout_heading("Categories: what the failure is");
    for (unsigned i = CH_CATEGORY_NONE + 1; i < CH_CATEGORY_COUNT; i++) {
        const struct ch_category_row *row = ch_category_row((enum ch_category)i);

        layout_row3(row->slug, NAME_WIDTH, row->error_name ? row->error_name : "-", ERRNO_WIDTH,
                    row->meaning);
    }
    putchar('\n');
    layout_heading("Causes: the diagnosis, by proof, by inference, or by either");
    for (unsigned i = CH_CAUSE_NONE + 1; i < CH_CAUSE_COUNT; i++)
        layout_row3(ch_cause_word((enum ch_cause)i)->slug, NAME_WIDTH, ground_of((enum ch_cause)i),
                    GROUND_WIDTH, ch_cause_word((enum ch_cause)i)->meaning);
    putchar('\n');
    layout_heading("Phases: where it struck");
    for (unsigned i = CH_PHASE_NONE + 1; i < CH_PHASE_COUNT; i++)
        layout_row(ch_phase_word((enum ch_phase)i)->slug, NAME_WIDTH,
                   ch_phase_word((enum ch_phase)i)->meaning);
    putchar('\n');
    layout_heading("Wires: what on the wire ended it");
    for (unsigned i = 0; i < CH_WIRE_COUNT; i++)
        layout_row(ch_wire_word((enum ch_wire)i)->slug, NAME_WIDTH,
                   ch_wire_word((enum ch_wire)i)->meaning);
    printf("\nconnhealthctl explain NAME says more of a category, a cause or an errno.\n");
}

/* All errnos of a category; of "other" they are all the rest. */
static void print_errnos(enum ch_category category)
{
    char text[256] = "";

    for (int error = 1; error < ERRNO_MAX && category != CH_CATEGORY_OTHER; error++) {
        const char *name = ch_errno_name(error);
        size_t used = strlen(text);

        if (name && ch_category_of_errno(error) == category)
            snprintf(text + used, sizeof(text) - used, "%s%s", used ? " " : "", name);
    }
    if (text[0])
        layout_row("errno", NAME_WIDTH / 2, text);
}

static void explain_category(enum ch_category category)
{
    const struct ch_category_row *row = ch_category_row(category);

    layout_heading(row->slug);
    layout_row("category", NAME_WIDTH / 2, row->meaning);
    print_errnos(category);
    layout_row("look at", NAME_WIDTH / 2, row->advice);
}

static void explain_cause(enum ch_cause cause)
{
    layout_heading(ch_cause_word(cause)->slug);
    layout_row("cause", NAME_WIDTH / 2, ch_cause_word(cause)->meaning);
    for (unsigned i = 0; i < ch_rule_count(); i++) {
        const struct ch_rule *rule = ch_rule_at(i);

        if (rule->cause != cause)
            continue;
        putchar('\n');
        layout_row(rule->certain ? "proof" : "inference", NAME_WIDTH / 2, rule->when);
        layout_row("because", NAME_WIDTH / 2, rule->why);
        layout_row("so", NAME_WIDTH / 2, rule->says);
    }
}

static bool find_cause(const char *name, enum ch_cause *ret)
{
    for (unsigned i = CH_CAUSE_NONE + 1; i < CH_CAUSE_COUNT; i++)
        if (strcmp(ch_cause_word((enum ch_cause)i)->slug, name) == 0) {
            *ret = (enum ch_cause)i;
            return true;
        }
    return false;
}

/* "ECONNRESET" in any case stands for its category. */
static bool find_category(const char *name, enum ch_category *ret)
{
    if (ch_category_from_slug(name, ret))
        return true;
    for (int error = 1; error < ERRNO_MAX; error++) {
        const char *errno_name = ch_errno_name(error);

        if (errno_name && strcasecmp(errno_name, name) == 0) {
            *ret = ch_category_of_errno(error);
            return true;
        }
    }
    return false;
}

static int explain(struct ctl_args *args, const char *name, bool json)
{
    char quoted[CH_QUOTED_TEXT];
    enum ch_category category;
    enum ch_cause cause;
    int r = 0;

    if (!name && json) {
        r = json_print_everything();
    } else if (!name) {
        explain_everything();
    } else if (find_category(name, &category)) {
        if (json)
            r = json_print_category(category);
        else
            explain_category(category);
    } else if (find_cause(name, &cause)) {
        if (json)
            r = json_print_cause(cause);
        else
            explain_cause(cause);
    } else {
        ctl_refuse(args,
                   "%s: no category, cause or errno has that name; without one all are listed",
                   ch_text_quote(name, strlen(name), quoted));
        return EXIT_UNUSABLE;
    }
    if (r < 0) {
        ctl_refuse(args, "%s", strerror(-r)); // NOLINT
        return EXIT_RUNTIME;
    }
    return EXIT_FINE;
}

static int print_help(void)
{
    printf("Usage: connhealthctl explain [NAME] [--json]\n\n"
           "NAME is a category, a cause or an errno: what it says, what to look at, and\n"
           "for a cause the rules that lead to it. Without NAME all are listed.\n");
    return EXIT_FINE;
}

int ctl_explain(char **argv)
{
    struct ctl_args args = ctl_args_begin("connhealthctl explain", argv);
    struct ctl_common common = {0};
    const char *name = NULL, *plain;

    for (;;) {
        switch (ctl_args_next(&args, &plain)) {
        case CTL_ARG_END:
            return common.help ? print_help() : explain(&args, name, common.json);
        case CTL_ARG_PLAIN:
            if (name) {
                ctl_refuse_plain(&args, plain);
                return EXIT_UNUSABLE;
            }
            name = plain;
            break;
        case CTL_ARG_FLAG:
            if (!ctl_args_common(&args, &common))
                return EXIT_UNUSABLE;
            break;
        }
    }
}
