/* SPDX-License-Identifier: Apache-2.0 */
#include "resolver_private.h"

#include <string.h>

/* RFC 1035, 4.1.1 and 4.1.2 */
enum {
    HEADER_SIZE = 12,
    RESPONSE_BIT = 0x80, /* of byte 2 */
    RCODE_MASK = 0x0f,   /* of byte 3 */
    RCODE_SERVFAIL = 2,
    RCODE_NOTIMP = 4,
    RCODE_REFUSED = 5,
    LABEL_MAX = 63,
};

static enum ch_dns failure_of_rcode(unsigned rcode)
{
    switch (rcode) {
    case RCODE_SERVFAIL:
        return CH_DNS_SERVFAIL;
    case RCODE_REFUSED:
        return CH_DNS_REFUSED;
    case RCODE_NOTIMP:
        return CH_DNS_OTHER;
    default:
        return CH_DNS_NONE;
    }
}

/* The name of the question, as text. False if it does not fit the message. */
static bool read_name(const uint8_t *bytes, size_t len, char name[RESOLVER_NAME_TEXT])
{
    size_t at = HEADER_SIZE, out = 0;

    while (at < len && bytes[at] != 0) {
        size_t label = bytes[at++];

        /* the name of a question is never compressed: nothing comes before it */
        if (label > LABEL_MAX || label >= len - at || out + label + 2 > RESOLVER_NAME_TEXT ||
            memchr(bytes + at, '\0', label))
            return false;
        if (out > 0)
            name[out++] = '.';
        memcpy(name + out, bytes + at, label);
        out += label;
        at += label;
    }
    name[out] = '\0';
    return at < len && out > 0;
}

enum ch_dns resolver_reply_failure(const uint8_t *bytes, size_t len, char name[RESOLVER_NAME_TEXT])
{
    enum ch_dns failure;

    if (len <= HEADER_SIZE || !(bytes[2] & RESPONSE_BIT))
        return CH_DNS_NONE;
    failure = failure_of_rcode(bytes[3] & RCODE_MASK);
    if (failure == CH_DNS_NONE || bytes[4] != 0 || bytes[5] != 1 || !read_name(bytes, len, name))
        return CH_DNS_NONE;
    return failure;
}
