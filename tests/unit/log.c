/* SPDX-License-Identifier: Apache-2.0 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cJSON.h>
#include <cmocka.h>

#include "connhealth/clock.h"
#include "log.h"
#include "log_line.h"
#include "messages.h"

/* The journal, as far as it is needed here: what was last sent to it. */
static char datagram[CH_LOG_LINE_MAX];
static size_t datagram_len;
static int journal_errno;

ssize_t __wrap_sendto(int fd, const void *bytes, size_t len, int flags,
                      const struct sockaddr *address, socklen_t address_len);
ssize_t __wrap_sendto(int fd, const void *bytes, size_t len, int flags,
                      const struct sockaddr *address, socklen_t address_len)
{
    const struct sockaddr_un *to = (const void *)address;

    assert_true(fd >= 0);
    assert_true(address_len >= sizeof(*to));
    assert_string_equal(to->sun_path, "/run/systemd/journal/socket");
    assert_true(flags & MSG_DONTWAIT); /* the journal must never hold us up */
    assert_true(len <= sizeof(datagram));
    if (journal_errno) {
        errno = journal_errno;
        return -1;
    }
    memcpy(datagram, bytes, len);
    datagram_len = len;
    return (ssize_t)len;
}

/* stderr's place while a test looks at what is written there */
static int kept_stderr = -1;

static void redirect_stderr(int fd)
{
    fflush(stderr);
    kept_stderr = dup(STDERR_FILENO);
    assert_true(kept_stderr >= 0);
    assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
}

static int restore_stderr(void **state)
{
    (void)state;
    if (kept_stderr >= 0) {
        dup2(kept_stderr, STDERR_FILENO);
        close(kept_stderr);
    }
    kept_stderr = -1;
    journal_errno = 0;
    datagram_len = 0;
    unsetenv("JOURNAL_STREAM");
    ch_log_setup(CH_LOG_INFO, CH_LOG_FORMAT_LOGFMT);
    return 0;
}

static int memory_file(void)
{
    int fd = memfd_create("log", MFD_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

/* All that a memory file holds; static. */
static const char *content(int fd)
{
    static char text[512 * 1024];
    ssize_t len = pread(fd, text, sizeof(text) - 1, 0);

    assert_true(len >= 0);
    text[len] = '\0';
    return text;
}

static struct ch_log_entry entry_with(const char *message, const char *name, const char *value)
{
    return (struct ch_log_entry){.level = CH_LOG_WARN,
                                 .time_ns = INT64_C(1767323045678999999),
                                 .message = message,
                                 .count = 1,
                                 .fields = {{.name = name, .value = value}}};
}

#define LOGFMT_HEAD "time=2026-01-02T03:04:05.678Z level=warn msg="

static void check_logfmt(const char *value, const char *expected)
{
    struct ch_log_entry entry = entry_with("m", "k", value);
    char line[CH_LOG_LINE_MAX], whole[256];
    size_t len = ch_log_line_logfmt(&entry, line);

    snprintf(whole, sizeof(whole), LOGFMT_HEAD "m k=%s\n", expected);
    assert_int_equal(len, strlen(whole));
    assert_memory_equal(line, whole, len);
}

static void test_logfmt_quotes_what_needs_it(void **state)
{
    (void)state;
    check_logfmt("plain-1.2:3/4", "plain-1.2:3/4");
    check_logfmt("back\\slash", "back\\slash");
    check_logfmt("", "\"\"");
    check_logfmt("two words", "\"two words\"");
    check_logfmt("a=b", "\"a=b\"");
    check_logfmt("say \"no\"", "\"say \\\"no\\\"\"");
    check_logfmt("a\\ b", "\"a\\\\ b\"");
    check_logfmt("a\nb\tc\rd", "\"a\\nb\\tc\\rd\"");
    check_logfmt("\x1b[31m\x7f", "\"\\u001b[31m\\u007f\"");
    check_logfmt("\xc2\x9b", "\"\\u009b\""); /* a control sequence's start for a terminal, too */
    check_logfmt("Zürich", "Zürich");
    check_logfmt("😀", "😀");
}

static void test_what_is_not_utf8_is_replaced(void **state)
{
    static const char *const bad[] = {
        "\x80",                     /* a continuation without a start */
        "\xc3",                     /* cut by the end */
        "\xc0\xaf",                 /* overlong */
        "\xe0\x80\xaf",             /* overlong */
        "\xed\xa0\x80",             /* a surrogate */
        "\xf4\x90\x80\x80",         /* beyond U+10FFFF */
        "\xf9\x80\x80\x80",         /* no start at all */
        "\xff\xfe",                 /* nor these */
        "\xf0\x9f\x98",             /* cut by the end */
        "\xe2\x82(",                /* cut by a letter */
        "\xf8\x88\x80\x80\x80",     /* five bytes */
        "\xfc\x84\x80\x80\x80\x80", /* six */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct ch_log_entry entry = entry_with("m", "k", bad[i]);
        char line[CH_LOG_LINE_MAX], expected[128] = "\"k\":\"", *at = expected + 5;
        size_t len = ch_log_line_json(&entry, line);

        for (const char *byte = bad[i]; *byte; byte++)
            at = stpcpy(at, *byte == '(' ? "(" : "\xef\xbf\xbd");
        strcpy(at, "\"}\n");
        assert_memory_equal(line + len - strlen(expected), expected, strlen(expected));
    }
}

static void test_json_can_be_parsed_whatever_is_in_it(void **state)
{
    char value[3] = {0}, line[CH_LOG_LINE_MAX];

    (void)state;
    for (int first = 1; first < 256; first++) {
        for (int second = 0; second < 256; second += 5) {
            struct ch_log_entry entry = entry_with(value, "k", value);
            const char *end = NULL;
            cJSON *json;
            size_t len;

            value[0] = (char)first;
            value[1] = (char)second;
            len = ch_log_line_json(&entry, line);
            json = cJSON_ParseWithLengthOpts(line, len, &end, false);
            assert_non_null(json);
            assert_ptr_equal(end, line + len - 1);
            assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(json, "level")), "warn");
            if (first < 0x80 && second < 0x80)
                assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(json, "k")), value);
            cJSON_Delete(json);
        }
    }
}

