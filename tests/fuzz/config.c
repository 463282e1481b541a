/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a configuration: refused with reasons, each one line, or loaded;
 * and what loads is shown as a text that loads again to the same.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_errors(struct ch_config_errors *errors)
{
    if (errors->count == 0)
        abort();
    for (size_t i = 0; i < errors->count; i++) {
        if (strncmp(errors->lines[i], "fuzz.yml:", 9) != 0)
            abort();
        for (const char *at = errors->lines[i]; *at; at++) {
            if ((unsigned char)*at < ' ' || *at == 0x7f)
                abort();
        }
    }
    ch_config_errors_clear(errors);
}

static void check_format(struct ch_config *config)
{
    struct ch_config_errors errors = {0};
    struct ch_config *again = NULL;
    char *text = ch_config_format(config), *text_again;

    if (!text)
        abort();
    if (!strstr(text, CH_SECRET_SHOWN)) {
        if (ch_config_parse(text, strlen(text), "fuzz.yml", &again, &errors) != 0)
            abort();
        text_again = ch_config_format(again);
        if (!text_again || strcmp(text, text_again) != 0)
            abort();
        free(text_again);
        ch_config_free(again);
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ch_config_errors errors = {0};
    struct ch_config *config = NULL;
    int r = ch_config_parse((const char *)data, size, "fuzz.yml", &config, &errors);

    if (r == 0) {
        check_format(config);
        ch_config_free(config);
    } else if (r == -EINVAL) {
        check_errors(&errors);
    } else {
        abort();
    }
    return 0;
}
