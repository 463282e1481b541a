/* SPDX-License-Identifier: Apache-2.0 */
#include "sockets_metrics.h"

#include <errno.h>
#include <stdio.h>

#include "connhealth/clock.h"

/* What a family has one or more samples of each of. */
enum scope { OF_ALL, OF_UNIT, OF_LISTENER, OF_PEER, OF_END };

/* What lies at the offset in the scope's struct. */
enum kind {
    U64,
    NS,        /* int64_t, ns, printed as seconds */
    STATES,    /* uint64_t[CH_SOCKET_STATE_COUNT]; label state */
    ENDS,      /* uint64_t[CH_SOCKET_END_COUNT]; label end */
    RTT,       /* struct ch_rtt_histogram */
    FAMILIES,  /* the sockets of the snapshot; labels family, protocol, state */
    KERNEL,    /* the kernel's counters of the snapshot; label event */
    DURATIONS, /* the sweeps of the snapshot */
};

struct row {
    struct ch_family family;
    enum scope scope;
    enum kind kind;
    size_t offset;
};

static bool end_word(unsigned index, struct ch_word *ret)
{
    const struct ch_sockets_word *word = ch_socket_end_word(index);

    *ret = (struct ch_word){.slug = word->slug, .meaning = word->meaning};
    return index < CH_SOCKET_END_COUNT;
}

static bool event_word(unsigned index, struct ch_word *ret)
{
    const struct ch_sockets_word *word = ch_kernel_event_word(index);

    *ret = (struct ch_word){.slug = word->slug, .meaning = word->meaning};
    return index < CH_KERNEL_EVENT_COUNT;
}

#define GAUGE(n, u, h) .family = {.name = (n), .type = CH_FAMILY_GAUGE, .unit = (u), .help = (h)}
#define COUNTER(n, h)  .family = {.name = (n), .type = CH_FAMILY_COUNTER, .help = (h)}
#define HISTOGRAM(n, u, h)                                                                         \
    .family = {.name = (n), .type = CH_FAMILY_HISTOGRAM, .unit = (u), .help = (h)}
#define ALL(field)      .scope = OF_ALL, .offset = offsetof(struct ch_sockets_snapshot, field)
#define UNIT(field)     .scope = OF_UNIT, .offset = offsetof(struct ch_unit_sockets, field)
#define LISTENER(field) .scope = OF_LISTENER, .offset = offsetof(struct ch_listener, field)
#define PEER(field)     .scope = OF_PEER, .offset = offsetof(struct ch_peer_sockets, field)

