/* SPDX-License-Identifier: PostgreSQL */
/*
 * mask_argument.c: secrets that stand beside their names, with no separator between them
 * that says so.
 *
 *   ('x-api-key', 'a1b2…')   setHeader("x-api-key", "a1b2…")   ["x-api-key","a1b2…"]
 *   --api-key a1b2…          -u user:password                  of a command line
 *
 * Two names in a list look the same, "required": ["api_key", "model"], so the second must
 * look like no name.
 */
#include "core/mask_value.h"

#include <string.h>

/* No name of a header, a field or an option is longer. */
#define LONGEST_ARGUMENT 32

/* What is longer is a text, and what is shorter a name more often than a secret. */
#define LONGEST_VALUE  4096
#define SHORTEST_VALUE 8

/* Behind the quotes of a string, with the backslashes and the b of Python before it. */
typedef struct Quotes
{
	size_t at;		/* the string's first byte */
	size_t n_level; /* backslashes before the quote */
	char quote;
} Quotes;

static bool
read_quotes(const UeMaskScan *scan, size_t at, Quotes *quotes)
{
	size_t slashes;

	at += ue_mask_read(scan, at) == 'b';
	slashes = at;
	while (ue_mask_read(scan, at) == '\\')
		at++;
	*quotes = (Quotes){at + 1, at - slashes, ue_mask_read(scan, at)};
	return quotes->quote == '"' || quotes->quote == '\'';
}

/* Behind the closing quotes that stand at `at`; `at` if they do not. */
static size_t
skip_closing(const UeMaskScan *scan, const Quotes *quotes, size_t at)
{
	size_t end = at;

	while (end - at < quotes->n_level && ue_mask_read(scan, end) == '\\')
		end++;
	return end - at == quotes->n_level && ue_mask_read(scan, end) == quotes->quote
			   ? end + 1
			   : at;
}

/*
 * The fragment of a name that is passed over on the way to its value: where it has a digit,
 * or looks like a key in another way, it is left to the rules of keys.
 */
static const UeMaskFragment *
find_fragment(UeSlice name)
{
	for (size_t i = 0; i < name.len; i++)
	{
		if (ue_mask_is_class(name.ptr[i], UE_MASK_DIGIT))
			return NULL;
	}
	return ue_mask_is_parameter_name(name) ? ue_mask_find_fragment(name) : NULL;
}

static size_t
skip_blank(const UeMaskScan *scan, size_t at)
{
	return at + (ue_mask_read(scan, at) == ' ');
}

/* Behind `"name", ` at the value; false when there is no name. */
static bool
find_pair(const UeMaskScan *scan, size_t at, UeMaskNamed *value)
{
	Quotes quotes;
	size_t end;
	size_t next;

	if (!read_quotes(scan, at, &quotes))
		return false;
	end = quotes.at;
	while (end < quotes.at + LONGEST_ARGUMENT &&
		   ue_mask_is_class(ue_mask_read(scan, end), UE_MASK_ALNUM | UE_MASK_DASH))
		end++;
	next = skip_closing(scan, &quotes, end);
	if (next == end || end == quotes.at || ue_mask_read(scan, next) != ',')
		return false;
	value->name_at = quotes.at;
	value->name_end = end;
	value->at = skip_blank(scan, next + 1);
	return true;
}

/* At the '(' or '[' before both. */
bool
ue_mask_apply_pair(UeMaskScan *scan, size_t at)
{
	UeMaskNamed value = {.is_quoted = true};
	char closer = scan->text.ptr[at] == '(' ? ')' : ']';
	Quotes quotes;
	UeSlice text;
	size_t end;
	size_t next;

	if (!find_pair(scan, skip_blank(scan, at + 1), &value) ||
		!read_quotes(scan, value.at, &quotes))
		return false;
	end = quotes.at;
	while (end < quotes.at + LONGEST_VALUE && end < scan->text.len &&
		   !ue_mask_is_class(scan->text.ptr[end], UE_MASK_BLANK) &&
		   scan->text.ptr[end] != '\\' && scan->text.ptr[end] != quotes.quote)
		end++;
	next = skip_closing(scan, &quotes, end);
	ue_mask_note_seen(scan, next + 2);
	if (next == end || ue_mask_read(scan, skip_blank(scan, next)) != closer)
		return false;
	text = ue_slice_sub(scan->text, quotes.at, end - quotes.at);
	value.fragment = find_fragment(ue_mask_cut(scan, value.name_at, value.name_end));
	if (value.fragment == NULL)
		return false;
	if (closer == ')'
			? text.len < SHORTEST_VALUE || !ue_mask_is_likely_secret(&value, text)
			: !ue_mask_is_key_like(text))
		return false;
	scan->context = value.name_at;
	ue_mask_write_stars(scan, quotes.at, 0, end);
	return true;
}

/* "user:password", in quotes or not. */
static bool
apply_user(UeMaskScan *scan, size_t at)
{
	size_t start = at + (ue_mask_read(scan, at) == '"' || ue_mask_read(scan, at) == '\'');
	size_t end = start;
	size_t colon = start;

	while (end < scan->text.len &&
		   !ue_mask_is_class(scan->text.ptr[end], UE_MASK_BLANK) &&
		   memchr("\"'\\,;<>", scan->text.ptr[end], 7) == NULL)
	{
		if (scan->text.ptr[end] == ':' && colon == start)
			colon = end;
		end++;
	}
	if (colon == start || colon + 1 >= end || scan->text.ptr[colon + 1] == '/' ||
		scan->text.ptr[colon + 1] == ':')
	{
		ue_mask_note_seen(scan, end + 1);
		return false;
	}
	ue_mask_write_stars(scan, start, 0, end);
	return true;
}

/* At the first dash of "-u " or "--name ", behind a blank or a quote. */
bool
ue_mask_apply_option(UeMaskScan *scan, size_t at)
{
	UeMaskNamed value = {.form = UE_MASK_FORM_EQUALS};
	size_t start = at + 1;
	size_t end;
	UeSlice name;

	start += ue_mask_read(scan, start) == '-';
	if (!ue_mask_is_class(ue_mask_read(scan, start), UE_MASK_LOWER))
		return false;
	end = start;
	while (end < start + LONGEST_ARGUMENT &&
		   ue_mask_is_class(ue_mask_read(scan, end), UE_MASK_ALNUM | UE_MASK_DASH))
		end++;
	if (end == start || ue_mask_read(scan, end) != ' ')
		return false;
	value.name_at = start;
	value.at = end + 1;
	name = ue_mask_cut(scan, start, end);
	if (start == at + 1 ? ue_slice_is_equal(name, UE_SLICE("u"))
						: ue_slice_is_equal(name, UE_SLICE("user")) ||
							  ue_slice_is_equal(name, UE_SLICE("proxy-user")))
		return apply_user(scan, value.at);
	if (start == at + 1)
		return false;
	/* most options have a word behind them, or another option */
	ue_mask_note_seen(scan, value.at + 1);
	if (ue_mask_read(scan, value.at) == '-' || ue_mask_skip_sentence(scan, value.at))
		return false;
	value.fragment = find_fragment(name);
	return value.fragment != NULL && ue_mask_apply_value(scan, &value);
}
