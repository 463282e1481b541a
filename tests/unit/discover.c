/* SPDX-License-Identifier: Apache-2.0 */
/* Target files in a directory of their own: what is read of them, and what is
 * noticed of their changes. inotify(7) tells before the call that made the
 * change returns, so nothing here waits. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "discover.h"

static char root[] = "/tmp/discover-XXXXXX";
static char path_text[8][512];

/* A path below root; good for a few calls. */
static const char *in(const char *name)
{
    static unsigned turn;
    char *text = path_text[turn++ % 8];

    snprintf(text, sizeof(path_text[0]), "%s/%s", root, name);
    return text;
}

static void write_file(const char *name, const char *content)
{
    FILE *file = fopen(in(name), "we");

    assert_non_null(file);
    assert_true(fputs(content, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void write_target(const char *name, const char *target)
{
    char content[128];

    snprintf(content, sizeof(content), "[{\"targets\": [\"%s\"]}]", target);
    write_file(name, content);
}

static void make_link(const char *to, const char *name)
{
    assert_int_equal(symlink(to, in(name)), 0);
}

static void make_directory(const char *name)
{
    assert_int_equal(mkdir(in(name), 0700), 0);
}

static void move(const char *from, const char *to)
{
    assert_int_equal(rename(in(from), in(to)), 0);
}

static void empty_root(void)
{
    char command[64];

    snprintf(command, sizeof(command), "find %s -mindepth 1 -delete", root);
    assert_int_equal(system(command), 0); // NOLINT
}

static struct ch_discovery *discovery;
static struct ch_config_errors errors;

static int set_up(void **state)
{
    (void)state;
    empty_root();
    return ch_discovery_new(&discovery);
}

static int tear_down(void **state)
{
    (void)state;
    discovery = ch_discovery_free(discovery);
    ch_config_errors_clear(&errors);
    return 0;
}

/* The targets that patterns (below root, ended by NULL) hold at present, one
 * after the other with a blank behind each. */
static const char *targets_of(const char *const *patterns)
{
    static char text[512];
    char *own[4] = {NULL};
    struct ch_file_sd sd = {.patterns = own};
    struct ch_group group = {.name = "g", .file_sd_configs = &sd, .file_sd_config_count = 1};
    struct ch_config config = {.groups = &group, .group_count = 1};
    const struct ch_group_targets *groups = NULL;

    for (; patterns[sd.count]; sd.count++)
        own[sd.count] = strdup(in(patterns[sd.count]));
    ch_config_errors_clear(&errors);
    assert_int_equal(ch_discovery_read(discovery, &config, &errors, &groups), 0);
    text[0] = '\0';
    for (size_t i = 0; i < groups[0].count; i++)
        for (size_t j = 0; j < groups[0].lists[i].count; j++) {
            strcat(text, groups[0].lists[i].targets[j]);
            strcat(text, " ");
        }
    for (size_t i = 0; i < sd.count; i++)
        free(own[i]);
    return text;
}

#define TARGETS(...) targets_of((const char *const[]){__VA_ARGS__, NULL})

static void assert_unchanged(void)
{
    assert_false(ch_discovery_changed(discovery));
}

static void assert_changed(void)
{
    assert_true(ch_discovery_changed(discovery));
    assert_unchanged();
}

static void a_pattern_takes_what_it_matches_in_order(void **state)
{
    (void)state;
    write_target("b.json", "b:1");
    write_target("a.json", "a:1");
    write_target(".hidden.json", "hidden:1");
    write_target("c.yml", "c:1");
    assert_string_equal(TARGETS("*.json"), "a:1 b:1 ");
    assert_string_equal(TARGETS("[b-z].json", "*.y*ml"), "b:1 c:1 ");
    assert_string_equal(TARGETS("none.json", "no/such/*.json"), "");
    assert_int_equal(errors.count, 0);
}

static void special_characters_of_a_directory_are_its_name(void **state)
{
    (void)state;
    make_directory("[ab]*\\?");
    make_directory("a");
    write_target("a/x.json", "wrong:1");
    write_target("[ab]*\\?/x.json", "right:1");
    assert_string_equal(TARGETS("[ab]*\\?/*.json"), "right:1 ");
    assert_string_equal(TARGETS("[ab]*\\?/x.json"), "right:1 ");
    assert_unchanged();
    write_target("[ab]*\\?/x.json", "right:2");
    assert_changed();
    assert_string_equal(TARGETS("[ab]*\\?/*.json"), "right:2 ");
}

static void bad_files_keep_their_last_good_targets(void **state)
{
    (void)state;
    write_target("a.json", "a:1");
    write_target("b.json", "b:1");
    write_target("c.json", "c:1");
    assert_string_equal(TARGETS("*.json"), "a:1 b:1 c:1 ");
    write_file("a.json", "[{");
    write_file("b.json", "{}");
    assert_string_equal(TARGETS("*.json"), "a:1 b:1 c:1 ");
    /* each has its line: none hides another */
    assert_int_equal(errors.count, 2);
    assert_non_null(strstr(errors.lines[0], "a.json"));
    assert_non_null(strstr(errors.lines[1], "b.json"));
    write_target("a.json", "a:2");
    assert_int_equal(unlink(in("b.json")), 0);
    assert_string_equal(TARGETS("*.json"), "a:2 c:1 ");
    assert_int_equal(errors.count, 0);
    /* what is gone is forgotten, also its last good content */
    write_file("b.json", "[{");
    assert_string_equal(TARGETS("*.json"), "a:2 c:1 ");
    assert_int_equal(errors.count, 1);
}

static void without_descriptors_the_targets_stay(void **state)
{
    struct rlimit before, none;

    (void)state;
    write_target("a.json", "a:1");
    write_target("one.yml", "one:1");
    assert_string_equal(TARGETS("*.json", "one.yml"), "a:1 one:1 ");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_string_equal(TARGETS("*.json", "one.yml"), "a:1 one:1 ");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(errors.count, 2);
    assert_string_equal(TARGETS("*.json", "one.yml"), "a:1 one:1 ");
    assert_int_equal(errors.count, 0);
}

static void only_target_files_that_were_written_count(void **state)
{
    FILE *file;

    (void)state;
    assert_string_equal(TARGETS("*.json"), "");
    write_file("notes.txt", "x");
    assert_unchanged();
    file = fopen(in("a.json"), "we");
    assert_non_null(file);
    assert_unchanged(); /* it is empty still */
    fclose(file);
    assert_changed();
    assert_int_equal(unlink(in("a.json")), 0);
    assert_changed();
    write_file("b.json.tmp", "[]");
    assert_unchanged();
    move("b.json.tmp", "b.json");
    assert_changed();
}

/* As Kubernetes updates a config map: the files lead through ..data, which is
 * replaced by a rename. */
static void a_swapped_link_beside_the_files_is_noticed(void **state)
{
    (void)state;
    make_directory("map");
    make_directory("map/..1");
    make_directory("map/..2");
    write_target("map/..1/t.json", "old:1");
    write_target("map/..2/t.json", "new:1");
    make_link("..1", "map/..data");
    make_link("..data/t.json", "map/t.json");
    assert_string_equal(TARGETS("map/*.json"), "old:1 ");
    assert_unchanged();
    make_link("..2", "map/..data_tmp");
    move("map/..data_tmp", "map/..data");
    assert_changed();
    assert_string_equal(TARGETS("map/*.json"), "new:1 ");
    assert_unchanged();
    make_link("..data/t.json", "map/u.json");
    assert_changed();
    assert_string_equal(TARGETS("map/*.json"), "new:1 new:1 ");
}

static void a_swapped_directory_is_noticed(void **state)
{
    (void)state;
    make_directory("v1");
    make_directory("v2");
    write_target("v1/t.json", "old:1");
    write_target("v2/t.json", "new:1");
    make_link("v1", "current");
    assert_string_equal(TARGETS("current/t.json"), "old:1 ");
    make_link("v2", "next");
    assert_unchanged();
    move("next", "current");
    assert_changed();
    assert_string_equal(TARGETS("current/t.json"), "new:1 ");
    /* the new one is watched, the old one no more */
    write_target("v2/t.json", "new:2");
    assert_changed();
    write_target("v1/t.json", "old:2");
    assert_unchanged();
}

static void a_directory_may_come_late_go_and_come_back(void **state)
{
    (void)state;
    assert_string_equal(TARGETS("deep/er/*.json"), "");
    make_directory("deep");
    assert_changed();
    assert_string_equal(TARGETS("deep/er/*.json"), "");
    for (int i = 0; i < 2; i++) {
        make_directory("deep/er");
        assert_changed();
        assert_string_equal(TARGETS("deep/er/*.json"), "");
        write_target("deep/er/t.json", "t:1");
        assert_changed();
        assert_string_equal(TARGETS("deep/er/*.json"), "t:1 ");
        assert_int_equal(unlink(in("deep/er/t.json")), 0);
        assert_int_equal(rmdir(in("deep/er")), 0);
        assert_changed();
        assert_string_equal(TARGETS("deep/er/*.json"), "");
        assert_unchanged();
    }
    assert_int_equal(errors.count, 0);
}

static void what_is_configured_no_more_is_not_watched(void **state)
{
    (void)state;
    make_directory("x");
    make_directory("y");
    assert_string_equal(TARGETS("x/*.json", "y/*.json"), "");
    assert_string_equal(TARGETS("y/*.json"), "");
    write_target("x/t.json", "t:1");
    assert_unchanged();
    write_target("y/t.json", "t:1");
    assert_changed();
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_pattern_takes_what_it_matches_in_order),
        TEST(special_characters_of_a_directory_are_its_name),
        TEST(bad_files_keep_their_last_good_targets),
        TEST(without_descriptors_the_targets_stay),
        TEST(only_target_files_that_were_written_count),
        TEST(a_swapped_link_beside_the_files_is_noticed),
        TEST(a_swapped_directory_is_noticed),
        TEST(a_directory_may_come_late_go_and_come_back),
        TEST(what_is_configured_no_more_is_not_watched),
    };
    int failed;

    if (!mkdtemp(root)) {
        perror(root);
        return 1;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    empty_root();
    rmdir(root);
    return failed;
}
