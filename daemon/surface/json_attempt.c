/* SPDX-License-Identifier: Apache-2.0 */
#include "json_attempt.h"

#include <stdio.h>

#include "connhealth/icmp.h"

/* A member of a plain struct: where it lies and how it reads. */
struct field {
    const char *name;
    size_t offset;
    enum { AS_U8, AS_U16, AS_U32, AS_I32, AS_U64, AS_NS, AS_BOOL } as;
};

/* Under the kernel's names, the unit added where it is not bytes or segments. */
static const struct field tcp_fields[] = {
#define F(name, as)                                                                                \
    {                                                                                              \
#name, offsetof(struct ch_tcp_facts, name), as                                             \
    }
    F(ca_state, AS_U8),
    F(retransmits, AS_U8),
    F(probes, AS_U8),
    F(backoff, AS_U8),
    F(rto_us, AS_U32),
    F(unacked, AS_U32),
    F(lost, AS_U32),
    F(last_data_sent_ms, AS_U32),
    F(last_data_recv_ms, AS_U32),
    F(last_ack_recv_ms, AS_U32),
    F(rtt_us, AS_U32),
    F(rttvar_us, AS_U32),
    F(retrans, AS_U32),
    F(total_retrans, AS_U32),
    F(bytes_acked, AS_U64),
    F(bytes_received, AS_U64),
    F(bytes_sent, AS_U64),
    F(bytes_retrans, AS_U64),
    F(segs_out, AS_U32),
    F(segs_in, AS_U32),
    F(notsent_bytes, AS_U32),
    F(total_rto, AS_U32),
#undef F
};

/* The rest of what the diagnosis rests on; left out while zero. */
static const struct field evidence_fields[] = {
#define F(name, member, as)                                                                        \
    {                                                                                              \
        name, offsetof(struct ch_evidence, member), as                                             \
    }
    F("addresses_tried", addresses_tried, AS_U16),
    F("established", established, AS_BOOL),
    F("synchronous", synchronous, AS_BOOL),
    F("goodbye", goodbye, AS_BOOL),
    F("stalled", stalled, AS_BOOL),
    F("send_incomplete", send_incomplete, AS_BOOL),
    F("request_sent", request_sent, AS_BOOL),
    F("transmissions_refused", retrans_fail, AS_BOOL),
    F("stale_address", dns_stale, AS_BOOL),
    F("answered_late", answered_late, AS_BOOL),
    F("confirm_stuck", confirm_stuck, AS_BOOL),
    F("outstanding_bytes", outstanding, AS_U32),
    F("request_bytes", request_bytes, AS_U32),
    F("soft_errors", soft_errors, AS_U32),
    F("soft_errno", soft_error, AS_I32),
    F("confirm_errno", confirm_error, AS_I32),
    F("silent_seconds", silent_ns, AS_NS),
    F("idle_seconds", idle_ns, AS_NS),
    F("age_seconds", age_ns, AS_NS),
#undef F
};

#define COUNT_OF(table) (sizeof(table) / sizeof((table)[0]))

static const char *word_in(const char *const *words, size_t count, unsigned index)
{
    return index < count ? words[index] : "other";
}

static int64_t field_value(const struct field *field, const void *base)
{
    const char *at = (const char *)base + field->offset;

    switch (field->as) {
    case AS_U8:
        return *(const uint8_t *)at;
    case AS_U16:
        return *(const uint16_t *)(const void *)at;
    case AS_U32:
        return *(const uint32_t *)(const void *)at;
    case AS_I32:
        return *(const int32_t *)(const void *)at;
    case AS_U64:
    case AS_NS:
        return *(const int64_t *)(const void *)at;
    case AS_BOOL:
        return *(const bool *)at;
    }
    return 0;
}

static void put_field(struct json_build *build, cJSON *object, const struct field *field,
                      const void *base)
{
    int64_t value = field_value(field, base);

    if (field->as == AS_BOOL)
        json_bool(build, object, field->name, value != 0);
    else if (field->as == AS_NS)
        json_seconds(build, object, field->name, value);
    else if (field->as == AS_U64)
        json_u64(build, object, field->name, (uint64_t)value);
    else
        json_i64(build, object, field->name, value);
}

static void put_tcp_info(struct json_build *build, cJSON *object, const struct ch_tcp_facts *tcp)
{
    /* include/net/tcp_states.h; 0 is our own "not read" */
    static const char *const states[] = {
        "none",      "ESTABLISHED", "SYN_SENT",   "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2",
        "TIME_WAIT", "CLOSE",       "CLOSE_WAIT", "LAST_ACK", "LISTEN",    "CLOSING",
    };
    cJSON *info;

    if (tcp->state == 0) {
        json_null(build, object, "tcp_info");
        return;
    }
    info = json_object(build, object, "tcp_info");
    json_text(build, info, "state", word_in(states, COUNT_OF(states), tcp->state));
    for (size_t i = 0; i < COUNT_OF(tcp_fields); i++)
        put_field(build, info, &tcp_fields[i], tcp);
    if (tcp->has_snd_wnd)
        json_u64(build, info, "snd_wnd", tcp->snd_wnd);
}

