/* SPDX-License-Identifier: Apache-2.0 */
#include "json_sockets.h"

#include "connhealth/vocabulary.h"
#include "json_build.h"

static void put_states(struct json_build *build, cJSON *parent, const char *key,
                       const uint64_t counts[CH_SOCKET_STATE_COUNT])
{
    cJSON *object = json_object(build, parent, key);

    for (unsigned i = 0; i < CH_SOCKET_STATE_COUNT; i++)
        if (counts[i] > 0)
            json_u64(build, object, ch_socket_state_word(i)->slug, counts[i]);
}

static void put_rtt(struct json_build *build, cJSON *parent, const struct ch_rtt_histogram *rtt)
{
    cJSON *object = json_object(build, parent, "rtt");
    uint64_t samples = 0;

    for (unsigned i = 0; i < CH_RTT_BUCKETS; i++)
        samples += rtt->bucket[i];
    json_u64(build, object, "samples", samples);
    if (samples > 0)
        json_seconds(build, object, "mean_seconds", (int64_t)(rtt->sum_us / samples) * 1000);
    else
        json_null(build, object, "mean_seconds");
}

static void put_address(struct json_build *build, cJSON *parent, const char *key,
                        const struct ch_addr *address)
{
    char text[CH_ADDR_TEXT];

    if (address->family == AF_UNSPEC)
        json_null(build, parent, key);
    else
        json_text(build, parent, key, ch_addr_format(address, text));
}

static void put_troubles(struct json_build *build, cJSON *parent,
                         const struct ch_socket_trouble_cell *cells, bool details)
{
    cJSON *array = json_array(build, parent, "troubles");

    for (unsigned i = 0; i < CH_SOCKET_TROUBLE_COUNT; i++) {
        const struct ch_socket_trouble_cell *cell = &cells[i];
        const struct ch_sockets_word *word = ch_socket_trouble_word(i);
        cJSON *object, *worst;

        if (cell->sockets == 0)
            continue;
        object = json_element(build, array);
        json_text(build, object, "trouble", word->slug);
        json_u64(build, object, "sockets", cell->sockets);
        worst = json_object(build, object, "worst");
        json_seconds(build, worst, "age_seconds", cell->age_ns);
        if (word->unit)
            json_i64(build, worst, word->unit, cell->amount);
        if (cell->limit > 0)
            json_u64(build, worst, "limit", cell->limit);
        if (details) {
            put_address(build, worst, "local", &cell->local);
            put_address(build, worst, "remote", &cell->remote);
        }
    }
}

static void put_sockets(struct json_build *build, cJSON *root,
                        const struct ch_sockets_snapshot *snapshot)
{
    static const char *const families[] = {[CH_SOCKET_IPV4] = "ipv4", [CH_SOCKET_IPV6] = "ipv6"};
    static const char *const protocols[] = {[CH_SOCKET_TCP] = "tcp", [CH_SOCKET_UDP] = "udp"};
    cJSON *array = json_array(build, root, "sockets");

    for (unsigned i = 0; i < CH_SOCKET_FAMILY_COUNT; i++)
        for (unsigned j = 0; j < CH_SOCKET_PROTOCOL_COUNT; j++) {
            cJSON *object = json_element(build, array);

            json_text(build, object, "family", families[i]);
            json_text(build, object, "protocol", protocols[j]);
            put_states(build, object, "states", snapshot->sockets[i][j]);
        }
}

static void put_unit(struct json_build *build, cJSON *array, const struct ch_unit_sockets *unit,
                     bool details)
{
    cJSON *object = json_element(build, array), *ends;

    json_text(build, object, "unit", unit->name);
    put_states(build, object, "sockets", unit->sockets);
    json_u64(build, object, "retransmitted_segments", unit->retransmitted_segments);
    json_u64(build, object, "send_queue_bytes", unit->send_queue_bytes);
    json_u64(build, object, "receive_queue_bytes", unit->receive_queue_bytes);
    json_seconds(build, object, "close_wait_oldest_seconds", unit->close_wait_oldest_ns);
    put_rtt(build, object, &unit->rtt);
    ends = json_object(build, object, "ends");
    for (unsigned i = 0; i < CH_SOCKET_END_COUNT; i++)
        if (unit->ends[i] > 0)
            json_u64(build, ends, ch_socket_end_word(i)->slug, unit->ends[i]);
    put_troubles(build, object, unit->trouble, details);
}

static void put_listener(struct json_build *build, cJSON *array,
                         const struct ch_sockets_snapshot *snapshot,
                         const struct ch_listener *listener, bool details)
{
    cJSON *object = json_element(build, array);
    char text[CH_ADDR_TEXT];

    json_text(build, object, "address", ch_addr_format_host(&listener->address, text));
    json_u64(build, object, "port", listener->address.port);
    json_text(build, object, "unit", snapshot->units[listener->unit].name);
    json_u64(build, object, "sockets", listener->sockets);
    json_u64(build, object, "backlog", listener->backlog);
    json_u64(build, object, "backlog_limit", listener->limit);
    /* The queue holds one more than its limit before SYNs are dropped. */
    json_bool(build, object, "full", listener->fullest > listener->fullest_limit);
    json_u64(build, object, "drops", listener->drops);
    put_states(build, object, "connections", listener->connections);
    put_troubles(build, object, listener->trouble, details);
}

static void put_peer(struct json_build *build, cJSON *array, const struct ch_peer_sockets *peer)
{
    cJSON *object = json_element(build, array);

    json_text(build, object, "peer", peer->name);
    put_states(build, object, "sockets", peer->sockets);
    json_u64(build, object, "retransmitted_segments", peer->retransmitted_segments);
    put_rtt(build, object, &peer->rtt);
}

