/* SPDX-License-Identifier: PostgreSQL */
/*
 * callarena.h: the core's arena inside a memory context of one SQL call.
 *
 * The context is a child of the current one: an error frees it without our doing.
 */
#ifndef UE_CALLARENA_H
#define UE_CALLARENA_H

#include "postgres.h"

#include "core/arena.h"

#pragma GCC visibility push(hidden)

typedef struct UeCallArena
{
	MemoryContext context; /* owned */
	UeAllocator allocator;
	UeArena arena; /* what the core is given */
} UeCallArena;

/* ceiling: bytes that the arena may take altogether.  *call must stay where it is. */
extern void ue_callarena_init(UeCallArena *call, size_t ceiling);
extern void ue_callarena_free(UeCallArena *call);

/* What the core may take memory of that context with; both must outlive it. */
extern void ue_callarena_set_allocator(UeAllocator *allocator, MemoryContext context);

#pragma GCC visibility pop

#endif
