/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The errors of one run over one or more files, each with its place. They are
 * collected in any order and handed out in the order of the text.
 */
#ifndef CH_ENGINE_REPORT_H
#define CH_ENGINE_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"

/* Beyond so many the rest is only mentioned: a hostile file may hold millions. */
#define CH_REPORT_MAX 1000

struct ch_report_line {
    size_t number; /* order of arrival, to keep the sort stable */
    unsigned file;
    uint32_t line, column;
    char *text;
};

struct ch_report {
    const char *file;    /* as it is shown; set for each file in turn */
    unsigned file_index; /* counts up with them */
    struct ch_report_line *lines;
    size_t count, room;
    size_t total;       /* errors met, also those beyond CH_REPORT_MAX */
    bool out_of_memory; /* something could not be allocated: the result is void */
};

/* line and column count from 1; 0 where there is none (a file that cannot be
 * read). path: the key's, NULL or "" where there is none. */
__attribute__((format(printf, 5, 6))) void ch_report_add(struct ch_report *report, uint32_t line,
                                                         uint32_t column, const char *path,
                                                         const char *format, ...);
/* Nothing was found, and memory sufficed. */
bool ch_report_is_clean(const struct ch_report *report);
/* 0 if nothing was found, -EINVAL and *errors filled, or -ENOMEM. Leaves the
 * report empty in every case. */
int ch_report_finish(struct ch_report *report, struct ch_config_errors *errors);

#endif
