/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table on standard output. Columns are as wide as they need to be; the last
 * one takes what the terminal has left and is wrapped there, or goes below its
 * row where that is too little. Nothing is cut off, and without a terminal
 * nothing is wrapped: each row is one line.
 *
 * Cells are made fit for a terminal (plain.h): foreign text may be put in as it
 * is. Zero-initialise with columns and count set.
 */
#ifndef CH_CTL_TABLE_H
#define CH_CTL_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "layout.h"

struct table_column {
    const char *title;
    bool right; /* aligned right: numbers */
};

struct table_cell {
    char *text;
    enum layout_paint paint;
};

struct table {
    const struct table_column *columns;
    size_t count;
    /* private */
    struct table_cell *cells; /* row by row */
    size_t used, room;
    bool failed; /* out of memory: the table is not whole */
};

/* The next cell, from left to right, row by row. */
void table_add(struct table *table, enum layout_paint paint, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
size_t table_rows(const struct table *table);
/* Prints the whole rows under their titles, and empties it. 0 or -ENOMEM. */
int table_print(struct table *table);

#endif
