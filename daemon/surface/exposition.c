/* SPDX-License-Identifier: Apache-2.0 */
#include "exposition.h"

const char *ch_exposition_content_type(enum ch_metrics_format format)
{
    return format == CH_METRICS_OPENMETRICS
               ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
               : "text/plain; version=0.0.4; charset=utf-8";
}

static const char *type_slug(enum ch_metrics_format format, enum ch_family_type type)
{
    switch (type) {
    case CH_FAMILY_COUNTER:
        return "counter";
    case CH_FAMILY_GAUGE:
        return "gauge";
    case CH_FAMILY_HISTOGRAM:
        return "histogram";
    case CH_FAMILY_INFO:
        return format == CH_METRICS_OPENMETRICS ? "info" : "gauge";
    }
    return "unknown";
}

/* OpenMetrics names a family without the suffix that its type puts behind
 * every sample (OpenMetrics 1.0, "Suffixes"). */
static size_t family_name_len(enum ch_metrics_format format, const struct ch_family *family)
{
    size_t len = strlen(family->name);

    if (format == CH_METRICS_OPENMETRICS && family->type == CH_FAMILY_COUNTER)
        len -= strlen("_total");
    if (format == CH_METRICS_OPENMETRICS && family->type == CH_FAMILY_INFO)
        len -= strlen("_info");
    return len;
}

static void comment(struct ch_text *out, const char *keyword, enum ch_metrics_format format,
                    const struct ch_family *family)
{
    ch_text_append(out, "# ", 2);
    ch_text_puts(out, keyword);
    ch_text_append(out, " ", 1);
    ch_text_append(out, family->name, family_name_len(format, family));
    ch_text_append(out, " ", 1);
}

/* A quote is escaped in OpenMetrics' HELP, and must not be in the text
 * format's, where only backslash and newline are special. */
static void help_text(struct ch_text *out, enum ch_metrics_format format, const char *text)
{
    for (; *text; text++) {
        if (*text == '\\')
            ch_text_append(out, "\\\\", 2);
        else if (*text == '\n')
            ch_text_append(out, "\\n", 2);
        else if (*text == '"' && format == CH_METRICS_OPENMETRICS)
            ch_text_append(out, "\\\"", 2);
        else
            ch_text_append(out, text, 1);
    }
}

void ch_exposition_family(struct ch_text *out, enum ch_metrics_format format,
                          const struct ch_family *family)
{
    struct ch_word word;

    comment(out, "HELP", format, family);
    help_text(out, format, family->help);
    for (unsigned i = 0; family->word && family->word(i, &word); i++) {
        ch_text_puts(out, i == 0 ? ": " : "; ");
        help_text(out, format, word.slug);
        ch_text_puts(out, " = ");
        help_text(out, format, word.meaning);
    }
    ch_text_append(out, "\n", 1);
    comment(out, "TYPE", format, family);
    ch_text_puts(out, type_slug(format, family->type));
    ch_text_append(out, "\n", 1);
    if (family->unit && format == CH_METRICS_OPENMETRICS) {
        comment(out, "UNIT", format, family);
        ch_text_puts(out, family->unit);
        ch_text_append(out, "\n", 1);
    }
}

void ch_exposition_begin(struct ch_text *out, const struct ch_family *family, const char *suffix)
{
    ch_text_puts(out, family->name);
    ch_text_puts(out, suffix);
}

static void label_value(struct ch_text *out, const char *value)
{
    size_t len = strlen(value), plain;

    while (len > 0) {
        for (plain = 0;
             plain < len && value[plain] != '\\' && value[plain] != '"' && value[plain] != '\n';)
            plain++;
        ch_text_utf8(out, value, plain);
        if (plain == len)
            return;
        ch_text_puts(out, value[plain] == '\n' ? "\\n" : value[plain] == '"' ? "\\\"" : "\\\\");
        value += plain + 1;
        len -= plain + 1;
    }
}

void ch_exposition_label(struct ch_text *out, const char *name, const char *value)
{
    /* A '"' ends each label written before: no metric's name ends in one. */
    bool first = out->len == 0 || out->data[out->len - 1] != '"';

    ch_text_append(out, first ? "{" : ",", 1);
    ch_text_puts(out, name);
    ch_text_append(out, "=\"", 2);
    label_value(out, value);
    ch_text_append(out, "\"", 1);
}

static void end_labels(struct ch_text *out)
{
    if (out->len > 0 && out->data[out->len - 1] == '"')
        ch_text_append(out, "}", 1);
    ch_text_append(out, " ", 1);
}

void ch_exposition_u64(struct ch_text *out, uint64_t value)
{
    end_labels(out);
    ch_text_u64(out, value);
    ch_text_append(out, "\n", 1);
}

void ch_exposition_decimal(struct ch_text *out, int64_t value, unsigned scale)
{
    end_labels(out);
    ch_text_decimal(out, value, scale);
    ch_text_append(out, "\n", 1);
}

char *ch_exposition_bound(char *at, enum ch_metrics_format format, int64_t bound_ns)
{
    char *start = at;

    if (bound_ns == INT64_MAX)
        return stpcpy(at, "+Inf");
    at = ch_number_decimal(at, bound_ns, 9);
    if (format == CH_METRICS_OPENMETRICS && !memchr(start, '.', (size_t)(at - start)))
        return stpcpy(at, ".0");
    return at;
}

void ch_exposition_end(struct ch_text *out, enum ch_metrics_format format)
{
    if (format == CH_METRICS_OPENMETRICS)
        ch_text_puts(out, "# EOF\n");
}
