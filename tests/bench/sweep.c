/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sweep SOCKETS ROUNDS: what a sweep over so many established TCP sockets costs;
 * beside it the floor, a loop that asks the kernel for the same and throws the
 * answer away. Needs root: the sockets are made in a network namespace of its
 * own, by processes that hold them, so that their number is not bound by the
 * limit of descriptors of one.
 *
 * sweep SOCKETS run COMMAND…: makes the sockets, and becomes the command there.
 */
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "connhealth/sockets.h"
#include "sockets/netlink.h"

enum { holders_max = 256, backlog = 4096, spare_descriptors = 32, port = 5000 };

/* ---- the sockets ------------------------------------------------------- */

static void enter_namespace(void)
{
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int fd;

    if (unshare(CLONE_NEWNET) < 0)
        bench_die("unshare");
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo) < 0)
        bench_die("lo");
    close(fd);
}

/* Makes connections with both ends here; one address for each holder, so that
 * ports do not run out. */
static void hold(unsigned number, unsigned long connections)
{
    struct sockaddr_in address = bench_target(port, number);
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(listener, backlog) < 0)
        bench_die("listen");
    for (unsigned long i = 0; i < connections; i++) {
        int client = socket(AF_INET, SOCK_STREAM, 0);

        if (client < 0 || connect(client, (struct sockaddr *)&address, sizeof(address)) < 0 ||
            accept(listener, NULL, NULL) < 0)
            bench_die("connect");
    }
}

