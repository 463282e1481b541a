/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cJSON as the surfaces use it: a failed allocation is remembered, numbers are
 * printed exactly, strings are always UTF-8. Private to JSON.
 *
 * Every function takes a NULL parent and then does nothing: whatever made it
 * NULL has set failed. Keys must be static strings.
 */
#ifndef CH_SURFACE_JSON_BUILD_H
#define CH_SURFACE_JSON_BUILD_H

#include <cjson/cJSON.h>

#include "text.h"

struct json_build {
    bool failed;
};

cJSON *json_root(struct json_build *build);
/* Prints root on one line, frees it; 0 or -ENOMEM. */
int json_finish(struct json_build *build, cJSON *root, struct ch_text *out);

cJSON *json_object(struct json_build *build, cJSON *parent, const char *key);
cJSON *json_array(struct json_build *build, cJSON *parent, const char *key);
cJSON *json_element(struct json_build *build, cJSON *array); /* a new object in it */
void json_text_element(struct json_build *build, cJSON *array, const char *text);

void json_null(struct json_build *build, cJSON *parent, const char *key);
void json_bool(struct json_build *build, cJSON *parent, const char *key, bool value);
/* NULL becomes null. */
void json_text(struct json_build *build, cJSON *parent, const char *key, const char *text);
void json_u64(struct json_build *build, cJSON *parent, const char *key, uint64_t value);
void json_i64(struct json_build *build, cJSON *parent, const char *key, int64_t value);
void json_seconds(struct json_build *build, cJSON *parent, const char *key, int64_t ns);
/* Unix time to the millisecond; 0 becomes null. */
void json_time(struct json_build *build, cJSON *parent, const char *key, int64_t ns);
/* A name and number that is not from this program's source: both are copied. */
void json_named_text(struct json_build *build, cJSON *parent, const char *name, const char *text);
/* text is JSON already. */
void json_raw(struct json_build *build, cJSON *parent, const char *key, const char *text);

#endif
