/* SPDX-License-Identifier: Apache-2.0 */
/* The page at /, for people: what is failing, since when, why. A pure function;
 * any thread. */
#ifndef CH_SURFACE_PAGE_H
#define CH_SURFACE_PAGE_H

#include "state.h"
#include "text.h"

/* Failing targets beyond this many are only counted. */
#define CH_PAGE_ROWS 30

/* One HTML document, useful by itself: its script only keeps it up to date, and
 * makes it searchable. now_ns is the real-time clock's. Out of
 * memory: out->failed. */
void ch_page_render(struct ch_state *state, int64_t now_ns, struct ch_text *out);

#endif
