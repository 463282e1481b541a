/* SPDX-License-Identifier: Apache-2.0 */
/* The same as the API's JSON, from the same code: an attempt has the fields of
 * `last` in /api/v1/targets, a category those of /api/v1/categories. */
#include <stdio.h>

#include "connhealth/clock.h"
#include "json.h"
#include "json_attempt.h"
#include "json_build.h"
#include "output.h"

static int print(struct json_build *build, cJSON *root)
{
    struct ch_text text = {.data = NULL};
    int r = json_finish(build, root, &text);

    if (r == 0)
        printf("%.*s\n", (int)text.len, text.data);
    ch_text_free(&text);
    return r;
}

void json_print_body(const char *body, size_t len)
{
    fwrite(body, 1, len, stdout);
    if (len == 0 || body[len - 1] != '\n')
        putchar('\n');
}

int json_print_probe(const struct ctl_attempt *attempt)
{
    struct json_build build = {.failed = false};
    cJSON *root = json_root(&build);

    json_text(&build, root, "target", attempt->target);
    json_text(&build, root, "probe", ch_probe_kind_word(attempt->spec.ops->kind)->slug);
    json_text(&build, root, "transport", ch_transport_slug(attempt->spec.transport));
    json_bool(&build, root, "success", attempt->result.outcome.success);
    json_seconds(&build, root, "elapsed_seconds", attempt->elapsed_ns);
    json_attempt(&build, root, &attempt->result);
    return print(&build, root);
}

int json_print_everything(void)
{
    struct ch_text text = {.data = NULL};
    int r = ch_json_categories(&text);

    if (r == 0)
        printf("%.*s", (int)text.len, text.data);
    ch_text_free(&text);
    return r;
}

int json_print_category(enum ch_category category)
{
    const struct ch_category_row *row = ch_category_row(category);
    struct json_build build = {.failed = false};
    cJSON *root = json_root(&build);

    json_text(&build, root, "category", row->slug);
    json_text(&build, root, "errno", row->error_name);
    json_text(&build, root, "meaning", row->meaning);
    json_text(&build, root, "advice", row->advice);
    return print(&build, root);
}

int json_print_cause(enum ch_cause cause)
{
    const struct ch_word *word = ch_cause_word(cause);
    struct json_build build = {.failed = false};
    cJSON *root = json_root(&build), *rules;

    json_text(&build, root, "cause", word->slug);
    json_text(&build, root, "meaning", word->meaning);
    rules = json_array(&build, root, "rules");
    for (unsigned i = 0; i < ch_rule_count(); i++) {
        const struct ch_rule *rule = ch_rule_at(i);
        cJSON *object;

        if (rule->cause != cause)
            continue;
        object = json_element(&build, rules);
        json_bool(&build, object, "certain", rule->certain);
        json_text(&build, object, "when", rule->when);
        json_text(&build, object, "why", rule->why);
        json_text(&build, object, "says", rule->says);
    }
    return print(&build, root);
}

int json_print_check(const char *path, const struct ch_config *config,
                     const struct ch_config_errors *errors)
{
    struct json_build build = {.failed = false};
    cJSON *root = json_root(&build), *lines;

    json_text(&build, root, "file", path);
    json_bool(&build, root, "ok", config != NULL);
    if (config) {
        struct ch_config_counts counts = ch_config_count(config);

        json_u64(&build, root, "groups", counts.groups);
        json_u64(&build, root, "targets", counts.targets);
        json_u64(&build, root, "file_sd_patterns", counts.file_sd);
    }
    lines = json_array(&build, root, "errors");
    for (size_t i = 0; i < errors->count; i++)
        json_text_element(&build, lines, errors->lines[i]);
    return print(&build, root);
}
