/* SPDX-License-Identifier: PostgreSQL */
/*
 * buf.c: a growing buffer with a ceiling.
 *
 * Room for the NUL that ue_buf_finish writes is always reserved: size > len.  Old copies
 * stay in the arena, so a slice of the buffer's own text may be appended to it.
 */
#include "core/buf.h"

#include <string.h>

#define FIRST_SIZE 256

/* There is no room, or the buffer has failed before.  Out of line, for it is rare. */
__attribute__((noinline)) static bool
grow(UeBuf *buf, size_t n_more)
{
	size_t needed;
	size_t size;
	char *ptr;

	if (buf->status != UE_OK)
		return false;
	if (n_more > buf->ceiling - buf->len || buf->len + n_more == SIZE_MAX)
	{
		buf->status = UE_TOO_LARGE;
		return false;
	}
	needed = buf->len + n_more + 1;
	size = buf->size > SIZE_MAX / 2 ? SIZE_MAX : 2 * buf->size;
	if (size < FIRST_SIZE)
		size = FIRST_SIZE;
	/* the ceiling is on the text; doubling beyond it would reserve what is never used */
	if (size > buf->ceiling && buf->ceiling < SIZE_MAX)
		size = buf->ceiling + 1;
	if (size < needed)
		size = needed;
	ptr = ue_arena_grow(buf->arena, buf->ptr, buf->size, size);
	if (ptr == NULL)
	{
		buf->status = UE_NO_MEMORY;
		return false;
	}
	buf->ptr = ptr;
	buf->size = size;
	return true;
}

/* size is at most one more than the ceiling, so what fits in it is allowed. */
static inline bool
reserve_bytes(UeBuf *buf, size_t n_more)
{
	if (buf->status == UE_OK && n_more < buf->size - buf->len)
		return true;
	return grow(buf, n_more);
}

void
ue_buf_init(UeBuf *buf, UeArena *arena, size_t ceiling)
{
	buf->arena = arena;
	buf->ptr = NULL;
	buf->len = 0;
	buf->size = 0;
	buf->ceiling = ceiling;
	buf->status = UE_OK;
}

void
ue_buf_append(UeBuf *buf, UeSlice slice)
{
	if (slice.len == 0 || !reserve_bytes(buf, slice.len))
		return;
	memcpy(buf->ptr + buf->len, slice.ptr, slice.len);
	buf->len += slice.len;
}

void
ue_buf_append_byte(UeBuf *buf, char byte)
{
	if (!reserve_bytes(buf, 1))
		return;
	buf->ptr[buf->len++] = byte;
}

void
ue_buf_append_int64(UeBuf *buf, int64_t value)
{
	char digits[20]; /* "-9223372036854775808" */
	size_t start = sizeof(digits);
	uint64_t rest = value < 0 ? 0 - (uint64_t) value : (uint64_t) value;
	UeSlice text;

	do
	{
		digits[--start] = (char) ('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	if (value < 0)
		digits[--start] = '-';
	text.ptr = digits + start;
	text.len = sizeof(digits) - start;
	ue_buf_append(buf, text);
}

UeStatus
ue_buf_finish(UeBuf *buf, UeSlice *out)
{
	if (!reserve_bytes(buf, 0))
		return buf->status;
	buf->ptr[buf->len] = '\0';
	out->ptr = buf->ptr;
	out->len = buf->len;
	return UE_OK;
}
