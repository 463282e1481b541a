/* SPDX-License-Identifier: Apache-2.0 */
/* The names of the text, for the one who writes and the one who reads it. */
#ifndef CH_ENGINE_KEPT_PRIVATE_H
#define CH_ENGINE_KEPT_PRIVATE_H

#include <stdio.h>

#include "kept.h"

#define KEPT_FIRST_LINE "connhealth-counters 1\n"
#define KEPT_END        "[end] "

/* A number that has a name of its own. */
struct counter_name {
    const char *name;
    size_t offset; /* of an _Atomic uint64_t or int64_t; in a snapshot, of a uint64_t */
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

/* ---- a line in words --------------------------------------------------- */

/* One number may have so many words before it; more are a later version's. */
#define KEPT_WORDS_MAX 8

/* What they point into is not NUL-terminated at the words. */
struct kept_words {
    struct {
        const char *at;
        size_t len;
    } word[KEPT_WORDS_MAX];
    size_t count;
};

/* False: too many words. */
bool kept_split(const char *line, size_t len, struct kept_words *ret);
bool kept_is_word(const struct kept_words *words, size_t index, const char *wanted);
bool kept_read_u64(const struct kept_words *words, size_t index, uint64_t most, uint64_t *ret);
/* An address's bytes, as 32 hexadecimal digits. */
void kept_put_ip(FILE *out, const uint8_t ip[16]);
bool kept_read_ip(const struct kept_words *words, size_t index, uint8_t ip[16]);
/* FAMILY.WORD in the first place: WORD as a word of its own; false if it is none
 * of that family. */
bool kept_family(const struct kept_words *words, const char *family, struct kept_words *ret);
/* bucket.WORD in the first place: the index of that bucket; false if it is none. */
bool kept_find_bucket(const struct kept_words *words, const struct counter_buckets *buckets,
                      size_t *ret);

/* ---- the sockets of the host ------------------------------------------- */

/* [sockets], then [unit NAME], [peer NAME] and [listener FAMILY SCOPE PORT IP]
 * for each; in names, bytes that are no printable ASCII are written %XX. */
void kept_sockets_write(FILE *out, const struct ch_sockets_snapshot *snapshot);

/* Where a reader is. */
struct kept_sockets {
    struct ch_sockets_snapshot *snapshot; /* filled while setting; NULL: nobody wants it */
    enum { KEPT_SOCKETS_OWN, KEPT_SOCKETS_UNIT, KEPT_SOCKETS_PEER, KEPT_SOCKETS_LISTENER } part;
    struct ch_sockets_snapshot *own; /* of the part; NULL: only look, or no memory */
    struct ch_unit_sockets *unit;
    struct ch_peer_sockets *peer;
    struct ch_listener *listener;
};

/* Whether the line begins a section of these. */
bool kept_sockets_enter(struct kept_sockets *at, bool setting, const char *line, size_t len);
/* A line of the section. False: it is not well-formed. */
bool kept_sockets_take(struct kept_sockets *at, const struct kept_words *words);

#endif
