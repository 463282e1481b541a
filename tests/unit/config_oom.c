/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that runs out at every single allocation of our own, while one
 * configuration with everything in it is read, shown and freed. The leak
 * sanitizer sees what is left.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"
#include "oom.h"

void *__real_reallocarray(void *old, size_t count, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);
char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);
char *__real_strndup(const char *text, size_t len);
char *__wrap_strndup(const char *text, size_t len);

void *__wrap_reallocarray(void *old, size_t count, size_t size)
{
    return oom_strikes() ? NULL : __real_reallocarray(old, count, size);
}

char *__wrap_strdup(const char *text)
{
    return oom_strikes() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t len)
{
    return oom_strikes() ? NULL : __real_strndup(text, len);
}

/* Runs attempt with ever more memory until it says that it had enough. */
static void starve(bool (*attempt)(void))
{
    bool enough = false;

    for (long allocations = 0; !enough; allocations++) {
        if (allocations > 20000)
            fail_msg("still not enough after %ld allocations", allocations);
        oom_after = allocations;
        enough = attempt();
        oom_after = -1;
        if (allocations == 0)
            assert_false(enough);
    }
}

static bool load_valid(void)
{
    struct ch_config_errors errors = {0};
    struct ch_config *config = NULL;
    int r = ch_config_load("valid/all-keys.yml", &config, &errors);

    assert_int_equal(errors.count, 0);
    if (r == 0) {
        ch_config_free(config);
        return true;
    }
    assert_int_equal(r, -ENOMEM);
    assert_null(config);
    return false;
}

static bool load_includes(void)
{
    struct ch_config_errors errors = {0};
    struct ch_config *config = NULL;
    int r = ch_config_load("included/connhealthd.yml", &config, &errors);

    ch_config_free(config);
    assert_true(r == 0 || r == -ENOMEM);
    return r == 0;
}

static bool load_invalid(void)
{
    struct ch_config_errors errors = {0};
    struct ch_config *config = NULL;
    int r = ch_config_load("invalid/many-errors.yml", &config, &errors);

    assert_null(config);
    if (r == -ENOMEM) {
        assert_int_equal(errors.count, 0);
        return false;
    }
    assert_int_equal(r, -EINVAL);
    assert_int_equal(errors.count, 7);
    ch_config_errors_clear(&errors);
    return true;
}

static bool load_targets(const char *path)
{
    struct ch_config_errors errors = {0};
    struct ch_target_list *lists = NULL;
    size_t count = 0;
    int r = ch_target_file_load(path, &lists, &count, &errors);

    assert_true(r == 0 || r == -ENOMEM);
    if (r == 0)
        ch_target_lists_free(lists, count);
    return r == 0;
}

static bool load_yaml_targets(void)
{
    return load_targets("targets/good.yml");
}

static bool load_json_targets(void)
{
    return load_targets("targets/good.json");
}

static struct ch_config *shown;

static bool format(void)
{
    char *text = ch_config_format(shown);

    if (!text)
        return false;
    assert_non_null(strstr(text, "every key"));
    free(text);
    return true;
}

static void every_allocation_may_fail(void **state)
{
    struct ch_config_errors errors = {0};

    (void)state;
    assert_int_equal(chdir(CH_TEST_DATA "/config"), 0);
    starve(load_valid);
    starve(load_includes);
    starve(load_invalid);
    starve(load_yaml_targets);
    starve(load_json_targets);
    assert_int_equal(ch_config_load("valid/all-keys.yml", &shown, &errors), 0);
    starve(format);
    ch_config_free(shown);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
