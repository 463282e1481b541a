/* SPDX-License-Identifier: Apache-2.0 */
#include "passed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <systemd/sd-daemon.h>

static bool refuse(int fd, const char *name, const char *why)
{
    fprintf(stderr, "connhealthd: --web.systemd-socket: descriptor %d, named \"%s\": %s\n", fd,
            name, why);
    return false;
}

static bool add_web(struct ch_passed *passed, int fd, const char *name)
{
    if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0)
        return refuse(fd, name, "is not a listening stream socket; it needs ListenStream=");
    passed->web[passed->web_count++] = fd;
    return true;
}

static bool add_http(struct ch_passed *passed, int fd, const char *name)
{
    return add_web(passed, fd, name);
}

static bool add_https(struct ch_passed *passed, int fd, const char *name)
{
    passed->wants_tls = true;
    return add_web(passed, fd, name);
}

static bool add_responder(struct ch_passed *passed, int fd, const char *name)
{
    if (sd_is_socket_inet(fd, AF_UNSPEC, SOCK_STREAM, 1, 0) <= 0 &&
        sd_is_socket_inet(fd, AF_UNSPEC, SOCK_DGRAM, -1, 0) <= 0)
        return refuse(fd, name,
                      "is no listening TCP and no UDP socket; it needs ListenStream= or "
                      "ListenDatagram= with an address and a port");
    passed->responder[passed->responder_count++].fd = fd;
    return true;
}

static const struct {
    const char *name;
    bool (*add)(struct ch_passed *passed, int fd, const char *name);
} known[] = {{"http", add_http}, {"https", add_https}, {"responder", add_responder}};

static bool add(struct ch_passed *passed, int fd, const char *name)
{
    if (sd_is_socket(fd, AF_UNSPEC, 0, -1) <= 0)
        return true;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(known[i].name, name) == 0)
            return known[i].add(passed, fd, name);
    return refuse(fd, name,
                  "is no name that is known here (known: http, https, responder); set "
                  "FileDescriptorName= in the socket unit");
}

bool ch_passed_take(struct ch_passed *ret)
{
    struct ch_passed passed = {0};
    char **names = NULL;
    int count = sd_listen_fds_with_names(0, &names);
    bool good = true;

    if (count < 0) {
        fprintf(stderr, "connhealthd: --web.systemd-socket: cannot read what was passed: %s\n",
                strerror(-count)); // NOLINT
        return false;
    }
    for (int i = 0; i < count; i++) {
        if (i < CH_PASSED_MAX)
            good = add(&passed, SD_LISTEN_FDS_START + i, names[i]) && good;
        free(names[i]);
    }
    free(names);
    if (count > CH_PASSED_MAX) {
        fprintf(stderr,
                "connhealthd: --web.systemd-socket: %d descriptors were passed, at most "
                "%d are taken\n",
                count, CH_PASSED_MAX);
        good = false;
    } else if (good && passed.web_count == 0) {
        fprintf(stderr, "connhealthd: --web.systemd-socket: no socket named http or https was "
                        "passed; start it by a socket unit with ListenStream= and "
                        "FileDescriptorName=http, or leave the flag out\n");
        good = false;
    }
    if (good)
        *ret = passed;
    return good;
}
