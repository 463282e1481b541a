/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks over tests/unit/data/config: every valid example loads, and what
 * /config shows of it loads again to the same; every invalid one gives exactly
 * the lines in its .expected. The schema's test reads the same examples.
 */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"

static void enter(const char *directory)
{
    if (chdir(CH_TEST_DATA "/config") < 0 || chdir(directory) < 0)
        fail_msg("%s: %s", directory, strerror(errno));
}

static bool ends_in(const char *name, const char *end)
{
    size_t len = strlen(name), end_len = strlen(end);

    return len > end_len && strcmp(name + len - end_len, end) == 0;
}

/* Calls check for each file of the working directory that ends so. */
static void for_each(const char *end, size_t at_least, void (*check)(const char *name))
{
    struct dirent **entries;
    size_t checked = 0;
    int count = scandir(".", &entries, NULL, alphasort);

    assert_true(count >= 0);
    for (int i = 0; i < count; i++) {
        if (ends_in(entries[i]->d_name, end)) {
            check(entries[i]->d_name);
            checked++;
        }
        free(entries[i]);
    }
    free(entries);
    assert_true(checked >= at_least);
}

static char *read_text(const char *name)
{
    FILE *file = fopen(name, "re");
    char *text = NULL;
    size_t size = 0;

    if (!file)
        fail_msg("%s: %s", name, strerror(errno));
    if (getdelim(&text, &size, '\0', file) < 0)
        fail_msg("%s is empty", name);
    fclose(file);
    return text;
}

static char *join_lines(const struct ch_config_errors *errors)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    for (size_t i = 0; i < errors->count; i++)
        fprintf(out, "%s\n", errors->lines[i]);
    fclose(out);
    return text;
}

/* What was found must be what the file says. */
static void assert_expected(struct ch_config_errors *errors, const char *file)
{
    char *expected = read_text(file), *got = join_lines(errors);

    assert_string_equal(got, expected);
    free(expected);
    free(got);
    ch_config_errors_clear(errors);
    assert_null(errors->lines);
}

static struct ch_config *load(const char *name)
{
    struct ch_config_errors errors = {0};
    struct ch_config *config = NULL;
    int r = ch_config_load(name, &config, &errors);

    if (r != 0)
        fail_msg("%s: %d, %s", name, r, errors.count ? errors.lines[0] : "no error given");
    assert_int_equal(errors.count, 0);
    return config;
}

static void check_valid(const char *name)
{
    struct ch_config_errors errors = {0};
    struct ch_config *config = load(name), *again = NULL;
    char *text = ch_config_format(config), *text_again;
    int r;

    assert_non_null(text);
    if (!strstr(text, "\"" CH_SECRET_SHOWN "\"")) {
        r = ch_config_parse(text, strlen(text), "again.yml", &again, &errors);
        if (r != 0)
            fail_msg("%s, formatted: %d, %s", name, r, errors.count ? errors.lines[0] : "");
        text_again = ch_config_format(again);
        assert_string_equal(text, text_again);
        free(text_again);
    }
    free(text);
    ch_config_free(again);
    ch_config_free(config);
}

static void valid_examples_load_and_show_what_loads_again(void **state)
{
    (void)state;
    enter("valid");
    for_each(".yml", 10, check_valid);
}

static void what_the_repository_ships_loads(void **state)
{
    (void)state;
    enter("../../../../deploy");
    for_each(".yml", 2, check_valid);
}

static void check_invalid(const char *name)
{
    struct ch_config_errors errors = {0};
    struct ch_config *config = NULL;
    char expected[512];

    if (ch_config_load(name, &config, &errors) != -EINVAL)
        fail_msg("%s was accepted", name);
    assert_null(config);
    snprintf(expected, sizeof(expected), "%.*s.expected", (int)(strlen(name) - strlen(".yml")),
             name);
    assert_expected(&errors, expected);
}

static void invalid_examples_give_every_error_with_its_place(void **state)
{
    (void)state;
    enter("invalid");
    for_each(".yml", 30, check_invalid);
}

static void check_has_example(const char *name)
{
    char path[512];

    snprintf(path, sizeof(path), "%.*s.yml", (int)(strlen(name) - strlen(".expected")), name);
    if (access(path, F_OK) < 0)
        fail_msg("%s has no example", name);
}

static void no_expectation_is_left_over(void **state)
{
    (void)state;
    enter("invalid");
    for_each(".expected", 30, check_has_example);
}

