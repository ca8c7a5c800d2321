/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_fold.c: every mapping against another implementation's, the scripts by name, globs.
 */
#include <string.h>

#include "core/buf.h"
#include "core/fold.h"
#include "core/utf8.h"
#include "fold_vectors.h"
#include "guard.h"
#include "libc_allocator.h"
#include "tap.h"

#define N_ROWS(table) (sizeof(table) / sizeof((table)[0]))

static Guard guard;

static UeSlice
fold(UeArena *arena, UeSlice text)
{
	UeSlice folded;

	if (ue_fold_text(arena, guard_place(&guard, text), &folded) != UE_OK)
		return UE_SLICE("(no memory)");
	return folded;
}

static UeSlice
encode(UeArena *arena, const uint32_t *code_points, size_t n)
{
	UeBuf buf;
	UeSlice text;

	ue_buf_init(&buf, arena, 64);
	for (size_t i = 0; i < n; i++)
		ue_utf8_append(&buf, code_points[i]);
	return ue_buf_finish(&buf, &text) == UE_OK ? text : UE_SLICE("(no memory)");
}

/* All code points: those of the vectors as they say, all others stay. */
static void
test_every_code_point(UeArena *arena)
{
	const FoldVector *vector = fold_vectors;
	const FoldVector *end = fold_vectors + N_ROWS(fold_vectors);
	size_t n_wrong = 0;
	size_t n_wrong_bytes = 0;
	size_t n_wrong_plain = 0;
	size_t n_unstable = 0;

	for (uint32_t value = 0; value <= 0x10FFFF; value++)
	{
		uint32_t expected[3] = {value, 0, 0};
		uint32_t folded[3] = {0, 0, 0};
		size_t n_expected = 1;
		char bytes[UE_FOLD_BYTES];
		UeSlice read = {bytes, 0};
		UeSlice text;
		size_t n;

		if (value >= 0xD800 && value <= 0xDFFF)
			continue;
		ue_arena_reset(arena);
		text = encode(arena, &value, 1);
		if (vector < end && vector->code_point == value)
		{
			memcpy(expected, vector->folded, sizeof(expected));
			n_expected = expected[2] != 0 ? 3 : expected[1] != 0 ? 2 : 1;
			vector++;
			n_wrong_plain += ue_fold_is_plain((unsigned char) text.ptr[0]);
		}
		n = ue_fold_codepoint(value, folded);
		n_wrong +=
			n != n_expected || memcmp(folded, expected, n * sizeof(folded[0])) != 0;
		n_wrong_bytes += ue_fold_read(text, bytes, &read.len) != text.len ||
						 !ue_slice_is_equal(read, encode(arena, expected, n_expected));
		n_unstable += !ue_slice_is_equal(fold(arena, read), read);
	}
	ok(vector == end && N_ROWS(fold_vectors) == 1530, "fold: all 1530 vectors are met");
	ok(n_wrong == 0, "fold: every code point, %zu wrong", n_wrong);
	ok(n_wrong_bytes == 0, "fold: the same as UTF-8, %zu wrong", n_wrong_bytes);
	ok(n_wrong_plain == 0, "fold: no first byte of one that folds is plain");
	ok(n_unstable == 0, "fold: what is folded stays");
	ok(ue_fold_codepoint(0x110000, (uint32_t[3]){0}) == 1 &&
		   ue_fold_codepoint(UINT32_MAX, (uint32_t[3]){0}) == 1,
	   "fold: what is no code point stays");
}

static void
test_texts(UeArena *arena)
{
	static const struct
	{
		const char *claim;
		const char *text;
		const char *folded;
	} cases[] = {
		{"nothing", "", ""},
		{"ASCII", "Rate LIMIT [429] @`{z", "rate limit [429] @`{z"},
		{"German sharp s", "STRASSE Straße STRAẞE", "strasse strasse strasse"},
		{"Greek final sigma", "ΟΔΟΣ ὀδός", "οδοσ ὀδόσ"},
		{"Greek letters that become several", "\xE1\xBE\xB3 \xCE\x90",
		 "αι ι\xCC\x88\xCC\x81"},
		{"Cyrillic", "ЛИМИТ Ёлка ҐАНОК", "лимит ёлка ґанок"},
		{"Turkish capital i with a dot is i and a dot", "İSTANBUL", "i̇stanbul"},
		{"Turkish dotless i is a letter of its own", "ısı ISI", "ısı isi"},
		{"Cherokee folds to capitals", "ꭰꮿ ᏸ", "ᎠᏯ Ᏸ"},
		{"fullwidth", "ＡＰＩ　ＫＥＹ１", "ａｐｉ　ｋｅｙ１"},
		{"Armenian and ligatures", "և ﬁne ﬃ ﬓ", "եւ fine ffi մն"},
		{"Georgian capitals", "ᲐᲑ", "აბ"},
		{"Deseret, four bytes", "𐐀𐐧", "𐐨𐑏"},
		{"Kelvin, Ångström, long s, micro", "K Å ſ µ", "k å s μ"},
		{"titlecase digraph", "ǅ Ǆ", "ǆ ǆ"},
		{"Chinese, Japanese, Korean, Thai, Arabic, emoji",
		 "额度不足 カナ 한글 ไทย عربي 😀", "额度不足 カナ 한글 ไทย عربي 😀"},
		{"bytes that are not UTF-8", "A\xC3Z\xFF\xE2\x82", "a\xC3z\xFF\xE2\x82"},
	};

	for (size_t i = 0; i < N_ROWS(cases); i++)
	{
		UeSlice text = ue_slice_of(cases[i].text);
		UeSlice folded = ue_slice_of(cases[i].folded);

		is_text(fold(arena, text), folded, "fold: %s", cases[i].claim);
		ok(!ue_utf8_is_valid(text) || ue_fold_is_equal(text, folded), "fold: %s is equal",
		   cases[i].claim);
		ok(text.len == 0 || !ue_fold_is_equal(text, ue_slice_sub(folded, 1, folded.len)),
		   "fold: %s is not equal to less", cases[i].claim);
	}
	ok(ue_fold_is_equal(UE_SLICE("ß"), UE_SLICE("Ss")) &&
		   !ue_fold_is_equal(UE_SLICE("ß"), UE_SLICE("s")) &&
		   !ue_fold_is_equal(UE_SLICE("s"), UE_SLICE("ß")),
	   "fold: one character equals two, not one of them");
	ok(!ue_fold_is_equal(UE_SLICE("\xC3"), UE_SLICE("\xE3")),
	   "fold: bytes that are not UTF-8 have no case");
}

