/* SPDX-License-Identifier: Apache-2.0 */
/* The text of counters read: first all of it is looked at, then it is set. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kept_private.h"

enum section {
    SECTION_NONE,
    SECTION_UNKNOWN,
    SECTION_SERIES,
    SECTION_RESPONDER,
    SECTION_LAG,
    SECTION_SOCKETS,
};

struct reader {
    const struct ch_kept *counters;
    struct ch_series **sorted; /* by labels */
    bool setting;              /* false: only look */
    enum section section;
    struct ch_record *record;    /* of SECTION_SERIES; NULL: not there any more */
    struct kept_sockets sockets; /* of SECTION_SOCKETS */
    size_t series;               /* found */
};

static void set(struct reader *reader, _Atomic uint64_t *counter, uint64_t value)
{
    if (reader->setting)
        atomic_store_explicit(counter, value, memory_order_relaxed);
}

/* NAME VALUE of a table: whether it was one. */
static bool take_named(struct reader *reader, const struct kept_words *words,
                       const struct counter_name *names, void *base, uint64_t value)
{
    for (; names->name; names++)
        if (kept_is_word(words, 0, names->name)) {
            set(reader, (_Atomic uint64_t *)(void *)((char *)base + names->offset), value);
            return true;
        }
    return false;
}

static void take_bucket(struct reader *reader, const struct kept_words *words,
                        const struct counter_buckets *buckets, _Atomic uint64_t *counts,
                        uint64_t value)
{
    size_t index;

    if (kept_find_bucket(words, buckets, &index))
        set(reader, &counts[index], value);
}

static bool find_category(const struct kept_words *words, size_t index, uint8_t *ret)
{
    for (unsigned i = 0; i < CH_CATEGORY_COUNT; i++)
        if (kept_is_word(words, index, counters_category_word(i))) {
            *ret = (uint8_t)i;
            return true;
        }
    return false;
}

static bool find_phase(const struct kept_words *words, size_t index, uint8_t *ret)
{
    for (unsigned i = 0; i < CH_PHASE_COUNT; i++)
        if (kept_is_word(words, index, counters_phase_word(i))) {
            *ret = (uint8_t)i;
            return true;
        }
    return false;
}

static bool find_wire_and_cause(const struct kept_words *words, struct ch_outcome *outcome)
{
    uint8_t wire = 0, cause = CH_CAUSE_NONE + 1;

    while (wire < CH_WIRE_COUNT && !kept_is_word(words, 3, ch_wire_word((enum ch_wire)wire)->slug))
        wire++;
    while (cause < CH_CAUSE_COUNT &&
           !kept_is_word(words, 4, ch_cause_word((enum ch_cause)cause)->slug))
        cause++;
    outcome->wire = wire;
    outcome->cause = cause;
    return wire < CH_WIRE_COUNT && cause < CH_CAUSE_COUNT;
}

/* cause PHASE CATEGORY WIRE CAUSE CERTAIN COUNT; one with a word that this
 * version does not know is passed over. */
static bool take_cause(struct reader *reader, const struct kept_words *words)
{
    struct ch_outcome outcome = {.success = 0};
    uint64_t certain, count;

    if (words->count != 7 || !kept_read_u64(words, 5, 1, &certain) ||
        !kept_read_u64(words, 6, UINT64_MAX, &count))
        return false;
    outcome.certain = (uint8_t)certain;
    if (find_phase(words, 1, &outcome.phase) && find_category(words, 2, &outcome.category) &&
        outcome.category != CH_CATEGORY_NONE && find_wire_and_cause(words, &outcome) &&
        reader->setting && reader->record)
        ch_record_set_cause(reader->record, &outcome, count);
    return true;
}

/* icmp VERSION TYPE CODE SENDER FAMILY SCOPE IP COUNT has one word more than
 * others: its name was taken off before. */
