/* SPDX-License-Identifier: Apache-2.0 */
/* The answer of /api/v1/sockets, for a person: trouble first. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connhealth/clock.h"
#include "json_read.h"
#include "layout.h"
#include "output.h"
#include "plain.h"
#include "report.h"
#include "table.h"

enum { FAMILY_WIDTH = 10, NOTE_WIDTH = 16 };

/* ---- pieces ------------------------------------------------------------ */

/* "" is what no unit is known of. */
static const char *unit_name(const struct cJSON *object)
{
    const char *name = json_get_text(object, "unit");

    return *name ? name : "(no unit)";
}

/* Of {"established":2,"listen":1}: "2 established, 1 listen"; a malloc'd string. */
static char *list_counts(const struct cJSON *counts)
{
    struct ch_text text = {.data = NULL};

    for (const struct cJSON *item = json_first(counts); item; item = json_next(item))
        ch_text_printf(&text, "%s%.0f" LAYOUT_NO_BREAK "%s", text.len ? ", " : "",
                       json_number(item), json_key(item));
    ch_text_append(&text, "", 0);
    return ch_text_take(&text);
}

static void add_counts(struct table *table, const struct cJSON *counts)
{
    char *text = list_counts(counts);

    table_add(table, LAYOUT_PLAIN, "%s", text ? text : "");
    table->failed |= !text;
    free(text);
}

static void add_bytes(struct table *table, const struct cJSON *object, const char *key)
{
    char text[PLAIN_AMOUNT];
    double bytes = json_get_number(object, key);

    table_add(table, bytes > 0 ? LAYOUT_PLAIN : LAYOUT_DIM, "%s", plain_bytes(bytes, text));
}

static void add_count(struct table *table, enum layout_paint paint, uint64_t count)
{
    table_add(table, count > 0 ? paint : LAYOUT_DIM, "%" PRIu64, count);
}

static void add_seconds(struct table *table, double seconds)
{
    char text[PLAIN_AMOUNT];

    if (seconds > 0)
        table_add(table, LAYOUT_PLAIN, "%s", plain_duration(seconds, text));
    else
        table_add(table, LAYOUT_DIM, "-");
}

/* Under its heading, after an empty line; nothing if it has no rows. */
static int print_section(const char *heading, struct table *table)
{
    if (table_rows(table) > 0) {
        putchar('\n');
        layout_heading(heading);
    } else if (!table->failed) {
        return 0;
    }
    return table_print(table);
}

/* ---- the head ---------------------------------------------------------- */

static void print_counts(const struct cJSON *root)
{
    for (const struct cJSON *item = json_first(json_get(root, "sockets")); item;
         item = json_next(item)) {
        char *counts = list_counts(json_get(item, "states"));
        char name[32];

        snprintf(name, sizeof(name), "%.8s %.8s", json_get_text(item, "family"),
                 json_get_text(item, "protocol"));
        if (counts && *counts)
            report_row(name, FAMILY_WIDTH, "%s", counts);
        free(counts);
    }
}

/* What the sweep could not see. */
static void print_limits(const struct cJSON *root)
{
    const struct cJSON *missing = json_get(json_get(root, "collector"), "missing");
    const char *error = json_get_text(root, "error");

    if (!json_get_bool(root, "complete"))
        report_row("incomplete", NOTE_WIDTH, "%s",
                   *error ? error : "the kernel's tables changed while they were read");
    for (const struct cJSON *item = json_first(missing); item; item = json_next(item))
        report_row("limited", NOTE_WIDTH, "%s; needs %s", json_get_text(item, "meaning"),
                   json_get_text(item, "needs"));
}

static void print_head(const struct cJSON *root)
{
    double time = json_get_number(root, "time");
    double ago = (double)ch_clock_realtime() / (double)CH_NS_PER_S - time;
    char when[PLAIN_AMOUNT], before[PLAIN_AMOUNT], every[PLAIN_AMOUNT];

    layout_print(LAYOUT_BOLD, "Sockets of this host");
    printf(" %s ago (%s), read every %s\n", plain_duration(ago, before), plain_time(time, when),
           plain_duration(json_get_number(root, "interval_seconds"), every));
    print_counts(root);
    print_limits(root);
}

/* ---- trouble ----------------------------------------------------------- */

