/* SPDX-License-Identifier: Apache-2.0 */
/* The resolver against a name server that answers as each test wants. */
#include "dns_fixture.h"

#include <errno.h>
#include <sys/resource.h>

#include "resolver_private.h"

#define GUARD_NS (30 * CH_NS_PER_S)

struct fixture {
    struct ch_loop *loop;
    struct dns_server server;
    struct resolver_source source;
    char resolv_conf[64];
    struct ch_resolver *resolver;
};

/* One who asks. */
struct asker {
    struct ch_lookup lookup;
    struct ch_answer answer;
    int answers;
    struct ch_resolver *again; /* asks this name once more when told */
    const char *name;
    struct ch_lookup *victim; /* cancelled when told */
};

static void on_answer(struct ch_lookup *lookup, const struct ch_answer *answer)
{
    struct asker *asker = ch_container_of(lookup, struct asker, lookup);
    struct ch_answer ignored;

    assert_null(lookup->place);
    asker->answer = *answer;
    asker->answers++;
    if (asker->victim)
        ch_resolver_cancel(asker->victim);
    if (asker->again)
        assert_true(ch_resolver_ask(asker->again, asker->name, lookup, &ignored) >= 0);
    asker->again = NULL;
}

static struct asker asker_new(void)
{
    return (struct asker){.lookup = {.on_answer = on_answer}};
}

