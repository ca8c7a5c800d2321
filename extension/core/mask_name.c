/* SPDX-License-Identifier: PostgreSQL */
/*
 * mask_name.c: values whose names say that they are secret.
 *
 *   "api_key":"…"   \"api_key\": \"…\"   'api_key': '…'   members, in text that holds JSON
 *   api_key=…   ?key=…   token%3D…   ?k%65y=…              parameters
 *   x-api-key: …   API key: …   API key provided: …        headers, and sentences
 *
 * In a sentence a colon follows many a word, so there a word like "token" is believed only
 * when a value follows that no sentence would hold.
 */
#include "core/mask_fragment.h"

#include <string.h>

/* First words of an Authorization header's value; what follows is the secret. */
static const UeSlice auth_schemes[] = {
	UE_SLICE_INIT("bearer"),
	UE_SLICE_INIT("basic"),
	UE_SLICE_INIT("token"),
	UE_SLICE_INIT("digest"),
	UE_SLICE_INIT("negotiate"),
	UE_SLICE_INIT("apikey"),
	UE_SLICE_INIT("aws4-hmac-sha256"),
};

#define SHORTEST_SCHEME 5

/* Values that hide nothing. */
static const UeSlice empty_values[] = {
	UE_SLICE_INIT("null"), UE_SLICE_INIT("none"),	   UE_SLICE_INIT("nil"),
	UE_SLICE_INIT("true"), UE_SLICE_INIT("undefined"), UE_SLICE_INIT("false"),
};

#define SHORTEST_EMPTY 3
#define LONGEST_EMPTY  9

#define N_ROWS(table) (sizeof(table) / sizeof((table)[0]))

/* A value this long is no word of a sentence. */
#define LONG_VALUE 16

#define MOST_NAME_DIGITS 2

/* Of a longer one the end is enough. */
#define LONGEST_ENCODED_NAME 64

/* The name found before a separator, and what its value would be. */
typedef struct NamedValue
{
	const UeMaskFragment *fragment;
	bool is_quoted;	 /* the name stands in quotes: JSON, or a dict of Python */
	bool is_equals;	 /* '=' rather than ':' */
	bool is_certain; /* the value is secret whatever it looks like */
	size_t name_at;
	size_t at; /* the value's first byte */
} NamedValue;

static const UeMaskFragment bare_key = {
	UE_SLICE_INIT("key"),
	UE_MASK_PLACE_WHOLE,
	UE_MASK_PROSE_RANDOM,
	UE_MASK_SECRECY_TEXT,
};

static bool apply_likely(UeMaskScan *scan, size_t at, size_t at_len, size_t start,
						 size_t end);
static size_t find_name_end(const UeMaskScan *scan, size_t at, bool is_equals);
static bool find_name(const UeMaskScan *scan, size_t end, NamedValue *value);
static bool find_value(const UeMaskScan *scan, NamedValue *value);
static bool apply_quoted(UeMaskScan *scan, const NamedValue *value);
static bool apply_escaped(UeMaskScan *scan, const NamedValue *value);
static bool apply_line(UeMaskScan *scan, const NamedValue *value);
static bool apply_word(UeMaskScan *scan, const NamedValue *value);

static bool
is_comparison(char byte)
{
	return byte == '!' || byte == '<' || byte == '>' || byte == '=';
}

static bool
is_quote(char byte)
{
	return byte == '"' || byte == '\'' || byte == '`';
}

/* A quote, the backslashes before it, the bracket of an array. */
static bool
may_open_string(char byte)
{
	return is_quote(byte) || byte == '\\' || byte == '[';
}

/* The last byte of "=" or "%3D", not that of ":" or "%3A". */
static inline bool
is_equals_end(char byte)
{
	return byte == '=' || byte == 'd' || byte == 'D';
}

