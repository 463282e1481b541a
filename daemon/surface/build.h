/* SPDX-License-Identifier: Apache-2.0 */
/* What was built. Static strings. */
#ifndef CH_SURFACE_BUILD_H
#define CH_SURFACE_BUILD_H

const char *ch_build_version(void);  /* "0.1.0" */
const char *ch_build_revision(void); /* of the source, "unknown" outside a checkout */
const char *ch_build_compiler(void); /* "gcc 12.2.0" */

#endif
