/* SPDX-License-Identifier: PostgreSQL */
/*
 * jsonout.c: compact JSON into a buffer.
 *
 * A comma is owed after every value and paid by the next value or key.
 */
#include "core/jsonout.h"

#include <string.h>

#include "core/utf8.h"

/* A byte in each place of a word. */
#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

static void append_comma(UeJsonOut *out);
static void append_quoted(UeBuf *buf, UeSlice text);
static void append_escaped(UeBuf *buf, unsigned char byte);

void
ue_jsonout_init(UeJsonOut *out, UeBuf *buf)
{
	out->buf = buf;
	out->needs_comma = false;
}

void
ue_jsonout_append_begin(UeJsonOut *out, char bracket)
{
	append_comma(out);
	ue_buf_append_byte(out->buf, bracket);
	out->needs_comma = false;
}

void
ue_jsonout_append_end(UeJsonOut *out, char bracket)
{
	ue_buf_append_byte(out->buf, bracket);
	out->needs_comma = true;
}

void
ue_jsonout_append_key(UeJsonOut *out, UeSlice key)
{
	append_comma(out);
	append_quoted(out->buf, key);
	ue_buf_append_byte(out->buf, ':');
	out->needs_comma = false;
}

void
ue_jsonout_append_string(UeJsonOut *out, UeSlice text)
{
	append_comma(out);
	append_quoted(out->buf, text);
}

void
ue_jsonout_append_int64(UeJsonOut *out, int64_t value)
{
	append_comma(out);
	ue_buf_append_int64(out->buf, value);
}

void
ue_jsonout_append_null(UeJsonOut *out)
{
	ue_jsonout_append_raw(out, UE_SLICE("null"));
}

void
ue_jsonout_append_bool(UeJsonOut *out, bool value)
{
	ue_jsonout_append_raw(out, value ? UE_SLICE("true") : UE_SLICE("false"));
}

void
ue_jsonout_append_raw(UeJsonOut *out, UeSlice json)
{
	append_comma(out);
	ue_buf_append(out->buf, json);
}

static void
append_comma(UeJsonOut *out)
{
	if (out->needs_comma)
		ue_buf_append_byte(out->buf, ',');
	out->needs_comma = true;
}

/* Whether one of eight bytes must be escaped: below 0x20, a quote or a backslash. */
static bool
has_special(const char *bytes)
{
	uint64_t word;
	uint64_t quote;
	uint64_t backslash;

	memcpy(&word, bytes, sizeof(word));
	quote = word ^ EACH('"');
	backslash = word ^ EACH('\\');
	return (((word - EACH(0x20)) & ~word) | ((quote - EACH(1)) & ~quote) |
			((backslash - EACH(1)) & ~backslash)) &
		   EACH(0x80);
}

/* The first place from n on whose byte must be escaped, or the end. */
static size_t
find_special(UeSlice text, size_t n)
{
	while (text.len - n >= sizeof(uint64_t) && !has_special(text.ptr + n))
		n += sizeof(uint64_t);
	while (n < text.len && (unsigned char) text.ptr[n] >= 0x20 && text.ptr[n] != '"' &&
		   text.ptr[n] != '\\')
		n++;
	return n;
}

static void
append_quoted(UeBuf *buf, UeSlice text)
{
	UeStatus status = ue_utf8_clean(buf->arena, text, &text);
	size_t n = 0;

	if (status != UE_OK)
	{
		if (buf->status == UE_OK)
			buf->status = status;
		return;
	}
	ue_buf_append_byte(buf, '"');
	while (n < text.len)
	{
		size_t start = n;

		n = find_special(text, n);
		ue_buf_append(buf, ue_slice_sub(text, start, n - start));
		if (n < text.len)
			append_escaped(buf, (unsigned char) text.ptr[n++]);
	}
	ue_buf_append_byte(buf, '"');
}

static void
append_escaped(UeBuf *buf, unsigned char byte)
{
	static const char hex[] = "0123456789abcdef";
	static const char short_forms[] = {
		['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r',
	};

	ue_buf_append_byte(buf, '\\');
	if (byte >= 0x20)
		ue_buf_append_byte(buf, (char) byte);
	else if (byte < sizeof(short_forms) && short_forms[byte] != '\0')
		ue_buf_append_byte(buf, short_forms[byte]);
	else
	{
		ue_buf_append(buf, UE_SLICE("u00"));
		ue_buf_append_byte(buf, hex[byte >> 4]);
		ue_buf_append_byte(buf, hex[byte & 0x0F]);
	}
}
