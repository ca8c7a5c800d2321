/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_pattern_literal.c: the literal of a pattern is in every text that it matches: by
 * hand, and for random patterns and texts.
 */
#include <stdio.h>
#include <string.h>

#include "core/fold.h"
#include "core/pattern.h"
#include "guard.h"
#include "libc_allocator.h"
#include "tap.h"

#define N_ROWS(table) (sizeof(table) / sizeof((table)[0]))
#define CEILING		  ((size_t) 1024 * 1024)
#define N_PATTERNS	  30000
#define N_TEXTS		  12
#define LONGEST_TEXT  40

typedef struct Vector
{
	const char *pattern;
	const char *literal;
} Vector;

static const Vector vectors[] = {
	{"request 12\\d{3} and [a-f]+$", "request 12"},
	{"^rate limit", "rate limit"},
	{"(?i)Quota Exceeded", "Quota Exceeded"},
	{"abc(def|ghi)jklm", "jklm"},
	{"(?:much longer|inside) tail", " tail"},
	{"abcdx?efg", "abcd"},
	{"abcdx*", "abcd"},
	{"abcdx+efg", "abcdx"},
	{"abcdx{0,3}ef", "abcd"},
	{"abcdx{3}?ef", "abcd"},
	{"abcd{ef", "abc"},
	{"code: 1234\\.5", "code: 1234"},
	{"[]abcd]wxyz", "wxyz"},
	{"[^\\]abcd]wxyz", "wxyz"},
	{"(?=abcdef)wxyz", "wxyz"},
	{"(?!abcdef)wxyz", "wxyz"},
	{"(?<!abcdef)wxyz", "wxyz"},
	{"abcd(?i)EFGHI", "EFGHI"},
	{"\xC3\xBC"
	 "berlastet",
	 "berlastet"},
	{"abcdefghijklmnopqrstuvwxyz0123456789", "abcdefghijklmnopqrstuvwxyz012345"},
	/* nothing that must be there, or nothing that is known */
	{"abc|defghi", ""},
	{"ab", ""},
	{"(abcdef)?", ""},
	{"\\d+", ""},
	{"(?x) a b c d", ""},
	{"(?#comment)abcd", ""},
	{"\\Qabcd|\\Eefgh", ""},
	{"abcd\\x41", ""},
	{"abcd\\1(x)", ""},
	{"[[:alpha:]]abcd", ""},
	{"[\\Q]\\E]abcd", ""},
	{"abcd(*ACCEPT)efgh", ""},
	{"(?<name>x)abcd", ""},
	{"(?|a|b)abcd", ""},
	{"abc?", ""},
	{"", ""},
};

/* Pieces that random patterns and texts are made of; of a few letters, so that they meet. */
static const char *const pattern_pieces[] = {
	"a",	"b",	 "ab",	 "bab",	 "k",	  "s",	   "ask",  "?",
	"*",	"+",	 "{0}",	 "{1}",	 "{,1}",  "{0,2}", "{",	   "}",
	"(",	"(?:",	 "(?=",	 "(?!",	 ")",	  "|",	   "[ab]", "[^a]",
	"[]a]", "[\\]b", "]",	 "\\d",	 "\\b",	  "\\.",   "\\",   ".",
	"^",	"$",	 "(?i)", "(?i:", "\\Q",	  "\\E",   "(?x)", "#",
	" ",	"\\K",	 "(?<=", "(?<!", "\\x61", "\\1",   "(*F)", "[[:alpha:]b]",
};
static const char *const text_pieces[] = {
	"a",		"b", "A", "B", "ab", "bab", "k", "s", "\xE2\x84\xAA",
	"\xC5\xBF", " ", ".", "1", "#",
};

static uint64_t random_state = 7;

static size_t
choose(size_t n)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (size_t) (random_state >> 33) % n;
}

static UeSlice
build(const char *const *pieces, size_t n_pieces, size_t longest, char *room)
{
	size_t n = 1 + choose(longest);
	size_t len = 0;

	for (size_t i = 0; i < n; i++)
	{
		const char *piece = pieces[choose(n_pieces)];

		memcpy(room + len, piece, strlen(piece));
		len += strlen(piece);
	}
	return (UeSlice){room, len};
}

static bool
has_folded(UeArena *arena, UeSlice text, UeSlice literal)
{
	UeSlice folded_text;
	UeSlice folded_literal;
	size_t at;

	return ue_fold_text(arena, text, &folded_text) == UE_OK &&
		   ue_fold_text(arena, literal, &folded_literal) == UE_OK &&
		   ue_slice_find(folded_text, folded_literal, &at);
}

static void
test_vectors(void)
{
	Guard guard;

	guard_init(&guard, 4096);
	for (size_t i = 0; i < N_ROWS(vectors); i++)
	{
		UeSlice pattern = guard_place(&guard, ue_slice_of(vectors[i].pattern));

		is_text(ue_pattern_find_literal(pattern), ue_slice_of(vectors[i].literal),
				"literal of %s", vectors[i].pattern);
	}
	guard_free(&guard);
}

/* Returns how many texts the pattern matched, or -1 if one was without its literal. */
static int
try_texts(const UePattern *pattern, UeSlice source, UeSlice literal)
{
	UeArena arena;
	int n_hits = 0;
	bool is_held = true;

	ue_arena_init(&arena, &libc_allocator, CEILING);
	for (int i = 0; i < N_TEXTS && is_held; i++)
	{
		char room[LONGEST_TEXT * 4];
		UeSlice text = build(text_pieces, N_ROWS(text_pieces), LONGEST_TEXT, room);
		UePatternResult result;
		UePatternSpan span;

		ue_arena_reset(&arena);
		if (ue_pattern_find(pattern, &arena, text, 0, &result, &span) != UE_OK ||
			result != UE_PATTERN_HIT)
			continue;
		n_hits++;
		is_held = has_folded(&arena, text, literal);
		if (!is_held)
			printf("# %.*s has literal %.*s, but matches %.*s\n", (int) source.len,
				   source.ptr, (int) literal.len, literal.ptr, (int) text.len, text.ptr);
	}
	ue_arena_free(&arena);
	return is_held ? n_hits : -1;
}

static void
test_random(void)
{
	int n_literals = 0;
	int n_hits = 0;
	int n_wrong = 0;

	for (int i = 0; i < N_PATTERNS; i++)
	{
		char room[128];
		UeSlice source = build(pattern_pieces, N_ROWS(pattern_pieces), 7, room);
		UeSlice literal = ue_pattern_find_literal(source);
		UePattern *pattern;
		int hits;

		if (ue_slice_is_empty(literal) ||
			ue_pattern_compile(&libc_allocator, source, choose(2) == 0, &pattern, NULL) !=
				UE_OK)
			continue;
		hits = try_texts(pattern, source, literal);
		ue_pattern_free(pattern);
		n_literals++;
		n_wrong += hits < 0;
		n_hits += hits > 0 ? hits : 0;
	}
	ok(n_wrong == 0, "literal: in every text that a random pattern matches");
	ok(n_literals > 500 && n_hits > 500, "literal: %d random patterns, %d texts matched",
	   n_literals, n_hits);
}

int
main(void)
{
	test_vectors();
	test_random();
	return done_testing();
}
