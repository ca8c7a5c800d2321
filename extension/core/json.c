/* SPDX-License-Identifier: PostgreSQL */
/*
 * json.c: recursive descent over the text, one node per value.
 *
 * Strict RFC 8259 where the text goes on, forgiving where it ends.  At the end of the text
 * every open value is closed and marked cut:
 *
 *   {"error":{"message":"The ser    error, its message "The ser", all three cut
 *   {"a":1,"b                       a name without its value is dropped
 *   {"a":tr                         the first letter decides a literal: true, cut
 *   {"a":-                          nothing readable of the value: dropped
 *   {"a":12                         12, cut, for more digits may have been lost
 *   12.                             12, cut; but 12 alone is whole
 *
 * Beyond RFC 8259 only raw control characters and lone surrogates in strings are accepted.
 */
#include "core/json.h"

#include <float.h>
#include <string.h>

#include "core/limits.h"
#include "core/utf8.h"

typedef struct Reader
{
	UeArena *arena;
	const char *here;
	const char *end;
	int depth;
	int n_nodes;
} Reader;

static UeStatus read_value(Reader *reader, UeJson **out);
static UeStatus read_object(Reader *reader, UeJson *node);
static UeStatus read_array(Reader *reader, UeJson *node);
static UeStatus read_literal(Reader *reader, UeJson *node);
static UeStatus read_number(Reader *reader, UeJson *node, bool *is_readable);
static UeStatus read_string(Reader *reader, UeSlice *text, bool *is_cut);
static UeStatus decode_string(Reader *reader, UeSlice raw, bool is_cut, UeSlice *out);

static UeSlice
slice_between(const char *start, const char *end)
{
	UeSlice slice = {start, (size_t) (end - start)};

	return slice;
}

static void
skip_blanks(Reader *reader)
{
	while (reader->here < reader->end && (*reader->here == ' ' || *reader->here == '\n' ||
										  *reader->here == '\r' || *reader->here == '\t'))
		reader->here++;
}

UeStatus
ue_json_parse(UeArena *arena, UeSlice text, const UeJson **root)
{
	Reader reader = {.arena = arena, .here = text.ptr, .depth = 0, .n_nodes = 0};
	UeJson *node = NULL;
	UeStatus status;

	if (text.len == 0)
		return UE_MALFORMED;
	reader.end = text.ptr + text.len;
	skip_blanks(&reader);
	status = read_value(&reader, &node);
	if (status != UE_OK)
		return status;
	if (node == NULL)
		return UE_MALFORMED;
	skip_blanks(&reader);
	if (reader.here < reader.end)
		return UE_MALFORMED;
	*root = node;
	return UE_OK;
}

/* *out is NULL when the text ends before anything of the value can be read. */
static UeStatus
read_value(Reader *reader, UeJson **out)
{
	UeJson *node;
	UeStatus status;
	bool is_readable = true;

	*out = NULL;
	if (reader->here == reader->end)
		return UE_OK;
	if (reader->n_nodes == UE_LIMIT_JSON_NODES)
		return UE_TOO_LARGE;
	reader->n_nodes++;
	node = ue_arena_allocate_zero(reader->arena, sizeof(UeJson));
	if (node == NULL)
		return UE_NO_MEMORY;
	node->raw.ptr = reader->here;
	switch (*reader->here)
	{
		case '{':
			status = read_object(reader, node);
			break;
		case '[':
			status = read_array(reader, node);
			break;
		case '"':
			node->type = UE_JSON_STRING;
			status = read_string(reader, &node->text, &node->is_cut);
			break;
		case 't':
		case 'f':
		case 'n':
			status = read_literal(reader, node);
			break;
		default:
			status = read_number(reader, node, &is_readable);
			break;
	}
	if (status != UE_OK)
		return status;
	if (node->type == UE_JSON_NUMBER)
		node->raw = node->text;
	else
		node->raw = slice_between(node->raw.ptr, reader->here);
	if (is_readable)
		*out = node;
	return UE_OK;
}

/* Common to objects and arrays: what stands between members. */
static UeStatus
read_separator(Reader *reader, UeJson *node, char bracket, bool *is_last)
{
	*is_last = true;
	skip_blanks(reader);
	if (reader->here == reader->end)
	{
		node->is_cut = true;
		return UE_OK;
	}
	if (*reader->here == bracket)
	{
		reader->here++;
		return UE_OK;
	}
	if (*reader->here != ',')
		return UE_MALFORMED;
	reader->here++;
	skip_blanks(reader);
	*is_last = false;
	return UE_OK;
}

