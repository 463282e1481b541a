/* SPDX-License-Identifier: Apache-2.0 */
/* The resolver against dnsmasq, which nobody here wrote. */
#include "dns_fixture.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "resolver_private.h"

#define GUARD_NS (30 * CH_NS_PER_S)
/* The first try: so long that dnsmasq answers within it on a busy machine, too; and
 * short where nobody answers. */
enum { PATIENT_MS = 4000, HASTY_MS = 200 };
/* More than fit into an answer of 512 bytes (RFC 1035, 4.2.1): the rest needs TCP. */
#define MANY 40

struct fixture {
    struct ch_loop *loop;
    struct dns_server upstream; /* where dnsmasq asks for broken.test */
    struct resolver_source source;
    struct ch_resolver *resolver;
    char directory[64], resolv_conf[128], hosts[128];
    pid_t dnsmasq;
};

struct asker {
    struct ch_lookup lookup;
    struct ch_answer answer;
    bool told;
};

static void on_answer(struct ch_lookup *lookup, const struct ch_answer *answer)
{
    struct asker *asker = ch_container_of(lookup, struct asker, lookup);

    asker->answer = *answer;
    asker->told = true;
}

static struct ch_answer resolve(struct fixture *f, const char *name)
{
    struct asker asker = {.lookup = {.on_answer = on_answer}};
    int64_t begun = ch_clock_monotonic();
    struct ch_answer answer;
    int r = ch_resolver_ask(f->resolver, name, &asker.lookup, &answer);

    assert_true(r >= 0);
    if (r == 0)
        return answer;
    while (!asker.told) {
        assert_true(ch_clock_monotonic() - begun < GUARD_NS);
        assert_int_equal(ch_loop_turn(f->loop, CH_NS_PER_S), 0);
    }
    return asker.answer;
}

static void turn_for(struct fixture *f, int64_t duration)
{
    int64_t until = ch_clock_monotonic() + duration, now;

    while ((now = ch_clock_monotonic()) < until)
        assert_int_equal(ch_loop_turn(f->loop, until - now), 0);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* A TCP and UDP port of 127.0.0.1 that nobody has just now. */
static uint16_t free_port(void)
{
    for (;;) {
        struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        socklen_t len = sizeof(sa);
        bool both;

        assert_int_equal(bind(tcp, (struct sockaddr *)&sa, len), 0);
        assert_int_equal(getsockname(tcp, (struct sockaddr *)&sa, &len), 0);
        both = bind(udp, (struct sockaddr *)&sa, len) == 0;
        close(tcp);
        close(udp);
        if (both)
            return ntohs(sa.sin_port);
    }
}

struct arguments {
    char text[64 + MANY][128];
    char *list[64 + MANY + 1];
    int count;
};

__attribute__((format(printf, 2, 3))) static void add(struct arguments *arguments,
                                                      const char *format, ...)
{
    char *text = arguments->text[arguments->count];
    va_list list;

    va_start(list, format);
    vsnprintf(text, sizeof(arguments->text[0]), format, list);
    va_end(list);
    arguments->list[arguments->count++] = text;
}

static void start_dnsmasq(struct fixture *f, uint16_t upstream_port)
{
    static struct arguments arguments;
    pid_t parent = getpid();

    memset(&arguments, 0, sizeof(arguments));
    add(&arguments, "dnsmasq");
    add(&arguments, "--keep-in-foreground");
    add(&arguments, "--conf-file=/dev/null");
    add(&arguments, "--no-resolv");
    add(&arguments, "--no-hosts");
    add(&arguments, "--user=");
    add(&arguments, "--group=");
    add(&arguments, "--pid-file=%s/pid", f->directory);
    add(&arguments, "--log-facility=%s/log", f->directory);
    add(&arguments, "--bind-interfaces");
    add(&arguments, "--listen-address=127.0.0.1");
    add(&arguments, "--port=%u", f->source.port);
    add(&arguments, "--local-ttl=1");
    add(&arguments, "--local=/test/");
    add(&arguments, "--host-record=both.test,127.0.0.5,::1,60");
    add(&arguments, "--cname=alias.test,both.test,60");
    add(&arguments, "--txt-record=nodata.test,text");
    add(&arguments, "--addn-hosts=%s", f->hosts);
    add(&arguments, "--server=/broken.test/127.0.0.1#%u", upstream_port);
    for (int i = 1; i <= MANY; i++)
        add(&arguments, "--host-record=many.test,127.0.2.%d,60", i);
    f->dnsmasq = fork();
    assert_true(f->dnsmasq >= 0);
    if (f->dnsmasq == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent) {
            execvp("dnsmasq", arguments.list);
            execv("/usr/sbin/dnsmasq", arguments.list);
        }
        _exit(127);
    }
}

