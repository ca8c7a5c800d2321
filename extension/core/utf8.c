/* SPDX-License-Identifier: PostgreSQL */
/*
 * utf8.c: reading, cutting and repairing UTF-8.
 *
 * Everything follows from Unicode 15, table 3-7 (well-formed byte sequences): the lead
 * byte fixes the length and narrows the range of the second byte; all others are 80..BF.
 */
#include "core/utf8.h"

#include <string.h>

#define REPLACEMENT	   0xFFFD /* for what is not a character */
#define SYMBOL_FOR_NUL 0x2400

typedef struct LeadByte
{
	unsigned char first;
	unsigned char last;
	unsigned char len;
	unsigned char second_first;
	unsigned char second_last;
} LeadByte;

static const LeadByte lead_bytes[] = {
	{0xC2, 0xDF, 2, 0x80, 0xBF},
	{0xE0, 0xE0, 3, 0xA0, 0xBF}, /* below A0: overlong */
	{0xE1, 0xEC, 3, 0x80, 0xBF},
	{0xED, 0xED, 3, 0x80, 0x9F}, /* above 9F: surrogates */
	{0xEE, 0xEF, 3, 0x80, 0xBF},
	{0xF0, 0xF0, 4, 0x90, 0xBF}, /* below 90: overlong */
	{0xF1, 0xF3, 4, 0x80, 0xBF},
	{0xF4, 0xF4, 4, 0x80, 0x8F}, /* above 8F: beyond U+10FFFF */
};

static const LeadByte *
find_lead_byte(unsigned char byte)
{
	for (size_t i = 0; i < sizeof(lead_bytes) / sizeof(lead_bytes[0]); i++)
	{
		if (byte >= lead_bytes[i].first && byte <= lead_bytes[i].last)
			return &lead_bytes[i];
	}
	return NULL;
}

/*
 * How many bytes at the start of text belong together, at least 1: a character when
 * *is_valid, else a maximal invalid subpart; *is_short when only the end of the text keeps
 * it from being a character.
 */
static size_t
read_sequence(UeSlice text, bool *is_valid, bool *is_short)
{
	const unsigned char *bytes = (const unsigned char *) text.ptr;
	const LeadByte *lead;
	size_t n = 1;

	*is_short = false;
	*is_valid = bytes[0] < 0x80;
	if (*is_valid)
		return 1;
	lead = find_lead_byte(bytes[0]);
	if (lead == NULL)
		return 1;
	while (n < lead->len && n < text.len)
	{
		unsigned char first = n == 1 ? lead->second_first : 0x80;
		unsigned char last = n == 1 ? lead->second_last : 0xBF;

		if (bytes[n] < first || bytes[n] > last)
			return n;
		n++;
	}
	*is_valid = n == lead->len;
	*is_short = !*is_valid;
	return n;
}

/* Length of the ASCII at the start of text, eight bytes at a time. */
static size_t
find_ascii_end(UeSlice text)
{
	size_t n = 0;

	while (n + sizeof(uint64_t) <= text.len)
	{
		uint64_t word;

		memcpy(&word, text.ptr + n, sizeof(word));
		if ((word & UINT64_C(0x8080808080808080)) != 0)
			break;
		n += sizeof(word);
	}
	while (n < text.len && (unsigned char) text.ptr[n] < 0x80)
		n++;
	return n;
}

size_t
ue_utf8_read(UeSlice text, uint32_t *code_point)
{
	const unsigned char *bytes = (const unsigned char *) text.ptr;
	bool is_valid;
	bool is_short;
	size_t n = read_sequence(text, &is_valid, &is_short);
	uint32_t value;

	if (!is_valid)
		return 0;
	value = n == 1 ? bytes[0] : (uint32_t) (bytes[0] & (0x7F >> n));
	for (size_t i = 1; i < n; i++)
		value = (value << 6) | (bytes[i] & 0x3F);
	*code_point = value;
	return n;
}

bool
ue_utf8_is_valid(UeSlice text)
{
	size_t n = 0;

	while (n < text.len)
	{
		bool is_valid;
		bool is_short;

		n += find_ascii_end(ue_slice_sub(text, n, text.len));
		if (n == text.len)
			break;
		n += read_sequence(ue_slice_sub(text, n, text.len), &is_valid, &is_short);
		if (!is_valid)
			return false;
	}
	return true;
}

