/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "exit_status.h"

static void count_group(const struct ch_group *group, struct ch_config_counts *counts)
{
    for (size_t i = 0; i < group->static_config_count; i++)
        counts->targets += group->static_configs[i].count;
    for (size_t i = 0; i < group->file_sd_config_count; i++)
        counts->file_sd += group->file_sd_configs[i].count;
}

struct ch_config_counts ch_config_count(const struct ch_config *config)
{
    struct ch_config_counts counts = {.groups = config->group_count};

    for (size_t i = 0; i < config->group_count; i++)
        count_group(&config->groups[i], &counts);
    return counts;
}

static const char *plural(size_t count)
{
    return count == 1 ? "" : "s";
}

int ch_check_config(const char *program, const char *path)
{
    struct ch_config_errors errors = {0};
    struct ch_config *config = NULL;
    struct ch_config_counts counts;
    int r = ch_config_load(path, &config, &errors);

    for (size_t i = 0; i < errors.count; i++)
        fprintf(stderr, "%s\n", errors.lines[i]);
    ch_config_errors_clear(&errors);
    if (r == -EINVAL)
        return EXIT_UNUSABLE;
    if (r < 0) {
        fprintf(stderr, "%s: %s: %s\n", program, path, strerror(-r)); // NOLINT
        return EXIT_RUNTIME;
    }
    counts = ch_config_count(config);
    printf("OK: %zu group%s, %zu target%s", counts.groups, plural(counts.groups), counts.targets,
           plural(counts.targets));
    if (counts.file_sd > 0)
        printf(", and those of %zu file_sd pattern%s", counts.file_sd, plural(counts.file_sd));
    printf("\n");
    ch_config_free(config);
    return EXIT_FINE;
}
