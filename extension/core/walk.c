/* SPDX-License-Identifier: PostgreSQL */
/*
 * walk.c: a walk over the members of one JSON object.
 */
#include "core/walk.h"

#include <string.h>

static bool skip_byte(UeWalk *walk, char byte);
static void skip_blanks(UeWalk *walk);
static bool skip_string(UeWalk *walk);
static bool skip_value(UeWalk *walk);
static bool skip_nested(UeWalk *walk);

bool
ue_walk_begin(UeWalk *walk, UeSlice text, bool *is_short)
{
	*walk = (UeWalk){.text = text};
	/* a byte order mark, which some servers send */
	if (ue_slice_has_prefix(text, UE_SLICE("\xef\xbb\xbf")))
		walk->at = 3;
	skip_blanks(walk);
	if (walk->at < text.len && text.ptr[walk->at] == '[')
	{
		walk->at++;
		skip_blanks(walk);
	}
	*is_short = walk->at >= text.len;
	if (*is_short || text.ptr[walk->at] != '{')
		return false;
	walk->at++;
	return true;
}

bool
ue_walk_next_object(UeWalk *walk)
{
	return skip_byte(walk, '}') && skip_byte(walk, ',') && skip_byte(walk, '{');
}

UeWalkFound
ue_walk_next(UeWalk *walk)
{
	size_t start;

	walk->key = (UeSlice){NULL, 0};
	walk->value = (UeSlice){NULL, 0};
	skip_blanks(walk);
	if (walk->at < walk->text.len && walk->text.ptr[walk->at] == ',')
	{
		walk->at++;
		skip_blanks(walk);
	}
	if (walk->at >= walk->text.len)
		return UE_WALK_INCOMPLETE;
	if (walk->text.ptr[walk->at] != '"')
		return UE_WALK_END;
	start = walk->at + 1;
	if (!skip_string(walk))
		return UE_WALK_INCOMPLETE;
	walk->key = ue_slice_sub(walk->text, start, walk->at - 1 - start);
	skip_blanks(walk);
	if (walk->at >= walk->text.len)
		return UE_WALK_INCOMPLETE;
	if (walk->text.ptr[walk->at] != ':')
		return UE_WALK_END;
	walk->at++;
	skip_blanks(walk);
	start = walk->at;
	if (!skip_value(walk))
	{
		walk->value = ue_slice_sub(walk->text, start, walk->text.len);
		return UE_WALK_INCOMPLETE;
	}
	walk->value = ue_slice_sub(walk->text, start, walk->at - start);
	return walk->value.len == 0 ? UE_WALK_END : UE_WALK_MEMBER;
}

bool
ue_walk_is_closed(UeSlice text)
{
	UeWalk walk = {.text = text};

	return skip_nested(&walk);
}

UeSlice
ue_walk_find(UeSlice object, UeSlice name)
{
	UeWalk walk;
	bool is_short;

	if (object.len > 0 && object.ptr[0] == '{' && ue_walk_begin(&walk, object, &is_short))
		while (ue_walk_next(&walk) == UE_WALK_MEMBER)
			if (ue_slice_is_equal(walk.key, name))
				return walk.value;
	return (UeSlice){NULL, 0};
}

static bool
skip_byte(UeWalk *walk, char byte)
{
	skip_blanks(walk);
	if (walk->at >= walk->text.len || walk->text.ptr[walk->at] != byte)
		return false;
	walk->at++;
	return true;
}

static void
skip_blanks(UeWalk *walk)
{
	while (walk->at < walk->text.len)
	{
		char byte = walk->text.ptr[walk->at];

		if (byte != ' ' && byte != '\t' && byte != '\n' && byte != '\r')
			return;
		walk->at++;
	}
}

/* From the opening quote to behind the closing one; false when there is none. */
static bool
skip_string(UeWalk *walk)
{
	const char *text = walk->text.ptr;
	size_t start = walk->at + 1;
	size_t at = start;

	while (at < walk->text.len)
	{
		const char *quote = memchr(text + at, '"', walk->text.len - at);
		size_t n_backslashes = 0;
		size_t end;

		if (quote == NULL)
			break;
		end = (size_t) (quote - text);
		while (end - n_backslashes > start && text[end - n_backslashes - 1] == '\\')
			n_backslashes++;
		at = end + 1;
		if (n_backslashes % 2 == 0)
		{
			walk->at = at;
			return true;
		}
	}
	walk->at = walk->text.len;
	return false;
}

static bool
skip_value(UeWalk *walk)
{
	if (walk->at >= walk->text.len)
		return false;
	switch (walk->text.ptr[walk->at])
	{
		case '"':
			return skip_string(walk);
		case '{':
		case '[':
			return skip_nested(walk);
	}
	while (walk->at < walk->text.len)
	{
		char byte = walk->text.ptr[walk->at];

		if (byte == ',' || byte == '}' || byte == ']' || byte == ' ' || byte == '\t' ||
			byte == '\n' || byte == '\r')
			return true;
		walk->at++;
	}
	/* a number may go on in bytes not seen yet */
	return false;
}

/* Brackets are counted, not matched: whether it is JSON is for the core to say. */
static bool
skip_nested(UeWalk *walk)
{
	size_t depth = 0;

	while (walk->at < walk->text.len)
	{
		char byte = walk->text.ptr[walk->at];

		if (byte == '"')
		{
			if (!skip_string(walk))
				return false;
			continue;
		}
		walk->at++;
		if (byte == '{' || byte == '[')
			depth++;
		else if ((byte == '}' || byte == ']') && --depth == 0)
			return true;
	}
	return false;
}
