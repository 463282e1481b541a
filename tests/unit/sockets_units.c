/* SPDX-License-Identifier: Apache-2.0 */
/* Cgroup paths and units, the map from ids to units, and slots that run out.
 * A tree of plain directories stands for the cgroup tree: their inode numbers
 * are the ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connhealth/clock.h"
#include "sockets/units.h"

/* ---- paths ------------------------------------------------------------- */

static const struct {
    const char *path, *unit;
} paths[] = {
    {"/", ""},
    {"", ""},
    {"/init.scope", "init.scope"},
    {"/system.slice", "system.slice"},
    {"/system.slice/nginx.service", "nginx.service"},
    {"/system.slice/nginx.service/workers", "nginx.service"},
    {"/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service"},
    {"/system.slice/ssh.socket", "ssh.socket"},
    {"/user.slice/user-1000.slice/session-3.scope", "session-3.scope"},
    {"/user.slice/user-1000.slice", "user-1000.slice"},
    {"/user.slice/user-1000.slice/user@1000.service", "user@1000.service"},
    {"/user.slice/user-1000.slice/user@1000.service/init.scope", "user@1000.service"},
    {"/user.slice/user-1000.slice/user@1000.service/app.slice", "user@1000.service"},
    {"/user.slice/user-1000.slice/user@1000.service/app.slice/mail.service",
     "user@1000.service/mail.service"},
    {"/user.slice/user-1000.slice/user@1000.service/app.slice/app-x.slice/run-1.scope/child",
     "user@1000.service/run-1.scope"},
    {"/system.slice/docker-0123456789abcdef.scope", "docker-0123456789abcdef.scope"},
    {"/machine.slice/libpod-42.scope/container", "libpod-42.scope"},
    {"/machine.slice/systemd-nspawn@web.service/payload/system.slice/nginx.service",
     "systemd-nspawn@web.service"},
    {"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/"
     "cri-containerd-7.scope",
     "cri-containerd-7.scope"},
    /* not of systemd's making: what is inside is not this host's unit */
    {"/docker/0123456789abcdef", ""},
    {"/docker/0123456789abcdef/system.slice/nginx.service", ""},
    {"/lxc.payload.web/system.slice/nginx.service", ""},
    {"/system.slice/plain/nginx.service", "system.slice"},
    /* systemd's escape of names that would collide with the kernel's */
    {"/system.slice/_cpu.service", "cpu.service"},
    {"/system.slice/_", "system.slice"},
    /* names that are no unit's */
    {"/system.slice/evil\n.service", "system.slice"},
    {"/system.slice/\"quoted\".service", "system.slice"},
    {"/system.slice/.service", "system.slice"},
    {"//system.slice//a.service//", "a.service"},
};

static void test_paths_become_units(void **state)
{
    char unit[CH_UNIT_NAME];

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        ch_unit_of_path(paths[i].path, unit);
        assert_string_equal(unit, paths[i].unit);
    }
}

static void test_a_name_too_long_is_no_unit(void **state)
{
    char path[1000], unit[CH_UNIT_NAME];

    (void)state;
    snprintf(path, sizeof(path), "/%0300d.service", 1);
    ch_unit_of_path(path, unit);
    assert_string_equal(unit, "");
    snprintf(path, sizeof(path), "/user@%0240d.service/%0247d.service", 1, 2);
    ch_unit_of_path(path, unit);
    assert_int_equal(strlen(unit), 5 + 240 + 8 + 1 + 247 + 8);
}

/* ---- mounts ------------------------------------------------------------ */

static void expect_mount(const char *mountinfo, const char *mount)
{
    char found[64] = "";

    assert_int_equal(ch_cgroup_mount_of(mountinfo, found, sizeof(found)), mount != NULL);
    if (mount)
        assert_string_equal(found, mount);
}

static void test_the_mount_is_found_by_type(void **state)
{
    (void)state;
    expect_mount("22 1 0:20 / /proc rw - proc proc rw\n"
                 "30 1 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n",
                 "/sys/fs/cgroup");
    /* hybrid */
    expect_mount("30 1 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
                 "31 1 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
                 "/sys/fs/cgroup/unified");
    /* the whole tree before a part, wherever it stands */
    expect_mount("30 1 0:26 /a/b /part rw - cgroup2 cgroup2 rw\n"
                 "31 1 0:27 / /whole rw - cgroup2 cgroup2 rw\n",
                 "/whole");
    expect_mount("30 1 0:26 /a/b /part rw - cgroup2 cgroup2 rw\n", "/part");
    expect_mount("30 1 0:26 / /with\\040blank rw - cgroup2 none rw", "/with blank");
    expect_mount("30 1 0:26 / /sys/fs/cgroup rw - cgroup cgroup rw\n", NULL);
    expect_mount("30 1 0:26 / /not-cgroup2 rw - tmpfs cgroup2 rw\n", NULL);
    expect_mount("", NULL);
    expect_mount(" - cgroup2 ", NULL);
    expect_mount("30 1 0:26 / /a/path/that/is/longer/than/the/room/that/there/is/for/it/in/here"
                 " rw - cgroup2 cgroup2 rw\n",
                 NULL);
    /* one that does not fit leaves one that did */
    expect_mount("30 1 0:26 /a /part rw - cgroup2 cgroup2 rw\n"
                 "30 1 0:26 / /a/path/that/is/longer/than/the/room/that/there/is/for/it/in/here"
                 " rw - cgroup2 cgroup2 rw\n",
                 "/part");
}

