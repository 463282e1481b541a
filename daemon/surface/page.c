/* SPDX-License-Identifier: Apache-2.0 */
#include "page.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "build.h"
#include "connhealth/clock.h"
#include "page_files.h"

#define LOAD(field) atomic_load_explicit(&(field), memory_order_relaxed)

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

static void put_time(struct ch_text *out, int64_t time_ns, int64_t now_ns)
{
    time_t seconds = (time_t)(time_ns / CH_NS_PER_S);
    struct tm tm;
    char text[40];

    if (!gmtime_r(&seconds, &tm) || strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        text[0] = '\0';
    ch_text_printf(out, "<time datetime=\"%s\" title=\"%s\">", text, text);
    put_age(out, now_ns - time_ns);
    ch_text_puts(out, "</time>");
}

struct failing {
    const struct ch_series *series;
    int64_t since_ns;
};

struct page {
    struct ch_state *state;
    struct ch_generation *generation; /* NULL before the first */
    int64_t now_ns;
    struct failing *failing; /* newest first */
    size_t failing_count;
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

static void put_verdict(struct ch_text *out, const struct ch_attempt *attempt)
{
    const struct ch_outcome *outcome = &attempt->outcome;
    char detail[CH_DETAIL_TEXT];

    ch_text_printf(out, "<span class=\"tags\"><b>%s</b> <span>%s</span> <i>%s</i></span>",
                   ch_category_row(outcome->category)->slug, ch_cause_word(outcome->cause)->slug,
                   outcome->certain ? "certain" : "inferred");
    ch_text_puts(out, "<span class=\"detail\">");
    put(out, ch_outcome_describe(&attempt->evidence, outcome, detail, sizeof(detail)));
    ch_text_puts(out, "</span>");
}

/* As list.js makes a row, so that its taking over moves nothing. */
static void put_failing_row(struct ch_text *out, const struct failing *failing, int64_t now_ns)
{
    const struct ch_series *series = failing->series;
    struct ch_attempt attempt;

    ch_text_puts(out, "<tr class=\"failing\" role=\"row\"><td class=\"state\" role=\"cell\">"
                      "<span class=\"mark\">Failing</span></td><td class=\"since\" role=\"cell\">");
    put_time(out, failing->since_ns, now_ns);
    ch_text_puts(out, "</td><td class=\"target\" role=\"cell\"><bdi class=\"name\">");
    put(out, series->target->name);
    ch_text_puts(out, "</bdi><span class=\"place\"><bdi>");
    put(out, series->target->group->name);
    ch_text_printf(out, "</bdi> · %s</span></td><td class=\"why\" role=\"cell\">",
                   ch_probe_kind_word(series->kind)->slug);
    if (ch_record_last_failure(series->record, &attempt))
        put_verdict(out, &attempt);
    ch_text_puts(out, "</td><td class=\"history\" role=\"cell\"></td></tr>\n");
}

static void put_rows(struct ch_text *out, const struct page *page)
{
    for (size_t i = 0; i < page->failing_count && i < CH_PAGE_ROWS; i++)
        put_failing_row(out, &page->failing[i], page->now_ns);
}

static void put_more(struct ch_text *out, const struct page *page)
{
    if (page->failing_count > CH_PAGE_ROWS)
        ch_text_printf(
            out, "<p>And %zu more: see <a href=\"api/v1/targets?failing=true\">all</a>.</p>\n",
            page->failing_count - CH_PAGE_ROWS);
}

static void put_headline(struct ch_text *out, const struct page *page)
{
    size_t probes = page->generation ? page->generation->series_count : 0;

    if (!page->generation)
        ch_text_puts(out, "No configuration is loaded yet");
    else if (probes == 0)
        ch_text_puts(out, "No targets are configured");
    else if (page->failing_count == 0)
        ch_text_puts(out, "Nothing fails");
    else
        ch_text_printf(out, "%zu of %zu %s", page->failing_count, probes,
                       probes == 1                ? "probe fails"
                       : page->failing_count == 1 ? "probes fails"
                                                  : "probes fail");
}

static void put_mood(struct ch_text *out, const struct page *page)
{
    ch_text_puts(out, page->failing_count > 0                                  ? "failing"
                      : page->generation && page->generation->series_count > 0 ? "fine"
                                                                               : "empty");
}

static void put_about(struct ch_text *out, const struct page *page)
{
    ch_text_printf(out, "Version %s (%s), running for ", ch_build_version(), ch_build_revision());
    put_age(out, page->now_ns - page->state->started_ns);
    ch_text_printf(out, ". %zu targets, %zu probes.",
                   page->generation ? page->generation->target_count : 0,
                   page->generation ? page->generation->series_count : 0);
}

static void put_reload_errors(struct ch_text *out, const struct page *page)
{
    char *errors = ch_state_reload_errors(page->state);

    if (errors) {
        ch_text_puts(out, "<div class=\"notice\"><p>The last reload failed; the configuration from "
                          "before it still runs.</p><pre>");
        put(out, errors);
        ch_text_puts(out, "</pre></div>\n");
    }
    free(errors);
}

/* What stands in index.html in the place of <!--NAME-->. */
static const struct {
    const char *name;
    void (*put)(struct ch_text *out, const struct page *page);
} parts[] = {
    {"mood", put_mood},   {"headline", put_headline},
    {"about", put_about}, {"notices", put_reload_errors},
    {"rows", put_rows},   {"more", put_more},
};

static void put_part(struct ch_text *out, const struct page *page, const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (strlen(parts[i].name) == len && memcmp(parts[i].name, name, len) == 0)
            parts[i].put(out, page);
}

static void fill(struct ch_text *out, const struct page *page, const char *at, size_t len)
{
    static const char open[] = "<!--", close[] = "-->";
    const char *end = at + len, *name, *stop;

    while ((name = memmem(at, (size_t)(end - at), open, 4)) &&
           (stop = memmem(name, (size_t)(end - name), close, 3))) {
        ch_text_append(out, at, (size_t)(name - at));
        name += 4;
        put_part(out, page, name, (size_t)(stop - name));
        at = stop + 3;
    }
    ch_text_append(out, at, (size_t)(end - at));
}

void ch_page_render(struct ch_state *state, int64_t now_ns, struct ch_text *out)
{
    struct ch_page_bytes template = ch_page_file(CH_PAGE_INDEX);
    struct page page = {.state = state, .generation = ch_state_generation(state), .now_ns = now_ns};

    page.failing = gather(page.generation, &page.failing_count);
    fill(out, &page, template.data, template.len);
    free(page.failing);
    ch_generation_unref(page.generation);
}
