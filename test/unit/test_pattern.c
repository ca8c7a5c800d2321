/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_pattern.c: what patterns find, which are refused and why, and that no pattern and no
 * text make a match endless.
 */
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "core/limits.h"
#include "core/pattern.h"
#include "guard.h"
#include "libc_allocator.h"
#include "tap.h"

#define N_ROWS(table) (sizeof(table) / sizeof((table)[0]))
#define CEILING		  ((size_t) 1024 * 1024)

static Guard guard;

static UePattern *
compile(const char *text, bool is_fold)
{
	UePattern *pattern = NULL;
	UeSlice placed = guard_place(&guard, ue_slice_of(text));

	if (ue_pattern_compile(&libc_allocator, placed, is_fold, &pattern, NULL) != UE_OK)
		return NULL;
	return pattern;
}

static UePatternResult
find(const UePattern *pattern, UeSlice text, size_t offset, UePatternSpan *span)
{
	UePatternResult result = UE_PATTERN_LIMIT;
	UeArena arena;

	ue_arena_init(&arena, &libc_allocator, CEILING);
	if (ue_pattern_find(pattern, &arena, guard_place(&guard, text), offset, &result,
						span) != UE_OK)
		result = (UePatternResult) -1;
	ue_arena_free(&arena);
	return result;
}

static void
test_spans(void)
{
	static const struct
	{
		const char *pattern;
		bool is_fold;
		const char *text;
		size_t offset;
		UePatternSpan span; /* end SIZE_MAX: no match */
	} cases[] = {
		{"quota", false, "no quota left", 0, {3, 8, SIZE_MAX, SIZE_MAX}},
		{"QUOTA", false, "no quota left", 0, {0, SIZE_MAX, 0, 0}},
		{"QUOTA", true, "no quota left", 0, {3, 8, SIZE_MAX, SIZE_MAX}},
		{"(?i)QUOTA", false, "no quota left", 0, {3, 8, SIZE_MAX, SIZE_MAX}},
		{"limit: (\\d+)", false, "limit: 30000 x", 0, {0, 12, 7, 12}},
		{"(a)|b", false, "b", 0, {0, 1, SIZE_MAX, SIZE_MAX}},
		{"(a)(b)(c)", false, "xabc", 0, {1, 4, 1, 2}},
		{"a", false, "aba", 1, {2, 3, SIZE_MAX, SIZE_MAX}},
		{"^a", false, "aa", 1, {0, SIZE_MAX, 0, 0}},
		{"(?<=b)a", false, "ba", 1, {1, 2, SIZE_MAX, SIZE_MAX}},
		{"$", false, "ab", 0, {2, 2, SIZE_MAX, SIZE_MAX}},
		{"", false, "ab", 1, {1, 1, SIZE_MAX, SIZE_MAX}},
		{"", false, "", 0, {0, 0, SIZE_MAX, SIZE_MAX}},
		{"x", false, "", 0, {0, SIZE_MAX, 0, 0}},
		{"x*", false, "abxx", 0, {0, 0, SIZE_MAX, SIZE_MAX}},
		{"key=\\K\\w+", false, "a key=b1;", 0, {6, 8, SIZE_MAX, SIZE_MAX}},
		{"ab\\K", false, "xab", 0, {3, 3, SIZE_MAX, SIZE_MAX}},
		/* by way of a group that is called, PCRE2 10.42 lets it into a lookbehind */
		{"(?:(x\\Ky)){0}(?<=(?1))z", false, "xyz", 2, {2, 3, SIZE_MAX, SIZE_MAX}},
		{"(?=(a))", false, "ba", 0, {1, 1, 1, 2}},
		{"\\((?:[^()]|(?R))*\\)", false, "f(a(b)c)d)", 0, {1, 8, SIZE_MAX, SIZE_MAX}},
		{"a.b", false, "a\nb", 0, {0, SIZE_MAX, 0, 0}},
		{"a.b", false, "a\rb", 0, {0, 3, SIZE_MAX, SIZE_MAX}},
		{"(?s)a.b", false, "a\nb", 0, {0, 3, SIZE_MAX, SIZE_MAX}},
		{"a.b", false, "a额b", 0, {0, 5, SIZE_MAX, SIZE_MAX}},
		{"\\bлимит\\b", true, "ваш ЛИМИТ!", 0, {7, 17, SIZE_MAX, SIZE_MAX}},
		{"\\w+$", false, "é额", 0, {0, 5, SIZE_MAX, SIZE_MAX}},
		{"\\p{Han}{2}", false, "a余额b", 0, {1, 7, SIZE_MAX, SIZE_MAX}},
		{"\\d", false, "٣", 0, {0, 2, SIZE_MAX, SIZE_MAX}},
		{"K", true, "\xE2\x84\xAA", 0, {0, 3, SIZE_MAX, SIZE_MAX}},
		{"a(*COMMIT)b|ac", false, "ac ab", 0, {0, SIZE_MAX, 0, 0}},
		{"(?C255)a", false, "a", 0, {0, 1, SIZE_MAX, SIZE_MAX}},
	};

	for (size_t i = 0; i < N_ROWS(cases); i++)
	{
		UePatternSpan none = {0, SIZE_MAX, 0, 0};
		UePatternSpan span = none;
		UePattern *pattern = compile(cases[i].pattern, cases[i].is_fold);
		UePatternResult result = UE_PATTERN_LIMIT;

		if (pattern != NULL)
			result = find(pattern, ue_slice_of(cases[i].text), cases[i].offset, &span);
		ok(pattern != NULL &&
			   (result == UE_PATTERN_HIT) == (cases[i].span.end != SIZE_MAX) &&
			   result != UE_PATTERN_LIMIT &&
			   memcmp(&span, &cases[i].span, sizeof(span)) == 0,
		   "pattern: /%s/ from %zu: [%zu, %zu)", cases[i].pattern, cases[i].offset,
		   span.start, span.end);
		ue_pattern_free(pattern);
	}
}