/* ---- the tree ---------------------------------------------------------- */

static char root[] = "/tmp/connhealth-units-XXXXXX";

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void remove_tree(const char *path)
{
    assert_int_equal(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static int make_root(void **state)
{
    (void)state;
    memcpy(root + strlen(root) - 6, "XXXXXX", 6);
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    (void)state;
    remove_tree(root);
    return 0;
}

/* Makes it with its parents, relative to the root; its id. */
static uint64_t make(const char *path)
{
    char full[512];
    struct stat st;
    size_t base = strlen(root);

    snprintf(full, sizeof(full), "%s%s/", root, path);
    for (size_t i = base + 1; full[i] != '\0'; i++)
        if (full[i] == '/') {
            full[i] = '\0';
            (void)mkdir(full, 0755);
            full[i] = '/';
        }
    assert_int_equal(stat(full, &st), 0);
    return st.st_ino;
}

static void begin(struct ch_units *units, uint32_t limit)
{
    assert_int_equal(ch_units_init(units), 0);
    ch_units_configure(units, true, limit);
    memcpy(units->mount, root, sizeof(root));
    ch_units_sweep_begin(units, 1);
}

static const char *unit_of(struct ch_units *units, uint64_t id)
{
    return ch_units_sums(units, ch_units_slot(units, id))->name;
}

/* As if the last scan had been long ago. */
static void let_scan(struct ch_units *units)
{
    units->next_scan_ns = 0;
}

static void test_ids_become_units(void **state)
{
    uint64_t nginx = make("/system.slice/nginx.service");
    uint64_t worker = make("/system.slice/nginx.service/worker");
    uint64_t slice = make("/system.slice");
    uint64_t user = make("/user.slice/user-7.slice/user@7.service/app.slice/a.service");
    struct ch_units units;

    (void)state;
    begin(&units, 200);
    assert_string_equal(unit_of(&units, nginx), "nginx.service");
    assert_string_equal(unit_of(&units, worker), "nginx.service");
    assert_int_equal(ch_units_slot(&units, nginx), ch_units_slot(&units, worker));
    assert_string_equal(unit_of(&units, slice), "system.slice");
    assert_string_equal(unit_of(&units, user), "user@7.service/a.service");
    assert_string_equal(unit_of(&units, 0), "");
    assert_string_equal(unit_of(&units, UINT64_MAX), ""); /* gone, or of another host */
    assert_int_equal(ch_units_folded(&units), 0);
    assert_int_equal(units.limits, 0);
    ch_units_clear(&units);
}

static void test_a_miss_looks_again_at_a_bounded_rate(void **state)
{
    uint64_t first = make("/system.slice/first.service"), second;
    struct ch_units units;
    int64_t next;

    (void)state;
    begin(&units, 200);
    assert_string_equal(unit_of(&units, first), "first.service");
    next = units.next_scan_ns;
    assert_true(next >= ch_clock_monotonic());
    second = make("/system.slice/second.service");
    assert_string_equal(unit_of(&units, second), "");
    assert_true(units.next_scan_ns == next); /* did not look */
    let_scan(&units);
    ch_units_sweep_begin(&units, 2);
    assert_string_equal(unit_of(&units, second), "second.service");
    ch_units_clear(&units);
}

static void test_a_cgroup_that_went_keeps_its_unit(void **state)
{
    uint64_t gone = make("/system.slice/gone.service"), idle = make("/system.slice/idle.service");
    uint64_t fresh;
    struct ch_units units;
    char path[512];
    uint16_t slot;

    (void)state;
    begin(&units, 200);
    slot = ch_units_slot(&units, gone);
    fresh = make("/system.slice/new.service"); /* now, or it would get a free inode */
    ch_units_sums(&units, slot)->retransmitted_segments = 5;
    snprintf(path, sizeof(path), "%s/system.slice/gone.service", root);
    remove_tree(path);
    snprintf(path, sizeof(path), "%s/system.slice/idle.service", root);
    remove_tree(path);
    let_scan(&units);
    ch_units_sweep_begin(&units, 2);
    assert_string_equal(unit_of(&units, fresh), "new.service");
    /* A socket of it lived through the last sweep. */
    assert_int_equal(ch_units_slot(&units, gone), slot);
    assert_int_equal(ch_units_sums(&units, slot)->retransmitted_segments, 5);
    let_scan(&units);
    ch_units_sweep_begin(&units, 5);
    assert_string_equal(unit_of(&units, idle), "");
    assert_string_equal(unit_of(&units, gone), "");
    ch_units_clear(&units);
}

static void test_units_beyond_the_limit_are_summed(void **state)
{
    uint64_t ids[5];
    struct ch_units units;
    char path[64];

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        snprintf(path, sizeof(path), "/system.slice/unit-%u.service", i);
        ids[i] = make(path);
    }
    snprintf(path, sizeof(path), "/system.slice/unit-%u.service/child", 4);
    begin(&units, 2);
    assert_string_equal(unit_of(&units, ids[0]), "unit-0.service");
    assert_string_equal(unit_of(&units, ids[1]), "unit-1.service");
    for (unsigned i = 2; i < 5; i++)
        assert_string_equal(unit_of(&units, ids[i]), "other");
    assert_int_equal(ch_units_folded(&units), 3);
    let_scan(&units);
    ch_units_sweep_begin(&units, 2);
    assert_string_equal(unit_of(&units, make(path)), "other"); /* of the same unit */
    assert_string_equal(unit_of(&units, ids[4]), "other");
    assert_int_equal(ch_units_folded(&units), 1);
    /* More room: they get slots of their own. */
    ch_units_configure(&units, true, 10);
    assert_string_equal(unit_of(&units, ids[2]), "unit-2.service");
    ch_units_clear(&units);
}

static void test_a_slot_long_idle_goes_to_whom_wants_it(void **state)
{
    uint64_t old = make("/system.slice/old.service"), busy = make("/system.slice/busy.service");
    uint64_t wanting = make("/system.slice/wanting.service");
    int64_t long_ago = ch_clock_monotonic() - 3600 * CH_NS_PER_S;
    struct ch_units units;
    uint16_t slot;

    (void)state;
    begin(&units, 2);
    slot = ch_units_slot(&units, old);
    ch_units_sums(&units, slot)->ends[CH_SOCKET_END_CLOSED] = 9;
    assert_string_equal(unit_of(&units, busy), "busy.service");
    assert_string_equal(unit_of(&units, wanting), "other");
    ch_units_sweep_begin(&units, 2);
    ch_units_sums(&units, ch_units_slot(&units, busy))->sockets[CH_SOCKET_LISTEN] = 1;
    ch_units_sweep_end(&units, long_ago);
    ch_units_sweep_begin(&units, 3);
    assert_string_equal(unit_of(&units, wanting), "wanting.service");
    assert_int_equal(ch_units_slot(&units, wanting), slot);
    assert_int_equal(ch_units_sums(&units, slot)->ends[CH_SOCKET_END_CLOSED], 0);
    assert_string_equal(unit_of(&units, busy), "busy.service");
    assert_string_equal(unit_of(&units, old), "other");
    ch_units_clear(&units);
}

static void test_switched_off_knows_none(void **state)
{
    uint64_t id = make("/system.slice/a.service");
    struct ch_units units;

    (void)state;
    begin(&units, 200);
    assert_string_equal(unit_of(&units, id), "a.service");
    ch_units_configure(&units, false, 200);
    assert_string_equal(unit_of(&units, id), "");
    ch_units_clear(&units);
}

static void test_no_tree_is_said(void **state)
{
    struct ch_units units;

    (void)state;
    begin(&units, 200);
    memcpy(units.mount, "/nonexistent", sizeof("/nonexistent"));
    assert_string_equal(unit_of(&units, 5), "");
    assert_int_equal(units.limits, CH_SOCKETS_LIMIT(CGROUP_MOUNT));
    ch_units_clear(&units);
}

#define IN_TREE(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths_become_units),
        cmocka_unit_test(test_a_name_too_long_is_no_unit),
        cmocka_unit_test(test_the_mount_is_found_by_type),
        IN_TREE(test_ids_become_units),
        IN_TREE(test_a_miss_looks_again_at_a_bounded_rate),
        IN_TREE(test_a_cgroup_that_went_keeps_its_unit),
        IN_TREE(test_units_beyond_the_limit_are_summed),
        IN_TREE(test_a_slot_long_idle_goes_to_whom_wants_it),
        IN_TREE(test_switched_off_knows_none),
        IN_TREE(test_no_tree_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
