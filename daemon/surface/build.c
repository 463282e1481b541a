/* SPDX-License-Identifier: Apache-2.0 */
#include "build.h"

#define TEXT_OF(x)  TEXT_OF_(x)
#define TEXT_OF_(x) #x

const char *ch_build_version(void)
{
    return CH_VERSION;
}

const char *ch_build_revision(void)
{
    return CH_REVISION;
}

const char *ch_build_compiler(void)
{
#ifdef __clang__
    return "clang " TEXT_OF(__clang_major__) "." TEXT_OF(__clang_minor__) "." TEXT_OF(
        __clang_patchlevel__);
#else
    return "gcc " TEXT_OF(__GNUC__) "." TEXT_OF(__GNUC_MINOR__) "." TEXT_OF(__GNUC_PATCHLEVEL__);
#endif
}