/* Enters a bracket; *is_empty when nothing is to be read inside. */
static UeStatus
read_bracket(Reader *reader, UeJson *node, char bracket, bool *is_empty)
{
	if (reader->depth == UE_LIMIT_JSON_DEPTH)
		return UE_TOO_DEEP;
	reader->depth++;
	reader->here++;
	skip_blanks(reader);
	*is_empty = true;
	if (reader->here == reader->end)
		node->is_cut = true;
	else if (*reader->here == bracket)
		reader->here++;
	else
		*is_empty = false;
	return UE_OK;
}

/* '"name" :' and the blanks around it; *is_cut when the text ends before the value. */
static UeStatus
read_key(Reader *reader, UeSlice *key, bool *is_cut)
{
	UeStatus status;

	*is_cut = true;
	if (reader->here == reader->end)
		return UE_OK;
	if (*reader->here != '"')
		return UE_MALFORMED;
	status = read_string(reader, key, is_cut);
	if (status != UE_OK || *is_cut)
		return status;
	skip_blanks(reader);
	*is_cut = reader->here == reader->end;
	if (*is_cut)
		return UE_OK;
	if (*reader->here != ':')
		return UE_MALFORMED;
	reader->here++;
	skip_blanks(reader);
	return UE_OK;
}

static UeStatus
read_object(Reader *reader, UeJson *node)
{
	UeJson *last = NULL;
	bool is_last;
	UeStatus status = read_bracket(reader, node, '}', &is_last);

	node->type = UE_JSON_OBJECT;
	while (status == UE_OK && !is_last)
	{
		UeJson *member = NULL;
		UeSlice key = {NULL, 0};

		status = read_key(reader, &key, &node->is_cut);
		if (status != UE_OK || node->is_cut)
			break;
		status = read_value(reader, &member);
		if (status != UE_OK)
			break;
		if (member != NULL)
		{
			member->key = key;
			if (last == NULL)
				node->child = member;
			else
				last->next = member;
			last = member;
		}
		status = read_separator(reader, node, '}', &is_last);
	}
	reader->depth--;
	return status;
}

static UeStatus
read_array(Reader *reader, UeJson *node)
{
	UeJson *last = NULL;
	bool is_last;
	UeStatus status = read_bracket(reader, node, ']', &is_last);

	node->type = UE_JSON_ARRAY;
	while (status == UE_OK && !is_last)
	{
		UeJson *element = NULL;

		status = read_value(reader, &element);
		if (status != UE_OK)
			break;
		if (element != NULL)
		{
			if (last == NULL)
				node->child = element;
			else
				last->next = element;
			last = element;
		}
		status = read_separator(reader, node, ']', &is_last);
	}
	reader->depth--;
	return status;
}

static UeStatus
read_literal(Reader *reader, UeJson *node)
{
	UeSlice rest = slice_between(reader->here, reader->end);
	UeSlice literal = UE_SLICE("null");

	node->type = UE_JSON_NULL;
	if (*reader->here == 't')
	{
		literal = UE_SLICE("true");
		node->type = UE_JSON_TRUE;
	}
	else if (*reader->here == 'f')
	{
		literal = UE_SLICE("false");
		node->type = UE_JSON_FALSE;
	}
	if (rest.len < literal.len)
	{
		node->is_cut = true;
		literal.len = rest.len;
	}
	if (!ue_slice_has_prefix(rest, literal))
		return UE_MALFORMED;
	reader->here += literal.len;
	return UE_OK;
}

static size_t
skip_digits(Reader *reader)
{
	const char *start = reader->here;

	while (reader->here < reader->end && *reader->here >= '0' && *reader->here <= '9')
		reader->here++;
	return (size_t) (reader->here - start);
}

static bool
skip_one_of(Reader *reader, char a, char b)
{
	if (reader->here == reader->end || (*reader->here != a && *reader->here != b))
		return false;
	reader->here++;
	return true;
}

/*
 * Leaves in node->text the longest part that is a number by itself; the reader stands
 * behind all that belonged to it.
 */
static UeStatus
read_number(Reader *reader, UeJson *node, bool *is_readable)
{
	const char *start = reader->here;
	const char *whole_end;

	node->type = UE_JSON_NUMBER;
	(void) skip_one_of(reader, '-', '-');
	*is_readable = reader->here < reader->end;
	if (!*is_readable)
		return UE_OK;
	if (!skip_one_of(reader, '0', '0') && skip_digits(reader) == 0)
		return UE_MALFORMED;
	whole_end = reader->here;
	if (skip_one_of(reader, '.', '.'))
	{
		if (skip_digits(reader) > 0)
			whole_end = reader->here;
		else if (reader->here < reader->end)
			return UE_MALFORMED;
	}
	if (whole_end == reader->here && skip_one_of(reader, 'e', 'E'))
	{
		(void) skip_one_of(reader, '+', '-');
		if (skip_digits(reader) > 0)
			whole_end = reader->here;
		else if (reader->here < reader->end)
			return UE_MALFORMED;
	}
	node->text = slice_between(start, whole_end);
	node->is_cut =
		reader->here == reader->end && (reader->depth > 0 || whole_end < reader->here);
	return UE_OK;
}

