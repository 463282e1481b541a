/* SPDX-License-Identifier: Apache-2.0 */
#include "changes.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct ch_changes {
    pthread_mutex_t lock; /* held to link or to take the list, nothing longer */
    struct ch_change *first, **end;
    size_t count;
    uint64_t dropped;
    int fd;
};

int ch_changes_new(struct ch_changes **ret)
{
    struct ch_changes *changes = calloc(1, sizeof(*changes));
    int r;

    if (!changes)
        return -ENOMEM;
    changes->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (changes->fd < 0) {
        r = -errno;
        free(changes);
        return r;
    }
    pthread_mutex_init(&changes->lock, NULL);
    changes->end = &changes->first;
    *ret = changes;
    return 0;
}

struct ch_changes *ch_changes_free(struct ch_changes *changes)
{
    if (!changes)
        return NULL;
    for (struct ch_change *change = changes->first, *next; change; change = next) {
        next = change->next;
        free(change);
    }
    close(changes->fd);
    pthread_mutex_destroy(&changes->lock);
    free(changes);
    return NULL;
}

int ch_changes_fd(const struct ch_changes *changes)
{
    return changes->fd;
}

static void announce(int fd)
{
    uint64_t one = 1;
    ssize_t written = write(fd, &one, sizeof(one)); /* EAGAIN: it is readable already */

    (void)written;
}

void ch_changes_add(struct ch_changes *changes, const struct ch_event *event,
                    enum ch_probe_kind kind)
{
    struct ch_change *change = malloc(sizeof(*change));
    bool room, first;

    if (change)
        *change = (struct ch_change){.kind = kind, .event = *event};
    pthread_mutex_lock(&changes->lock);
    room = change && changes->count < CH_CHANGES_MAX;
    first = changes->count == 0;
    if (room) {
        *changes->end = change;
        changes->end = &change->next;
        changes->count++;
    } else {
        changes->dropped++;
    }
    pthread_mutex_unlock(&changes->lock);
    if (!room)
        free(change);
    if (first)
        announce(changes->fd);
}

struct ch_change *ch_changes_take(struct ch_changes *changes, uint64_t *ret_dropped)
{
    struct ch_change *first;
    uint64_t value;
    ssize_t n = read(changes->fd, &value, sizeof(value)); /* EAGAIN: nothing new */

    (void)n;
    pthread_mutex_lock(&changes->lock);
    first = changes->first;
    changes->first = NULL;
    changes->end = &changes->first;
    changes->count = 0;
    *ret_dropped = changes->dropped;
    changes->dropped = 0;
    pthread_mutex_unlock(&changes->lock);
    return first;
}
