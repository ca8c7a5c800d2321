/* SPDX-License-Identifier: PostgreSQL */
/*
 * fuzz_match.c: the automaton finds what a search for each keyword finds, and where.
 *
 * The input is keywords, one to a line, an empty line, and the text; or, without an empty
 * line, a text whose words are the keywords too.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/fold.h"
#include "core/match.h"
#include "core/utf8.h"
#include "libc_allocator.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CEILING		  ((size_t) 64 * 1024 * 1024)
#define MOST_KEYWORDS 128

/* What a character's folded form may add on either side of a keyword within it. */
#define MOST_BESIDE (2 * (UE_FOLD_BYTES - 1))

static void
require(bool condition)
{
	if (!condition)
		abort();
}

static UeSlice
fold(UeArena *arena, UeSlice text)
{
	UeSlice folded;

	require(ue_fold_text(arena, text, &folded) == UE_OK);
	return folded;
}

static size_t
read_keywords(UeSlice input, UeSlice *text, UeSlice *keywords)
{
	size_t n = 0;
	size_t at;
	bool has_lines = ue_slice_find(input, UE_SLICE("\n\n"), &at);
	char separator = has_lines ? '\n' : ' ';
	UeSlice rest = has_lines ? ue_slice_sub(input, 0, at) : input;

	*text = has_lines ? ue_slice_sub(input, at + 2, input.len) : input;
	while (rest.len > 0 && n < MOST_KEYWORDS)
	{
		const char *end = memchr(rest.ptr, separator, rest.len);
		size_t len = end == NULL ? rest.len : (size_t) (end - rest.ptr);
		UeSlice word = ue_slice_sub(rest, 0, len);

		if (word.len > 0 && ue_utf8_is_valid(word))
			keywords[n++] = word;
		rest = ue_slice_sub(rest, len + 1, rest.len);
	}
	return n;
}

static void
check_place(UeArena *arena, UeSlice text, UeSlice keyword, size_t start, size_t end)
{
	UeSlice place;
	size_t at;

	require(start < end && end <= text.len);
	place = fold(arena, ue_slice_sub(text, start, end - start));
	require(ue_slice_find(place, keyword, &at));
	require(place.len <= keyword.len + MOST_BESIDE);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size > 0 ? size : 1);
	UeSlice input = {copy, size};
	UeSlice keywords[MOST_KEYWORDS];
	UeSlice text;
	UeSlice folded;
	uint64_t found[UE_MATCH_WORDS(MOST_KEYWORDS)] = {0};
	const UeMatcher *matcher;
	UeArena arena;
	size_t n;

	require(copy != NULL);
	memcpy(copy, data, size);
	ue_arena_init(&arena, &libc_allocator, CEILING);
	n = read_keywords(input, &text, keywords);
	require(ue_matcher_build(&arena, keywords, n, &matcher) == UE_OK);
	require(ue_matcher_size(matcher) <= arena.total);
	ue_matcher_scan(matcher, text, found);
	folded = fold(&arena, text);
	for (size_t i = 0; i < n; i++)
	{
		UeSlice keyword = fold(&arena, keywords[i]);
		size_t start;
		size_t end;
		size_t at;
		bool is_there = ue_slice_find(folded, keyword, &at);

		require((((found[i / 64] >> (i % 64)) & 1) != 0) == is_there);
		require(ue_matcher_locate(matcher, i, text, &start, &end) == is_there);
		if (is_there)
			check_place(&arena, text, keyword, start, end);
		if (ue_utf8_is_valid(text))
			require(ue_fold_is_equal(text, keywords[i]) ==
					ue_slice_is_equal(folded, keyword));
	}
	ue_arena_free(&arena);
	free(copy);
	return 0;
}
