/* SPDX-License-Identifier: Apache-2.0 */
#include "idle_life.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <linux/tcp.h>

#include "connhealth/clock.h"
#include "connhealth/container.h"
#include "dial.h"
#include "sight.h"

#define DIAL_NS  (3 * CH_NS_PER_S)  /* for each connect */
#define RETRY_NS (10 * CH_NS_PER_S) /* after a connect that failed */
/* The keepalive that is the use: a probe at once (every age is at least as long
 * as the idle time), two more, dead one second after that. */
#define USE_SECONDS 1
#define USE_PROBES  3
#define LOOK_NS     (700 * CH_NS_PER_MS)
#define ANSWERED_MS 1000 /* what came before the use is older than this by now */

enum idle_step {
    IDLE_RESTS, /* until the next connect */
    IDLE_CONNECTS,
    IDLE_AGES,
    IDLE_USED, /* the answer is due */
};

struct ch_idle_watch {
    struct ch_probe *probe;
    const struct ch_durations *ages;
    struct ch_dial dial;
    struct ch_timer timer;
    struct ch_idle_life life;
    size_t turn;
    int64_t unconfirmed_ns; /* an age that did not survive, until a connect succeeds */
    enum idle_step step;
    bool started;
};

static void arm(struct ch_idle_watch *watch, int64_t after_ns)
{
    /* The probe's own timers have room reserved; should memory be short here,
     * the measurement stops, the probe goes on. */
    (void)ch_loop_timer_arm(watch->probe->prober->loop, &watch->timer,
                            ch_loop_now(watch->probe->prober->loop) + after_ns);
}

static int64_t present_age(const struct ch_idle_watch *watch)
{
    return watch->ages->ns[watch->turn];
}

static void connect_now(struct ch_idle_watch *watch)
{
    watch->step = IDLE_CONNECTS;
    arm(watch, DIAL_NS);
    ch_dial_start(&watch->dial, ch_loop_now(watch->probe->prober->loop) + DIAL_NS);
}

static void rest(struct ch_idle_watch *watch, int64_t ns)
{
    ch_dial_close(&watch->dial);
    watch->step = IDLE_RESTS;
    arm(watch, ns);
}

static void tell(struct ch_idle_watch *watch)
{
    watch->probe->prober->ops->idle_life(watch->probe, &watch->life);
}

static void survived(struct ch_idle_watch *watch)
{
    int64_t age = present_age(watch);

    if (age > watch->life.survived_ns)
        watch->life.survived_ns = age;
    /* What was found before does not hold any more: the path has changed. */
    if (watch->life.died_ns != 0 && watch->life.died_ns <= age)
        watch->life.died_ns = 0;
    watch->turn = (watch->turn + 1) % watch->ages->count;
    rest(watch, 0);
    tell(watch);
}

static void did_not_survive(struct ch_idle_watch *watch)
{
    watch->unconfirmed_ns = present_age(watch);
    rest(watch, 0);
}

static void count_death(struct ch_idle_watch *watch)
{
    int64_t age = watch->unconfirmed_ns;

    watch->unconfirmed_ns = 0;
    if (watch->life.died_ns == 0 || age < watch->life.died_ns)
        watch->life.died_ns = age;
    if (watch->life.survived_ns >= age)
        watch->life.survived_ns = 0;
    watch->turn = (watch->turn + 1) % watch->ages->count;
    tell(watch);
}

static void use_once(struct ch_idle_watch *watch)
{
    int fd = watch->dial.io.fd;
    int seconds = USE_SECONDS, probes = USE_PROBES, on = 1;

    /* The idle time last: with keepalive on, it counts from the last segment, and
     * the first probe leaves at once (tcp_sock_set_keepidle_locked()). */
    if (setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &seconds, sizeof(seconds)) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes)) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof(seconds)) < 0) {
        rest(watch, RETRY_NS);
        return;
    }
    watch->step = IDLE_USED;
    arm(watch, LOOK_NS);
}

static void look(struct ch_idle_watch *watch)
{
    struct ch_tcp_facts tcp = {0};

    if (ch_sight_tcp(watch->dial.io.fd, &tcp) && tcp.probes == 0 &&
        tcp.last_ack_recv_ms < ANSWERED_MS)
        survived(watch);
    else
        arm(watch, LOOK_NS); /* the next probe may be answered; else epoll tells */
}

static void on_idle_ready(struct ch_io *io, uint32_t events)
{
    struct ch_dial *dial = ch_container_of(io, struct ch_dial, io);
    struct ch_idle_watch *watch = ch_container_of(dial, struct ch_idle_watch, dial);
    uint8_t unasked[4096];
    ssize_t n = recv(io->fd, unasked, sizeof(unasked), MSG_DONTWAIT);

    (void)events;
    if (n > 0) {
        if (watch->step == IDLE_AGES) /* it was not idle: its age begins anew */
            arm(watch, present_age(watch));
        return;
    }
    if (n < 0 && errno == EAGAIN)
        return;
    if (n < 0 && watch->step == IDLE_USED && (errno == ETIMEDOUT || errno == ECONNRESET))
        did_not_survive(watch);
    else
        rest(watch, RETRY_NS); /* the peer ended it */
}

static void on_idle_dialled(struct ch_dial *dial, const struct ch_evidence *failure)
{
    struct ch_idle_watch *watch = ch_container_of(dial, struct ch_idle_watch, dial);

    if (failure || ch_dial_hold(dial, on_idle_ready, EPOLLIN | EPOLLRDHUP) < 0) {
        watch->unconfirmed_ns = 0; /* the peer itself cannot be reached */
        rest(watch, RETRY_NS);
        return;
    }
    if (watch->unconfirmed_ns != 0)
        count_death(watch);
    watch->step = IDLE_AGES;
    arm(watch, present_age(watch));
}

static void on_idle_timer(struct ch_timer *timer, int64_t now)
{
    struct ch_idle_watch *watch = ch_container_of(timer, struct ch_idle_watch, timer);

    (void)now;
    switch (watch->step) {
    case IDLE_RESTS:
        connect_now(watch);
        break;
    case IDLE_CONNECTS:
        watch->unconfirmed_ns = 0;
        rest(watch, RETRY_NS);
        break;
    case IDLE_AGES:
        use_once(watch);
        break;
    case IDLE_USED:
        look(watch);
        break;
    }
}

int ch_idle_watch_new(struct ch_probe *probe, const struct ch_durations *ages,
                      struct ch_idle_watch **ret)
{
    struct ch_idle_watch *watch = calloc(1, sizeof(*watch));

    if (!watch)
        return -ENOMEM;
    watch->probe = probe;
    watch->ages = ages;
    watch->timer.on_fire = on_idle_timer;
    ch_dial_init(&watch->dial, probe->prober, &probe->spec->address, on_idle_dialled);
    *ret = watch;
    return 0;
}

void ch_idle_watch_start(struct ch_idle_watch *watch)
{
    if (!watch || watch->started)
        return;
    watch->started = true;
    rest(watch, 0);
}

struct ch_idle_watch *ch_idle_watch_free(struct ch_idle_watch *watch)
{
    if (!watch)
        return NULL;
    ch_loop_timer_disarm(watch->probe->prober->loop, &watch->timer);
    ch_dial_close(&watch->dial);
    free(watch);
    return NULL;
}
