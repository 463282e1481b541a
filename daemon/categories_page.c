/* SPDX-License-Identifier: Apache-2.0 */
/* Prints connhealth-categories(7) as scdoc(5) reads it, from the tables that the
 * daemon itself works by. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connhealth/outcome.h"
#include "connhealth/vocabulary.h"

/* Linux' errnos end well below. */
#define ERRNO_MAX 200

static void put(const char *text)
{
    for (; *text; text++) {
        if (strchr("\\*_#|[]`~<>", *text))
            putchar('\\');
        putchar(*text);
    }
}

static void head(const char *level, const char *text)
{
    printf("\n%s ", level);
    put(text);
    printf("\n");
}

/* A paragraph; behind a word if there is one. */
static void say(const char *word, const char *text)
{
    if (word)
        printf("\n_%s:_ ", word);
    else
        printf("\n");
    put(text);
    printf("\n");
}

static void say_errnos(enum ch_category category)
{
    char text[256] = "";

    for (int error = 1; error < ERRNO_MAX && category != CH_CATEGORY_OTHER; error++) {
        const char *name = ch_errno_name(error);
        size_t used = strlen(text);

        if (name && ch_category_of_errno(error) == category)
            snprintf(text + used, sizeof(text) - used, "%s%s", used ? ", " : "", name);
    }
    if (text[0])
        say("errno", text);
}

static void say_categories(void)
{
    head("#", "CATEGORIES");
    say(NULL, "What the failure is: the label category, by which failures are counted.");
    for (unsigned i = CH_CATEGORY_NONE + 1; i < CH_CATEGORY_COUNT; i++) {
        const struct ch_category_row *row = ch_category_row((enum ch_category)i);

        head("##", row->slug);
        say(NULL, row->meaning);
        say_errnos((enum ch_category)i);
        say("look at", row->advice);
    }
}

static void say_rules(enum ch_cause cause)
{
    for (unsigned i = 0; i < ch_rule_count(); i++) {
        const struct ch_rule *rule = ch_rule_at(i);

        if (rule->cause != cause)
            continue;
        say(rule->certain ? "proof" : "inference", rule->when);
        say("because", rule->why);
        say("so", rule->says);
    }
}

static void say_causes(void)
{
    head("#", "CAUSES");
    say(NULL,
        "Why it happened, drawn from all the evidence: the label cause. Each rule that leads to "
        "a cause is a proof or an inference; the first that holds decides.");
    for (unsigned i = CH_CAUSE_NONE + 1; i < CH_CAUSE_COUNT; i++) {
        head("##", ch_cause_word((enum ch_cause)i)->slug);
        say(NULL, ch_cause_word((enum ch_cause)i)->meaning);
        say_rules((enum ch_cause)i);
    }
}

static void say_words(const struct ch_word *word)
{
    printf("\n*");
    put(word->slug);
    printf("*\n\t");
    put(word->meaning);
    printf("\n");
}

int main(void)
{
    printf(
        "connhealth-categories(7)\n\n# NAME\n\nconnhealth-categories - what connhealthd says of "
        "a failure\n\n# DESCRIPTION\n\nOf every failed attempt *connhealthd*(8) says what it was "
        "(a category), where it struck (a phase), what ended it on the wire, and why (a cause). "
        "The same words are the labels of metrics, the fields of JSON and of the journal. "
        "*connhealthctl explain* prints this page piece by piece.\n");
    say_categories();
    say_causes();
    head("#", "PHASES");
    for (unsigned i = CH_PHASE_NONE + 1; i < CH_PHASE_COUNT; i++)
        say_words(ch_phase_word((enum ch_phase)i));
    head("#", "WIRE");
    for (unsigned i = 0; i < CH_WIRE_COUNT; i++)
        say_words(ch_wire_word((enum ch_wire)i));
    printf("\n# SEE ALSO\n\n*connhealthctl*(1), *connhealthd.yml*(5), *connhealthd*(8)\n");
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