/* Whether what a name ends before is a quote, and not the bracket of a parameter's. */
static bool
is_quote_at(const UeMaskScan *scan, size_t at)
{
	char byte = scan->text.ptr[at];

	return is_quote(byte) || byte == '\\' || ue_mask_has(scan, at, UE_SLICE("%22")) ||
		   ue_mask_has(scan, at, UE_SLICE("%27"));
}

/* Most separators stand behind something else: decided here, without more ado. */
bool
ue_mask_apply_name(UeMaskScan *scan, size_t at, size_t at_len)
{
	bool is_equals = is_equals_end(scan->text.ptr[at + at_len - 1]);
	size_t end = find_name_end(scan, at, is_equals);
	size_t start;
	bool is_likely = ue_mask_find_likely_name(scan, end, &start);

	/* an escape may belong to the name */
	is_likely |= is_equals && start > scan->floor && scan->text.ptr[start - 1] == '%' &&
				 !is_quote_at(scan, end);
	return is_likely && apply_likely(scan, at, at_len, start, end);
}

/* [start, end) looks like the name of a secret. */
static bool
apply_likely(UeMaskScan *scan, size_t at, size_t at_len, size_t start, size_t end)
{
	NamedValue value = {.is_equals = is_equals_end(scan->text.ptr[at + at_len - 1]),
						.is_quoted = end < at && is_quote_at(scan, end),
						.name_at = start,
						.at = at + at_len};
	char after = ue_mask_read(scan, at + at_len);

	/* "::", "://", "==", "=>", "!=", "<=" give no value */
	if (value.is_equals ? after == '=' || after == '>' : after == ':' || after == '/')
		return false;
	if (value.is_equals && is_comparison(scan->text.ptr[at - 1]))
		return false;
	if (!find_name(scan, end, &value) || !find_value(scan, &value))
		return false;
	if (value.fragment->prose == UE_MASK_PROSE_LINE && !value.is_quoted &&
		!value.is_equals)
		return apply_line(scan, &value);
	if ((may_open_string(scan->text.ptr[value.at]) &&
		 (apply_quoted(scan, &value) || apply_escaped(scan, &value))) ||
		apply_word(scan, &value))
		return true;
	ue_mask_note_seen(scan, value.at + 1);
	return false;
}

/* What ends an unquoted value, beside what ends all running text. */
static bool
is_value_end(char byte)
{
	return byte == ',' || byte == ';' || byte == '&' || byte == ')' || byte == ']' ||
		   byte == '}' || byte == '|';
}

/* A quote as JSON may escape it, which Java and Go do for the sake of HTML. */
#define ESCAPED_QUOTE_LEN 6

static bool
is_escaped_quote(const UeMaskScan *scan, size_t at)
{
	return ue_mask_has(scan, at, UE_SLICE("\\u0027")) ||
		   ue_mask_has(scan, at, UE_SLICE("\\u0022"));
}

/* The word that ends before `at`, with one blank between; the empty slice if there is none. */
static UeSlice
find_word_before(const UeMaskScan *scan, size_t at)
{
	size_t start;

	if (at == scan->floor || scan->text.ptr[at - 1] != ' ')
		return ue_slice_sub(scan->text, at, 0);
	start = ue_mask_find_start(scan, at - 1, UE_MASK_ALNUM | UE_MASK_DASH);
	start = ue_mask_skip_escape(scan, start);
	return ue_slice_sub(scan->text, start, start < at ? at - 1 - start : 0);
}

/* The byte before `end`, which may be percent-encoded, and where it begins. */
static char
read_encoded_before(const UeMaskScan *scan, size_t end, size_t *start)
{
	const char *text = scan->text.ptr;
	size_t room = end - scan->floor;

	*start = end - 1;
	if (room < 3 || !ue_mask_is_class(text[end - 1], UE_MASK_HEX) ||
		!ue_mask_is_class(text[end - 2], UE_MASK_HEX))
		return text[end - 1];
	if (text[end - 3] == '%')
		*start = end - 3;
	/* in a URL that is a parameter itself */
	else if (room >= 5 && ue_mask_has(scan, end - 5, UE_SLICE("%25")))
		*start = end - 5;
	else
		return text[end - 1];
	return (char) (16 * ue_mask_read_hex(text[end - 2]) +
				   ue_mask_read_hex(text[end - 1]));
}

