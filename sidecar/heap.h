/* SPDX-License-Identifier: PostgreSQL */
/*
 * heap.h: arenas of the sidecar's own threads, on malloc.
 */
#ifndef UE_HEAP_H
#define UE_HEAP_H

#include "core/arena.h"

/* Stateless; any thread. */
extern const UeAllocator ue_heap_allocator;

#endif
