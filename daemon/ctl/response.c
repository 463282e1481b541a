/* SPDX-License-Identifier: Apache-2.0 */
#include "response.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

struct span {
    const char *at;
    size_t len;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "HTTP/1.1 200 OK", RFC 9112, 4; the reason is optional. */
static bool parse_status(struct span line, unsigned *ret)
{
    static const char version[] = "HTTP/1.";
    const size_t digits = sizeof("HTTP/1.1 ") - 1;
    const char *at = line.at + digits;

    if (line.len < digits + 3 || memcmp(line.at, version, sizeof(version) - 1) != 0 ||
        !is_digit(line.at[digits - 2]) || line.at[digits - 1] != ' ')
        return false;
    if (at[0] < '1' || at[0] > '5' || !is_digit(at[1]) || !is_digit(at[2]) ||
        (line.len > digits + 3 && at[3] != ' '))
        return false;
    *ret = (unsigned)(at[0] - '0') * 100 + (unsigned)(at[1] - '0') * 10 + (unsigned)(at[2] - '0');
    return true;
}

/* The line that *rest begins with, without its CRLF, which *rest is moved behind.
 * False if there is no whole line. */
static bool take_line(struct span *rest, struct span *ret)
{
    const char *end = memmem(rest->at, rest->len, "\r\n", 2);

    if (!end)
        return false;
    *ret = (struct span){.at = rest->at, .len = (size_t)(end - rest->at)};
    rest->len -= ret->len + 2;
    rest->at = end + 2;
    return true;
}

/* Whether the line is this header's; then its value without the blanks around. */
static bool is_header(struct span line, const char *name, struct span *ret)
{
    size_t len = strlen(name);

    if (line.len <= len || line.at[len] != ':' || strncasecmp(line.at, name, len) != 0)
        return false;
    *ret = (struct span){.at = line.at + len + 1, .len = line.len - len - 1};
    while (ret->len > 0 && (*ret->at == ' ' || *ret->at == '\t')) {
        ret->at++;
        ret->len--;
    }
    while (ret->len > 0 && (ret->at[ret->len - 1] == ' ' || ret->at[ret->len - 1] == '\t'))
        ret->len--;
    return true;
}

static bool parse_length(struct span value, size_t *ret)
{
    size_t length = 0;

    if (value.len == 0)
        return false;
    for (size_t i = 0; i < value.len; i++) {
        if (!is_digit(value.at[i]) || length > SIZE_MAX / 10 - 1)
            return false;
        length = length * 10 + (size_t)(value.at[i] - '0');
    }
    *ret = length;
    return true;
}

struct head {
    bool has_length;
    size_t length;
};

static const char *take_header(struct span line, struct head *head)
{
    struct span value;
    size_t length;

    /* HTTP/1.0 has no transfer codings (RFC 9112, 6.1). */
    if (is_header(line, "Transfer-Encoding", &value))
        return "answers in a transfer encoding that was not asked for";
    if (!is_header(line, "Content-Length", &value))
        return NULL;
    if (!parse_length(value, &length) || (head->has_length && head->length != length))
        return "answers with a Content-Length that is none";
    head->has_length = true;
    head->length = length;
    return NULL;
}

const char *ctl_response_parse(const char *bytes, size_t len, struct ctl_response *ret)
{
    struct span rest = {.at = bytes, .len = len}, line;
    struct head head = {.has_length = false};

    if (!take_line(&rest, &line) || !parse_status(line, &ret->status))
        return "does not answer in HTTP";
    do {
        const char *fault;

        if (!take_line(&rest, &line))
            return "the answer ends early";
        fault = take_header(line, &head);
        if (fault)
            return fault;
    } while (line.len > 0);
    if (head.has_length && head.length > rest.len)
        return "the answer ends early";
    ret->body = rest.at;
    ret->body_len = head.has_length ? head.length : rest.len;
    return NULL;
}
