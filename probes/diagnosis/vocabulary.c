/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of vocabulary.h (and the troubles of probe.h) as rows, and the way
 * back from a slug. */
#include "connhealth/vocabulary.h"

#include <stddef.h>
#include <string.h>

#include "connhealth/probe.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(*(array)))

/* What a value outside its enumeration gets. */
static const struct ch_word no_word = {"", ""};

static const struct ch_category_row categories[CH_CATEGORY_COUNT] = {
    [CH_CATEGORY_NONE] = {"", 0, NULL, "the attempt succeeded", ""},
#define X(id, slug_, error_, meaning_, advice_)                                                    \
    [CH_CATEGORY_##id] = {.slug = (slug_),                                                         \
                          .error = (error_),                                                       \
                          .error_name = (error_) != 0 ? #error_ : NULL,                            \
                          .meaning = (meaning_),                                                   \
                          .advice = (advice_)},
    CH_CATEGORIES(X)
#undef X
};

static const struct ch_word phases[CH_PHASE_COUNT] = {[CH_PHASE_NONE] = {"", ""},
#define X(id, slug, meaning) [CH_PHASE_##id] = {slug, meaning},
                                                      CH_PHASES(X)
#undef X
};

static const struct ch_word wires[CH_WIRE_COUNT] = {
#define X(id, slug, meaning) [CH_WIRE_##id] = {slug, meaning},
    CH_WIRES(X)
#undef X
};

static const struct ch_word causes[CH_CAUSE_COUNT] = {
    [CH_CAUSE_NONE] = {"", "the attempt succeeded"},
#define X(id, slug, meaning) [CH_CAUSE_##id] = {slug, meaning},
    CH_CAUSES(X)
#undef X
};

static const struct ch_word kinds[CH_PROBE_KIND_COUNT] = {
#define X(id, slug, persistent, meaning) [CH_PROBE_##id] = {slug, meaning},
    CH_PROBE_KINDS(X)
#undef X
};

static const struct ch_word troubles[CH_TROUBLE_COUNT] = {[CH_TROUBLE_NONE] = {"", ""},
#define X(id, slug, meaning) [CH_TROUBLE_##id] = {slug, meaning},
                                                          CH_TROUBLES(X)
#undef X
};

/* An int, not the enumeration: a value from outside may be negative, and gcc
 * and clang differ on the sign of an enumeration's type. */
static const struct ch_word *word_at(const struct ch_word *words, size_t count, long long value)
{
    return value >= 0 && (unsigned long long)value < count ? &words[value] : &no_word;
}

const struct ch_category_row *ch_category_row(enum ch_category category)
{
    long long value = (long long)category;

    return &categories[value >= 0 && value < CH_CATEGORY_COUNT ? value : CH_CATEGORY_NONE];
}

const struct ch_word *ch_phase_word(enum ch_phase phase)
{
    return word_at(phases, COUNT_OF(phases), (long long)phase);
}

const struct ch_word *ch_wire_word(enum ch_wire wire)
{
    return word_at(wires, COUNT_OF(wires), (long long)wire);
}

const struct ch_word *ch_cause_word(enum ch_cause cause)
{
    return word_at(causes, COUNT_OF(causes), (long long)cause);
}

const struct ch_word *ch_probe_kind_word(enum ch_probe_kind kind)
{
    return word_at(kinds, COUNT_OF(kinds), (long long)kind);
}

const struct ch_word *ch_trouble_word(enum ch_trouble trouble)
{
    return word_at(troubles, COUNT_OF(troubles), (long long)trouble);
}

const char *ch_transport_slug(enum ch_transport transport)
{
    switch (transport) {
    case CH_TRANSPORT_TCP:
        return "tcp";
    case CH_TRANSPORT_UDP:
        return "udp";
    }
    return "";
}

bool ch_category_from_slug(const char *slug, enum ch_category *ret_category)
{
    for (size_t i = CH_CATEGORY_NONE + 1; i < COUNT_OF(categories); i++)
        if (strcmp(categories[i].slug, slug) == 0) {
            *ret_category = (enum ch_category)i;
            return true;
        }
    return false;
}

bool ch_probe_kind_from_slug(const char *slug, enum ch_probe_kind *ret_kind)
{
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (strcmp(kinds[i].slug, slug) == 0) {
            *ret_kind = (enum ch_probe_kind)i;
            return true;
        }
    return false;
}
