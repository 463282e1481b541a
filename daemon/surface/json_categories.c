/* SPDX-License-Identifier: Apache-2.0 */
#include "connhealth/outcome.h"
#include "connhealth/probe.h"
#include "json.h"
#include "json_build.h"

/* Linux' errnos end well below; ch_errno_name() knows which there are. */
#define ERRNO_MAX 200

/* Every errno that the errno table gives to this category; for "other" that is
 * all the rest and says nothing. */
static void put_errnos(struct json_build *build, cJSON *object, enum ch_category category)
{
    cJSON *array = json_array(build, object, "errnos");

    for (int error = 1; error < ERRNO_MAX && category != CH_CATEGORY_OTHER; error++) {
        const char *name = ch_errno_name(error);

        if (name && ch_category_of_errno(error) == category)
            json_text_element(build, array, name);
    }
}

static void put_categories(struct json_build *build, cJSON *root)
{
    cJSON *array = json_array(build, root, "categories");

    for (unsigned i = CH_CATEGORY_NONE + 1; i < CH_CATEGORY_COUNT; i++) {
        const struct ch_category_row *row = ch_category_row((enum ch_category)i);
        cJSON *object = json_element(build, array);

        json_text(build, object, "category", row->slug);
        json_text(build, object, "errno", row->error_name);
        put_errnos(build, object, (enum ch_category)i);
        json_text(build, object, "meaning", row->meaning);
        json_text(build, object, "advice", row->advice);
    }
}

static void put_word(struct json_build *build, cJSON *array, const char *key,
                     const struct ch_word *word)
{
    cJSON *object = json_element(build, array);

    json_text(build, object, key, word->slug);
    json_text(build, object, "meaning", word->meaning);
}

static void put_words(struct json_build *build, cJSON *root)
{
    cJSON *array = json_array(build, root, "phases");

    for (unsigned i = CH_PHASE_NONE + 1; i < CH_PHASE_COUNT; i++)
        put_word(build, array, "phase", ch_phase_word((enum ch_phase)i));
    array = json_array(build, root, "wires");
    for (unsigned i = 0; i < CH_WIRE_COUNT; i++)
        put_word(build, array, "wire", ch_wire_word((enum ch_wire)i));
    array = json_array(build, root, "causes");
    for (unsigned i = CH_CAUSE_NONE + 1; i < CH_CAUSE_COUNT; i++)
        put_word(build, array, "cause", ch_cause_word((enum ch_cause)i));
    array = json_array(build, root, "troubles");
    for (unsigned i = CH_TROUBLE_NONE + 1; i < CH_TROUBLE_COUNT; i++)
        put_word(build, array, "trouble", ch_trouble_word((enum ch_trouble)i));
}

static void put_rules(struct json_build *build, cJSON *root)
{
    cJSON *array = json_array(build, root, "rules");

    for (unsigned i = 0; i < ch_rule_count(); i++) {
        const struct ch_rule *rule = ch_rule_at(i);
        cJSON *object = json_element(build, array);

        json_text(build, object, "cause", ch_cause_word(rule->cause)->slug);
        json_bool(build, object, "certain", rule->certain);
        json_text(build, object, "when", rule->when);
        json_text(build, object, "why", rule->why);
        json_text(build, object, "says", rule->says);
    }
}

int ch_json_categories(struct ch_text *out)
{
    struct json_build build = {.failed = false};
    cJSON *root = json_root(&build);
    int r;

    put_categories(&build, root);
    put_words(&build, root);
    put_rules(&build, root);
    r = json_finish(&build, root, out);
    ch_text_puts(out, "\n");
    return r;
}
