/* SPDX-License-Identifier: PostgreSQL */
/*
 * peek.c: a walk over the members of one JSON object.
 *
 * Strings are stepped over with memchr, so a body of long texts costs little more than
 * reading it.  What is not JSON ends the walk; that is never an error by itself.
 */
#include "peek.h"

#include <string.h>

typedef struct UeWalk
{
	UeSlice text;
	size_t at;
	UeSlice key;   /* between its quotes, as written */
	UeSlice value; /* as written; a string with its quotes */
} UeWalk;

typedef enum UeStep
{
	STEP_MEMBER = 0,
	STEP_END,		 /* the object is closed, or this is not JSON */
	STEP_INCOMPLETE, /* the text ends inside a member */
} UeStep;

static bool begin_object(UeWalk *walk, UeSlice text, bool *is_short);
static bool begin_next_element(UeWalk *walk);
static bool skip_byte(UeWalk *walk, char byte);
static UeStep next_member(UeWalk *walk);
static UePeek judge_first(const UeWalk *walk, bool is_whole);
static void skip_blanks(UeWalk *walk);
static bool skip_string(UeWalk *walk);
static bool skip_value(UeWalk *walk);
static bool skip_nested(UeWalk *walk);
static bool is_said(UeSlice value);
static bool is_error_member(const UeWalk *walk);

UePeek
ue_peek_answer(UeSlice beginning, bool is_whole)
{
	UeWalk walk;
	bool is_short;
	bool has_member = false;
	UeStep step;

	if (!begin_object(&walk, beginning, &is_short))
		return is_short && !is_whole ? UE_PEEK_MORE : UE_PEEK_GOOD;
	do
	{
		while ((step = next_member(&walk)) == STEP_MEMBER)
		{
			if (is_error_member(&walk))
				return UE_PEEK_ERROR;
			has_member = true;
		}
	} while (step == STEP_END && begin_next_element(&walk));
	if (step == STEP_INCOMPLETE && !has_member)
		return judge_first(&walk, is_whole);
	return UE_PEEK_GOOD;
}

bool
ue_peek_is_error_event(UeSlice data)
{
	UeWalk walk;
	bool is_short;

	if (!begin_object(&walk, data, &is_short))
		return false;
	while (next_member(&walk) == STEP_MEMBER)
	{
		if (is_error_member(&walk))
			return true;
		if (ue_slice_is_equal(walk.key, UE_SLICE("type")) &&
			ue_slice_is_equal(walk.value, UE_SLICE("\"response.failed\"")))
			return true;
	}
	return false;
}

bool
ue_peek_is_closed(UeSlice text)
{
	UeWalk walk = {.text = text};

	return skip_nested(&walk);
}

void
ue_peek_request(UeSlice body, UeSlice *model, bool *is_stream)
{
	UeWalk walk;
	bool is_short;

	if (!begin_object(&walk, body, &is_short))
		return;
	while (next_member(&walk) == STEP_MEMBER)
	{
		if (ue_slice_is_equal(walk.key, UE_SLICE("model")) && walk.value.len > 2 &&
			walk.value.ptr[0] == '"')
			*model = ue_slice_sub(walk.value, 1, walk.value.len - 2);
		else if (ue_slice_is_equal(walk.key, UE_SLICE("stream")))
			*is_stream = ue_slice_is_equal(walk.value, UE_SLICE("true"));
	}
}

/* Steps into "{" or "[{".  False and *is_short: there may be one in what follows. */
static bool
begin_object(UeWalk *walk, UeSlice text, bool *is_short)
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

/* From the end of one object into the next of the same array, which Google answers with. */
static bool
begin_next_element(UeWalk *walk)
{
	return skip_byte(walk, '}') && skip_byte(walk, ',') && skip_byte(walk, '{');
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

/* On STEP_INCOMPLETE key and value hold what there is of them. */
static UeStep
next_member(UeWalk *walk)
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
		return STEP_INCOMPLETE;
	if (walk->text.ptr[walk->at] != '"')
		return STEP_END;
	start = walk->at + 1;
	if (!skip_string(walk))
		return STEP_INCOMPLETE;
	walk->key = ue_slice_sub(walk->text, start, walk->at - 1 - start);
	skip_blanks(walk);
	if (walk->at >= walk->text.len)
		return STEP_INCOMPLETE;
	if (walk->text.ptr[walk->at] != ':')
		return STEP_END;
	walk->at++;
	skip_blanks(walk);
	start = walk->at;
	if (!skip_value(walk))
	{
		walk->value = ue_slice_sub(walk->text, start, walk->text.len);
		return STEP_INCOMPLETE;
	}
	walk->value = ue_slice_sub(walk->text, start, walk->at - start);
	return walk->value.len == 0 ? STEP_END : STEP_MEMBER;
}

/* The first member, of which only a part is there: its name is enough, nearly always. */
static UePeek
judge_first(const UeWalk *walk, bool is_whole)
{
	bool is_error = ue_slice_is_equal(walk->key, UE_SLICE("error"));

	if (is_error && walk->value.len > 1 &&
		(walk->value.ptr[0] == '{' || walk->value.ptr[0] == '"'))
		return UE_PEEK_ERROR;
	if (walk->value.len > 0 && !is_error &&
		!ue_slice_is_equal(walk->key, UE_SLICE("type")))
		return UE_PEEK_GOOD;
	return is_whole ? UE_PEEK_GOOD : UE_PEEK_MORE;
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

/* Good answers of several servers carry "error":null, "error":{} or "error":"". */
static bool
is_said(UeSlice value)
{
	UeSlice inner;

	if (ue_slice_is_equal(value, UE_SLICE("null")) ||
		ue_slice_is_equal(value, UE_SLICE("false")) ||
		ue_slice_is_equal(value, UE_SLICE("0")) ||
		ue_slice_is_equal(value, UE_SLICE("\"\"")))
		return false;
	inner = ue_slice_sub(value, 1, value.len < 2 ? 0 : value.len - 2);
	return value.ptr[0] != '{' || ue_slice_trim(inner).len > 0;
}

static bool
is_error_member(const UeWalk *walk)
{
	if (ue_slice_is_equal(walk->key, UE_SLICE("error")))
		return is_said(walk->value);
	return ue_slice_is_equal(walk->key, UE_SLICE("type")) &&
		   ue_slice_is_equal(walk->value, UE_SLICE("\"error\""));
}
