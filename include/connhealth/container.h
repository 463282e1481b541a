/* SPDX-License-Identifier: Apache-2.0 */
/* From an embedded member back to the struct that holds it. */
#ifndef CONNHEALTH_CONTAINER_H
#define CONNHEALTH_CONTAINER_H

#include <stddef.h>

#define ch_container_of(pointer, type, member)                                                     \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
