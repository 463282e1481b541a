/* SPDX-License-Identifier: Apache-2.0 */
/* The counters of the host's own sockets, written and read. */
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "connhealth/text.h"
#include "kept_private.h"

static const struct counter_name names_of_own[] = {
    {"sweep_sum_ns", offsetof(struct ch_sockets_snapshot, sweep_sum_ns)},
    {"sweeps_interrupted", offsetof(struct ch_sockets_snapshot, sweeps_interrupted)},
    {"sweeps_failed", offsetof(struct ch_sockets_snapshot, sweeps_failed)},
    {"events", offsetof(struct ch_sockets_snapshot, events)},
    {"events_lost", offsetof(struct ch_sockets_snapshot, events_lost)},
    {"malformed", offsetof(struct ch_sockets_snapshot, malformed)},
    {NULL, 0},
};

static const struct counter_name names_of_unit[] = {
    {"retransmitted_segments", offsetof(struct ch_unit_sockets, retransmitted_segments)},
    {"rtt_sum_us", offsetof(struct ch_unit_sockets, rtt.sum_us)},
    {NULL, 0},
};

static const struct counter_name names_of_peer[] = {
    {"retransmitted_segments", offsetof(struct ch_peer_sockets, retransmitted_segments)},
    {"rtt_sum_us", offsetof(struct ch_peer_sockets, rtt.sum_us)},
    {NULL, 0},
};

static const struct counter_name names_of_listener[] = {
    {"drops", offsetof(struct ch_listener, drops)},
    {NULL, 0},
};

static const struct counter_buckets sweep_buckets = {ch_sweep_bounds_ns, CH_SWEEP_BUCKETS};
static const struct counter_buckets rtt_buckets = {ch_rtt_bounds_ns, CH_RTT_BUCKETS};

/* ---- written ----------------------------------------------------------- */

static void put_plain(FILE *out, const struct counter_name *names, const void *base)
{
    for (; names->name; names++) {
        uint64_t value;

        memcpy(&value, (const char *)base + names->offset, sizeof(value));
        if (value > 0)
            fprintf(out, "%s %" PRIu64 "\n", names->name, value);
    }
}

static void put_buckets(FILE *out, const struct counter_buckets *buckets, const uint64_t *counts)
{
    char word[KEPT_BUCKET_WORD];

    for (size_t i = 0; i < buckets->count; i++)
        if (counts[i] > 0)
            fprintf(out, "bucket.%s %" PRIu64 "\n", counters_bucket_word(buckets, i, word),
                    counts[i]);
}

static void put_section(FILE *out, const char *kind, const char *name)
{
    fprintf(out, "[%s ", kind);
    for (; *name; name++) {
        unsigned char c = (unsigned char)*name;

        if (c > ' ' && c < 0x7f && c != '%')
            fputc(c, out);
        else
            fprintf(out, "%%%02x", c);
    }
    fputs("]\n", out);
}

static void put_unit(FILE *out, const struct ch_unit_sockets *unit)
{
    put_section(out, "unit", unit->name);
    put_plain(out, names_of_unit, unit);
    put_buckets(out, &rtt_buckets, unit->rtt.bucket);
    for (size_t i = 0; i < CH_SOCKET_END_COUNT; i++)
        if (unit->ends[i] > 0)
            fprintf(out, "ends.%s %" PRIu64 "\n", ch_socket_end_word((enum ch_socket_end)i)->slug,
                    unit->ends[i]);
}

static void put_listener(FILE *out, const struct ch_listener *listener)
{
    const struct ch_addr *address = &listener->address;

    if (listener->drops == 0)
        return;
    fprintf(out, "[listener %u %u %u ", address->family, address->scope, address->port);
    kept_put_ip(out, address->ip);
    fputs("]\n", out);
    put_plain(out, names_of_listener, listener);
}

void kept_sockets_write(FILE *out, const struct ch_sockets_snapshot *snapshot)
{
    fputs("[sockets]\n", out);
    put_plain(out, names_of_own, snapshot);
    put_buckets(out, &sweep_buckets, snapshot->sweep_bucket);
    for (size_t i = 0; i < snapshot->unit_count; i++)
        put_unit(out, &snapshot->units[i]);
    for (size_t i = 0; i < snapshot->peer_count; i++) {
        put_section(out, "peer", snapshot->peers[i].name);
        put_plain(out, names_of_peer, &snapshot->peers[i]);
        put_buckets(out, &rtt_buckets, snapshot->peers[i].rtt.bucket);
    }
    for (size_t i = 0; i < snapshot->listener_count; i++)
        put_listener(out, &snapshot->listeners[i]);
}

/* ---- read -------------------------------------------------------------- */

