/* SPDX-License-Identifier: Apache-2.0 */
/* The Authorization header of basic authentication (RFC 7617). Pure; any bytes
 * may be given. */
#ifndef CH_SURFACE_AUTHORIZATION_H
#define CH_SURFACE_AUTHORIZATION_H

#include <stdbool.h>

/* bcrypt looks at 72 bytes of a password; longer ones are accepted up to here. */
#define CH_CREDENTIALS_MAX 512

/* Both NUL-terminated; to be wiped after use. */
struct ch_credentials {
    char text[CH_CREDENTIALS_MAX];
    const char *user, *password; /* into text */
};

/* False: another scheme, malformed, too long, or with a NUL in it. The result
 * points into itself: it must not be copied. */
bool ch_authorization_parse(const char *header, struct ch_credentials *ret);
void ch_credentials_wipe(struct ch_credentials *credentials);

#endif
