/* SPDX-License-Identifier: Apache-2.0 */
/* Counters that another process is said to have kept: as they came, and as they
 * would be with the right first and last line. What was read is written again and
 * must be the same to the next reader. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "kept.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char configuration[] = "groups:\n- name: g\n  connect: {}\n  keepalive: {}\n"
                                    "  static_configs:\n  - targets: [\"a:1\", \"b:2\"]\n";

static void must(bool holds)
{
    if (!holds)
        abort();
}

struct counted {
    struct ch_kept kept;
    struct ch_responder_counters responder;
    struct ch_loop_lag lag;
};

static void begin(struct counted *counted)
{
    struct ch_config_errors errors = {0};
    struct ch_config *config = NULL;

    memset(counted, 0, sizeof(*counted));
    counted->kept.responder = &counted->responder;
    counted->kept.loop_lag = &counted->lag;
    counted->kept.sockets = ch_sockets_snapshot_empty();
    must(counted->kept.sockets != NULL);
    must(ch_config_parse(configuration, sizeof(configuration) - 1, "f.yml", &config, &errors) == 0);
    must(ch_generation_new(&config, NULL, NULL, &counted->kept.generation) == 0);
}

static void end(struct counted *counted)
{
    ch_generation_unref(counted->kept.generation);
    ch_sockets_snapshot_unref(counted->kept.sockets);
}

static void fuzz(const char *text, size_t size)
{
    struct counted once, twice;
    size_t series, written_size, again_size;
    const char *reason;
    char *written, *again;
    int r;

    begin(&once);
    begin(&twice);
    r = ch_kept_read(&once.kept, text, size, &series, &reason);
    must(r == 0 ? !reason : (r == -EINVAL && reason));
    written = ch_kept_write(&once.kept, &written_size);
    must(written && ch_kept_read(&twice.kept, written, written_size, &series, &reason) == 0);
    must(series == once.kept.generation->series_count);
    again = ch_kept_write(&twice.kept, &again_size);
    /* rows of causes are found in the opposite order: as long, then */
    must(again && again_size == written_size);
    free(written);
    free(again);
    end(&once);
    end(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char first[] = "connhealth-counters 1\n";
    char *text = malloc(size + sizeof(first) + 32);
    size_t len = sizeof(first) - 1;

    must(text != NULL);
    if (size > 0)
        fuzz((const char *)data, size);
    memcpy(text, first, len);
    memcpy(text + len, data, size);
    len += size;
    len += (size_t)sprintf(text + len, "[end] %016" PRIx64 "\n", ch_kept_checksum(text, len));
    fuzz(text, len);
    free(text);
    return 0;
}