static const struct row rows[] = {
    {GAUGE("connhealth_sockets", NULL,
           "Sockets of this host's network namespace; one with v4-mapped addresses is ipv4"),
     .scope = OF_ALL, .kind = FAMILIES},
    {GAUGE("connhealth_unit_sockets", NULL,
           "Sockets of a systemd unit, by the cgroup that made them; \"\" is not known, \"other\" "
           "is all units beyond the limit"),
     .kind = STATES, UNIT(sockets)},
    {COUNTER("connhealth_unit_retransmitted_segments_total",
             "Segments that a unit's connections sent again"),
     .kind = U64, UNIT(retransmitted_segments)},
    {GAUGE("connhealth_unit_close_wait_oldest_seconds", "seconds",
           "For how long the oldest connection in CLOSE_WAIT has waited for the unit to close it"),
     .kind = NS, UNIT(close_wait_oldest_ns)},
    {GAUGE("connhealth_unit_send_queue_bytes", "bytes",
           "Bytes that a unit wrote and no peer has acknowledged"),
     .kind = U64, UNIT(send_queue_bytes)},
    {GAUGE("connhealth_unit_receive_queue_bytes", "bytes",
           "Bytes that came for a unit and that it has not read"),
     .kind = U64, UNIT(receive_queue_bytes)},
    {HISTOGRAM("connhealth_unit_rtt_seconds", "seconds",
               "Smoothed round trip times, one sample a sweep of each established connection that "
               "got an acknowledgement since the sweep before"),
     .kind = RTT, UNIT(rtt)},
    {.family = {.name = "connhealth_socket_ends_total",
                .type = CH_FAMILY_COUNTER,
                .help = "TCP connections that ended, by what the kernel's last record proves",
                .word = end_word},
     .scope = OF_END,
     .kind = ENDS,
     .offset = offsetof(struct ch_unit_sockets, ends)},
    {GAUGE("connhealth_listener_backlog", NULL,
           "Connections in a listener's accept queue; of all sockets with this address and port"),
     .kind = U64, LISTENER(backlog)},
    {GAUGE("connhealth_listener_backlog_limit", NULL, "Limit of a listener's accept queue"),
     .kind = U64, LISTENER(limit)},
    {COUNTER("connhealth_listener_drops_total",
             "Connections that a listener dropped, by the kernel's count"),
     .kind = U64, LISTENER(drops)},
    {GAUGE("connhealth_peer_sockets", NULL, "TCP sockets towards a configured peer"),
     .kind = STATES, PEER(sockets)},
    {COUNTER("connhealth_peer_retransmitted_segments_total",
             "Segments sent again towards a configured peer"),
     .kind = U64, PEER(retransmitted_segments)},
    {HISTOGRAM("connhealth_peer_rtt_seconds", "seconds",
               "Smoothed round trip times towards a configured peer, as of units"),
     .kind = RTT, PEER(rtt)},
    {.family = {.name = "connhealth_kernel_tcp_events_total",
                .type = CH_FAMILY_COUNTER,
                .help = "The kernel's own counters of TCP in this network namespace",
                .word = event_word},
     .scope = OF_ALL,
     .kind = KERNEL},
    {HISTOGRAM("connhealth_sockets_sweep_duration_seconds", "seconds",
               "How long a sweep of all sockets took"),
     .scope = OF_ALL, .kind = DURATIONS},
    {COUNTER("connhealth_sockets_sweep_interrupted_total",
             "Sweeps in which the kernel's tables changed under a dump, so that sockets may be "
             "missing or counted twice"),
     .kind = U64, ALL(sweeps_interrupted)},
    {COUNTER("connhealth_sockets_sweep_failed_total", "Sweeps in which a dump failed"), .kind = U64,
     ALL(sweeps_failed)},
    {GAUGE("connhealth_sockets_last_sweep_timestamp_seconds", "seconds",
           "When the last sweep began"),
     .kind = NS, ALL(time_ns)},
    {COUNTER("connhealth_sockets_events_total", "Records of ended sockets that were received"),
     .kind = U64, ALL(events)},
    {COUNTER("connhealth_sockets_events_lost_total",
             "Records of ended sockets that the kernel dropped because they came too fast"),
     .kind = U64, ALL(events_lost)},
    {GAUGE("connhealth_sockets_units_folded", NULL,
           "Units with sockets that are summed as unit=\"other\" because there are more than "
           "sockets.units.limit"),
     .kind = U64, ALL(units_folded)},
    {GAUGE("connhealth_sockets_listeners_folded", NULL,
           "Listening sockets that are left out because there are too many addresses"),
     .kind = U64, ALL(listeners_folded)},
    {GAUGE("connhealth_sockets_remembered", NULL, "TCP sockets remembered from sweep to sweep"),
     .kind = U64, ALL(remembered)},
    {GAUGE("connhealth_sockets_remembered_bytes", "bytes", "Memory for them"), .kind = U64,
     ALL(remembered_bytes)},
};

/* One family on its way out. */
struct writer {
    struct ch_text *out;
    enum ch_metrics_format format;
    const struct ch_sockets_snapshot *snapshot;
    const struct row *row;
};

/* The labels that say whose sample it is; NULL ends them. */
struct owner {
    const char *labels[7];
};

static void begin(const struct writer *writer, const struct owner *owner, const char *suffix)
{
    ch_exposition_begin(writer->out, &writer->row->family, suffix);
    for (size_t i = 0; owner->labels[i]; i += 2)
        ch_exposition_label(writer->out, owner->labels[i], owner->labels[i + 1]);
}