static void
test_refused(void)
{
	static const struct
	{
		const char *pattern;
		const char *why; /* a part of it; PCRE2's wording is its own */
		size_t offset;	 /* SIZE_MAX: PCRE2's own choice */
	} cases[] = {
		{"a(b", "parenthes", 3},
		{"a)b", "parenthes", 1},
		{"[a", "character class", SIZE_MAX},
		{"a{2,1}", "out of order", SIZE_MAX},
		{"a**", "", SIZE_MAX},
		{"\\p{Nonsense}", "property", SIZE_MAX},
		{"(?<a>x)(?<a>y)", "name", SIZE_MAX},
		{"(?1)", "non-existent", SIZE_MAX},
		{"\\C", "\\C", SIZE_MAX},
		{"a(?C)b", "callouts are not allowed", SIZE_MAX},
		{"a(?C1)b", "callouts are not allowed", SIZE_MAX},
		{"a(?C'text')b", "callouts are not allowed", SIZE_MAX},
		{"(*UTF)a", "settings", 0},
		{"(*LIMIT_MATCH=100000000)a", "settings", 0},
		{"(*LIMIT_HEAP=100000000)a", "settings", 0},
		{"(*NO_JIT)a", "settings", 0},
		{"(*CRLF)a", "settings", 0},
		{"(*NO_START_OPT)(*UCP)a", "settings", 0},
		{"(?<=a{256})b", "lookbehind", 0},
		{"(?<=a+)b", "lookbehind", SIZE_MAX},
		{"(?=a\\K)", "lookaround", SIZE_MAX},
		{"((a{1,100}){1,100}){1,100}", "large", SIZE_MAX},
		{"((((a{1,30}){1,30}){1,30}){1,30}){1,30}", "large", SIZE_MAX},
		{"(?:x{0,65535}){0,60000}", "large", SIZE_MAX},
		{"\xFF", "UTF-8", SIZE_MAX},
		{"a\xC3", "UTF-8", SIZE_MAX},
	};
	static char deep[4000];
	static char wide[4000];
	UePatternError error;
	UePattern *pattern = NULL;
	UeSlice text = {deep, 0};

	for (size_t i = 0; i < N_ROWS(cases); i++)
	{
		UeSlice placed = guard_place(&guard, ue_slice_of(cases[i].pattern));
		UeStatus status;

		memset(&error, 'x', sizeof(error));
		status = ue_pattern_compile(&libc_allocator, placed, false, &pattern, &error);
		ok(status == UE_INVALID_ARGUMENT && pattern == NULL, "pattern: /%s/ is refused",
		   cases[i].pattern);
		ok(memchr(error.text, '\0', sizeof(error.text)) != NULL &&
			   strstr(error.text, cases[i].why) != NULL && error.text[0] != '\0' &&
			   error.offset <= placed.len &&
			   (cases[i].offset == SIZE_MAX || error.offset == cases[i].offset),
		   "pattern: because %s, at %zu", error.text, error.offset);
	}
	for (size_t i = 0; i < 101; i++)
		memcpy(deep + 3 * i, "(?:", 3);
	memset(deep + 303, ')', 101);
	text.len = 404;
	ok(ue_pattern_compile(&libc_allocator, text, false, &pattern, &error) ==
			   UE_INVALID_ARGUMENT &&
		   strstr(error.text, "deeply") != NULL,
	   "pattern: 101 parentheses are too deep: %s", error.text);
	for (size_t i = 0; i < 256; i++)
		memcpy(wide + 4 * i, "(ab)", 4);
	text = (UeSlice){wide, 1024};
	ok(ue_pattern_compile(&libc_allocator, text, false, &pattern, &error) ==
			   UE_INVALID_ARGUMENT &&
		   strstr(error.text, "255") != NULL,
	   "pattern: 256 groups are too many: %s", error.text);
	text.len = 1020;
	ok(ue_pattern_compile(&libc_allocator, text, false, &pattern, NULL) == UE_OK,
	   "pattern: 255 are not");
	ue_pattern_free(pattern);
	ue_pattern_free(NULL);
}

