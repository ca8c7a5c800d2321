/* SPDX-License-Identifier: PostgreSQL */
/*
 * inflate.c: zlib over a body that is whole.
 */
#include "inflate.h"

#include <string.h>
#include <zlib.h>

/* windowBits of inflateInit2: largest window; plus 32 finds a zlib or gzip header, the
 * negative has none (what some servers send as "deflate"). */
#define WINDOW_ANY_HEADER (15 + 32)
#define WINDOW_NO_HEADER  (-15)

static bool is_named(UeSlice encoding, const char *name);
static bool inflate_body(UeArena *arena, int window, UeSlice body, size_t ceiling,
						 UeSlice *out);

bool
ue_inflate_body(UeArena *arena, UeSlice encoding, UeSlice body, size_t ceiling,
				UeSlice *out)
{
	encoding = ue_slice_trim(encoding);
	*out = body;
	if (encoding.len == 0 || is_named(encoding, "identity"))
		return true;
	if (is_named(encoding, "gzip") || is_named(encoding, "x-gzip"))
		return inflate_body(arena, WINDOW_ANY_HEADER, body, ceiling, out);
	if (is_named(encoding, "deflate"))
		return inflate_body(arena, WINDOW_ANY_HEADER, body, ceiling, out) ||
			   inflate_body(arena, WINDOW_NO_HEADER, body, ceiling, out);
	*out = (UeSlice){NULL, 0};
	return false;
}

static bool
is_named(UeSlice encoding, const char *name)
{
	return ue_slice_is_equal_fold(encoding, ue_slice_of(name));
}

/* False when not a byte could be decoded of a body that is not empty. */
static bool
inflate_body(UeArena *arena, int window, UeSlice body, size_t ceiling, UeSlice *out)
{
	z_stream stream;
	size_t size = body.len * 4 < 4096 ? 4096 : body.len * 4;
	size_t len = 0;
	char *decoded;
	int result = Z_OK;

	*out = (UeSlice){NULL, 0};
	if (size > ceiling)
		size = ceiling;
	decoded = ue_arena_allocate(arena, size);
	memset(&stream, 0, sizeof(stream));
	if (decoded == NULL || inflateInit2(&stream, window) != Z_OK)
		return false;
	stream.next_in = (Bytef *) body.ptr;
	stream.avail_in = (uInt) body.len;
	while (result == Z_OK)
	{
		if (len == size)
		{
			size_t larger = size > ceiling / 2 ? ceiling : size * 2;

			if (larger == size)
				break;
			decoded = ue_arena_grow(arena, decoded, size, larger);
			if (decoded == NULL)
				break;
			size = larger;
		}
		stream.next_out = (Bytef *) decoded + len;
		stream.avail_out = (uInt) (size - len);
		result = inflate(&stream, Z_NO_FLUSH);
		len = size - stream.avail_out;
	}
	inflateEnd(&stream);
	if (decoded == NULL)
		return false;
	*out = (UeSlice){decoded, len};
	return len > 0 || body.len == 0;
}
