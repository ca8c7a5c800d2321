/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_match.c: the automaton against a search for each keyword by itself, on keywords and
 * texts that overlap, nest and fold; where it says a keyword is; what it costs.
 */
#include <string.h>

#include "core/fold.h"
#include "core/match_table.h"
#include "guard.h"
#include "libc_allocator.h"
#include "tap.h"

#define N_ROWS(table) (sizeof(table) / sizeof((table)[0]))
#define CEILING		  ((size_t) 256 * 1024 * 1024)
#define MOST_KEYWORDS 200
#define KEYWORD_BYTES 80
#define TEXT_BYTES	  2048

static Guard guard;
static uint32_t random_state = 1;

/* George Marsaglia's xorshift32: the same sequence everywhere. */
static uint32_t
next_random(uint32_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state % limit;
}

/* Letters whose combinations are likely to meet; those with NULL end the alphabet. */
static const char *const alphabets[][16] = {
	{"a", "b"},
	{"a", "b", "A", "B", "c"},
	{"s", "S", "ß", "ẞ", "ſ", "t"},
	{"i", "I", "İ", "ı", "\xCC\x87"},
	{"σ", "Σ", "ς", "ο", "Ο", "ΐ", "ι", "\xCC\x88", "\xCC\x81"},
	{"л", "Л", "и", "И", "м", "т", "Т", " "},
	{"额", "度", "不", "足", "，", "A", "a"},
	{"😀", "😁", "\xF0\x9D\x92\x9C", "x"},
	{"ꭰ", "Ꭰ", "Ａ", "ａ", "𐐀", "𐐨", "K", "k", "K"},
	{"ﬃ", "f", "F", "i", "I", "ﬁ", "ﬀ"},
	{"a", "\xC3\xA9", "\xC3\x89", "\xE2\x82\xAC", "\xE4\xB8\xAD", "\xF0\x9F\x98\x80"},
};

/* What may stand in a text besides: parts of the letters above, and no UTF-8 at all. */
static const char *const rubbish[] = {"\xC3", "\x9F", "\xE9", "\xE2\x82",	 "\xF0\x9F",
									  "\xFF", "\xCE", "\x80", "\xED\xA0\x80"};

static size_t
write_random(const char *const *alphabet, uint32_t n_letters, size_t most, bool is_text,
			 char *out)
{
	uint32_t n_alphabet = 0;
	size_t len = 0;

	while (n_alphabet < N_ROWS(alphabets[0]) && alphabet[n_alphabet] != NULL)
		n_alphabet++;
	for (uint32_t i = 0; i < n_letters; i++)
	{
		const char *letter = alphabet[next_random(n_alphabet)];

		if (is_text && next_random(40) == 0)
			letter = rubbish[next_random(N_ROWS(rubbish))];
		if (len + strlen(letter) > most)
			break;
		memcpy(out + len, letter, strlen(letter));
		len += strlen(letter);
	}
	return len;
}

static const UeMatcher *
build(UeArena *arena, const UeSlice *keywords, size_t n)
{
	const UeMatcher *matcher = NULL;

	return ue_matcher_build(arena, keywords, n, &matcher) == UE_OK ? matcher : NULL;
}

static bool
has_bit(const uint64_t *found, size_t i)
{
	return ((found[i / 64] >> (i % 64)) & 1) != 0;
}

