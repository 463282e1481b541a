/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "connhealth/icmp.h"
#include "connhealth/probe.h"
#include "connhealth/vocabulary.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(*(array)))

/* Slugs are label values and JSON words. */
static void assert_slug(const char *slug)
{
    assert_true(strlen(slug) > 1);
    assert_int_equal(strspn(slug, "abcdefghijklmnopqrstuvwxyz_"), strlen(slug));
}

static void assert_text(const char *text)
{
    assert_true(strlen(text) > 4);
    for (; *text; text++)
        assert_in_range(*text, ' ', '~');
}

static void categories_round_trip(void **state)
{
    (void)state;
    for (int i = CH_CATEGORY_NONE + 1; i < CH_CATEGORY_COUNT; i++) {
        const struct ch_category_row *row = ch_category_row((enum ch_category)i);
        enum ch_category back = CH_CATEGORY_NONE;

        assert_slug(row->slug);
        assert_text(row->meaning);
        assert_text(row->advice);
        assert_true(ch_category_from_slug(row->slug, &back));
        assert_int_equal(back, i);
        assert_int_equal(row->error != 0, row->error_name != NULL);
        if (row->error == 0)
            continue;
        /* The table of categories and that of errnos agree. */
        assert_int_equal(ch_category_of_errno(row->error), i);
        assert_string_equal(row->error_name, ch_errno_name(row->error));
    }
}

static void kinds_round_trip(void **state)
{
    (void)state;
    for (int i = 0; i < CH_PROBE_KIND_COUNT; i++) {
        enum ch_probe_kind back = CH_PROBE_KIND_COUNT;

        assert_true(
            ch_probe_kind_from_slug(ch_probe_kind_word((enum ch_probe_kind)i)->slug, &back));
        assert_int_equal(back, i);
    }
}

static void unknown_slugs_are_refused(void **state)
{
    static const char *const wrong[] = {"", "none", "Refused", "refuse", "refused ", "heart"};
    enum ch_category category = CH_CATEGORY_EOF;
    enum ch_probe_kind kind = CH_PROBE_KEEPALIVE;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        assert_false(ch_category_from_slug(wrong[i], &category));
        assert_false(ch_probe_kind_from_slug(wrong[i], &kind));
    }
    assert_int_equal(category, CH_CATEGORY_EOF);
    assert_int_equal(kind, CH_PROBE_KEEPALIVE);
}

static const struct ch_word *phase_word(int value)
{
    return ch_phase_word((enum ch_phase)value);
}

static const struct ch_word *wire_word(int value)
{
    return ch_wire_word((enum ch_wire)value);
}

static const struct ch_word *cause_word(int value)
{
    return ch_cause_word((enum ch_cause)value);
}

static const struct ch_word *kind_word(int value)
{
    return ch_probe_kind_word((enum ch_probe_kind)value);
}

static const struct ch_word *trouble_word(int value)
{
    return ch_trouble_word((enum ch_trouble)value);
}

/* first: of the words proper, after a "none". */
static const struct {
    const struct ch_word *(*word)(int value);
    int first, count;
} vocabularies[] = {
    {phase_word, CH_PHASE_NONE + 1, CH_PHASE_COUNT},       {wire_word, 0, CH_WIRE_COUNT},
    {cause_word, CH_CAUSE_NONE + 1, CH_CAUSE_COUNT},       {kind_word, 0, CH_PROBE_KIND_COUNT},
    {trouble_word, CH_TROUBLE_NONE + 1, CH_TROUBLE_COUNT},
};

static void words_are_distinct(void **state)
{
    (void)state;
    for (size_t v = 0; v < COUNT_OF(vocabularies); v++)
        for (int i = vocabularies[v].first; i < vocabularies[v].count; i++) {
            const struct ch_word *word = vocabularies[v].word(i);

            assert_slug(word->slug);
            assert_text(word->meaning);
            for (int other = vocabularies[v].first; other < i; other++)
                assert_string_not_equal(word->slug, vocabularies[v].word(other)->slug);
        }
}

static void outside_there_is_no_word(void **state)
{
    static const int outside[] = {-1, -1000, INT32_MIN, INT32_MAX, 255, 4096};

    (void)state;
    for (size_t v = 0; v < COUNT_OF(vocabularies); v++) {
        for (size_t i = 0; i < COUNT_OF(outside); i++)
            assert_string_equal(vocabularies[v].word(outside[i])->slug, "");
        assert_string_equal(vocabularies[v].word(vocabularies[v].count)->slug, "");
        if (vocabularies[v].first > 0)
            assert_string_equal(vocabularies[v].word(0)->slug, "");
    }
    for (size_t i = 0; i < COUNT_OF(outside); i++) {
        assert_string_equal(ch_category_row((enum ch_category)outside[i])->slug, "");
        assert_string_equal(ch_transport_slug((enum ch_transport)outside[i]), "");
    }
    assert_string_equal(ch_transport_slug(CH_TRANSPORT_TCP), "tcp");
    assert_string_equal(ch_transport_slug(CH_TRANSPORT_UDP), "udp");
}

