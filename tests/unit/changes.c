/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "changes.h"
#include "oom.h"

static int set_up(void **state)
{
    struct ch_changes *changes = NULL;

    oom_after = -1;
    if (ch_changes_new(&changes) < 0)
        return -1;
    *state = changes;
    return 0;
}

static int tear_down(void **state)
{
    oom_after = -1;
    assert_null(ch_changes_free(*state));
    return 0;
}

static void add(struct ch_changes *changes, unsigned number)
{
    struct ch_event event = {0};

    snprintf(event.target, sizeof(event.target), "%u", number);
    ch_changes_add(changes, &event, CH_PROBE_CONNECT);
}

static bool readable(const struct ch_changes *changes)
{
    struct pollfd fd = {.fd = ch_changes_fd(changes), .events = POLLIN};

    return poll(&fd, 1, 0) == 1;
}

/* How many there were; their targets are first, first + 1, ... */
static unsigned take(struct ch_changes *changes, unsigned first, uint64_t *ret_dropped)
{
    struct ch_change *change = ch_changes_take(changes, ret_dropped), *next;
    unsigned count = 0;

    for (; change; change = next) {
        next = change->next;
        assert_int_equal(atoi(change->event.target), first + count++);
        free(change);
    }
    return count;
}

static void they_come_in_order_and_wake_once(void **state)
{
    struct ch_changes *changes = *state;
    uint64_t dropped;

    assert_false(readable(changes));
    for (unsigned turn = 0; turn < 2; turn++) {
        for (unsigned i = 0; i < 3; i++)
            add(changes, i);
        assert_true(readable(changes));
        assert_int_equal(take(changes, 0, &dropped), 3);
        assert_int_equal(dropped, 0);
        assert_false(readable(changes));
        assert_int_equal(take(changes, 0, &dropped), 0);
    }
    add(changes, 0); /* is freed with the whole */
}

static void too_many_are_counted_not_kept(void **state)
{
    struct ch_changes *changes = *state;
    uint64_t dropped;

    for (unsigned i = 0; i < CH_CHANGES_MAX + 7; i++)
        add(changes, i);
    assert_int_equal(take(changes, 0, &dropped), CH_CHANGES_MAX);
    assert_int_equal(dropped, 7);
    add(changes, 0);
    assert_int_equal(take(changes, 0, &dropped), 1);
    assert_int_equal(dropped, 0);
}

static void without_memory_they_are_counted(void **state)
{
    struct ch_changes *changes = *state;
    uint64_t dropped;

    oom_after = 0;
    add(changes, 0);
    oom_after = -1;
    assert_true(readable(changes)); /* so that the loss is told of */
    assert_int_equal(take(changes, 0, &dropped), 0);
    assert_int_equal(dropped, 1);
    add(changes, 0);
    assert_true(readable(changes));
    assert_int_equal(take(changes, 0, &dropped), 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(they_come_in_order_and_wake_once),
        TEST(too_many_are_counted_not_kept),
        TEST(without_memory_they_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
