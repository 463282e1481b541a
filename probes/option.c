/* SPDX-License-Identifier: Apache-2.0 */
#include "connhealth/option.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connhealth/expect.h"
#include "connhealth/text.h"

/* The field of an options struct that a row describes. */
static void *field_of(const struct ch_option *option, void *options)
{
    return (char *)options + option->offset;
}

static const void *const_field_of(const struct ch_option *option, const void *options)
{
    return (const char *)options + option->offset;
}

__attribute__((format(printf, 2, 3))) static int refuse(char reason[CH_REASON_TEXT],
                                                        const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(reason, CH_REASON_TEXT, format, args);
    va_end(args);
    return -EINVAL;
}

static int parse_duration(const struct ch_option *option, const char *text, size_t len,
                          int64_t *ret, char reason[CH_REASON_TEXT])
{
    char quoted[CH_QUOTED_TEXT], low[CH_DURATION_TEXT], high[CH_DURATION_TEXT];
    int64_t ns = 0;
    int r = ch_duration_parse(text, len, &ns);

    ch_text_quote(text, len, quoted);
    if (r == -EINVAL)
        return refuse(reason, "%s is not a duration (examples: 500ms, 10s, 1m30s)", quoted);
    if (r < 0 || ns < option->min || ns > option->max)
        return refuse(reason, "%s is out of range (%s to %s)", quoted,
                      ch_duration_format(option->min, low), ch_duration_format(option->max, high));
    *ret = ns;
    return 0;
}

static int parse_uint(const struct ch_option *option, const char *text, size_t len, uint32_t *ret,
                      char reason[CH_REASON_TEXT])
{
    char quoted[CH_QUOTED_TEXT];
    int64_t number = 0;
    size_t i;

    ch_text_quote(text, len, quoted);
    for (i = 0; i < len && text[i] >= '0' && text[i] <= '9'; i++) {
        if (number <= UINT32_MAX)
            number = number * 10 + (text[i] - '0');
    }
    if (len == 0 || i < len)
        return refuse(reason, "%s is not a whole number (%" PRId64 " to %" PRId64 ")", quoted,
                      option->min, option->max);
    if (number < option->min || number > option->max)
        return refuse(reason, "%s is out of range (%" PRId64 " to %" PRId64 ")", quoted,
                      option->min, option->max);
    *ret = (uint32_t)number;
    return 0;
}

static int parse_bool(const char *text, size_t len, bool *ret, char reason[CH_REASON_TEXT])
{
    char quoted[CH_QUOTED_TEXT];

    if (len == 4 && memcmp(text, "true", 4) == 0)
        *ret = true;
    else if (len == 5 && memcmp(text, "false", 5) == 0)
        *ret = false;
    else
        return refuse(reason, "%s is neither true nor false", ch_text_quote(text, len, quoted));
    return 0;
}

static int parse_choice(const struct ch_option *option, const char *text, size_t len, uint32_t *ret,
                        char reason[CH_REASON_TEXT])
{
    char quoted[CH_QUOTED_TEXT];
    size_t used;

    for (uint32_t i = 0; option->choices[i]; i++) {
        if (strlen(option->choices[i]) == len && memcmp(option->choices[i], text, len) == 0) {
            *ret = i;
            return 0;
        }
    }
    refuse(reason, "%s is not one of:", ch_text_quote(text, len, quoted));
    for (uint32_t i = 0; option->choices[i]; i++) {
        used = strlen(reason);
        snprintf(reason + used, CH_REASON_TEXT - used, "%s %s", i ? "," : "", option->choices[i]);
    }
    return -EINVAL;
}

static int replace_bytes(struct ch_bytes *field, const void *data, size_t len)
{
    uint8_t *copy = malloc(len + 1);

    if (!copy)
        return -ENOMEM;
    memcpy(copy, data, len);
    copy[len] = '\0';
    free(field->data);
    *field = (struct ch_bytes){.data = copy, .len = len};
    return 0;
}

static int check_length(const struct ch_option *option, size_t len, char reason[CH_REASON_TEXT])
{
    if ((int64_t)len < option->min || (int64_t)len > option->max)
        return refuse(reason, "is %zu bytes long (%" PRId64 " to %" PRId64 " are allowed)", len,
                      option->min, option->max);
    return 0;
}