/* The first keyword for which the matcher and a plain search differ; n when none does. */
static size_t
find_difference(UeArena *arena, const UeSlice *keywords, size_t n, UeSlice text,
				size_t *n_hits)
{
	const UeMatcher *matcher = build(arena, keywords, n);
	uint64_t *found = ue_arena_allocate_zero(arena, (UE_MATCH_WORDS(n) + 1) * 8);
	UeSlice folded;

	if (matcher == NULL || found == NULL || ue_fold_text(arena, text, &folded) != UE_OK)
		return 0;
	ue_matcher_scan(matcher, text, found);
	for (size_t i = 0; i < n; i++)
	{
		UeSlice keyword;
		UeSlice part;
		size_t at;
		size_t start;
		size_t end;
		bool is_expected;

		if (ue_fold_text(arena, keywords[i], &keyword) != UE_OK)
			return i;
		is_expected = ue_slice_find(folded, keyword, &at);
		if (has_bit(found, i) != is_expected ||
			ue_matcher_locate(matcher, i, text, &start, &end) != is_expected)
			return i;
		if (!is_expected)
			continue;
		(*n_hits)++;
		/* the place holds it, is no longer than needed, and nothing before it does */
		if (start >= end || end > text.len ||
			ue_fold_text(arena, ue_slice_sub(text, start, end - start), &part) != UE_OK ||
			!ue_slice_find(part, keyword, &at) || part.len > keyword.len + 8 ||
			ue_fold_text(arena, ue_slice_sub(text, 0, start), &part) != UE_OK ||
			ue_slice_find(part, keyword, &at))
			return i;
	}
	return found[UE_MATCH_WORDS(n)] == 0 ? n : 0;
}

static void
test_random(UeArena *arena)
{
	static char bytes[MOST_KEYWORDS][KEYWORD_BYTES];
	static char text_bytes[TEXT_BYTES];
	UeSlice keywords[MOST_KEYWORDS];

	for (size_t row = 0; row < N_ROWS(alphabets); row++)
	{
		size_t n_hits = 0;
		size_t n_wrong = 0;

		for (int round = 0; round < 400; round++)
		{
			size_t n = 1 + next_random(round % 8 == 0 ? MOST_KEYWORDS : 20);
			UeSlice text = {text_bytes, 0};

			ue_arena_reset(arena);
			for (size_t i = 0; i < n; i++)
			{
				keywords[i].ptr = bytes[i];
				keywords[i].len = write_random(alphabets[row], 1 + next_random(10),
											   KEYWORD_BYTES, false, bytes[i]);
			}
			text.len = write_random(alphabets[row], next_random(300), TEXT_BYTES, true,
									text_bytes);
			text = guard_place(&guard, text);
			n_wrong += find_difference(arena, keywords, n, text, &n_hits) != n;
		}
		ok(n_wrong == 0, "match: random keywords of alphabet %zu, as one by one", row);
		ok(n_hits > 1000, "match: with %zu hits", n_hits);
	}
}

/* Keywords cut from the text itself, and texts of any bytes. */
static void
test_random_bytes(UeArena *arena)
{
	static char text_bytes[TEXT_BYTES];
	UeSlice keywords[MOST_KEYWORDS];
	size_t n_hits = 0;
	size_t n_wrong = 0;

	for (int round = 0; round < 1000; round++)
	{
		UeSlice text = {text_bytes, 1 + next_random(TEXT_BYTES)};
		size_t n = 0;

		ue_arena_reset(arena);
		for (size_t i = 0; i < text.len; i++)
			text_bytes[i] = (char) next_random(round % 2 == 0 ? 256 : 0x60);
		text = guard_place(&guard, text);
		while (n < 50 && n < text.len)
		{
			uint32_t code_point;
			size_t at = next_random((uint32_t) text.len);
			UeSlice rest = ue_slice_sub(text, at, 1 + next_random(6));
			uint32_t folded[3];

			/* ASCII alone is surely UTF-8 */
			keywords[n] = rest;
			for (size_t i = 0; i < rest.len; i++)
			{
				if ((unsigned char) rest.ptr[i] >= 0x80)
					keywords[n].len = i < keywords[n].len ? i : keywords[n].len;
			}
			code_point = (unsigned char) rest.ptr[0];
			if (keywords[n].len == 0 || ue_fold_codepoint(code_point, folded) != 1)
				keywords[n] = UE_SLICE("k");
			n++;
		}
		n_wrong += find_difference(arena, keywords, n, text, &n_hits) != n;
	}
	ok(n_wrong == 0, "match: keywords cut from random bytes, as one by one");
	ok(n_hits > 10000, "match: with %zu hits", n_hits);
}

