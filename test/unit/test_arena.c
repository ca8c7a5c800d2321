/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_arena.c: memory from an allocator that counts and fails.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/arena.h"
#include "libc_allocator.h"
#include "tap.h"

static UeAllocator
make_allocator(LibcAllocation *allocation)
{
	UeAllocator allocator = {libc_allocate, libc_release, allocation};

	return allocator;
}

static void
test_hand_outs(void)
{
	LibcAllocation allocation = {0, 0, 0};
	UeAllocator allocator = make_allocator(&allocation);
	UeArena arena;
	bool is_aligned = true;
	bool is_distinct = true;
	char *last = NULL;

	ue_arena_init(&arena, &allocator, 1 << 20);
	ok(allocation.n_calls == 0, "arena: takes nothing before it is asked");
	for (size_t size = 0; size < 300; size++)
	{
		char *ptr = ue_arena_allocate(&arena, size);

		is_aligned &= ptr != NULL && (uintptr_t) ptr % _Alignof(max_align_t) == 0;
		is_distinct &= ptr != last;
		if (ptr != NULL)
			memset(ptr, 0xAA, size);
		last = ptr;
	}
	ok(is_aligned, "arena: every size is aligned");
	ok(is_distinct, "arena: no two hand-outs share an address, size 0 too");
	ok(allocation.n_calls < 6, "arena: blocks grow geometrically");
	ok(arena.total <= arena.ceiling, "arena: total is within the ceiling");
	ue_arena_reset(&arena);
	ok(allocation.n_blocks == 1, "arena: a reset keeps one block");
	ok(ue_arena_allocate(&arena, 100) != NULL && allocation.n_blocks == 1,
	   "arena: and uses it again");
	ue_arena_free(&arena);
	ok(allocation.n_blocks == 0 && arena.total == 0, "arena: free gives all back");
	ue_arena_free(&arena);
	ue_arena_reset(&arena);
	ok(allocation.n_blocks == 0, "arena: free and reset of nothing do nothing");
}

static void
test_ceiling(void)
{
	LibcAllocation allocation = {0, 0, 0};
	UeAllocator allocator = make_allocator(&allocation);
	UeArena arena;
	size_t n_bytes = 0;

	ue_arena_init(&arena, &allocator, 100000);
	while (ue_arena_allocate(&arena, 1000) != NULL)
		n_bytes += 1000;
	ok(n_bytes > 90000 && n_bytes <= 100000,
	   "arena: uses nearly all of its ceiling (%zu)", n_bytes);
	ok(arena.total <= 100000, "arena: never exceeds it");
	ok(ue_arena_is_full(&arena), "arena: and says that it was the ceiling");
	ok(ue_arena_allocate(&arena, SIZE_MAX) == NULL, "arena: SIZE_MAX is refused");
	ok(ue_arena_allocate(&arena, SIZE_MAX - 40) == NULL, "arena: and what wraps around");
	ue_arena_free(&arena);
	ue_arena_init(&arena, &allocator, 8);
	ok(ue_arena_allocate(&arena, 1) == NULL,
	   "arena: a ceiling below one block refuses all");
	ue_arena_free(&arena);
	ok(allocation.n_blocks == 0, "arena: nothing is left behind");
}

static void
test_copy_and_grow(void)
{
	UeArena arena;
	UeSlice copy;
	char *first;
	char *grown;
	char *zeros;

	ue_arena_init(&arena, &libc_allocator, 1 << 20);
	ok(ue_arena_copy(&arena, UE_SLICE("a\0b"), &copy) == UE_OK, "arena: copy");
	is_text(copy, UE_SLICE("a\0b"), "arena: a copy has every byte");
	ok(copy.ptr[copy.len] == '\0', "arena: and a NUL behind it");
	ok(ue_arena_copy(&arena, ue_slice_of(NULL), &copy) == UE_OK && copy.len == 0 &&
		   copy.ptr[0] == '\0',
	   "arena: copy of nothing");
	first = ue_arena_allocate(&arena, 10);
	memcpy(first, "0123456789", 10);
	grown = ue_arena_grow(&arena, first, 10, 500);
	ok(grown == first, "arena: the newest grows in place");
	ok(ue_arena_allocate(&arena, 1) != NULL, "arena: another");
	grown = ue_arena_grow(&arena, first, 500, 5000);
	ok(grown != first && memcmp(grown, "0123456789", 10) == 0,
	   "arena: an older one is copied");
	ok(ue_arena_grow(&arena, grown, 5000, 5) == grown,
	   "arena: smaller stays where it is");
	ok(ue_arena_grow(&arena, NULL, 0, 5) != NULL, "arena: growing NULL allocates");
	ok(ue_arena_grow(&arena, grown, 5000, SIZE_MAX) == NULL,
	   "arena: growing beyond all is refused");
	zeros = ue_arena_allocate_zero(&arena, 64);
	ok(zeros != NULL && zeros[0] == 0 && memcmp(zeros, zeros + 1, 63) == 0,
	   "arena: zeros");
	ue_arena_free(&arena);
}

static void
test_refusal(void)
{
	LibcAllocation allocation = {0, 2, 0};
	UeAllocator allocator = make_allocator(&allocation);
	UeArena arena;
	UeSlice copy = UE_SLICE("untouched");

	ue_arena_init(&arena, &allocator, 1 << 20);
	ok(ue_arena_allocate(&arena, 10) != NULL, "arena: the first block comes");
	ok(ue_arena_allocate(&arena, 100000) == NULL, "arena: the second does not, NULL");
	ok(!ue_arena_is_full(&arena), "arena: for want of memory, not by the ceiling");
	ok(ue_arena_allocate(&arena, 10) != NULL, "arena: what is left is still handed out");
	allocation.fail_from = 1;
	ok(ue_arena_copy(&arena, (UeSlice){"x", SIZE_MAX}, &copy) == UE_NO_MEMORY,
	   "arena: a copy of everything is refused");
	is_text(copy, UE_SLICE("untouched"), "arena: out-parameter left alone");
	ue_arena_free(&arena);
	ok(allocation.n_blocks == 0, "arena: nothing is left behind");
}

int
main(void)
{
	test_hand_outs();
	test_ceiling();
	test_copy_and_grow();
	test_refusal();
	return done_testing();
}
