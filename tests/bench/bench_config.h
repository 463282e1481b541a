/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration of many targets, made as a user's is: from its text. */
#ifndef CH_BENCH_CONFIG_H
#define CH_BENCH_CONFIG_H

#include "bench.h"
#include "config.h"

static inline void bench_check(int r, const char *what)
{
    if (r < 0) {
        fprintf(stderr, "%s: %s\n", what, strerror(-r)); // NOLINT(concurrency-mt-unsafe)
        exit(1);
    }
}

/* probe: one line of YAML, such as "connect: {}". */
static inline struct ch_config *bench_config(const char *probe, uint16_t port, uint32_t targets)
{
    struct ch_config_errors errors = {0};
    struct ch_config *config = NULL;
    size_t size = 512 + targets * sizeof("\"127.255.255.255:65535\", "), len;
    char *text = malloc(size);
    int r;

    if (!text)
        bench_die("malloc");
    len = (size_t)snprintf(text, size,
                           "sockets: {enabled: false}\ngroups: [{name: bench, interval: 3s, %s, "
                           "static_configs: [{labels: {team: storage}, targets: [",
                           probe);
    for (uint32_t i = 0; i < targets; i++) {
        struct sockaddr_in target = bench_target(port, i);
        char address[INET_ADDRSTRLEN];

        inet_ntop(AF_INET, &target.sin_addr, address, sizeof(address));
        len += (size_t)snprintf(text + len, size - len, "\"%s:%u\", ", address, port);
    }
    len += (size_t)snprintf(text + len, size - len, "]}]}]\n");
    r = ch_config_parse(text, len, "bench.yml", &config, &errors);
    for (size_t i = 0; i < errors.count; i++)
        fprintf(stderr, "%s\n", errors.lines[i]);
    bench_check(r, "configuration");
    free(text);
    return config;
}

#endif