static void
test_suffixes(UeArena *arena)
{
	static const UeSlice words[] = {
		UE_SLICE_INIT("she"), UE_SLICE_INIT("he"),	  UE_SLICE_INIT("hers"),
		UE_SLICE_INIT("his"), UE_SLICE_INIT("HERS"),  UE_SLICE_INIT("rs"),
		UE_SLICE_INIT("s"),	  UE_SLICE_INIT("usher"), UE_SLICE_INIT("ushering"),
	};
	const UeMatcher *matcher = build(arena, words, N_ROWS(words));
	uint64_t found[1] = {0};
	size_t start;
	size_t end;

	ok(matcher != NULL, "match: builds");
	ue_matcher_scan(matcher, UE_SLICE("USHERS"), found);
	ok(found[0] == 0xF7, "match: all that end inside others are found, %#lx",
	   (unsigned long) found[0]);
	ok(ue_matcher_locate(matcher, 4, UE_SLICE("USHERS"), &start, &end) && start == 2 &&
		   end == 6,
	   "match: hers is at 2");
	ok(ue_matcher_locate(matcher, 6, UE_SLICE("USHERS"), &start, &end) && start == 1 &&
		   end == 2,
	   "match: the first s is at 1");
	ok(!ue_matcher_locate(matcher, 8, UE_SLICE("USHERS"), &start, &end),
	   "match: what is not there has no place");
	found[0] = 0;
	ue_matcher_scan(matcher,
					UE_SLICE("h\xFF"
							 "e"),
					found);
	ok(found[0] == 0, "match: a byte that is not UTF-8 is not skipped");
	/* a second text adds to the same bits */
	ue_matcher_scan(matcher, UE_SLICE("he"), found);
	ue_matcher_scan(matcher, UE_SLICE("ushering"), found);
	ok(found[0] == 0x1C3, "match: texts one after another, %#lx",
	   (unsigned long) found[0]);
}

static void
test_folding(UeArena *arena)
{
	static const struct
	{
		const char *keyword;
		const char *text;
		size_t start;
		size_t end; /* 0: not there */
	} cases[] = {
		{"STRASSE", "in der Straße 5", 7, 14},
		{"straße", "in der STRASSE 5", 7, 14},
		{"sen", "großen", 3, 7},
		{"istanbul", "ISTANBUL", 0, 8},
		{"İ", "i\xCC\x87", 0, 3},
		{"i", "İ", 0, 2},
		{"ΟΔΟΣ", "η οδός οδος", 12, 20},
		{"превышен", "Лимит ПРЕВЫШЕН!", 11, 27},
		{"额度不足", "错误：额度不足。", 9, 21},
		{"ａｐｉ", "ＡＰＩ", 0, 9},
		{"token",
		 "TO\xE2\x84\xAA"
		 "EN",
		 0, 7},
		{"ffi", "oﬃce", 1, 4},
		{"fi", "oﬃce", 1, 4},
		{"if", "oﬃf", 1, 5},
		{"😀!", "a😀!", 1, 6},
		{"é", "\xC3", 0, 0},
		{"中", "\xE4\xB8", 0, 0},
		{"中", "\xE4\xE4\xB8\xAD", 1, 4},
		{"limit", "LI\xC3MIT", 0, 0},
		{"a", "", 0, 0},
	};

	for (size_t i = 0; i < N_ROWS(cases); i++)
	{
		UeSlice keyword = ue_slice_of(cases[i].keyword);
		UeSlice text = guard_place(&guard, ue_slice_of(cases[i].text));
		const UeMatcher *matcher = build(arena, &keyword, 1);
		uint64_t found = 0;
		size_t start = 0;
		size_t end = 0;
		bool is_there;

		ue_matcher_scan(matcher, text, &found);
		is_there = ue_matcher_locate(matcher, 0, text, &start, &end);
		ok(found == (cases[i].end > 0) && is_there == (cases[i].end > 0) &&
			   start == cases[i].start && end == cases[i].end,
		   "match: \"%s\" in \"%s\" at %zu to %zu", cases[i].keyword, cases[i].text,
		   start, end);
	}
}

