/* SPDX-License-Identifier: Apache-2.0 */
/* The collector made, started, given settings and ended. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "collector.h"
#include "snapshot.h"

static void wake(struct ch_sockets *sockets)
{
    uint64_t one = 1;

    /* Can only fail when it is full, and then it is awake. */
    (void)!write(sockets->wake_fd, &one, sizeof(one));
}

int ch_sockets_new(const struct ch_sockets_settings *settings, struct ch_sockets **ret)
{
    struct ch_sockets *sockets = calloc(1, sizeof(*sockets));
    int r = -ENOMEM;

    if (!sockets)
        return -ENOMEM;
    pthread_mutex_init(&sockets->lock, NULL);
    sockets->dump.fd = sockets->ends.fd = -1;
    sockets->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (sockets->wake_fd < 0)
        r = -errno;
    else
        sockets->next = ch_sockets_settings_copy(settings);
    if (!sockets->next) {
        ch_sockets_free(sockets);
        return r;
    }
    *ret = sockets;
    return 0;
}

int ch_sockets_start(struct ch_sockets *sockets)
{
    sigset_t all, old;
    int r;

    /* Signals are for the main thread. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    r = pthread_create(&sockets->thread, NULL, ch_collector_run, sockets);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (r != 0)
        return -r;
    sockets->started = true;
    (void)pthread_setname_np(sockets->thread, "sockets");
    return 0;
}

int ch_sockets_apply(struct ch_sockets *sockets, const struct ch_sockets_settings *settings)
{
    struct ch_sockets_settings *copy = ch_sockets_settings_copy(settings);

    if (!copy)
        return -ENOMEM;
    free(ch_collector_swap_next(sockets, copy));
    wake(sockets);
    return 0;
}

static void end_thread(struct ch_sockets *sockets)
{
    if (!sockets->started)
        return;
    atomic_store_explicit(&sockets->stop, true, memory_order_release);
    wake(sockets);
    pthread_join(sockets->thread, NULL);
    sockets->started = false;
}

void ch_sockets_resume(struct ch_sockets *sockets, struct ch_sockets_snapshot *before)
{
    ch_sockets_snapshot_unref(sockets->before);
    sockets->before = ch_sockets_snapshot_ref(before);
}

struct ch_sockets_snapshot *ch_sockets_stop(struct ch_sockets *sockets)
{
    if (!sockets)
        return NULL;
    end_thread(sockets);
    if (sockets->tally_made)
        ch_collector_sweep(sockets);
    /* What was never taken up goes on to the next process. */
    return sockets->before ? ch_sockets_snapshot_ref(sockets->before)
                           : ch_sockets_snapshot(sockets);
}

struct ch_sockets *ch_sockets_free(struct ch_sockets *sockets)
{
    if (!sockets)
        return NULL;
    end_thread(sockets);
    ch_collector_switch_off(sockets);
    ch_sockets_snapshot_unref(sockets->before);
    if (sockets->wake_fd >= 0)
        close(sockets->wake_fd);
    free(sockets->settings);
    free(sockets->next);
    pthread_mutex_destroy(&sockets->lock);
    free(sockets);
    return NULL;
}
