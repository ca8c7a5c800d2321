/* SPDX-License-Identifier: PostgreSQL */
/*
 * heap.c: the allocator behind the sidecar's arenas.
 */
#include "heap.h"

#include <stdlib.h>

static void *allocate(void *context, size_t size);
static void release(void *context, void *block);

const UeAllocator ue_heap_allocator = {.allocate = allocate, .release = release};

static void *
allocate(void *context, size_t size)
{
	(void) context;
	return malloc(size);
}

static void
release(void *context, void *block)
{
	(void) context;
	free(block);
}
