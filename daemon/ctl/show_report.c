/* SPDX-License-Identifier: Apache-2.0 */
/* Elements of /api/v1/targets and /api/v1/events, for a person. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connhealth/clock.h"
#include "connhealth/vocabulary.h"
#include "json_read.h"
#include "output.h"
#include "plain.h"
#include "probes.h"
#include "report.h"
#include "table.h"

enum { NAME_WIDTH = 12, WORD_WIDTH = 22 };

static double now_seconds(void)
{
    return (double)ch_clock_realtime() / (double)CH_NS_PER_S;
}

/* ---- the probe --------------------------------------------------------- */

static void print_headline(const struct cJSON *probe)
{
    enum probe_state state = probe_state_of(probe);

    report_print(probe_state_paint(state), "%s", probe_state_word(state));
    report_print(LAYOUT_BOLD, "  %s", json_get_text(probe, "target"));
    report_print(LAYOUT_PLAIN, "  %s over %s, group %s", json_get_text(probe, "probe"),
                 json_get_text(probe, "transport"), json_get_text(probe, "group"));
    putchar('\n');
}

/* Of {"refused":3,"timeout":0}: "3 refused". */
static char *list_failures(const struct cJSON *failures)
{
    struct ch_text text = {.data = NULL};

    for (const struct cJSON *item = json_first(failures); item; item = json_next(item))
        if (json_number(item) > 0)
            ch_text_printf(&text, "%s%.0f" LAYOUT_NO_BREAK "%s", text.len ? ", " : "",
                           json_number(item), json_key(item));
    return ch_text_take(&text);
}

static void print_attempts(const struct cJSON *probe)
{
    char since[PLAIN_AMOUNT], age[PLAIN_AMOUNT], interval[PLAIN_AMOUNT], timeout[PLAIN_AMOUNT];
    char *failures = list_failures(json_get(probe, "failures"));
    double changed = json_get_number(probe, "since");
    uint64_t row = json_get_count(probe, "consecutive");

    if (changed > 0)
        report_row("for", NAME_WIDTH, "%s, since %s: %" PRIu64 " attempt%s in a row",
                   plain_duration(now_seconds() - changed, age), plain_time(changed, since), row,
                   row == 1 ? "" : "s");
    report_row("attempts", NAME_WIDTH, "%" PRIu64 ", one every %s, timeout %s%s%s",
               json_get_count(probe, "attempts"),
               plain_duration(json_get_number(probe, "interval_seconds"), interval),
               plain_duration(json_get_number(probe, "timeout_seconds"), timeout),
               failures && *failures ? "; failed: " : "", failures ? failures : "");
    report_row("succeeded", NAME_WIDTH, "%s%s", json_get(probe, "last_success") ? "last " : "",
               plain_time(json_get_number(probe, "last_success"), since));
    free(failures);
}

static void print_numbers(const struct cJSON *probe)
{
    uint64_t syns = json_get_count(probe, "syn_retransmits");
    uint64_t stalls = json_get_count(probe, "send_stalls");
    char rtt[PLAIN_AMOUNT];

    if (json_get(probe, "rtt_seconds"))
        report_row("rtt", NAME_WIDTH, "%s",
                   plain_duration(json_get_number(probe, "rtt_seconds"), rtt));
    if (syns > 0)
        report_row("syn", NAME_WIDTH, "%" PRIu64 " sent again", syns);
    if (stalls > 0)
        report_row("send", NAME_WIDTH, "the buffer was full %" PRIu64 " times", stalls);
}

static void print_trouble(const struct cJSON *trouble)
{
    const struct cJSON *left = json_get(trouble, "until_give_up_seconds");
    char age[PLAIN_AMOUNT], until[PLAIN_AMOUNT];

    if (!trouble)
        return;
    report_row("trouble", NAME_WIDTH, "%s for %s, stage %" PRIu64 "%s%s: %s",
               json_get_text(trouble, "trouble"),
               plain_duration(now_seconds() - json_get_number(trouble, "since"), age),
               json_get_count(trouble, "stage"), left ? ", gives up in " : "",
               left ? plain_duration(json_number(left), until) : "",
               json_get_text(trouble, "meaning"));
}

