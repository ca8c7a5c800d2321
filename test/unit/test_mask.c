/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_mask.c: what must vanish vanishes, what must stay stays, and twice is once.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/json.h"
#include "core/limits.h"
#include "core/mask.h"
#include "guard.h"
#include "libc_allocator.h"
#include "mask_vectors.h"
#include "tap.h"

#define CEILING (64 * 1024 * 1024)

static Guard guard;
static UeArena arena;

/* Numbers that are the same in every run (a linear congruential generator). */
static uint32_t
next_random(uint32_t *state, uint32_t limit)
{
	*state = *state * 1664525u + 1013904223u;
	return (*state >> 8) % limit;
}

/* Masked twice against the unreadable page; the second time must change nothing. */
static UeSlice
mask(UeSlice text, bool *is_at_rest)
{
	UeSlice masked = UE_SLICE("failed");
	UeSlice again = UE_SLICE("failed too");

	if (ue_mask_text(&arena, NULL, guard_place(&guard, text), &masked) != UE_OK ||
		ue_arena_copy(&arena, masked, &masked) != UE_OK ||
		ue_mask_text(&arena, NULL, guard_place(&guard, masked), &again) != UE_OK)
		*is_at_rest = false;
	else
		*is_at_rest = ue_slice_is_equal(masked, again);
	return masked;
}

static void
test_vectors(void)
{
	for (size_t i = 0; i < N_ROWS(vectors); i++)
	{
		UeSlice text = ue_slice_of(vectors[i].text);
		bool is_at_rest;
		UeSlice masked;

		ue_arena_reset(&arena);
		masked = mask(text, &is_at_rest);
		is_text(masked, ue_slice_of(vectors[i].expected), "mask: %s", vectors[i].text);
		ok(is_at_rest, "mask: and again: %s", vectors[i].text);
	}
}

static void
test_innocent(void)
{
	for (size_t i = 0; i < N_ROWS(innocents); i++)
	{
		UeSlice text = ue_slice_of(innocents[i]);
		UeSlice placed = guard_place(&guard, text);
		UeSlice masked = UE_SLICE("");

		ue_arena_reset(&arena);
		ok(ue_mask_text(&arena, NULL, placed, &masked) == UE_OK &&
			   masked.ptr == placed.ptr,
		   "mask: untouched and not copied: %s", innocents[i]);
		is_text(masked, text, "mask: untouched: %s", innocents[i]);
	}
}

/* Texts put together from everything that any rule begins or ends with. */
static void
test_idempotence(void)
{
	uint32_t state = 77;
	size_t n_restless = 0;

	for (int round = 0; round < 60000; round++)
	{
		char text[512];
		UeSlice slice = {text, 0};
		bool is_at_rest;
		uint32_t n_fragments = 1 + next_random(&state, 12);

		for (uint32_t i = 0; i < n_fragments; i++)
		{
			UeSlice fragment =
				ue_slice_of(fragments[next_random(&state, N_ROWS(fragments))]);

			memcpy(text + slice.len, fragment.ptr, fragment.len);
			slice.len += fragment.len;
		}
		ue_arena_reset(&arena);
		(void) mask(slice, &is_at_rest);
		if (!is_at_rest && n_restless++ < 5)
			printf("# %.*s\n", (int) slice.len, text);
	}
	ok(n_restless == 0, "mask: the mask of a mask is the mask (%zu were not)",
	   n_restless);
}

static void
is_masked_json(const char *text, const char *expected)
{
	const UeJson *root = NULL;
	UeSlice masked = UE_SLICE("");
	json_t *json;

	ue_arena_reset(&arena);
	ok(ue_json_parse(&arena, ue_slice_of(text), &root) == UE_OK &&
		   ue_mask_json(&arena, NULL, root, &masked) == UE_OK,
	   "mask: JSON %s", text);
	is_text(masked, ue_slice_of(expected), "mask: JSON %s is", text);
	json = json_loadb(masked.ptr, masked.len, JSON_DECODE_ANY, NULL);
	ok(json != NULL, "mask: JSON %s: jansson reads it", text);
	json_decref(json);
}