/* "for 3 h 12 min, 7 of 15 rounds, 10.0.0.1:443 to 10.0.0.2:5312" */
static void add_worst(struct table *table, const struct cJSON *worst)
{
    static const char *const amounts[] = {"rounds", "probes"};
    char age[PLAIN_AMOUNT], amount[PLAIN_AMOUNT] = "", bytes[PLAIN_AMOUNT];
    const struct cJSON *local = json_get(worst, "local"), *remote = json_get(worst, "remote");
    uint64_t limit = json_get_count(worst, "limit");

    for (size_t i = 0; i < sizeof(amounts) / sizeof(amounts[0]); i++) {
        uint64_t count = json_get_count(worst, amounts[i]);

        if (json_get(worst, amounts[i]) && count <= limit)
            snprintf(amount, sizeof(amount), ", %" PRIu64 " of %" PRIu64 " %s", count, limit,
                     amounts[i]);
        else if (json_get(worst, amounts[i]))
            snprintf(amount, sizeof(amount), ", %" PRIu64 " %s", count, amounts[i]);
    }
    if (json_get(worst, "bytes"))
        snprintf(amount, sizeof(amount), ", %s",
                 plain_bytes(json_get_number(worst, "bytes"), bytes));
    table_add(table, LAYOUT_PLAIN, "for %s%s%s%s%s%s",
              plain_duration(json_get_number(worst, "age_seconds"), age), amount, local ? ", " : "",
              json_get_text(worst, "local"), remote ? " to " : "", json_get_text(worst, "remote"));
}

/* Connections pass through most of these states in the course of their lives: what
 * began just now need not alarm anybody. */
static enum layout_paint paint_of(const struct cJSON *worst)
{
    return json_get_number(worst, "age_seconds") < 1 ? LAYOUT_PLAIN : LAYOUT_BAD;
}

static void add_troubles(struct table *table, const char *where, const struct cJSON *object)
{
    for (const struct cJSON *item = json_first(json_get(object, "troubles")); item;
         item = json_next(item)) {
        const struct cJSON *worst = json_get(item, "worst");

        table_add(table, LAYOUT_PLAIN, "%s", where);
        table_add(table, paint_of(worst), "%s", json_get_text(item, "trouble"));
        table_add(table, LAYOUT_PLAIN, "%" PRIu64, json_get_count(item, "sockets"));
        add_worst(table, worst);
    }
}

static const char *listener_name(const struct cJSON *listener, char text[128])
{
    const char *address = json_get_text(listener, "address");
    bool v6 = strchr(address, ':') != NULL;

    snprintf(text, 128, "%s%.64s%s:%" PRIu64, v6 ? "[" : "", address, v6 ? "]" : "",
             json_get_count(listener, "port"));
    return text;
}

/* From four fifths of its limit on an accept queue is near it. */
static bool is_near_limit(const struct cJSON *listener)
{
    double limit = json_get_number(listener, "backlog_limit");

    return json_get_bool(listener, "full") ||
           (limit > 0 && json_get_number(listener, "backlog") >= limit * 0.8);
}

static void add_accept_queue(struct table *table, const char *where, const struct cJSON *listener)
{
    if (!is_near_limit(listener))
        return;
    table_add(table, LAYOUT_PLAIN, "%s", where);
    table_add(table, LAYOUT_BAD, "accept_queue");
    table_add(table, LAYOUT_PLAIN, "%" PRIu64, json_get_count(listener, "backlog"));
    table_add(table, LAYOUT_PLAIN, "%s: limit %" PRIu64 ", %" PRIu64 " dropped so far",
              json_get_bool(listener, "full") ? "full" : "nearly full",
              json_get_count(listener, "backlog_limit"), json_get_count(listener, "drops"));
}

static int print_trouble(const struct cJSON *root)
{
    static const struct table_column columns[] = {
        {"WHERE", false}, {"TROUBLE", false}, {"SOCKETS", true}, {"WORST", false}};
    struct table table = {.columns = columns, .count = 4};

    for (const struct cJSON *unit = json_first(json_get(root, "units")); unit;
         unit = json_next(unit))
        add_troubles(&table, unit_name(unit), unit);
    for (const struct cJSON *item = json_first(json_get(root, "listeners")); item;
         item = json_next(item)) {
        char name[128], where[160];

        snprintf(where, sizeof(where), "listener %s", listener_name(item, name));
        add_accept_queue(&table, where, item);
        add_troubles(&table, where, item);
    }
    if (table_rows(&table) == 0 && !table.failed)
        printf("\nNo connection is in trouble now.\n");
    return print_section("In trouble now", &table);
}

