/* SPDX-License-Identifier: Apache-2.0 */
/* What may answer connhealthctl: an HTTP response, JSON in its body, and text in
 * that for a terminal. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "json_read.h"
#include "plain.h"
#include "response.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void fuzz_text(const char *bytes)
{
    struct ch_text out = {.data = NULL};
    char *text;

    plain_text(&out, bytes);
    text = ch_text_take(&out);
    must(text != NULL && plain_width(text) <= strlen(text));
    for (const char *at = text; *at; at++)
        must((unsigned char)*at >= 0x20 && *at != 0x7f);
    free(text);
}

static void fuzz_value(const struct cJSON *value)
{
    char amount[PLAIN_AMOUNT];

    for (const struct cJSON *item = json_first(value); item; item = json_next(item)) {
        const char *key = json_key(item);

        fuzz_text(json_get_text(value, key));
        must(json_get_count(value, key) == 0 || json_get_number(value, key) > 0);
        must(strlen(plain_duration(json_number(item), amount)) < PLAIN_AMOUNT);
        must(strlen(plain_bytes(json_number(item), amount)) < PLAIN_AMOUNT);
        must(strlen(plain_time(json_number(item), amount)) < PLAIN_AMOUNT);
        fuzz_value(item);
    }
}

static bool on_element(const struct cJSON *element, void *context)
{
    size_t *count = context;

    ++*count;
    fuzz_value(element);
    return true;
}

static void fuzz_json(const char *text, size_t len)
{
    struct cJSON *whole = json_read(text, len);
    const struct cJSON *list = json_get(whole, "targets");
    size_t each = 0, all = 0;

    fuzz_value(whole);
    for (const struct cJSON *item = json_first(list); item; item = json_next(item))
        all++;
    /* What one reader takes for whole, so does the other. */
    if (json_read_each(text, len, "targets", on_element, &each))
        must(whole == NULL || each == all);
    json_read_free(whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ctl_response response = {.status = 0};
    char *bytes = malloc(size + 1), *body;

    must(bytes != NULL);
    memcpy(bytes, data, size);
    bytes[size] = '\0';
    fuzz_text(bytes);
    if (ctl_response_parse(bytes, size, &response) == NULL) {
        must(response.status >= 100 && response.status <= 599);
        must(response.body > bytes && response.body + response.body_len <= bytes + size);
        body = strndup(response.body, response.body_len);
        must(body != NULL);
        if (strlen(body) == response.body_len) /* json_read wants a NUL where it ends */
            fuzz_json(body, response.body_len);
        free(body);
    }
    free(bytes);
    return 0;
}
