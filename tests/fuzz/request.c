/* SPDX-License-Identifier: Apache-2.0 */
/* What an HTTP client may say: Accept, Accept-Encoding, and a parameter, each up
 * to a NUL byte. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "accept.h"
#include "json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void fuzz_accept(const char *types, const char *encodings)
{
    struct ch_accept once = {.text = {.weight = 0}}, twice;

    ch_accept_types(&once, types);
    ch_accept_encodings(&once, encodings);
    must(once.text.weight >= 0 && once.text.weight <= 1000);
    must(once.openmetrics.weight >= 0 && once.openmetrics.weight <= 1000);
    must(once.gzip.weight >= 0 && once.gzip.weight <= 1000);
    twice = once; /* a header said again changes nothing */
    ch_accept_types(&twice, types);
    ch_accept_encodings(&twice, encodings);
    must(ch_accept_format(&once) == ch_accept_format(&twice));
    must(ch_accept_gzip(&once) == ch_accept_gzip(&twice));
}

static void fuzz_query(const char *key, const char *value)
{
    static const unsigned allowed[] = {0, CH_JSON_TARGETS_KEYS, CH_JSON_EVENTS_KEYS,
                                       CH_JSON_OVERVIEW_KEYS};

    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
        struct ch_query query = {.given = 0};
        char reason[CH_QUERY_REASON] = "";
        int r = ch_query_add(&query, allowed[i], key, value, reason);
        struct ch_text out = {.data = NULL};

        must((query.given & ~allowed[i]) == 0);
        must((r == 0) == (query.given != 0) && (r == 0) == (reason[0] == '\0'));
        must(memchr(reason, '\0', sizeof(reason)) != NULL);
        must(ch_json_error(r == 0 ? value : reason, &out) == 0);
        ch_text_free(&out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *parts[4] = {"", "", "", ""};
    char *text = malloc(size + 1), *at = text;

    must(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    for (size_t i = 0; i < 4 && at <= text + size; i++) {
        parts[i] = at;
        at += strlen(at) + 1;
    }
    fuzz_accept(parts[0], parts[1]);
    fuzz_query(parts[2], parts[3]);
    free(text);
    return 0;
}