/* "[KIND NAME]". */
static bool read_name(const char *kind, const char *line, size_t len, char name[NAME_MAX + 1])
{
    size_t begin = strlen(kind) + 2, used = 0;

    if (len < begin + 1 || memcmp(line + 1, kind, begin - 2) != 0 || line[begin - 1] != ' ')
        return false;
    for (size_t i = begin; i < len - 1; i++) {
        char c = line[i];

        if (c == '%') {
            if (i + 3 > len - 1 || ch_text_hex_digit(line[i + 1]) < 0 ||
                ch_text_hex_digit(line[i + 2]) < 0)
                return false;
            c = (char)(ch_text_hex_digit(line[i + 1]) << 4 | ch_text_hex_digit(line[i + 2]));
            i += 2;
        }
        if (used == NAME_MAX || c == '\0')
            return false;
        name[used++] = c;
    }
    name[used] = '\0';
    return true;
}

/* "[listener FAMILY SCOPE PORT IP]". */
static bool read_address(const char *line, size_t len, struct ch_addr *ret)
{
    static const char kind[] = "[listener ";
    struct kept_words words;
    uint64_t family, scope, port;
    struct ch_addr address = {.family = AF_UNSPEC};

    if (len < sizeof(kind) || memcmp(line, kind, sizeof(kind) - 1) != 0 ||
        !kept_split(line + sizeof(kind) - 1, len - sizeof(kind), &words) || words.count != 4 ||
        !kept_read_u64(&words, 0, UINT16_MAX, &family) ||
        !kept_read_u64(&words, 1, UINT32_MAX, &scope) ||
        !kept_read_u64(&words, 2, UINT16_MAX, &port) || !kept_read_ip(&words, 3, address.ip))
        return false;
    if (family != AF_INET && family != AF_INET6)
        return false;
    address.family = (uint16_t)family;
    address.scope = (uint32_t)scope;
    address.port = (uint16_t)port;
    *ret = address;
    return true;
}

bool kept_sockets_enter(struct kept_sockets *at, bool setting, const char *line, size_t len)
{
    struct ch_sockets_snapshot *into = setting ? at->snapshot : NULL;
    char name[NAME_MAX + 1];
    struct ch_addr address;

    at->own = into;
    at->unit = NULL;
    at->peer = NULL;
    at->listener = NULL;
    if (len == strlen("[sockets]") && memcmp(line, "[sockets]", len) == 0) {
        at->part = KEPT_SOCKETS_OWN;
    } else if (read_name("unit", line, len, name)) {
        at->part = KEPT_SOCKETS_UNIT;
        at->unit = into ? ch_sockets_snapshot_add_unit(into, name) : NULL;
    } else if (read_name("peer", line, len, name)) {
        at->part = KEPT_SOCKETS_PEER;
        at->peer = into ? ch_sockets_snapshot_add_peer(into, name) : NULL;
    } else if (read_address(line, len, &address)) {
        at->part = KEPT_SOCKETS_LISTENER;
        at->listener = into ? ch_sockets_snapshot_add_listener(into, &address) : NULL;
    } else {
        return false;
    }
    return true;
}

static void take_plain(const struct kept_words *words, const struct counter_name *names, void *base,
                       uint64_t value)
{
    for (; names->name; names++)
        if (kept_is_word(words, 0, names->name))
            memcpy((char *)base + names->offset, &value, sizeof(value));
}

static void take_buckets(const struct kept_words *words, const struct counter_buckets *buckets,
                         uint64_t *counts, uint64_t value)
{
    size_t index;

    if (kept_find_bucket(words, buckets, &index))
        counts[index] = value;
}

static void take_ends(const struct kept_words *words, struct ch_unit_sockets *unit, uint64_t value)
{
    struct kept_words end;

    if (!kept_family(words, "ends", &end))
        return;
    for (size_t i = 0; i < CH_SOCKET_END_COUNT; i++)
        if (kept_is_word(&end, 0, ch_socket_end_word((enum ch_socket_end)i)->slug))
            unit->ends[i] = value;
}

bool kept_sockets_take(struct kept_sockets *at, const struct kept_words *words)
{
    uint64_t value;

    if (!kept_read_u64(words, 1, UINT64_MAX, &value))
        return words->count != 2; /* of a later version */
    if (at->part == KEPT_SOCKETS_OWN && at->own) {
        take_plain(words, names_of_own, at->own, value);
        take_buckets(words, &sweep_buckets, at->own->sweep_bucket, value);
    } else if (at->unit) {
        take_plain(words, names_of_unit, at->unit, value);
        take_buckets(words, &rtt_buckets, at->unit->rtt.bucket, value);
        take_ends(words, at->unit, value);
    } else if (at->peer) {
        take_plain(words, names_of_peer, at->peer, value);
        take_buckets(words, &rtt_buckets, at->peer->rtt.bucket, value);
    } else if (at->listener) {
        take_plain(words, names_of_listener, at->listener, value);
    }
    return true;
}
