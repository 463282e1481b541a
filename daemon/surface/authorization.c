/* SPDX-License-Identifier: Apache-2.0 */
#include "authorization.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

static int digit_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* RFC 4648, 4, with its padding, which some clients leave out. At most max bytes;
 * how many, or -1. */
static ptrdiff_t decode(const char *text, size_t len, char *data, size_t max)
{
    uint32_t bits = 0;
    size_t count = 0, digits = len;

    while (digits > 0 && len - digits < 2 && text[digits - 1] == '=')
        digits--;
    if (digits % 4 == 1 || (len > digits && len % 4 != 0) || digits / 4 * 3 + digits % 4 > max)
        return -1;
    for (size_t i = 0; i < digits; i++) {
        int digit = digit_of(text[i]);

        if (digit < 0)
            return -1;
        bits = bits << 6 | (uint32_t)digit;
        if (i % 4 != 0)
            data[count++] = (char)(bits >> (6 - i % 4 * 2));
    }
    return (ptrdiff_t)count;
}

bool ch_authorization_parse(const char *header, struct ch_credentials *ret)
{
    static const char scheme[] = "Basic ";
    ptrdiff_t len;
    char *colon;

    if (strncasecmp(header, scheme, strlen(scheme)) != 0)
        return false;
    header += strlen(scheme);
    header += strspn(header, " ");
    len = decode(header, strcspn(header, " \t"), ret->text, sizeof(ret->text) - 1);
    if (len < 0 || header[strcspn(header, " \t") + strspn(header + strcspn(header, " \t"), " \t")])
        return false;
    ret->text[len] = '\0';
    colon = memchr(ret->text, ':', (size_t)len);
    if (!colon || strlen(ret->text) != (size_t)len)
        return false;
    *colon = '\0';
    ret->user = ret->text;
    ret->password = colon + 1;
    return true;
}

void ch_credentials_wipe(struct ch_credentials *credentials)
{
    explicit_bzero(credentials, sizeof(*credentials));
}
