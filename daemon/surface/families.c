/* SPDX-License-Identifier: Apache-2.0 */
#include "families.h"

#include <stddef.h>

#include "connhealth/loop.h"
#include "connhealth/probe.h"
#include "connhealth/responder.h"
#include "self.h"

static bool category_word(unsigned index, struct ch_word *ret)
{
    const struct ch_category_row *row;

    if (index >= CH_CATEGORY_COUNT - 1)
        return false;
    row = ch_category_row((enum ch_category)(index + 1));
    *ret = (struct ch_word){.slug = row->slug, .meaning = row->meaning};
    return true;
}

static bool cause_word(unsigned index, struct ch_word *ret)
{
    if (index >= CH_CAUSE_COUNT - 1)
        return false;
    *ret = *ch_cause_word((enum ch_cause)(index + 1));
    return true;
}

static bool trouble_word(unsigned index, struct ch_word *ret)
{
    if (index >= CH_TROUBLE_COUNT - 1)
        return false;
    *ret = *ch_trouble_word((enum ch_trouble)(index + 1));
    return true;
}

static const struct ch_histogram duration_histogram = {
    .bounds_ns = ch_duration_bounds_ns,
    .bound_count = CH_DURATION_BUCKETS - 1,
    .bucket_offset = offsetof(struct ch_record, bucket),
    .sum_offset = offsetof(struct ch_record, duration_sum_ns),
};

static const struct ch_histogram lag_histogram = {
    .bounds_ns = ch_loop_lag_bounds_ns,
    .bound_count = CH_LOOP_LAG_BUCKETS - 1,
    .bucket_offset = offsetof(struct ch_loop_lag, bucket),
    .sum_offset = offsetof(struct ch_loop_lag, sum_ns),
};

_Static_assert(CH_DURATION_BUCKETS <= CH_HISTOGRAM_BUCKETS_MAX, "room for the bounds");
_Static_assert(CH_LOOP_LAG_BUCKETS <= CH_HISTOGRAM_BUCKETS_MAX, "room for the bounds");

#define COUNTER(n, u, h)                                                                           \
    .family = {.name = (n), .type = CH_FAMILY_COUNTER, .unit = (u), .help = (h)}
#define GAUGE(n, u, h) .family = {.name = (n), .type = CH_FAMILY_GAUGE, .unit = (u), .help = (h)}
#define HISTOGRAM(n, u, h)                                                                         \
    .family = {.name = (n), .type = CH_FAMILY_HISTOGRAM, .unit = (u), .help = (h)}
#define WORDS(n, t, h, w) .family = {.name = (n), .type = (t), .help = (h), .word = (w)}

#define RECORD(representation, field)                                                              \
    .source = CH_SOURCE_RECORD, .as = (representation), .offset = offsetof(struct ch_record, field)
#define SELF(representation, field)                                                                \
    .source = CH_SOURCE_SELF, .as = (representation), .offset = offsetof(struct ch_self, field)
#define RESPONDER(representation, field)                                                           \
    .source = CH_SOURCE_RESPONDER, .as = (representation),                                         \
    .offset = offsetof(struct ch_responder_counters, field)