static void test_json_exactly(void **state)
{
    struct ch_log_entry entry = entry_with("a \"b\"", "target", "x:1");
    const char *expected = "{\"time\":\"2026-01-02T03:04:05.678Z\",\"level\":\"warn\","
                           "\"msg\":\"a \\\"b\\\"\",\"target\":\"x:1\"}\n";
    char line[CH_LOG_LINE_MAX];

    (void)state;
    assert_int_equal(ch_log_line_json(&entry, line), strlen(expected));
    assert_memory_equal(line, expected, strlen(expected));
}

/* The value of a field of the last datagram, checking its form; NULL: none. */
static const char *journal_field(const char *name, size_t *ret_count)
{
    static char value[CH_LOG_LINE_MAX];
    const char *at = datagram, *end = datagram + datagram_len;
    const char *found = NULL;

    *ret_count = 0;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        uint64_t len;

        assert_non_null(newline);
        assert_true(newline - at <= 64);
        memcpy(&len, newline + 1, sizeof(len));
        len = le64toh(len);
        assert_true(len < (uint64_t)(end - newline) - 9);
        assert_true(newline[9 + len] == '\n');
        if (strlen(name) == (size_t)(newline - at) && memcmp(at, name, strlen(name)) == 0) {
            memcpy(value, newline + 9, len);
            value[len] = '\0';
            found = value;
        }
        ++*ret_count;
        at = newline + 10 + len;
    }
    return found;
}

static void test_the_journal_gets_fields(void **state)
{
    size_t count;

    (void)state;
    ch_log_setup(CH_LOG_INFO, CH_LOG_FORMAT_JOURNAL);
    ch_log_fields(CH_LOG_ERROR, "it broke", "group", "re\ndis", "left_out", NULL, "cause", "x",
                  NULL);
    assert_string_equal(journal_field("MESSAGE", &count), "it broke");
    assert_string_equal(journal_field("PRIORITY", &count), "3");
    assert_string_equal(journal_field("SYSLOG_IDENTIFIER", &count), "unit-log");
    assert_string_equal(journal_field("CONNHEALTH_GROUP", &count), "re\ndis");
    assert_string_equal(journal_field("CONNHEALTH_CAUSE", &count), "x");
    assert_int_equal(count, 5);
    assert_null(journal_field("MESSAGE_ID", &count));
}

