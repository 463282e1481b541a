/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of sockets against a plain model, and what a socket costs in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "sockets/memory.h"

static uint64_t random_state = 42;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static void test_finds_what_was_touched(void **state)
{
    struct ch_memory memory;
    struct ch_remembered *entry;
    bool fresh;

    (void)state;
    assert_int_equal(ch_memory_init(&memory), 0);
    assert_null(ch_memory_find(&memory, 5));
    entry = ch_memory_touch(&memory, 5, &fresh);
    assert_non_null(entry);
    assert_true(fresh);
    assert_true(entry->cookie == 5);
    entry->count = 77;
    assert_ptr_equal(ch_memory_touch(&memory, 5, &fresh), entry);
    assert_false(fresh);
    assert_int_equal(ch_memory_find(&memory, 5)->count, 77);
    ch_memory_remove(&memory, entry);
    assert_null(ch_memory_find(&memory, 5));
    assert_int_equal(memory.count, 0);
    ch_memory_clear(&memory);
}

static void test_cookie_zero_is_nobody(void **state)
{
    struct ch_memory memory;
    bool fresh;

    (void)state;
    assert_int_equal(ch_memory_init(&memory), 0);
    assert_null(ch_memory_touch(&memory, 0, &fresh));
    assert_false(fresh);
    assert_null(ch_memory_find(&memory, 0));
    ch_memory_clear(&memory);
}

/* Cookies as the kernel gives them: batches of 4096 for each CPU. */
static uint64_t cookie_of(size_t i)
{
    return (uint64_t)(i / 3000) * 4096 * 2 + i % 3000 + 1;
}

static bool keep_even(struct ch_remembered *entry, void *arg)
{
    (void)arg;
    return entry->count % 2 == 0;
}

static bool keep_few(struct ch_remembered *entry, void *arg)
{
    (void)arg;
    return entry->count < 100;
}

static void expect_all(struct ch_memory *memory, size_t count, size_t step)
{
    for (size_t i = 0; i < count; i++) {
        struct ch_remembered *entry = ch_memory_find(memory, cookie_of(i));

        if (i % step == 0) {
            assert_non_null(entry);
            assert_int_equal(entry->count, i);
        } else {
            assert_null(entry);
        }
    }
}

static void test_grows_and_shrinks_without_losing_any(void **state)
{
    enum { count = 200000 };
    struct ch_memory memory;
    bool fresh;

    (void)state;
    assert_int_equal(ch_memory_init(&memory), 0);
    for (size_t i = 0; i < count; i++) {
        ch_memory_touch(&memory, cookie_of(i), &fresh)->count = (uint32_t)i;
        assert_true(fresh);
        /* What a socket costs, at any number of them above a few. */
        if (i > 1000)
            assert_true(ch_memory_bytes(&memory) <= 64 * (i + 1));
    }
    assert_int_equal(memory.count, count);
    expect_all(&memory, count, 1);
    ch_memory_sift(&memory, keep_even, NULL);
    assert_int_equal(memory.count, count / 2);
    assert_true(ch_memory_bytes(&memory) <= 64 * memory.count);
    expect_all(&memory, count, 2);
    ch_memory_sift(&memory, keep_few, NULL);
    assert_int_equal(memory.count, 50);
    assert_true(ch_memory_bytes(&memory) < 45000);
    for (size_t i = 0; i < 100; i += 2)
        assert_int_equal(ch_memory_find(&memory, cookie_of(i))->count, i);
    ch_memory_clear(&memory);
}

/* Random touches, removals and sifts, against an array that knows the truth. */
static void test_agrees_with_a_model(void **state)
{
    enum { cookies = 4096, steps = 300000 };
    static bool there[cookies];
    struct ch_memory memory;
    size_t count = 0;
    bool fresh;

    (void)state;
    assert_int_equal(ch_memory_init(&memory), 0);
    for (size_t step = 0; step < steps; step++) {
        size_t i = next_random() % cookies;
        struct ch_remembered *entry = ch_memory_find(&memory, i + 1);

        assert_int_equal(entry != NULL, there[i]);
        /* Phases in which it rather grows, and rather shrinks. */
        if (next_random() % 10 < (step / 50000 % 2 ? 3 : 7)) {
            entry = ch_memory_touch(&memory, i + 1, &fresh);
            assert_int_equal(fresh, !there[i]);
            entry->count = (uint32_t)i;
            count += !there[i];
            there[i] = true;
        } else if (entry) {
            assert_int_equal(entry->count, i);
            ch_memory_remove(&memory, entry);
            count--;
            there[i] = false;
        }
        assert_int_equal(memory.count, count);
        if (step % 20011 != 0)
            continue;
        ch_memory_sift(&memory, keep_even, NULL);
        for (size_t k = 1; k < cookies; k += 2) {
            count -= there[k];
            there[k] = false;
        }
        assert_int_equal(memory.count, count);
    }
    ch_memory_clear(&memory);
}

/* Touches all in the order given, some twice, and returns how many were not
 * where they should be. */
static uint32_t sweep(struct ch_memory *memory, const uint64_t *cookies, size_t count)
{
    uint32_t strays;
    bool fresh;

    ch_memory_sweep_begin(memory);
    for (size_t i = 0; i < count; i++) {
        ch_memory_touch(memory, cookies[i], &fresh)->count = (uint32_t)cookies[i] * 2;
        if (i % 100 == 50)
            ch_memory_touch(memory, cookies[i - 30], &fresh);
    }
    strays = memory->strays;
    ch_memory_sift(memory, keep_even, NULL);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(ch_memory_find(memory, cookies[i])->count, (uint32_t)cookies[i] * 2);
    assert_int_equal(memory->count, count);
    return strays;
}

static void shuffle(uint64_t *cookies, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t k = next_random() % i;
        uint64_t swapped = cookies[i - 1];

        cookies[i - 1] = cookies[k];
        cookies[k] = swapped;
    }
}

static void test_order_is_kept_and_found_again(void **state)
{
    enum { count = 20000, twice = count / 100 };
    static uint64_t cookies[count];
    struct ch_memory memory;

    (void)state;
    assert_int_equal(ch_memory_init(&memory), 0);
    for (size_t i = 0; i < count; i++)
        cookies[i] = cookie_of(i);
    shuffle(cookies, count);
    sweep(&memory, cookies, count);
    assert_true(sweep(&memory, cookies, count) <= 2 * twice);
    shuffle(cookies, count);
    assert_true(sweep(&memory, cookies, count) > count / 2);
    sweep(&memory, cookies, count); /* writes the new order down */
    assert_true(sweep(&memory, cookies, count) <= 2 * twice);
    assert_null(memory.order);
    /* Some go, unnoticed until the sift, and some come in between. */
    for (size_t i = 0; i < count; i += 10)
        ch_memory_remove(&memory, ch_memory_find(&memory, cookies[i]));
    for (size_t i = 0; i < count; i += 10)
        cookies[i] += UINT64_C(1) << 40;
    sweep(&memory, cookies, count);
    assert_true(sweep(&memory, cookies, count) <= count / 10 + 2 * twice);
    assert_true(ch_memory_bytes(&memory) <= 64 * memory.count);
    ch_memory_clear(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_what_was_touched),
        cmocka_unit_test(test_cookie_zero_is_nobody),
        cmocka_unit_test(test_grows_and_shrinks_without_losing_any),
        cmocka_unit_test(test_agrees_with_a_model),
        cmocka_unit_test(test_order_is_kept_and_found_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
