/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A body that is made while it is read, so that memory stays bounded however
 * long it gets. One reader at a time.
 *
 * A kind embeds struct ch_stream as its first member and gives the two
 * operations; readers use the three functions below.
 */
#ifndef CH_SURFACE_STREAM_H
#define CH_SURFACE_STREAM_H

#include <sys/types.h>

#include "text.h"

/* A producer stops adding to a chunk once it is this long. */
#define CH_STREAM_CHUNK ((size_t)64 * 1024)

struct ch_stream;

struct ch_stream_ops {
    /* Appends what comes next: 1 and more will follow, 0 when that was all, or
     * a negative errno. Not called again after 0 or an error. */
    int (*produce)(struct ch_stream *stream, struct ch_text *out);
    /* Frees everything, the stream itself included. */
    void (*release)(struct ch_stream *stream);
};

struct ch_stream {
    const struct ch_stream_ops *ops;
    struct ch_text chunk;
    size_t taken; /* bytes of chunk that were read */
    int more;     /* the last answer of produce; 1 at first */
};

static inline void ch_stream_init(struct ch_stream *stream, const struct ch_stream_ops *ops)
{
    *stream = (struct ch_stream){.ops = ops, .more = 1};
}

/* What is ready next, in place, valid until the next call: its length, 0 at the
 * end, or a negative errno. ch_stream_take() says how much of it was used. */
ssize_t ch_stream_peek(struct ch_stream *stream, const char **ret);
void ch_stream_take(struct ch_stream *stream, size_t len);

/* Like read(2): at most size bytes, 0 at the end, or a negative errno. */
ssize_t ch_stream_read(struct ch_stream *stream, void *buffer, size_t size);

/* A stream of what text holds; takes the data over and leaves text empty. 0, or
 * -ENOMEM with text untouched. */
int ch_text_stream_open(struct ch_text *text, struct ch_stream **ret);
struct ch_stream *ch_stream_free(struct ch_stream *stream); /* takes NULL, returns NULL */

#endif
