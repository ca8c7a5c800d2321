/* SPDX-License-Identifier: PostgreSQL */
/*
 * mask_scan.c: how the rules look at a text: classes of bytes, words, escapes, keys.
 */
#include "core/mask_scan.h"

#include <string.h>

/* A part of a key behind a dot is at least this long. */
#define MIN_PART_LEN 16

const unsigned short ue_mask_classes[256] = {
	[0 ... 0x1F] = UE_MASK_BLANK | UE_MASK_RARE,
	[' '] = UE_MASK_BLANK | UE_MASK_RARE | UE_MASK_OPENER,
	[0x7F] = UE_MASK_BLANK | UE_MASK_RARE,
	['0' ... '9'] = UE_MASK_DIGIT | UE_MASK_HEX | UE_MASK_PLAIN,
	['a' ... 'f'] = UE_MASK_LOWER | UE_MASK_HEX | UE_MASK_PLAIN,
	['g' ... 'z'] = UE_MASK_LOWER | UE_MASK_PLAIN,
	['A' ... 'F'] = UE_MASK_UPPER | UE_MASK_HEX | UE_MASK_PLAIN,
	['G' ... 'Z'] = UE_MASK_UPPER | UE_MASK_PLAIN,
	['-'] = UE_MASK_DASH | UE_MASK_PLAIN,
	['_'] = UE_MASK_DASH | UE_MASK_PLAIN,
	['*'] = UE_MASK_STAR | UE_MASK_PLAIN,
	['.'] = UE_MASK_PLAIN | UE_MASK_TOKEN | UE_MASK_LOCAL,
	['%'] = UE_MASK_PLAIN | UE_MASK_TOKEN | UE_MASK_LOCAL,
	['+'] = UE_MASK_TOKEN | UE_MASK_LOCAL,
	['~'] = UE_MASK_TOKEN,
	['\''] = UE_MASK_LOCAL | UE_MASK_OPENER,
	[':'] = UE_MASK_OPENER,
	['('] = UE_MASK_OPENER,
	['['] = UE_MASK_OPENER,
	['/'] = UE_MASK_URL | UE_MASK_TOKEN,
	['?'] = UE_MASK_URL,
	['#'] = UE_MASK_URL | UE_MASK_OPENER,
	['&'] = UE_MASK_URL,
	[';'] = UE_MASK_URL,
	['='] = UE_MASK_URL | UE_MASK_TOKEN,
	['"'] = UE_MASK_RARE,
	['<'] = UE_MASK_RARE | UE_MASK_OPENER,
	['>'] = UE_MASK_RARE,
	['`'] = UE_MASK_RARE | UE_MASK_OPENER,
	['\\'] = UE_MASK_RARE,
	[0xC0 ... 0xFF] = UE_MASK_RARE,
};

size_t
ue_mask_find_next_word_end(UeMaskScan *scan, size_t at)
{
	scan->word = (UeMaskRun){at, ue_mask_find_end(scan, at, UE_MASK_WORD)};
	return scan->word.end;
}

size_t
ue_mask_find_next_star(UeMaskScan *scan, size_t start)
{
	UeSlice rest = ue_slice_sub(scan->text, start, scan->text.len);

	scan->star_from = start;
	scan->star_at = scan->text.len;
	if (ue_slice_find(rest, UE_SLICE("*"), &scan->star_at))
		scan->star_at += start;
	return scan->star_at;
}

static bool
is_hex(const UeMaskScan *scan, size_t at, size_t len)
{
	for (size_t i = 0; i < len; i++)
	{
		if (!ue_mask_is_class(ue_mask_read(scan, at + i), UE_MASK_HEX))
			return false;
	}
	return true;
}

static bool
is_escape_letter(char byte)
{
	return byte != '\0' && strchr("nrtbf", byte) != NULL;
}

bool
ue_mask_is_behind_escape(const UeMaskScan *scan, size_t at)
{
	const char *text = scan->text.ptr;
	size_t room = at - scan->floor;

	if (room >= 2 && text[at - 2] == '\\' && is_escape_letter(text[at - 1]))
		return true;
	if (room >= 3 && text[at - 3] == '%' && is_hex(scan, at - 2, 2))
		return true;
	if (room >= 5 && ue_mask_has(scan, at - 5, UE_SLICE("%25")) &&
		is_hex(scan, at - 2, 2))
		return true;
	return room >= 6 && text[at - 6] == '\\' && text[at - 5] == 'u' &&
		   is_hex(scan, at - 4, 4);
}