static void new_resolver(struct fixture *f, int first_try_ms)
{
    f->source.first_try_ms = first_try_ms;
    f->resolver = ch_resolver_free(f->resolver);
    assert_int_equal(resolver_new_from(f->loop, &f->source, &f->resolver), 0);
}

/* Until it answers whole: one that began in the middle of a lookup has answered
 * the second of its two questions alone. */
static void wait_for_dnsmasq(struct fixture *f)
{
    int64_t begun = ch_clock_monotonic();
    struct ch_answer answer;

    do {
        assert_true(ch_clock_monotonic() - begun < GUARD_NS);
        if (waitpid(f->dnsmasq, NULL, WNOHANG) != 0)
            fail_msg("dnsmasq ended: is it installed? see %s/log", f->directory);
        turn_for(f, 20 * CH_NS_PER_MS);
        new_resolver(f, HASTY_MS);
        answer = resolve(f, "both.test");
    } while (answer.failure != CH_DNS_NONE || answer.count != 2);
    new_resolver(f, PATIENT_MS);
}

static int start(void **state)
{
    static const struct dns_zone broken[] = {{.name = "broken.test", SERVFAIL, SERVFAIL}, {0}};
    struct fixture *f = calloc(1, sizeof(*f));
    uint16_t upstream_port;

    assert_non_null(f);
    assert_int_equal(ch_loop_new(&f->loop), 0);
    upstream_port = dns_start(&f->upstream, f->loop, "127.0.0.1", 0);
    f->upstream.zones = broken;
    strcpy(f->directory, "/tmp/connhealth-dnsmasq-XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    snprintf(f->resolv_conf, sizeof(f->resolv_conf), "%s/resolv.conf", f->directory);
    snprintf(f->hosts, sizeof(f->hosts), "%s/hosts", f->directory);
    write_file(f->resolv_conf, "nameserver 127.0.0.1\n");
    write_file(f->hosts, "127.0.0.7 moving.test\n");
    f->source = (struct resolver_source){
        .resolv_conf = f->resolv_conf, .port = free_port(), .recheck_ns = 300 * CH_NS_PER_MS};
    start_dnsmasq(f, upstream_port);
    wait_for_dnsmasq(f);
    *state = f;
    return 0;
}

static int stop(void **state)
{
    static const char *const files[] = {"resolv.conf", "hosts", "pid", "log"};
    struct fixture *f = *state;
    char path[128];

    ch_resolver_free(f->resolver);
    dns_stop(&f->upstream);
    ch_loop_free(f->loop);
    kill(f->dnsmasq, SIGKILL);
    waitpid(f->dnsmasq, NULL, 0);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", f->directory, files[i]);
        unlink(path);
    }
    rmdir(f->directory);
    free(f);
    return 0;
}

static void names_have_their_addresses(void **state)
{
    struct fixture *f = *state;
    char first[CH_ADDR_TEXT], second[CH_ADDR_TEXT];
    const char *const names[] = {"both.test", "alias.test"};

    for (size_t i = 0; i < 2; i++) {
        struct ch_answer answer = resolve(f, names[i]);

        assert_int_equal(answer.failure, CH_DNS_NONE);
        assert_int_equal(answer.count, 2);
        assert_string_equal(ch_addr_format_host(&answer.address[0], first), "::1");
        assert_string_equal(ch_addr_format_host(&answer.address[1], second), "127.0.0.5");
    }
}

