/* SPDX-License-Identifier: PostgreSQL */
/*
 * mask_value.c: the values behind names that say that they are secret.
 *
 * A value is a string in quotes, in whichever way these are written; a word; in an element of
 * XML all of it; behind "Cookie:" all of the line.  Where the name may be a word of a
 * sentence, the value must look like nothing that a sentence would hold.
 */
#include "core/mask_value.h"

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
#define MOST_SCHEMES	3

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

/* And behind a name that many things have that are no secret, at least this long. */
#define SHORTEST_LOOK 20

/* So much of a string shows whether it is a sentence.  Without this limit, strings that are
 * left open would each be read to the text's end. */
#define STRING_HEAD 512

/* Blanks between a separator and a value. */
#define MOST_BLANKS 8

/* A quote as JSON may escape it, which Java and Go do for the sake of HTML. */
#define ESCAPED_QUOTE_LEN 6

/* Of "SecretStr(" and the like. */
#define LONGEST_WRAPPER 32

static bool find_value(const UeMaskScan *scan, UeMaskNamed *value);
static bool apply_quoted(UeMaskScan *scan, const UeMaskNamed *value);
static bool apply_escaped(UeMaskScan *scan, const UeMaskNamed *value);
static bool apply_entity(UeMaskScan *scan, const UeMaskNamed *value);
static bool apply_wrapped(UeMaskScan *scan, const UeMaskNamed *value);
static bool apply_line(UeMaskScan *scan, const UeMaskNamed *value);
static bool apply_word(UeMaskScan *scan, const UeMaskNamed *value);

/* A quote, the backslashes before it, the bracket of an array. */
static bool
may_open_string(char byte)
{
	return ue_mask_is_quote(byte) || byte == '\\' || byte == '[';
}

/* Whether a string begins with a letter behind a quote, with backslashes before that. */
static bool
is_string(UeMaskScan *scan, size_t at)
{
	while (ue_mask_read(scan, at) == '\\')
		at++;
	ue_mask_note_seen(scan, at + 2);
	return ue_mask_is_quote(ue_mask_read(scan, at)) &&
		   ue_mask_is_class(ue_mask_read(scan, at + 1), UE_MASK_WORD);
}

bool
ue_mask_apply_value(UeMaskScan *scan, UeMaskNamed *value)
{
	char first;

	if (!find_value(scan, value))
		return false;
	if (value->fragment->prose == UE_MASK_PROSE_LOOK &&
		!ue_mask_may_look(scan, value->at))
		return false;
	first = scan->text.ptr[value->at];
	if (value->fragment->prose == UE_MASK_PROSE_LINE && !value->is_quoted &&
		!value->is_subscript && value->form != UE_MASK_FORM_EQUALS &&
		!is_string(scan, value->at))
		return apply_line(scan, value);
	if (!value->is_certain && ue_mask_skip_sentence(scan, value->at))
		return false;
	if (may_open_string(first) &&
		(apply_quoted(scan, value) || apply_escaped(scan, value)))
		return true;
	if ((value->is_certain && apply_entity(scan, value)) || apply_wrapped(scan, value))
		return true;
	if (apply_word(scan, value))
		return true;
	ue_mask_note_seen(scan, value->at + 1);
	return false;
}

/* Letters and digits in a row that are no words, be it with what base64 has beside them. */
bool
ue_mask_is_key_like(UeSlice text)
{
	int classes = 0;

	for (size_t i = 0; i < text.len; i++)
	{
		int class = (int) ue_mask_classes[(unsigned char) text.ptr[i]];

		if ((class & (UE_MASK_WORD | UE_MASK_TOKEN)) == 0)
			return false;
		classes |= class;
	}
	return text.len >= SHORTEST_LOOK && (classes & UE_MASK_DIGIT) != 0 &&
		   (classes & (UE_MASK_LOWER | UE_MASK_UPPER)) != 0;
}

bool
ue_mask_may_look(UeMaskScan *scan, size_t at)
{
	size_t limit;
	size_t end;

	while (may_open_string(ue_mask_read(scan, at)))
		at++;
	limit = scan->text.len - at < SHORTEST_LOOK ? scan->text.len : at + SHORTEST_LOOK;
	end = at;
	while (end < limit &&
		   ue_mask_is_class(scan->text.ptr[end], UE_MASK_WORD | UE_MASK_TOKEN))
		end++;
	ue_mask_note_seen(scan, end + 1);
	return end == at + SHORTEST_LOOK;
}

/* Other letters are those of sentences, which Chinese ones write without blanks. */
static bool
is_ascii(UeSlice text)
{
	for (size_t i = 0; i < text.len; i++)
	{
		if ((unsigned char) text.ptr[i] >= 0x80)
			return false;
	}
	return true;
}

