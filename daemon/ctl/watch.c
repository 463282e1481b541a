/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connhealthctl watch: one line for each change of a probe's outcome, as it comes.
 *
 * The daemon numbers its events and keeps the last CH_EVENTS_MAX of them, repeats
 * going first. What was shown is remembered by its number, and by when the daemon
 * started, because numbers begin anew with it. A change is missed only if none of
 * what the daemon still has was there at the last look, which is said.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "connhealth/clock.h"
#include "events.h"
#include "exit_status.h"
#include "json_read.h"
#include "plain.h"
#include "probes.h"
#include "report.h"

#define INTERVAL_NS     CH_NS_PER_S
#define INTERVAL_MIN_NS (10 * CH_NS_PER_MS)
#define INTERVAL_MAX_NS (3600 * CH_NS_PER_S)

enum { HELP_WIDTH = 21, LINES = 10, LINES_MAX = CH_EVENTS_MAX };
/* What is asked for first; more only if that does not reach back far enough. */
enum { FEW_EVENTS = 64 };

struct watch {
    struct ctl_question question;
    const char *group, *target; /* NULL: all */
    int64_t interval_ns;
    unsigned lines; /* of before the start */
    bool begun;     /* there was an answer */
    bool away;      /* the daemon does not answer */
    double started; /* of the daemon that number is of */
    uint64_t number;
    sigset_t wait_mask; /* question.wait_mask points to it */
};

static int print_help(void)
{
    printf("Usage: connhealthctl watch [TARGET] [flags]\n\n"
           "Follows the changes of probes' outcomes, one line each, until SIGINT. It goes on\n"
           "when the daemon restarts. With --json each line is an element of /api/v1/events.\n\n");
    layout_row("--group NAME", HELP_WIDTH, "of this group alone");
    layout_row("--interval DURATION", HELP_WIDTH, "between two looks (default 1s)");
    layout_row("--lines NUMBER", HELP_WIDTH, "changes of before, shown first (default 10)");
    ctl_question_help();
    return EXIT_FINE;
}

/* ---- one event --------------------------------------------------------- */

static void print_line(const struct cJSON *event)
{
    bool success = json_get_bool(event, "success");
    enum probe_state state = success ? PROBE_OK : PROBE_FAILING;
    char when[PLAIN_AMOUNT];

    report_print(LAYOUT_DIM, "%s", plain_time(json_get_number(event, "time"), when));
    printf("  ");
    report_print(probe_state_paint(state), "%-7s", probe_state_word(state));
    report_print(LAYOUT_PLAIN, "  %s  %s  %s", json_get_text(event, "group"),
                 json_get_text(event, "target"), json_get_text(event, "probe"));
    if (!success) {
        char *why = probe_why(event);

        report_print(LAYOUT_BOLD, "  %s", why ? why : "");
        report_print(LAYOUT_PLAIN, "  %s", json_get_text(event, "detail"));
        free(why);
    }
}

static bool is_wanted(const struct watch *watch, const struct cJSON *event)
{
    return json_get_bool(event, "changed") &&
           (!watch->group || strcmp(watch->group, json_get_text(event, "group")) == 0) &&
           (!watch->target || strcmp(watch->target, json_get_text(event, "target")) == 0);
}

static int print_event(const struct watch *watch, const struct cJSON *event)
{
    int r = 0;

    if (watch->question.common.json)
        r = json_print_value(event);
    else
        print_line(event);
    putchar('\n');
    return r;
}

/* ---- one answer -------------------------------------------------------- */

/* The newest comes first: those not yet shown are printed from the last on. */
static int print_new(const struct watch *watch, const struct cJSON *list, uint64_t after)
{
    const struct cJSON *oldest = NULL;
    unsigned wanted = 0;
    int r = 0;

    for (const struct cJSON *event = json_first(list);
         event && json_get_count(event, "number") > after; event = json_next(event)) {
        if (!watch->begun && wanted == watch->lines)
            break;
        wanted += is_wanted(watch, event);
        oldest = event;
    }
    for (const struct cJSON *event = oldest; event && r == 0; event = json_previous(list, event))
        if (is_wanted(watch, event))
            r = print_event(watch, event);
    return r;
}

/* Whether the answer holds all that came after `after`, as far as the daemon does. */
static bool reaches_back(const struct cJSON *list, uint64_t after, unsigned limit)
{
    const struct cJSON *oldest = json_last(list);

    return json_size(list) < limit || json_get_count(oldest, "number") <= after + 1;
}