/* What the network and this host can make of an errno. */
static void errnos_have_their_category(void **state)
{
    static const struct {
        int error;
        enum ch_category category;
        const char *name;
    } rows[] = {
        {ECONNREFUSED, CH_CATEGORY_REFUSED, "ECONNREFUSED"},
        {ECONNRESET, CH_CATEGORY_RESET, "ECONNRESET"},
        {ECONNABORTED, CH_CATEGORY_ABORTED, "ECONNABORTED"},
        {ETIMEDOUT, CH_CATEGORY_TIMEOUT, "ETIMEDOUT"},
        {EPIPE, CH_CATEGORY_BROKEN_PIPE, "EPIPE"},
        {EHOSTUNREACH, CH_CATEGORY_HOST_UNREACHABLE, "EHOSTUNREACH"},
        {EHOSTDOWN, CH_CATEGORY_HOST_UNREACHABLE, "EHOSTDOWN"},
        {ENETUNREACH, CH_CATEGORY_NET_UNREACHABLE, "ENETUNREACH"},
        {ENETDOWN, CH_CATEGORY_NET_UNREACHABLE, "ENETDOWN"},
        {ENONET, CH_CATEGORY_NET_UNREACHABLE, "ENONET"},
        {EAGAIN, CH_CATEGORY_WOULD_BLOCK, "EAGAIN"},
        {EWOULDBLOCK, CH_CATEGORY_WOULD_BLOCK, "EAGAIN"},
        {EACCES, CH_CATEGORY_DENIED, "EACCES"},
        {EPERM, CH_CATEGORY_DENIED, "EPERM"},
        {EMFILE, CH_CATEGORY_LOCAL_RESOURCE, "EMFILE"},
        {ENFILE, CH_CATEGORY_LOCAL_RESOURCE, "ENFILE"},
        {ENOBUFS, CH_CATEGORY_LOCAL_RESOURCE, "ENOBUFS"},
        {ENOMEM, CH_CATEGORY_LOCAL_RESOURCE, "ENOMEM"},
        {EADDRNOTAVAIL, CH_CATEGORY_LOCAL_RESOURCE, "EADDRNOTAVAIL"},
        {EADDRINUSE, CH_CATEGORY_LOCAL_RESOURCE, "EADDRINUSE"},
        {ENOPROTOOPT, CH_CATEGORY_OTHER, "ENOPROTOOPT"},
        {EOPNOTSUPP, CH_CATEGORY_OTHER, "EOPNOTSUPP"},
        {EPROTO, CH_CATEGORY_OTHER, "EPROTO"},
        {EINVAL, CH_CATEGORY_OTHER, "EINVAL"},
        {EMSGSIZE, CH_CATEGORY_OTHER, "EMSGSIZE"},
        {ENOTCONN, CH_CATEGORY_OTHER, "ENOTCONN"}, /* without a row: named by the C library */
        {0, CH_CATEGORY_OTHER, NULL},
        {-1, CH_CATEGORY_OTHER, NULL},
        {4000, CH_CATEGORY_OTHER, NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *name = ch_errno_name(rows[i].error);

        assert_int_equal(ch_category_of_errno(rows[i].error), rows[i].category);
        if (rows[i].name)
            assert_string_equal(name, rows[i].name);
        else
            assert_null(name);
    }
}

/* Every ICMP error has a word; only the ones with a row have one of their own. */
static void icmp_errors_have_a_word(void **state)
{
    static const struct {
        struct ch_icmp icmp;
        const char *slug;
    } rows[] = {
        {{.version = 4, .type = 3, .code = 1}, "host_unreachable"},
        {{.version = 4, .type = 3, .code = 13}, "admin_prohibited"},
        {{.version = 4, .type = 11, .code = 0}, "ttl_exceeded"},
        {{.version = 6, .type = 1, .code = 3}, "address_unreachable"},
        {{.version = 6, .type = 4, .code = 1}, "unrecognized_next_header"},
        {{.version = 6, .type = 4, .code = 2}, "parameter_problem"},
        {{.version = 4, .type = 3, .code = 16}, "other"},
        {{.version = 6, .type = 3, .code = 9}, "other"},
        {{.version = 5, .type = 3, .code = 1}, "other"},
        {{0}, "other"},
    };
    struct ch_icmp icmp;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_string_equal(ch_icmp_word(&rows[i].icmp)->slug, rows[i].slug);
    for (unsigned i = 0; i < 7u << 16; i++) {
        icmp = (struct ch_icmp){
            .version = (uint8_t)(i >> 16), .type = (uint8_t)(i >> 8), .code = (uint8_t)i};
        assert_slug(ch_icmp_word(&icmp)->slug);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(categories_round_trip),     cmocka_unit_test(kinds_round_trip),
        cmocka_unit_test(unknown_slugs_are_refused), cmocka_unit_test(words_are_distinct),
        cmocka_unit_test(outside_there_is_no_word),  cmocka_unit_test(errnos_have_their_category),
        cmocka_unit_test(icmp_errors_have_a_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
