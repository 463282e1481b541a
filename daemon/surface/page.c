/* SPDX-License-Identifier: Apache-2.0 */
#include "page.h"

#include <stdlib.h>
#include <time.h>

#include "build.h"
#include "connhealth/clock.h"

#define LOAD(field) atomic_load_explicit(&(field), memory_order_relaxed)

static const char head[] =
    "<!DOCTYPE html>\n"
    "<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<title>connhealthd</title>\n"
    "<style>\n"
    ":root{color-scheme:light dark}\n"
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem}\n"
    "table{border-collapse:collapse;width:100%}\n"
    "th,td{text-align:left;vertical-align:top;padding:.35rem .7rem .35rem 0;"
    "border-bottom:1px solid #8884}\n"
    "td{overflow-wrap:anywhere}td.when{white-space:nowrap}\n"
    "code,pre{font:13px/1.5 ui-monospace,monospace}pre{white-space:pre-wrap}\n"
    ".bad{color:#b3261e;font-weight:600}.good{color:#1b7f3b;font-weight:600}\n"
    "@media(prefers-color-scheme:dark){.bad{color:#ff8a80}.good{color:#7bd88f}}\n"
    "nav a{margin-right:1.2rem}\n"
    "</style></head><body>\n"
    "<h1>connhealthd</h1>\n"
    "<nav><a href=\"metrics\">Metrics</a><a href=\"api/v1/targets\">Targets</a>"
    "<a href=\"api/v1/targets?failing=true\">Failing</a><a href=\"api/v1/events\">Events</a>"
    "<a href=\"api/v1/sockets\">Sockets</a><a href=\"api/v1/status\">Status</a>"
    "<a href=\"api/v1/categories\">Categories</a><a href=\"config\">Configuration</a></nav>\n";

/* Text as HTML: nothing in it can end an attribute or begin a tag. */
static void put(struct ch_text *out, const char *text)
{
    size_t len = strlen(text);

    while (len > 0) {
        size_t plain = strcspn(text, "&<>\"'");

        ch_text_utf8(out, text, plain);
        if (plain == len)
            return;
        ch_text_printf(out, "&#%d;", text[plain]);
        text += plain + 1;
        len -= plain + 1;
    }
}

static void put_cell(struct ch_text *out, const char *text)
{
    ch_text_puts(out, "<td>");
    put(out, text);
    ch_text_puts(out, "</td>");
}