static void write_states(const struct writer *writer, const struct owner *owner,
                         const uint64_t counts[CH_SOCKET_STATE_COUNT], unsigned first, unsigned end)
{
    for (unsigned i = first; i < end; i++) {
        if (i == CH_SOCKET_CLOSE && writer->snapshot->limits & CH_SOCKETS_LIMIT(BOUND))
            continue; /* they were not asked for */
        begin(writer, owner, "");
        ch_exposition_label(writer->out, "state", ch_socket_state_word(i)->slug);
        ch_exposition_u64(writer->out, counts[i]);
    }
}

static void write_ends(const struct writer *writer, const struct owner *owner,
                       const uint64_t counts[CH_SOCKET_END_COUNT])
{
    for (unsigned i = 0; i < CH_SOCKET_END_COUNT; i++) {
        begin(writer, owner, "");
        ch_exposition_label(writer->out, "end", ch_socket_end_word(i)->slug);
        ch_exposition_u64(writer->out, counts[i]);
    }
}

/* buckets: bound_count + 1, not cumulative; sum in 10^-scale seconds. */
static void write_histogram(const struct writer *writer, const struct owner *owner,
                            const uint64_t *buckets, const int64_t *bounds_ns, unsigned bound_count,
                            uint64_t sum, unsigned scale)
{
    char bound[CH_NUMBER_TEXT + 3];
    uint64_t count = 0;

    for (unsigned i = 0; i <= bound_count; i++) {
        count += buckets[i];
        *ch_exposition_bound(bound, writer->format, i < bound_count ? bounds_ns[i] : INT64_MAX) =
            '\0';
        begin(writer, owner, "_bucket");
        ch_exposition_label(writer->out, "le", bound);
        ch_exposition_u64(writer->out, count);
    }
    begin(writer, owner, "_sum");
    ch_exposition_decimal(writer->out, (int64_t)sum, scale);
    begin(writer, owner, "_count");
    ch_exposition_u64(writer->out, count);
}

static void write_families(const struct writer *writer)
{
    static const char *const families[] = {[CH_SOCKET_IPV4] = "ipv4", [CH_SOCKET_IPV6] = "ipv6"};

    for (unsigned i = 0; i < CH_SOCKET_FAMILY_COUNT; i++) {
        struct owner tcp = {{"family", families[i], "protocol", "tcp"}};
        struct owner udp = {{"family", families[i], "protocol", "udp"}};

        write_states(writer, &tcp, writer->snapshot->sockets[i][CH_SOCKET_TCP], 0,
                     CH_SOCKET_TCP_STATES);
        write_states(writer, &udp, writer->snapshot->sockets[i][CH_SOCKET_UDP],
                     CH_SOCKET_TCP_STATES, CH_SOCKET_STATE_COUNT);
    }
}

static void write_kernel(const struct writer *writer)
{
    for (unsigned i = 0; i < CH_KERNEL_EVENT_COUNT; i++) {
        if (!writer->snapshot->kernel_present[i])
            continue;
        begin(writer, &(struct owner){{"event", ch_kernel_event_word(i)->slug}}, "");
        ch_exposition_u64(writer->out, writer->snapshot->kernel[i]);
    }
}

/* One owner's samples; at is the owner's struct. */
static void write_samples(const struct writer *writer, const struct owner *owner, const void *at)
{
    const void *value = (const char *)at + writer->row->offset;
    const struct ch_rtt_histogram *rtt = value;

    switch (writer->row->kind) {
    case U64:
        begin(writer, owner, "");
        ch_exposition_u64(writer->out, *(const uint64_t *)value);
        break;
    case NS:
        begin(writer, owner, "");
        ch_exposition_decimal(writer->out, *(const int64_t *)value, 9);
        break;
    case STATES: /* peers are of TCP alone */
        write_states(writer, owner, value, 0,
                     writer->row->scope == OF_PEER ? CH_SOCKET_TCP_STATES : CH_SOCKET_STATE_COUNT);
        break;
    case ENDS:
        write_ends(writer, owner, value);
        break;
    case RTT:
        write_histogram(writer, owner, rtt->bucket, ch_rtt_bounds_ns, CH_RTT_BUCKETS - 1,
                        rtt->sum_us, 6);
        break;
    case FAMILIES:
        write_families(writer);
        break;
    case KERNEL:
        write_kernel(writer);
        break;
    case DURATIONS:
        write_histogram(writer, owner, writer->snapshot->sweep_bucket, ch_sweep_bounds_ns,
                        CH_SWEEP_BUCKETS - 1, writer->snapshot->sweep_sum_ns, 9);
        break;
    }
}

