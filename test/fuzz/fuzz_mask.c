/* SPDX-License-Identifier: PostgreSQL */
/*
 * fuzz_mask.c: the mask of a mask is the mask, valid UTF-8 stays valid, masked JSON is JSON,
 * and a key planted anywhere in the text is gone.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/mask.h"
#include "core/utf8.h"
#include "libc_allocator.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CEILING (64 * 1024 * 1024)

/* Letters and digits that a secret prefix is followed by; looked for in the output. */
static const char canary[] = "Q7fZk2Lw9XyTb4RmVn8c";

static void
require(bool condition)
{
	if (!condition)
		abort();
}

static void
check_text(UeArena *arena, UeSlice text, UeSlice *masked)
{
	UeSlice again;

	require(ue_mask_text(arena, NULL, text, masked) == UE_OK);
	require(ue_mask_text(arena, NULL, *masked, &again) == UE_OK);
	require(ue_slice_is_equal(*masked, again));
	if (ue_utf8_is_valid(text))
		require(ue_utf8_is_valid(*masked));
}

static void
check_json(UeArena *arena, UeSlice text, bool is_planted)
{
	const UeJson *root;
	const UeJson *masked_root;
	UeSlice masked;
	size_t at;

	if (ue_json_parse(arena, text, &root) != UE_OK)
		return;
	require(ue_mask_json(arena, NULL, root, &masked) == UE_OK);
	require(ue_json_parse(arena, masked, &masked_root) == UE_OK);
	require(!masked_root->is_cut && masked_root->type == root->type);
	require(!is_planted || !ue_slice_find(masked, ue_slice_of(canary), &at));
}

/* The text with a key in the middle; the split is where the fuzzer's first byte says. */
static void
check_planted(UeArena *arena, UeSlice text)
{
	static const char *const prefixes[] = {"sk-proj-", "sk-ant-api03-", "sk-",
										   "AIzaSy",   "ghp_",			"ya29."};
	size_t n_prefixes = sizeof(prefixes) / sizeof(prefixes[0]);
	size_t split = text.len < 2 ? 0 : (unsigned char) text.ptr[0] % text.len;
	const char *prefix =
		prefixes[text.len < 2 ? 0 : (unsigned char) text.ptr[1] % n_prefixes];
	UeBuf buf;
	UeSlice planted;
	UeSlice before;
	UeSlice masked;
	bool is_planted;
	size_t at;

	if (ue_slice_find(text, ue_slice_sub(ue_slice_of(canary), 0, 4), &at))
		return;
	ue_buf_init(&buf, arena, CEILING);
	ue_buf_append(&buf, ue_slice_sub(text, 0, split));
	ue_buf_append(&buf, ue_slice_of(prefix));
	ue_buf_append(&buf, ue_slice_of(canary));
	ue_buf_append(&buf, ue_slice_sub(text, split, text.len));
	require(ue_buf_finish(&buf, &planted) == UE_OK);
	check_text(arena, planted, &masked);
	/* an escape right before it may swallow the key's first letters */
	before = ue_slice_sub(text, split > 6 ? split - 6 : 0, split > 6 ? 6 : split);
	is_planted = !ue_slice_find(before, UE_SLICE("\\"), &at);
	require(!is_planted || !ue_slice_find(masked, ue_slice_of(canary), &at));
	check_json(arena, planted, is_planted);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size > 0 ? size : 1);
	UeSlice text = {copy, size};
	UeSlice masked;
	UeArena arena;

	require(copy != NULL);
	memcpy(copy, data, size);
	ue_arena_init(&arena, &libc_allocator, CEILING);
	check_text(&arena, text, &masked);
	check_json(&arena, text, false);
	check_planted(&arena, text);
	ue_arena_free(&arena);
	free(copy);
	return 0;
}