static void includes_add_groups_in_order(void **state)
{
    struct ch_config *config;

    (void)state;
    enter("included");
    config = load("connhealthd.yml");
    assert_int_equal(config->group_count, 2);
    assert_string_equal(config->groups[0].name, "main");
    assert_string_equal(config->groups[1].name, "included");
    /* global of any file holds for the groups of all */
    assert_int_equal(config->groups[0].probes[CH_PROBE_CONNECT]->interval_ns, INT64_C(7000000000));
    /* paths are relative to the main file, in an included one as well */
    assert_string_equal(config->groups[1].file_sd_configs[0].patterns[0],
                        CH_TEST_DATA "/config/included/targets.d/included.json");
    ch_config_free(config);
    /* the same by another way there */
    config = load(CH_TEST_DATA "/config/included/connhealthd.yml");
    assert_int_equal(config->group_count, 2);
    assert_string_equal(config->path, CH_TEST_DATA "/config/included/connhealthd.yml");
    ch_config_free(config);
    enter(".");
    config = load("included/connhealthd.yml");
    assert_int_equal(config->group_count, 2);
    assert_string_equal(config->path, CH_TEST_DATA "/config/included/connhealthd.yml");
    ch_config_free(config);
}

static void includes_report_with_their_own_names(void **state)
{
    struct ch_config_errors errors = {0};
    struct ch_config *config = NULL;

    (void)state;
    enter("clash");
    assert_int_equal(ch_config_load("connhealthd.yml", &config, &errors), -EINVAL);
    assert_null(config);
    assert_expected(&errors, "expected");
}

static void a_file_that_cannot_be_read_is_an_error_of_its_own(void **state)
{
    struct ch_config_errors errors = {0};
    struct ch_target_list *lists = NULL;
    struct ch_config *config = NULL;
    size_t count = 0;

    (void)state;
    enter(".");
    assert_int_equal(ch_config_load("none.yml", &config, &errors), -EINVAL);
    assert_int_equal(errors.count, 1);
    assert_string_equal(errors.lines[0], "none.yml: cannot be read: No such file or directory");
    ch_config_errors_clear(&errors);
    assert_int_equal(ch_config_load("valid", &config, &errors), -EINVAL);
    assert_string_equal(errors.lines[0], "valid: cannot be read: Is a directory");
    ch_config_errors_clear(&errors);
    assert_int_equal(ch_target_file_load("none.json", &lists, &count, &errors), -EINVAL);
    assert_string_equal(errors.lines[0], "none.json: cannot be read: No such file or directory");
    ch_config_errors_clear(&errors);
    assert_int_equal(ch_target_file_load("/dev/null", &lists, &count, &errors), -EINVAL);
    assert_string_equal(errors.lines[0], "/dev/null: cannot be read: not a regular file");
    ch_config_errors_clear(&errors);
    assert_int_equal(ch_config_load("/dev/zero", &config, &errors), -EINVAL);
    assert_string_equal(errors.lines[0], "/dev/zero: cannot be read: larger than 32 MiB");
    ch_config_errors_clear(&errors);
}

static void check_targets(const char *name)
{
    struct ch_config_errors errors = {0};
    struct ch_target_list *lists = NULL;
    char expected[512];
    size_t count = 99;
    int r = ch_target_file_load(name, &lists, &count, &errors);

    snprintf(expected, sizeof(expected), "%s.expected", name);
    if (access(expected, F_OK) == 0) {
        assert_int_equal(r, -EINVAL);
        assert_expected(&errors, expected);
        return;
    }
    if (r != 0)
        fail_msg("%s: %d, %s", name, r, errors.count ? errors.lines[0] : "");
    if (strncmp(name, "good", 4) == 0) {
        assert_int_equal(count, 2);
        assert_int_equal(lists[0].count, 2);
        assert_string_equal(lists[0].targets[1], "a.example:81");
        assert_int_equal(lists[0].labels.count, 2);
        assert_string_equal(lists[0].labels.items[0].name, "a");
        assert_string_equal(lists[0].labels.items[1].value, "storage");
        assert_string_equal(lists[1].targets[0], "[2001:db8::7]:82");
    } else {
        assert_int_equal(count, 0);
    }
    ch_target_lists_free(lists, count);
}

static void target_files_are_read_and_checked(void **state)
{
    (void)state;
    enter("targets");
    for_each(".json", 9, check_targets);
    for_each(".yml", 3, check_targets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_examples_load_and_show_what_loads_again),
        cmocka_unit_test(what_the_repository_ships_loads),
        cmocka_unit_test(invalid_examples_give_every_error_with_its_place),
        cmocka_unit_test(no_expectation_is_left_over),
        cmocka_unit_test(includes_add_groups_in_order),
        cmocka_unit_test(includes_report_with_their_own_names),
        cmocka_unit_test(a_file_that_cannot_be_read_is_an_error_of_its_own),
        cmocka_unit_test(target_files_are_read_and_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