/* "key: …" and "key provided: …" with "API" in front; "?key=…". */
static const UeMaskFragment *
find_bare_key(const UeMaskScan *scan, size_t start, UeSlice name, NamedValue *value)
{
	size_t opener_at;
	char opener;

	if (value->is_quoted)
		return NULL;
	if (name.len == 8 && !value->is_equals &&
		ue_slice_is_equal_fold(name, UE_SLICE("provided")))
		return ue_slice_is_equal_fold(find_word_before(scan, start), UE_SLICE("key"))
				   ? &bare_key
				   : NULL;
	if (name.len != 3 || !ue_slice_is_equal_fold(name, UE_SLICE("key")))
		return NULL;
	opener = start > scan->floor ? read_encoded_before(scan, start, &opener_at) : '\0';
	value->is_certain =
		value->is_equals && (opener == '?' || opener == '&' || opener == ';' ||
							 ue_mask_has_before(scan, start, UE_SLICE("\\u0026")));
	return &bare_key;
}

/* Start of a quote that ends before `end`, written %22 or \u0022; end if there is none. */
static size_t
find_encoded_quote(const UeMaskScan *scan, size_t end)
{
	size_t start = end;

	if (end == scan->floor ||
		(scan->text.ptr[end - 1] != '2' && scan->text.ptr[end - 1] != '7'))
		return end;
	if (ue_mask_has_before(scan, end, UE_SLICE("%22")) ||
		ue_mask_has_before(scan, end, UE_SLICE("%27")))
		return end - 3;
	if (end - scan->floor < ESCAPED_QUOTE_LEN ||
		!is_escaped_quote(scan, end - ESCAPED_QUOTE_LEN))
		return end;
	start -= ESCAPED_QUOTE_LEN;
	while (start > scan->floor && scan->text.ptr[start - 1] == '\\')
		start--;
	return start;
}

/* End of the name in "name[]", "name[0][1]" or, where it stands inside, "form[name]". */
static size_t
skip_subscripts(const UeMaskScan *scan, size_t end)
{
	size_t close;
	size_t open;
	size_t at;

	while (end > scan->floor && read_encoded_before(scan, end, &close) == ']')
	{
		at = close;
		while (at > scan->floor && close - at < 4 &&
			   ue_mask_is_class(scan->text.ptr[at - 1], UE_MASK_DIGIT))
			at--;
		if (at == scan->floor || read_encoded_before(scan, at, &open) != '[')
			return close;
		end = open;
	}
	return end;
}

/*
 * Looks back from the separator for the end of a name, behind which a quote may stand, or
 * what makes a list or a form of it in parameters: ']', encoded with a 'D' at its end.
 */
static size_t
find_name_end(const UeMaskScan *scan, size_t at, bool is_equals)
{
	size_t end = at;

	while (end > scan->floor && at - end < 4 && scan->text.ptr[end - 1] == ' ')
		end--;
	if (is_equals && end > scan->floor &&
		(scan->text.ptr[end - 1] == ']' || (scan->text.ptr[end - 1] | 0x20) == 'd'))
		end = skip_subscripts(scan, end);
	if (end == scan->floor || !is_quote(scan->text.ptr[end - 1]))
		return find_encoded_quote(scan, end);
	end--;
	while (end > scan->floor && scan->text.ptr[end - 1] == '\\')
		end--;
	return end;
}

/* The name as it is meant, in front of copy's end: "k%65y".  *start: where it begins. */
static UeSlice
copy_encoded_name(const UeMaskScan *scan, size_t end, char *copy, size_t *start)
{
	size_t n = LONGEST_ENCODED_NAME;

	*start = end;
	while (*start > scan->floor && n > 0)
	{
		size_t next;
		char byte = read_encoded_before(scan, *start, &next);

		if (!ue_mask_is_class(byte, UE_MASK_ALNUM | UE_MASK_DASH))
			break;
		copy[--n] = byte;
		*start = next;
	}
	return (UeSlice){copy + n, LONGEST_ENCODED_NAME - n};
}