static void
test_json(void)
{
	is_masked_json("{\"api_key\":\"abc\",\"max_tokens\":100,\"n\":1.50}",
				   "{\"api_key\":\"***\",\"max_tokens\":100,\"n\":1.50}");
	is_masked_json(
		"{\"Authorization\":\"Bearer x\",\"x-api-key\":\"y\",\"clientSecret\":\"z\"}",
		"{\"Authorization\":\"***\",\"x-api-key\":\"***\",\"clientSecret\":\"***\"}");
	is_masked_json(
		"{\"password\":12345,\"secret\":{\"a\":1},\"cookie\":[\"a=b\"],\"token\":null}",
		"{\"password\":\"***\",\"secret\":\"***\",\"cookie\":\"***\",\"token\":null}");
	is_masked_json(
		"{\"usage\":{\"prompt_tokens\":5,\"total_tokens\":9,\"token_count\":\"3\"}}",
		"{\"usage\":{\"prompt_tokens\":5,\"total_tokens\":9,\"token_count\":\"3\"}}");
	is_masked_json("{\"session\":{\"id\":\"a\"},\"signature\":\"EqQB\"}",
				   "{\"session\":{\"id\":\"a\"},\"signature\":\"***\"}");
	is_masked_json(
		"{\"password\":\"\",\"a\":[true,false,null,\"see https://x.com/y\"]}",
		"{\"password\":\"\",\"a\":[true,false,null,\"see https://***.com/***\"]}");
	is_masked_json("{\"sk-abcdefghijk\":1}", "{\"sk-***\":1}");
	is_masked_json("{\"error\":{\"message\":\"bad key sk-abcdefgh", /* cut */
				   "{\"error\":{\"message\":\"bad key sk-***\"}}");
	is_masked_json("{\"a\":tr", "{\"a\":true}");
	is_masked_json("{\"a\":1.", "{\"a\":1}");
	is_masked_json("\"a\\u0000\\ud800\\n\"", "\"a\xE2\x90\x80\xEF\xBF\xBD\\n\"");
}

static void
test_no_memory(void)
{
	const char *text =
		"{\"message\":\"key sk-abcdefgh at https://x.com/a/b?c=d\",\"api_key\":\"x\"}";
	bool is_whole = false;

	for (long n = 1; !is_whole; n++)
	{
		LibcAllocation allocation = {0, n, 0};
		UeAllocator allocator = {libc_allocate, libc_release, &allocation};
		UeSlice masked = UE_SLICE("untouched");
		UeSlice json = UE_SLICE("untouched");
		const UeJson *root = NULL;
		UeArena small;
		UeStatus status;

		ue_arena_init(&small, &allocator, CEILING);
		/* eats up the first block, so that each step needs one of its own */
		while (small.blocks == NULL)
		{
			if (ue_arena_allocate(&small, 8000) == NULL)
				break;
		}
		status = ue_mask_text(&small, NULL, ue_slice_of(text), &masked);
		ok(status == UE_OK || (status == UE_NO_MEMORY &&
							   ue_slice_is_equal(masked, UE_SLICE("untouched"))),
		   "mask: allocation %ld fails", n);
		if (ue_json_parse(&small, ue_slice_of(text), &root) == UE_OK)
		{
			status = ue_mask_json(&small, NULL, root, &json);
			ok(status == UE_OK || (status == UE_NO_MEMORY &&
								   ue_slice_is_equal(json, UE_SLICE("untouched"))),
			   "mask: allocation %ld fails, JSON", n);
			is_whole = status == UE_OK;
		}
		ue_arena_free(&small);
		ok(allocation.n_blocks == 0, "mask: nothing is left behind");
	}
}

static void
fill(char *text, size_t len, const char *unit)
{
	for (size_t i = 0; i < len; i++)
		text[i] = unit[i % strlen(unit)];
}

