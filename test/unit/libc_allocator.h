/* SPDX-License-Identifier: PostgreSQL */
/*
 * libc_allocator.h: the allocator of the tests and fuzz targets: malloc, and on demand one
 * that fails at a chosen call.
 */
#ifndef UE_TEST_LIBC_ALLOCATOR_H
#define UE_TEST_LIBC_ALLOCATOR_H

#include <stdlib.h>

#include "core/arena.h"

typedef struct LibcAllocation
{
	long n_calls;	/* so far */
	long fail_from; /* this call and all later ones fail; 0: none does */
	long n_blocks;	/* not yet released */
} LibcAllocation;

__attribute__((unused)) static void *
libc_allocate(void *context, size_t size)
{
	LibcAllocation *allocation = context;
	void *block;

	if (allocation == NULL)
		return malloc(size);
	allocation->n_calls++;
	if (allocation->fail_from > 0 && allocation->n_calls >= allocation->fail_from)
		return NULL;
	block = malloc(size);
	allocation->n_blocks += block != NULL;
	return block;
}

__attribute__((unused)) static void
libc_release(void *context, void *block)
{
	LibcAllocation *allocation = context;

	if (allocation != NULL && block != NULL)
		allocation->n_blocks--;
	free(block);
}

__attribute__((unused)) static const UeAllocator libc_allocator = {libc_allocate,
																   libc_release, NULL};

#endif