/*
 * Reads a string from its opening quote on.  memchr finds its end; only a string with a
 * backslash is looked at byte by byte and copied.
 */
static UeStatus
read_string(Reader *reader, UeSlice *text, bool *is_cut)
{
	const char *start = reader->here + 1;
	const char *quote = memchr(start, '"', (size_t) (reader->end - start));
	const char *stop = quote != NULL ? quote : reader->end;
	const char *backslash = memchr(start, '\\', (size_t) (stop - start));
	UeStatus status = UE_OK;

	if (backslash != NULL)
	{
		stop = backslash;
		while (stop < reader->end && *stop != '"')
			stop += *stop == '\\' && reader->end - stop > 1 ? 2 : 1;
		quote = stop < reader->end ? stop : NULL;
		status = decode_string(reader, slice_between(start, stop), quote == NULL, text);
	}
	else
		*text = slice_between(start, stop);
	*is_cut = quote == NULL;
	reader->here = *is_cut ? reader->end : stop + 1;
	if (*is_cut)
		text->len = ue_utf8_cut(*text, text->len);
	return status;
}

static int
read_hex_digit(char byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	if (byte >= 'a' && byte <= 'f')
		return byte - 'a' + 10;
	if (byte >= 'A' && byte <= 'F')
		return byte - 'A' + 10;
	return -1;
}

/* The four digits of \uXXXX at here; false when they are not there. */
static bool
read_code_unit(const char *here, const char *end, uint32_t *out)
{
	uint32_t value = 0;

	if (end - here < 4)
		return false;
	for (int i = 0; i < 4; i++)
	{
		int digit = read_hex_digit(here[i]);

		if (digit < 0)
			return false;
		value = (value << 4) | (uint32_t) digit;
	}
	*out = value;
	return true;
}

/*
 * Reads \uXXXX, of which *here stands on the first digit, and the second half of a pair.
 * What the end of the text has cut short is passed over without output.
 */
static UeStatus
decode_unicode(const char **here, const char *end, bool is_cut, UeBuf *buf)
{
	uint32_t unit;
	uint32_t low;

	if (!read_code_unit(*here, end, &unit))
	{
		for (const char *digit = *here; digit < end && digit - *here < 4; digit++)
		{
			if (read_hex_digit(*digit) < 0)
				return UE_MALFORMED;
		}
		*here = end;
		return is_cut ? UE_OK : UE_MALFORMED;
	}
	*here += 4;
	if (unit >= 0xD800 && unit <= 0xDBFF)
	{
		if (end - *here >= 6 && (*here)[0] == '\\' && (*here)[1] == 'u' &&
			read_code_unit(*here + 2, end, &low) && low >= 0xDC00 && low <= 0xDFFF)
		{
			*here += 6;
			unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
		}
		else if (is_cut && (*here == end || (**here == '\\' && end - *here < 6)))
			return UE_OK; /* the lost end may have held the other half */
	}
	ue_utf8_append(buf, unit);
	return UE_OK;
}

/* raw stands between the quotes; a backslash at its very end is one that was cut short. */
static UeStatus
decode_string(Reader *reader, UeSlice raw, bool is_cut, UeSlice *out)
{
	static const char escapes[] = "\"\\/bfnrt";
	static const char meanings[] = "\"\\/\b\f\n\r\t";
	const char *here = raw.ptr;
	const char *end = raw.ptr + raw.len;
	UeStatus status = UE_OK;
	UeBuf buf;

	/* no escape is shorter than what it stands for, so one allocation is enough */
	ue_buf_init(&buf, reader->arena, raw.len);
	while (here < end && status == UE_OK)
	{
		const char *backslash = memchr(here, '\\', (size_t) (end - here));
		const char *escape;

		if (backslash == NULL)
			backslash = end;
		ue_buf_append(&buf, slice_between(here, backslash));
		here = backslash;
		if (end - here < 2)
			break;
		here += 2;
		if (here[-1] == 'u')
		{
			status = decode_unicode(&here, end, is_cut, &buf);
			continue;
		}
		escape = memchr(escapes, here[-1], sizeof(escapes) - 1);
		if (escape == NULL)
			return UE_MALFORMED;
		ue_buf_append_byte(&buf, meanings[escape - escapes]);
	}
	return status == UE_OK ? ue_buf_finish(&buf, out) : status;
}

