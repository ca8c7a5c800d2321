/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_corpus.c: every case of test/bodies gives the fault and the answers kept beside it.
 *
 *	test_corpus [--update] [directory]
 *
 * The directory is test/bodies, or $UE_BODIES; answers that succeeded are in test/good, or
 * $UE_GOOD.  --update writes the expected files anew;
 * what it writes is a claim to be read, not a recording to be trusted.
 *
 * The lines class and expect_* of a case are what a reader of the body expects; no update
 * touches them, so a recording that contradicts them fails.
 *
 * For each case also: rendered bodies and the JSON of frames are what jansson reads, no
 * line of "secrets" appears anywhere, every prefix of the body, placed before a page that
 * cannot be read, has a verdict, and an allocation that fails, whichever it is, gives
 * UE_NO_MEMORY or a verdict, and leaks nothing.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/parse_fields.h"
#include "core/telltale.h"
#include "corpus.h"
#include "corpus_claims.h"
#include "guard.h"
#include "tap.h"

/* Long bodies have the same prefixes again and again: of these only some are tried. */
#define PREFIXES 280

static bool is_update;
static size_t n_all_claims;

/* Every line of text as a comment. */
static void
tell(UeSlice text)
{
	printf("# ");
	for (size_t i = 0; i < text.len; i++)
	{
		putchar(text.ptr[i]);
		if (text.ptr[i] == '\n')
			printf("# ");
	}
	putchar('\n');
}

static UeStatus
decide(UeArena *arena, const CorpusCase *one, UeFormat format, UeVerdict *verdict)
{
	UeCase kase = one->kase;

	kase.format = format;
	return ue_decide_case(arena, NULL, &kase, verdict);
}

static bool
is_same(CorpusText a, CorpusText b)
{
	return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

/* The expected file says what text says. */
static void
check_file(const CorpusCase *one, const char *name, CorpusText text)
{
	CorpusText expected;

	if (is_update)
		corpus_write_file(one, name, text);
	expected = corpus_read_file(one, name);
	ok(is_same(text, expected), "%s: %s is as expected", one->name, name);
	if (!is_same(text, expected))
	{
		tell(UE_SLICE("expected:"));
		tell((UeSlice){expected.ptr, expected.len});
		tell(UE_SLICE("got:"));
		tell((UeSlice){text.ptr, text.len});
	}
	free(expected.ptr);
}

static bool
is_json_object(UeSlice text)
{
	json_error_t error;
	json_t *root = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, &error);
	bool is_object = json_is_object(root) && json_object_get(root, "error") != NULL;

	if (!is_object)
	{
		tell(ue_slice_of(error.text));
		tell(text);
	}
	json_decref(root);
	return is_object;
}

/* One event: its lines, one of them data, and a blank line. */
static bool
is_frame(UeSlice frame)
{
	size_t at;
	size_t end;
	UeSlice data;

	if (!ue_slice_find(frame, UE_SLICE("data: "), &at))
		return false;
	data = ue_slice_sub(frame, at + 6, frame.len);
	if (!ue_slice_find(data, UE_SLICE("\n\n"), &end) || end + 2 != data.len)
		return false;
	data.len -= 2;
	return !ue_slice_find(data, UE_SLICE("\n"), &at) && is_json_object(data);
}

static bool
is_answer(const UeRendered *answer)
{
	return answer->status >= 400 && answer->status <= 599 && answer->n_headers > 0 &&
		   ue_slice_is_equal(answer->headers[0].name, UE_SLICE("content-type"));
}

static bool
has_secret(CorpusText text, const CorpusCase *one)
{
	UeSlice rest = {one->secrets.ptr, one->secrets.len};

	while (rest.len > 0)
	{
		UeSlice line;
		size_t at;

		if (!ue_slice_find(rest, UE_SLICE("\n"), &at))
			at = rest.len;
		line = ue_slice_sub(rest, 0, at);
		rest = ue_slice_sub(rest, at + 1, rest.len);
		if (line.len > 0 && ue_slice_find((UeSlice){text.ptr, text.len}, line, &at))
		{
			tell(line);
			return true;
		}
	}
	return false;
}

/* Returns the number of claims that the case makes. */
static size_t
check_claims(const CorpusCase *one, const UeVerdict *verdict)
{
	size_t n_claims = 0;
	CorpusText text = corpus_find_contradictions(one, verdict, &n_claims);

	if (n_claims > 0)
		ok(text.len == 0, "%s: is what a reader expects, %zu claims", one->name,
		   n_claims);
	if (text.len > 0)
		tell((UeSlice){text.ptr, text.len});
	free(text.ptr);
	return n_claims;
}

static void
check_format(const CorpusCase *one, UeFormat format)
{
	CountedMemory memory;
	UeArena arena;
	UeVerdict verdict;
	CorpusText text;
	UeStatus status;

	counted_memory_init(&memory, SIZE_MAX);
	ue_arena_init(&arena, &memory.allocator, UE_LIMIT_CASE_MEMORY);
	status = decide(&arena, one, format, &verdict);
	ok(status == UE_OK, "%s: %s has a verdict", one->name, ue_format_name(format));
	if (status == UE_OK)
	{
		if (format == UE_FORMAT_OPENAI)
		{
			text = corpus_print_fault(&verdict);
			check_file(one, "fault", text);
			ok(!has_secret(text, one), "%s: the fault keeps no secret", one->name);
			free(text.ptr);
			n_all_claims += check_claims(one, &verdict);
		}
		text = corpus_print_answer(&verdict.answer);
		check_file(one, corpus_answer_name(format), text);
		ok(!has_secret(text, one), "%s: %s keeps no secret", one->name,
		   ue_format_name(format));
		ok(is_answer(&verdict.answer) && is_json_object(verdict.answer.body) &&
			   is_frame(verdict.answer.frame),
		   "%s: %s is one object, in the frame too", one->name, ue_format_name(format));
		free(text.ptr);
	}
	ue_arena_free(&arena);
	ok(memory.n_live == 0, "%s: %s gives all memory back", one->name,
	   ue_format_name(format));
}

