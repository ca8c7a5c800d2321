/* SPDX-License-Identifier: PostgreSQL */
/*
 * fuzz_fingerprint.c: any message has a fingerprint; what is looked at stays below its
 * ceiling, is UTF-8 where the message was, holds no digit, and case makes no difference.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/fingerprint.h"
#include "core/limits.h"
#include "core/utf8.h"
#include "libc_allocator.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition)
{
	if (!condition)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size > 0 ? size : 1);
	UeSlice message = {copy, size};
	UeArena arena;
	UeSlice shown;
	UeBuf buf;
	int64_t fingerprint;

	require(copy != NULL);
	memcpy(copy, data, size);
	ue_arena_init(&arena, &libc_allocator, 1024 * 1024);
	ue_buf_init(&buf, &arena, UE_LIMIT_FINGERPRINT);
	ue_fingerprint_write_message(&buf, message);
	require(ue_buf_finish(&buf, &shown) == UE_OK);
	require(!ue_utf8_is_valid(message) || ue_utf8_is_valid(shown));
	for (size_t i = 0; i < shown.len; i++)
		require(shown.ptr[i] < '0' || shown.ptr[i] > '9');

	fingerprint = ue_fingerprint_build(message, message, message, message);
	require(fingerprint != INT64_MIN);
	for (size_t i = 0; i < size; i++)
		if (copy[i] >= 'a' && copy[i] <= 'z')
			copy[i] = (char) (copy[i] - 'a' + 'A');
	require(fingerprint == ue_fingerprint_build(message, message, message, message));

	ue_arena_free(&arena);
	free(copy);
	return 0;
}