/* clang-format off: one row, one family */
const struct ch_row ch_families[] = {
    {GAUGE("connhealth_probe_success", NULL, "Whether the last attempt succeeded"),
     RECORD(CH_AS_SUCCESS, success)},
    {COUNTER("connhealth_probe_attempts_total", NULL, "Finished attempts"),
     RECORD(CH_AS_COUNT, attempts)},
    {WORDS("connhealth_probe_failures_total", CH_FAMILY_COUNTER, "Failed attempts by category",
           category_word),
     RECORD(CH_AS_CATEGORIES, failures)},
    {WORDS("connhealth_probe_causes_total", CH_FAMILY_COUNTER,
           "Failed attempts by where they struck, category, what ended them on the wire, and cause",
           cause_word),
     RECORD(CH_AS_CAUSES, causes)},
    {HISTOGRAM("connhealth_probe_duration_seconds", "seconds",
               "How long successful attempts took: a connect from SYN to established, a heartbeat "
               "from sending to the full reply"),
     .source = CH_SOURCE_RECORD, .as = CH_AS_HISTOGRAM, .only = CH_ONLY_TIMED,
     .histogram = &duration_histogram},
    {GAUGE("connhealth_probe_last_attempt_timestamp_seconds", "seconds",
           "When the last attempt ended, Unix time"),
     RECORD(CH_AS_TIME, last_attempt_ns)},
    {GAUGE("connhealth_probe_last_success_timestamp_seconds", "seconds",
           "When the last successful attempt ended, Unix time"),
     RECORD(CH_AS_TIME, last_success_ns)},
    {GAUGE("connhealth_probe_interval_seconds", "seconds", "The configured time between attempts"),
     .source = CH_SOURCE_SETTINGS, .as = CH_AS_PLAIN_NS,
     .offset = offsetof(struct ch_probe_settings, interval_ns)},
    {GAUGE("connhealth_probe_rtt_seconds", "seconds",
           "The kernel's smoothed round-trip time of the connection"),
     RECORD(CH_AS_US, rtt_us), .only = CH_ONLY_TCP},
    {COUNTER("connhealth_probe_syn_retransmits_total", NULL, "SYNs that had to be sent again"),
     RECORD(CH_AS_COUNT, syn_retransmits), .only = CH_ONLY_TCP},
    {COUNTER("connhealth_probe_send_stalls_total", NULL,
             "Times the send buffer was full and the probe waited for room"),
     RECORD(CH_AS_COUNT, send_stalls), .only = CH_ONLY_SENDING},
    {COUNTER("connhealth_probe_icmp_errors_total", NULL,
             "ICMP errors received, by kind and by the address that sent them"),
     RECORD(CH_AS_ICMP, icmp)},
    {GAUGE("connhealth_probe_idle_survived_seconds", "seconds",
           "The greatest idle age after which the connection was still usable"),
     RECORD(CH_AS_NS, idle_survived_ns)},
    {GAUGE("connhealth_probe_idle_died_seconds", "seconds",
           "The smallest idle age after which the connection was found dead"),
     RECORD(CH_AS_NS, idle_died_ns)},

    {GAUGE("connhealth_connection_established", NULL, "Whether the held connection is established"),
     RECORD(CH_AS_BOOL, established), .only = CH_ONLY_PERSISTENT | CH_ONLY_TCP},
    {COUNTER("connhealth_connection_opens_total", NULL, "Connections that were established"),
     RECORD(CH_AS_COUNT, opens), .only = CH_ONLY_PERSISTENT | CH_ONLY_TCP},
    {GAUGE("connhealth_connection_established_timestamp_seconds", "seconds",
           "When the held connection was established, Unix time"),
     RECORD(CH_AS_TIME, established_ns), .only = CH_ONLY_PERSISTENT | CH_ONLY_TCP},
    {WORDS("connhealth_connection_trouble", CH_FAMILY_GAUGE,
           "Whether the held connection is in trouble that has not ended it yet", trouble_word),
     RECORD(CH_AS_TROUBLES, trouble), .only = CH_ONLY_PERSISTENT | CH_ONLY_TCP},

    {GAUGE("connhealth_responder_connections", NULL, "Connections of clients open now"),
     RESPONDER(CH_AS_COUNT, connections)},
    {COUNTER("connhealth_responder_accepts_total", NULL, "Connections accepted"),
     RESPONDER(CH_AS_COUNT, accepts)},
    {COUNTER("connhealth_responder_ends_total", NULL,
             "Connections of clients that ended in a failure, by where it struck and category"),
     RESPONDER(CH_AS_ENDS, ends)},
    {COUNTER("connhealth_responder_heartbeats_total", NULL, "Heartbeats answered, TCP and UDP"),
     RESPONDER(CH_AS_COUNT, heartbeats)},
    {COUNTER("connhealth_responder_malformed_total", NULL,
             "Datagrams and streams that were no heartbeat"),
     RESPONDER(CH_AS_COUNT, malformed)},
    {COUNTER("connhealth_responder_refused_total", NULL,
             "Connections closed at once because a limit was reached"),
     RESPONDER(CH_AS_COUNT, refused)},

    {.family = {.name = "connhealth_build_info",
                .type = CH_FAMILY_INFO,
                .help = "What was built; always 1"},
     .source = CH_SOURCE_SELF,
     .as = CH_AS_BUILD},
    {GAUGE("connhealth_targets", NULL, "Targets of the running configuration"),
     SELF(CH_AS_PLAIN, targets)},
    {GAUGE("connhealth_config_last_reload_successful", NULL,
           "Whether the last attempt to load the configuration succeeded"),
     SELF(CH_AS_FLAG, reload_ok)},
    {GAUGE("connhealth_config_last_reload_success_timestamp_seconds", "seconds",
           "When the configuration was last loaded with success, Unix time"),
     SELF(CH_AS_PLAIN_TIME, reload_success_ns)},
    {HISTOGRAM("connhealth_loop_lag_seconds", "seconds",
               "How late the prober served each deadline"),
     .source = CH_SOURCE_LAG, .as = CH_AS_HISTOGRAM, .histogram = &lag_histogram},
    {COUNTER("connhealth_log_lines_dropped_total", NULL, "Log lines lost because nobody took them"),
     SELF(CH_AS_PLAIN, log_dropped)},

    {COUNTER("process_cpu_seconds_total", "seconds", "User and system CPU time spent"),
     SELF(CH_AS_PLAIN_NS, cpu_ns)},
    {GAUGE("process_open_fds", NULL, "Open file descriptors"), SELF(CH_AS_SIGNED, open_fds)},
    {GAUGE("process_max_fds", NULL, "Greatest number of file descriptors that may be open"),
     SELF(CH_AS_SIGNED, max_fds)},
    {GAUGE("process_virtual_memory_bytes", "bytes", "Virtual memory size"),
     SELF(CH_AS_SIGNED, virtual_bytes)},
    {GAUGE("process_resident_memory_bytes", "bytes", "Resident memory size"),
     SELF(CH_AS_SIGNED, resident_bytes)},
    {GAUGE("process_start_time_seconds", "seconds", "When the process started, Unix time"),
     SELF(CH_AS_PLAIN_TIME, start_ns)},
    {GAUGE("process_threads", NULL, "Threads of the process"), SELF(CH_AS_SIGNED, threads)},
};
/* clang-format on */

const size_t ch_family_count = sizeof(ch_families) / sizeof(ch_families[0]);
