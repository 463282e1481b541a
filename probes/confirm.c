/* SPDX-License-Identifier: Apache-2.0 */
#include "confirm.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "connhealth/clock.h"
#include "connhealth/container.h"

#define CONFIRM_SETTLE_NS (10 * CH_NS_PER_MS)

struct ch_confirm_budget {
    int64_t gap_ns;   /* between two, once the burst is used up */
    int64_t burst_ns; /* burst * gap_ns */
    int64_t next;     /* the virtual time of the next one (a leaky bucket) */
};

struct ch_confirm_probe {
    struct ch_prober *prober;
    struct ch_dial dial;
    struct ch_timer timer; /* first its turn, then the end of its time */
    struct ch_exchange exchange;
    bool native;
    bool started;
    struct ch_addr peer;
    void (*done)(void *context, const struct ch_confirm_result *result);
    void *context;
};

int ch_confirm_budget_new(uint32_t rate, uint32_t burst, struct ch_confirm_budget **ret)
{
    struct ch_confirm_budget *budget = calloc(1, sizeof(*budget));

    if (!budget)
        return -ENOMEM;
    budget->gap_ns = CH_NS_PER_S / rate;
    budget->burst_ns = budget->gap_ns * burst;
    *ret = budget;
    return 0;
}

struct ch_confirm_budget *ch_confirm_budget_free(struct ch_confirm_budget *budget)
{
    free(budget);
    return NULL;
}

/* When the next one may start; negative if that is too far off. */
static int64_t take_turn(struct ch_confirm_budget *budget, int64_t now)
{
    int64_t turn;

    if (!budget)
        return now;
    if (budget->next < now - budget->burst_ns)
        budget->next = now - budget->burst_ns;
    turn = budget->next > now ? budget->next : now;
    if (turn - now > CH_CONFIRM_WAIT_NS)
        return -1;
    budget->next += budget->gap_ns;
    return turn;
}

static void conclude(struct ch_confirm_probe *confirm, const struct ch_confirm_result *result)
{
    void (*done)(void *context, const struct ch_confirm_result *result) = confirm->done;
    void *context = confirm->context;

    ch_confirm_cancel(confirm);
    done(context, result);
}

static enum ch_confirm result_of(const struct ch_evidence *failure)
{
    if (failure->synchronous)
        return CH_CONFIRM_FAILED;
    if (failure->icmp.version != 0)
        return failure->icmp.sender == CH_OFFENDER_SELF ? CH_CONFIRM_FAILED
                                                        : CH_CONFIRM_UNREACHABLE;
    if (failure->error == ECONNREFUSED)
        return CH_CONFIRM_REFUSED;
    return CH_CONFIRM_SILENT;
}

static void conclude_failed(struct ch_confirm_probe *confirm, const struct ch_evidence *failure)
{
    struct ch_confirm_result result = {
        .result = result_of(failure),
        .icmp = failure->icmp,
        .error = failure->error,
        .stuck = failure->tcp.retransmits > failure->tcp.total_retrans,
    };

    conclude(confirm, &result);
}

static void conclude_connected(struct ch_confirm_probe *confirm)
{
    struct ch_confirm_result result = {
        .result = CH_CONFIRM_CONNECTED,
        .ids_known = confirm->exchange.ids_known,
        .ids = confirm->exchange.ids,
    };

    conclude(confirm, &result);
}

static void on_reply_ready(struct ch_io *io, uint32_t events)
{
    struct ch_confirm_probe *confirm =
        ch_container_of(ch_container_of(io, struct ch_dial, io), struct ch_confirm_probe, dial);
    uint8_t bytes[CH_FRAME_SIZE * 2];
    ssize_t n = recv(io->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

    (void)events;
    if (n < 0 && errno == EAGAIN)
        return;
    if (n > 0 && ch_exchange_take(&confirm->exchange, bytes, (size_t)n, false) == CH_REPLY_MORE)
        return;
    conclude_connected(confirm);
}

static void on_confirm_dialled(struct ch_dial *dial, const struct ch_evidence *failure)
{
    struct ch_confirm_probe *confirm = ch_container_of(dial, struct ch_confirm_probe, dial);
    uint8_t frame[CH_FRAME_SIZE];
    struct ch_bytes request;

    if (failure) {
        conclude_failed(confirm, failure);
        return;
    }
    if (confirm->native) {
        request = ch_exchange_request(&confirm->exchange, frame);
        if (send(dial->io.fd, request.data, request.len, MSG_NOSIGNAL | MSG_DONTWAIT) ==
                (ssize_t)request.len &&
            ch_dial_hold(dial, on_reply_ready, EPOLLIN) == 0)
            return;
    }
    conclude_connected(confirm);
}

static void on_confirm_timer(struct ch_timer *timer, int64_t now)
{
    struct ch_confirm_probe *confirm = ch_container_of(timer, struct ch_confirm_probe, timer);
    struct ch_evidence evidence;

    if (!confirm->started) {
        confirm->started = true;
        ch_loop_timer_arm(confirm->prober->loop, timer, now + CH_CONFIRM_NS);
        ch_dial_start_at(&confirm->dial, &confirm->peer, now + CH_CONFIRM_NS);
        return;
    }
    if (!confirm->dial.busy) { /* connected, and the native answer stays out */
        conclude_connected(confirm);
        return;
    }
    if (ch_dial_expire(&confirm->dial, &evidence))
        conclude_failed(confirm, &evidence);
    else
        conclude_connected(confirm);
}

int ch_confirm_start(struct ch_prober *prober, const struct ch_addr *peer, bool native,
                     void (*done)(void *context, const struct ch_confirm_result *result),
                     void *context, struct ch_confirm_probe **ret)
{
    int64_t turn = take_turn(prober->confirm_budget, ch_loop_now(prober->loop));
    struct ch_confirm_probe *confirm;
    int r;

    if (turn < 0)
        return -EBUSY;
    confirm = calloc(1, sizeof(*confirm));
    if (!confirm)
        return -ENOMEM;
    confirm->prober = prober;
    confirm->native = native;
    confirm->peer = *peer;
    confirm->done = done;
    confirm->context = context;
    confirm->timer.on_fire = on_confirm_timer;
    ch_exchange_init(&confirm->exchange, NULL);
    ch_dial_init(&confirm->dial, prober, NULL, on_confirm_dialled);
    r = ch_loop_timer_arm(prober->loop, &confirm->timer, turn + CONFIRM_SETTLE_NS);
    if (r < 0) {
        free(confirm);
        return r;
    }
    *ret = confirm;
    return 0;
}

struct ch_confirm_probe *ch_confirm_cancel(struct ch_confirm_probe *confirm)
{
    if (!confirm)
        return NULL;
    ch_loop_timer_disarm(confirm->prober->loop, &confirm->timer);
    /* A FIN, not an RST: the peer's log should not show an abort of ours. */
    ch_dial_close(&confirm->dial);
    ch_exchange_clear(&confirm->exchange);
    free(confirm);
    return NULL;
}
