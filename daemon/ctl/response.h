/* SPDX-License-Identifier: Apache-2.0 */
/* An HTTP/1 response to a request that asked for HTTP/1.0: a head, then the body
 * until the connection's end. Pure. */
#ifndef CH_CTL_RESPONSE_H
#define CH_CTL_RESPONSE_H

#include <stddef.h>

struct ctl_response {
    unsigned status;  /* 100 to 599 */
    const char *body; /* in the bytes that were parsed */
    size_t body_len;
};

/* All bytes that came until the end. NULL, or what is wrong with them. */
const char *ctl_response_parse(const char *bytes, size_t len, struct ctl_response *ret);

#endif
