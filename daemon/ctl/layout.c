/* SPDX-License-Identifier: Apache-2.0 */
#include "layout.h"

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

static int line_width(void)
{
    struct winsize size;

    if (!is_terminal() || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
        return DEFAULT_WIDTH;
    if (size.ws_col < WIDTH_MIN)
        return WIDTH_MIN;
    return size.ws_col > WIDTH_MAX ? WIDTH_MAX : size.ws_col;
}

void layout_print(enum layout_paint paint, const char *text)
{
    /* ECMA-48, 8.3.117 (SGR) */
    static const char *const begin[] = {[LAYOUT_PLAIN] = "",
                                        [LAYOUT_BOLD] = "\033[1m",
                                        [LAYOUT_GOOD] = "\033[1;32m",
                                        [LAYOUT_BAD] = "\033[1;31m",
                                        [LAYOUT_DIM] = "\033[2m"};

    if (paint == LAYOUT_PLAIN || !use_colour())
        fputs(text, stdout);
    else
        printf("%s%s\033[0m", begin[paint], text);
}

void layout_heading(const char *text)
{
    layout_print(LAYOUT_BOLD, text);
    putchar('\n');
}

void layout_wrap(int indent, int at, const char *text)
{
    int width = line_width();

    for (text += strspn(text, " "); *text; text += strspn(text, " ")) {
        int len = (int)strcspn(text, " ");

        if (at < indent) {
            printf("%*s", indent - at, "");
            at = indent;
        } else if (at > indent && at + 1 + len > width) {
            printf("\n%*s", indent, "");
            at = indent;
        } else if (at > indent) {
            putchar(' ');
            at++;
        }
        printf("%.*s", len, text);
        at += len;
        text += len;
    }
    putchar('\n');
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
