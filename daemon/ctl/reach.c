/* SPDX-License-Identifier: Apache-2.0 */
#include "reach.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "exit_status.h"

static int by_socket(const struct ctl_request *request, struct ctl_reply *ret,
                     char reason[CTL_REASON])
{
    struct ctl_request by_path = *request;

    /* A host without the packaged service has none: not worth a word. */
    if (access(CTL_DEFAULT_SOCKET, F_OK) < 0) {
        reason[0] = '\0';
        return EXIT_RUNTIME;
    }
    by_path.address = "unix:" CTL_DEFAULT_SOCKET;
    return ctl_reach_http(&by_path, ret, reason);
}

static int by_port(const struct ctl_request *request, struct ctl_reply *ret,
                   char reason[CTL_REASON])
{
    struct ctl_request by_address = *request;

    by_address.address = CTL_DEFAULT_ADDRESS;
    return ctl_reach_http(&by_address, ret, reason);
}

static void add_reason(char all[CTL_REASON], const char *reason)
{
    size_t len = strlen(all);

    if (*reason)
        snprintf(all + len, CTL_REASON - len, "%s%s", len ? "; " : "", reason);
}

int ctl_reach(const struct ctl_request *request, struct ctl_reply *ret, char reason[CTL_REASON])
{
    static int (*const ways[])(const struct ctl_request *request, struct ctl_reply *ret,
                               char reason[CTL_REASON]) = {ctl_reach_bus, by_socket, by_port};
    char one[CTL_REASON];
    int status;

    reason[0] = '\0';
    if (request->address) {
        status = ctl_reach_http(request, ret, reason);
        return status == -EINTR ? EXIT_RUNTIME : status;
    }
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        one[0] = '\0';
        status = ways[i](request, ret, one);
        if (status == EXIT_FINE)
            return EXIT_FINE;
        if (status == -EINTR) {
            reason[0] = '\0';
            break;
        }
        add_reason(reason, one);
    }
    return EXIT_RUNTIME;
}
