/* SPDX-License-Identifier: Apache-2.0 */
#include "trouble.h"

#include <pthread.h>
#include <stdio.h>

#include "connhealth/clock.h"
#include "sight.h"

#define RTO_MIN_NS (200 * CH_NS_PER_MS) /* TCP_RTO_MIN */
#define RTO_MAX_NS (120 * CH_NS_PER_S)  /* TCP_RTO_MAX */
#define DOUBLINGS  9                    /* ilog2(RTO_MAX / RTO_MIN) */

static uint32_t retries2 = 15;

static void read_retries2(void)
{
    FILE *file = fopen("/proc/sys/net/ipv4/tcp_retries2", "re");
    unsigned value;

    if (!file)
        return;
    if (fscanf(file, "%u", &value) == 1 && value > 0 && value < 256) // NOLINT
        retries2 = value;
    fclose(file);
}

uint32_t ch_trouble_retries2(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, read_retries2);
    return retries2;
}

/* tcp_model_timeout() in net/ipv4/tcp_timer.c: the time from the first
 * retransmission until so many have been in vain. */
static int64_t time_to_give_up(uint32_t retries)
{
    if (retries <= DOUBLINGS)
        return ((INT64_C(2) << retries) - 1) * RTO_MIN_NS;
    return ((INT64_C(2) << DOUBLINGS) - 1) * RTO_MIN_NS + (retries - DOUBLINGS) * RTO_MAX_NS;
}

static int64_t at_least_zero(int64_t ns)
{
    return ns > 0 ? ns : 0;
}

static struct ch_trouble_report retransmitting(const struct ch_tcp_facts *tcp,
                                               const struct ch_trouble_setting *setting,
                                               int64_t silent_ns)
{
    int64_t limit = setting->user_timeout_ns > 0 ? setting->user_timeout_ns
                                                 : time_to_give_up(setting->retries2);
    int64_t elapsed = (int64_t)tcp->last_data_sent_ms * CH_NS_PER_MS;

    /* last_data_sent is refreshed by each retransmission; the silence of the
     * peer since the first is the better clock once there was more than one. */
    if (silent_ns > elapsed)
        elapsed = silent_ns;
    return (struct ch_trouble_report){
        .trouble = CH_TROUBLE_RETRANSMITTING,
        .stage = tcp->retransmits,
        .until_give_up = at_least_zero(limit - elapsed),
        .silent_ns = silent_ns,
    };
}

static struct ch_trouble_report keepalive_unanswered(const struct ch_tcp_facts *tcp,
                                                     const struct ch_trouble_setting *setting,
                                                     int64_t silent_ns)
{
    int64_t left = setting->keepalive_count > tcp->probes
                       ? (setting->keepalive_count - tcp->probes) * setting->keepalive_interval_ns
                       : 0;

    return (struct ch_trouble_report){
        .trouble = CH_TROUBLE_KEEPALIVE_UNANSWERED,
        .stage = tcp->probes,
        .until_give_up = setting->user_timeout_ns > 0
                             ? at_least_zero(setting->user_timeout_ns - silent_ns)
                             : left,
        .silent_ns = silent_ns,
    };
}

struct ch_trouble_report ch_trouble_of(const struct ch_tcp_facts *tcp,
                                       const struct ch_trouble_setting *setting)
{
    int64_t silent_ns = ch_sight_silence(tcp, setting->age_ns);
    struct ch_trouble_report report = {.until_give_up = -1, .silent_ns = silent_ns};

    if (tcp->retransmits > 0)
        return retransmitting(tcp, setting, silent_ns);
    if (tcp->has_snd_wnd && tcp->snd_wnd == 0 && (tcp->notsent_bytes > 0 || tcp->unacked > 0)) {
        report.trouble = CH_TROUBLE_ZERO_WINDOW;
        report.stage = tcp->backoff;
        return report;
    }
    if (tcp->probes > 0 && tcp->unacked == 0 && tcp->notsent_bytes == 0 &&
        setting->keepalive_count > 0)
        return keepalive_unanswered(tcp, setting, silent_ns);
    if (setting->request_acked_at > 0 && tcp->bytes_acked >= setting->request_acked_at)
        report.trouble = CH_TROUBLE_REPLY_OVERDUE;
    return report;
}