/* ---- units, listeners, peers ------------------------------------------- */

static int print_units(const struct cJSON *root)
{
    static const struct table_column columns[] = {{"UNIT", false},      {"SEND-Q", true},
                                                  {"RECV-Q", true},     {"RETRANS", true},
                                                  {"CLOSE-WAIT", true}, {"SOCKETS", false}};
    struct table table = {.columns = columns, .count = 6};

    for (const struct cJSON *unit = json_first(json_get(root, "units")); unit;
         unit = json_next(unit)) {
        if (!json_first(json_get(unit, "sockets")))
            continue;
        table_add(&table, LAYOUT_PLAIN, "%s", unit_name(unit));
        add_bytes(&table, unit, "send_queue_bytes");
        add_bytes(&table, unit, "receive_queue_bytes");
        add_count(&table, LAYOUT_PLAIN, json_get_count(unit, "retransmitted_segments"));
        add_seconds(&table, json_get_number(unit, "close_wait_oldest_seconds"));
        add_counts(&table, json_get(unit, "sockets"));
    }
    return print_section("Units (CLOSE-WAIT: how old the oldest is)", &table);
}

static int print_listeners(const struct cJSON *root)
{
    static const struct table_column columns[] = {
        {"LISTENER", false}, {"BACKLOG", true}, {"LIMIT", true}, {"DROPS", true}, {"UNIT", false}};
    struct table table = {.columns = columns, .count = 5};

    for (const struct cJSON *item = json_first(json_get(root, "listeners")); item;
         item = json_next(item)) {
        char name[128];

        table_add(&table, LAYOUT_PLAIN, "%s", listener_name(item, name));
        add_count(&table, is_near_limit(item) ? LAYOUT_BAD : LAYOUT_PLAIN,
                  json_get_count(item, "backlog"));
        table_add(&table, LAYOUT_PLAIN, "%" PRIu64, json_get_count(item, "backlog_limit"));
        add_count(&table, LAYOUT_BAD, json_get_count(item, "drops"));
        table_add(&table, LAYOUT_PLAIN, "%s", unit_name(item));
    }
    return print_section("Listeners (connections that wait for accept)", &table);
}

static int print_peers(const struct cJSON *root)
{
    static const struct table_column columns[] = {
        {"PEER", false}, {"RETRANS", true}, {"RTT", true}, {"SOCKETS", false}};
    struct table table = {.columns = columns, .count = 4};

    for (const struct cJSON *item = json_first(json_get(root, "peers")); item;
         item = json_next(item)) {
        table_add(&table, LAYOUT_PLAIN, "%s", json_get_text(item, "peer"));
        add_count(&table, LAYOUT_PLAIN, json_get_count(item, "retransmitted_segments"));
        add_seconds(&table, json_get_number(json_get(item, "rtt"), "mean_seconds"));
        add_counts(&table, json_get(item, "sockets"));
    }
    return print_section("Peers", &table);
}

static int print_ends(const struct cJSON *root)
{
    static const struct table_column columns[] = {{"UNIT", false}, {"ENDS", false}};
    struct table table = {.columns = columns, .count = 2};

    for (const struct cJSON *unit = json_first(json_get(root, "units")); unit;
         unit = json_next(unit)) {
        if (!json_first(json_get(unit, "ends")))
            continue;
        table_add(&table, LAYOUT_PLAIN, "%s", unit_name(unit));
        add_counts(&table, json_get(unit, "ends"));
    }
    return print_section("How connections ended, since the daemon began", &table);
}

static void print_folded(const struct cJSON *root)
{
    uint64_t units = json_get_count(root, "units_folded");
    uint64_t listeners = json_get_count(root, "listeners_folded");

    if (units > 0)
        printf("\nThe unit \"other\" is the sum of %" PRIu64 " units beyond sockets.units.limit.\n",
               units);
    if (listeners > 0)
        printf("\n%" PRIu64 " listeners more are left out.\n", listeners);
}

int sockets_report(const struct cJSON *root)
{
    static int (*const sections[])(const struct cJSON *root) = {
        print_trouble, print_units, print_listeners, print_peers, print_ends};

    if (!json_get(root, "units"))
        return -EBADMSG;
    if (!json_get(root, "time")) {
        printf("Nothing was seen yet: no sweep has ended, or sockets.enabled is false.\n");
        return 0;
    }
    print_head(root);
    for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
        int r = sections[i](root);

        if (r < 0)
            return r;
    }
    print_folded(root);
    return 0;
}
