/* SPDX-License-Identifier: Apache-2.0 */
#include "accept.h"

#include <string.h>
#include <strings.h>

enum exactness { EXACT_NONE, EXACT_ALL, EXACT_SUBTYPES, EXACT_TYPE };

/* A run of bytes inside the header. */
struct span {
    const char *at;
    size_t len;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static struct span trimmed(const char *at, const char *end)
{
    while (at < end && is_space(*at))
        at++;
    while (end > at && is_space(end[-1]))
        end--;
    return (struct span){.at = at, .len = (size_t)(end - at)};
}

static bool span_is(struct span span, const char *word)
{
    return span.len == strlen(word) && strncasecmp(span.at, word, span.len) == 0;
}

/* Cuts the next piece before separator, which inside a quoted string is no
 * separator (RFC 9110, 5.6.4). False at the end. */
static bool next_piece(const char **at, const char *end, char separator, struct span *ret)
{
    const char *stop = *at;
    bool quoted = false;

    if (*at > end)
        return false;
    for (; stop < end && (quoted || *stop != separator); stop++) {
        if (*stop == '"')
            quoted = !quoted;
        else if (quoted && *stop == '\\' && stop + 1 < end)
            stop++;
    }
    *ret = trimmed(*at, stop);
    *at = stop + 1;
    return true;
}

/* NAME=VALUE, the value without its quotes; false if it is not of that form. */
static bool split_parameter(struct span parameter, struct span *ret_name, struct span *ret_value)
{
    const char *end = parameter.at + parameter.len;
    const char *equals = memchr(parameter.at, '=', parameter.len);

    if (!equals)
        return false;
    *ret_name = trimmed(parameter.at, equals);
    *ret_value = trimmed(equals + 1, end);
    if (ret_value->len >= 2 && ret_value->at[0] == '"' && end[-1] == '"') {
        ret_value->at++;
        ret_value->len -= 2;
    }
    return true;
}

/* 0 to 1 with at most three decimals (RFC 9110, 12.4.2), in thousandths; -1 if
 * it is anything else. */
static int parse_weight(struct span value)
{
    int weight, place = 100;

    if (value.len == 0 || value.len > 5 || (value.at[0] != '0' && value.at[0] != '1'))
        return -1;
    weight = (value.at[0] - '0') * 1000;
    if (value.len > 1 && value.at[1] != '.')
        return -1;
    for (size_t i = 2; i < value.len; i++, place /= 10) {
        if (value.at[i] < '0' || value.at[i] > '9')
            return -1;
        weight += (value.at[i] - '0') * place;
    }
    return weight <= 1000 ? weight : -1;
}

/* What one element of a header asks for. */
struct range {
    struct span name;
    struct span version; /* the parameter; at is NULL without one */
    int weight;          /* -1: malformed */
};

static struct range parse_range(struct span element)
{
    const char *at = element.at, *end = element.at + element.len;
    struct range range = {.weight = 1000};
    struct span parameter, name, value;

    next_piece(&at, end, ';', &range.name);
    while (next_piece(&at, end, ';', &parameter)) {
        if (!split_parameter(parameter, &name, &value))
            continue;
        if (span_is(name, "q"))
            range.weight = parse_weight(value);
        else if (span_is(name, "version"))
            range.version = value;
    }
    return range;
}

/* The most exact range decides (RFC 9110, 12.5.1); of two as exact, the one
 * that weighs more. */
static void prefer(struct ch_preference *preference, int exact, int weight)
{
    if (exact > preference->exact || (exact == preference->exact && weight > preference->weight))
        *preference = (struct ch_preference){.weight = weight, .exact = exact};
}

static void note_type(struct ch_accept *accept, const struct range *range)
{
    bool any_version = !range->version.at;

    if (span_is(range->name, "*/*")) {
        prefer(&accept->text, EXACT_ALL, range->weight);
        prefer(&accept->openmetrics, EXACT_ALL, range->weight);
    } else if (span_is(range->name, "text/*")) {
        prefer(&accept->text, EXACT_SUBTYPES, range->weight);
    } else if (span_is(range->name, "application/*")) {
        prefer(&accept->openmetrics, EXACT_SUBTYPES, range->weight);
    } else if (span_is(range->name, "text/plain")) {
        if (any_version || span_is(range->version, "0.0.4"))
            prefer(&accept->text, EXACT_TYPE, range->weight);
    } else if (span_is(range->name, "application/openmetrics-text")) {
        if (any_version || span_is(range->version, "1.0.0"))
            prefer(&accept->openmetrics, EXACT_TYPE, range->weight);
    }
}

static void note_encoding(struct ch_accept *accept, const struct range *range)
{
    if (span_is(range->name, "*")) {
        prefer(&accept->gzip, EXACT_ALL, range->weight);
        prefer(&accept->identity, EXACT_ALL, range->weight);
    } else if (span_is(range->name, "gzip") || span_is(range->name, "x-gzip")) {
        prefer(&accept->gzip, EXACT_TYPE, range->weight);
    } else if (span_is(range->name, "identity")) {
        prefer(&accept->identity, EXACT_TYPE, range->weight);
    }
}

static void each_range(struct ch_accept *accept, const char *header,
                       void (*note)(struct ch_accept *, const struct range *))
{
    const char *end = header + strlen(header);
    struct span element;

    while (next_piece(&header, end, ',', &element)) {
        struct range range = parse_range(element);

        if (range.weight >= 0)
            note(accept, &range);
    }
}

void ch_accept_types(struct ch_accept *accept, const char *header)
{
    each_range(accept, header, note_type);
}

void ch_accept_encodings(struct ch_accept *accept, const char *header)
{
    each_range(accept, header, note_encoding);
}

enum ch_metrics_format ch_accept_format(const struct ch_accept *accept)
{
    const struct ch_preference *text = &accept->text, *openmetrics = &accept->openmetrics;

    if (openmetrics->weight <= 0 || openmetrics->weight < text->weight)
        return CH_METRICS_TEXT;
    if (openmetrics->weight > text->weight)
        return CH_METRICS_OPENMETRICS;
    return openmetrics->exact > text->exact ? CH_METRICS_OPENMETRICS : CH_METRICS_TEXT;
}

bool ch_accept_gzip(const struct ch_accept *accept)
{
    const struct ch_preference *gzip = &accept->gzip, *identity = &accept->identity;

    if (gzip->weight <= 0)
        return false;
    /* "*" alone asks for nothing in particular */
    if (gzip->exact == EXACT_ALL && identity->exact <= EXACT_ALL && identity->weight > 0)
        return false;
    return gzip->weight >= identity->weight;
}