/* Whole units: a separator at the very end may turn the meaning of all before it. */
static double
measure(const char *unit, const char *tail, size_t len)
{
	size_t n_bytes = len / 2 - len / 2 % strlen(unit);
	char *text = malloc(len);
	UeSlice slice = {text, len};
	UeSlice masked;
	struct timespec start;
	struct timespec end;

	slice.len = n_bytes + len / 2 - len / 2 % strlen(tail);
	fill(text, n_bytes, unit);
	fill(text + n_bytes, slice.len - n_bytes, tail);
	ue_arena_reset(&arena);
	(void) clock_gettime(CLOCK_MONOTONIC, &start);
	if (ue_mask_text(&arena, NULL, slice, &masked) != UE_OK)
		abort();
	(void) clock_gettime(CLOCK_MONOTONIC, &end);
	free(text);
	return (double) (end.tv_sec - start.tv_sec) +
		   (double) (end.tv_nsec - start.tv_nsec) / 1e9;
}

/*
 * Sixteen times the text may cost sixteen times the time, not 256 times.  Times are printed
 * to be looked at; the claim is one that a busy machine keeps and a quadratic rule, which
 * needs minutes, does not.
 */
#define PATIENCE_S 5.0

static void
check_linear(const char *unit, const char *tail)
{
	double small = measure(unit, tail, 65536);
	double large = measure(unit, tail, 1048576);

	printf("# %-24s 64 KB %7.2f ms, 1 MB %7.2f ms, ratio %.0f\n", unit, small * 1e3,
		   large * 1e3, large / small);
	ok(large < PATIENCE_S, "mask: linear: %s", unit);
}

/*
 * Strings that none of those behind it closes, each with a backslash more before its quote,
 * and a letter at the very end that is none of a secret: there are as many as the root of
 * the text's length.
 */
static void
check_open_strings(const char *name, const char *tail)
{
	size_t size = 4 * 1024 * 1024;
	size_t len = 0;
	char *text = malloc(size);
	UeSlice masked;
	clock_t start = clock();
	double seconds;

	for (size_t n = 1; len + strlen(name) + n + 3 + strlen(tail) <= size; n++)
	{
		memcpy(text + len, name, strlen(name));
		len += strlen(name);
		memset(text + len, '\\', n);
		len += n;
		memcpy(text + len, "\"x ", 3);
		len += 3;
	}
	memcpy(text + len, tail, strlen(tail));
	len += strlen(tail);
	ue_arena_reset(&arena);
	if (ue_mask_text(&arena, NULL, (UeSlice){text, len}, &masked) != UE_OK)
		abort();
	seconds = (double) (clock() - start) / CLOCKS_PER_SEC;
	printf("# open strings: 4 MB %7.2f ms\n", seconds * 1e3);
	ok(seconds < PATIENCE_S, "mask: linear: strings left open behind %s", name);
	free(text);
}

static void
test_hostile(void)
{
	char colons[8192] = "\"";

	for (size_t i = 0; i < N_ROWS(hostile); i++)
		check_linear(hostile[i], hostile[i]);
	/* what all of the first half looks at the end of */
	check_linear("token:", ":");
	check_linear("xbearer+", ".");
	check_linear("xbasic+", ".");
	check_linear("sk-", ".");
	check_open_strings("token: ", "\xc3\xa9");
	/* what looks like a member's name, which follows a sentence */
	memset(colons + 1, ':', sizeof(colons) - 2);
	check_open_strings("api_key: ", colons);
}

int
main(void)
{
	UeSlice masked;

	guard_init(&guard, 65536);
	ue_arena_init(&arena, &libc_allocator, CEILING);
	test_vectors();
	test_innocent();
	test_json();
	test_idempotence();
	test_no_memory();
	test_hostile();
	ok(ue_mask_text(&arena, NULL, (UeSlice){"x", (size_t) UE_LIMIT_MASK + 1}, &masked) ==
		   UE_TOO_LARGE,
	   "mask: the ceiling on a text");
	ok(ue_mask_text(&arena, NULL, ue_slice_of(NULL), &masked) == UE_OK && masked.len == 0,
	   "mask: nothing");
	ue_arena_free(&arena);
	guard_free(&guard);
	return done_testing();
}
