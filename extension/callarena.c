/* SPDX-License-Identifier: PostgreSQL */
/*
 * callarena.c: memory of the server for the core, which must never see a longjmp.
 */
#include "postgres.h"

#include "callarena.h"

#include "utils/memutils.h"

static void *allocate_block(void *context, size_t size);
static void release_block(void *context, void *block);

void
ue_callarena_init(UeCallArena *call, size_t ceiling)
{
	call->context = AllocSetContextCreate(CurrentMemoryContext, "upstream_errors call",
										  ALLOCSET_DEFAULT_SIZES);
	ue_callarena_set_allocator(&call->allocator, call->context);
	ue_arena_init(&call->arena, &call->allocator, ceiling);
}

void
ue_callarena_free(UeCallArena *call)
{
	ue_arena_free(&call->arena);
	MemoryContextDelete(call->context);
}

void
ue_callarena_set_allocator(UeAllocator *allocator, MemoryContext context)
{
	allocator->allocate = allocate_block;
	allocator->release = release_block;
	allocator->context = context;
}

/* Even with MCXT_ALLOC_NO_OOM a size beyond the limit is an error thrown, hence the test. */
static void *
allocate_block(void *context, size_t size)
{
	if (!AllocHugeSizeIsValid(size))
		return NULL;
	return MemoryContextAllocExtended(context, size, MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
}

static void
release_block(void *context, void *block)
{
	if (block != NULL)
		pfree(block);
}