static bool take_icmp(struct reader *reader, const struct kept_words *words)
{
    struct ch_icmp icmp = {.version = 0};
    uint64_t value[6], count;
    static const uint64_t most[6] = {6,          UINT8_MAX, UINT8_MAX, CH_OFFENDER_ROUTER,
                                     UINT16_MAX, UINT32_MAX};

    if (words->count != 8 || !kept_read_ip(words, 6, icmp.offender.ip) ||
        !kept_read_u64(words, 7, UINT64_MAX, &count))
        return false;
    for (size_t i = 0; i < 6; i++)
        if (!kept_read_u64(words, i, most[i], &value[i]))
            return false;
    icmp.version = (uint8_t)value[0];
    icmp.type = (uint8_t)value[1];
    icmp.code = (uint8_t)value[2];
    icmp.sender = (uint8_t)value[3];
    icmp.offender.family = (uint16_t)value[4];
    icmp.offender.scope = (uint32_t)value[5];
    if (icmp.version == 0) /* the row of all others */
        icmp = (struct ch_icmp){.version = 0};
    else if (icmp.offender.family != (icmp.version == 4 ? AF_INET : AF_INET6))
        return false;
    if (reader->setting && reader->record)
        ch_record_set_icmp(reader->record, &icmp, count);
    return true;
}

static bool take_of_series(struct reader *reader, const struct kept_words *words)
{
    struct ch_record *record = reader->record;
    struct kept_words category;
    uint64_t value;
    uint8_t index;

    if (kept_is_word(words, 0, "cause"))
        return take_cause(reader, words);
    if (!kept_read_u64(words, 1, UINT64_MAX, &value))
        return words->count != 2; /* of a later version */
    if (!record || take_named(reader, words, counters_of_record, record, value))
        return true;
    if (kept_family(words, "failures", &category) && find_category(&category, 0, &index) &&
        index != CH_CATEGORY_NONE)
        set(reader, &record->failures[index], value);
    take_bucket(reader, words, &counters_duration, record->bucket, value);
    return true;
}

static bool take_of_responder(struct reader *reader, const struct kept_words *words)
{
    struct ch_responder_counters *responder = reader->counters->responder;
    uint64_t value;

    if (!kept_read_u64(words, 1, UINT64_MAX, &value))
        return words->count != 2;
    if (take_named(reader, words, counters_of_responder, responder, value))
        return true;
    for (size_t i = 0; i < CH_PHASE_COUNT; i++) {
        struct kept_words category;
        char family[32];
        uint8_t index;

        snprintf(family, sizeof(family), "ends.%s", counters_phase_word(i));
        if (kept_family(words, family, &category) && find_category(&category, 0, &index))
            set(reader, &responder->ends[i][index], value);
    }
    return true;
}

static bool take_of_lag(struct reader *reader, const struct kept_words *words)
{
    struct ch_loop_lag *lag = reader->counters->loop_lag;
    uint64_t value;

    if (!kept_read_u64(words, 1, UINT64_MAX, &value))
        return words->count != 2;
    if (kept_is_word(words, 0, "sum_ns"))
        set(reader, &lag->sum_ns, value);
    take_bucket(reader, words, &counters_lag, lag->bucket, value);
    return true;
}

/* ---- sections ---------------------------------------------------------- */

struct key {
    const char *labels;
    size_t len;
};

static int compare_key(const void *wanted, const void *element)
{
    const struct key *key = wanted;
    const struct ch_series *series = *(struct ch_series *const *)element;
    size_t least = key->len < series->labels_len ? key->len : series->labels_len;
    int order = memcmp(key->labels, series->labels, least);

    return order != 0 ? order : (key->len > series->labels_len) - (key->len < series->labels_len);
}

static int compare_series(const void *a, const void *b)
{
    const struct ch_series *series = *(struct ch_series *const *)a;
    struct key key = {.labels = series->labels, .len = series->labels_len};

    return compare_key(&key, b);
}

static bool begins(const char *line, size_t len, const char *with)
{
    return len >= strlen(with) && memcmp(line, with, strlen(with)) == 0;
}

