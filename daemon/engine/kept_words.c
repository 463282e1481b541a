/* SPDX-License-Identifier: Apache-2.0 */
/* A line of kept counters in words. */
#include <string.h>

#include "connhealth/text.h"
#include "kept_private.h"

bool kept_is_word(const struct kept_words *words, size_t index, const char *wanted)
{
    return wanted && index < words->count && words->word[index].len == strlen(wanted) &&
           memcmp(words->word[index].at, wanted, words->word[index].len) == 0;
}

bool kept_read_u64(const struct kept_words *words, size_t index, uint64_t most, uint64_t *ret)
{
    uint64_t value = 0;

    if (index >= words->count || words->word[index].len == 0)
        return false;
    for (size_t i = 0; i < words->word[index].len; i++) {
        char c = words->word[index].at[i];

        if (c < '0' || c > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(c - '0'), &value))
            return false;
    }
    *ret = value;
    return value <= most;
}

void kept_put_ip(FILE *out, const uint8_t ip[16])
{
    for (size_t i = 0; i < 16; i++)
        fprintf(out, "%02x", ip[i]);
}

bool kept_read_ip(const struct kept_words *words, size_t index, uint8_t ip[16])
{
    if (words->word[index].len != 32)
        return false;
    for (size_t i = 0; i < 32; i++) {
        int digit = ch_text_hex_digit(words->word[index].at[i]);

        if (digit < 0)
            return false;
        ip[i / 2] = (uint8_t)(ip[i / 2] << 4 | digit);
    }
    return true;
}

bool kept_split(const char *line, size_t len, struct kept_words *ret)
{
    struct kept_words words = {.count = 0};
    const char *end = line + len;

    for (const char *at = line; at <= end; at++) {
        const char *space = memchr(at, ' ', (size_t)(end - at));

        if (words.count == KEPT_WORDS_MAX)
            return false;
        words.word[words.count].at = at;
        words.word[words.count++].len = (size_t)((space ? space : end) - at);
        at = space ? space : end;
    }
    *ret = words;
    return true;
}

bool kept_family(const struct kept_words *words, const char *family, struct kept_words *ret)
{
    size_t len = strlen(family);

    if (words->word[0].len <= len || memcmp(words->word[0].at, family, len) != 0 ||
        words->word[0].at[len] != '.')
        return false;
    *ret = (struct kept_words){.count = 1};
    ret->word[0].at = words->word[0].at + len + 1;
    ret->word[0].len = words->word[0].len - len - 1;
    return true;
}

bool kept_find_bucket(const struct kept_words *words, const struct counter_buckets *buckets,
                      size_t *ret)
{
    char text[KEPT_BUCKET_WORD];
    struct kept_words bound;

    if (!kept_family(words, "bucket", &bound))
        return false;
    for (size_t i = 0; i < buckets->count; i++)
        if (kept_is_word(&bound, 0, counters_bucket_word(buckets, i, text))) {
            *ret = i;
            return true;
        }
    return false;
}