bool
ue_mask_is_likely_secret(const UeMaskNamed *value, UeSlice text)
{
	if (value->fragment->prose == UE_MASK_PROSE_LOOK)
		return ue_mask_is_key_like(text);
	return (text.len >= LONG_VALUE && is_ascii(text)) || ue_mask_is_random(text);
}

/* Whether one of auth_schemes begins with the letter. */
static bool
may_be_scheme(char letter)
{
	letter |= 0x20;
	return letter == 'b' || letter == 't' || letter == 'd' || letter == 'n' ||
		   letter == 'a';
}

bool
ue_mask_skip_sentence(UeMaskScan *scan, size_t at)
{
	size_t end = at + 1;
	size_t limit = at + LONG_VALUE;

	if (!ue_mask_is_class(ue_mask_read(scan, at), UE_MASK_LOWER | UE_MASK_UPPER))
		return false;
	while (end < limit && ue_mask_is_class(ue_mask_read(scan, end), UE_MASK_LOWER))
		end++;
	if (end == limit || ue_mask_read(scan, end) != ' ')
		return false;
	if (end - at >= SHORTEST_SCHEME && may_be_scheme(scan->text.ptr[at]))
	{
		/* "token: Bearer : …": no credential begins so, but "Basic :password" is one */
		end += 2;
		if (ue_mask_read(scan, end - 1) != ':' ||
			(end < scan->text.len &&
			 !ue_mask_is_class(scan->text.ptr[end], UE_MASK_BLANK)))
			return false;
	}
	ue_mask_note_seen(scan, end + 1);
	return true;
}

/* A blank before a value, beside ' '; in encoded text "+" and "%20". */
static size_t
count_blank(const UeMaskScan *scan, const UeMaskNamed *value, size_t at)
{
	char byte = ue_mask_read(scan, at);

	if (byte == '\t')
		return 1;
	if (value->is_quoted && (byte == '\n' || byte == '\r'))
		return 1;
	if (!value->is_encoded)
		return 0;
	return byte == '+' ? 1 : ue_mask_has(scan, at, UE_SLICE("%20")) ? 3 : 0;
}

/* Moves on to the value; false when there is none on the same line. */
static bool
find_value(const UeMaskScan *scan, UeMaskNamed *value)
{
	size_t at = value->at;

	for (int n = 0; n < MOST_BLANKS; n++)
	{
		size_t len = 1;

		if (at == scan->text.len)
			break;
		if (scan->text.ptr[at] != ' ')
			len = (unsigned char) scan->text.ptr[at] > ' ' && !value->is_encoded
					  ? 0
					  : count_blank(scan, value, at);
		if (len == 0)
			break;
		at += len;
	}
	value->at = at;
	return at < scan->text.len;
}