/* The two largest units: "3d 4h", "12s". */
static void put_age(struct ch_text *out, int64_t ns)
{
    static const struct {
        int64_t seconds;
        char name;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    int64_t seconds = ns > 0 ? ns / CH_NS_PER_S : 0;
    unsigned i = 0;

    while (i < 3 && seconds < units[i].seconds)
        i++;
    ch_text_printf(out, "%lld%c", (long long)(seconds / units[i].seconds), units[i].name);
    seconds %= units[i].seconds;
    if (i < 3 && seconds / units[i + 1].seconds > 0)
        ch_text_printf(out, " %lld%c", (long long)(seconds / units[i + 1].seconds),
                       units[i + 1].name);
}

static void put_when(struct ch_text *out, int64_t time_ns, int64_t now_ns)
{
    time_t seconds = (time_t)(time_ns / CH_NS_PER_S);
    struct tm tm;
    char text[40];

    if (!gmtime_r(&seconds, &tm) || strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
        text[0] = '\0';
    ch_text_printf(out, "<td class=\"when\" title=\"%s\">", text);
    put_age(out, now_ns - time_ns);
    ch_text_puts(out, " ago</td>");
}

struct failing {
    const struct ch_series *series;
    int64_t since_ns;
};

static int newest_first(const void *a, const void *b)
{
    const struct failing *x = a, *y = b;

    if (x->since_ns != y->since_ns)
        return x->since_ns < y->since_ns ? 1 : -1;
    return x->series < y->series ? -1 : x->series > y->series;
}

static struct failing *gather(const struct ch_generation *generation, size_t *ret_count)
{
    size_t count = 0, room = 0;
    struct failing *list = NULL;

    for (size_t i = 0; generation && i < generation->series_count; i++) {
        const struct ch_series *series = &generation->series[i];

        if (LOAD(series->record->success) != CH_SUCCESS_NO)
            continue;
        if (count == room) {
            struct failing *more = realloc(list, (room = room ? 2 * room : 64) * sizeof(*list));

            if (!more)
                break;
            list = more;
        }
        list[count++] =
            (struct failing){.series = series, .since_ns = LOAD(series->record->since_ns)};
    }
    if (count > 0)
        qsort(list, count, sizeof(*list), newest_first);
    *ret_count = count;
    return list;
}

/* A category or cause, with what it means when pointed at. */
static void put_word(struct ch_text *out, const char *slug, const char *meaning)
{
    ch_text_puts(out, "<td><code title=\"");
    put(out, meaning);
    ch_text_puts(out, "\">");
    put(out, slug);
    ch_text_puts(out, "</code></td>");
}

static void put_verdict(struct ch_text *out, const struct ch_attempt *attempt)
{
    const struct ch_outcome *outcome = &attempt->outcome;
    const struct ch_category_row *category = ch_category_row(outcome->category);
    const struct ch_word *cause = ch_cause_word(outcome->cause);
    char detail[CH_DETAIL_TEXT];

    put_word(out, category->slug, category->meaning);
    put_word(out, cause->slug, cause->meaning);
    put_cell(out, ch_outcome_describe(&attempt->evidence, outcome, detail, sizeof(detail)));
}

static void put_failing_row(struct ch_text *out, const struct failing *failing, int64_t now_ns)
{
    const struct ch_series *series = failing->series;
    struct ch_attempt attempt;

    ch_text_puts(out, "<tr>");
    put_when(out, failing->since_ns, now_ns);
    put_cell(out, series->target->group->name);
    put_cell(out, series->target->name);
    put_cell(out, ch_probe_kind_word(series->kind)->slug);
    if (ch_record_last_failure(series->record, &attempt))
        put_verdict(out, &attempt);
    else
        ch_text_puts(out, "<td></td><td></td><td></td>");
    ch_text_puts(out, "</tr>\n");
}

static void put_failing(struct ch_text *out, const struct ch_generation *generation, int64_t now_ns)
{
    size_t count;
    struct failing *list = gather(generation, &count);

    ch_text_puts(out, "<h2>Failing</h2>\n");
    if (count == 0)
        ch_text_puts(out, "<p class=\"good\">Nothing fails.</p>\n");
    else
        ch_text_puts(out, "<table><thead><tr><th>Since</th><th>Group</th><th>Target</th>"
                          "<th>Probe</th><th>Category</th><th>Cause</th><th>Detail</th></tr>"
                          "</thead><tbody>\n");
    for (size_t i = 0; i < count && i < CH_PAGE_ROWS; i++)
        put_failing_row(out, &list[i], now_ns);
    if (count > 0)
        ch_text_puts(out, "</tbody></table>\n");
    if (count > CH_PAGE_ROWS)
        ch_text_printf(
            out, "<p>And %zu more: see <a href=\"api/v1/targets?failing=true\">all</a>.</p>\n",
            count - CH_PAGE_ROWS);
    free(list);
}

static void put_summary(struct ch_text *out, struct ch_state *state,
                        const struct ch_generation *generation, int64_t now_ns)
{
    char *errors = ch_state_reload_errors(state);

    ch_text_printf(out, "<p>Version %s (%s), running for ", ch_build_version(),
                   ch_build_revision());
    put_age(out, now_ns - state->started_ns);
    ch_text_printf(out, ". %zu targets, %zu probes.</p>\n",
                   generation ? generation->target_count : 0,
                   generation ? generation->series_count : 0);
    if (!generation)
        ch_text_puts(out, "<p class=\"bad\">No configuration is loaded yet.</p>\n");
    if (errors) {
        ch_text_puts(out, "<p class=\"bad\">The last reload failed; the configuration from before "
                          "it still runs.</p>\n<pre>");
        put(out, errors);
        ch_text_puts(out, "</pre>\n");
    }
    free(errors);
}

static bool is_change(const struct ch_event *event, void *context)
{
    (void)context;
    return event->changed;
}

static void put_changes(struct ch_text *out, const struct ch_events *events, int64_t now_ns)
{
    size_t count = 0;
    struct ch_event *list = ch_events_copy(events, 20, is_change, NULL, &count);

    if (count > 0)
        ch_text_puts(out, "<h2>Latest changes</h2>\n<table><thead><tr><th>When</th><th>Group</th>"
                          "<th>Target</th><th>Probe</th><th>Outcome</th><th>Cause</th></tr></thead>"
                          "<tbody>\n");
    for (size_t i = 0; i < count; i++) {
        const struct ch_event *event = &list[i];
        const struct ch_outcome *outcome = &event->attempt.outcome;

        ch_text_puts(out, "<tr>");
        put_when(out, event->attempt.time_ns, now_ns);
        put_cell(out, event->group);
        put_cell(out, event->target);
        put_cell(out, ch_probe_kind_word(event->attempt.evidence.kind)->slug);
        if (outcome->success)
            ch_text_puts(out, "<td class=\"good\">success</td>");
        else
            put_cell(out, ch_category_row(outcome->category)->slug);
        put_cell(out, outcome->success ? "" : ch_cause_word(outcome->cause)->slug);
        ch_text_puts(out, "</tr>\n");
    }
    if (count > 0)
        ch_text_puts(out, "</tbody></table>\n");
    free(list);
}

void ch_page_render(struct ch_state *state, int64_t now_ns, struct ch_text *out)
{
    struct ch_generation *generation = ch_state_generation(state);

    ch_text_append(out, head, sizeof(head) - 1);
    put_summary(out, state, generation, now_ns);
    put_failing(out, generation, now_ns);
    put_changes(out, state->events, now_ns);
    ch_text_puts(out, "</body></html>\n");
    ch_generation_unref(generation);
}