static const UeJson *
find_member(const UeJson *node, UeSlice key, bool (*is_equal)(UeSlice a, UeSlice b))
{
	if (node == NULL || node->type != UE_JSON_OBJECT)
		return NULL;
	for (const UeJson *member = node->child; member != NULL; member = member->next)
	{
		if (is_equal(member->key, key))
			return member;
	}
	return NULL;
}

const UeJson *
ue_json_find(const UeJson *node, UeSlice key)
{
	return find_member(node, key, ue_slice_is_equal);
}

const UeJson *
ue_json_find_fold(const UeJson *node, UeSlice key)
{
	return find_member(node, key, ue_slice_is_equal_fold);
}

const UeJson *
ue_json_find_path(const UeJson *node, UeSlice dotted_path)
{
	size_t dot;

	while (node != NULL && ue_slice_find(dotted_path, UE_SLICE("."), &dot))
	{
		node = ue_json_find(node, ue_slice_sub(dotted_path, 0, dot));
		dotted_path = ue_slice_sub(dotted_path, dot + 1, dotted_path.len);
	}
	return ue_json_find(node, dotted_path);
}

UeSlice
ue_json_text(const UeJson *node)
{
	UeSlice empty = {NULL, 0};

	if (node == NULL || (node->type != UE_JSON_STRING && node->type != UE_JSON_NUMBER))
		return empty;
	return node->text;
}

/* Digits of the mantissa that a uint64_t surely holds; later ones only move the point. */
#define N_MANTISSA_DIGITS 19

/* Powers of ten that surely leave the range of a double, whatever 19 digits precede. */
#define LARGEST_EXPONENT 400

/* value * 10^exponent, without strtod, which obeys the locale; good to a few ulp. */
static double
scale_decimal(double value, int exponent)
{
	bool is_division = exponent < 0;
	double power = 10.0;

	/* in two steps where the power alone would overflow */
	if (exponent < -300)
	{
		value /= 1e300;
		exponent += 300;
	}
	for (int rest = is_division ? -exponent : exponent; rest > 0; rest >>= 1)
	{
		if ((rest & 1) != 0)
			value = is_division ? value / power : value * power;
		power *= power;
	}
	return value;
}

/* The written exponent, clamped: what lies beyond is zero or infinity all the same. */
static int64_t
read_exponent(UeSlice text)
{
	int64_t value;
	bool is_negative = text.len > 0 && text.ptr[0] == '-';

	if (!ue_slice_parse_int64(text, &value) || value > INT32_MAX || value < INT32_MIN)
		return is_negative ? INT32_MIN : INT32_MAX;
	return value;
}

/* text is a number as JSON writes it */
static bool
convert_number(UeSlice text, double *out)
{
	bool is_fraction = false;
	uint64_t mantissa = 0;
	int n_digits = 0;
	int64_t exponent = 0;
	double value;

	for (size_t i = 0; i < text.len; i++)
	{
		char byte = text.ptr[i];

		if (byte == 'e' || byte == 'E')
		{
			exponent += read_exponent(ue_slice_sub(text, i + 1, text.len));
			break;
		}
		if (byte == '.')
			is_fraction = true;
		else if (byte != '-' && n_digits < N_MANTISSA_DIGITS)
		{
			mantissa = 10 * mantissa + (uint64_t) (byte - '0');
			n_digits += mantissa > 0;
			exponent -= is_fraction;
		}
		else if (byte != '-')
			exponent += !is_fraction;
	}
	if (exponent < -LARGEST_EXPONENT)
		mantissa = 0;
	else if (exponent > LARGEST_EXPONENT && mantissa > 0)
		return false;
	value = mantissa > 0 ? scale_decimal((double) mantissa, (int) exponent) : 0.0;
	if (value > DBL_MAX)
		return false;
	*out = text.ptr[0] == '-' ? -value : value;
	return true;
}

bool
ue_json_read_number(const UeJson *node, double *out)
{
	UeSlice text = ue_json_text(node);
	UeJson number = {.type = UE_JSON_NUMBER};
	Reader reader = {.here = text.ptr, .depth = 0};
	bool is_readable;

	if (text.len == 0)
		return false;
	reader.end = text.ptr + text.len;
	if (read_number(&reader, &number, &is_readable) != UE_OK || !is_readable ||
		number.text.len != text.len)
		return false;
	return convert_number(number.text, out);
}
