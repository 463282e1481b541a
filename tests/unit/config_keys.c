/* SPDX-License-Identifier: Apache-2.0 */
/* Prints every key that the tables know, as JSON, for the test that holds the
 * schema against them. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_build.h"

static const char *const type_names[] = {
    [CH_OPTION_DURATION] = "duration", [CH_OPTION_UINT] = "uint",
    [CH_OPTION_BOOL] = "bool",         [CH_OPTION_TEXT] = "text",
    [CH_OPTION_HEX] = "hex",           [CH_OPTION_REGEX] = "regex",
    [CH_OPTION_CHOICE] = "choice",     [CH_OPTION_DURATIONS] = "durations",
};

static cJSON *add_key(cJSON *keys, const char *prefix, const char *key, const char *type,
                      const char *help)
{
    char path[256];
    cJSON *row = cJSON_CreateObject();

    snprintf(path, sizeof(path), "%s%s%s", prefix, prefix[0] ? "." : "", key);
    cJSON_AddStringToObject(row, "type", type);
    cJSON_AddStringToObject(row, "help", help);
    cJSON_AddItemToObject(keys, path, row);
    return row;
}

static void add_options(cJSON *keys, const char *prefix, const struct ch_option *options,
                        const struct ch_option *hiding)
{
    for (; options && options->key; options++) {
        cJSON *row;

        if (hiding && ch_option_find(hiding, options->key))
            continue;
        row = add_key(keys, prefix, options->key, type_names[options->type], options->help);
        cJSON_AddNumberToObject(row, "min", (double)options->min);
        cJSON_AddNumberToObject(row, "max", (double)options->max);
        if (options->fallback)
            cJSON_AddStringToObject(row, "default", options->fallback);
        if (options->type == CH_OPTION_CHOICE) {
            cJSON *choices = cJSON_AddArrayToObject(row, "choices");

            for (const char *const *choice = options->choices; *choice; choice++)
                cJSON_AddItemToArray(choices, cJSON_CreateString(*choice));
        }
    }
}

static void add_section(cJSON *keys, const char *prefix, const struct ch_section *section)
{
    add_options(keys, prefix, section->options, NULL);
    for (const struct ch_field *field = section->fields; field && field->key; field++) {
        char below[256];
        enum ch_probe_kind kind;

        snprintf(below, sizeof(below), "%s%s%s%s", prefix, prefix[0] ? "." : "", field->key,
                 field->list ? "[]" : "");
        add_key(keys, prefix, field->key, field->list ? "list" : "other", field->help);
        if (field->section) {
            add_section(keys, below, field->section);
        } else if (section == &ch_group_section && ch_probe_kind_from_slug(field->key, &kind)) {
            const struct ch_option *options = ch_probe_ops_of(kind)->options;

            add_options(keys, below, options, NULL);
            add_options(keys, below, ch_probe_section.options, options);
        }
    }
}

int main(void)
{
    cJSON *keys = cJSON_CreateObject();
    char *text;

    add_section(keys, "", &ch_root_section);
    text = cJSON_Print(keys);
    if (!text)
        return EXIT_FAILURE;
    puts(text);
    free(text);
    cJSON_Delete(keys);
    return EXIT_SUCCESS;
}
