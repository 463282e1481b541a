/* SPDX-License-Identifier: Apache-2.0 */
/* connhealthctl status: the daemon, and its probes, failing first. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands.h"
#include "connhealth/clock.h"
#include "exit_status.h"
#include "json_read.h"
#include "output.h"
#include "plain.h"
#include "probes.h"
#include "report.h"

/* With more probes than a person looks through, those alone that fail. */
#define ALL_MAX 1000

enum { HELP_WIDTH = 21, NAME_WIDTH = 15 };

static int print_help(void)
{
    printf("Usage: connhealthctl status [flags]\n\n"
           "How the daemon does, and its probes: those that fail first, for how long, and\n"
           "why. Of more than %d probes those alone that fail. With --json the body of\n"
           "/api/v1/status. The exit status is 0 even if probes fail, but for --check.\n\n",
           ALL_MAX);
    layout_row("--check", HELP_WIDTH, "exit status 1 if a probe fails");
    layout_row("--failing", HELP_WIDTH, "the probes alone that fail");
    ctl_question_help();
    return EXIT_FINE;
}

/* ---- the head ---------------------------------------------------------- */

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

static void print_headline(const struct cJSON *root)
{
    const struct cJSON *counts = json_get(root, "counts");
    uint64_t failing = json_get_count(counts, "failing"), probes = json_get_count(counts, "probes");
    uint64_t untried = json_get_count(counts, "untried");

    report_print(LAYOUT_BOLD, "connhealthd %s", json_get_text(root, "version"));
    printf("  ");
    if (failing > 0)
        report_print(LAYOUT_BAD, "%" PRIu64 " of %" PRIu64 " probe%s failing", failing, probes,
                     plural(probes));
    else if (probes > untried)
        report_print(LAYOUT_GOOD, "no probe failing");
    else
        report_print(LAYOUT_DIM, "no probe tried");
    printf(", %" PRIu64 " succeeding, %" PRIu64 " untried\n", json_get_count(counts, "succeeding"),
           untried);
}

static void print_running(const struct cJSON *root)
{
    char uptime[PLAIN_AMOUNT], since[PLAIN_AMOUNT];
    const char *state = "";

    if (!json_get_bool(root, "healthy"))
        state = "; NOT HEALTHY: one of its threads has stopped turning";
    else if (!json_get_bool(root, "ready"))
        state = "; not ready: the first configuration does not run yet";
    report_row("running", NAME_WIDTH, "for %s, since %s%s",
               plain_duration(json_get_number(root, "uptime_seconds"), uptime),
               plain_time(json_get_number(root, "started"), since), state);
}

static void print_config(const struct cJSON *root)
{
    const struct cJSON *config = json_get(root, "config"), *counts = json_get(root, "counts");
    uint64_t groups = json_get_count(counts, "groups"), targets = json_get_count(counts, "targets");
    char loaded[PLAIN_AMOUNT];

    report_row("configuration", NAME_WIDTH,
               "%s, loaded %s: %" PRIu64 " group%s, %" PRIu64 " target%s",
               json_get_text(config, "file"),
               plain_time(json_get_number(config, "last_reload_success"), loaded), groups,
               plural(groups), targets, plural(targets));
    if (json_get_bool(config, "last_reload_successful"))
        return;
    report_row("last reload", NAME_WIDTH, "FAILED; the configuration from before goes on running");
    for (const struct cJSON *error = json_first(json_get(config, "errors")); error;
         error = json_next(error))
        report_row("", NAME_WIDTH, "%s", json_text_of(error));
}

static void print_sockets(const struct cJSON *root)
{
    const struct cJSON *sockets = json_get(root, "sockets");
    double now = (double)ch_clock_realtime() / (double)CH_NS_PER_S;
    char ago[PLAIN_AMOUNT];

    if (!json_get(sockets, "time"))
        return;
    report_row("own sockets", NAME_WIDTH, "read %s ago%s%s; see connhealthctl sockets",
               plain_duration(now - json_get_number(sockets, "time"), ago),
               json_get_bool(sockets, "complete") ? "" : ", incompletely",
               json_first(json_get(sockets, "missing")) ? ", with limits" : "");
}

/* ---- the probes -------------------------------------------------------- */

static int print_probes(const struct ctl_question *question, bool failing, uint64_t others)
{
    struct ctl_answer answer;
    int status, r;
    size_t count;

    putchar('\n');
    status = ctl_ask(question, failing ? "targets?failing=true" : "targets", &answer);
    if (status != EXIT_FINE)
        return status;
    r = probes_print(&answer, true, &count);
    free(answer.body);
    if (r < 0)
        return ctl_answer_refuse(question, r);
    if (failing && others > 0)
        printf("%s%" PRIu64 " other%s not shown: see connhealthctl targets.\n", count ? "\n" : "",
               others, plural(others));
    return EXIT_FINE;
}

static int print_status(const struct ctl_question *question, const struct cJSON *root, bool failing)
{
    const struct cJSON *counts = json_get(root, "counts");
    uint64_t probes = json_get_count(counts, "probes");
    uint64_t fail = json_get_count(counts, "failing");

    print_headline(root);
    print_running(root);
    print_config(root);
    print_sockets(root);
    if (probes == 0)
        return EXIT_FINE;
    return print_probes(question, failing || probes > ALL_MAX, fail < probes ? probes - fail : 0);
}

static int status(const struct ctl_question *question, bool failing, bool check)
{
    struct ctl_answer answer;
    struct cJSON *root;
    int result = ctl_ask(question, "status", &answer);

    if (result != EXIT_FINE)
        return result;
    root = json_read(answer.body, answer.len);
    if (!json_get(root, "counts"))
        result = ctl_answer_refuse(question, -EBADMSG);
    else if (question->common.json)
        json_print_body(answer.body, answer.len);
    else
        result = print_status(question, root, failing);
    if (result == EXIT_FINE && check && json_get_count(json_get(root, "counts"), "failing") > 0)
        result = EXIT_RUNTIME;
    json_read_free(root);
    free(answer.body);
    return result;
}

int ctl_status(char **argv)
{
    bool failing = false, check = false;
    const struct ctl_flag flags[] = {
        {.name = "check", .given = &check}, {.name = "failing", .given = &failing}, {.name = NULL}};
    struct ctl_question question;

    if (!ctl_question_read(&question, "connhealthctl status", argv, flags, false))
        return EXIT_UNUSABLE;
    if (question.common.help)
        return print_help();
    return status(&question, failing, check);
}
