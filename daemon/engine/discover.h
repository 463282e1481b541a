/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file_sd files of a configuration: what they hold, and when they change.
 * A file that turned bad keeps its last good targets; one that is gone has none.
 * Main thread only.
 */
#ifndef CH_ENGINE_DISCOVER_H
#define CH_ENGINE_DISCOVER_H

#include "generation.h"

struct ch_discovery;

int ch_discovery_new(struct ch_discovery **ret);
struct ch_discovery *ch_discovery_free(struct ch_discovery *discovery);

/* Readable when a watched directory changed. */
int ch_discovery_fd(const struct ch_discovery *discovery);
/* Empties it. True if a file that matters may have changed. */
bool ch_discovery_changed(struct ch_discovery *discovery);

/* Reads every file of config's groups and watches their directories. *ret has
 * one entry a group and is valid until the next call. Errors of files are added
 * to errors; they are no failure. 0 or -ENOMEM. */
int ch_discovery_read(struct ch_discovery *discovery, const struct ch_config *config,
                      struct ch_config_errors *errors, const struct ch_group_targets **ret);

/* The shortest refresh interval of config, 0 if it has no file_sd. */
int64_t ch_discovery_refresh(const struct ch_config *config);

#endif