static void a_long_answer_comes_over_tcp(void **state)
{
    struct fixture *f = *state;
    struct ch_answer answer = resolve(f, "many.test");

    assert_int_equal(answer.failure, CH_DNS_NONE);
    assert_int_equal(answer.count, CH_RESOLVER_ADDRESSES);
    for (uint16_t i = 0; i < answer.count; i++)
        assert_memory_equal(answer.address[i].ip, "\x7f\0\2", 3);
}

static void failures_are_named(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(resolve(f, "nosuch.test").failure, CH_DNS_NOT_FOUND);
    assert_int_equal(resolve(f, "nodata.test").failure, CH_DNS_NO_ADDRESS);
    assert_int_equal(resolve(f, "broken.test").failure, CH_DNS_SERVFAIL);
    /* it has no server for any other name */
    assert_int_equal(resolve(f, "example.net").failure, CH_DNS_REFUSED);
}

static void a_name_that_moves_is_followed_by_its_ttl(void **state)
{
    struct fixture *f = *state;
    int64_t begun = ch_clock_monotonic();
    struct ch_answer answer = resolve(f, "moving.test");

    assert_int_equal(answer.failure, CH_DNS_NONE);
    assert_int_equal(answer.address[0].ip[3], 7);
    write_file(f->hosts, "127.0.0.8 moving.test\n");
    assert_int_equal(kill(f->dnsmasq, SIGHUP), 0); /* dnsmasq(8): it reads the file again */
    while (answer.address[0].ip[3] != 8) {
        assert_true(ch_clock_monotonic() - begun < GUARD_NS);
        turn_for(f, 20 * CH_NS_PER_MS);
        answer = resolve(f, "moving.test");
        assert_int_equal(answer.failure, CH_DNS_NONE);
        assert_false(answer.stale);
    }
    assert_true(ch_clock_monotonic() - begun >= CH_RESOLVER_TTL_MIN);
}

static void a_stopped_server_is_a_timeout_and_leaves_old_answers(void **state)
{
    struct fixture *f = *state;
    struct ch_answer answer;

    new_resolver(f, HASTY_MS);
    answer = resolve(f, "moving.test");
    assert_int_equal(answer.failure, CH_DNS_NONE);
    assert_int_equal(kill(f->dnsmasq, SIGSTOP), 0);
    turn_for(f, 1100 * CH_NS_PER_MS);
    answer = resolve(f, "moving.test");
    assert_int_equal(answer.failure, CH_DNS_NONE);
    assert_true(answer.stale);
    assert_int_equal(resolve(f, "fresh.test").failure, CH_DNS_TIMEOUT);
    assert_int_equal(kill(f->dnsmasq, SIGCONT), 0);
    for (int64_t begun = ch_clock_monotonic(); resolve(f, "moving.test").stale;) {
        assert_true(ch_clock_monotonic() - begun < GUARD_NS);
        turn_for(f, 20 * CH_NS_PER_MS);
    }
}

/* The last: dnsmasq does not come back. The resolver is still the hasty one. */
static void a_server_that_is_gone_refuses(void **state)
{
    struct fixture *f = *state;
    struct ch_answer answer;

    answer = resolve(f, "both.test"); /* its TTL is a minute */
    assert_int_equal(answer.failure, CH_DNS_NONE);
    assert_int_equal(kill(f->dnsmasq, SIGKILL), 0);
    assert_int_equal(waitid(P_PID, (id_t)f->dnsmasq, NULL, WEXITED | WNOWAIT), 0);
    assert_int_equal(resolve(f, "another.test").failure, CH_DNS_REFUSED);
    answer = resolve(f, "both.test");
    assert_int_equal(answer.failure, CH_DNS_NONE);
    assert_false(answer.stale);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_have_their_addresses),
        cmocka_unit_test(a_long_answer_comes_over_tcp),
        cmocka_unit_test(failures_are_named),
        cmocka_unit_test(a_name_that_moves_is_followed_by_its_ttl),
        cmocka_unit_test(a_stopped_server_is_a_timeout_and_leaves_old_answers),
        cmocka_unit_test(a_server_that_is_gone_refuses),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
