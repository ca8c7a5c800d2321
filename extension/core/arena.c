/* SPDX-License-Identifier: PostgreSQL */
/*
 * arena.c: a list of blocks, each at least twice as large as the one before.
 *
 * Only the newest block is carved from; what is left over in older ones is lost until the
 * reset, at most as much as was handed out.  Every hand-out is rounded up to max_align_t,
 * so `used` is always aligned and the newest allocation is the one that ends there.
 */
#include "core/arena.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* One error of a few KB fits the first block; doubling stops where a block is a case. */
#define FIRST_BLOCK_SIZE 8192
#define LARGEST_STEP	 (1024 * 1024)

#define ALIGNMENT _Alignof(max_align_t)

struct UeArenaBlock
{
	UeArenaBlock *older;
	size_t size; /* bytes in data */
	_Alignas(max_align_t) char data[];
};

/* size rounded up; false when that does not fit a size_t */
static bool
align_size(size_t size, size_t *out)
{
	if (size > SIZE_MAX - (ALIGNMENT - 1))
		return false;
	*out = (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
	return true;
}

/* Puts a block that holds at least `needed` bytes in front. */
static bool
append_block(UeArena *arena, size_t needed)
{
	size_t room = arena->ceiling - arena->total;
	size_t size = FIRST_BLOCK_SIZE;
	UeArenaBlock *block;

	arena->is_full = room < sizeof(UeArenaBlock) || needed > room - sizeof(UeArenaBlock);
	if (arena->is_full)
		return false;
	room -= sizeof(UeArenaBlock);
	if (arena->blocks != NULL)
		size = arena->blocks->size < LARGEST_STEP / 2 ? 2 * arena->blocks->size
													  : LARGEST_STEP;
	if (size < needed)
		size = needed;
	if (size > room)
		size = room;
	block = arena->allocator->allocate(arena->allocator->context,
									   sizeof(UeArenaBlock) + size);
	if (block == NULL)
		return false;
	block->older = arena->blocks;
	block->size = size;
	arena->blocks = block;
	arena->used = 0;
	arena->total += sizeof(UeArenaBlock) + size;
	return true;
}

void
ue_arena_init(UeArena *arena, const UeAllocator *allocator, size_t ceiling)
{
	arena->allocator = allocator;
	arena->blocks = NULL;
	arena->used = 0;
	arena->total = 0;
	arena->ceiling = ceiling;
	arena->is_full = false;
}

bool
ue_arena_is_full(const UeArena *arena)
{
	return arena->is_full;
}

void *
ue_arena_allocate(UeArena *arena, size_t size)
{
	void *result;

	/* an address of its own even for nothing, so that "newest" stays unambiguous */
	if (size == 0)
		size = 1;
	if (!align_size(size, &size))
		return NULL;
	if (arena->blocks == NULL || size > arena->blocks->size - arena->used)
	{
		if (!append_block(arena, size))
			return NULL;
	}
	result = arena->blocks->data + arena->used;
	arena->used += size;
	return result;
}

void *
ue_arena_allocate_zero(UeArena *arena, size_t size)
{
	void *result = ue_arena_allocate(arena, size);

	if (result != NULL)
		memset(result, 0, size);
	return result;
}

UeStatus
ue_arena_copy(UeArena *arena, UeSlice slice, UeSlice *out)
{
	char *copy;

	if (slice.len == SIZE_MAX)
		return UE_NO_MEMORY;
	copy = ue_arena_allocate(arena, slice.len + 1);
	if (copy == NULL)
		return UE_NO_MEMORY;
	if (slice.len > 0)
		memcpy(copy, slice.ptr, slice.len);
	copy[slice.len] = '\0';
	out->ptr = copy;
	out->len = slice.len;
	return UE_OK;
}

void *
ue_arena_grow(UeArena *arena, void *old, size_t old_size, size_t new_size)
{
	size_t old_room;
	size_t new_room;
	void *result;

	if (old == NULL)
		return ue_arena_allocate(arena, new_size);
	if (!align_size(old_size > 0 ? old_size : 1, &old_room) ||
		!align_size(new_size, &new_room))
		return NULL;
	if (new_room <= old_room)
		return old;
	if ((char *) old + old_room == arena->blocks->data + arena->used &&
		new_room - old_room <= arena->blocks->size - arena->used)
	{
		arena->used += new_room - old_room;
		return old;
	}
	result = ue_arena_allocate(arena, new_size);
	if (result != NULL)
		memcpy(result, old, old_size);
	return result;
}

static void
free_blocks(const UeArena *arena, UeArenaBlock *block)
{
	while (block != NULL)
	{
		UeArenaBlock *older = block->older;

		arena->allocator->release(arena->allocator->context, block);
		block = older;
	}
}

void
ue_arena_reset(UeArena *arena)
{
	UeArenaBlock *kept = arena->blocks;

	/* the newest is kept: it is the largest, and so the likeliest to do for the next case */
	arena->used = 0;
	arena->is_full = false;
	if (kept == NULL)
		return;
	free_blocks(arena, kept->older);
	kept->older = NULL;
	arena->total = sizeof(UeArenaBlock) + kept->size;
}

void
ue_arena_free(UeArena *arena)
{
	free_blocks(arena, arena->blocks);
	arena->blocks = NULL;
	arena->used = 0;
	arena->total = 0;
	arena->is_full = false;
}
