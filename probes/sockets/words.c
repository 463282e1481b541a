/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

#include "connhealth/sockets_words.h"

static const struct ch_sockets_word nothing = {.slug = ""};

static const struct ch_sockets_word states[] = {
#define X(id, word) {.slug = (word)},
    CH_SOCKET_STATES(X)
#undef X
};

static const struct ch_sockets_word ends[] = {
#define X(id, word, text) {.slug = (word), .meaning = (text)},
    CH_SOCKET_ENDS(X)
#undef X
};

static const struct ch_sockets_word troubles[] = {
#define X(id, word, of, text) {.slug = (word), .unit = (of), .meaning = (text)},
    CH_SOCKET_TROUBLES(X)
#undef X
};

static const struct ch_sockets_word kernel_events[] = {
#define X(id, line, kernel_name, word, text)                                                       \
    {.slug = (word), .group = (line), .name = (kernel_name), .meaning = (text)},
    CH_KERNEL_EVENTS(X)
#undef X
};

static const struct ch_sockets_word limits[] = {
#define X(id, word, help, text) {.slug = (word), .remedy = (help), .meaning = (text)},
    CH_SOCKETS_LIMITS(X)
#undef X
};

#define ROW(table, index)                                                                          \
    ((size_t)(index) < sizeof(table) / sizeof((table)[0]) ? &(table)[index] : &nothing)

const struct ch_sockets_word *ch_socket_state_word(enum ch_socket_state state)
{
    return ROW(states, state);
}

const struct ch_sockets_word *ch_socket_end_word(enum ch_socket_end end)
{
    return ROW(ends, end);
}

const struct ch_sockets_word *ch_socket_trouble_word(enum ch_socket_trouble trouble)
{
    return ROW(troubles, trouble);
}

const struct ch_sockets_word *ch_kernel_event_word(enum ch_kernel_event event)
{
    return ROW(kernel_events, event);
}

const struct ch_sockets_word *ch_sockets_limit_word(enum ch_sockets_limit_bit limit)
{
    return ROW(limits, limit);
}