static void write_resolv_conf(struct fixture *f, const char *text)
{
    FILE *file = fopen(f->resolv_conf, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* first_try_ms: long where queries are counted, so that a slow machine sends none
 * again; short where silence is waited for. */
static struct fixture *start_with(const struct dns_zone *zones, int first_try_ms)
{
    struct fixture *f = calloc(1, sizeof(*f));
    int fd;

    assert_non_null(f);
    assert_int_equal(ch_loop_new(&f->loop), 0);
    f->source.port = dns_start(&f->server, f->loop, "127.0.0.1", 0);
    f->server.zones = zones;
    strcpy(f->resolv_conf, "/tmp/connhealth-resolv-XXXXXX");
    fd = mkstemp(f->resolv_conf);
    assert_true(fd >= 0);
    close(fd);
    write_resolv_conf(f, "nameserver 127.0.0.1\n");
    f->source.resolv_conf = f->resolv_conf;
    f->source.first_try_ms = first_try_ms;
    f->source.recheck_ns = 300 * CH_NS_PER_MS;
    assert_int_equal(resolver_new_from(f->loop, &f->source, &f->resolver), 0);
    return f;
}

static struct fixture *start(const struct dns_zone *zones)
{
    return start_with(zones, 5000);
}

static struct fixture *start_hasty(const struct dns_zone *zones)
{
    return start_with(zones, 100);
}

static void stop(struct fixture *f)
{
    ch_resolver_free(f->resolver);
    dns_stop(&f->server);
    ch_loop_free(f->loop);
    unlink(f->resolv_conf);
    free(f);
}

static void turn_until_told(struct fixture *f, const struct asker *asker, int answers)
{
    int64_t begun = ch_clock_monotonic();

    while (asker->answers < answers) {
        assert_true(ch_clock_monotonic() - begun < GUARD_NS);
        assert_int_equal(ch_loop_turn(f->loop, CH_NS_PER_S), 0);
    }
}

static void turn_for(struct fixture *f, int64_t duration)
{
    int64_t until = ch_clock_monotonic() + duration, now;

    while ((now = ch_clock_monotonic()) < until)
        assert_int_equal(ch_loop_turn(f->loop, until - now), 0);
}

/* Asks, waits if it must, and gives the answer. */
static struct ch_answer resolve(struct fixture *f, const char *name)
{
    struct asker asker = asker_new();
    struct ch_answer answer;
    int r = ch_resolver_ask(f->resolver, name, &asker.lookup, &answer);

    assert_int_equal(asker.answers, 0);
    if (r == 0)
        return answer;
    assert_int_equal(r, 1);
    turn_until_told(f, &asker, 1);
    return asker.answer;
}

static void expect_addresses(const struct ch_answer *answer, const char *const *expected)
{
    char text[CH_ADDR_TEXT];
    uint16_t i;

    assert_int_equal(answer->failure, CH_DNS_NONE);
    for (i = 0; expected[i]; i++) {
        assert_true(i < answer->count);
        assert_int_equal(answer->address[i].port, 0);
        assert_string_equal(ch_addr_format_host(&answer->address[i], text), expected[i]);
    }
    assert_int_equal(answer->count, i);
}
#define expect(answer, ...) expect_addresses((answer), (const char *const[]){__VA_ARGS__, NULL})

static void the_answer_is_shared_and_kept(void **state)
{
    static const struct dns_zone zones[] = {{.name = "a.test", .address = {"127.0.0.5"}, .ttl = 60},
                                            {0}};
    struct fixture *f = start(zones);
    struct asker one = asker_new(), two = asker_new();
    struct ch_answer answer;

    (void)state;
    assert_int_equal(ch_resolver_ask(f->resolver, "a.test", &one.lookup, &answer), 1);
    assert_int_equal(ch_resolver_ask(f->resolver, "a.test", &two.lookup, &answer), 1);
    turn_until_told(f, &one, 1);
    turn_until_told(f, &two, 1);
    expect(&one.answer, "127.0.0.5");
    expect(&two.answer, "127.0.0.5");
    assert_int_equal(f->server.queries, 2); /* A and AAAA */
    assert_int_equal(ch_resolver_ask(f->resolver, "a.test", &one.lookup, &answer), 0);
    expect(&answer, "127.0.0.5");
    assert_false(answer.stale);
    assert_int_equal(f->server.queries, 2);
    assert_int_equal(one.answers + two.answers, 2);
    stop(f);
}

/* Loopback addresses, so that RFC 6724 does not depend on the host's routes: ::1
 * has the highest precedence of its table. */
static void the_first_of_each_family_come_first(void **state)
{
    static const struct dns_zone zones[] = {
        {.name = "both.test", .address = {"127.0.0.5", "127.0.0.6", "::1"}, .ttl = 60},
        {.name = "twice.test", .address = {"127.0.0.5", "127.0.0.5", "127.0.0.6"}, .ttl = 60},
        {.name = "many.test",
         .address = {"127.0.1.1", "127.0.1.2", "127.0.1.3", "127.0.1.4", "127.0.1.5", "127.0.1.6",
                     "127.0.1.7", "127.0.1.8", "127.0.1.9", "127.0.1.10", "127.0.1.11",
                     "127.0.1.12", "127.0.1.13", "127.0.1.14", "127.0.1.15", "127.0.1.16",
                     "127.0.1.17", "127.0.1.18", "::1"},
         .ttl = 60},
        {0}};
    struct fixture *f = start(zones);
    struct ch_answer answer;

    (void)state;
    answer = resolve(f, "both.test");
    expect(&answer, "::1", "127.0.0.5", "127.0.0.6");
    answer = resolve(f, "twice.test");
    expect(&answer, "127.0.0.5", "127.0.0.6");
    answer = resolve(f, "many.test");
    assert_int_equal(answer.count, CH_RESOLVER_ADDRESSES);
    assert_int_equal(answer.address[0].family, AF_INET6);
    assert_int_equal(answer.address[1].family, AF_INET);
    stop(f);
}

static void a_failure_is_named_and_believed_for_a_while(void **state)
{
    static const struct dns_zone zones[] = {{.name = "nodata.test"},
                                            {.name = "servfail.test", SERVFAIL, SERVFAIL},
                                            {.name = "refused.test", REFUSED, REFUSED},
                                            {.name = "silent.test", SILENCE, SILENCE},
                                            {0}};
    static const struct {
        const char *name;
        enum ch_dns failure;
    } cases[] = {
        {"nosuch.test", CH_DNS_NOT_FOUND},  {"nodata.test", CH_DNS_NO_ADDRESS},
        {"servfail.test", CH_DNS_SERVFAIL}, {"refused.test", CH_DNS_REFUSED},
        {"silent.test", CH_DNS_TIMEOUT},    {"a..test", CH_DNS_NOT_FOUND},
    };
    struct fixture *f = start_hasty(zones);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ch_answer answer = resolve(f, cases[i].name);
        struct asker asker = asker_new();
        unsigned queries = f->server.queries;

        assert_int_equal(answer.failure, cases[i].failure);
        assert_int_equal(answer.count, 0);
        assert_false(answer.stale);
        assert_int_equal(ch_resolver_ask(f->resolver, cases[i].name, &asker.lookup, &answer), 0);
        assert_int_equal(answer.failure, cases[i].failure);
        assert_int_equal(f->server.queries, queries);
    }
    stop(f);
}

/* One family's failure must not pass for "the name has no address". */
static void half_an_answer_is_neither_lost_nor_believed_too_far(void **state)
{
    static const struct dns_zone zones[] = {
        {.name = "a-fails.test", SERVFAIL, OK},
        {.name = "aaaa-fails.test", OK, SERVFAIL},
        {.name = "aaaa-silent.test", OK, SILENCE},
        {.name = "only-a.test", OK, SERVFAIL, .address = {"127.0.0.5"}, .ttl = 60},
        {.name = "only-aaaa.test", SILENCE, OK, .address = {"::1"}, .ttl = 60},
        {0}};
    struct fixture *f = start_hasty(zones);
    struct ch_answer answer;

    (void)state;
    answer = resolve(f, "a-fails.test");
    assert_int_equal(answer.failure, CH_DNS_SERVFAIL);
    answer = resolve(f, "aaaa-fails.test");
    assert_int_equal(answer.failure, CH_DNS_SERVFAIL);
    answer = resolve(f, "aaaa-silent.test");
    assert_int_equal(answer.failure, CH_DNS_TIMEOUT);
    answer = resolve(f, "only-a.test");
    expect(&answer, "127.0.0.5");
    answer = resolve(f, "only-aaaa.test");
    expect(&answer, "::1");
    stop(f);
}

static void nothing_listens_is_refused(void **state)
{
    struct fixture *f = start_hasty(NULL);
    struct ch_answer answer;

    (void)state;
    dns_stop(&f->server);
    answer = resolve(f, "a.test");
    assert_int_equal(answer.failure, CH_DNS_REFUSED);
    stop(f);
}

static void a_failing_resolver_leaves_the_last_good_answer(void **state)
{
    static const struct dns_zone good[] = {{.name = "a.test", .address = {"127.0.0.5"}, .ttl = 1},
                                           {0}};
    static const struct dns_zone failing[] = {{.name = "a.test", SERVFAIL, SERVFAIL}, {0}};
    static const struct dns_zone moved[] = {{.name = "a.test", .address = {"127.0.0.6"}, .ttl = 1},
                                            {0}};
    struct fixture *f = start(good);
    struct ch_answer answer = resolve(f, "a.test");
    unsigned queries;

    (void)state;
    assert_false(answer.stale);
    f->server.zones = failing;
    turn_for(f, 1100 * CH_NS_PER_MS);
    answer = resolve(f, "a.test");
    expect(&answer, "127.0.0.5");
    assert_true(answer.stale);

    /* and it is not asked again at once */
    queries = f->server.queries;
    answer = resolve(f, "a.test");
    assert_true(answer.stale);
    assert_int_equal(f->server.queries, queries);

    /* later it is, while the stale answer goes on without waiting */
    turn_for(f, 350 * CH_NS_PER_MS);
    f->server.zones = moved;
    answer = resolve(f, "a.test");
    expect(&answer, "127.0.0.5");
    assert_true(answer.stale);
    for (int64_t begun = ch_clock_monotonic(); answer.stale;) {
        assert_true(ch_clock_monotonic() - begun < GUARD_NS);
        turn_for(f, 20 * CH_NS_PER_MS);
        answer = resolve(f, "a.test");
    }
    assert_true(f->server.queries > queries);
    expect(&answer, "127.0.0.6");

    /* that the name is gone is believed at once */
    f->server.zones = NULL;
    turn_for(f, 1100 * CH_NS_PER_MS);
    answer = resolve(f, "a.test");
    assert_int_equal(answer.failure, CH_DNS_NOT_FOUND);
    assert_int_equal(answer.count, 0);
    stop(f);
}

/* Nobody waits for a silent resolver to the end when there is an old answer. */
static void a_silent_resolver_leaves_it_too_and_soon(void **state)
{
    static const struct dns_zone good[] = {{.name = "a.test", .address = {"127.0.0.5"}, .ttl = 1},
                                           {0}};
    static const struct dns_zone silent[] = {{.name = "a.test", SILENCE, SILENCE}, {0}};
    struct fixture *f = start_hasty(good);
    struct ch_answer answer = resolve(f, "a.test");
    struct asker asker = asker_new();

    (void)state;
    f->server.zones = silent;
    turn_for(f, 1100 * CH_NS_PER_MS);
    answer = resolve(f, "a.test");
    expect(&answer, "127.0.0.5");
    assert_true(answer.stale);
    /* the lookup still hangs: its first try lasts 100 ms, all of them 700 ms */
    assert_int_equal(ch_resolver_ask(f->resolver, "a.test", &asker.lookup, &answer), 0);
    expect(&answer, "127.0.0.5");
    assert_true(answer.stale);
    stop(f);
}

static void an_answer_lives_as_long_as_its_shortest_record(void **state)
{
    static const struct dns_zone zones[] = {
        {.name = "zero.test", .address = {"127.0.0.5"}, .ttl = 0},
        {.name = "alias.test", .address = {"127.0.0.6"}, .ttl = 3600, .alias_ttl = 1},
        {.name = "huge.test", .address = {"127.0.0.7"}, .ttl = 0x7fffffff},
        {.name = "long.test", .address = {"127.0.0.8"}, .ttl = 60},
        {0}};
    struct fixture *f = start(zones);
    struct ch_answer answer;

    (void)state;
    resolve(f, "zero.test");
    resolve(f, "alias.test");
    resolve(f, "huge.test");
    resolve(f, "long.test");
    assert_int_equal(f->server.queries, 8);
    resolve(f, "zero.test"); /* the least that any answer is kept is a second */
    assert_int_equal(f->server.queries, 8);
    turn_for(f, 1100 * CH_NS_PER_MS);
    resolve(f, "long.test");
    resolve(f, "huge.test");
    assert_int_equal(f->server.queries, 8);
    answer = resolve(f, "zero.test");
    expect(&answer, "127.0.0.5");
    assert_int_equal(f->server.queries, 10);
    answer = resolve(f, "alias.test");
    expect(&answer, "127.0.0.6");
    assert_int_equal(f->server.queries, 12);
    stop(f);
}

static void who_cancels_is_not_told_and_the_answer_is_kept(void **state)
{
    static const struct dns_zone zones[] = {{.name = "a.test", .address = {"127.0.0.5"}, .ttl = 60},
                                            {0}};
    struct fixture *f = start(zones);
    struct asker gone = asker_new(), stays = asker_new(), only = asker_new();
    struct ch_answer answer;

    (void)state;
    assert_int_equal(ch_resolver_ask(f->resolver, "a.test", &gone.lookup, &answer), 1);
    assert_int_equal(ch_resolver_ask(f->resolver, "a.test", &stays.lookup, &answer), 1);
    ch_resolver_cancel(&gone.lookup);
    ch_resolver_cancel(&gone.lookup);
    turn_until_told(f, &stays, 1);
    assert_int_equal(gone.answers, 0);

    assert_int_equal(ch_resolver_ask(f->resolver, "b.test", &only.lookup, &answer), 1);
    ch_resolver_cancel(&only.lookup);
    turn_for(f, CH_NS_PER_S / 2);
    assert_int_equal(only.answers, 0);
    assert_int_equal(ch_resolver_ask(f->resolver, "b.test", &only.lookup, &answer), 0);
    assert_int_equal(answer.failure, CH_DNS_NOT_FOUND);
    stop(f);
}

static void who_is_told_may_ask_again_and_cancel_others(void **state)
{
    static const struct dns_zone zones[] = {{.name = "a.test", .address = {"127.0.0.5"}, .ttl = 60},
                                            {0}};
    struct fixture *f = start(zones);
    struct asker first = asker_new(), second = asker_new();
    struct ch_answer answer;

    (void)state;
    first.victim = &second.lookup;
    second.victim = &first.lookup;
    first.again = second.again = f->resolver;
    first.name = second.name = "other.test";
    assert_int_equal(ch_resolver_ask(f->resolver, "a.test", &first.lookup, &answer), 1);
    assert_int_equal(ch_resolver_ask(f->resolver, "a.test", &second.lookup, &answer), 1);
    while (first.answers + second.answers < 2)
        assert_int_equal(ch_loop_turn(f->loop, CH_NS_PER_S), 0);
    /* whoever was told first cancelled the other and was told of other.test */
    assert_true((first.answers == 2) != (second.answers == 2));
    assert_int_equal(first.answers == 2 ? first.answer.failure : second.answer.failure,
                     CH_DNS_NOT_FOUND);
    stop(f);
}

static void the_end_with_lookups_under_way_tells_nobody(void **state)
{
    static const struct dns_zone silent[] = {{.name = "a.test", SILENCE, SILENCE}, {0}};
    struct fixture *f = start(silent);
    struct asker one = asker_new(), two = asker_new();
    struct ch_answer answer;

    (void)state;
    assert_int_equal(ch_resolver_ask(f->resolver, "a.test", &one.lookup, &answer), 1);
    assert_int_equal(ch_resolver_ask(f->resolver, "a.test", &two.lookup, &answer), 1);
    turn_for(f, 10 * CH_NS_PER_MS);
    stop(f);
    assert_int_equal(one.answers + two.answers, 0);
    assert_null(one.lookup.place);
    assert_null(two.lookup.place);
}

static void names_of_the_hosts_file_need_no_server(void **state)
{
    struct fixture *f = start(NULL);
    struct asker asker = asker_new();
    struct ch_answer answer;
    bool loopback = false;

    (void)state;
    assert_int_equal(ch_resolver_ask(f->resolver, "localhost", &asker.lookup, &answer), 0);
    assert_int_equal(answer.failure, CH_DNS_NONE);
    for (uint16_t i = 0; i < answer.count; i++)
        loopback |= answer.address[i].family == AF_INET && answer.address[i].ip[0] == 127;
    assert_true(loopback);
    assert_int_equal(f->server.queries, 0);
    stop(f);
}

static void another_resolv_conf_is_followed(void **state)
{
    static const struct dns_zone silent[] = {{.name = "pending.test", SILENCE, SILENCE}, {0}};
    static const struct dns_zone zones[] = {
        {.name = "a.test", .address = {"127.0.0.5"}, .ttl = 60},
        {.name = "pending.test", .address = {"127.0.0.6"}, .ttl = 60},
        {.name = "short.domain.test", .address = {"127.0.0.7"}, .ttl = 60},
        {0}};
    struct fixture *f = start(silent);
    struct asker pending = asker_new();
    struct dns_server other;
    struct ch_answer answer;

    (void)state;
    dns_start(&other, f->loop, "127.0.0.2", f->source.port);
    other.zones = zones;
    turn_for(f, 1100 * CH_NS_PER_MS); /* the file is looked at once a second */
    assert_int_equal(ch_resolver_ask(f->resolver, "pending.test", &pending.lookup, &answer), 1);
    turn_for(f, 20 * CH_NS_PER_MS);
    assert_true(f->server.queries > 0);
    write_resolv_conf(f, "nameserver 127.0.0.2\nsearch domain.test\n");
    turn_for(f, 1100 * CH_NS_PER_MS);
    answer = resolve(f, "a.test");
    expect(&answer, "127.0.0.5");
    turn_until_told(f, &pending, 1); /* it was carried over to the new server */
    expect(&pending.answer, "127.0.0.6");
    answer = resolve(f, "short");
    expect(&answer, "127.0.0.7");
    dns_stop(&other);
    stop(f);
}

/* An answer lets a queued lookup begin from within c-ares, where the channel that
 * the changed file asks for must not be made. */
static void a_changed_file_waits_for_c_ares_to_return(void **state)
{
    enum { NAMES = 600 };
    struct dns_zone *zones = calloc(NAMES + 1, sizeof(*zones));
    struct asker *askers = calloc(NAMES, sizeof(*askers));
    char(*names)[16] = calloc(NAMES, sizeof(*names));
    struct ch_answer answer;
    struct fixture *f;

    (void)state;
    assert_non_null(zones);
    assert_non_null(askers);
    assert_non_null(names);
    for (int i = 0; i < NAMES; i++) {
        snprintf(names[i], sizeof(names[i]), "n%d.test", i);
        zones[i] = (struct dns_zone){.name = names[i], .a = SILENCE, .aaaa = SILENCE};
        askers[i] = asker_new();
    }
    f = start_with(zones, 500);
    for (int i = 0; i < NAMES; i++)
        assert_int_equal(ch_resolver_ask(f->resolver, names[i], &askers[i].lookup, &answer), 1);
    turn_for(f, 1100 * CH_NS_PER_MS); /* the second try is out, the third comes at 1.5 s */
    write_resolv_conf(f, "nameserver 127.0.0.1\noptions ndots:1\n");
    for (int i = 0; i < NAMES; i++)
        zones[i] = (struct dns_zone){.name = names[i], .address = {"127.0.0.5"}, .ttl = 60};
    for (int i = 0; i < NAMES; i++) {
        turn_until_told(f, &askers[i], 1);
        expect(&askers[i].answer, "127.0.0.5");
    }
    stop(f);
    free(names);
    free(askers);
    free(zones);
}

static void without_descriptors_it_says_so_and_recovers(void **state)
{
    static const struct dns_zone zones[] = {{.name = "a.test", .address = {"127.0.0.5"}, .ttl = 60},
                                            {0}};
    struct fixture *f = start(zones);
    struct asker asker = asker_new();
    struct rlimit before, none;
    struct ch_answer answer;
    int fd = dup(0);

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = (rlim_t)fd;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(ch_resolver_ask(f->resolver, "a.test", &asker.lookup, &answer), -EMFILE);
    assert_int_equal(ch_resolver_ask(f->resolver, "a.test", &asker.lookup, &answer), -EMFILE);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    answer = resolve(f, "a.test");
    expect(&answer, "127.0.0.5");
    assert_int_equal(asker.answers, 0);
    stop(f);
}

/* More than are asked for at once, so that some queue. */
static void thousands_of_names_are_all_answered(void **state)
{
    enum { NAMES = 2000 };
    struct dns_zone *zones = calloc(NAMES + 1, sizeof(*zones));
    struct asker *askers = calloc(NAMES, sizeof(*askers));
    char(*names)[16] = calloc(NAMES, sizeof(*names));
    struct ch_answer answer;
    struct fixture *f;

    (void)state;
    assert_non_null(zones);
    assert_non_null(askers);
    assert_non_null(names);
    for (int i = 0; i < NAMES; i++) {
        snprintf(names[i], sizeof(names[i]), "n%d.test", i);
        zones[i] = (struct dns_zone){.name = names[i], .address = {"127.0.0.5"}, .ttl = 60};
        askers[i] = asker_new();
    }
    f = start(zones);
    for (int i = 0; i < NAMES; i++)
        assert_int_equal(ch_resolver_ask(f->resolver, names[i], &askers[i].lookup, &answer), 1);
    for (int i = 0; i < NAMES; i++) {
        turn_until_told(f, &askers[i], 1);
        expect(&askers[i].answer, "127.0.0.5");
    }
    stop(f);
    free(names);
    free(askers);
    free(zones);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_answer_is_shared_and_kept),
        cmocka_unit_test(the_first_of_each_family_come_first),
        cmocka_unit_test(a_failure_is_named_and_believed_for_a_while),
        cmocka_unit_test(half_an_answer_is_neither_lost_nor_believed_too_far),
        cmocka_unit_test(nothing_listens_is_refused),
        cmocka_unit_test(a_failing_resolver_leaves_the_last_good_answer),
        cmocka_unit_test(a_silent_resolver_leaves_it_too_and_soon),
        cmocka_unit_test(an_answer_lives_as_long_as_its_shortest_record),
        cmocka_unit_test(who_cancels_is_not_told_and_the_answer_is_kept),
        cmocka_unit_test(who_is_told_may_ask_again_and_cancel_others),
        cmocka_unit_test(the_end_with_lookups_under_way_tells_nobody),
        cmocka_unit_test(names_of_the_hosts_file_need_no_server),
        cmocka_unit_test(another_resolv_conf_is_followed),
        cmocka_unit_test(a_changed_file_waits_for_c_ares_to_return),
        cmocka_unit_test(without_descriptors_it_says_so_and_recovers),
        cmocka_unit_test(thousands_of_names_are_all_answered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
