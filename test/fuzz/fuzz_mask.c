/* SPDX-License-Identifier: PostgreSQL */
/*
 * fuzz_mask.c: the mask of a mask is the mask, valid UTF-8 stays valid, masked JSON is JSON,
 * a key planted anywhere in the text is gone, and no text becomes longer than it may.
 *
 * An operator's settings come first in the input, one after the other, each ended by RS
 * (0x1E): a pattern, in any case when it begins with '~', or a host when with '@'.
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

/* "a=b" becomes "a=***"; nothing grows by more than three bytes for each. */
#define MOST_GROWTH 4

/* Settings of an input; more are text. */
#define MOST_SETTINGS  3
#define LONGEST_HOST   64
#define LONGEST_SOURCE 96

typedef struct Settings
{
	UePattern *patterns[MOST_SETTINGS];
	UeSlice hosts[MOST_SETTINGS];
	char names[MOST_SETTINGS][LONGEST_HOST];
	UeMaskSettings settings;
} Settings;

static void
require(bool condition)
{
	if (!condition)
		abort();
}

static void
take_host(Settings *all, UeSlice host)
{
	char *name = all->names[all->settings.n_hosts];

	if (host.len == 0 || host.len > LONGEST_HOST)
		return;
	for (size_t i = 0; i < host.len; i++)
	{
		char byte = host.ptr[i];

		name[i] = (char) (byte + (byte >= 'A' && byte <= 'Z') * ('a' - 'A'));
	}
	all->hosts[all->settings.n_hosts++] = (UeSlice){name, host.len};
}

static void
take_pattern(Settings *all, UeSlice source)
{
	bool is_fold = source.len > 0 && source.ptr[0] == '~';
	UePattern **pattern = &all->patterns[all->settings.n_patterns];

	source = ue_slice_sub(source, is_fold, LONGEST_SOURCE);
	if (ue_utf8_is_valid(source) &&
		ue_pattern_compile(&libc_allocator, source, is_fold, pattern, NULL) == UE_OK)
		all->settings.n_patterns++;
}

/* Returns the text behind the settings. */
static UeSlice
read_settings(UeSlice input, Settings *all)
{
	size_t end;

	memset(all, 0, sizeof(*all));
	all->settings.patterns = (const UePattern *const *) all->patterns;
	all->settings.hosts = all->hosts;
	for (int i = 0; i < MOST_SETTINGS && ue_slice_find(input, UE_SLICE("\x1E"), &end);
		 i++)
	{
		if (end > 0 && input.ptr[0] == '@')
			take_host(all, ue_slice_sub(input, 1, end - 1));
		else
			take_pattern(all, ue_slice_sub(input, 0, end));
		input = ue_slice_sub(input, end + 1, input.len);
	}
	return input;
}

static void
check_text(UeArena *arena, const UeMaskSettings *settings, UeSlice text, UeSlice *masked)
{
	UeSlice again;

	require(ue_mask_text(arena, settings, text, masked) == UE_OK);
	require(ue_mask_text(arena, settings, *masked, &again) == UE_OK);
	require(ue_slice_is_equal(*masked, again));
	require(masked->len <= MOST_GROWTH * text.len + 3);
	if (ue_utf8_is_valid(text))
		require(ue_utf8_is_valid(*masked));
}

static void
check_json(UeArena *arena, const UeMaskSettings *settings, UeSlice text, bool is_planted)
{
	const UeJson *root;
	const UeJson *masked_root;
	UeSlice masked;
	size_t at;

	if (ue_json_parse(arena, text, &root) != UE_OK)
		return;
	require(ue_mask_json(arena, settings, root, &masked) == UE_OK);
	require(ue_json_parse(arena, masked, &masked_root) == UE_OK);
	require(!masked_root->is_cut && masked_root->type == root->type);
	require(!is_planted || !ue_slice_find(masked, ue_slice_of(canary), &at));
}

/* The text with a key in the middle; the split is where the fuzzer's first byte says. */
static void
check_planted(UeArena *arena, const UeMaskSettings *settings, UeSlice text)
{
	static const char *const prefixes[] = {"sk-proj-", "sk-ant-api03-", "sk-",
										   "AIzaSy",   "ghp_",			"ya29."};
	size_t n_prefixes = sizeof(prefixes) / sizeof(prefixes[0]);
	size_t split = text.len < 2 ? 0 : (unsigned char) text.ptr[0] % text.len;
	const char *prefix =
		prefixes[text.len < 2 ? 0 : (unsigned char) text.ptr[1] % n_prefixes];
	UeBuf buf;
	UeSlice planted;
	UeSlice masked;
	size_t at;

	if (ue_slice_find(text, ue_slice_sub(ue_slice_of(canary), 0, 4), &at))
		return;
	ue_buf_init(&buf, arena, CEILING);
	ue_buf_append(&buf, ue_slice_sub(text, 0, split));
	ue_buf_append(&buf, ue_slice_of(prefix));
	ue_buf_append(&buf, ue_slice_of(canary));
	ue_buf_append(&buf, ue_slice_sub(text, split, text.len));
	require(ue_buf_finish(&buf, &planted) == UE_OK);
	check_text(arena, settings, planted, &masked);
	require(!ue_slice_find(masked, ue_slice_of(canary), &at));
	check_json(arena, settings, planted, true);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size > 0 ? size : 1);
	UeSlice text = {copy, size};
	Settings all;
	UeSlice masked;
	UeArena arena;

	require(copy != NULL);
	memcpy(copy, data, size);
	text = read_settings(text, &all);
	ue_arena_init(&arena, &libc_allocator, CEILING);
	check_text(&arena, &all.settings, text, &masked);
	check_json(&arena, &all.settings, text, false);
	check_planted(&arena, &all.settings, text);
	ue_arena_free(&arena);
	for (size_t i = 0; i < all.settings.n_patterns; i++)
		ue_pattern_free(all.patterns[i]);
	free(copy);
	return 0;
}