static void
test_refused(UeArena *arena)
{
	static char large[5 * 1024 * 1024];
	static const UeSlice empty = UE_SLICE_INIT("");
	static const UeSlice broken = UE_SLICE_INIT("a\xC3");
	const UeMatcher *matcher = NULL;
	UeSlice keywords[2] = {{large, 3 * 1024 * 1024}, {large, 3 * 1024 * 1024}};
	uint64_t found = 0;

	ok(ue_matcher_build(arena, &empty, 1, &matcher) == UE_INVALID_ARGUMENT,
	   "match: an empty keyword is refused");
	ok(ue_matcher_build(arena, &broken, 1, &matcher) == UE_INVALID_ARGUMENT,
	   "match: a keyword that is not UTF-8 is refused");
	memset(large, 'a', sizeof(large));
	keywords[0].len = sizeof(large);
	ok(ue_matcher_build(arena, keywords, 1, &matcher) == UE_TOO_LARGE,
	   "match: a keyword of 5 Mi states is refused");
	keywords[0].len = 3 * 1024 * 1024;
	large[sizeof(large) - 1] = 'b';
	keywords[1].ptr = large + sizeof(large) - keywords[1].len;
	ok(ue_matcher_build(arena, keywords, 2, &matcher) == UE_OK,
	   "match: the states that two share count once");
	large[1] = 'c';
	ok(ue_matcher_build(arena, keywords, 2, &matcher) == UE_TOO_LARGE && matcher != NULL,
	   "match: two of 3 Mi states that share none are refused");
	matcher = build(arena, NULL, 0);
	ok(matcher != NULL, "match: no keywords at all");
	ue_matcher_scan(matcher, UE_SLICE("text ß \xFF"), &found);
	ok(found == 0, "match: find nothing");
}

static void
test_no_memory(void)
{
	static const UeSlice words[] = {UE_SLICE_INIT("she"), UE_SLICE_INIT("he"),
									UE_SLICE_INIT("Straße")};
	static char large[200000];
	UeSlice keywords[4] = {words[0], words[1], words[2], {large, sizeof(large)}};
	long n_refused = 0;
	bool is_built = false;

	memset(large, 'x', sizeof(large));
	for (long n = 1; n < 100 && !is_built; n++)
	{
		LibcAllocation allocation = {0, n, 0};
		UeAllocator allocator = {libc_allocate, libc_release, &allocation};
		const UeMatcher *matcher = NULL;
		uint64_t found = 0;
		UeArena arena;
		UeStatus status;

		ue_arena_init(&arena, &allocator, CEILING);
		status = ue_matcher_build(&arena, keywords, 4, &matcher);
		is_built = status == UE_OK;
		if (is_built)
		{
			ue_matcher_scan(matcher, UE_SLICE("she STRASSE"), &found);
			ok(found == 7, "match: with %ld allocations", n - 1);
		}
		else
			ok(status == UE_NO_MEMORY && matcher == NULL,
			   "match: no memory at allocation %ld", n);
		n_refused += !is_built;
		ue_arena_free(&arena);
		ok(allocation.n_blocks == 0, "match: and all is given back");
	}
	ok(is_built && n_refused >= 3, "match: takes memory in more than one step");
}

