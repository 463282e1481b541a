/* SPDX-License-Identifier: Apache-2.0 */
/* The names of the text, for the one who writes and the one who reads it. */
#ifndef CH_ENGINE_KEPT_PRIVATE_H
#define CH_ENGINE_KEPT_PRIVATE_H

#include "kept.h"

#define KEPT_FIRST_LINE "connhealth-counters 1\n"
#define KEPT_END        "[end] "

/* A number that has a name of its own. */
struct counter_name {
    const char *name;
    size_t offset; /* of an _Atomic uint64_t or int64_t */
};

extern const struct counter_name counters_of_record[];
extern const struct counter_name counters_of_responder[];

/* Numbers of which there are several, as NAME.WORD: the word of index i, NULL
 * if there is none. */
const char *counters_category_word(size_t index);
const char *counters_phase_word(size_t index);

/* A histogram's buckets, as bucket.NANOSECONDS and bucket.inf. */
struct counter_buckets {
    const int64_t *bounds_ns;
    size_t count; /* with the last, which has no bound */
};
extern const struct counter_buckets counters_duration, counters_lag;

#define KEPT_BUCKET_WORD 24
const char *counters_bucket_word(const struct counter_buckets *buckets, size_t index,
                                 char word[KEPT_BUCKET_WORD]);

#endif