static void
test_longest(void)
{
	static char long_text[UE_LIMIT_PATTERN + 1];
	UePatternError error;
	UePattern *pattern = NULL;
	UePatternSpan span = {0, 0, 0, 0};
	UeSlice text = {long_text, UE_LIMIT_PATTERN};

	memset(long_text, 'a', sizeof(long_text));
	ok(ue_pattern_compile(&libc_allocator, text, true, &pattern, &error) == UE_OK,
	   "pattern: 4096 bytes are accepted");
	ok(find(pattern, text, 0, &span) == UE_PATTERN_HIT && span.end == UE_LIMIT_PATTERN,
	   "pattern: and match themselves");
	ok(ue_pattern_size(pattern) < 128 * 1024, "pattern: in %zu bytes",
	   ue_pattern_size(pattern));
	ue_pattern_free(pattern);
	pattern = NULL;
	text.len++;
	ok(ue_pattern_compile(&libc_allocator, text, true, &pattern, &error) ==
			   UE_INVALID_ARGUMENT &&
		   pattern == NULL && strstr(error.text, "4096") != NULL,
	   "pattern: one more is refused: %s", error.text);
}

static void
test_empty_match(void)
{
	static const char *const empty[] = {"",		 "a*",	   "\\b",	  "^",		 "$",
										"(?=a)", "(?<=a)", "a|(?=b)", "(a?)\\1", "x?y?"};
	static const char *const full[] = {"a",		 "a+",		  "a|b", "\\bx",
									   "(?=a)a", "(a(?1)?b)", "."};

	for (size_t i = 0; i < N_ROWS(empty); i++)
	{
		UePattern *pattern = compile(empty[i], false);

		ok(pattern != NULL && ue_pattern_is_empty_match(pattern),
		   "pattern: /%s/ may match nothing", empty[i]);
		ue_pattern_free(pattern);
	}
	for (size_t i = 0; i < N_ROWS(full); i++)
	{
		UePattern *pattern = compile(full[i], false);

		ok(pattern != NULL && !ue_pattern_is_empty_match(pattern),
		   "pattern: /%s/ matches at least a character", full[i]);
		ue_pattern_free(pattern);
	}
}

/* Texts of 64 KiB for which patterns work longest. */
static UeSlice
write_hostile(size_t kind)
{
	static char text[UE_LIMIT_BODY];

	for (size_t i = 0; i < sizeof(text); i++)
	{
		if (kind == 0)
			text[i] = 'a';
		else if (kind == 1)
			text[i] = i % 1000 == 999 ? 'b' : 'a';
		else if (kind == 2)
			text[i] = "ab"[i & 1];
		else
			text[i] = "a!b@c=x1z,"[(i * 7 + i / 10) % 10];
	}
	return (UeSlice){text, sizeof(text)};
}

/*
 * Every answer may be right, but it must come.  The processor time of the slowest is shown;
 * that it is below a second holds on any machine and under any sanitizer, while each of
 * the first ones costs from seconds to the age of the universe when nothing limits it.
 */
