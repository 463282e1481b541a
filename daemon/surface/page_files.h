/* SPDX-License-Identifier: Apache-2.0 */
/* The files of daemon/surface/page as the program carries them. */
#ifndef CH_SURFACE_PAGE_FILES_H
#define CH_SURFACE_PAGE_FILES_H

#include <stddef.h>

enum ch_page_file { CH_PAGE_INDEX, CH_PAGE_STYLE, CH_PAGE_SCRIPT, CH_PAGE_ICON };

struct ch_page_bytes {
    const char *data; /* not NUL-terminated */
    size_t len;
    const char *etag; /* of the content, quoted as RFC 9110, 8.8.3 has it */
};

struct ch_page_bytes ch_page_file(enum ch_page_file file);

#endif