/* "other" is there once it was needed. */
static bool has_series(const struct ch_sockets_snapshot *snapshot, size_t index)
{
    const struct ch_unit_sockets *unit = &snapshot->units[index];
    uint64_t used = unit->retransmitted_segments;

    if (index != 1)
        return true;
    for (unsigned i = 0; i < CH_SOCKET_STATE_COUNT; i++)
        used += unit->sockets[i];
    for (unsigned i = 0; i < CH_SOCKET_END_COUNT; i++)
        used += unit->ends[i];
    return used > 0;
}

static void write_units(const struct writer *writer)
{
    const struct ch_sockets_snapshot *snapshot = writer->snapshot;

    for (size_t i = 0; i < snapshot->unit_count; i++)
        if (has_series(snapshot, i))
            write_samples(writer, &(struct owner){{"unit", snapshot->units[i].name}},
                          &snapshot->units[i]);
}

static void write_listeners(const struct writer *writer)
{
    const struct ch_sockets_snapshot *snapshot = writer->snapshot;
    char address[CH_ADDR_TEXT], port[8];

    for (size_t i = 0; i < snapshot->listener_count; i++) {
        const struct ch_listener *listener = &snapshot->listeners[i];
        struct owner owner = {
            {"address", address, "port", port, "unit", snapshot->units[listener->unit].name}};

        ch_addr_format_host(&listener->address, address);
        snprintf(port, sizeof(port), "%u", listener->address.port);
        write_samples(writer, &owner, listener);
    }
}

static void write_peers(const struct writer *writer)
{
    const struct ch_sockets_snapshot *snapshot = writer->snapshot;

    for (size_t i = 0; i < snapshot->peer_count; i++)
        write_samples(writer, &(struct owner){{"peer", snapshot->peers[i].name}},
                      &snapshot->peers[i]);
}

static bool is_there(const struct ch_sockets_snapshot *snapshot, enum scope scope)
{
    switch (scope) {
    case OF_UNIT:
        return snapshot->has_units;
    case OF_LISTENER:
        return snapshot->listener_count > 0;
    case OF_PEER:
        return snapshot->peer_count > 0;
    case OF_END: /* without units all of them are in unit "" */
    case OF_ALL:
        return true;
    }
    return false;
}

int ch_sockets_metrics(const struct ch_sockets_snapshot *snapshot, struct ch_text *out,
                       enum ch_metrics_format format)
{
    struct writer writer = {.out = out, .format = format, .snapshot = snapshot};

    for (size_t i = 0; snapshot && i < sizeof(rows) / sizeof(rows[0]); i++) {
        writer.row = &rows[i];
        if (!is_there(snapshot, writer.row->scope))
            continue;
        ch_exposition_family(out, format, &writer.row->family);
        if (writer.row->scope == OF_UNIT || writer.row->scope == OF_END)
            write_units(&writer);
        else if (writer.row->scope == OF_LISTENER)
            write_listeners(&writer);
        else if (writer.row->scope == OF_PEER)
            write_peers(&writer);
        else
            write_samples(&writer, &(struct owner){{NULL}}, snapshot);
    }
    return out->failed ? -ENOMEM : 0;
}

int ch_sockets_metrics_render(void *context, struct ch_text *out, enum ch_metrics_format format)
{
    struct ch_sockets_snapshot *snapshot = ch_sockets_snapshot(context);
    int r = ch_sockets_metrics(snapshot, out, format);

    ch_sockets_snapshot_unref(snapshot);
    return r;
}
