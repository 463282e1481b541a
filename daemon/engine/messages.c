/* SPDX-License-Identifier: Apache-2.0 */
#include "messages.h"

static const struct ch_message_row rows[CH_MESSAGE_COUNT] = {
#define X(id, uuid, subject_, text_) [CH_MESSAGE_##id] = {uuid, subject_, text_},
    CH_MESSAGES(X)
#undef X
};

static const char *const failures[] = {
    [CH_CATEGORY_NONE] = "",
    [CH_CATEGORY_REFUSED] = "42c1a0edd2384ca49893665dbb3ab581",
    [CH_CATEGORY_RESET] = "affb5e73684c4c48a01bdbc411e47c56",
    [CH_CATEGORY_ABORTED] = "fbfd82bba6344d1cacf1c47505d12ace",
    [CH_CATEGORY_TIMEOUT] = "b2fbccdd583a487ba34468d2eaa76b56",
    [CH_CATEGORY_BROKEN_PIPE] = "024ae76ec0784c97974a11112413764e",
    [CH_CATEGORY_HOST_UNREACHABLE] = "9fb50d36a4954b22b9cb92fe6a8e30d0",
    [CH_CATEGORY_NET_UNREACHABLE] = "8390ec17e9e94b269c8b19250f6de6cc",
    [CH_CATEGORY_WOULD_BLOCK] = "e8d2cf537b54428b9f97b6ffd199b02b",
    [CH_CATEGORY_EOF] = "2ec766adb59f4436ba51d7ac1a909bab",
    [CH_CATEGORY_BAD_REPLY] = "33bed2987d004718b15c37db79f0be68",
    [CH_CATEGORY_NAME_RESOLUTION] = "57c3fd5f93f14d0784e57f3dd0cff730",
    [CH_CATEGORY_DENIED] = "0d55da6e8b764d3099964ebfad2b467e",
    [CH_CATEGORY_LOCAL_RESOURCE] = "78fcb7c0a2ef4052ad2d1f27ea5adfc4",
    [CH_CATEGORY_OTHER] = "1a5cc3b555534b5b8874bf58a2b7d793",
};

_Static_assert(sizeof(failures) / sizeof(failures[0]) == CH_CATEGORY_COUNT,
               "a new category needs an id: systemd-id128 new");

const struct ch_message_row *ch_message_row(enum ch_message message)
{
    return &rows[message];
}

const char *ch_message_of_failure(enum ch_category category)
{
    return failures[category];
}