static void put_icmp(struct json_build *build, cJSON *object, const char *key,
                     const struct ch_icmp *icmp)
{
    static const char *const senders[] = {"unknown", "self", "destination", "router"};
    char address[CH_ADDR_TEXT];
    cJSON *child;

    if (icmp->version == 0) {
        json_null(build, object, key);
        return;
    }
    child = json_object(build, object, key);
    json_text(build, child, "icmp", ch_icmp_word(icmp)->slug);
    json_u64(build, child, "version", icmp->version);
    json_u64(build, child, "type", icmp->type);
    json_u64(build, child, "code", icmp->code);
    json_text(build, child, "sender", word_in(senders, COUNT_OF(senders), icmp->sender));
    json_text(build, child, "offender", ch_addr_format_host(&icmp->offender, address));
}

static void put_address(struct json_build *build, cJSON *object, const char *key,
                        const struct ch_addr *addr)
{
    char text[CH_ADDR_TEXT];

    if (addr->family != AF_UNSPEC)
        json_text(build, object, key, ch_addr_format(addr, text));
}

/* Bytes of the peer: printable ASCII as it is, the rest as \xNN. */
static void put_reply(struct json_build *build, cJSON *object, const struct ch_evidence *evidence)
{
    char text[4 * CH_REPLY_SHOWN + 1], *at = text;
    size_t len = evidence->reply_len < CH_REPLY_SHOWN ? evidence->reply_len : CH_REPLY_SHOWN;

    if (len == 0)
        return;
    for (size_t i = 0; i < len; i++) {
        uint8_t byte = evidence->reply[i];

        if (byte >= 0x20 && byte < 0x7F && byte != '\\')
            *at++ = (char)byte;
        else
            at += sprintf(at, "\\x%02x", byte);
    }
    *at = '\0';
    json_text(build, object, "reply", text);
}

static void put_evidence(struct json_build *build, cJSON *object,
                         const struct ch_evidence *evidence)
{
    static const char *const ends[] = {"ok", "errno", "eof", "deadline", "mismatch", "name"};
    static const char *const names[] = {"none",    "not_found", "no_address", "servfail",
                                        "timeout", "refused",   "other"};
    static const char *const confirms[] = {"none",   "connected",   "refused",
                                           "silent", "unreachable", "failed"};
    static const char *const identities[] = {"unknown", "same", "new_instance", "new_boot"};
    cJSON *child = json_object(build, object, "evidence");

    json_text(build, child, "end", word_in(ends, COUNT_OF(ends), evidence->end));
    put_address(build, child, "local", &evidence->local);
    put_address(build, child, "peer", &evidence->peer);
    for (size_t i = 0; i < COUNT_OF(evidence_fields); i++)
        if (field_value(&evidence_fields[i], evidence) != 0)
            put_field(build, child, &evidence_fields[i], evidence);
    if (evidence->dns != CH_DNS_NONE)
        json_text(build, child, "dns", word_in(names, COUNT_OF(names), evidence->dns));
    if (evidence->confirm != CH_CONFIRM_NONE)
        json_text(build, child, "confirm",
                  word_in(confirms, COUNT_OF(confirms), evidence->confirm));
    if (evidence->confirm_icmp.version != 0)
        put_icmp(build, child, "confirm_icmp", &evidence->confirm_icmp);
    if (evidence->identity != CH_IDENTITY_UNKNOWN)
        json_text(build, child, "identity",
                  word_in(identities, COUNT_OF(identities), evidence->identity));
    put_reply(build, child, evidence);
}

/* Nothing but time and duration is kept of a success. */
static void put_success(struct json_build *build, cJSON *object)
{
    static const char *const keys[] = {"category", "phase",   "wire",   "errno", "errno_name",
                                       "cause",    "certain", "detail", "icmp",  "tcp_info"};

    for (size_t i = 0; i < COUNT_OF(keys); i++)
        json_null(build, object, keys[i]);
}

void json_attempt(struct json_build *build, cJSON *object, const struct ch_attempt *attempt)
{
    const struct ch_outcome *outcome = &attempt->outcome;
    const struct ch_evidence *evidence = &attempt->evidence;
    char detail[CH_DETAIL_TEXT];

    json_time(build, object, "time", attempt->time_ns);
    json_seconds(build, object, "duration_seconds", evidence->duration_ns);
    if (outcome->success) {
        put_success(build, object);
        return;
    }
    json_text(build, object, "category", ch_category_row(outcome->category)->slug);
    json_text(build, object, "phase", ch_phase_word(outcome->phase)->slug);
    json_text(build, object, "wire", ch_wire_word(outcome->wire)->slug);
    if (evidence->error) {
        json_i64(build, object, "errno", evidence->error);
        json_text(build, object, "errno_name", ch_errno_name(evidence->error));
    } else {
        json_null(build, object, "errno");
        json_null(build, object, "errno_name");
    }
    json_text(build, object, "cause", ch_cause_word(outcome->cause)->slug);
    json_bool(build, object, "certain", outcome->certain);
    json_text(build, object, "detail",
              ch_outcome_describe(evidence, outcome, detail, sizeof(detail)));
    put_icmp(build, object, "icmp", &evidence->icmp);
    put_tcp_info(build, object, &evidence->tcp);
    put_evidence(build, object, evidence);
}