static void print_connection(const struct cJSON *probe)
{
    const struct cJSON *connection = json_get(probe, "connection"), *idle = json_get(probe, "idle");
    char since[PLAIN_AMOUNT], survived[PLAIN_AMOUNT], died[PLAIN_AMOUNT];

    if (json_get_bool(connection, "established"))
        report_row("connection", NAME_WIDTH, "established for %s, opened %" PRIu64 " times",
                   plain_duration(now_seconds() - json_get_number(connection, "since"), since),
                   json_get_count(connection, "opens"));
    else if (connection)
        report_row("connection", NAME_WIDTH, "none now, opened %" PRIu64 " times",
                   json_get_count(connection, "opens"));
    if (json_get(idle, "survived_seconds"))
        report_row("idle", NAME_WIDTH, "survived %s",
                   plain_duration(json_get_number(idle, "survived_seconds"), survived));
    if (json_get(idle, "died_seconds"))
        report_row("idle", NAME_WIDTH, "died after %s",
                   plain_duration(json_get_number(idle, "died_seconds"), died));
    print_trouble(json_get(probe, "trouble"));
}

static void print_labels(const struct cJSON *labels)
{
    for (const struct cJSON *item = json_first(labels); item; item = json_next(item))
        report_row(item == json_first(labels) ? "labels" : "", NAME_WIDTH, "%s=%s", json_key(item),
                   json_text_of(item));
}

static void print_counted(const struct cJSON *probe)
{
    for (const struct cJSON *item = json_first(json_get(probe, "causes")); item;
         item = json_next(item))
        report_row("so far", NAME_WIDTH, "%" PRIu64 " times %s, %s, wire %s, %s",
                   json_get_count(item, "count"), json_get_text(item, "phase"),
                   json_get_text(item, "category"), json_get_text(item, "wire"),
                   json_get_text(item, "cause"));
    for (const struct cJSON *item = json_first(json_get(probe, "icmp_errors")); item;
         item = json_next(item))
        report_row("icmp", NAME_WIDTH, "%" PRIu64 " times %s from %s",
                   json_get_count(item, "count"), json_get_text(item, "icmp"),
                   json_get_text(item, "offender"));
}

/* ---- its last failure -------------------------------------------------- */

/* What a word says comes from this program's own tables: "" if it is not there. */
static const char *phase_meaning(const char *slug)
{
    for (unsigned i = 0; i < CH_PHASE_COUNT; i++)
        if (strcmp(ch_phase_word((enum ch_phase)i)->slug, slug) == 0)
            return ch_phase_word((enum ch_phase)i)->meaning;
    return "";
}

static const char *wire_meaning(const char *slug)
{
    for (unsigned i = 0; i < CH_WIRE_COUNT; i++)
        if (strcmp(ch_wire_word((enum ch_wire)i)->slug, slug) == 0)
            return ch_wire_word((enum ch_wire)i)->meaning;
    return "";
}

static const char *cause_meaning(const char *slug)
{
    for (unsigned i = 0; i < CH_CAUSE_COUNT; i++)
        if (strcmp(ch_cause_word((enum ch_cause)i)->slug, slug) == 0)
            return ch_cause_word((enum ch_cause)i)->meaning;
    return "";
}

static const struct ch_category_row *category_row(const char *slug)
{
    enum ch_category category;

    return ch_category_from_slug(slug, &category) ? ch_category_row(category) : NULL;
}

static void print_outcome(const struct cJSON *attempt)
{
    const char *category = json_get_text(attempt, "category");
    const char *phase = json_get_text(attempt, "phase"), *wire = json_get_text(attempt, "wire");
    const char *cause = json_get_text(attempt, "cause");
    const char *name = json_get_text(attempt, "errno_name");
    const struct ch_category_row *row = category_row(category);

    report_row3("category", NAME_WIDTH, category, WORD_WIDTH, "%s", row ? row->meaning : "");
    report_row3("phase", NAME_WIDTH, phase, WORD_WIDTH, "%s", phase_meaning(phase));
    report_row3("wire", NAME_WIDTH, wire, WORD_WIDTH, "%s", wire_meaning(wire));
    report_row3("cause", NAME_WIDTH, cause, WORD_WIDTH, "%s: %s",
                json_get_bool(attempt, "certain") ? "proof" : "inference", cause_meaning(cause));
    if (json_get(attempt, "errno"))
        report_row3("errno", NAME_WIDTH, *name ? name : "?", WORD_WIDTH, "%s",
                    strerror((int)json_get_count(attempt, "errno"))); // NOLINT
}

static void print_icmp(const struct cJSON *icmp)
{
    if (icmp)
        report_row3("icmp", NAME_WIDTH, json_get_text(icmp, "icmp"), WORD_WIDTH,
                    "type %" PRIu64 " code %" PRIu64 " from %s (%s)", json_get_count(icmp, "type"),
                    json_get_count(icmp, "code"), json_get_text(icmp, "offender"),
                    json_get_text(icmp, "sender"));
}

