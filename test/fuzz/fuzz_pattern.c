/* SPDX-License-Identifier: PostgreSQL */
/*
 * fuzz_pattern.c: no pattern crashes the compiler or the matcher, what matches lies within
 * the text, and neither costs more than a limit.
 *
 * The input is flags in one byte (fold, how often the text is repeated), the pattern, a
 * line feed, the text.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/limits.h"
#include "core/pattern.h"
#include "core/utf8.h"
#include "libc_allocator.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CEILING		 ((size_t) 1024 * 1024)
#define MOST_MATCHES 20

/* PCRE2's interpreter and a loaded machine: this many times what a match may cost. */
#define MOST_SECONDS 5

static void
require(bool condition)
{
	if (!condition)
		abort();
}

static void
check_span(UeSlice text, size_t offset, const UePatternSpan *span)
{
	require(offset <= span->start && span->start <= span->end && span->end <= text.len);
	require(ue_utf8_cut(text, span->start) == span->start);
	require(ue_utf8_cut(text, span->end) == span->end);
	if (span->group_start == SIZE_MAX)
		require(span->group_end == SIZE_MAX);
	else
		require(span->group_start <= span->group_end && span->group_end <= text.len);
}

/* As a mask would: every match from left to right. */
static void
check_matches(const UePattern *pattern, UeSlice text)
{
	size_t offset = 0;

	for (int i = 0; i < MOST_MATCHES && offset <= text.len; i++)
	{
		UePatternResult result;
		UePatternSpan span;
		UeArena arena;
		clock_t start = clock();
		uint32_t code_point;

		ue_arena_init(&arena, &libc_allocator, CEILING);
		require(ue_pattern_find(pattern, &arena, text, offset, &result, &span) == UE_OK);
		ue_arena_free(&arena);
		require(clock() - start < MOST_SECONDS * CLOCKS_PER_SEC);
		if (result != UE_PATTERN_HIT)
			break;
		check_span(text, offset, &span);
		offset = span.end;
		if (offset < text.len && span.start == span.end)
			offset += ue_utf8_read(ue_slice_sub(text, offset, text.len), &code_point);
		else if (span.start == span.end)
			break;
	}
}

/* The text, or as many copies of it as an error body holds. */
static UeSlice
repeat(char *out, UeSlice text, bool is_long)
{
	UeSlice result = {out, 0};

	do
	{
		if (text.len == 0 || result.len + text.len > UE_LIMIT_BODY)
			break;
		memcpy(out + result.len, text.ptr, text.len);
		result.len += text.len;
	} while (is_long);
	return result;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	UeSlice input = {(const char *) data, size};
	LibcAllocation allocation = {0, 0, 0};
	UeAllocator allocator = {libc_allocate, libc_release, &allocation};
	UePatternError error = {"", 0};
	UePattern *pattern = NULL;
	UeSlice text = {NULL, 0};
	UeStatus status;
	clock_t start = clock();
	size_t len;
	char *copy;

	if (size < 1)
		return 0;
	input = ue_slice_sub(input, 1, size);
	if (ue_slice_find(input, UE_SLICE("\n"), &len))
	{
		text = ue_slice_sub(input, len + 1, size);
		input.len = len;
	}
	copy = malloc(input.len + 1);
	require(copy != NULL);
	memcpy(copy, input.ptr, input.len);
	input.ptr = copy;
	status = ue_pattern_compile(&allocator, input, (data[0] & 1) != 0, &pattern, &error);
	require(clock() - start < MOST_SECONDS * CLOCKS_PER_SEC);
	require(status == UE_OK || (status == UE_INVALID_ARGUMENT && error.text[0] != '\0' &&
								error.offset <= input.len));
	if (status == UE_OK)
	{
		char *body = malloc(UE_LIMIT_BODY);

		require(body != NULL && ue_pattern_size(pattern) <= UE_LIMIT_PATTERN_MEMORY);
		if (ue_utf8_is_valid(text))
			check_matches(pattern, repeat(body, text, (data[0] & 2) != 0));
		free(body);
	}
	ue_pattern_free(pattern);
	require(allocation.n_blocks == 0);
	free(copy);
	return 0;
}