/* Steps so that at most PREFIXES are tried, all of the first and last bytes among them. */
static size_t
next_prefix(size_t len, size_t whole)
{
	size_t step = whole / (PREFIXES / 2) + 1;

	if (len < PREFIXES / 4 || len + PREFIXES / 4 > whole)
		step = 1;
	return len + step;
}

static void
check_prefixes(const CorpusCase *one)
{
	size_t whole = one->body.len;
	size_t n_wrong = 0;
	Guard guard;

	guard_init(&guard, whole);
	for (size_t len = 0; len <= whole; len = next_prefix(len, whole))
	{
		CountedMemory memory;
		CorpusCase prefix = *one;
		UeArena arena;
		UeVerdict verdict;

		prefix.kase.response.body = guard_place(&guard, (UeSlice){one->body.ptr, len});
		counted_memory_init(&memory, SIZE_MAX);
		ue_arena_init(&arena, &memory.allocator, UE_LIMIT_CASE_MEMORY);
		for (UeFormat format = UE_FORMAT_OPENAI; format <= UE_FORMAT_GEMINI; format++)
		{
			if (decide(&arena, &prefix, format, &verdict) != UE_OK ||
				!is_json_object(verdict.answer.body))
				n_wrong++;
			ue_arena_reset(&arena);
		}
		ue_arena_free(&arena);
		n_wrong += memory.n_live;
	}
	guard_free(&guard);
	ok(n_wrong == 0, "%s: every prefix of the body has a verdict", one->name);
}

static void
check_failing_memory(const CorpusCase *one)
{
	size_t n_wrong = 0;
	UeStatus status = UE_NO_MEMORY;

	for (size_t n = 0; status != UE_OK && n < 10000; n++)
	{
		CountedMemory memory;
		UeArena arena;
		UeVerdict verdict;

		counted_memory_init(&memory, n);
		ue_arena_init(&arena, &memory.allocator, UE_LIMIT_CASE_MEMORY);
		status = decide(&arena, one, UE_FORMAT_OPENAI, &verdict);
		if (status != UE_OK && status != UE_NO_MEMORY)
			n_wrong++;
		ue_arena_free(&arena);
		n_wrong += memory.n_live;
	}
	ok(n_wrong == 0 && status == UE_OK, "%s: any allocation may fail", one->name);
}

/* The line "note: has words" says that it has a message and a code, of a success. */
static bool
may_have_words(const CorpusCase *one)
{
	CorpusText text = corpus_read_file(one, "case");
	size_t at;
	bool may = ue_slice_find((UeSlice){text.ptr, text.len},
							 UE_SLICE("\nnote: has words\n"), &at);

	free(text.ptr);
	return may;
}

/* An answer that succeeded is no error by any member, and no word of it is taken for an
 * error's. */
static void
check_good(const CorpusCase *one)
{
	CountedMemory memory;
	const UeJson *root;
	bool is_whole;
	UeArena arena;
	UeFault fault = {.message = UE_SLICE("not written")};
	UeStatus status;

	counted_memory_init(&memory, SIZE_MAX);
	ue_arena_init(&arena, &memory.allocator, UE_LIMIT_CASE_MEMORY);
	status =
		ue_parse_response_tree(&arena, &one->kase.response, &fault, &root, &is_whole);
	ok(status == UE_OK &&
		   (root == NULL || !ue_telltale_is_error_object(ue_parse_unwrap(root))),
	   "%s: a good answer is not told for an error", one->name);
	ok(may_have_words(one) ||
		   (ue_slice_is_empty(fault.message) && ue_slice_is_empty(fault.type) &&
			ue_slice_is_empty(fault.code) && fault.body_status == 0),
	   "%s: a good answer has no words of an error", one->name);
	ue_arena_free(&arena);
}

int
main(int argc, char **argv)
{
	const char *directory = getenv("UE_BODIES");
	Corpus corpus;

	for (int i = 1; i < argc; i++)
	{
		if (strcmp(argv[i], "--update") == 0)
			is_update = true;
		else
			directory = argv[i];
	}
	corpus = corpus_read(directory != NULL ? directory : "test/bodies");
	ok(corpus.n_cases >= 1000, "the corpus has its cases");
	for (size_t i = 0; i < corpus.n_cases; i++)
	{
		for (UeFormat format = UE_FORMAT_OPENAI; format <= UE_FORMAT_GEMINI; format++)
			check_format(&corpus.cases[i], format);
		check_prefixes(&corpus.cases[i]);
		check_failing_memory(&corpus.cases[i]);
	}
	ok(n_all_claims >= 2900, "its readers claim %zu things", n_all_claims);
	corpus_free(&corpus);

	directory = getenv("UE_GOOD");
	corpus = corpus_read(directory != NULL ? directory : "test/good");
	for (size_t i = 0; i < corpus.n_cases; i++)
		check_good(&corpus.cases[i]);
	corpus_free(&corpus);
	return done_testing();
}
