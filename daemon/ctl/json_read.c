/* SPDX-License-Identifier: Apache-2.0 */
#include "json_read.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

/* cJSON bounds the nesting itself (CJSON_NESTING_LIMIT). */
struct cJSON *json_read(const char *text, size_t len)
{
    const char *end = NULL;
    cJSON *value = cJSON_ParseWithLengthOpts(text, len, &end, false);

    if (value && end[strspn(end, " \t\r\n")] == '\0' && strlen(end) == len - (size_t)(end - text))
        return value;
    cJSON_Delete(value);
    return NULL;
}

struct cJSON *json_read_free(struct cJSON *value)
{
    cJSON_Delete(value);
    return NULL;
}

const struct cJSON *json_get(const struct cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

    return cJSON_IsNull(item) ? NULL : item;
}

const char *json_text_of(const struct cJSON *item)
{
    const char *text = cJSON_GetStringValue(item);

    return text ? text : "";
}

const char *json_get_text(const struct cJSON *object, const char *key)
{
    return json_text_of(json_get(object, key));
}

double json_number(const struct cJSON *item)
{
    return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

double json_get_number(const struct cJSON *object, const char *key)
{
    return json_number(json_get(object, key));
}

uint64_t json_get_count(const struct cJSON *object, const char *key)
{
    double number = json_get_number(object, key);

    if (!(number > 0))
        return 0;
    return number < (double)UINT64_MAX ? (uint64_t)number : UINT64_MAX;
}

bool json_get_bool(const struct cJSON *object, const char *key)
{
    return json_is_true(json_get(object, key));
}

const struct cJSON *json_first(const struct cJSON *list)
{
    return cJSON_IsArray(list) || cJSON_IsObject(list) ? list->child : NULL;
}

const struct cJSON *json_next(const struct cJSON *item)
{
    return item->next;
}

const struct cJSON *json_previous(const struct cJSON *list, const struct cJSON *item)
{
    return item == list->child ? NULL : item->prev;
}

const struct cJSON *json_last(const struct cJSON *list)
{
    const struct cJSON *first = json_first(list);

    return first ? first->prev : NULL; /* the first one's points there */
}

size_t json_size(const struct cJSON *list)
{
    return (size_t)cJSON_GetArraySize(list);
}

bool json_is_true(const struct cJSON *item)
{
    return cJSON_IsTrue(item);
}

bool json_is_number(const struct cJSON *item)
{
    return cJSON_IsNumber(item);
}

int json_print_value(const struct cJSON *value)
{
    char *text = cJSON_PrintUnformatted(value);

    if (!text)
        return -ENOMEM;
    fputs(text, stdout);
    cJSON_free(text);
    return 0;
}

const char *json_key(const struct cJSON *item)
{
    return item->string ? item->string : "";
}

/* ---- one element at a time --------------------------------------------- */

struct reader {
    const char *at, *end;
};

static bool take(struct reader *reader, const char *token)
{
    size_t len = strlen(token);

    if ((size_t)(reader->end - reader->at) < len || memcmp(reader->at, token, len) != 0)
        return false;
    reader->at += len;
    return true;
}

static bool skip(struct reader *reader, const char *token)
{
    while (reader->at < reader->end && strchr(" \t\r\n", *reader->at) && *reader->at)
        reader->at++;
    return take(reader, token);
}

bool json_read_each(const char *text, size_t len, const char *key,
                    bool (*each)(const struct cJSON *element, void *context), void *context)
{
    struct reader reader = {.at = text, .end = text + len};
    bool more;

    if (!skip(&reader, "{") || !skip(&reader, "\"") || !take(&reader, key) ||
        !take(&reader, "\"") || !skip(&reader, ":") || !skip(&reader, "["))
        return false;
    more = !skip(&reader, "]");
    while (more) {
        cJSON *element = cJSON_ParseWithLengthOpts(reader.at, (size_t)(reader.end - reader.at),
                                                   &reader.at, false);
        bool wanted = element && each(element, context);

        cJSON_Delete(element);
        if (!element)
            return false;
        if (!wanted)
            return true;
        more = skip(&reader, ",");
        if (!more && !skip(&reader, "]"))
            return false;
    }
    return skip(&reader, "}") && skip(&reader, "") && reader.at == reader.end;
}
