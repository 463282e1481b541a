/* SPDX-License-Identifier: Apache-2.0 */
/* A stream compressed as gzip (RFC 1952) while it is read, at level 1: on text
 * of this kind the higher levels save little and cost much. */
#ifndef CH_SURFACE_GZIP_H
#define CH_SURFACE_GZIP_H

#include "stream.h"

/* Takes *inner over (leaves NULL) on success. 0 or -ENOMEM. */
int ch_gzip_open(struct ch_stream **inner, struct ch_stream **ret);

#endif