/* Whether the name that ends there, "…api_key" : , is that of a secret. */
static bool
find_name(const UeMaskScan *scan, size_t end, NamedValue *value)
{
	char copy[LONGEST_ENCODED_NAME];
	size_t start = value->name_at;
	UeSlice name;

	/* only the names of parameters are encoded */
	if (value->is_equals && !value->is_quoted && start > scan->floor &&
		scan->text.ptr[start - 1] == '%')
		name = copy_encoded_name(scan, end, copy, &start);
	else
	{
		start = ue_mask_skip_escape(scan, start);
		name = ue_slice_sub(scan->text, start, start < end ? end - start : 0);
	}
	if (name.len < UE_MASK_SHORTEST_NAME)
		return false;
	value->name_at = start;
	value->fragment = ue_mask_find_fragment(name);
	if (value->fragment == NULL)
		value->fragment = find_bare_key(scan, start, name, value);
	if (value->fragment == NULL)
		return false;
	if (value->fragment != &bare_key)
		value->is_certain = value->is_quoted || value->is_equals ||
							value->fragment->prose != UE_MASK_PROSE_RANDOM;
	return true;
}

/* Moves on to the value; false when there is none on the same line. */
static bool
find_value(const UeMaskScan *scan, NamedValue *value)
{
	size_t at = value->at;
	int n_blanks = 0;

	while (n_blanks < 8 && at < scan->text.len &&
		   (scan->text.ptr[at] == ' ' || scan->text.ptr[at] == '\t' ||
			(value->is_quoted &&
			 (scan->text.ptr[at] == '\n' || scan->text.ptr[at] == '\r'))))
	{
		at++;
		n_blanks++;
	}
	value->at = at;
	return at < scan->text.len;
}

/* Backslashes right before an offset, not below `from`. */
static size_t
count_backslashes(const UeMaskScan *scan, size_t from, size_t at)
{
	size_t n = 0;

	while (at - n > from && scan->text.ptr[at - n - 1] == '\\')
		n++;
	return n;
}

/*
 * The end of a string whose opening quote had n_level backslashes before it: a quote with
 * more of them stands inside.  The text's end when it was cut there.
 */
static size_t
find_string_end(const UeMaskScan *scan, size_t start, char quote, size_t n_level)
{
	size_t at = start;

	while (at < scan->text.len)
	{
		const char *found = memchr(scan->text.ptr + at, quote, scan->text.len - at);
		size_t n_backslashes;

		if (found == NULL)
			return scan->text.len;
		at = (size_t) (found - scan->text.ptr);
		n_backslashes = count_backslashes(scan, start, at);
		if (n_level == 0 && n_backslashes % 2 == 0)
			return at;
		if (n_level > 0 && n_backslashes <= n_level)
			return at - n_backslashes;
		at++;
	}
	return at;
}