/* At most len / 2 bytes to data; their number to *ret_len. */
static int decode_hex(const char *text, size_t len, uint8_t *data, size_t *ret_len,
                      char reason[CH_REASON_TEXT])
{
    size_t digits = 0;

    for (size_t i = 0; i < len; i++) {
        int digit = ch_text_hex_digit(text[i]);

        if (text[i] == ' ' || text[i] == '\t' || text[i] == '\n')
            continue;
        if (digit < 0)
            return refuse(reason,
                          "has a character that is no hexadecimal digit at offset %zu "
                          "(example: 50 49 4e 47)",
                          i);
        if (digits % 2 == 0)
            data[digits / 2] = (uint8_t)(digit << 4);
        else
            data[digits / 2] |= (uint8_t)digit;
        digits++;
    }
    if (digits % 2)
        return refuse(reason, "has an odd number of hexadecimal digits (two make one byte)");
    *ret_len = digits / 2;
    return 0;
}

static int parse_hex(const struct ch_option *option, const char *text, size_t len,
                     struct ch_bytes *field, char reason[CH_REASON_TEXT])
{
    uint8_t *data = malloc(len / 2 + 1);
    size_t data_len = 0;
    int r;

    if (!data)
        return -ENOMEM;
    r = decode_hex(text, len, data, &data_len, reason);
    if (r == 0)
        r = check_length(option, data_len, reason);
    if (r == 0)
        r = replace_bytes(field, data, data_len);
    free(data);
    return r;
}

static int parse_text(const struct ch_option *option, const char *text, size_t len,
                      struct ch_bytes *field, char reason[CH_REASON_TEXT])
{
    int r = check_length(option, len, reason);

    return r < 0 ? r : replace_bytes(field, text, len);
}

static int parse_regex(const char *text, size_t len, struct ch_expect **field,
                       char reason[CH_REASON_TEXT])
{
    char why[CH_REASON_TEXT / 2], quoted[CH_QUOTED_TEXT];
    struct ch_expect *expect;
    size_t offset = 0;
    int r = ch_expect_new(text, len, &expect, why, sizeof(why), &offset);

    if (r == -EINVAL)
        return refuse(reason, "%s is not a regular expression: %s at offset %zu",
                      ch_text_quote(text, len, quoted), why, offset);
    if (r < 0)
        return r;
    ch_expect_free(*field);
    *field = expect;
    return 0;
}

static int add_duration(const struct ch_option *option, const char *text, size_t len,
                        struct ch_durations *field, char reason[CH_REASON_TEXT])
{
    char last[CH_DURATION_TEXT], quoted[CH_QUOTED_TEXT];
    int64_t ns = 0, *grown;
    int r = parse_duration(option, text, len, &ns, reason);