/* 0 with the answer's tree, an exit status if there was none, a negative errno. */
static int look(const struct watch *watch, unsigned limit, struct cJSON **ret)
{
    struct ctl_answer answer;
    char resource[32];
    int status;

    snprintf(resource, sizeof(resource), "events?limit=%u", limit);
    status = ctl_ask(&watch->question, resource, &answer);
    if (status != EXIT_FINE)
        return status;
    *ret = json_read(answer.body, answer.len);
    free(answer.body);
    if (json_get(*ret, "events") && json_get(*ret, "started"))
        return 0;
    *ret = json_read_free(*ret);
    return -EBADMSG;
}

static uint64_t last_shown(const struct watch *watch, const struct cJSON *root)
{
    bool same = watch->begun && json_get_number(root, "started") == watch->started;

    return same ? watch->number : 0;
}

/* Numbers of another start of the daemon say nothing of what was shown. */
static int show_new(struct watch *watch, const struct cJSON *root, unsigned limit)
{
    const struct cJSON *list = json_get(root, "events");
    uint64_t after = last_shown(watch, root);
    int r;

    if (watch->begun && json_get_number(root, "started") != watch->started)
        ctl_refuse(&watch->question.args, "connhealthd was restarted");
    if (watch->begun && limit == CH_EVENTS_MAX && !reaches_back(list, after, limit))
        ctl_refuse(&watch->question.args,
                   "more changed than the daemon keeps: some changes are not shown");
    r = print_new(watch, list, after);
    if (r < 0)
        return r;
    watch->begun = true;
    watch->started = json_get_number(root, "started");
    watch->number = json_get_count(json_first(list), "number");
    return 0;
}

static int look_once(struct watch *watch)
{
    struct cJSON *root = NULL;
    unsigned limit = watch->begun ? FEW_EVENTS : CH_EVENTS_MAX;
    int r = look(watch, limit, &root);

    if (r == 0 && limit < CH_EVENTS_MAX &&
        !reaches_back(json_get(root, "events"), last_shown(watch, root), limit)) {
        root = json_read_free(root);
        limit = CH_EVENTS_MAX;
        r = look(watch, limit, &root);
    }
    if (r == 0)
        r = show_new(watch, root, limit);
    json_read_free(root);
    return r;
}

/* ---- the loop ---------------------------------------------------------- */

/* True when it is time to end. */
static bool pause_until_next(const struct watch *watch, const sigset_t *ends)
{
    struct timespec interval = {.tv_sec = watch->interval_ns / CH_NS_PER_S,
                                .tv_nsec = watch->interval_ns % CH_NS_PER_S};

    return sigtimedwait(ends, NULL, &interval) > 0;
}

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

/* The signals wait while a line is printed, and come while there is nothing to do. */
static void hold_signals(struct watch *watch, sigset_t *ends)
{
    const struct sigaction action = {.sa_handler = on_signal};

    sigemptyset(ends);
    sigaddset(ends, SIGINT);
    sigaddset(ends, SIGTERM);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigprocmask(SIG_BLOCK, ends, &watch->wait_mask);
    sigdelset(&watch->wait_mask, SIGINT);
    sigdelset(&watch->wait_mask, SIGTERM);
    watch->question.wait_mask = &watch->wait_mask;
}

static int follow(struct watch *watch)
{
    sigset_t ends;
    int r;

    hold_signals(watch, &ends);
    do {
        r = look_once(watch);
        if (interrupted)
            return EXIT_FINE;
        if (r < 0)
            return ctl_answer_refuse(&watch->question, r);
        if (r > 0 && !watch->begun)
            return r;
        if (watch->away && r == 0)
            ctl_refuse(&watch->question.args, "the daemon answers again");
        watch->away = watch->question.quiet = r > 0;
        if (fflush(stdout) != 0)
            return ctl_answer_refuse(&watch->question, -errno);
    } while (!pause_until_next(watch, &ends));
    return EXIT_FINE;
}

static bool set_values(struct watch *watch, const char *interval, const char *lines)
{
    const struct ctl_args *args = &watch->question.args;

    return (!interval || ctl_args_duration(args, "interval", interval, INTERVAL_MIN_NS,
                                           INTERVAL_MAX_NS, &watch->interval_ns)) &&
           (!lines || ctl_args_number(args, "lines", lines, LINES_MAX, &watch->lines));
}

int ctl_watch(char **argv)
{
    struct watch watch = {.interval_ns = INTERVAL_NS, .lines = LINES};
    const char *interval = NULL, *lines = NULL;
    const struct ctl_flag flags[] = {{.name = "group", .value = &watch.group},
                                     {.name = "interval", .value = &interval},
                                     {.name = "lines", .value = &lines},
                                     {.name = NULL}};

    if (!ctl_question_read(&watch.question, "connhealthctl watch", argv, flags, true) ||
        !set_values(&watch, interval, lines))
        return EXIT_UNUSABLE;
    if (watch.question.common.help)
        return print_help();
    watch.target = watch.question.plain;
    return follow(&watch);
}
