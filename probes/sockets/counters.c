/* SPDX-License-Identifier: Apache-2.0 */
#include "counters.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A word of a line, up to the next blank or the line's end. */
struct word {
    const char *text;
    size_t len;
};

static bool next_word(const char **at, struct word *ret)
{
    while (**at == ' ')
        (*at)++;
    ret->text = *at;
    ret->len = strcspn(*at, " \n");
    *at += ret->len;
    return ret->len > 0;
}

static bool is_word(const struct word *word, const char *text)
{
    return strlen(text) == word->len && memcmp(text, word->text, word->len) == 0;
}

/* group comes with its colon. */
static void take(const struct word *group, const struct word *name, const struct word *number,
                 struct ch_kernel_counters *ret)
{
    struct word bare = {group->text, group->len - 1};

    if (number->text[0] < '0' || number->text[0] > '9') /* MaxConn is -1 */
        return;
    for (unsigned i = 0; i < CH_KERNEL_EVENT_COUNT; i++) {
        const struct ch_sockets_word *row = ch_kernel_event_word(i);

        if (is_word(name, row->name) && is_word(&bare, row->group)) {
            ret->value[i] = strtoull(number->text, NULL, 10);
            ret->present[i] = true;
            return;
        }
    }
}

static const char *line_after(const char *line)
{
    line += strcspn(line, "\n");
    return *line == '\n' ? line + 1 : line;
}

void ch_counters_parse(const char *text, struct ch_kernel_counters *ret)
{
    while (*text != '\0') {
        const char *names = text, *numbers = line_after(text);
        struct word group, again, name, number;

        text = line_after(numbers);
        if (!next_word(&names, &group) || group.text[group.len - 1] != ':' ||
            !next_word(&numbers, &again) || again.len != group.len ||
            memcmp(again.text, group.text, group.len) != 0)
            continue;
        while (next_word(&names, &name) && next_word(&numbers, &number))
            take(&group, &name, &number, ret);
    }
}

/* Both files are a few KiB; what would not fit is not read. */
static int read_file(const char *path, struct ch_kernel_counters *ret)
{
    char text[32768];
    size_t len = 0;
    ssize_t n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    while (len < sizeof(text) - 1 && (n = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
        len += (size_t)n;
    n = n < 0 ? -errno : 0;
    close(fd);
    text[len] = '\0';
    if (n == 0)
        ch_counters_parse(text, ret);
    return (int)n;
}

int ch_counters_read(struct ch_kernel_counters *ret)
{
    int snmp, netstat;

    *ret = (struct ch_kernel_counters){0};
    snmp = read_file("/proc/self/net/snmp", ret);
    netstat = read_file("/proc/self/net/netstat", ret);
    return snmp ? snmp : netstat;
}