static void test_the_journal_gets_what_its_catalog_explains(void **state)
{
    const char *id = ch_message_of_failure(CH_CATEGORY_TIMEOUT);
    size_t count;

    (void)state;
    ch_log_setup(CH_LOG_INFO, CH_LOG_FORMAT_JOURNAL);
    ch_log_message(CH_LOG_WARN, id, "it fails", "group", "g", NULL);
    assert_string_equal(journal_field("MESSAGE_ID", &count), id);
    assert_string_equal(journal_field("MESSAGE", &count), "it fails");
    assert_string_equal(journal_field("CONNHEALTH_GROUP", &count), "g");
    assert_int_equal(count, 5);
}

static void test_stderr_that_is_the_journal_is_recognised(void **state)
{
    int fd = memory_file();
    char stream[64];
    struct stat st;
    size_t count;

    (void)state;
    redirect_stderr(fd);
    assert_int_equal(fstat(STDERR_FILENO, &st), 0);
    snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    ch_log_setup(CH_LOG_INFO, CH_LOG_FORMAT_AUTO);
    ch_log(CH_LOG_INFO, "to the journal");
    assert_string_equal(content(fd), "");
    assert_string_equal(journal_field("MESSAGE", &count), "to the journal");

    /* inherited from a parent, while stderr goes elsewhere */
    snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino + 1);
    setenv("JOURNAL_STREAM", stream, 1);
    ch_log_setup(CH_LOG_INFO, CH_LOG_FORMAT_AUTO);
    ch_log(CH_LOG_INFO, "to stderr");
    assert_non_null(strstr(content(fd), " level=info msg=\"to stderr\"\n"));
    setenv("JOURNAL_STREAM", "nonsense", 1);
    ch_log_setup(CH_LOG_INFO, CH_LOG_FORMAT_AUTO);
    ch_log(CH_LOG_INFO, "again");
    assert_non_null(strstr(content(fd), "msg=again\n"));
    restore_stderr(NULL);
    close(fd);
}

static void test_without_a_journal_stderr_takes_over(void **state)
{
    int fd = memory_file();
    uint64_t before = ch_log_dropped();

    (void)state;
    redirect_stderr(fd);
    ch_log_setup(CH_LOG_INFO, CH_LOG_FORMAT_JOURNAL);
    journal_errno = ENOENT;
    ch_log(CH_LOG_WARN, "no journal");
    journal_errno = EAGAIN; /* there is one, and it is full */
    ch_log(CH_LOG_WARN, "full journal");
    restore_stderr(NULL);
    assert_non_null(strstr(content(fd), "level=warn msg=\"no journal\"\n"));
    assert_null(strstr(content(fd), "full journal"));
    assert_int_equal(ch_log_dropped(), before + 1);
    close(fd);
}

static void test_levels_and_formats(void **state)
{
    int fd = memory_file();

    (void)state;
    redirect_stderr(fd);
    ch_log_setup(CH_LOG_WARN, CH_LOG_FORMAT_JSON);
    ch_log_fields(CH_LOG_INFO, "not shown", "a", "b", NULL);
    ch_log(CH_LOG_DEBUG, "not shown");
    errno = EXDEV;
    ch_log(CH_LOG_WARN, "shown %d", 7);
    assert_int_equal(errno, EXDEV);
    restore_stderr(NULL);
    assert_null(strstr(content(fd), "not shown"));
    assert_non_null(strstr(content(fd), ",\"level\":\"warn\",\"msg\":\"shown 7\"}\n"));
    assert_false(ch_log_enabled(CH_LOG_DEBUG));
    assert_true(ch_log_enabled(CH_LOG_ERROR));
    close(fd);
}

static void check_bounded(size_t (*format)(const struct ch_log_entry *, char *), char fill)
{
    struct ch_log_entry entry = {.message = "m", .count = CH_LOG_FIELDS_MAX};
    char value[2 * CH_LOG_VALUE_MAX] = {0}, line[CH_LOG_LINE_MAX + 64];

    memset(value, fill, sizeof(value) - 1);
    entry.message = value;
    for (size_t i = 0; i < entry.count; i++)
        entry.fields[i] = (struct ch_log_field){.name = "some_name", .value = value};
    for (size_t shorter = 0; shorter < 64; shorter++) {
        size_t len;

        value[sizeof(value) - 1 - shorter] = '\0';
        entry.fields[0].value = value + 1000 + shorter;
        memset(line, '#', sizeof(line));
        len = format(&entry, line);
        assert_true(len > CH_LOG_LINE_MAX / 2 && len <= CH_LOG_LINE_MAX);
        assert_true(line[CH_LOG_LINE_MAX] == '#');
        assert_true(line[len - 1] == '\n');
        assert_non_null(memmem(line, len, "…", strlen("…")));
        if (format == ch_log_line_json) {
            cJSON *json = cJSON_ParseWithLength(line, len);

            assert_non_null(json);
            cJSON_Delete(json);
        }
    }
}

