/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of layout.h whose text may hold foreign bytes: they are made fit for a
 * terminal (plain.h). Without memory a row is left empty. */
#ifndef CH_CTL_REPORT_H
#define CH_CTL_REPORT_H

#include "layout.h"

/* "  name      text", the text wrapped beside the name. */
void report_row(const char *name, int width, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* name must be plain already. */
void report_row3(const char *name, int width, const char *word, int word_width, const char *format,
                 ...) __attribute__((format(printf, 5, 6)));
/* Inside a line. */
void report_print(enum layout_paint paint, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
