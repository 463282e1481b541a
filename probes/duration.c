/* SPDX-License-Identifier: Apache-2.0 */
/* Durations as Prometheus writes them (prometheus/common, model.Duration). */
#include <errno.h>
#include <stdio.h>

#include "connhealth/clock.h"
#include "connhealth/option.h"

static const struct unit {
    int64_t ns;
    char name[3];
    bool only_whole; /* 400d must not be printed as 1y35d */
} units[] = {
    {365 * 86400 * CH_NS_PER_S, "y", true},
    {7 * 86400 * CH_NS_PER_S, "w", true},
    {86400 * CH_NS_PER_S, "d", false},
    {3600 * CH_NS_PER_S, "h", false},
    {60 * CH_NS_PER_S, "m", false},
    {CH_NS_PER_S, "s", false},
    {CH_NS_PER_MS, "ms", false},
};
#define UNIT_COUNT (sizeof(units) / sizeof(units[0]))

/* The unit whose name begins at text, or NULL. "m" is minutes unless an "s"
 * follows. */
static const struct unit *find_unit(const char *text, size_t len, size_t *ret_len)
{
    size_t name_len = len >= 2 && text[0] == 'm' && text[1] == 's' ? 2 : 1;

    for (size_t i = 0; len > 0 && i < UNIT_COUNT; i++) {
        if (units[i].name[0] != text[0] || (units[i].name[1] != '\0') != (name_len == 2))
            continue;
        *ret_len = name_len;
        return &units[i];
    }
    return NULL;
}

static int read_number(const char *text, size_t len, size_t *at, int64_t *ret)
{
    size_t start = *at;
    int64_t number = 0;
    int r = 0;

    while (*at < len && text[*at] >= '0' && text[*at] <= '9') {
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, text[*at] - '0', &number)) {
            r = -ERANGE;
            number = 0;
        }
        (*at)++;
    }
    if (*at == start)
        return -EINVAL;
    *ret = number;
    return r;
}

int ch_duration_parse(const char *text, size_t len, int64_t *ret_ns)
{
    const struct unit *last = NULL;
    int64_t total = 0;
    bool too_long = false;
    size_t at = 0;

    if (len == 1 && text[0] == '0') {
        *ret_ns = 0;
        return 0;
    }
    if (len == 0)
        return -EINVAL;
    while (at < len) {
        const struct unit *unit;
        size_t unit_len = 0;
        int64_t number = 0;
        int r = read_number(text, len, &at, &number);

        if (r == -EINVAL)
            return r;
        unit = find_unit(text + at, len - at, &unit_len);
        if (!unit || (last && unit <= last))
            return -EINVAL;
        at += unit_len;
        last = unit;
        if (r < 0 || __builtin_mul_overflow(number, unit->ns, &number) ||
            __builtin_add_overflow(total, number, &total)) {
            too_long = true;
            total = 0;
        }
    }
    if (too_long)
        return -ERANGE;
    *ret_ns = total;
    return 0;
}

const char *ch_duration_format(int64_t ns, char text[CH_DURATION_TEXT])
{
    int64_t rest = ns - ns % CH_NS_PER_MS;
    size_t used = 0;

    text[0] = '\0';
    if (rest <= 0) {
        snprintf(text, CH_DURATION_TEXT, "0s");
        return text;
    }
    for (size_t i = 0; i < UNIT_COUNT; i++) {
        int64_t count = rest / units[i].ns;
        int written;

        if (count == 0 || (units[i].only_whole && rest % units[i].ns != 0))
            continue;
        rest -= count * units[i].ns;
        written = snprintf(text + used, CH_DURATION_TEXT - used, "%lld%s", (long long)count,
                           units[i].name);
        if (written < 0 || (size_t)written >= CH_DURATION_TEXT - used)
            break; /* cannot be: seven numbers of at most six digits each */
        used += (size_t)written;
    }
    return text;
}
