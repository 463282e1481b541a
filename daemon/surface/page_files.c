/* SPDX-License-Identifier: Apache-2.0 */
#include "page_files.h"

/* The files and their hashes come from CMakeLists.txt. */
#define EMBED(name, file)                                                                          \
    __asm__(".pushsection .rodata\n"                                                               \
            "page_" #name "_begin:\n"                                                              \
            ".incbin \"" file "\"\n"                                                               \
            "page_" #name "_end:\n"                                                                \
            ".popsection\n");                                                                      \
    extern const char page_##name##_begin[] __attribute__((visibility("hidden")));                 \
    extern const char page_##name##_end[] __attribute__((visibility("hidden")))

EMBED(index, CH_PAGE_INDEX_FILE);
EMBED(style, CH_PAGE_STYLE_FILE);
EMBED(script, CH_PAGE_SCRIPT_FILE);
EMBED(icon, CH_PAGE_ICON_FILE);

#define BYTES(name, hash)                                                                          \
    (struct ch_page_bytes)                                                                         \
    {                                                                                              \
        page_##name##_begin, (size_t)(page_##name##_end - page_##name##_begin), "W/\"" hash "\""   \
    }

struct ch_page_bytes ch_page_file(enum ch_page_file file)
{
    switch (file) {
    case CH_PAGE_INDEX:
        return BYTES(index, CH_PAGE_INDEX_HASH);
    case CH_PAGE_STYLE:
        return BYTES(style, CH_PAGE_STYLE_HASH);
    case CH_PAGE_SCRIPT:
        return BYTES(script, CH_PAGE_SCRIPT_HASH);
    case CH_PAGE_ICON:
        return BYTES(icon, CH_PAGE_ICON_HASH);
    }
    return (struct ch_page_bytes){"", 0, "W/\"\""};
}
