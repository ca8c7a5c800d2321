/* SPDX-License-Identifier: PostgreSQL */
/*
 * mask_escape.c: letters that JSON need not escape, written as they are.
 *
 * "\u0073k-\u0070roj" means sk-proj in JSON, and no writer of error bodies spells it so
 * unless it wants a key to be overlooked.  Where such an escape names a printable character
 * of ASCII, that takes its place, with the backslashes of JSON inside of JSON: the document
 * stays valid and means the same.  All other escapes stay, and those of "\"\\<>&'", which
 * Go, PHP and Java write for good reasons.
 */
#include "core/mask_scan.h"

#include <string.h>

#define ESCAPE_LEN 6

/* The character that the escape at `at` names; NUL when it is none of ours. */
static char
read_escape(UeSlice text, size_t at)
{
	const char *escape = text.ptr + at;
	char byte;

	if (text.len - at < ESCAPE_LEN || memcmp(escape, "\\u00", 4) != 0 ||
		!ue_mask_is_class(escape[4], UE_MASK_HEX) ||
		!ue_mask_is_class(escape[5], UE_MASK_HEX))
		return '\0';
	byte = (char) (16 * ue_mask_read_hex(escape[4]) + ue_mask_read_hex(escape[5]));
	return byte >= ' ' && byte < 0x7F && strchr("\"\\<>&'", byte) == NULL ? byte : '\0';
}

UeStatus
ue_mask_decode(UeBuf *buf, UeSlice text, UeSlice *out)
{
	size_t done = 0;
	size_t at = 0;

	buf->len = 0;
	while (at < text.len)
	{
		const char *found = memchr(text.ptr + at, '\\', text.len - at);
		size_t start;
		char byte;

		if (found == NULL)
			break;
		start = (size_t) (found - text.ptr);
		at = start + 1;
		while (at < text.len && text.ptr[at] == '\\')
			at++;
		byte = at < text.len && text.ptr[at] == 'u' ? read_escape(text, at - 1) : '\0';
		if (byte == '\0')
			continue;
		ue_buf_append(buf, ue_slice_sub(text, done, start - done));
		ue_buf_append_byte(buf, byte);
		done = at - 1 + ESCAPE_LEN;
		at = done;
	}
	if (done == 0)
	{
		*out = text;
		return UE_OK;
	}
	ue_buf_append(buf, ue_slice_sub(text, done, text.len));
	return ue_buf_finish(buf, out);
}