/* One string in quotes; and in an array of them, all. */
static bool
apply_quoted(UeMaskScan *scan, const NamedValue *value)
{
	size_t at = value->at;
	bool is_array = ue_mask_read(scan, at) == '[' && value->is_quoted;
	bool is_applied = false;

	if (is_array)
		at = ue_mask_find_end(scan, at + 1, UE_MASK_BLANK);
	for (;;)
	{
		size_t n_level = 0;
		size_t end;

		while (ue_mask_read(scan, at + n_level) == '\\')
			n_level++;
		at += n_level;
		if (!is_quote(ue_mask_read(scan, at)))
			return is_applied;
		/* in a sentence the quote may be the one that ends it: "no password: ","type" */
		if (!value->is_quoted && memchr(",}]: ", ue_mask_read(scan, at + 1), 5) != NULL)
		{
			ue_mask_note_seen(scan, at + 2);
			return is_applied;
		}
		end = find_string_end(scan, at + 1, scan->text.ptr[at], n_level);
		if (end > at + 1)
		{
			UeSlice text = ue_slice_sub(scan->text, at + 1, end - (at + 1));

			/* what a sentence is followed by is a member's name: 'the API key: "error":' */
			if (!value->is_quoted && ue_mask_read(scan, end + n_level + 1) == ':')
			{
				ue_mask_note_seen(scan, end + n_level + 2);
				return is_applied;
			}
			if (!value->is_certain && !ue_mask_is_random(text) && text.len < LONG_VALUE)
			{
				ue_mask_note_seen(scan, end + 1);
				return is_applied;
			}
			scan->context = value->name_at;
			ue_mask_write_stars(scan, at + 1, 0, end);
			is_applied = true;
		}
		if (!is_array)
			return is_applied;
		at = ue_mask_find_end(scan, end + n_level + 1, UE_MASK_BLANK);
		if (ue_mask_read(scan, at) != ',')
			return is_applied;
		at = ue_mask_find_end(scan, at + 1, UE_MASK_BLANK);
	}
}

/* One string in quotes that are escaped, up to the next of them or to the text's end. */
static bool
apply_escaped(UeMaskScan *scan, const NamedValue *value)
{
	size_t start = value->at;
	UeSlice rest;
	size_t len;

	while (ue_mask_read(scan, start) == '\\' && ue_mask_read(scan, start + 1) == '\\')
		start++;
	if (!value->is_certain || !is_escaped_quote(scan, start))
		return false;
	start += ESCAPED_QUOTE_LEN;
	rest = ue_slice_sub(scan->text, start, scan->text.len);
	if (!ue_slice_find(rest,
					   ue_slice_sub(scan->text, start - ESCAPED_QUOTE_LEN,
									ESCAPED_QUOTE_LEN),
					   &len))
		len = rest.len;
	/* more backslashes before the closing one */
	while (len > 0 && rest.ptr[len - 1] == '\\')
		len--;
	if (len == 0)
		return false;
	scan->context = value->name_at;
	ue_mask_write_stars(scan, start, 0, start + len);
	return true;
}

/* A cookie header: all of its line. */
static bool
apply_line(UeMaskScan *scan, const NamedValue *value)
{
	size_t end = value->at;
	UeSlice line;

	while (end < scan->text.len)
	{
		if (memchr("\r\n\"\\", scan->text.ptr[end], 4) != NULL)
			break;
		end++;
	}
	line = ue_slice_sub(scan->text, value->at, end - value->at);
	if (line.len == 0 || ue_mask_is_listed(line, empty_values, N_ROWS(empty_values)))
	{
		ue_mask_note_seen(scan, end + 1);
		return false;
	}
	scan->context = value->name_at;
	ue_mask_write_stars(scan, value->at, 0, end);
	return true;
}

/* Where an unquoted value ends that begins at `at`, or has begun before it. */
static size_t
find_value_end(const UeMaskScan *scan, size_t at)
{
	while (at < scan->text.len)
	{
		size_t len;
		char unit;

		at = ue_mask_find_end(scan, at, UE_MASK_PLAIN);
		unit = ue_mask_read_unit(scan, at, &len);
		/* an apostrophe between letters belongs to them: ?key=a'b */
		if (unit == '\0' || is_value_end(unit) ||
			(unit == '\'' && !ue_mask_is_class(ue_mask_read(scan, at + 1), UE_MASK_WORD)))
			break;
		at += len;
	}
	return at;
}

/*
 * The same without the punctuation at its end.  Names and separators may stand in the value
 * of the first of them, "token:token:…:", so its end is looked for once.
 */
