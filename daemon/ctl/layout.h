/* SPDX-License-Identifier: Apache-2.0 */
/* Text for a person on standard output: rows in columns, wrapped to the width of
 * the terminal, coloured only there and not with NO_COLOR (no-color.org). */
#ifndef CH_CTL_LAYOUT_H
#define CH_CTL_LAYOUT_H

enum layout_paint { LAYOUT_PLAIN, LAYOUT_BOLD, LAYOUT_GOOD, LAYOUT_BAD, LAYOUT_DIM };

void layout_print(enum layout_paint paint, const char *text);
void layout_heading(const char *text);

/* text wrapped, each line indented; the cursor stands at column `at`. */
void layout_wrap(int indent, int at, const char *text);
/* "  name      text": the name padded to width, the text wrapped beside it. */
void layout_row(const char *name, int width, const char *text);
/* The same with a word, padded to its own width, before the text. */
void layout_row3(const char *name, int width, const char *word, int word_width, const char *text);

#endif
