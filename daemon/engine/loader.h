/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From files to a running generation: loads, hands over to the prober,
 * publishes. A bad configuration changes nothing but the reload's result.
 * Main thread only.
 */
#ifndef CH_ENGINE_LOADER_H
#define CH_ENGINE_LOADER_H

#include "prober.h"
#include "state.h"

struct ch_loader;

/* path is borrowed. */
int ch_loader_new(const char *path, struct ch_state *state, struct ch_prober_thread *prober,
                  struct ch_loader **ret);
struct ch_loader *ch_loader_free(struct ch_loader *loader);

/* Reads the configuration and its target files. 0; -EINVAL when the
 * configuration was bad (the old one goes on; ch_state_reload_errors() tells);
 * another negative errno, with the responder's address that could not be
 * listened on in *ret_failed if it was that. */
int ch_loader_load(struct ch_loader *loader, struct ch_addr *ret_failed);
/* Reads the target files again, under the configuration that runs. */
int ch_loader_rediscover(struct ch_loader *loader);

/* The descriptor of changes in target files, and whether they ask for a
 * rediscovery; how often to do it anyway (0: never). */
int ch_loader_fd(const struct ch_loader *loader);
bool ch_loader_changed(struct ch_loader *loader);
int64_t ch_loader_refresh_ns(const struct ch_loader *loader);

/* The configuration that runs; NULL before the first. Borrowed. */
const struct ch_config *ch_loader_config(const struct ch_loader *loader);

#endif
