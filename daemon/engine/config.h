/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration, parsed and validated: a plain tree that owns all it points
 * to, immutable once loaded. The parser never stops at the first error; it
 * collects them all, each with its place.
 *
 * Separate from what runs: nothing here is started, opened or counted.
 */
#ifndef CH_ENGINE_CONFIG_H
#define CH_ENGINE_CONFIG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "connhealth/address.h"
#include "connhealth/option.h"
#include "connhealth/probe.h"

struct ch_label {
    char *name;
    char *value;
};

struct ch_labels {
    struct ch_label *items; /* sorted by name, unique */
    size_t count;
};

/* targets + labels: one entry of static_configs or of a file_sd file */
struct ch_target_list {
    char **targets;
    size_t count;
    struct ch_labels labels;
};

struct ch_file_sd {
    char **patterns; /* absolute paths, glob(7) in the last component only */
    size_t count;
    int64_t refresh_ns;
};

/* One probe of a group, with the defaults applied. Immutable; counted, because a
 * connection that outlives a reload goes on with the options it was made with. */
struct ch_probe_settings {
    atomic_uint refs;
    const struct ch_probe_ops *ops;
    int64_t interval_ns;
    int64_t timeout_ns;
    void *options; /* ops->options_size bytes */
};

struct ch_probe_settings *ch_probe_settings_new(const struct ch_probe_ops *ops);
struct ch_probe_settings *ch_probe_settings_ref(struct ch_probe_settings *settings);
/* Takes NULL, returns NULL. */
struct ch_probe_settings *ch_probe_settings_unref(struct ch_probe_settings *settings);

struct ch_group {
    char *name;
    enum ch_transport transport;
    bool confirm; /* the confirming connect; default true */
    struct ch_probe_settings *probes[CH_PROBE_KIND_COUNT]; /* NULL: not asked for */
    struct ch_target_list *static_configs;
    size_t static_config_count;
    struct ch_file_sd *file_sd_configs;
    size_t file_sd_config_count;
};

struct ch_peer_net {
    struct ch_addr address;
    uint8_t prefix;
};

/* sockets.peers: a name for destinations by network and port */
struct ch_peer_group {
    char *name;
    struct ch_peer_net *networks;
    size_t network_count;
    uint16_t *ports; /* count 0: any */
    size_t port_count;
};

/* Counted: the generations made of one configuration, as target files come and
 * go, share it. */
struct ch_config {
    atomic_uint refs; /* 1 when loaded */
    char *path;       /* of the main file, absolute */
    struct {
        int64_t interval_ns; /* default 15s */
        int64_t timeout_ns;  /* default 3s */
    } global;
    struct ch_group *groups;
    size_t group_count;
    struct {
        struct ch_addr *listen; /* none: no responder */
        size_t listen_count;
        uint32_t max_connections;             /* default 1024 */
        uint32_t max_connections_per_address; /* default 64 */
        int64_t idle_timeout_ns;              /* default 5m */
    } responder;
    struct {
        bool enabled;        /* default true */
        int64_t interval_ns; /* default 15s */
        bool units;          /* default true */
        uint32_t unit_limit; /* default 200 */
        bool listeners;      /* default true */
        struct ch_peer_group *peers;
        size_t peer_count;
    } sockets;
    struct {
        bool expose_socket_details; /* default false */
    } web;
};

/* Every error found, one line each, ready to print:
 * FILE:LINE:COLUMN: KEY.PATH: what is wrong and what would be right */
struct ch_config_errors {
    char **lines;
    size_t count;
};
void ch_config_errors_clear(struct ch_config_errors *errors);

/* Reads path and its conf.d/ *.yml neighbours (includes). 0 and *ret; -EINVAL
 * with errors filled (also for a file that cannot be read: the line says why);
 * -ENOMEM. */
int ch_config_load(const char *path, struct ch_config **ret, struct ch_config_errors *errors);
/* The same from memory, without includes; path is used in messages and as the
 * base of relative paths. The fuzzer's entry. */
int ch_config_parse(const char *text, size_t len, const char *path, struct ch_config **ret,
                    struct ch_config_errors *errors);
struct ch_config *ch_config_ref(struct ch_config *config);
/* Gives one reference back; the last one frees. Takes NULL, returns NULL. */
struct ch_config *ch_config_free(struct ch_config *config);

/* One file_sd file, JSON (.json) or YAML (.yml, .yaml) by its name; checks
 * addresses and labels as in the main file. The array is the caller's. */
int ch_target_file_load(const char *path, struct ch_target_list **ret_lists, size_t *ret_count,
                        struct ch_config_errors *errors);
int ch_target_file_parse(const char *text, size_t len, const char *path,
                         struct ch_target_list **ret_lists, size_t *ret_count,
                         struct ch_config_errors *errors);
struct ch_target_list *ch_target_lists_free(struct ch_target_list *lists, size_t count);

/* The effective configuration as YAML with every default written out, secrets
 * as <secret>; a malloc'd string, NULL when out of memory. It parses again to
 * an equal configuration where it holds no secret. */
char *ch_config_format(const struct ch_config *config);

#endif