static void
test_glob(void)
{
	static const struct
	{
		const char *glob;
		const char *text;
		bool is_match;
	} cases[] = {
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"*", "anything", true},
		{"**", "", true},
		{"?", "", false},
		{"?", "é", true},
		{"?", "額", true},
		{"?", "\xFF", true},
		{"??", "\xC3\xFF", true},
		{"?", "ab", false},
		{"?", "ß", true},
		{"s?", "ß", true},
		{"??", "ß", false},
		{"s*", "ß", true},
		{"*ss", "Maß", true},
		{"ß", "SS", true},
		{"GPT-4*", "gpt-4.1-mini", true},
		{"gpt-4", "gpt-4.1", false},
		{"*-mini", "gpt-4.1-mini", true},
		{"*-mini", "gpt-4.1-mini-high", false},
		{"claude-*-20??????", "Claude-Opus-20250514", true},
		{"claude-*-20??????", "claude-opus-2025051", false},
		{"a*b*c", "aXbYbZc", true},
		{"a*b*c", "aXbYbZ", false},
		{"*a*a*a*", "aa", false},
		{"*a*a*a*", "banana", true},
		{"\\*", "*", true},
		{"\\*", "x", false},
		{"\\?x", "?X", true},
		{"\\?x", "ax", false},
		{"\\\\", "\\", true},
		{"\\", "\\", true},
		{"a\\", "A\\", true},
		{"\\ß", "ss", true},
		{"*\\*", "a*b*", true},
		{"*\\*b", "a*a*b", true},
		{"渠道-*", "渠道-甲", true},
		{"канал?", "КАНАЛ1", true},
		{"[a-z]", "b", false},
		{"[a-z]", "[A-Z]", true},
	};
	char many[2000];
	UeSlice text = {many, sizeof(many)};

	for (size_t i = 0; i < N_ROWS(cases); i++)
	{
		UeSlice placed = guard_place(&guard, ue_slice_of(cases[i].text));

		ok(ue_fold_is_glob_match(ue_slice_of(cases[i].glob), placed) == cases[i].is_match,
		   "fold: glob \"%s\" and \"%s\"", cases[i].glob, cases[i].text);
		placed = guard_place(&guard, ue_slice_of(cases[i].glob));
		ok(ue_fold_is_glob_match(placed, ue_slice_of(cases[i].text)) == cases[i].is_match,
		   "fold: glob, the same flush against the end, %zu", i);
	}
	/* with more than one star tried again this would outlive the machine */
	memset(many, 'a', sizeof(many));
	ok(!ue_fold_is_glob_match(UE_SLICE("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b"), text),
	   "fold: many stars end soon");
}

static void
test_no_memory(void)
{
	char large[20000];
	UeSlice text = {large, sizeof(large)};
	long n_refused = 0;

	/* each two bytes become six */
	for (size_t i = 0; i < sizeof(large); i += 2)
		memcpy(large + i, "\xCE\x90", 2);
	for (long n = 1; n < 20; n++)
	{
		LibcAllocation allocation = {0, n, 0};
		UeAllocator allocator = {libc_allocate, libc_release, &allocation};
		UeSlice folded = UE_SLICE("untouched");
		UeArena arena;
		UeStatus status;

		ue_arena_init(&arena, &allocator, 1 << 20);
		status = ue_fold_text(&arena, text, &folded);
		ue_arena_free(&arena);
		if (status == UE_OK)
		{
			ok(folded.len == 3 * sizeof(large), "fold: a text three times as long");
			break;
		}
		n_refused++;
		ok(status == UE_NO_MEMORY && ue_slice_is_equal(folded, UE_SLICE("untouched")),
		   "fold: no memory at allocation %ld", n);
	}
	ok(n_refused > 0, "fold: takes memory");
}

int
main(void)
{
	UeArena arena;

	guard_init(&guard, 4096);
	ue_arena_init(&arena, &libc_allocator, 1 << 20);
	test_every_code_point(&arena);
	test_texts(&arena);
	test_glob();
	test_no_memory();
	ue_arena_free(&arena);
	guard_free(&guard);
	return done_testing();
}