static bool
is_escaped_quote(const UeMaskScan *scan, size_t at)
{
	return ue_mask_has(scan, at, UE_SLICE("\\u0027")) ||
		   ue_mask_has(scan, at, UE_SLICE("\\u0022"));
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
 * more of them stands inside.  The limit when there is none before.
 */
static size_t
find_string_end(const UeMaskScan *scan, size_t start, size_t limit, char quote,
				size_t n_level)
{
	size_t at = start;

	while (at < limit)
	{
		const char *found = memchr(scan->text.ptr + at, quote, limit - at);
		size_t n_backslashes;

		if (found == NULL)
			return limit;
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

/* Whether what begins at `start`, behind its quote, may be the secret, and where it ends. */
static bool
find_secret_string(UeMaskScan *scan, const UeMaskNamed *value, size_t start, char quote,
				   size_t n_level, size_t *end)
{
	size_t len = scan->text.len;
	bool is_sure = value->is_certain && value->is_quoted;
	size_t limit = !is_sure && len - start > STRING_HEAD ? start + STRING_HEAD : len;

	*end = find_string_end(scan, start, limit, quote, n_level);
	if (!value->is_certain &&
		!ue_mask_is_likely_secret(value, ue_slice_sub(scan->text, start, *end - start)))
	{
		ue_mask_note_seen(scan, *end + 1);
		return false;
	}
	if (*end == limit && limit < len)
		*end = find_string_end(scan, start, len, quote, n_level);
	return true;
}

/* One string in quotes; and in an array of them, all. */
static bool
apply_quoted(UeMaskScan *scan, const UeMaskNamed *value)
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
		bool is_secret;

		while (ue_mask_read(scan, at + n_level) == '\\')
			n_level++;
		at += n_level;
		if (!ue_mask_is_quote(ue_mask_read(scan, at)))
			return is_applied;
		/* in a sentence the quote may be the one that ends it: "no password: ","type" */
		if (!value->is_quoted && memchr(",}]: ", ue_mask_read(scan, at + 1), 5) != NULL)
		{
			ue_mask_note_seen(scan, at + 2);
			return is_applied;
		}
		is_secret =
			find_secret_string(scan, value, at + 1, scan->text.ptr[at], n_level, &end);
		if (end > at + 1)
		{
			/* what a sentence is followed by is a member's name: 'the API key: "error":' */
			if (!value->is_quoted && end - at <= STRING_HEAD &&
				ue_mask_read(scan, end + n_level + 1) == ':')
			{
				ue_mask_note_seen(scan, end + n_level + 2);
				return is_applied;
			}
			if (!is_secret)
				return is_applied;
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
apply_escaped(UeMaskScan *scan, const UeMaskNamed *value)
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
apply_line(UeMaskScan *scan, const UeMaskNamed *value)
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

/* What ends an unquoted value, beside what ends all running text. */
static bool
is_value_end(char byte)
{
	return byte == ',' || byte == ';' || byte == '&' || byte == ')' || byte == ']' ||
		   byte == '}' || byte == '|';
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
is_secret_word(const UeMaskNamed *value, UeSlice word)
{
	if (word.len == 0 || (!value->is_certain && !ue_mask_is_likely_secret(value, word)))
		return false;
	if (word.len >= SHORTEST_EMPTY && word.len <= LONGEST_EMPTY &&
		ue_mask_is_listed(word, empty_values, N_ROWS(empty_values)))
		return false;
	return value->fragment->secrecy == UE_MASK_SECRECY_ALL || !is_number(word);
}

/* "Bearer", "Basic" and the like, which some write twice; "token = …" is a name. */
static bool
is_scheme(const UeMaskScan *scan, size_t start, size_t end)
{
	UeSlice word = ue_slice_sub(scan->text, start, end - start);

	return word.len >= SHORTEST_SCHEME && may_be_scheme(word.ptr[0]) &&
		   ue_mask_is_listed(word, auth_schemes, N_ROWS(auth_schemes)) &&
		   !ue_mask_has(scan, end, UE_SLICE(" = "));
}

/*
 * "secret: authorization=Basic a1b2…": the value goes on behind the scheme that it ends in,
 * unless what follows is no credential.
 */
static size_t
find_scheme_end(UeMaskScan *scan, size_t start, size_t end)
{
	size_t at = end;
	size_t next = end + 1;
	size_t next_end;
	UeSlice word;

	while (at > start && ue_mask_is_class(scan->text.ptr[at - 1], UE_MASK_ALNUM))
		at--;
	if (at == start || ue_mask_read(scan, end) != ' ' || scan->text.ptr[at - 1] != '=' ||
		!is_scheme(scan, at, end))
		return end;
	next_end = find_word_end(scan, next);
	word = ue_slice_sub(scan->text, next, next_end - next);
	while (word.len > 0 && word.ptr[word.len - 1] == '=')
		word.len--;
	if (word.len == 0 || memchr(word.ptr, '=', word.len) != NULL ||
		memchr(word.ptr, ':', word.len) != NULL || !ue_mask_is_random(word) ||
		ue_mask_find_fragment(word) != NULL)
		return end;
	return next_end;
}

/* What begins so has rules of its own inside. */
static bool
is_other_text(const UeMaskScan *scan, size_t at)
{
	char byte = ue_mask_read(scan, at);

	return byte == '{' || byte == '[' || byte == '(' || byte == '<' || byte == '$' ||
		   (byte == '-' && ue_mask_has(scan, at, UE_SLICE("-----BEGIN")));
}

/* Whether one word is in the brackets, and they are not those of an expression, "[a-z]+". */
static bool
is_single(const UeMaskScan *scan, size_t at)
{
	size_t end = ue_mask_find_end(scan, at + 1, UE_MASK_WORD | UE_MASK_TOKEN);

	return ue_mask_read(scan, end) == ']' &&
		   (end + 1 == scan->text.len ||
			memchr(" ],}\"", scan->text.ptr[end + 1], 5) != NULL);
}

static bool
apply_word(UeMaskScan *scan, const UeMaskNamed *value)
{
	size_t start = value->at;
	size_t end;
	size_t secret_end;
	UeSlice word;

	/* headers as Go prints a map of them: X-Api-Key:[abc] */
	if (!value->is_quoted && ue_mask_read(scan, start) == '[' &&
		(value->is_certain || is_single(scan, start)))
		start++;
	if (is_other_text(scan, start))
		return false;
	end = find_word_end(scan, start);
	word = ue_slice_sub(scan->text, start, end - start);
	for (int n = 0; n < MOST_SCHEMES && is_scheme(scan, start, end); n++)
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
	secret_end =
		is_secret_word(value, word) ? ue_mask_find_other_name(scan, start, end) : start;
	if (secret_end == start)
	{
		ue_mask_note_seen(scan, end + 3);
		return false;
	}
	if (secret_end == end)
		secret_end = find_scheme_end(scan, start, end);
	scan->context = value->name_at;
	ue_mask_write_stars(scan, start, 0, secret_end);
	return true;
}

/* One string between quotes as HTML writes them, up to the next of the same or the end. */
static bool
apply_entity(UeMaskScan *scan, const UeMaskNamed *value)
{
	size_t entity_len;
	size_t start;
	size_t len;
	UeSlice rest;

	if (!ue_mask_is_entity(scan, value->at, &entity_len))
		return false;
	start = value->at + entity_len;
	rest = ue_slice_sub(scan->text, start, scan->text.len);
	if (!ue_slice_find(rest, ue_slice_sub(scan->text, value->at, entity_len), &len))
		len = rest.len;
	if (len == 0)
		return false;
	scan->context = value->name_at;
	ue_mask_write_stars(scan, start, 0, start + len);
	return true;
}

static bool
is_string_prefix(char byte)
{
	byte |= 0x20;
	return byte == 'b' || byte == 'f' || byte == 'r' || byte == 'u';
}

/* The quote of SecretStr('…'), b'…' and both, or the backslashes before it; else `at`. */
static size_t
skip_wrapper(const UeMaskScan *scan, size_t at)
{
	size_t end = ue_mask_find_end(scan, at, UE_MASK_ALNUM | UE_MASK_DASH);
	size_t quote;

	while (end < at + LONGEST_WRAPPER &&
		   (ue_mask_read(scan, end) == '.' || ue_mask_read(scan, end) == ':'))
		end = ue_mask_find_end(scan, end + 1, UE_MASK_ALNUM | UE_MASK_DASH);
	/* string(8) "…", as PHP dumps it */
	if (ue_mask_has(scan, end, UE_SLICE("(")) &&
		ue_mask_has_before(scan, end, UE_SLICE("string")))
	{
		quote = ue_mask_find_end(scan, end + 1, UE_MASK_DIGIT);
		if (quote > end + 1 && ue_mask_has(scan, quote, UE_SLICE(") \"")))
			return quote + 2;
	}
	end = end > at && ue_mask_read(scan, end) == '(' ? end + 1 : at;
	for (int n = 0; n < 2 && is_string_prefix(ue_mask_read(scan, end)); n++)
		end++;
	quote = end;
	while (ue_mask_read(scan, quote) == '\\')
		quote++;
	return ue_mask_is_quote(ue_mask_read(scan, quote)) ? end : at;
}

/* All up to the closing quote: a key that was glued to the wrapper's name must not stay. */
static bool
apply_wrapped(UeMaskScan *scan, const UeMaskNamed *value)
{
	size_t at = skip_wrapper(scan, value->at);
	size_t n_level = 0;
	size_t end;

	if (at == value->at)
		return false;
	while (ue_mask_read(scan, at + n_level) == '\\')
		n_level++;
	at += n_level;
	/* the quote may be one that ends a sentence: "bad api_key=b", … */
	if (memchr(",}]: ", ue_mask_read(scan, at + 1), 5) != NULL)
	{
		ue_mask_note_seen(scan, at + 2);
		return false;
	}
	if (!find_secret_string(scan, value, at + 1, scan->text.ptr[at], n_level, &end))
		return false;
	scan->context = value->name_at;
	ue_mask_write_stars(scan, value->at, 0, end);
	return true;
}

bool
ue_mask_apply_content(UeMaskScan *scan, const UeMaskNamed *value, size_t end)
{
	UeSlice text = ue_slice_sub(scan->text, value->at, end - value->at);

	if (!is_secret_word(value, text))
	{
		ue_mask_note_seen(scan, end + 1);
		return false;
	}
	scan->context = value->name_at;
	ue_mask_write_stars(scan, value->at, 0, end);
	return true;
}

bool
ue_mask_is_secret_member(UeSlice name, UeSlice text)
{
	const UeMaskFragment *fragment = ue_mask_find_fragment(name);

	if (fragment == NULL)
		return ue_slice_is_equal_fold(name, UE_SLICE("key")) && ue_mask_is_key_like(text);
	return fragment->prose != UE_MASK_PROSE_LOOK || ue_mask_is_key_like(text);
}
