/* SPDX-License-Identifier: Apache-2.0 */
/*
 * render TARGETS ROUNDS: how fast /metrics is put together, in samples a second
 * of one processor; beside it the floor, a copy of the same finished lines one by
 * one.
 */
#include "bench_config.h"
#include "generation.h"
#include "metrics.h"
#include "state.h"

static int64_t thread_ns(void)
{
    return ch_clock_read(CLOCK_THREAD_CPUTIME_ID);
}

/* An hour of a probe's life, no two alike. */
static void live(struct ch_record *record, uint32_t seed)
{
    int64_t now = ch_clock_realtime();

    for (uint32_t i = 0; i < 240; i++) {
        struct ch_attempt attempt = {
            .time_ns = now - (240 - i) * 15 * CH_NS_PER_S + seed,
            .evidence = {.duration_ns = 80000 + (seed * 7919 + i * 104729) % 900000,
                         .tcp.rtt_us = 60 + (seed + i) % 800},
            .outcome = {.success = 1},
        };

        ch_record_attempt(record, &attempt);
    }
}

struct body {
    char *text;
    size_t len;
    uint64_t samples;
};

static void keep(struct body *body, const char *data, size_t len)
{
    char *grown = realloc(body->text, body->len + len);

    if (!grown)
        bench_die("realloc");
    body->text = grown;
    memcpy(body->text + body->len, data, len);
    body->len += len;
}

static size_t render(const struct ch_metrics *metrics, struct body *body)
{
    struct ch_stream *stream;
    const char *data;
    ssize_t len;
    size_t total = 0;

    bench_check(ch_metrics_open(metrics, CH_METRICS_TEXT, &stream), "stream");
    while ((len = ch_stream_peek(stream, &data)) > 0) {
        if (body)
            keep(body, data, (size_t)len);
        ch_stream_take(stream, (size_t)len);
        total += (size_t)len;
    }
    bench_check((int)len, "rendering");
    ch_stream_free(stream);
    return total;
}

static void count_samples(struct body *body)
{
    for (const char *line = body->text; line < body->text + body->len;
         line = strchr(line, '\n') + 1)
        body->samples += *line != '#';
}

/* The lines into chunks of the stream's size, over and over the same chunk. */
static void copy_lines(const struct body *body, char *chunk)
{
    const char *line = body->text, *end = body->text + body->len;
    size_t used = 0;

    while (line < end) {
        size_t len = (size_t)((const char *)memchr(line, '\n', (size_t)(end - line)) - line) + 1;

        memcpy(chunk + used, line, len);
        used = used + len < CH_STREAM_CHUNK ? used + len : 0;
        line += len;
        __asm__ volatile("" ::"r"(chunk) : "memory"); /* the copies must not be optimised away */
    }
}

int main(int argc, char **argv)
{
    struct ch_generation *generation;
    struct ch_state state;
    struct ch_metrics metrics = {.state = &state};
    struct ch_config *config;
    struct body body = {0};
    int64_t begin, ours = 0, floor = 0;
    static char chunk[2 * CH_STREAM_CHUNK];
    double samples;

    if (argc != 3) {
        fprintf(stderr, "usage: render TARGETS ROUNDS\n");
        return 2;
    }
    config = bench_config("connect: {}", 6379, (uint32_t)bench_number(argv[1]));
    bench_check(ch_generation_new(&config, NULL, NULL, &generation), "generation");
    bench_check(ch_state_init(&state), "state");
    for (uint32_t i = 0; i < generation->series_count; i++)
        live(generation->series[i].record, i);
    ch_state_publish(&state, generation);
    render(&metrics, &body);
    keep(&body, "", 1);
    body.len--;
    count_samples(&body);
    samples = (double)body.samples * (double)bench_number(argv[2]);
    for (unsigned long i = bench_number(argv[2]); i > 0; i--) {
        begin = thread_ns();
        render(&metrics, NULL);
        ours += thread_ns() - begin;
        begin = thread_ns();
        copy_lines(&body, chunk);
        floor += thread_ns() - begin;
    }
    printf("{\"samples\": %" PRIu64 ", \"bytes\": %zu, \"ours_per_second\": %.0f, "
           "\"floor_per_second\": %.0f}\n",
           body.samples, body.len, samples * 1e9 / (double)ours, samples * 1e9 / (double)floor);
    free(body.text);
    ch_state_clear(&state);
    return 0;
}
