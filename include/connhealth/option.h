/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A configuration key as one row of a table: the YAML walker, `connhealthctl
 * probe`, the /config page and the JSON schema's test read the same rows.
 * Constant data and pure functions; any thread.
 */
#ifndef CONNHEALTH_OPTION_H
#define CONNHEALTH_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ch_expect; /* a compiled regular expression: connhealth/expect.h */

/* Bytes on the heap; data is NULL when the option was not given. */
struct ch_bytes {
    uint8_t *data;
    size_t len;
};

enum ch_option_type {
    CH_OPTION_DURATION,  /* int64_t, ns; "1m30s"; min and max in ns */
    CH_OPTION_UINT,      /* uint32_t */
    CH_OPTION_BOOL,      /* bool */
    CH_OPTION_TEXT,      /* struct ch_bytes, the scalar's own bytes */
    CH_OPTION_HEX,       /* struct ch_bytes, "50 49 4e47": spaces ignored */
    CH_OPTION_REGEX,     /* struct ch_expect * */
    CH_OPTION_CHOICE,    /* uint32_t, index into choices */
    CH_OPTION_DURATIONS, /* struct ch_durations, a list, ascending */
};

struct ch_durations {
    int64_t *ns;
    size_t count;
};

struct ch_option {
    const char *key;
    enum ch_option_type type;
    bool secret;                /* may hold a password: shown as CH_SECRET_SHOWN */
    size_t offset;              /* in the options struct */
    int64_t min, max;           /* DURATION, UINT; for TEXT and HEX the length */
    const char *const *choices; /* CHOICE: NULL-terminated */
    const char *fallback;       /* the default as it would be written; NULL: unset */
    const char *help;           /* one line */
};

/* What stands for a secret on /config. Refused as the value of a secret option,
 * so that a copy of that page is not taken for a configuration. */
#define CH_SECRET_SHOWN "<secret>"

/* The end of a table. */
#define CH_OPTION_END                                                                              \
    {                                                                                              \
        .key = NULL                                                                                \
    }

/* Room for a reason, with the remedy in it. */
#define CH_REASON_TEXT 256

/* Parses one scalar into options + option->offset, freeing what was there.
 * 0, or -EINVAL with a reason such as `"5x" is not a duration (examples: 500ms,
 * 10s, 1m30s)`, or -ENOMEM. For DURATIONS, text is one element and is added. */
int ch_option_parse(const struct ch_option *option, const char *text, size_t len, void *options,
                    char reason[CH_REASON_TEXT]);

/* Every row's default; options must be zeroed memory. 0 or -ENOMEM. */
int ch_options_defaults(const struct ch_option *table, void *options);
void ch_options_clear(const struct ch_option *table, void *options);

/* False for a text, list or expression that was not given and has no default. */
bool ch_option_is_set(const struct ch_option *option, const void *options);

/* The value as it would be written in the configuration; a malloc'd string, NULL
 * when unset or out of memory. TEXT and REGEX give the inside of a double-quoted
 * YAML scalar, without the quotes; DURATIONS a list in brackets; a secret
 * CH_SECRET_SHOWN. */
char *ch_option_format(const struct ch_option *option, const void *options);
const struct ch_option *ch_option_find(const struct ch_option *table, const char *key);

/* Prometheus durations: 0, 500ms, 1m30s, 1d; units ms s m h d w y, each at most
 * once, in falling order. 0 or -EINVAL / -ERANGE. */
int ch_duration_parse(const char *text, size_t len, int64_t *ret_ns);
#define CH_DURATION_TEXT 48
const char *ch_duration_format(int64_t ns, char text[CH_DURATION_TEXT]);

#endif
