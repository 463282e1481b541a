/* SPDX-License-Identifier: Apache-2.0 */
#include "log_line.h"

#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "connhealth/clock.h"
#include "connhealth/text.h"

#define ELLIPSIS    "…"
#define REPLACEMENT 0xfffdu

/* Kept free behind every value: its ellipsis, and what closes field and line. */
#define TAIL_BYTES 16

struct line {
    char *start;
    size_t len;
};

static const char *const level_names[] = {[CH_LOG_DEBUG] = "debug",
                                          [CH_LOG_INFO] = "info",
                                          [CH_LOG_WARN] = "warn",
                                          [CH_LOG_ERROR] = "error"};

static size_t room_left(const struct line *line)
{
    size_t used = line->len + TAIL_BYTES;

    return used < CH_LOG_LINE_MAX ? CH_LOG_LINE_MAX - used : 0;
}

static void put(struct line *line, const char *bytes, size_t len)
{
    memcpy(line->start + line->len, bytes, len);
    line->len += len;
}

static void put_text(struct line *line, const char *text)
{
    put(line, text, strlen(text));
}

/* The code point at text and how many bytes it takes; a byte that begins no
 * character is U+FFFD of one byte. */
static size_t next_code_point(const char *text, uint32_t *ret)
{
    size_t len = ch_text_decode(text, strnlen(text, 4), ret);

    if (len == 0)
        *ret = REPLACEMENT;
    return len ? len : 1;
}

static bool is_control(uint32_t point)
{
    return point < 0x20 || (point >= 0x7f && point < 0xa0);
}

/* Room for the longest piece of put_piece() and its NUL. */
#define PIECE_BYTES 8

/* The character at text as it is written; escaped as JSON strings are, which
 * logfmt's quoted values share. Returns the length; *text moves on. */
static size_t take_piece(const char **text, bool escape, char piece[PIECE_BYTES])
{
    static const char named[] = "\"\"\\\\\nn\rr\tt";
    uint32_t point;
    size_t len = next_code_point(*text, &point);
    const char *from = *text;

    *text += len;
    if (escape) {
        for (const char *pair = named; *pair; pair += 2) {
            if (point == (uint8_t)*pair) {
                piece[0] = '\\';
                piece[1] = pair[1];
                return 2;
            }
        }
        if (is_control(point))
            return (size_t)snprintf(piece, PIECE_BYTES, "\\u%04x", point & 0xffu);
    }
    if (point == REPLACEMENT)
        from = "\xef\xbf\xbd", len = 3;
    memcpy(piece, from, len);
    return len;
}

/* As much of the value as may be, the rest as an ellipsis. */
static void put_value(struct line *line, const char *value, bool escape)
{
    size_t room = room_left(line);
    size_t end = line->len + (room < CH_LOG_VALUE_MAX ? room : CH_LOG_VALUE_MAX);

    while (*value) {
        char piece[PIECE_BYTES];
        size_t len = take_piece(&value, escape, piece);

        if (line->len + len > end) {
            put_text(line, ELLIPSIS);
            return;
        }
        put(line, piece, len);
    }
}

/* A field of which next to nothing would fit is left out. */
static bool fits(const struct line *line, const struct ch_log_field *field)
{
    return room_left(line) > strlen(field->name) + 32;
}

static void put_time(struct line *line, int64_t time_ns)
{
    time_t seconds = time_ns / CH_NS_PER_S;
    char text[64];
    struct tm tm;
    size_t len;

    gmtime_r(&seconds, &tm);
    len = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    put(line, text, len);
    len =
        (size_t)snprintf(text, sizeof(text), ".%03dZ", (int)(time_ns % CH_NS_PER_S / CH_NS_PER_MS));
    put(line, text, len);
}

/* As the readers of logfmt split: at spaces, at the first equals sign, and with
 * quotes only where a value begins with one. */
static bool needs_quotes(const char *value)
{
    if (!*value)
        return true;
    while (*value) {
        uint32_t point;

        value += next_code_point(value, &point);
        if (point == ' ' || point == '=' || point == '"' || point == REPLACEMENT ||
            is_control(point))
            return true;
    }
    return false;
}

static void put_logfmt(struct line *line, const char *name, const char *value)
{
    bool quoted = needs_quotes(value);

    put_text(line, " ");
    put_text(line, name);
    put_text(line, quoted ? "=\"" : "=");
    put_value(line, value, quoted);
    if (quoted)
        put_text(line, "\"");
}

size_t ch_log_line_logfmt(const struct ch_log_entry *entry, char bytes[CH_LOG_LINE_MAX])
{
    struct line line = {.start = bytes};

    put_text(&line, "time=");
    put_time(&line, entry->time_ns);
    put_logfmt(&line, "level", level_names[entry->level]);
    put_logfmt(&line, "msg", entry->message);
    for (size_t i = 0; i < entry->count && fits(&line, &entry->fields[i]); i++)
        put_logfmt(&line, entry->fields[i].name, entry->fields[i].value);
    put_text(&line, "\n");
    return line.len;
}

static void put_json(struct line *line, const char *name, const char *value)
{
    put_text(line, ",\"");
    put_text(line, name);
    put_text(line, "\":\"");
    put_value(line, value, true);
    put_text(line, "\"");
}

size_t ch_log_line_json(const struct ch_log_entry *entry, char bytes[CH_LOG_LINE_MAX])
{
    struct line line = {.start = bytes};

    put_text(&line, "{\"time\":\"");
    put_time(&line, entry->time_ns);
    put_text(&line, "\"");
    put_json(&line, "level", level_names[entry->level]);
    put_json(&line, "msg", entry->message);
    for (size_t i = 0; i < entry->count && fits(&line, &entry->fields[i]); i++)
        put_json(&line, entry->fields[i].name, entry->fields[i].value);
    put_text(&line, "}\n");
    return line.len;
}

/* The form with a length, which any value may take: the name, a newline, the
 * length in 64 bits little-endian, the value, a newline
 * (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/). */
static void put_journal(struct line *line, const char *name, const char *value)
{
    uint64_t size = 0;
    char *place;

    put_text(line, name);
    put_text(line, "\n");
    place = line->start + line->len;
    put(line, (const char *)&size, sizeof(size));
    put_value(line, value, false);
    size = htole64((uint64_t)(line->start + line->len - place) - sizeof(size));
    memcpy(place, &size, sizeof(size));
    put_text(line, "\n");
}

size_t ch_log_line_journal(const struct ch_log_entry *entry, char bytes[CH_LOG_LINE_MAX])
{
    /* syslog(3) */
    static const char *const priorities[] = {
        [CH_LOG_DEBUG] = "7", [CH_LOG_INFO] = "6", [CH_LOG_WARN] = "4", [CH_LOG_ERROR] = "3"};
    struct line line = {.start = bytes};

    put_journal(&line, "MESSAGE", entry->message);
    if (entry->id)
        put_journal(&line, "MESSAGE_ID", entry->id);
    put_journal(&line, "PRIORITY", priorities[entry->level]);
    put_journal(&line, "SYSLOG_IDENTIFIER", program_invocation_short_name);
    for (size_t i = 0; i < entry->count && fits(&line, &entry->fields[i]); i++) {
        char name[64] = "CONNHEALTH_"; /* the journal takes no longer one */
        size_t len = strlen(name);

        for (const char *at = entry->fields[i].name; *at && len < sizeof(name) - 1; at++)
            name[len++] = (char)toupper((unsigned char)*at);
        name[len] = '\0';
        put_journal(&line, name, entry->fields[i].value);
    }
    return line.len;
}