static size_t
find_word_end(UeMaskScan *scan, size_t start)
{
	size_t end;

	if (start >= scan->value.start && start <= scan->value.end)
		return scan->value.end;
	end = find_value_end(scan, start);
	while (end > start &&
		   (scan->text.ptr[end - 1] == '.' || scan->text.ptr[end - 1] == ':'))
		end--;
	scan->value = (UeMaskRun){start, end};
	return end;
}

static bool
is_number(UeSlice text)
{
	for (size_t i = 0; i < text.len; i++)
	{
		char byte = text.ptr[i];

		if (!ue_mask_is_class(byte, UE_MASK_DIGIT) && byte != '+' && byte != '-' &&
			byte != '.' && byte != 'e' && byte != 'E')
			return false;
	}
	return true;
}

/* Whether the word is the value's secret, and not a sentence going on, a number, a null. */
static bool
is_secret_word(const NamedValue *value, UeSlice word)
{
	if (word.len == 0 ||
		(!value->is_certain && word.len < LONG_VALUE && !ue_mask_is_random(word)))
		return false;
	if (word.len >= SHORTEST_EMPTY && word.len <= LONGEST_EMPTY &&
		ue_mask_is_listed(word, empty_values, N_ROWS(empty_values)))
		return false;
	return value->fragment->secrecy == UE_MASK_SECRECY_ALL || !is_number(word);
}

/*
 * "x-api-key: authorization: …": what follows is the value of the other name, which is left
 * to its own rule.  Returns where it begins; end when there is none.  A key that ends in
 * "token" has more digits than a name.
 */
static size_t
find_other_name(const UeMaskScan *scan, size_t start, size_t end)
{
	size_t name_at = end;
	int n_digits = 0;
	char after = ue_mask_read(scan, end + 1);

	if (ue_mask_read(scan, end) != ':' || after == ':' || after == '/')
		return end;
	while (name_at > start &&
		   ue_mask_is_class(scan->text.ptr[name_at - 1], UE_MASK_ALNUM | UE_MASK_DASH))
	{
		name_at--;
		n_digits += ue_mask_is_class(scan->text.ptr[name_at], UE_MASK_DIGIT);
	}
	name_at = ue_mask_skip_escape(scan, name_at);
	if (n_digits > MOST_NAME_DIGITS || name_at >= end ||
		ue_mask_find_fragment(ue_mask_cut(scan, name_at, end)) == NULL)
		return end;
	return name_at;
}

/* What begins so has rules of its own inside. */
static bool
is_other_text(const UeMaskScan *scan, size_t at)
{
	char byte = ue_mask_read(scan, at);

	return byte == '{' || byte == '[' || byte == '(' || byte == '<' || byte == '$' ||
		   (byte == '-' && ue_mask_has(scan, at, UE_SLICE("-----BEGIN")));
}

static bool
apply_word(UeMaskScan *scan, const NamedValue *value)
{
	size_t start = value->at;
	size_t end;
	size_t secret_end;
	UeSlice word;

	/* headers as Go prints a map of them: X-Api-Key:[abc] */
	if (value->is_certain && !value->is_quoted && ue_mask_read(scan, start) == '[')
		start++;
	if (is_other_text(scan, start))
		return false;
	end = find_word_end(scan, start);
	word = ue_slice_sub(scan->text, start, end - start);
	if (word.len >= SHORTEST_SCHEME &&
		ue_mask_is_listed(word, auth_schemes, N_ROWS(auth_schemes)))
	{
		start = end;
		while (ue_mask_read(scan, start) == ' ' || ue_mask_read(scan, start) == '+')
			start++;
		/* the scheme alone */
		if (start == end)
			return false;
		end = find_word_end(scan, start);
		word = ue_slice_sub(scan->text, start, end - start);
	}
	secret_end = is_secret_word(value, word) ? find_other_name(scan, start, end) : start;
	if (secret_end == start)
	{
		ue_mask_note_seen(scan, end + 1);
		return false;
	}
	scan->context = value->name_at;
	ue_mask_write_stars(scan, start, 0, secret_end);
	return true;
}