static void
test_hostile(void)
{
	static const char *const patterns[] = {
		"(a+)+$",			"(a|a)*$",			 "\\w+!\\w+@$",		 "\\w+@\\d|zz",
		"(?:\\w+=)|zz",		"(a|b|ab)*$",		 "a*a*a*a*a*a*zz?$", "(?R)",
		"(a(?R)?b)",		"(?:a(?R)|b)!",		 "\\w{50000}!|zz",	 "(\\w+)\\1z|zz",
		"(?i)(\\w+)\\1!$",	"(?<=.{255})zz|yy",	 "(?:.*?,){12}P|zz", "(.*)(.*)(.*)(.*)!$",
		"(?>a+)+!|zz",		"(?:a?){60}a{60}$",	 "\\X+zz?$",		 "(?=(a+))a*b\\1zz?$",
		"(((a+)+)+)+[^a]$", "(?:(?=(a*))\\1)+$", "^(.*?,){40}x",	 "(x+x+)+y|(a+a+)+$",
	};

	for (size_t i = 0; i < N_ROWS(patterns); i++)
	{
		UePattern *pattern = compile(patterns[i], false);
		clock_t slowest = 0;
		bool is_answered = true;

		for (size_t kind = 0; kind < 4 && pattern != NULL; kind++)
		{
			UePatternSpan span;
			clock_t start = clock();
			int result = (int) find(pattern, write_hostile(kind), 0, &span);

			start = clock() - start;
			slowest = start > slowest ? start : slowest;
			is_answered &= result >= 0;
		}
		ok(pattern != NULL && is_answered && slowest < CLOCKS_PER_SEC,
		   "pattern: /%s/ ends, in %.1f ms", patterns[i],
		   (double) slowest * 1000 / CLOCKS_PER_SEC);
		ue_pattern_free(pattern);
	}
}

/* What the limits must not hit: patterns and bodies as they are. */
static void
test_ordinary(void)
{
	static const struct
	{
		const char *pattern;
		UePatternResult result;
	} cases[] = {
		{"\\d+ tokens?", UE_PATTERN_MISS},
		{"\\w+@\\w+\\.com", UE_PATTERN_MISS},
		{"(?i)insufficient (?:balance|credit|quota)", UE_PATTERN_MISS},
		{"rate.?limit|quota|overloaded|capacity", UE_PATTERN_MISS},
		{"\"type\":\\s*\"[a-z_]+\",\\s*\"end\"", UE_PATTERN_MISS},
		{"(?s)message.*THE END$", UE_PATTERN_HIT},
		{"sk-[A-Za-z0-9]{20,}", UE_PATTERN_MISS},
		{"(?:\\w+ )+THE END", UE_PATTERN_HIT},
	};
	static const char unit[] = "{\"error\": {\"message\": \"Your request was 9120 units, "
							   "the model has room for 8192; write to us\", \"type\": "
							   "\"invalid_request_error\"}}\n";
	static char body[UE_LIMIT_BODY];
	size_t len = sizeof(body) - 20;

	for (size_t i = 0; i < len; i++)
		body[i] = unit[i % (sizeof(unit) - 1)];
	len += (size_t) snprintf(body + len, 20, "go to THE END");
	for (size_t i = 0; i < N_ROWS(cases); i++)
	{
		UePattern *pattern = compile(cases[i].pattern, false);
		UePatternSpan span;

		ok(pattern != NULL &&
			   find(pattern, (UeSlice){body, len}, 0, &span) == cases[i].result,
		   "pattern: /%s/ gets through 64 KiB of bodies", cases[i].pattern);
		ue_pattern_free(pattern);
	}
}