    if (r < 0)
        return r;
    if (field->count > 0 && ns <= field->ns[field->count - 1])
        return refuse(reason, "%s is not longer than the one before it, %s (write them ascending)",
                      ch_text_quote(text, len, quoted),
                      ch_duration_format(field->ns[field->count - 1], last));
    grown = reallocarray(field->ns, field->count + 1, sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    grown[field->count++] = ns;
    field->ns = grown;
    return 0;
}

int ch_option_parse(const struct ch_option *option, const char *text, size_t len, void *options,
                    char reason[CH_REASON_TEXT])
{
    void *field = field_of(option, options);

    if (option->secret && len == strlen(CH_SECRET_SHOWN) && memcmp(text, CH_SECRET_SHOWN, len) == 0)
        return refuse(reason, "%s only stands for a secret that was not shown; write the secret",
                      CH_SECRET_SHOWN);
    switch (option->type) {
    case CH_OPTION_DURATION:
        return parse_duration(option, text, len, field, reason);
    case CH_OPTION_UINT:
        return parse_uint(option, text, len, field, reason);
    case CH_OPTION_BOOL:
        return parse_bool(text, len, field, reason);
    case CH_OPTION_TEXT:
        return parse_text(option, text, len, field, reason);
    case CH_OPTION_HEX:
        return parse_hex(option, text, len, field, reason);
    case CH_OPTION_REGEX:
        return parse_regex(text, len, field, reason);
    case CH_OPTION_CHOICE:
        return parse_choice(option, text, len, field, reason);
    case CH_OPTION_DURATIONS:
        return add_duration(option, text, len, field, reason);
    }
    return -EINVAL;
}

int ch_options_defaults(const struct ch_option *table, void *options)
{
    char reason[CH_REASON_TEXT];

    for (const struct ch_option *option = table; option->key; option++) {
        int r;

        if (!option->fallback)
            continue;
        r = ch_option_parse(option, option->fallback, strlen(option->fallback), options, reason);
        if (r < 0)
            return r;
    }
    return 0;
}

static void clear_field(const struct ch_option *option, void *field)
{
    struct ch_bytes *bytes = field;
    struct ch_expect **expect = field;
    struct ch_durations *durations = field;

    switch (option->type) {
    case CH_OPTION_TEXT:
    case CH_OPTION_HEX:
        free(bytes->data);
        *bytes = (struct ch_bytes){0};
        break;
    case CH_OPTION_REGEX:
        *expect = ch_expect_free(*expect);
        break;
    case CH_OPTION_DURATIONS:
        free(durations->ns);
        *durations = (struct ch_durations){0};
        break;
    case CH_OPTION_DURATION:
    case CH_OPTION_UINT:
    case CH_OPTION_BOOL:
    case CH_OPTION_CHOICE:
        break;
    }
}

void ch_options_clear(const struct ch_option *table, void *options)
{
    for (const struct ch_option *option = table; option->key; option++)
        clear_field(option, field_of(option, options));
}

const struct ch_option *ch_option_find(const struct ch_option *table, const char *key)
{
    for (const struct ch_option *option = table; option->key; option++) {
        if (strcmp(option->key, key) == 0)
            return option;
    }
    return NULL;
}

static char *format_hex(const struct ch_bytes *bytes)
{
    char *text = malloc(bytes->len * 3 + 1);
    size_t used = 0;

    if (!text)
        return NULL;
    for (size_t i = 0; i < bytes->len; i++)
        used += (size_t)sprintf(text + used, "%s%02x", i ? " " : "", bytes->data[i]);
    text[used] = '\0';
    return text;
}

static char *format_durations(const struct ch_durations *durations)
{
    char one[CH_DURATION_TEXT];
    char *text = malloc(durations->count * (CH_DURATION_TEXT + 2) + 3);
    size_t used = 0;

    if (!text)
        return NULL;
    used += (size_t)sprintf(text, "[");
    for (size_t i = 0; i < durations->count; i++)
        used += (size_t)sprintf(text + used, "%s%s", i ? ", " : "",
                                ch_duration_format(durations->ns[i], one));
    sprintf(text + used, "]");
    return text;
}

bool ch_option_is_set(const struct ch_option *option, const void *options)
{
    const void *field = const_field_of(option, options);
    const struct ch_bytes *bytes = field;
    const struct ch_durations *durations = field;
    struct ch_expect *const *expect = field;

    switch (option->type) {
    case CH_OPTION_TEXT:
    case CH_OPTION_HEX:
        return bytes->data;
    case CH_OPTION_REGEX:
        return *expect;
    case CH_OPTION_DURATIONS:
        return durations->count > 0;
    case CH_OPTION_DURATION:
    case CH_OPTION_UINT:
    case CH_OPTION_BOOL:
    case CH_OPTION_CHOICE:
        break;
    }
    return true;
}

char *ch_option_format(const struct ch_option *option, const void *options)
{
    const void *field = const_field_of(option, options);
    const struct ch_bytes *bytes = field;
    struct ch_expect *const *expect = field;
    const uint32_t *number = field;
    char duration[CH_DURATION_TEXT], decimal[16];

    if (!ch_option_is_set(option, options))
        return NULL;
    if (option->secret)
        return strdup(CH_SECRET_SHOWN);
    switch (option->type) {
    case CH_OPTION_DURATION:
        return strdup(ch_duration_format(*(const int64_t *)field, duration));
    case CH_OPTION_UINT:
        snprintf(decimal, sizeof(decimal), "%" PRIu32, *number);
        return strdup(decimal);
    case CH_OPTION_BOOL:
        return strdup(*(const bool *)field ? "true" : "false");
    case CH_OPTION_TEXT:
        return ch_text_escape(bytes->data, bytes->len);
    case CH_OPTION_HEX:
        return format_hex(bytes);
    case CH_OPTION_REGEX:
        return ch_text_escape(ch_expect_pattern(*expect), strlen(ch_expect_pattern(*expect)));
    case CH_OPTION_CHOICE:
        return strdup(option->choices[*number]);
    case CH_OPTION_DURATIONS:
        return format_durations(field);
    }
    return NULL;
}
