/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a target file, in JSON and in YAML: refused with reasons, or lists
 * whose targets are addresses and whose labels are in order. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "connhealth/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_list(const struct ch_target_list *list)
{
    struct ch_hostport split;

    for (size_t i = 0; i < list->count; i++) {
        if (ch_hostport_parse(list->targets[i], &split) != NULL)
            abort();
    }
    for (size_t i = 0; i < list->labels.count; i++) {
        const struct ch_label *label = &list->labels.items[i];

        if (i > 0 && strcmp(list->labels.items[i - 1].name, label->name) >= 0)
            abort();
        if (!ch_text_is_utf8(label->value, strlen(label->value)))
            abort();
    }
}

static void check(const uint8_t *data, size_t size, const char *path)
{
    struct ch_config_errors errors = {0};
    struct ch_target_list *lists = NULL;
    size_t count = 0;
    int r = ch_target_file_parse((const char *)data, size, path, &lists, &count, &errors);

    if (r == -EINVAL && errors.count > 0) {
        ch_config_errors_clear(&errors);
        return;
    }
    if (r != 0 || errors.count != 0)
        abort();
    for (size_t i = 0; i < count; i++)
        check_list(&lists[i]);
    ch_target_lists_free(lists, count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check(data, size, "fuzz.json");
    check(data, size, "fuzz.yml");
    return 0;
}