static bool enter_section(struct reader *reader, const char *line, size_t len)
{
    static const char series[] = "[series ";
    struct ch_series **found;
    struct key key;

    if (line[len - 1] != ']')
        return false;
    reader->section = SECTION_UNKNOWN;
    reader->record = NULL;
    if (begins(line, len, series)) {
        key = (struct key){line + strlen(series), len - strlen(series) - 1};
        found = bsearch(&key, reader->sorted, reader->counters->generation->series_count,
                        sizeof(struct ch_series *), compare_key);
        reader->section = SECTION_SERIES;
        reader->record = found ? (*found)->record : NULL;
        reader->series += found != NULL;
    } else if (begins(line, len, "[responder]")) {
        reader->section = SECTION_RESPONDER;
    } else if (begins(line, len, "[loop_lag]")) {
        reader->section = SECTION_LAG;
    } else if (kept_sockets_enter(&reader->sockets, reader->setting, line, len)) {
        reader->section = SECTION_SOCKETS;
    }
    return true;
}

static bool take_line(struct reader *reader, const char *line, size_t len)
{
    static const char icmp[] = "icmp ";
    struct kept_words words;

    if (len == 0 || memchr(line, '\0', len))
        return false;
    if (line[0] == '[')
        return enter_section(reader, line, len);
    if (reader->section == SECTION_SERIES && begins(line, len, icmp))
        return kept_split(line + strlen(icmp), len - strlen(icmp), &words) &&
               take_icmp(reader, &words);
    if (!kept_split(line, len, &words))
        return true; /* of a later version */
    switch (reader->section) {
    case SECTION_SERIES:
        return take_of_series(reader, &words);
    case SECTION_RESPONDER:
        return take_of_responder(reader, &words);
    case SECTION_LAG:
        return take_of_lag(reader, &words);
    case SECTION_SOCKETS:
        return kept_sockets_take(&reader->sockets, &words);
    case SECTION_UNKNOWN:
        return true;
    case SECTION_NONE:
        break;
    }
    return false;
}

static bool take_all(struct reader *reader, const char *text, size_t size)
{
    reader->section = SECTION_NONE;
    reader->series = 0;
    while (size > 0) {
        const char *newline = memchr(text, '\n', size);
        size_t len;

        if (!newline)
            return false;
        len = (size_t)(newline - text);
        if (!take_line(reader, text, len))
            return false;
        text += len + 1;
        size -= len + 1;
    }
    return true;
}

/* What lies between the first line and the last, once these are right. */
static const char *open_text(const char **text, size_t *size)
{
    char end[sizeof(KEPT_END) + 17];
    size_t first = strlen(KEPT_FIRST_LINE), last = sizeof(end) - 1;

    if (!begins(*text, *size, KEPT_FIRST_LINE))
        return "it does not begin as counters of this version do";
    if (*size < first + last)
        return "it is cut off";
    snprintf(end, sizeof(end), KEPT_END "%016" PRIx64 "\n", ch_kept_checksum(*text, *size - last));
    if (memcmp(*text + *size - last, end, last) != 0)
        return "it is cut off or was changed: its checksum does not fit";
    *text += first;
    *size -= first + last;
    return NULL;
}

int ch_kept_read(const struct ch_kept *counters, const char *text, size_t size, size_t *ret_series,
                 const char **ret_reason)
{
    struct ch_generation *generation = counters->generation;
    struct reader reader = {.counters = counters, .sockets = {.snapshot = counters->sockets}};
    int r = 0;

    *ret_reason = open_text(&text, &size);
    if (*ret_reason)
        return -EINVAL;
    reader.sorted = calloc(generation->series_count + 1, sizeof(struct ch_series *));
    if (!reader.sorted)
        return -ENOMEM;
    for (size_t i = 0; i < generation->series_count; i++)
        reader.sorted[i] = &generation->series[i];
    qsort(reader.sorted, generation->series_count, sizeof(struct ch_series *), compare_series);
    if (!take_all(&reader, text, size)) {
        *ret_reason = "it has a line that is not well-formed";
        r = -EINVAL;
    } else {
        reader.setting = true;
        take_all(&reader, text, size);
        *ret_series = reader.series;
    }
    free(reader.sorted);
    return r;
}
