/* SPDX-License-Identifier: PostgreSQL */
/*
 * arena.h: memory that is given back all at once.
 *
 * The caller says where blocks come from and how much may be taken altogether.  The
 * allocator returns NULL when it has none and never throws: no longjmp may cross a core
 * frame.  Everything the core returns lives in the arena it was given, or in its input.
 */
#ifndef UE_CORE_ARENA_H
#define UE_CORE_ARENA_H

#include "core/slice.h"
#include "core/status.h"

typedef struct UeAllocator
{
	void *(*allocate)(void *context, size_t size); /* NULL on exhaustion, never throws */
	void (*release)(void *context, void *block);   /* block may be NULL */
	void *context;                                 /* passed to both */
} UeAllocator;

typedef struct UeArenaBlock UeArenaBlock;

/* One thread at a time.  Fields are private to arena.c. */
typedef struct UeArena
{
	const UeAllocator *allocator; /* not owned */
	UeArenaBlock *blocks;         /* newest first, owned */
	size_t used;                  /* bytes handed out by the newest block */
	size_t total;                 /* bytes taken from the allocator */
	size_t ceiling;               /* total never exceeds this */
	bool is_full;                 /* what was refused last was so by the ceiling */
} UeArena;

/* Takes no memory yet.  allocator must outlive the arena; ceiling in bytes. */
extern void ue_arena_init(UeArena *arena, const UeAllocator *allocator, size_t ceiling);

/* max_align_t aligned, uninitialised; NULL when the ceiling or the allocator refuses.
 * size 0 gives a valid pointer. */
extern void *ue_arena_allocate(UeArena *arena, size_t size) UE_MUST_CHECK;

/* The same, filled with zeros. */
extern void *ue_arena_allocate_zero(UeArena *arena, size_t size) UE_MUST_CHECK;

/* A copy of slice in the arena (a NUL is put behind it, not counted in len). */
extern UeStatus ue_arena_copy(UeArena *arena, UeSlice slice, UeSlice *out) UE_MUST_CHECK;

/* Grows the newest allocation in place where it can, else copies.  NULL as allocate. */
extern void *ue_arena_grow(UeArena *arena, void *old, size_t old_size, size_t new_size)
	UE_MUST_CHECK;

/* Of an arena that has refused: because of its ceiling, and not for want of memory. */
extern bool ue_arena_is_full(const UeArena *arena);

/* Everything handed out becomes invalid; reset keeps one block for the next use. */
extern void ue_arena_reset(UeArena *arena);
extern void ue_arena_free(UeArena *arena);

#endif
