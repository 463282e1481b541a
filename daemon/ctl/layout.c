/* SPDX-License-Identifier: Apache-2.0 */
#include "layout.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DEFAULT_WIDTH 80
/* Longer lines are hard to read however wide the terminal is. */
#define WIDTH_MAX 100
#define WIDTH_MIN 40

static bool is_terminal(void)
{
    const char *term = getenv("TERM");

    return isatty(STDOUT_FILENO) && !(term && strcmp(term, "dumb") == 0);
}

static bool use_colour(void)
{
    const char *no_color = getenv("NO_COLOR");

    return is_terminal() && !(no_color && no_color[0] != '\0');
}

/* 0 if there is none, or it does not tell. */
static int terminal_width(void)
{
    struct winsize size;

    if (!is_terminal() || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
        return 0;
    return size.ws_col < WIDTH_MIN ? WIDTH_MIN : size.ws_col;
}

static int line_width(void)
{
    int width = terminal_width();

    if (width == 0)
        return DEFAULT_WIDTH;
    return width > WIDTH_MAX ? WIDTH_MAX : width;
}

int layout_table_width(void)
{
    int width = terminal_width();

    return width == 0 ? INT_MAX : width;
}

static void begin_paint(enum layout_paint paint)
{
    /* ECMA-48, 8.3.117 (SGR) */
    static const char *const begin[] = {
        [LAYOUT_PLAIN] = "",         [LAYOUT_BOLD] = "\033[1m",       [LAYOUT_GOOD] = "\033[1;32m",
        [LAYOUT_BAD] = "\033[1;31m", [LAYOUT_WARNING] = "\033[1;33m", [LAYOUT_DIM] = "\033[2m"};

    if (paint != LAYOUT_PLAIN && use_colour())
        fputs(begin[paint], stdout);
}

static void end_paint(enum layout_paint paint)
{
    if (paint != LAYOUT_PLAIN && use_colour())
        fputs("\033[0m", stdout);
}

void layout_print(enum layout_paint paint, const char *text)
{
    begin_paint(paint);
    fputs(text, stdout);
    end_paint(paint);
}

void layout_heading(const char *text)
{
    layout_print(LAYOUT_BOLD, text);
    putchar('\n');
}

/* Of a word of UTF-8: every byte but those that continue a character. */
static int columns_of(const char *text, size_t len)
{
    int columns = 0;

    for (size_t i = 0; i < len; i++)
        columns += ((unsigned char)text[i] & 0xc0) != 0x80;
    return columns;
}

static void print_word(const char *text, size_t len)
{
    static const char no_break[] = LAYOUT_NO_BREAK;

    for (const char *end = text + len; text < end; text++) {
        if (end - text >= 2 && memcmp(text, no_break, 2) == 0) {
            putchar(' ');
            text++;
        } else {
            putchar(*text);
        }
    }
}

static void wrap(int width, int indent, int at, enum layout_paint paint, const char *text)
{
    begin_paint(paint);
    for (text += strspn(text, " "); *text; text += strspn(text, " ")) {
        size_t len = strcspn(text, " ");
        int columns = columns_of(text, len);

        if (at < indent) {
            printf("%*s", indent - at, "");
            at = indent;
        } else if (at > indent && at + 1 + columns > width) {
            printf("\n%*s", indent, "");
            at = indent;
        } else if (at > indent) {
            putchar(' ');
            at++;
        }
        print_word(text, len);
        at += columns;
        text += len;
    }
    end_paint(paint);
    putchar('\n');
}

void layout_wrap(int indent, int at, const char *text)
{
    wrap(line_width(), indent, at, LAYOUT_PLAIN, text);
}

void layout_cell(int indent, int at, enum layout_paint paint, const char *text)
{
    wrap(layout_table_width(), indent, at, paint, text);
}

void layout_row(const char *name, int width, const char *text)
{
    printf("  ");
    layout_print(LAYOUT_DIM, name);
    layout_wrap(2 + width, 2 + (int)strlen(name), text);
}

void layout_row3(const char *name, int width, const char *word, int word_width, const char *text)
{
    int at = 2 + width;

    printf("  ");
    layout_print(LAYOUT_DIM, name);
    printf("%*s", width - (int)strlen(name), "");
    layout_print(LAYOUT_BOLD, word);
    layout_wrap(at + word_width, at + (int)strlen(word), text);
}