/* Sizes and work that do not depend on what the keywords are. */
static void
test_costs(UeArena *arena)
{
	static char bytes[1000][40];
	static char nest[2000];
	static char many[65536];
	UeSlice keywords[1000];
	static uint64_t found[UE_MATCH_WORDS(1000)];
	UeSlice text = {many, sizeof(many)};
	const UeMatcher *matcher;
	size_t n_found = 0;

	for (size_t i = 0; i < 1000; i++)
	{
		keywords[i].ptr = bytes[i];
		keywords[i].len =
			(size_t) snprintf(bytes[i], sizeof(bytes[i]), "error number %05zu x", i * 7);
	}
	matcher = build(arena, keywords, 1000);
	ok(matcher != NULL && ue_matcher_size(matcher) < 250000,
	   "match: 1,000 keywords of 20 letters that begin alike hold %zu bytes",
	   ue_matcher_size(matcher));

	/* a, aa, aaa, …: each ends in all the longer ones, at every place of the text */
	memset(nest, 'a', sizeof(nest));
	memset(many, 'A', sizeof(many));
	for (size_t i = 0; i < 1000; i++)
		keywords[i] = (UeSlice){nest, 2 * i + 1};
	matcher = build(arena, keywords, 1000);
	ue_matcher_scan(matcher, text, found);
	for (size_t i = 0; i < 1000; i++)
		n_found += has_bit(found, i);
	ok(n_found == 1000, "match: 1,000 keywords one inside the other are all found");
	ok(ue_matcher_size(matcher) < 250000, "match: and hold %zu bytes",
	   ue_matcher_size(matcher));
}

/*
 * So many that numbers of states do not fit 16 bits, in which the others hold them: six
 * digits, and the same between two letters, whose states fail to those of the digits.
 */
static void
test_many(UeArena *arena)
{
	enum
	{
		N_PAIRS = 45000,
		N_CHOSEN = 300
	};
	static char bytes[N_PAIRS][9];
	static UeSlice keywords[2 * N_PAIRS];
	static uint64_t found[UE_MATCH_WORDS(2 * N_PAIRS)];
	char text[N_CHOSEN * 8];
	const UeMatcher *matcher;
	size_t n_found = 0;
	size_t n_right = 0;

	for (size_t i = 0; i < N_PAIRS; i++)
	{
		/* a bijection of 24 bits: none twice */
		(void) snprintf(bytes[i], sizeof(bytes[i]), "q%06xz",
						(unsigned int) (i * 2654435761U & 0xFFFFFF));
		keywords[2 * i] = (UeSlice){bytes[i] + 1, 6};
		keywords[2 * i + 1] = (UeSlice){bytes[i], 8};
	}
	matcher = build(arena, keywords, 10);
	ok(matcher != NULL && matcher->near_children != NULL &&
		   matcher->near_failures != NULL,
	   "match: a few keywords need 16 bits for a state");
	matcher = build(arena, keywords, 2 * N_PAIRS);
	ok(matcher != NULL && matcher->near_children == NULL &&
		   matcher->near_failures == NULL && matcher->children != NULL &&
		   matcher->failures != NULL,
	   "match: 90,000 need more");
	for (size_t i = 0; i < N_CHOSEN; i++)
		memcpy(text + 8 * i, bytes[i * 149], 8);
	ue_matcher_scan(matcher, (UeSlice){text, sizeof(text)}, found);
	for (size_t i = 0; i < 2 * N_PAIRS; i++)
		n_found += has_bit(found, i);
	for (size_t i = 0; i < N_CHOSEN; i++)
		n_right += has_bit(found, 2 * (i * 149)) && has_bit(found, 2 * (i * 149) + 1);
	ok(n_right == N_CHOSEN && n_found == 2 * N_CHOSEN,
	   "match: and those in a text are found, %zu, and no others", n_found);
}

int
main(void)
{
	UeArena arena;

	guard_init(&guard, 8192);
	ue_arena_init(&arena, &libc_allocator, CEILING);
	test_suffixes(&arena);
	test_folding(&arena);
	test_random(&arena);
	test_random_bytes(&arena);
	ue_arena_reset(&arena);
	test_refused(&arena);
	test_costs(&arena);
	ue_arena_reset(&arena);
	test_many(&arena);
	test_no_memory();
	ue_arena_free(&arena);
	guard_free(&guard);
	return done_testing();
}