size_t
ue_utf8_cut(UeSlice text, size_t limit)
{
	UeSlice prefix = ue_slice_sub(text, 0, limit);

	/* a character that lacks its end begins at most three bytes before it */
	for (size_t n_back = 1; n_back <= 3 && n_back <= prefix.len; n_back++)
	{
		size_t start = prefix.len - n_back;
		bool is_valid;
		bool is_short;

		(void) read_sequence(ue_slice_sub(prefix, start, n_back), &is_valid, &is_short);
		if (is_short)
			return start;
		if (is_valid)
			break;
	}
	return prefix.len;
}

void
ue_utf8_append(UeBuf *buf, uint32_t code_point)
{
	char bytes[4];
	UeSlice text = {bytes, 0};

	if (code_point > 0x10FFFF || (code_point >= 0xD800 && code_point <= 0xDFFF))
		code_point = REPLACEMENT;
	if (code_point < 0x80)
		bytes[text.len++] = (char) code_point;
	else if (code_point < 0x800)
		bytes[text.len++] = (char) (0xC0 | (code_point >> 6));
	else if (code_point < 0x10000)
	{
		bytes[text.len++] = (char) (0xE0 | (code_point >> 12));
		bytes[text.len++] = (char) (0x80 | ((code_point >> 6) & 0x3F));
	}
	else
	{
		bytes[text.len++] = (char) (0xF0 | (code_point >> 18));
		bytes[text.len++] = (char) (0x80 | ((code_point >> 12) & 0x3F));
		bytes[text.len++] = (char) (0x80 | ((code_point >> 6) & 0x3F));
	}
	if (code_point >= 0x80)
		bytes[text.len++] = (char) (0x80 | (code_point & 0x3F));
	ue_buf_append(buf, text);
}

/* Nearly all text is ASCII without NUL: both are asked of eight bytes at a time. */
static size_t
find_clean_end(UeSlice text)
{
	size_t n = 0;

	while (n + sizeof(uint64_t) <= text.len)
	{
		uint64_t word;

		memcpy(&word, text.ptr + n, sizeof(word));
		/* a byte that is 0 borrows from its highest bit, one from 80 on has it set */
		if (((word | (word - UINT64_C(0x0101010101010101))) &
			 UINT64_C(0x8080808080808080)) != 0)
			break;
		n += sizeof(word);
	}
	while (n < text.len && text.ptr[n] > 0 && (unsigned char) text.ptr[n] < 0x80)
		n++;
	return n;
}

static bool
is_clean(UeSlice text)
{
	size_t n = find_clean_end(text);
	UeSlice rest = ue_slice_sub(text, n, text.len - n);

	return rest.len == 0 ||
		   (memchr(rest.ptr, '\0', rest.len) == NULL && ue_utf8_is_valid(rest));
}

UeStatus
ue_utf8_clean(UeArena *arena, UeSlice text, UeSlice *out)
{
	UeBuf buf;
	size_t n = 0;

	if (is_clean(text))
	{
		*out = text;
		return UE_OK;
	}
	/* a byte becomes at most three */
	ue_buf_init(&buf, arena, text.len > SIZE_MAX / 4 ? SIZE_MAX : 3 * text.len);
	while (n < text.len)
	{
		size_t start = n;
		bool is_valid = true;
		bool is_short;

		while (n < text.len && text.ptr[n] != '\0')
		{
			size_t len =
				read_sequence(ue_slice_sub(text, n, text.len), &is_valid, &is_short);

			if (!is_valid)
				break;
			n += len;
		}
		ue_buf_append(&buf, ue_slice_sub(text, start, n - start));
		if (n == text.len)
			break;
		if (is_valid)
		{
			ue_utf8_append(&buf, SYMBOL_FOR_NUL);
			n++;
			continue;
		}
		n += read_sequence(ue_slice_sub(text, n, text.len), &is_valid, &is_short);
		ue_utf8_append(&buf, REPLACEMENT);
	}
	return ue_buf_finish(&buf, out);
}