static bool ends_with(const char *text, const char *end, size_t *ret_rest)
{
    size_t len = strlen(text), end_len = strlen(end);

    *ret_rest = len - end_len;
    return len > end_len && strcmp(text + *ret_rest, end) == 0;
}

/* One fact under its name in the JSON, whose end is its unit. */
static void append_fact(struct ch_text *text, const struct cJSON *item)
{
    const char *key = json_key(item), *string = json_text_of(item);
    char amount[PLAIN_AMOUNT];
    size_t rest;

    ch_text_puts(text, text->len ? ", " : "");
    if (json_is_true(item))
        ch_text_puts(text, key);
    else if (*string)
        ch_text_printf(text, "%s" LAYOUT_NO_BREAK "%s", key, string);
    else if (ends_with(key, "_seconds", &rest))
        ch_text_printf(text, "%.*s" LAYOUT_NO_BREAK "%s", (int)rest, key,
                       plain_duration(json_number(item), amount));
    else if (ends_with(key, "_bytes", &rest))
        ch_text_printf(text, "%.*s" LAYOUT_NO_BREAK "%s", (int)rest, key,
                       plain_bytes(json_number(item), amount));
    else
        ch_text_printf(text, "%s" LAYOUT_NO_BREAK "%.0f", key, json_number(item));
}

/* What is zero, empty or a tree of its own is left out. */
static void print_facts(const char *name, const struct cJSON *facts)
{
    struct ch_text text = {.data = NULL};
    char *list;

    for (const struct cJSON *item = json_first(facts); item; item = json_next(item))
        if (json_number(item) != 0 || json_is_true(item) || *json_text_of(item))
            append_fact(&text, item);
    list = ch_text_take(&text);
    if (list && *list)
        report_row(name, NAME_WIDTH, "%s", list);
    free(list);
}

static void print_failure(const struct cJSON *attempt)
{
    const struct ch_category_row *row = category_row(json_get_text(attempt, "category"));
    double time = json_get_number(attempt, "time");
    char when[PLAIN_AMOUNT], ago[PLAIN_AMOUNT], text[2 * PLAIN_AMOUNT + 64];

    if (!attempt)
        return;
    snprintf(text, sizeof(text), "The last failure, %s ago (%s)",
             plain_duration(now_seconds() - time, ago), plain_time(time, when));
    putchar('\n');
    layout_heading(text);
    print_outcome(attempt);
    print_icmp(json_get(attempt, "icmp"));
    report_row("detail", NAME_WIDTH, "%s", json_get_text(attempt, "detail"));
    print_facts("evidence", json_get(attempt, "evidence"));
    print_facts("tcp_info", json_get(attempt, "tcp_info"));
    if (row)
        report_row("look at", NAME_WIDTH, "%s", row->advice);
}

static void print_probe(const struct cJSON *probe)
{
    print_headline(probe);
    print_attempts(probe);
    print_numbers(probe);
    print_connection(probe);
    print_labels(json_get(probe, "labels"));
    print_counted(probe);
    print_failure(json_get(probe, "last_failure"));
}

/* ---- the history ------------------------------------------------------- */

static void add_event(struct table *table, const struct cJSON *event)
{
    bool success = json_get_bool(event, "success");
    enum probe_state state = success ? PROBE_OK : PROBE_FAILING;
    char *why = probe_why(event), when[PLAIN_AMOUNT];

    table_add(table, LAYOUT_PLAIN, "%s", plain_time(json_get_number(event, "time"), when));
    table_add(table, LAYOUT_PLAIN, "%s", json_get_text(event, "probe"));
    if (json_get_bool(event, "changed"))
        table_add(table, probe_state_paint(state), "%s", probe_state_word(state));
    else
        table_add(table, LAYOUT_DIM, "again");
    table_add(table, LAYOUT_PLAIN, "%s", why ? why : "");
    table->failed |= !why;
    free(why);
}

static int print_history(const struct cJSON *events)
{
    static const struct table_column columns[] = {
        {"TIME", false}, {"PROBE", false}, {"OUTCOME", false}, {"WHY", false}};
    struct table table = {.columns = columns, .count = 4};

    if (!json_first(events))
        return 0;
    for (const struct cJSON *event = json_first(events); event; event = json_next(event))
        add_event(&table, event);
    putchar('\n');
    layout_heading("Failures and changes, the newest first");
    return table_print(&table);
}

int show_report(const struct cJSON *probes, const struct cJSON *events)
{
    for (const struct cJSON *probe = json_first(probes); probe; probe = json_next(probe)) {
        if (probe != json_first(probes))
            putchar('\n');
        print_probe(probe);
    }
    return print_history(events);
}
