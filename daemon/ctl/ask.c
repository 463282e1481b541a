/* SPDX-License-Identifier: Apache-2.0 */
#include "ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connhealth/clock.h"
#include "connhealth/text.h"
#include "exit_status.h"
#include "json_read.h"

#define TIMEOUT_NS (30 * CH_NS_PER_S)

bool ctl_daemon_flag(struct ctl_args *args, struct ctl_daemon *daemon, struct ctl_common *common)
{
    if (strcmp(args->name, "address") == 0)
        return ctl_args_value(args, &daemon->address);
    return ctl_args_common(args, common);
}

/* The API says what is wrong as {"error": "…"}. */
static void refuse_status(const struct ctl_args *args, const char *address,
                          const struct ctl_fetched *fetched)
{
    struct cJSON *object = json_read(fetched->body, fetched->len);
    const char *error = json_get_text(object, "error");
    char quoted[CH_QUOTED_TEXT];

    if (!*error)
        error = fetched->body;
    ctl_refuse(args, "%s: answers with status %u: %s", address, fetched->status,
               ch_text_quote(error, strcspn(error, "\n"), quoted));
    json_read_free(object);
}

int ctl_answer_refuse(const struct ctl_args *args, int r)
{
    ctl_refuse(args, "%s",
               r == -EBADMSG ? "the daemon's answer is not what its API promises"
                             : strerror(-r)); // NOLINT
    return EXIT_RUNTIME;
}

int ctl_ask(const struct ctl_args *args, const struct ctl_daemon *daemon, const char *resource,
            char **ret_body, size_t *ret_len)
{
    const char *address = daemon->address ? daemon->address : CTL_DEFAULT_ADDRESS;
    struct ctl_fetched fetched = {.body = NULL};
    char path[1024], reason[CTL_REASON];
    int status;

    snprintf(path, sizeof(path), "/api/v1/%s", resource);
    status = ctl_fetch(
        &(struct ctl_fetch){
            .address = address, .method = "GET", .path = path, .timeout_ns = TIMEOUT_NS},
        &fetched, reason);
    if (status != EXIT_FINE) {
        ctl_refuse(args, "%s", reason);
        return status;
    }
    if (fetched.status != 200) {
        refuse_status(args, address, &fetched);
        free(fetched.body);
        return EXIT_RUNTIME;
    }
    *ret_body = fetched.body;
    *ret_len = fetched.len;
    return EXIT_FINE;
}
