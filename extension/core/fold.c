/* SPDX-License-Identifier: PostgreSQL */
/*
 * fold.c: letters without regard to case, in every script.
 *
 * Everything that compares two texts walks both through a cursor, which yields folded code
 * points, so nothing is copied and a character that folds to two or three compares with
 * those.  A byte that is not UTF-8 is a unit of its own, beyond the last code point.
 */
#include "core/fold.h"

#include "core/fold_table.h"
#include "core/utf8.h"

#define LAST_CODE_POINT 0x10FFFF

typedef struct FoldCursor
{
	UeSlice text;
	size_t at;		   /* behind the character that units come from */
	uint32_t units[3]; /* its folded form */
	size_t n;		   /* units of it; 0: the end of the text */
	size_t i;		   /* the current one */
} FoldCursor;

static size_t write_utf8(uint32_t code_point, char *out);
static void read_character(FoldCursor *cursor);
static void read_next(FoldCursor *cursor);
static bool find_glob_step(FoldCursor *glob, FoldCursor *text);

size_t
ue_fold_codepoint(uint32_t codepoint, uint32_t out[3])
{
	uint32_t block = codepoint / UE_FOLD_BLOCK;
	unsigned int entry = 0;
	const uint16_t *full;

	if (block < UE_FOLD_BLOCKS)
		entry =
			ue_fold_table_entry[ue_fold_table_block[block]][codepoint % UE_FOLD_BLOCK];
	if (entry < UE_FOLD_DELTAS)
	{
		out[0] = codepoint + (uint32_t) ue_fold_table_delta[entry];
		return 1;
	}
	full = ue_fold_table_full[entry - UE_FOLD_DELTAS];
	for (size_t i = 0; i < 3; i++)
		out[i] = full[i];
	return full[2] == 0 ? 2 : 3;
}

size_t
ue_fold_read(UeSlice text, char out[UE_FOLD_BYTES], size_t *n_out)
{
	uint32_t units[3];
	uint32_t code_point;
	size_t n_units;
	size_t len = ue_utf8_read(text, &code_point);

	if (len == 0)
		return 0;
	n_units = ue_fold_codepoint(code_point, units);
	*n_out = 0;
	for (size_t i = 0; i < n_units; i++)
		*n_out += write_utf8(units[i], out + *n_out);
	return len;
}

bool
ue_fold_is_plain(unsigned char first)
{
	if (first < 0x80)
		return first < 'A' || first > 'Z';
	return first < 0xC0 || ((ue_fold_table_leads >> (first - 0xC0)) & 1) == 0;
}

UeStatus
ue_fold_text(UeArena *arena, UeSlice text, UeSlice *out)
{
	UeBuf buf;
	size_t n = 0;

	/* a character of two bytes becomes at most six */
	ue_buf_init(&buf, arena, text.len > SIZE_MAX / 4 ? SIZE_MAX : 3 * text.len);
	while (n < text.len)
	{
		char bytes[UE_FOLD_BYTES];
		UeSlice folded = {bytes, 0};
		size_t len = ue_fold_read(ue_slice_sub(text, n, text.len), bytes, &folded.len);

		if (len == 0)
		{
			folded = ue_slice_sub(text, n, 1);
			len = 1;
		}
		ue_buf_append(&buf, folded);
		n += len;
	}
	return ue_buf_finish(&buf, out);
}

bool
ue_fold_is_equal(UeSlice a, UeSlice b)
{
	FoldCursor left = {.text = a};
	FoldCursor right = {.text = b};

	read_next(&left);
	read_next(&right);
	while (left.n > 0 && right.n > 0 && left.units[left.i] == right.units[right.i])
	{
		read_next(&left);
		read_next(&right);
	}
	return left.n == 0 && right.n == 0;
}

bool
ue_fold_is_glob_match(UeSlice glob, UeSlice text)
{
	FoldCursor pattern = {.text = glob};
	FoldCursor subject = {.text = text};
	FoldCursor star_pattern; /* behind the last star */
	FoldCursor star_subject; /* where what follows it was tried */
	bool has_star = false;

	read_next(&pattern);
	read_next(&subject);
	/*
	 * Only the last star is ever tried again: what follows an earlier one was found as far
	 * to the left as it can be, and the further left it ends, the more is left over.
	 */
	for (;;)
	{
		if (pattern.n == 1 && pattern.units[0] == '*')
		{
			read_next(&pattern);
			star_pattern = pattern;
			star_subject = subject;
			has_star = true;
		}
		else if (pattern.n == 0 && subject.n == 0)
			return true;
		else if (!find_glob_step(&pattern, &subject))
		{
			if (!has_star || star_subject.n == 0)
				return false;
			read_next(&star_subject);
			pattern = star_pattern;
			subject = star_subject;
		}
	}
}

/* RFC 3629, section 3; a folded form is never a surrogate. */
static size_t
write_utf8(uint32_t code_point, char *out)
{
	size_t n = 1;

	if (code_point < 0x80)
	{
		out[0] = (char) code_point;
		return 1;
	}
	if (code_point < 0x800)
		out[0] = (char) (0xC0 | (code_point >> 6));
	else if (code_point < 0x10000)
	{
		out[0] = (char) (0xE0 | (code_point >> 12));
		out[n++] = (char) (0x80 | ((code_point >> 6) & 0x3F));
	}
	else
	{
		out[0] = (char) (0xF0 | (code_point >> 18));
		out[n++] = (char) (0x80 | ((code_point >> 12) & 0x3F));
		out[n++] = (char) (0x80 | ((code_point >> 6) & 0x3F));
	}
	out[n++] = (char) (0x80 | (code_point & 0x3F));
	return n;
}

/* The units of the next character. */
static void
read_character(FoldCursor *cursor)
{
	UeSlice rest = ue_slice_sub(cursor->text, cursor->at, cursor->text.len);
	uint32_t code_point;
	size_t len;

	cursor->i = 0;
	cursor->n = 0;
	if (rest.len == 0)
		return;
	len = ue_utf8_read(rest, &code_point);
	if (len == 0)
	{
		cursor->units[0] = LAST_CODE_POINT + 1 + (unsigned char) rest.ptr[0];
		cursor->n = 1;
		cursor->at++;
		return;
	}
	cursor->n = ue_fold_codepoint(code_point, cursor->units);
	cursor->at += len;
}

static void
read_next(FoldCursor *cursor)
{
	if (cursor->i + 1 < cursor->n)
		cursor->i++;
	else
		read_character(cursor);
}

/* Takes one unit of the glob that is not a star; false when the text does not have it. */
static bool
find_glob_step(FoldCursor *glob, FoldCursor *text)
{
	if (glob->n == 0 || text->n == 0)
		return false;
	if (glob->n == 1 && glob->units[0] == '?')
	{
		read_character(text);
		read_next(glob);
		return true;
	}
	if (glob->n == 1 && glob->units[0] == '\\' && glob->at < glob->text.len)
		read_character(glob);
	if (glob->units[glob->i] != text->units[text->i])
		return false;
	read_next(glob);
	read_next(text);
	return true;
}
