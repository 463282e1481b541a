/* SPDX-License-Identifier: Apache-2.0 */
/* Start and stop of the HTTP server; what it answers is tested from outside, by
 * tests/daemon/test_http.py. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "connhealth/clock.h"
#include "http.h"
#include "oom.h"

static struct ch_state shared;

static int set_up(void **state)
{
    (void)state;
    return ch_state_init(&shared);
}

static int tear_down(void **state)
{
    (void)state;
    ch_state_clear(&shared);
    return 0;
}

static const char *const loopback[] = {"127.0.0.1:0", "127.0.0.1:0"};

static struct ch_http_setup setup_of(const char *const *addresses, size_t count)
{
    return (struct ch_http_setup){.metrics = {.state = &shared},
                                  .limits = ch_http_default_limits,
                                  .addresses = addresses,
                                  .address_count = count};
}

static int count_descriptors(void)
{
    int next = dup(STDIN_FILENO), open = 0;

    assert_true(next >= 0);
    close(next);
    for (int fd = 0; fd < next + 64; fd++)
        open += fcntl(fd, F_GETFD) >= 0;
    return open;
}

static void test_addresses_and_turns(void **state)
{
    struct ch_http_setup setup = setup_of(loopback, 2);
    int64_t begun = ch_clock_monotonic();
    char reason[CH_HTTP_REASON];
    uint64_t before[CH_HTTP_THREADS];
    struct ch_http *http = NULL;
    int descriptors = count_descriptors();

    (void)state;
    assert_int_equal(ch_http_new(&setup, &http, reason), 0);
    assert_non_null(strstr(ch_http_address(http, 0), "127.0.0.1:"));
    assert_string_not_equal(ch_http_address(http, 0), "127.0.0.1:0");
    assert_string_not_equal(ch_http_address(http, 0), ch_http_address(http, 1));
    assert_null(ch_http_address(http, 2));
    /* with nobody there, each thread turns all the same */
    for (unsigned i = 0; i < CH_HTTP_THREADS; i++)
        before[i] = ch_http_turns(http, i);
    for (unsigned i = 0; i < CH_HTTP_THREADS; i++)
        while (ch_http_turns(http, i) < before[i] + 2) {
            assert_true(ch_clock_monotonic() - begun < 60 * CH_NS_PER_S);
            usleep(1000);
        }
    assert_null(ch_http_free(http));
    assert_null(ch_http_free(NULL));
    assert_int_equal(count_descriptors(), descriptors);
}

static void test_one_bad_address_closes_all(void **state)
{
    const char *addresses[] = {"127.0.0.1:0", "nonsense"};
    struct ch_http_setup setup = setup_of(addresses, 2);
    char reason[CH_HTTP_REASON];
    struct ch_http *http = NULL;
    int descriptors = count_descriptors();

    (void)state;
    assert_int_equal(ch_http_new(&setup, &http, reason), -EINVAL);
    assert_null(http);
    assert_non_null(strstr(reason, "\"nonsense\": it has no port"));
    assert_int_equal(count_descriptors(), descriptors);
}

static void test_a_passed_descriptor_must_listen(void **state)
{
    struct ch_http_setup setup = setup_of(NULL, 0);
    int passed = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char reason[CH_HTTP_REASON];
    struct ch_http *http = NULL;

    (void)state;
    setup.sockets_passed = &passed;
    setup.socket_count = 1;
    assert_int_equal(ch_http_new(&setup, &http, reason), -EINVAL);
    assert_non_null(strstr(reason, "is not a listening socket"));
    assert_true(fcntl(passed, F_GETFD) >= 0);
    assert_int_equal(listen(passed, 1), 0);
    assert_int_equal(ch_http_new(&setup, &http, reason), 0);
    ch_http_free(http);
    assert_true(fcntl(passed, F_GETFD) >= 0);
    close(passed);
}

static void test_out_of_memory(void **state)
{
    struct ch_http_setup setup = setup_of(loopback, 1);
    int descriptors = count_descriptors(), r = -ENOMEM;
    long after;

    (void)state;
    for (after = 0; r < 0; after++) {
        char reason[CH_HTTP_REASON] = "";
        struct ch_http *http = NULL;

        oom_after = after;
        r = ch_http_new(&setup, &http, reason);
        oom_after = -1;
        assert_int_equal(r < 0, http == NULL);
        if (r < 0) {
            assert_int_equal(r, -ENOMEM);
            assert_true(reason[0]);
        }
        ch_http_free(http);
        assert_int_equal(count_descriptors(), descriptors);
    }
    assert_true(after >= 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses_and_turns),
        cmocka_unit_test(test_one_bad_address_closes_all),
        cmocka_unit_test(test_a_passed_descriptor_must_listen),
        cmocka_unit_test(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