size_t
ue_mask_skip_escape_rest(const UeMaskScan *scan, size_t start)
{
	char before = scan->text.ptr[start - 1];

	if (before == '%' && is_hex(scan, start, 2))
		return start + (ue_mask_has(scan, start, UE_SLICE("25")) && is_hex(scan, start, 4)
							? 4
							: 2);
	/* the digits of \u0022, where only those are of the class looked for */
	if (before == 'u' && start - scan->floor >= 2 && scan->text.ptr[start - 2] == '\\' &&
		is_hex(scan, start, 4))
		return start + 4;
	if (before != '\\')
		return start;
	if (ue_mask_read(scan, start) == 'u' && is_hex(scan, start + 1, 4))
		return start + 5;
	return start + is_escape_letter(ue_mask_read(scan, start));
}

/* Full-width and general punctuation, which surrounds URLs in Chinese sentences. */
static bool
is_wide_punctuation(const UeMaskScan *scan, size_t at)
{
	return ue_mask_has(scan, at, UE_SLICE("\xE2\x80")) ||
		   ue_mask_has(scan, at, UE_SLICE("\xE3\x80")) ||
		   ue_mask_has(scan, at, UE_SLICE("\xEF\xBC")) ||
		   ue_mask_has(scan, at, UE_SLICE("\xEF\xBD")) ||
		   ue_mask_has(scan, at, UE_SLICE("\xC2\xA0"));
}

bool
ue_mask_is_listed(UeSlice word, const UeSlice *list, size_t n_words)
{
	for (size_t i = 0; i < n_words; i++)
	{
		if (word.len == list[i].len && ue_slice_is_equal_fold(word, list[i]))
			return true;
	}
	return false;
}

char
ue_mask_read_rare_unit(const UeMaskScan *scan, size_t at, size_t *len)
{
	/* what Go, PHP and others escape although they need not; the rest ends the text */
	static const char hex[] = "262f3d3f23402b253a7e2c3b";
	static const char meanings[] = "&/=?#@+%:~,;";
	char byte = ue_mask_read(scan, at);

	*len = 1;
	if (byte == '\\')
	{
		*len = 2;
		if (ue_mask_read(scan, at + 1) == '/')
			return '/';
		*len = 6;
		for (size_t i = 0; meanings[i] != '\0'; i++)
		{
			UeSlice digits = {hex + 2 * i, 2};

			if (ue_mask_has(scan, at + 1, UE_SLICE("u00")) &&
				ue_mask_has_fold(scan, at + 4, digits))
				return meanings[i];
		}
		return '\0';
	}
	if (byte == '"' || byte == '<' || byte == '>' || byte == '`' ||
		((unsigned char) byte >= 0xC0 && is_wide_punctuation(scan, at)))
		return '\0';
	return byte;
}

bool
ue_mask_is_random(UeSlice word)
{
	int classes = 0;
	bool is_inner_upper = false;

	for (size_t i = 0; i < word.len; i++)
	{
		int class = ue_mask_classes[(unsigned char) word.ptr[i]];

		if ((class & UE_MASK_UPPER) != 0 && (classes & UE_MASK_LOWER) != 0)
			is_inner_upper = true;
		classes |= class;
	}
	return (classes & UE_MASK_STAR) != 0 || is_inner_upper ||
		   ((classes & UE_MASK_DIGIT) != 0 &&
			(classes & (UE_MASK_LOWER | UE_MASK_UPPER)) != 0);
}

bool
ue_mask_is_key_part(UeMaskScan *scan, size_t at)
{
	size_t end = ue_mask_find_word_end(scan, at);

	return end - at >= MIN_PART_LEN &&
		   ue_mask_is_random(ue_slice_sub(scan->text, at, end - at));
}

/* Behind what stands at the end of a word and does not end the key; `at` if the key ends. */
static size_t
skip_link(UeMaskScan *scan, size_t at)
{
	switch (ue_mask_read(scan, at))
	{
		case '.':
			if (ue_mask_has(scan, at, UE_SLICE("...")))
				return at + 3;
			return at + ue_mask_is_key_part(scan, at + 1);
		case '\xE2':
			return at + (ue_mask_has(scan, at, UE_SLICE("\xE2\x80\xA6")) ? 3 : 0);
		default:
			return at;
	}
}

size_t
ue_mask_find_next_key_end(UeMaskScan *scan, size_t at)
{
	size_t start = at;
	size_t next = at;

	do
	{
		at = ue_mask_find_word_end(scan, next);
		next = skip_link(scan, at);
	} while (next > at);
	scan->key = (UeMaskRun){start, at};
	return at;
}
