/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories whose files are watched, by inotify(7), through what happens to
 * such directories: they come late, go and come back, and links are swapped, in
 * them (as Kubernetes does with its ..data) and for them.
 *
 * A reading names all directories between begin and end; those that it names no
 * more are forgotten. Main thread only.
 */
#ifndef CH_ENGINE_WATCHES_H
#define CH_ENGINE_WATCHES_H

#include <stdbool.h>

struct ch_watches;

int ch_watches_new(struct ch_watches **ret);
struct ch_watches *ch_watches_free(struct ch_watches *watches); /* takes NULL, returns NULL */

/* Readable when something happened. */
int ch_watches_fd(const struct ch_watches *watches);
/* Empties it. True if a target file may have changed, come or gone. */
bool ch_watches_changed(struct ch_watches *watches);

void ch_watches_begin(struct ch_watches *watches);
/* Before the directory is read, or what changes in between is missed. Without a
 * watch (a log line says so) only the next reading finds the change. */
void ch_watches_directory(struct ch_watches *watches, const char *directory);
void ch_watches_end(struct ch_watches *watches);

#endif
