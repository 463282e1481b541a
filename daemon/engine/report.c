/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* FILE:LINE:COLUMN: PATH: message, malloc'd; NULL: out of memory */
__attribute__((format(printf, 5, 0))) static char *compose(const char *file, uint32_t line,
                                                           uint32_t column, const char *path,
                                                           const char *format, va_list args)
{
    char message[2 * CH_REASON_TEXT], place[32] = "";
    bool keyed = path && path[0];
    size_t size;
    char *text;

    if (line > 0)
        snprintf(place, sizeof(place), ":%u:%u", line, column);
    vsnprintf(message, sizeof(message), format, args);
    size = strlen(file) + strlen(place) + (keyed ? strlen(path) : 0) + strlen(message) +
           sizeof(": : ");
    text = malloc(size);
    if (text)
        snprintf(text, size, "%s%s: %s%s%s", file, place, keyed ? path : "", keyed ? ": " : "",
                 message);
    return text;
}

static bool make_room(struct ch_report *report)
{
    size_t room = report->room ? 2 * report->room : 16;
    struct ch_report_line *grown;

    if (report->count < report->room)
        return true;
    grown = realloc(report->lines, room * sizeof(*grown));
    if (!grown)
        return false;
    report->lines = grown;
    report->room = room;
    return true;
}

void ch_report_add(struct ch_report *report, uint32_t line, uint32_t column, const char *path,
                   const char *format, ...)
{
    struct ch_report_line *added;
    va_list args;

    report->total++;
    if (report->count >= CH_REPORT_MAX)
        return;
    if (!make_room(report)) {
        report->out_of_memory = true;
        return;
    }
    added = &report->lines[report->count];
    *added = (struct ch_report_line){
        .number = report->count, .file = report->file_index, .line = line, .column = column};
    va_start(args, format);
    added->text = compose(report->file, line, column, path, format, args);
    va_end(args);
    if (!added->text) {
        report->out_of_memory = true;
        return;
    }
    report->count++;
}

bool ch_report_is_clean(const struct ch_report *report)
{
    return report->total == 0 && !report->out_of_memory;
}

static int by_place(const void *left, const void *right)
{
    const struct ch_report_line *a = left, *b = right;

    if (a->file != b->file)
        return a->file < b->file ? -1 : 1;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    if (a->column != b->column)
        return a->column < b->column ? -1 : 1;
    return a->number < b->number ? -1 : 1;
}

static void clear(struct ch_report *report)
{
    for (size_t i = 0; i < report->count; i++)
        free(report->lines[i].text);
    free(report->lines);
    report->lines = NULL;
    report->count = report->room = report->total = 0;
    report->out_of_memory = false;
}

int ch_report_finish(struct ch_report *report, struct ch_config_errors *errors)
{
    char **lines;
    size_t rest;

    if (report->total > report->count && !report->out_of_memory) {
        rest = report->total - report->count;
        report->count--; /* its place is taken by the line that mentions the rest */
        free(report->lines[report->count].text);
        report->total = 0;
        report->file_index++;
        ch_report_add(report, 0, 0, NULL, "%zu more errors are not shown", rest + 1);
    }
    if (ch_report_is_clean(report)) {
        clear(report);
        return 0;
    }
    lines = report->out_of_memory ? NULL : malloc(report->count * sizeof(*lines));
    if (!lines) {
        clear(report);
        return -ENOMEM;
    }
    qsort(report->lines, report->count, sizeof(*report->lines), by_place);
    for (size_t i = 0; i < report->count; i++)
        lines[i] = report->lines[i].text;
    errors->lines = lines;
    errors->count = report->count;
    report->count = 0;
    clear(report);
    return -EINVAL;
}

void ch_config_errors_clear(struct ch_config_errors *errors)
{
    for (size_t i = 0; i < errors->count; i++)
        free(errors->lines[i]);
    free(errors->lines);
    *errors = (struct ch_config_errors){0};
}
