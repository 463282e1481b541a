/* SPDX-License-Identifier: Apache-2.0 */
#include "gzip.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

#define OUT_STEP ((size_t)16 * 1024)

struct gzip_stream {
    struct ch_stream stream;
    struct ch_stream *inner;
    z_stream deflater;
};

/* One call of deflate() on what is there; Z_FINISH ends the body. */
static int squeeze(struct gzip_stream *gzip, struct ch_text *out, int flush)
{
    int r;

    if (!ch_text_reserve(out, OUT_STEP))
        return Z_MEM_ERROR;
    gzip->deflater.next_out = (Bytef *)out->data + out->len;
    gzip->deflater.avail_out = (uInt)OUT_STEP;
    r = deflate(&gzip->deflater, flush);
    out->len += OUT_STEP - gzip->deflater.avail_out;
    return r;
}

static int produce(struct ch_stream *stream, struct ch_text *out)
{
    struct gzip_stream *gzip = (struct gzip_stream *)stream;
    const char *data;

    while (out->len < CH_STREAM_CHUNK) {
        ssize_t ready = ch_stream_peek(gzip->inner, &data);
        int r;

        if (ready < 0)
            return (int)ready;
        gzip->deflater.next_in = (Bytef *)data;
        gzip->deflater.avail_in = (uInt)ready;
        r = squeeze(gzip, out, ready > 0 ? Z_NO_FLUSH : Z_FINISH);
        ch_stream_take(gzip->inner, (size_t)ready - gzip->deflater.avail_in);
        if (r == Z_STREAM_END)
            return 0;
        if (r != Z_OK)
            return r == Z_MEM_ERROR ? -ENOMEM : -EIO;
    }
    return 1;
}

static void release(struct ch_stream *stream)
{
    struct gzip_stream *gzip = (struct gzip_stream *)stream;

    deflateEnd(&gzip->deflater);
    ch_stream_free(gzip->inner);
    free(gzip);
}

int ch_gzip_open(struct ch_stream **inner, struct ch_stream **ret)
{
    static const struct ch_stream_ops ops = {.produce = produce, .release = release};
    struct gzip_stream *gzip = calloc(1, sizeof(*gzip));

    if (!gzip)
        return -ENOMEM;
    ch_stream_init(&gzip->stream, &ops);
    /* 16 more than the window's bits asks for gzip's header (zlib.h) */
    if (deflateInit2(&gzip->deflater, 1, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) !=
        Z_OK) {
        free(gzip);
        return -ENOMEM;
    }
    gzip->inner = *inner;
    *inner = NULL;
    *ret = &gzip->stream;
    return 0;
}
