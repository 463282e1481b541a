/* SPDX-License-Identifier: Apache-2.0 */
#include "probes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connhealth/clock.h"
#include "json_read.h"
#include "plain.h"
#include "table.h"

struct row {
    enum probe_state state;
    size_t number; /* as they came */
    double since;  /* Unix seconds */
    char *group, *target, *probe, *why;
};

struct rows {
    struct row *rows;
    size_t count, room;
    bool failed; /* out of memory */
};

enum probe_state probe_state_of(const struct cJSON *element)
{
    if (!json_get(element, "success"))
        return PROBE_UNTRIED;
    if (!json_get_bool(element, "success"))
        return PROBE_FAILING;
    /* A failure of this host's own is not the target's: success stays. */
    if (json_get(element, "trouble") || json_get(json_get(element, "last"), "category"))
        return PROBE_TROUBLED;
    return PROBE_OK;
}

const char *probe_state_word(enum probe_state state)
{
    static const char *const words[] = {[PROBE_FAILING] = "FAILING",
                                        [PROBE_TROUBLED] = "TROUBLE",
                                        [PROBE_UNTRIED] = "untried",
                                        [PROBE_OK] = "ok"};

    return words[state];
}

enum layout_paint probe_state_paint(enum probe_state state)
{
    static const enum layout_paint paints[] = {[PROBE_FAILING] = LAYOUT_BAD,
                                               [PROBE_TROUBLED] = LAYOUT_WARNING,
                                               [PROBE_UNTRIED] = LAYOUT_DIM,
                                               [PROBE_OK] = LAYOUT_GOOD};

    return paints[state];
}

char *probe_why(const struct cJSON *attempt)
{
    const char *category = json_get_text(attempt, "category");
    char *why;

    if (!*category)
        return strdup("");
    if (asprintf(&why, "%s: %s%s", category, json_get_bool(attempt, "certain") ? "" : "likely ",
                 json_get_text(attempt, "cause")) < 0)
        return NULL;
    return why;
}

/* "retransmitting, gives up in 12s" */
static char *why_troubled(const struct cJSON *trouble)
{
    const struct cJSON *left = json_get(trouble, "until_give_up_seconds");
    char text[PLAIN_AMOUNT], *why;

    if (asprintf(&why, "%s%s%s", json_get_text(trouble, "trouble"), left ? ", gives up in " : "",
                 left ? plain_duration(json_number(left), text) : "") < 0)
        return NULL;
    return why;
}

static char *why_of(const struct cJSON *element)
{
    const struct cJSON *trouble = json_get(element, "trouble");

    if (json_get_bool(element, "success") && trouble)
        return why_troubled(trouble);
    return probe_why(json_get(element, "last"));
}

static bool make_room(struct rows *rows)
{
    size_t room = rows->room ? rows->room * 2 : 64;
    struct row *more;

    if (rows->count < rows->room)
        return true;
    more = reallocarray(rows->rows, room, sizeof(*more));
    if (!more)
        return false;
    rows->rows = more;
    rows->room = room;
    return true;
}

static void clear_row(struct row *row)
{
    free(row->group);
    free(row->target);
    free(row->probe);
    free(row->why);
}

static bool take_element(const struct cJSON *element, void *context)
{
    struct rows *rows = context;
    struct row row = {.state = probe_state_of(element),
                      .number = rows->count,
                      .since = json_get_number(element, "since"),
                      .group = strdup(json_get_text(element, "group")),
                      .target = strdup(json_get_text(element, "target")),
                      .probe = strdup(json_get_text(element, "probe")),
                      .why = why_of(element)};

    if (!row.group || !row.target || !row.probe || !row.why || !make_room(rows)) {
        clear_row(&row);
        rows->failed = true;
        return false;
    }
    rows->rows[rows->count++] = row;
    return true;
}

static int in_order(const void *a, const void *b)
{
    const struct row *row_a = a, *row_b = b;

    if (row_a->state != row_b->state)
        return row_a->state < row_b->state ? -1 : 1;
    if (row_a->state != PROBE_OK && row_a->since != row_b->since)
        return row_a->since > row_b->since ? -1 : 1;
    return (row_a->number > row_b->number) - (row_a->number < row_b->number);
}

static void add_row(struct table *table, const struct row *row, double now)
{
    char age[PLAIN_AMOUNT];

    table_add(table, probe_state_paint(row->state), "%s", probe_state_word(row->state));
    table_add(table, LAYOUT_PLAIN, "%s", row->group);
    table_add(table, LAYOUT_PLAIN, "%s", row->target);
    table_add(table, LAYOUT_PLAIN, "%s", row->probe);
    table_add(table, LAYOUT_PLAIN, "%s",
              row->since > 0 ? plain_duration(now - row->since, age) : "-");
    table_add(table, LAYOUT_PLAIN, "%s", row->why);
}

static int print_table(const struct rows *rows)
{
    static const struct table_column columns[] = {{"STATE", false},  {"GROUP", false},
                                                  {"TARGET", false}, {"PROBE", false},
                                                  {"FOR", true},     {"WHY", false}};
    struct table table = {.columns = columns, .count = 6};
    double now = (double)ch_clock_realtime() / (double)CH_NS_PER_S;

    for (size_t i = 0; i < rows->count; i++)
        add_row(&table, &rows->rows[i], now);
    return table_print(&table);
}

int probes_print(const struct ctl_answer *answer, bool sorted, size_t *ret_count)
{
    struct rows rows = {.rows = NULL};
    int r =
        json_read_each(answer->body, answer->len, "targets", take_element, &rows) ? 0 : -EBADMSG;

    if (rows.failed)
        r = -ENOMEM;
    if (r == 0 && sorted && rows.count > 0)
        qsort(rows.rows, rows.count, sizeof(*rows.rows), in_order);
    if (r == 0 && rows.count > 0)
        r = print_table(&rows);
    *ret_count = rows.count;
    for (size_t i = 0; i < rows.count; i++)
        clear_row(&rows.rows[i]);
    free(rows.rows);
    return r;
}