static void test_lines_are_bounded_and_whole(void **state)
{
    (void)state;
    check_bounded(ch_log_line_logfmt, 'x');
    check_bounded(ch_log_line_logfmt, '\x01'); /* six bytes each when escaped */
    check_bounded(ch_log_line_json, 'x');
    check_bounded(ch_log_line_json, '"');
    check_bounded(ch_log_line_json, '\x01');
    check_bounded(ch_log_line_json, '\xff');
    check_bounded(ch_log_line_journal, 'x');
    check_bounded(ch_log_line_journal, '\xff');
}

static void test_a_long_message_ends_in_an_ellipsis(void **state)
{
    int fd = memory_file();
    char text[3000] = {0};

    (void)state;
    memset(text, 'y', sizeof(text) - 1);
    redirect_stderr(fd);
    ch_log(CH_LOG_INFO, "%s", text);
    restore_stderr(NULL);
    text[CH_LOG_VALUE_MAX] = '\0';
    assert_non_null(strstr(content(fd), text));
    assert_non_null(strstr(content(fd), "y…\n"));
    close(fd);
}

static void fill_pipe(int fd)
{
    static const char page[4096];

    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    while (write(fd, page, sizeof(page)) > 0)
        ;
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(fcntl(fd, F_SETFL, 0), 0); /* a write would wait from here on */
}

static void test_a_stuck_or_gone_stderr_is_survived(void **state)
{
    uint64_t before = ch_log_dropped();
    int ends[2], full = open("/dev/full", O_WRONLY | O_CLOEXEC);

    (void)state;
    assert_true(full >= 0);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    fill_pipe(ends[1]);
    redirect_stderr(ends[1]);
    ch_log(CH_LOG_ERROR, "nobody reads");
    restore_stderr(NULL);
    assert_int_equal(ch_log_dropped(), before + 1);

    close(ends[0]);
    redirect_stderr(ends[1]);
    ch_log(CH_LOG_ERROR, "nobody is there: SIGPIPE would end this test");
    restore_stderr(NULL);
    assert_int_equal(ch_log_dropped(), before + 2);

    redirect_stderr(full);
    ch_log(CH_LOG_ERROR, "no space left on the device");
    restore_stderr(NULL);
    assert_int_equal(ch_log_dropped(), before + 3);
    close(full);
    close(ends[1]);
}

#define LINES 500

static void *log_lines(void *name)
{
    for (int i = 0; i < LINES; i++)
        ch_log_fields(CH_LOG_INFO, "a line", "thread", (const char *)name, "end", "yes", NULL);
    return NULL;
}

static void test_threads_do_not_mix_their_lines(void **state)
{
    int fd = memory_file(), lines = 0;
    char *names[] = {(char *)"one", (char *)"two"}, *rest, *line;
    pthread_t threads[2];

    (void)state;
    redirect_stderr(fd);
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, log_lines, names[i]);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    restore_stderr(NULL);
    rest = strdup(content(fd));
    for (char *at = rest; (line = strsep(&at, "\n")) && *line; lines++) {
        assert_memory_equal(line, "time=2", 6);
        assert_non_null(strstr(line, " end=yes"));
        assert_null(strstr(strstr(line, "time=") + 1, "time="));
    }
    assert_int_equal(lines, 2 * LINES);
    free(rest);
    close(fd);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_teardown(function, restore_stderr)
    const struct CMUnitTest tests[] = {
        TEST(test_logfmt_quotes_what_needs_it),
        TEST(test_what_is_not_utf8_is_replaced),
        TEST(test_json_can_be_parsed_whatever_is_in_it),
        TEST(test_json_exactly),
        TEST(test_the_journal_gets_fields),
        TEST(test_the_journal_gets_what_its_catalog_explains),
        TEST(test_stderr_that_is_the_journal_is_recognised),
        TEST(test_without_a_journal_stderr_takes_over),
        TEST(test_levels_and_formats),
        TEST(test_lines_are_bounded_and_whole),
        TEST(test_a_long_message_ends_in_an_ellipsis),
        TEST(test_a_stuck_or_gone_stderr_is_survived),
        TEST(test_threads_do_not_mix_their_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
