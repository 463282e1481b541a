/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "cgroup.h"

struct component {
    const char *text;
    size_t len;
};

/* The next component of *path, which moves behind it; false at the end. */
static bool next_component(const char **path, struct component *ret)
{
    while (**path == '/')
        (*path)++;
    ret->text = *path;
    ret->len = strcspn(*path, "/");
    *path += ret->len;
    if (ret->len > 1 && ret->text[0] == '_') { /* systemd's escape: cg_escape() */
        ret->text++;
        ret->len--;
    }
    return ret->len > 0;
}

static bool has_suffix(const struct component *part, const char *suffix)
{
    size_t len = strlen(suffix);

    return part->len > len && memcmp(part->text + part->len - len, suffix, len) == 0;
}

/* systemd.unit(5): names of ASCII letters, digits and ":-_.\", and "@" before
 * an instance. Anybody who may make a cgroup may name it: others are refused. */
static bool is_valid_name(const struct component *part)
{
    if (part->len > 255)
        return false;
    for (size_t i = 0; i < part->len; i++) {
        char c = part->text[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              strchr(":-_.\\@", c)))
            return false;
    }
    return true;
}

static bool is_unit(const struct component *part)
{
    static const char *const suffixes[] = {".service", ".scope", ".socket", ".mount", ".swap"};

    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
        if (has_suffix(part, suffixes[i]))
            return is_valid_name(part);
    return false;
}

static bool is_user_manager(const struct component *part)
{
    return part->len > 5 && memcmp(part->text, "user@", 5) == 0 && has_suffix(part, ".service");
}

/* Walks slices and one unit; *path moves behind what was taken. */
static bool find_unit(const char **path, struct component *ret)
{
    struct component part;
    bool found = false;

    while (next_component(path, &part)) {
        if (has_suffix(&part, ".slice") && is_valid_name(&part)) {
            *ret = part;
            found = true;
            continue;
        }
        if (is_unit(&part)) {
            *ret = part;
            return true;
        }
        break;
    }
    return found;
}

void ch_unit_of_path(const char *path, char ret[CH_UNIT_NAME])
{
    struct component unit, inner;

    ret[0] = '\0';
    if (!find_unit(&path, &unit))
        return;
    /* The manager's own process lies in its init.scope. */
    if (is_user_manager(&unit) && find_unit(&path, &inner) && is_unit(&inner) &&
        !(inner.len == strlen("init.scope") && memcmp(inner.text, "init.scope", inner.len) == 0))
        snprintf(ret, CH_UNIT_NAME, "%.*s/%.*s", (int)unit.len, unit.text, (int)inner.len,
                 inner.text);
    else
        snprintf(ret, CH_UNIT_NAME, "%.*s", (int)unit.len, unit.text);
}