static void
test_no_memory(void)
{
	bool is_done = false;
	long n_refused = 0;

	/* compiling; the JIT's allocations may fail without harm */
	for (long n = 1; n < 200 && !is_done; n++)
	{
		LibcAllocation allocation = {0, n, 0};
		UeAllocator allocator = {libc_allocate, libc_release, &allocation};
		UePattern *pattern = NULL;
		UeStatus status;

		status = ue_pattern_compile(&allocator, UE_SLICE("(a+)+(?:b|c)\\1{2,}\\p{Lu}"),
									true, &pattern, NULL);
		if (status == UE_OK)
		{
			UePatternSpan span;

			is_done = allocation.n_calls < n;
			ok(find(pattern, UE_SLICE("xaabaaaaX"), 0, &span) == UE_PATTERN_HIT,
			   "pattern: compiled with %ld allocations, matches", n - 1);
		}
		else
			ok(status == UE_NO_MEMORY && pattern == NULL,
			   "pattern: no memory at allocation %ld", n);
		n_refused += status != UE_OK;
		ue_pattern_free(pattern);
		ok(allocation.n_blocks == 0, "pattern: and all is given back");
	}
	ok(is_done && n_refused > 1,
	   "pattern: every allocation of compiling has failed once");
}

/* The JIT's stack does not hold this; the interpreter's frames come from the allocator. */
static void
test_no_memory_for_frames(void)
{
	UePattern *pattern = compile("(?:(a|b)(?=.))*!", false);
	UeSlice text = ue_slice_sub(write_hostile(2), 0, 4000);
	bool is_done = false;
	long n_refused = 0;
	static char bytes[4001];

	memcpy(bytes, text.ptr, text.len);
	bytes[4000] = '!';
	text = (UeSlice){bytes, 4001};
	for (long n = 1; n < 50 && !is_done; n++)
	{
		LibcAllocation allocation = {0, n, 0};
		UeAllocator allocator = {libc_allocate, libc_release, &allocation};
		UePatternResult result = UE_PATTERN_MISS;
		UePatternSpan span;
		UeArena arena;
		UeStatus status;

		ue_arena_init(&arena, &allocator, CEILING);
		status = ue_pattern_find(pattern, &arena, text, 0, &result, &span);
		is_done = status == UE_OK;
		if (is_done)
			ok(result == UE_PATTERN_HIT, "pattern: found with %ld allocations", n - 1);
		else
			ok(status == UE_NO_MEMORY && result == UE_PATTERN_MISS,
			   "pattern: no memory for frames at allocation %ld", n);
		n_refused += !is_done;
		ue_arena_free(&arena);
		ok(allocation.n_blocks == 0, "pattern: and all is given back");
	}
	ok(is_done && n_refused > 0, "pattern: the interpreter takes over from the JIT");
	ue_pattern_free(pattern);
}

static void *
find_many(void *data)
{
	const UePattern *pattern = data;
	UeSlice hit = UE_SLICE("key=abc;");
	bool is_right = true;
	UeArena arena;

	ue_arena_init(&arena, &libc_allocator, CEILING);
	for (int i = 0; i < 2000; i++)
	{
		UePatternResult result;
		UePatternSpan span = {0, 0, 0, 0};
		UeStatus status =
			ue_pattern_find(pattern, &arena, hit, i % 2 == 0 ? 0 : 1, &result, &span);

		is_right &= status == UE_OK;
		is_right &= i % 2 == 0 ? result == UE_PATTERN_HIT && span.group_end == 7
							   : result == UE_PATTERN_MISS;
	}
	is_right &= arena.total == 0;
	ue_arena_free(&arena);
	return is_right ? data : NULL;
}

static void
test_threads(void)
{
	UePattern *pattern = compile("\\bkey=(\\w+)", false);
	pthread_attr_t attributes;
	pthread_t threads[4];
	size_t n_right = 0;

	/* small, but larger than a sanitizer's frames and the JIT's 32 KiB */
	(void) pthread_attr_init(&attributes);
	(void) pthread_attr_setstacksize(&attributes, 256 * 1024);
	for (size_t i = 0; i < N_ROWS(threads); i++)
	{
		if (pthread_create(&threads[i], &attributes, find_many, pattern) != 0)
			abort();
	}
	for (size_t i = 0; i < N_ROWS(threads); i++)
	{
		void *right = NULL;

		(void) pthread_join(threads[i], &right);
		n_right += right != NULL;
	}
	ok(n_right == N_ROWS(threads), "pattern: four threads share one, and no arena grows");
	(void) pthread_attr_destroy(&attributes);
	ue_pattern_free(pattern);
}

int
main(void)
{
	guard_init(&guard, UE_LIMIT_BODY);
	test_spans();
	test_refused();
	test_longest();
	test_empty_match();
	test_hostile();
	test_ordinary();
	test_no_memory();
	test_no_memory_for_frames();
	test_threads();
	guard_free(&guard);
	return done_testing();
}
