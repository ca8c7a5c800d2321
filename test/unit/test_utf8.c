/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_utf8.c: every code point, every kind of invalid sequence, every place to cut.
 */
#include <string.h>

#include "core/utf8.h"
#include "guard.h"
#include "libc_allocator.h"
#include "tap.h"

#define FFFD "\xEF\xBF\xBD"

static Guard guard;

/* Each code point is written, read back, and unreadable when any of its bytes is missing. */
static void
test_all_code_points(UeArena *arena)
{
	bool is_read = true;
	bool is_short_refused = true;

	for (uint32_t value = 0; value <= 0x10FFFF; value++)
	{
		UeBuf buf;
		UeSlice text;
		uint32_t again = 0;

		if (value >= 0xD800 && value <= 0xDFFF)
			continue;
		ue_arena_reset(arena);
		ue_buf_init(&buf, arena, 4);
		ue_utf8_append(&buf, value);
		if (ue_buf_finish(&buf, &text) != UE_OK ||
			ue_utf8_read(text, &again) != text.len || again != value)
			is_read = false;
		for (size_t len = 1; len < text.len; len++)
			is_short_refused &= ue_utf8_read(ue_slice_sub(text, 0, len), &again) == 0;
	}
	ok(is_read, "utf8: every code point is written and read back");
	ok(is_short_refused, "utf8: none is read from fewer bytes");
}

static void
test_clean(UeArena *arena)
{
	static const struct
	{
		const char *claim;
		UeSlice text;
		UeSlice expected;
	} cases[] = {
		{"ASCII", UE_SLICE_INIT("plain"), UE_SLICE_INIT("plain")},
		{"all lengths", UE_SLICE_INIT("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"),
		 UE_SLICE_INIT("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80")},
		{"NUL", UE_SLICE_INIT("a\0b"),
		 UE_SLICE_INIT("a\xE2\x90\x80"
					   "b")},
		{"a lone continuation", UE_SLICE_INIT("\x80x"), UE_SLICE_INIT(FFFD "x")},
		{"overlong slash", UE_SLICE_INIT("\xC0\xAF"), UE_SLICE_INIT(FFFD FFFD)},
		{"a surrogate", UE_SLICE_INIT("\xED\xA0\x80"), UE_SLICE_INIT(FFFD FFFD FFFD)},
		{"beyond U+10FFFF", UE_SLICE_INIT("\xF4\x90\x80\x80"),
		 UE_SLICE_INIT(FFFD FFFD FFFD FFFD)},
		{"cut short, one subpart", UE_SLICE_INIT("\xF0\x9F\x98"), UE_SLICE_INIT(FFFD)},
		{"cut short in the middle", UE_SLICE_INIT("\xE2\x82x"), UE_SLICE_INIT(FFFD "x")},
		/* Unicode 15, table 3-8: the recommended practice */
		{"Unicode's own example",
		 UE_SLICE_INIT("a\xF1\x80\x80\xE1\x80\xC2"
					   "b\x80"
					   "c\x80\xBF"
					   "d"),
		 UE_SLICE_INIT("a" FFFD FFFD FFFD "b" FFFD "c" FFFD FFFD "d")},
		{"FE and FF", UE_SLICE_INIT("\xFE\xFF"), UE_SLICE_INIT(FFFD FFFD)},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		UeSlice text = guard_place(&guard, cases[i].text);
		UeSlice clean;

		ok(ue_utf8_clean(arena, text, &clean) == UE_OK, "utf8: clean, %s",
		   cases[i].claim);
		is_text(clean, cases[i].expected, "utf8: clean, %s, gives", cases[i].claim);
		ok(ue_utf8_is_valid(clean), "utf8: clean, %s, is valid", cases[i].claim);
		ok((clean.ptr == text.ptr) == ue_slice_is_equal(text, cases[i].expected),
		   "utf8: clean, %s, copies only what changes", cases[i].claim);
	}
}

static void
test_cut(void)
{
	UeSlice text = UE_SLICE("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z");
	size_t ends[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11};
	bool is_right = true;

	for (size_t limit = 0; limit < sizeof(ends) / sizeof(ends[0]); limit++)
		is_right &= ue_utf8_cut(text, limit) == ends[limit];
	ok(is_right, "utf8: cut at every limit");
	ok(ue_utf8_cut(UE_SLICE("ab\xE2\x82"), 100) == 2,
	   "utf8: an end that is missing is cut off");
	ok(ue_utf8_cut(UE_SLICE("ab\x80\x80\x80\x80"), 100) == 6,
	   "utf8: but not bytes of no character");
}

static void
test_no_memory(void)
{
	for (long n = 1; n < 4; n++)
	{
		LibcAllocation allocation = {0, n, 0};
		UeAllocator allocator = {libc_allocate, libc_release, &allocation};
		char bad[5000];
		UeSlice text = {bad, sizeof(bad)};
		UeSlice clean = UE_SLICE("untouched");
		UeArena arena;

		memset(bad, 0xFF, sizeof(bad));
		ue_arena_init(&arena, &allocator, 1 << 20);
		if (ue_utf8_clean(&arena, text, &clean) == UE_OK)
			ok(clean.len == 3 * sizeof(bad), "utf8: clean with %ld allocations", n - 1);
		else
			ok(ue_slice_is_equal(clean, UE_SLICE("untouched")), "utf8: no memory at %ld",
			   n);
		ue_arena_free(&arena);
	}
}

int
main(void)
{
	UeArena arena;

	guard_init(&guard, 4096);
	ue_arena_init(&arena, &libc_allocator, 1 << 20);
	test_all_code_points(&arena);
	test_clean(&arena);
	test_cut();
	test_no_memory();
	ue_arena_free(&arena);
	guard_free(&guard);
	return done_testing();
}
