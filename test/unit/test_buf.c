/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_buf.c: growing, the ceiling, and the failure that sticks.
 */
#include <stdint.h>
#include <string.h>

#include "core/buf.h"
#include "libc_allocator.h"
#include "tap.h"

static void
test_growth(void)
{
	UeArena arena;
	UeBuf buf;
	UeSlice text;
	bool is_same = true;

	ue_arena_init(&arena, &libc_allocator, 1 << 20);
	ue_buf_init(&buf, &arena, SIZE_MAX);
	ok(ue_buf_finish(&buf, &text) == UE_OK && text.len == 0 && text.ptr[0] == '\0',
	   "buf: empty, with its NUL");
	for (int i = 0; i < 5000; i++)
		ue_buf_append_byte(&buf, (char) ('a' + i % 26));
	ok(ue_buf_finish(&buf, &text) == UE_OK && text.len == 5000, "buf: 5000 bytes");
	for (int i = 0; i < 5000; i++)
		is_same &= text.ptr[i] == 'a' + i % 26;
	ok(is_same && text.ptr[5000] == '\0', "buf: the bytes that were appended");
	ue_buf_append(&buf, text);
	ok(ue_buf_finish(&buf, &text) == UE_OK && text.len == 10000 &&
		   memcmp(text.ptr, text.ptr + 5000, 5000) == 0,
	   "buf: its own text may be appended to it");
	ue_arena_free(&arena);
}

static void
test_integers(void)
{
	UeArena arena;
	UeBuf buf;
	UeSlice text;

	ue_arena_init(&arena, &libc_allocator, 1 << 20);
	ue_buf_init(&buf, &arena, 100);
	ue_buf_append_int64(&buf, INT64_MIN);
	ue_buf_append_byte(&buf, ' ');
	ue_buf_append_int64(&buf, 0);
	ue_buf_append_byte(&buf, ' ');
	ue_buf_append_int64(&buf, INT64_MAX);
	ok(ue_buf_finish(&buf, &text) == UE_OK, "buf: integers");
	is_text(text, UE_SLICE("-9223372036854775808 0 9223372036854775807"),
			"buf: in decimal");
	ue_arena_free(&arena);
}

static void
test_failures(void)
{
	LibcAllocation allocation = {0, 0, 0};
	UeAllocator allocator = {libc_allocate, libc_release, &allocation};
	UeArena arena;
	UeBuf buf;
	UeSlice text = UE_SLICE("untouched");

	ue_arena_init(&arena, &allocator, 1 << 20);
	ue_buf_init(&buf, &arena, 5);
	ue_buf_append(&buf, UE_SLICE("12345"));
	ok(ue_buf_finish(&buf, &text) == UE_OK && text.len == 5,
	   "buf: the ceiling itself fits");
	ue_buf_append_byte(&buf, '6');
	ok(buf.status == UE_TOO_LARGE && buf.len == 5, "buf: one more does not");
	text = UE_SLICE("untouched");
	ue_buf_append(&buf, UE_SLICE(""));
	ok(ue_buf_finish(&buf, &text) == UE_TOO_LARGE, "buf: the failure sticks");
	is_text(text, UE_SLICE("untouched"), "buf: out-parameter left alone");
	allocation.fail_from = allocation.n_calls + 1;
	ue_buf_init(&buf, &arena, SIZE_MAX);
	for (int i = 0; i < 100000; i++)
		ue_buf_append_byte(&buf, 'x');
	ok(buf.status == UE_NO_MEMORY, "buf: no memory is a status of its own");
	ok(buf.len < buf.size, "buf: and what is reserved is not exceeded");
	ue_arena_free(&arena);
	ok(allocation.n_blocks == 0, "buf: nothing is left behind");
}

int
main(void)
{
	test_growth();
	test_integers();
	test_failures();
	return done_testing();
}
