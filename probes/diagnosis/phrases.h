/* SPDX-License-Identifier: Apache-2.0 */
/* A sentence under construction in a buffer of fixed size: what does not fit is
 * cut, the text is always terminated. */
#ifndef CH_DIAGNOSIS_PHRASES_H
#define CH_DIAGNOSIS_PHRASES_H

#include <stddef.h>

#include "connhealth/evidence.h"

struct ch_phrase {
    char *at;
    size_t left; /* with the NUL */
};

void ch_say(struct ch_phrase *phrase, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* "host_unreachable" as "host unreachable". */
void ch_say_slug(struct ch_phrase *phrase, const char *slug);
/* lead, then "1 retransmission" or "2 retransmissions". */
void ch_say_count(struct ch_phrase *phrase, const char *lead, unsigned count, const char *what);
/* lead and the time, rounded to what an eye takes in: "0.3 ms", "12.3 s", "5 min 30 s". */
void ch_say_duration(struct ch_phrase *phrase, const char *lead, int64_t ns);
/* " \"…\"", with everything but printable ASCII escaped as in C. */
void ch_say_quoted(struct ch_phrase *phrase, const uint8_t *bytes, size_t len);

/* What the ids on a new connection say, to follow a clause; "" if nothing. */
const char *ch_identity_phrase(unsigned identity);

#endif
