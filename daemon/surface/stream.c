/* SPDX-License-Identifier: Apache-2.0 */
#include "stream.h"

#include <errno.h>
#include <stdlib.h>

ssize_t ch_stream_peek(struct ch_stream *stream, const char **ret)
{
    struct ch_text *chunk = &stream->chunk;

    while (stream->taken == chunk->len) {
        if (stream->more <= 0)
            return stream->more;
        chunk->len = stream->taken = 0;
        stream->more = stream->ops->produce(stream, chunk);
        if (chunk->failed)
            stream->more = -ENOMEM;
        if (stream->more < 0)
            return stream->more;
    }
    *ret = chunk->data + stream->taken;
    return (ssize_t)(chunk->len - stream->taken);
}

void ch_stream_take(struct ch_stream *stream, size_t len)
{
    stream->taken += len;
}

ssize_t ch_stream_read(struct ch_stream *stream, void *buffer, size_t size)
{
    size_t done = 0;

    while (done < size) {
        const char *data;
        ssize_t ready = ch_stream_peek(stream, &data);
        size_t step;

        if (ready < 0)
            return ready;
        if (ready == 0)
            break;
        step = (size_t)ready < size - done ? (size_t)ready : size - done;
        memcpy((char *)buffer + done, data, step);
        ch_stream_take(stream, step);
        done += step;
    }
    return (ssize_t)done;
}

struct ch_stream *ch_stream_free(struct ch_stream *stream)
{
    if (stream) {
        ch_text_free(&stream->chunk);
        stream->ops->release(stream);
    }
    return NULL;
}

static int produce_text(struct ch_stream *stream, struct ch_text *out)
{
    (void)stream;
    (void)out;
    return 0;
}

static void release_text(struct ch_stream *stream)
{
    free(stream);
}

int ch_text_stream_open(struct ch_text *text, struct ch_stream **ret)
{
    static const struct ch_stream_ops ops = {.produce = produce_text, .release = release_text};
    struct ch_stream *stream = malloc(sizeof(*stream));

    if (!stream)
        return -ENOMEM;
    ch_stream_init(stream, &ops);
    stream->chunk = *text; /* read as the first chunk */
    *text = (struct ch_text){.data = NULL};
    *ret = stream;
    return 0;
}
