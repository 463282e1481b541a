/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "plain.h"

static char *plain_of(const char *text)
{
    struct ch_text clean = {.data = NULL};

    plain_text(&clean, text);
    return ch_text_take(&clean);
}

static char *format_plain(const char *format, va_list list) __attribute__((format(printf, 1, 0)));

static char *format_plain(const char *format, va_list list)
{
    char *text, *plain;

    if (vasprintf(&text, format, list) < 0)
        return NULL;
    plain = plain_of(text);
    free(text);
    return plain;
}

void report_row(const char *name, int width, const char *format, ...)
{
    char *text, *plain_name;
    va_list list;

    va_start(list, format);
    text = format_plain(format, list);
    va_end(list);
    plain_name = plain_of(name);
    layout_row(plain_name ? plain_name : "", width, text ? text : "");
    free(plain_name);
    free(text);
}

void report_row3(const char *name, int width, const char *word, int word_width, const char *format,
                 ...)
{
    char *plain_word = plain_of(word), *text;
    va_list list;

    va_start(list, format);
    text = format_plain(format, list);
    va_end(list);
    layout_row3(name, width, plain_word ? plain_word : "", word_width, text ? text : "");
    free(plain_word);
    free(text);
}

void report_print(enum layout_paint paint, const char *format, ...)
{
    va_list list;
    char *text;

    va_start(list, format);
    text = format_plain(format, list);
    va_end(list);
    layout_print(paint, text ? text : "");
    free(text);
}
