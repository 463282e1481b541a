/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON that was received, read without trust: what is not there, or of another
 * type, is "" or 0 or an empty list. Values belong to what json_read returned.
 * Every function takes NULL for a value that is not there.
 */
#ifndef CH_CTL_JSON_READ_H
#define CH_CTL_JSON_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cJSON;

/* The whole text must be one value. NULL if it is none, or without memory. */
struct cJSON *json_read(const char *text, size_t len);
struct cJSON *json_read_free(struct cJSON *value); /* takes NULL, returns NULL */

/* A member of an object; NULL if there is none, or it is null. */
const struct cJSON *json_get(const struct cJSON *object, const char *key);
const char *json_get_text(const struct cJSON *object, const char *key);
double json_get_number(const struct cJSON *object, const char *key);
uint64_t json_get_count(const struct cJSON *object, const char *key); /* rounded down */
bool json_get_bool(const struct cJSON *object, const char *key);

/* Of a list or an object: for (v = json_first(list); v; v = json_next(v)). */
const struct cJSON *json_first(const struct cJSON *list);
const struct cJSON *json_next(const struct cJSON *item);
const struct cJSON *json_last(const struct cJSON *list);
const struct cJSON *json_previous(const struct cJSON *list, const struct cJSON *item);
size_t json_size(const struct cJSON *list);
const char *json_key(const struct cJSON *item); /* of an object's member */
bool json_is_true(const struct cJSON *item);
bool json_is_number(const struct cJSON *item);
double json_number(const struct cJSON *item);
const char *json_text_of(const struct cJSON *item);

/* On standard output, without a newline. 0 or -ENOMEM. */
int json_print_value(const struct cJSON *value);

/*
 * Of a text {"KEY":[ELEMENT,…]} each element by itself, in order, so that only
 * one at a time is in memory as a tree; each returns false to end it. False if
 * the text is not of that form, which may show after some elements.
 */
bool json_read_each(const char *text, size_t len, const char *key,
                    bool (*each)(const struct cJSON *element, void *context), void *context);

#endif
