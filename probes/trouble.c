/* SPDX-License-Identifier: Apache-2.0 */
#include "trouble.h"

#include <pthread.h>
#include <stdio.h>

#include "connhealth/clock.h"
#include "sight.h"

#define RTO_MIN_NS (200 * CH_NS_PER_MS) /* TCP_RTO_MIN */
#define RTO_MAX_MS 120000               /* TCP_RTO_MAX_SEC */

static struct {
    pthread_once_t once;
    uint32_t retries2;
    uint32_t rto_max_ms;
} settings = {PTHREAD_ONCE_INIT, 15, RTO_MAX_MS};

static void read_setting(const char *path, uint32_t most, uint32_t *setting)
{
    FILE *file = fopen(path, "re");
    unsigned value;

    if (!file)
        return;
    if (fscanf(file, "%u", &value) == 1 && value > 0 && value <= most) // NOLINT
        *setting = value;
    fclose(file);
}

static void read_settings(void)
{
    read_setting("/proc/sys/net/ipv4/tcp_retries2", 255, &settings.retries2);
    read_setting("/proc/sys/net/ipv4/tcp_rto_max_ms", RTO_MAX_MS, &settings.rto_max_ms);
}

uint32_t ch_trouble_retries2(void)
{
    pthread_once(&settings.once, read_settings);
    return settings.retries2;
}

int64_t ch_trouble_rto_max_ns(void)
{
    pthread_once(&settings.once, read_settings);
    return settings.rto_max_ms * CH_NS_PER_MS;
}

/* tcp_model_timeout() in net/ipv4/tcp_timer.c: the time from the first
 * retransmission until so many have been in vain. */
static int64_t time_to_give_up(uint32_t retries, int64_t rto_max_ns)
{
    uint32_t doublings = 0;

    while (doublings < retries && RTO_MIN_NS << (doublings + 1) <= rto_max_ns)
        doublings++;
    return ((INT64_C(2) << doublings) - 1) * RTO_MIN_NS + (retries - doublings) * rto_max_ns;
}

static int64_t at_least_zero(int64_t ns)
{
    return ns > 0 ? ns : 0;
}

static struct ch_trouble_report retransmitting(const struct ch_tcp_facts *tcp,
                                               const struct ch_trouble_setting *setting,
                                               int64_t silent_ns)
{
    int64_t limit = setting->user_timeout_ns > 0
                        ? setting->user_timeout_ns
                        : time_to_give_up(setting->retries2, setting->rto_max_ns);
    /* last_data_sent is refreshed by each retransmission; what counts is the
     * silence since the request, however long the line was idle before. */
    int64_t elapsed = silent_ns < setting->waiting_ns ? silent_ns : setting->waiting_ns;

    return (struct ch_trouble_report){
        .trouble = CH_TROUBLE_RETRANSMITTING,
        .stage = tcp->retransmits,
        .until_give_up = at_least_zero(limit + RTO_MIN_NS - elapsed),
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