static void put_lists(struct json_build *build, cJSON *root,
                      const struct ch_sockets_snapshot *snapshot, bool details)
{
    cJSON *array = json_array(build, root, "units");

    for (size_t i = 0; i < snapshot->unit_count; i++)
        put_unit(build, array, &snapshot->units[i], details);
    json_u64(build, root, "units_folded", snapshot->units_folded);
    array = json_array(build, root, "listeners");
    for (size_t i = 0; i < snapshot->listener_count; i++)
        put_listener(build, array, snapshot, &snapshot->listeners[i], details);
    json_u64(build, root, "listeners_folded", snapshot->listeners_folded);
    array = json_array(build, root, "peers");
    for (size_t i = 0; i < snapshot->peer_count; i++)
        put_peer(build, array, &snapshot->peers[i]);
    array = json_object(build, root, "kernel_events");
    for (unsigned i = 0; i < CH_KERNEL_EVENT_COUNT; i++)
        if (snapshot->kernel_present[i])
            json_u64(build, array, ch_kernel_event_word(i)->slug, snapshot->kernel[i]);
}

static void put_limits(struct json_build *build, cJSON *parent, uint32_t limits)
{
    cJSON *array = json_array(build, parent, "missing");

    for (unsigned i = 0; i < CH_SOCKETS_LIMIT_COUNT; i++) {
        const struct ch_sockets_word *word = ch_sockets_limit_word(i);
        cJSON *object;

        if (!(limits >> i & 1))
            continue;
        object = json_element(build, array);
        json_text(build, object, "what", word->slug);
        json_text(build, object, "meaning", word->meaning);
        json_text(build, object, "needs", word->remedy);
    }
}

static void put_collector(struct json_build *build, cJSON *root,
                          const struct ch_sockets_snapshot *snapshot)
{
    cJSON *object = json_object(build, root, "collector");

    json_u64(build, object, "sweeps_interrupted", snapshot->sweeps_interrupted);
    json_u64(build, object, "sweeps_failed", snapshot->sweeps_failed);
    json_u64(build, object, "events", snapshot->events);
    json_u64(build, object, "events_lost", snapshot->events_lost);
    json_u64(build, object, "event_buffer_bytes", snapshot->event_buffer_bytes);
    json_u64(build, object, "malformed", snapshot->malformed);
    json_u64(build, object, "remembered", snapshot->remembered);
    json_u64(build, object, "remembered_bytes", snapshot->remembered_bytes);
    json_u64(build, object, "not_remembered", snapshot->not_remembered);
    put_limits(build, object, snapshot->limits);
}

static void put_words(struct json_build *build, cJSON *root)
{
    cJSON *words = json_object(build, root, "words"), *object = json_object(build, words, "ends");

    for (unsigned i = 0; i < CH_SOCKET_END_COUNT; i++)
        json_text(build, object, ch_socket_end_word(i)->slug, ch_socket_end_word(i)->meaning);
    object = json_object(build, words, "troubles");
    for (unsigned i = 0; i < CH_SOCKET_TROUBLE_COUNT; i++)
        json_text(build, object, ch_socket_trouble_word(i)->slug,
                  ch_socket_trouble_word(i)->meaning);
}

static void put_head(struct json_build *build, cJSON *object,
                     const struct ch_sockets_snapshot *snapshot)
{
    json_time(build, object, "time", snapshot->time_ns);
    json_seconds(build, object, "duration_seconds", snapshot->duration_ns);
    json_seconds(build, object, "interval_seconds", snapshot->interval_ns);
    json_bool(build, object, "complete", snapshot->complete);
    if (snapshot->error)
        json_text(build, object, "error", ch_errno_name(snapshot->error));
    else
        json_null(build, object, "error");
}

static const struct ch_sockets_snapshot nothing;

int ch_json_sockets(const struct ch_sockets_snapshot *snapshot, bool details, struct ch_text *out)
{
    struct json_build build = {.failed = false};
    cJSON *root = json_root(&build);
    int r;

    if (!snapshot)
        snapshot = &nothing;
    put_head(&build, root, snapshot);
    json_bool(&build, root, "details", details);
    put_sockets(&build, root, snapshot);
    put_lists(&build, root, snapshot, details);
    put_collector(&build, root, snapshot);
    put_words(&build, root);
    r = json_finish(&build, root, out);
    ch_text_puts(out, "\n");
    return r;
}

int ch_json_sockets_status(const struct ch_sockets_snapshot *snapshot, struct ch_text *out)
{
    struct json_build build = {.failed = false};
    cJSON *root = json_root(&build);

    if (!snapshot)
        snapshot = &nothing;
    put_head(&build, root, snapshot);
    put_limits(&build, root, snapshot->limits);
    return json_finish(&build, root, out);
}

int ch_json_sockets_render(void *context, bool details, struct ch_text *out)
{
    struct ch_sockets_snapshot *snapshot = ch_sockets_snapshot(context);
    int r = ch_json_sockets(snapshot, details, out);

    ch_sockets_snapshot_unref(snapshot);
    return r;
}

int ch_json_sockets_status_render(void *context, struct ch_text *out)
{
    struct ch_sockets_snapshot *snapshot = ch_sockets_snapshot(context);
    int r = ch_json_sockets_status(snapshot, out);

    ch_sockets_snapshot_unref(snapshot);
    return r;
}
