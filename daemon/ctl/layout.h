/* SPDX-License-Identifier: Apache-2.0 */
/* Text for a person on standard output: rows in columns, wrapped to the width of
 * the terminal, coloured only there and not with NO_COLOR (no-color.org). */
#ifndef CH_CTL_LAYOUT_H
#define CH_CTL_LAYOUT_H

/* A space that no line is broken at: U+00A0, printed as a plain space. */
#define LAYOUT_NO_BREAK "\xc2\xa0"

enum layout_paint {
    LAYOUT_PLAIN,
    LAYOUT_BOLD,
    LAYOUT_GOOD,
    LAYOUT_BAD,
    LAYOUT_WARNING,
    LAYOUT_DIM
};

void layout_print(enum layout_paint paint, const char *text);
void layout_heading(const char *text);

/* The width that a table may take: the terminal's; INT_MAX if there is none. */
int layout_table_width(void);
/* text wrapped to that width, each line indented; the cursor stands at column
 * `at`. Ends the line. */
void layout_cell(int indent, int at, enum layout_paint paint, const char *text);

/* text wrapped, each line indented; the cursor stands at column `at`. */
void layout_wrap(int indent, int at, const char *text);
/* "  name      text": the name padded to width, the text wrapped beside it. */
void layout_row(const char *name, int width, const char *text);
/* The same with a word, padded to its own width, before the text. */
void layout_row3(const char *name, int width, const char *word, int word_width, const char *text);

#endif
