/* SPDX-License-Identifier: PostgreSQL */
/*
 * fuzz_json.c: whatever the text is, the tree lies within it, and jansson agrees.
 *
 * Where we differ from jansson on purpose: raw control characters, lone surrogates, \u0000,
 * invalid UTF-8 in strings, numbers beyond a double or an int64.  So its verdict counts
 * only for texts without these.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/jsonout.h"
#include "core/limits.h"
#include "core/utf8.h"
#include "libc_allocator.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CEILING (8 * 1024 * 1024)

/* Blocks of an arena grow: this many hold all that a fuzzer tries. */
#define MOST_FAILURES 64

static void
require(bool condition)
{
	if (!condition)
		abort();
}

static bool
is_within(UeSlice part, UeSlice text)
{
	return part.len == 0 ||
		   (part.ptr >= text.ptr && part.ptr + part.len <= text.ptr + text.len);
}

static void
check_node(const UeJson *node, UeSlice text, int depth)
{
	double number;

	require(depth <= UE_LIMIT_JSON_DEPTH);
	require(node->raw.len > 0 && is_within(node->raw, text));
	if (node->type == UE_JSON_STRING)
		require(node->text.len <= node->raw.len);
	if (ue_json_read_number(node, &number))
		require(number == number);
	/* without a backslash nothing is copied */
	if (memchr(node->raw.ptr, '\\', node->raw.len) == NULL)
		require(is_within(node->text, text));
	for (const UeJson *child = node->child; child != NULL; child = child->next)
		check_node(child, text, depth + 1);
}

static bool
has_leniency(UeSlice text)
{
	static const char *const escapes[] = {"\\u0000", "\\ud", "\\uD"};
	size_t at;
	int n_digits = 0;

	for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++)
	{
		if (ue_slice_find(text, ue_slice_of(escapes[i]), &at))
			return true;
	}
	for (size_t i = 0; i < text.len; i++)
	{
		n_digits = text.ptr[i] >= '0' && text.ptr[i] <= '9' ? n_digits + 1 : 0;
		if ((unsigned char) text.ptr[i] < 0x20 || text.ptr[i] == 'e' ||
			text.ptr[i] == 'E' || n_digits > 15)
			return true;
	}
	return !ue_utf8_is_valid(text);
}

static void
write_node(UeJsonOut *out, const UeJson *node)
{
	switch (node->type)
	{
		case UE_JSON_NULL:
			ue_jsonout_append_null(out);
			break;
		case UE_JSON_FALSE:
		case UE_JSON_TRUE:
			ue_jsonout_append_bool(out, node->type == UE_JSON_TRUE);
			break;
		case UE_JSON_NUMBER:
			ue_jsonout_append_raw(out, node->raw);
			break;
		case UE_JSON_STRING:
			ue_jsonout_append_string(out, node->text);
			break;
		case UE_JSON_ARRAY:
		case UE_JSON_OBJECT:
			ue_jsonout_append_begin(out, node->type == UE_JSON_ARRAY ? '[' : '{');
			for (const UeJson *child = node->child; child != NULL; child = child->next)
			{
				if (node->type == UE_JSON_OBJECT)
					ue_jsonout_append_key(out, child->key);
				write_node(out, child);
			}
			ue_jsonout_append_end(out, node->type == UE_JSON_ARRAY ? ']' : '}');
			break;
	}
}

/* What was read can be written again, and the writing is whole JSON. */
static void
check_writing(UeArena *arena, const UeJson *root)
{
	UeBuf buf;
	UeJsonOut out;
	UeSlice text;
	UeSlice again;
	const UeJson *second;
	UeStatus status;

	ue_buf_init(&buf, arena, CEILING);
	ue_jsonout_init(&out, &buf);
	write_node(&out, root);
	if (ue_buf_finish(&buf, &text) != UE_OK)
		return;
	require(ue_utf8_is_valid(text));
	status = ue_json_parse(arena, text, &second);
	if (status == UE_NO_MEMORY)
		return;
	require(status == UE_OK && !second->is_cut);
	ue_buf_init(&buf, arena, CEILING);
	ue_jsonout_init(&out, &buf);
	write_node(&out, second);
	status = ue_buf_finish(&buf, &again);
	require(status == UE_NO_MEMORY ||
			(status == UE_OK && ue_slice_is_equal(text, again)));
}

/*
 * Each allocation in turn is the first that fails, up to MOST_FAILURES: reading and writing
 * say so, or do without, and leave nothing behind.
 */
static void
check_failures(UeSlice text, UeStatus expected)
{
	for (long n = 1; n <= MOST_FAILURES; n++)
	{
		LibcAllocation allocation = {0, n, 0};
		UeAllocator allocator = {libc_allocate, libc_release, &allocation};
		const UeJson *root = NULL;
		UeArena arena;
		UeStatus status;

		ue_arena_init(&arena, &allocator, CEILING);
		status = ue_json_parse(&arena, text, &root);
		require(status == expected || (status == UE_NO_MEMORY && root == NULL));
		if (status == UE_OK)
			check_writing(&arena, root);
		ue_arena_free(&arena);
		require(allocation.n_blocks == 0);
		if (allocation.n_calls < n)
			return;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size > 0 ? size : 1);
	UeSlice text = {copy, size};
	const UeJson *root = NULL;
	UeArena arena;
	UeStatus status;

	require(copy != NULL);
	memcpy(copy, data, size);
	ue_arena_init(&arena, &libc_allocator, CEILING);
	status = ue_json_parse(&arena, text, &root);
	if (status == UE_OK)
	{
		check_node(root, text, 0);
		check_writing(&arena, root);
	}
	/* jansson takes a NUL for the end of the text */
	if ((status == UE_OK || status == UE_MALFORMED) && memchr(copy, '\0', size) == NULL)
	{
		json_t *oracle = json_loadb(copy, size, JSON_DECODE_ANY, NULL);

		if (oracle != NULL)
			require(status == UE_OK && !root->is_cut);
		else if (status == UE_OK && !root->is_cut)
			require(has_leniency(text));
		json_decref(oracle);
	}
	check_failures(text, status);
	ue_arena_free(&arena);
	free(copy);
	return 0;
}