static pid_t start_holder(unsigned number, unsigned long connections)
{
    char ready = 0;
    int pipe_fds[2];
    pid_t pid;

    if (pipe(pipe_fds) < 0 || (pid = fork()) < 0)
        bench_die("fork");
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(pipe_fds[0]);
        hold(number, connections);
        if (write(pipe_fds[1], "r", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(pipe_fds[1]);
    if (read(pipe_fds[0], &ready, 1) != 1) {
        fprintf(stderr, "a holder of sockets ended early\n");
        exit(1);
    }
    close(pipe_fds[0]);
    return pid;
}

static void make_sockets(unsigned long sockets)
{
    unsigned long left = sockets / 2, each;
    struct rlimit limit;

    bench_raise_descriptors();
    getrlimit(RLIMIT_NOFILE, &limit);
    each = (limit.rlim_cur - spare_descriptors) / 2;
    if (each > 20000) /* the kernel's range of ports for one address has 28,000 */
        each = 20000;
    for (unsigned i = 0; left > 0; i++) {
        unsigned long now = left < each ? left : each;

        if (i == holders_max) {
            fprintf(stderr, "too many sockets for the limit of descriptors\n");
            exit(1);
        }
        start_holder(i, now); /* dies with this process */
        left -= now;
    }
}

/* ---- the floor --------------------------------------------------------- */

static int64_t thread_ns(void)
{
    return ch_clock_read(CLOCK_THREAD_CPUTIME_ID);
}

static void throw_away(int fd, uint8_t family, uint8_t protocol, uint32_t states)
{
    static uint32_t sequence;
    static _Alignas(16) char buffer[CH_DIAG_BUFFER_BYTES];
    struct ch_diag_request request;
    const struct nlmsghdr *header = (const struct nlmsghdr *)buffer;

    ch_diag_request(&request, family, protocol, states, ++sequence);
    if (send(fd, &request, sizeof(request), 0) < 0)
        bench_die("send");
    /* The end comes with the last rows or alone: what follows is empty then. */
    for (;;) {
        ssize_t len = recv(fd, buffer, sizeof(buffer), 0);

        if (len < 0)
            bench_die("recv");
        if (header->nlmsg_type == NLMSG_DONE)
            return;
        if (header->nlmsg_type == NLMSG_ERROR) {
            fprintf(stderr, "the kernel refuses the dump\n");
            exit(1);
        }
    }
}

static double measure_floor(bool bound)
{
    int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG);
    int64_t begin = thread_ns();

    throw_away(fd, AF_INET, IPPROTO_TCP, CH_DIAG_STATES);
    throw_away(fd, AF_INET6, IPPROTO_TCP, CH_DIAG_STATES);
    if (bound) {
        throw_away(fd, AF_INET, IPPROTO_TCP, CH_DIAG_BOUND_INACTIVE);
        throw_away(fd, AF_INET6, IPPROTO_TCP, CH_DIAG_BOUND_INACTIVE);
    }
    throw_away(fd, AF_INET, IPPROTO_UDP, CH_DIAG_STATES);
    throw_away(fd, AF_INET6, IPPROTO_UDP, CH_DIAG_STATES);
    begin = thread_ns() - begin;
    close(fd);
    return (double)begin / 1000.0;
}

/* ---- ours -------------------------------------------------------------- */

static const struct ch_sockets_settings settings = {
    .enabled = true,
    .interval_ns = 3600 * CH_NS_PER_S,
    .units = true,
    .unit_limit = 200,
    .listeners = true,
};

static struct ch_sockets_snapshot *next_snapshot(struct ch_sockets *sockets, int64_t since_ns)
{
    for (;;) {
        struct ch_sockets_snapshot *found = ch_sockets_snapshot(sockets);

        if (found && found->time_ns > since_ns)
            return found;
        ch_sockets_snapshot_unref(found);
        usleep(2000);
    }
}

/* CPU of the collector's thread for one sweep, publishing included. */
static double measure_sweep(struct ch_sockets *sockets, struct ch_sockets_snapshot **ret)
{
    int64_t now_ns = ch_clock_realtime();
    int64_t begin = ch_clock_read(CLOCK_PROCESS_CPUTIME_ID) - thread_ns();

    if (ch_sockets_apply(sockets, &settings) < 0)
        bench_die("apply");
    *ret = next_snapshot(sockets, now_ns);
    return (double)(ch_clock_read(CLOCK_PROCESS_CPUTIME_ID) - thread_ns() - begin) / 1000.0;
}

/* Not getrusage(): that remembers who executed this program. */
static long peak_memory_kib(void)
{
    char line[256];
    long kib = 0;
    FILE *file = fopen("/proc/self/status", "re");

    if (!file)
        bench_die("/proc/self/status");
    while (fgets(line, sizeof(line), file))
        if (strncmp(line, "VmHWM:", 6) == 0)
            kib = strtol(line + 6, NULL, 10);
    fclose(file);
    return kib;
}

static void print_list(const char *name, const double *values, unsigned long count)
{
    printf("\"%s\": [", name);
    for (unsigned long i = 0; i < count; i++)
        printf("%s%.1f", i ? ", " : "", values[i]);
    printf("], ");
}

static void measure(unsigned long wanted, unsigned long rounds)
{
    double *floor = calloc(rounds, sizeof(*floor)), *ours = calloc(rounds, sizeof(*ours));
    struct ch_sockets_snapshot *snapshot = NULL;
    struct ch_sockets *sockets;
    uint64_t seen;

    if (!floor || !ours || ch_sockets_new(&settings, &sockets) < 0 || ch_sockets_start(sockets) < 0)
        bench_die("collector");
    ch_sockets_snapshot_unref(next_snapshot(sockets, 0)); /* it remembers all now */
    for (unsigned long i = 0; i < rounds; i++) {
        ch_sockets_snapshot_unref(snapshot);
        floor[i] = measure_floor(wanted < CH_BOUND_ASKED_MAX);
        ours[i] = measure_sweep(sockets, &snapshot);
    }
    seen = snapshot->sockets[CH_SOCKET_IPV4][CH_SOCKET_TCP][CH_SOCKET_ESTABLISHED];
    printf("{");
    print_list("ours_us", ours, rounds);
    print_list("floor_us", floor, rounds);
    printf("\"sockets\": %" PRIu64 ", \"remembered\": %" PRIu64 ", \"remembered_bytes\": %" PRIu64
           ", \"peak_rss_kib\": %ld, \"failures\": %d}\n",
           seen, snapshot->remembered, snapshot->remembered_bytes, peak_memory_kib(),
           seen != wanted);
}

int main(int argc, char **argv)
{
    bool run = argc > 3 && strcmp(argv[2], "run") == 0;

    if (!run && (argc != 3 || bench_number(argv[2]) == 0)) {
        fprintf(stderr, "usage: sweep SOCKETS ROUNDS | sweep SOCKETS run COMMAND...\n");
        return 2;
    }
    enter_namespace();
    make_sockets(bench_number(argv[1]));
    if (!run) {
        measure(bench_number(argv[1]), bench_number(argv[2]));
        return 0;
    }
    execvp(argv[3], argv + 3);
    bench_die(argv[3]);
}
