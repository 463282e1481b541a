/* SPDX-License-Identifier: Apache-2.0 */
#include "json_build.h"

#include <errno.h>
#include <stdlib.h>

#include "connhealth/clock.h"
#include "connhealth/text.h"

cJSON *json_root(struct json_build *build)
{
    cJSON *root = cJSON_CreateObject();

    build->failed |= !root;
    return root;
}

int json_finish(struct json_build *build, cJSON *root, struct ch_text *out)
{
    char *printed = build->failed ? NULL : cJSON_PrintUnformatted(root);

    cJSON_Delete(root);
    if (!printed)
        return -ENOMEM;
    ch_text_puts(out, printed);
    cJSON_free(printed);
    return out->failed ? -ENOMEM : 0;
}

/* Takes item over; NULL when it did not become part of parent. */
static cJSON *add(struct json_build *build, cJSON *parent, const char *key, cJSON *item)
{
    if (parent && item && cJSON_AddItemToObjectCS(parent, key, item))
        return item;
    cJSON_Delete(item);
    build->failed = true;
    return NULL;
}

static cJSON *append(struct json_build *build, cJSON *array, cJSON *item)
{
    if (array && item && cJSON_AddItemToArray(array, item))
        return item;
    cJSON_Delete(item);
    build->failed = true;
    return NULL;
}

cJSON *json_object(struct json_build *build, cJSON *parent, const char *key)
{
    return add(build, parent, key, cJSON_CreateObject());
}

cJSON *json_array(struct json_build *build, cJSON *parent, const char *key)
{
    return add(build, parent, key, cJSON_CreateArray());
}

cJSON *json_element(struct json_build *build, cJSON *array)
{
    return append(build, array, cJSON_CreateObject());
}

/* A string item that is valid UTF-8 whatever text holds. */
static cJSON *string_item(const char *text)
{
    struct ch_text clean = {.data = NULL};
    size_t len = strlen(text);
    cJSON *item;
    char *copy;

    if (ch_text_is_utf8(text, len))
        return cJSON_CreateString(text);
    ch_text_utf8(&clean, text, len);
    copy = ch_text_take(&clean);
    item = copy ? cJSON_CreateString(copy) : NULL;
    free(copy);
    return item;
}

void json_text_element(struct json_build *build, cJSON *array, const char *text)
{
    append(build, array, string_item(text));
}

void json_null(struct json_build *build, cJSON *parent, const char *key)
{
    add(build, parent, key, cJSON_CreateNull());
}

void json_bool(struct json_build *build, cJSON *parent, const char *key, bool value)
{
    add(build, parent, key, cJSON_CreateBool(value));
}

void json_text(struct json_build *build, cJSON *parent, const char *key, const char *text)
{
    add(build, parent, key, text ? string_item(text) : cJSON_CreateNull());
}

void json_raw(struct json_build *build, cJSON *parent, const char *key, const char *text)
{
    add(build, parent, key, cJSON_CreateRaw(text));
}

/* cJSON keeps numbers as doubles, which hold no counter above 2^53: they go in
 * as text. */
void json_u64(struct json_build *build, cJSON *parent, const char *key, uint64_t value)
{
    char text[CH_NUMBER_TEXT + 1];

    *ch_number_u64(text, value) = '\0';
    json_raw(build, parent, key, text);
}

static void decimal(struct json_build *build, cJSON *parent, const char *key, int64_t value,
                    unsigned scale)
{
    char text[CH_NUMBER_TEXT + 1];

    *ch_number_decimal(text, value, scale) = '\0';
    json_raw(build, parent, key, text);
}

void json_i64(struct json_build *build, cJSON *parent, const char *key, int64_t value)
{
    decimal(build, parent, key, value, 0);
}

void json_seconds(struct json_build *build, cJSON *parent, const char *key, int64_t ns)
{
    decimal(build, parent, key, ns, 9);
}

void json_time(struct json_build *build, cJSON *parent, const char *key, int64_t ns)
{
    if (ns == 0)
        json_null(build, parent, key);
    else
        decimal(build, parent, key, ns / CH_NS_PER_MS, 3);
}

void json_named_text(struct json_build *build, cJSON *parent, const char *name, const char *text)
{
    cJSON *item = string_item(text);

    if (!parent || !item || !cJSON_AddItemToObject(parent, name, item)) {
        cJSON_Delete(item);
        build->failed = true;
    }
}
