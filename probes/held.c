/* SPDX-License-Identifier: Apache-2.0 */
#include "held.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "connhealth/clock.h"
#include "sight.h"

void ch_held_init(struct ch_held *held, struct ch_probe *probe, struct ch_exchange *exchange,
                  void (*dialled)(struct ch_dial *dial, const struct ch_evidence *failure))
{
    *held = (struct ch_held){.probe = probe, .exchange = exchange};
    ch_dial_init(&held->dial, probe->prober, &probe->spec->address, dialled);
}

int ch_held_established(struct ch_held *held, void (*on_ready)(struct ch_io *io, uint32_t events),
                        uint32_t events)
{
    int r = ch_dial_hold(&held->dial, on_ready, events);

    if (r < 0)
        return r;
    held->established_at = held->used_at = ch_loop_now(held->probe->prober->loop);
    held->up = true;
    held->goodbye = false;
    held->soft_error = 0;
    held->soft_errors = 0;
    held->probe->prober->ops->connection(held->probe, true);
    return 0;
}

void ch_held_describe(const struct ch_held *held, struct ch_evidence *evidence)
{
    evidence->transport = CH_TRANSPORT_TCP;
    evidence->kind = (uint8_t)held->probe->spec->ops->kind;
    evidence->established = held->up;
    evidence->peer = held->dial.peer;
    evidence->goodbye = held->goodbye;
    if (held->soft_errors > 0) {
        evidence->soft_error = held->soft_error;
        evidence->soft_errors = held->soft_errors;
    }
    if (held->up)
        evidence->age_ns = ch_loop_now(held->probe->prober->loop) - held->established_at;
}

static void close_connection(struct ch_held *held)
{
    ch_dial_close(&held->dial);
    if (!held->up)
        return;
    held->up = false;
    ch_held_calm(held);
    held->probe->prober->ops->connection(held->probe, false);
}

static struct ch_evidence take_pending(struct ch_held *held)
{
    struct ch_evidence evidence = *held->pending;

    held->confirm = ch_confirm_cancel(held->confirm);
    free(held->pending);
    held->pending = NULL;
    return evidence;
}

static bool acknowledged(const struct ch_evidence *evidence)
{
    return evidence->request_acked_at > 0 &&
           evidence->tcp.bytes_acked >= evidence->request_acked_at;
}

static void on_confirmed(void *context, const struct ch_confirm_result *result)
{
    struct ch_held *held = context;
    struct ch_evidence evidence;

    held->confirm = NULL; /* it frees itself */
    evidence = take_pending(held);
    evidence.confirm = (uint8_t)result->result;
    evidence.confirm_icmp = result->icmp;
    evidence.confirm_error = result->error;
    evidence.confirm_stuck = result->stuck;
    if (result->ids_known && held->exchange && held->exchange->ids_known)
        evidence.identity = (uint8_t)ch_identity_compare(&held->exchange->ids, &result->ids);
    /* What was silent at the deadline may have been acknowledged since. */
    if (held->up)
        ch_sight_tcp(held->dial.io.fd, &evidence.tcp);
    /* A client would not wait for the kernel to give up on a connection that is
     * silent while new ones work: neither does the probe. */
    if (held->up && result->result == CH_CONFIRM_CONNECTED && !acknowledged(&evidence))
        close_connection(held);
    held->probe->prober->ops->finished(held->probe, &evidence);
}

void ch_held_report(struct ch_held *held, const struct ch_evidence *evidence, bool confirm)
{
    struct ch_probe *probe = held->probe;
    bool native = held->exchange && ch_exchange_native(held->exchange);

    if (held->pending) /* overtaken: the connection ended before the confirmation did */
        take_pending(held);
    if (confirm && probe->spec->confirm) {
        held->pending = malloc(sizeof(*held->pending));
        if (held->pending) {
            *held->pending = *evidence;
            if (ch_confirm_start(probe->prober, &evidence->peer, native, on_confirmed, held,
                                 &held->confirm) == 0)
                return;
            free(held->pending);
            held->pending = NULL;
        }
    }
    probe->prober->ops->finished(probe, evidence);
}

void ch_held_answered_late(struct ch_held *held)
{
    struct ch_evidence evidence;

    if (!held->pending)
        return;
    evidence = take_pending(held);
    evidence.answered_late = true;
    held->probe->prober->ops->finished(held->probe, &evidence);
}

void ch_held_broke(struct ch_held *held, struct ch_evidence *evidence)
{
    ch_held_describe(held, evidence);
    ch_sight_autopsy(held->dial.io.fd, evidence);
    evidence->silent_ns = ch_sight_silence(&evidence->tcp, evidence->age_ns);
    close_connection(held);
    if (evidence->icmp.version != 0)
        held->probe->prober->ops->icmp(held->probe, &evidence->icmp);
    ch_held_report(held, evidence, evidence->error != ECONNABORTED);
}

void ch_held_soft_error(struct ch_held *held, int error)
{
    if (error == 0)
        return;
    held->soft_error = error;
    held->soft_errors++;
}

void ch_held_watch(struct ch_held *held, struct ch_trouble_setting *setting)
{
    struct ch_tcp_facts tcp;
    struct ch_trouble_report report;

    if (!ch_sight_tcp(held->dial.io.fd, &tcp))
        return;
    setting->age_ns = ch_loop_now(held->probe->prober->loop) - held->established_at;
    setting->retries2 = ch_trouble_retries2();
    setting->rto_max_ns = ch_trouble_rto_max_ns();
    report = ch_trouble_of(&tcp, setting);
    if (report.trouble == CH_TROUBLE_NONE && held->trouble == CH_TROUBLE_NONE)
        return;
    held->trouble = (uint8_t)report.trouble;
    held->probe->prober->ops->trouble(held->probe, &report);
}

void ch_held_calm(struct ch_held *held)
{
    struct ch_trouble_report none = {.trouble = CH_TROUBLE_NONE, .until_give_up = -1};

    if (held->trouble == CH_TROUBLE_NONE)
        return;
    held->trouble = CH_TROUBLE_NONE;
    held->probe->prober->ops->trouble(held->probe, &none);
}

void ch_held_drop(struct ch_held *held)
{
    close_connection(held);
}

void ch_held_release(struct ch_held *held)
{
    held->confirm = ch_confirm_cancel(held->confirm);
    free(held->pending);
    held->pending = NULL;
    ch_dial_close(&held->dial);
}
