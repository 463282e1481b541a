/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "plain.h"

enum { INDENT = 2, GAP = 2, COLUMNS_MAX = 16 };
/* A narrower last column goes below its row, indented. */
enum { LAST_MIN = 28, BELOW = 6 };

static bool make_room(struct table *table)
{
    size_t room = table->room ? table->room * 2 : 64;
    struct table_cell *cells;

    if (table->used < table->room)
        return true;
    cells = reallocarray(table->cells, room, sizeof(*cells));
    if (!cells)
        return false;
    table->cells = cells;
    table->room = room;
    return true;
}

void table_add(struct table *table, enum layout_paint paint, const char *format, ...)
{
    struct ch_text clean = {.data = NULL};
    va_list list;
    char *text;
    int len;

    va_start(list, format);
    len = vasprintf(&text, format, list);
    va_end(list);
    if (len < 0) {
        table->failed = true;
        return;
    }
    plain_text(&clean, text);
    free(text);
    text = ch_text_take(&clean);
    if (!text || !make_room(table)) {
        free(text);
        table->failed = true;
        return;
    }
    table->cells[table->used++] = (struct table_cell){.text = text, .paint = paint};
}

size_t table_rows(const struct table *table)
{
    return table->used / table->count;
}

static void measure(const struct table *table, int widths[COLUMNS_MAX])
{
    for (size_t i = 0; i < table->count; i++)
        widths[i] = (int)plain_width(table->columns[i].title);
    for (size_t i = 0; i < table->used; i++) {
        int width = (int)plain_width(table->cells[i].text);

        if (width > widths[i % table->count]) // NOLINT: a table has a column
            widths[i % table->count] = width;
    }
}

/* One cell of a fixed column, with the gap behind it. */
static void print_cell(const struct table *table, size_t column, const int *widths,
                       enum layout_paint paint, const char *text)
{
    int pad = widths[column] - (int)plain_width(text);

    if (table->columns[column].right)
        printf("%*s", pad, "");
    layout_print(paint, text);
    if (!table->columns[column].right)
        printf("%*s", pad, "");
    printf("%*s", GAP, "");
}

struct shape {
    int last_at; /* the column that the last cell begins at */
    bool below;
};

static void print_last(const struct shape *shape, enum layout_paint paint, const char *text)
{
    if (shape->below && *text) {
        putchar('\n');
        layout_cell(BELOW, 0, paint, text);
    } else {
        layout_cell(shape->last_at, shape->last_at, paint, text);
    }
}

static void print_titles(const struct table *table, const int *widths, const struct shape *shape)
{
    size_t last = table->count - 1;

    printf("%*s", INDENT, "");
    for (size_t i = 0; i < last; i++)
        print_cell(table, i, widths, LAYOUT_DIM, table->columns[i].title);
    layout_cell(shape->last_at, shape->last_at, LAYOUT_DIM,
                shape->below ? "" : table->columns[last].title);
}

int table_print(struct table *table)
{
    int widths[COLUMNS_MAX] = {0}, r = table->failed ? -ENOMEM : 0;
    struct shape shape = {.last_at = INDENT};
    size_t last = table->count - 1;

    measure(table, widths);
    for (size_t i = 0; i < last; i++)
        shape.last_at += widths[i] + GAP;
    shape.below = layout_table_width() - shape.last_at < LAST_MIN &&
                  layout_table_width() - shape.last_at < widths[last];
    print_titles(table, widths, &shape);
    for (size_t i = 0; i < table_rows(table); i++) {
        const struct table_cell *row = &table->cells[i * table->count];

        printf("%*s", INDENT, "");
        for (size_t j = 0; j < last; j++)
            print_cell(table, j, widths, row[j].paint, row[j].text);
        print_last(&shape, row[last].paint, row[last].text);
    }
    for (size_t i = 0; i < table->used; i++)
        free(table->cells[i].text);
    free(table->cells);
    *table = (struct table){.columns = table->columns, .count = table->count};
    return r;
}
