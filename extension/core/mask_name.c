/* SPDX-License-Identifier: PostgreSQL */
/*
 * mask_name.c: names that say that their values are secret.
 *
 *   "api_key":"…"   \"api_key\": \"…\"   'api_key': '…'   members, in text that holds JSON
 *   &quot;api_key&quot;:&quot;…   \u0022api_key\u0022:…   the same in HTML, in other JSON
 *   api_key=…   ?key=…   token%3D…   ?k%65y=…             parameters
 *   form[api_key]=…   api_key[0]=…   headers["x-a-key"]:  those of lists and of forms
 *   x-api-key: …   API key: …   API key provided: …       headers, and sentences
 *   :api_key=>"…"   apiKey := "…"   <api_key>…<           Ruby, Go, XML
 *
 * In a sentence a colon follows many a word, so there a word like "token" is believed only
 * when a value follows that no sentence would hold (mask_value.c).
 *
 * Most separators stand behind a name that is none of a secret.  That is decided in one walk
 * back over it, by a table of the pairs of letters that the known names begin with.
 */
#include "core/mask_value.h"

#include <string.h>

/* Of a longer one the end is enough. */
#define LONGEST_ENCODED_NAME 64

/* "a[b][c][d]=": so many of them, and the name before. */
#define MOST_SUBSCRIPTS 4

#define MOST_BLANKS 4

/* A key that ends in "token" has more digits than a name. */
#define MOST_NAME_DIGITS 2

/* A quote as JSON may escape it, which Java and Go do for the sake of HTML. */
#define ESCAPED_QUOTE_LEN 6

static const UeMaskFragment bare_key = {
	UE_SLICE_INIT("key"),
	UE_MASK_PLACE_WHOLE,
	UE_MASK_PROSE_RANDOM,
	UE_MASK_SECRECY_TEXT,
};

/* In quotes it is a member, and what it holds is seldom one. */
static const UeMaskFragment quoted_key = {
	UE_SLICE_INIT("key"),
	UE_MASK_PLACE_WHOLE,
	UE_MASK_PROSE_LOOK,
	UE_MASK_SECRECY_TEXT,
};

static size_t skip_blanks_before(const UeMaskScan *scan, size_t end);
static size_t skip_bracket_before(const UeMaskScan *scan, size_t end, char bracket);
static size_t skip_quote_before(const UeMaskScan *scan, size_t end);
static bool is_encoded_name(const UeMaskScan *scan, size_t start, size_t after);
static bool apply_likely(UeMaskScan *scan, size_t at, UeMaskNamed *value);
static bool apply_name(UeMaskScan *scan, size_t at, UeMaskNamed *value);
static size_t find_subscript_start(const UeMaskScan *scan, size_t end);
static bool find_name(const UeMaskScan *scan, UeMaskNamed *value);

/* The last byte of "=" or "%3D", not that of ":" or "%3A". */
static inline bool
is_equals_end(char byte)
{
	return byte == '=' || (byte | 0x20) == 'd';
}

/*
 * What the separator at `at` says, and whether it gives a value at all: "::", "://", "==",
 * "!=", "<=" do not.
 */
static bool
find_form(const UeMaskScan *scan, size_t at, UeMaskNamed *value)
{
	char last = scan->text.ptr[value->at - 1];
	char after = ue_mask_read(scan, value->at);
	char before;

	if (last == ':' ? after == '=' : last == '=' && after == '>')
	{
		value->form = UE_MASK_FORM_ARROW;
		value->at++;
		return true;
	}
	if (!is_equals_end(last))
	{
		value->form = UE_MASK_FORM_COLON;
		return after != ':' && after != '/';
	}
	before = scan->text.ptr[at - 1];
	value->form = UE_MASK_FORM_EQUALS;
	return after != '=' && before != '!' && before != '<' && before != '>' &&
		   before != '=';
}

/* Whether a letter or digit before `end` is what it is, and not part of %22, %2527, \\u0022. */
static inline bool
is_plain_end(const UeMaskScan *scan, size_t end)
{
	const char *text = scan->text.ptr + end;

	return end - scan->floor >= 3 && ue_mask_is_class(text[-1], UE_MASK_ALNUM) &&
		   text[-3] != '%' && text[-3] != '5' && text[-3] != '0';
}

/* Whether these three letters are those of "key". */
static inline bool
is_key(const char *letters)
{
	return (letters[0] | 0x20) == 'k' && (letters[1] | 0x20) == 'e' &&
		   (letters[2] | 0x20) == 'y';
}

/* Most of what "key" alone names is told from its first bytes. */
static bool
is_key_harmless(UeMaskScan *scan, size_t at, bool is_quoted)
{
	at += ue_mask_read(scan, at) == ' ';
	if (!is_quoted)
		return ue_mask_skip_sentence(scan, at);
	return ue_mask_read(scan, at) == '"' && !ue_mask_may_look(scan, at + 1);
}

/* What neither a name nor a quote or bracket behind it ends in; most of "]=" has it there. */
static inline bool
is_blank_or_sign(char byte)
{
	return ue_mask_is_class(byte, UE_MASK_BLANK) || byte == '=' || byte == '&' ||
		   byte == ',' || byte == '/' || byte == ':';
}

/* Most separators stand behind something else: decided here, without more ado. */
bool
ue_mask_apply_name(UeMaskScan *scan, size_t at, size_t at_len)
{
	const char *text = scan->text.ptr;
	size_t end = at;
	size_t inner;
	size_t name_end;
	size_t start;
	size_t likely;

	while (at - end < MOST_BLANKS && end > scan->floor && text[end - 1] == ' ')
		end--;
	inner = end;
	name_end = end;
	if (end == scan->floor)
		return false;
	if (text[end - 1] == '"' && is_plain_end(scan, end - 1))
		name_end = end - 1;
	else if (!is_plain_end(scan, end))
	{
		end = skip_blanks_before(scan, end);
		inner = skip_bracket_before(scan, end, ']');
		if (inner == scan->floor || is_blank_or_sign(text[inner - 1]))
			return false;
		name_end = skip_quote_before(scan, inner);
	}
	if (!ue_mask_find_likely_name(scan, name_end, &start, &likely) && inner == end &&
		!is_encoded_name(scan, start, at + at_len))
		return false;
	if (name_end - start == 3 && inner == end && at_len == 1 && text[at] == ':' &&
		is_key(text + start) && is_key_harmless(scan, at + 1, name_end < inner))
		return false;
	return apply_likely(scan, at,
						&(UeMaskNamed){.is_encoded = text[at] == '%',
									   .is_subscript = inner < end,
									   .is_quoted = name_end < inner,
									   .name_at = start,
									   .likely_at = likely,
									   .name_end = name_end,
									   .at = at + at_len});
}

/* An escape may belong to the name of a parameter. */
static bool
is_encoded_name(const UeMaskScan *scan, size_t start, size_t after)
{
	return start > scan->floor && scan->text.ptr[start - 1] == '%' &&
		   is_equals_end(scan->text.ptr[after - 1]);
}

/* A name that may be one, or is in brackets. */
static bool
apply_likely(UeMaskScan *scan, size_t at, UeMaskNamed *value)
{
	size_t after = value->at;

	if (apply_name(scan, at, value))
		return true;
	/* api_key[0], api_key[word]: the name stands before the bracket */
	for (int n = 0; n < MOST_SUBSCRIPTS && value->is_subscript; n++)
	{
		size_t start = find_subscript_start(scan, value->name_end);
		size_t end;
		size_t inner;

		if (value->is_quoted)
			start = skip_quote_before(scan, start);
		end = skip_bracket_before(scan, start, '[');
		if (end == start)
			return false;
		inner = skip_bracket_before(scan, end, ']');
		value->name_end = skip_quote_before(scan, inner);
		value->is_subscript = inner < end;
		value->is_quoted = value->name_end < inner;
		value->at = after;
		(void) ue_mask_find_likely_name(scan, value->name_end, &value->name_at,
										&value->likely_at);
		if (apply_name(scan, at, value))
			return true;
	}
	return false;
}

static bool
apply_name(UeMaskScan *scan, size_t at, UeMaskNamed *value)
{
	if (value->likely_at == SIZE_MAX &&
		(value->is_quoted || !is_encoded_name(scan, value->name_at, value->at)))
		return false;
	return find_form(scan, at, value) && find_name(scan, value) &&
		   ue_mask_apply_value(scan, value);
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

/* Start of what stands in brackets before `end`; each byte of it may be encoded. */
static size_t
find_subscript_start(const UeMaskScan *scan, size_t end)
{
	size_t start = end;

	for (int n = 0; n < LONGEST_ENCODED_NAME && start > scan->floor; n++)
	{
		size_t next;
		char byte = read_encoded_before(scan, start, &next);

		if (!ue_mask_is_class(byte, UE_MASK_ALNUM | UE_MASK_DASH))
			break;
		start = next;
	}
	return start;
}

/* Blanks, also encoded: "password = ", "password%20=". */
static size_t
skip_blanks_before(const UeMaskScan *scan, size_t end)
{
	size_t start;

	for (int n = 0; n < MOST_BLANKS && end > scan->floor; n++)
	{
		char byte = scan->text.ptr[end - 1];

		if (byte == ' ')
			end--;
		else if (byte == '0' && read_encoded_before(scan, end, &start) == ' ')
			end = start;
		else
			break;
	}
	return end;
}

/* Before one bracket, which may be encoded; `end` if there is none. */
static size_t
skip_bracket_before(const UeMaskScan *scan, size_t end, char bracket)
{
	size_t start;
	char byte;

	if (end == scan->floor)
		return end;
	byte = scan->text.ptr[end - 1];
	if (byte == bracket)
		return end - 1;
	/* %5B, %5D */
	byte |= 0x20;
	return (byte == 'b' || byte == 'd') &&
				   read_encoded_before(scan, end, &start) == bracket
			   ? start
			   : end;
}

static const UeSlice entities[] = {
	UE_SLICE_INIT("quot;"), UE_SLICE_INIT("#34;"),	UE_SLICE_INIT("#39;"),
	UE_SLICE_INIT("apos;"), UE_SLICE_INIT("#x22;"), UE_SLICE_INIT("#x27;"),
};

#define N_ENTITIES (sizeof(entities) / sizeof(entities[0]))

bool
ue_mask_is_entity(const UeMaskScan *scan, size_t at, size_t *len)
{
	size_t end = at;

	if (ue_mask_read(scan, end) == '&')
		end++;
	else if (ue_mask_has(scan, end, UE_SLICE("\\u0026")))
		end += 6;
	else
		return false;
	while (ue_mask_has(scan, end, UE_SLICE("amp;")))
		end += 4;
	for (size_t i = 0; i < N_ENTITIES; i++)
	{
		if (!ue_mask_has(scan, end, entities[i]))
			continue;
		*len = end + entities[i].len - at;
		return true;
	}
	return false;
}

/* Before an entity that is a quote; `end` if there is none. */
static size_t
skip_entity_before(const UeMaskScan *scan, size_t end)
{
	if (end - scan->floor < 3 ||
		!ue_mask_is_class(scan->text.ptr[end - 2], UE_MASK_ALNUM))
		return end;
	for (size_t i = 0; i < N_ENTITIES; i++)
	{
		size_t at = end - entities[i].len;

		if (!ue_mask_has_before(scan, end, entities[i]))
			continue;
		while (ue_mask_has_before(scan, at, UE_SLICE("amp;")))
			at -= 4;
		if (ue_mask_has_before(scan, at, UE_SLICE("&")))
			return at - 1;
		if (ue_mask_has_before(scan, at, UE_SLICE("\\u0026")))
			return at - 6;
	}
	return end;
}

/* Before "\u0022" with any number of backslashes; `end` if there is none. */
static size_t
skip_escaped_quote_before(const UeMaskScan *scan, size_t end)
{
	if (!ue_mask_has_before(scan, end, UE_SLICE("\\u0022")) &&
		!ue_mask_has_before(scan, end, UE_SLICE("\\u0027")))
		return end;
	end -= ESCAPED_QUOTE_LEN;
	while (end > scan->floor && scan->text.ptr[end - 1] == '\\')
		end--;
	return end;
}

/* Before a quote, however it is written; `end` if there is none. */
static size_t
skip_quote_before(const UeMaskScan *scan, size_t end)
{
	size_t start;
	char byte;

	if (end == scan->floor)
		return end;
	byte = scan->text.ptr[end - 1];
	if (ue_mask_is_quote(byte))
	{
		end--;
		while (end > scan->floor && scan->text.ptr[end - 1] == '\\')
			end--;
		return end;
	}
	if (byte == ';')
		return skip_entity_before(scan, end);
	if (byte != '2' && byte != '7')
		return end;
	byte = read_encoded_before(scan, end, &start);
	return byte == '"' || byte == '\'' ? start : skip_escaped_quote_before(scan, end);
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

/* "API key provided: …" */
static bool
is_key_provided(const UeMaskScan *scan, size_t start, UeSlice name,
				const UeMaskNamed *value)
{
	return value->form == UE_MASK_FORM_COLON && !value->is_quoted &&
		   ue_slice_is_equal_fold(name, UE_SLICE("provided")) &&
		   ue_slice_is_equal_fold(find_word_before(scan, start), UE_SLICE("key"));
}

/* "API key: …", "?key=…", "form[key]=…". */
static const UeMaskFragment *
find_bare_key(const UeMaskScan *scan, size_t start, UeMaskNamed *value)
{
	size_t opener_at;
	char opener;

	if (value->is_quoted || value->form != UE_MASK_FORM_EQUALS)
		return value->is_quoted ? &quoted_key : &bare_key;
	opener = start > scan->floor ? read_encoded_before(scan, start, &opener_at) : '\0';
	value->is_certain =
		(opener == '?' || opener == '&' || opener == ';' ||
		 /* "cache[key] = value" is a line of a program */
		 (opener == '[' && ue_mask_read(scan, value->name_end + 1) != ' ') ||
		 ue_mask_has_before(scan, start, UE_SLICE("\\u0026")));
	return &bare_key;
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

/* How sure the name alone makes that its value is secret. */
static bool
is_certain(const UeMaskScan *scan, const UeMaskNamed *value)
{
	if (value->fragment->prose == UE_MASK_PROSE_LOOK)
		return false;
	return value->is_quoted || value->is_subscript ||
		   value->form == UE_MASK_FORM_EQUALS ||
		   value->fragment->prose != UE_MASK_PROSE_RANDOM ||
		   /* a symbol of Ruby, :token=>"…" */
		   (value->form == UE_MASK_FORM_ARROW && value->name_at > scan->floor &&
			scan->text.ptr[value->name_at - 1] == ':');
}

size_t
ue_mask_find_other_name(const UeMaskScan *scan, size_t start, size_t end)
{
	size_t name_at = end;
	int n_digits = 0;
	char after = ue_mask_read(scan, end + 1);
	bool is_line =
		ue_mask_has(scan, end, UE_SLICE(" = ")); /* of a program, or settings */

	if (!is_line && (ue_mask_read(scan, end) != ':' || after == ':' || after == '/'))
		return end;
	while (name_at > start &&
		   ue_mask_is_class(scan->text.ptr[name_at - 1], UE_MASK_ALNUM | UE_MASK_DASH))
	{
		name_at--;
		n_digits += ue_mask_is_class(scan->text.ptr[name_at], UE_MASK_DIGIT);
	}
	name_at = ue_mask_skip_escape(scan, name_at);
	if (n_digits > MOST_NAME_DIGITS || name_at >= end || (is_line && name_at > start))
		return end;
	if (end - name_at == 3 && is_key(scan->text.ptr + name_at))
		return name_at;
	return ue_mask_find_fragment(ue_mask_cut(scan, name_at, end)) != NULL ? name_at : end;
}

/* Whether the name that ends there, "…api_key" : , is that of a secret. */
static bool
find_name(const UeMaskScan *scan, UeMaskNamed *value)
{
	char copy[LONGEST_ENCODED_NAME];
	size_t start = value->name_at;
	size_t end = value->name_end;
	UeSlice name;

	/* only the names of parameters are encoded */
	if (value->form == UE_MASK_FORM_EQUALS && !value->is_quoted && start > scan->floor &&
		scan->text.ptr[start - 1] == '%')
	{
		name = copy_encoded_name(scan, end, copy, &start);
		value->likely_at = start;
	}
	else if (value->likely_at == SIZE_MAX)
		return false;
	else
	{
		start = ue_mask_skip_escape(scan, start);
		name = ue_slice_sub(scan->text, start, start < end ? end - start : 0);
	}
	if (name.len < UE_MASK_SHORTEST_NAME)
		return false;
	/* "[JSON Web Key]: …" is a title */
	if (value->is_subscript && value->form == UE_MASK_FORM_COLON &&
		ue_mask_has_before(scan, start, UE_SLICE(" ")))
		return false;
	value->name_at = start;
	value->is_certain = false;
	if (name.len == 3 && is_key(name.ptr))
	{
		value->fragment = find_bare_key(scan, start, value);
		return true;
	}
	value->fragment = ue_mask_find_fragment_from(name, value->likely_at > start
														   ? value->likely_at - start
														   : 0);
	if (value->fragment != NULL)
		value->is_certain = is_certain(scan, value);
	else if (name.len == 8 && is_key_provided(scan, start, name, value))
		value->fragment = &bare_key;
	return value->fragment != NULL;
}

/* <api_key>…</api_key>, at its '>'. */
bool
ue_mask_apply_element(UeMaskScan *scan, size_t at)
{
	UeMaskNamed value = {.is_quoted = true, .name_end = at, .at = at + 1};
	size_t name_at = ue_mask_find_start(scan, at, UE_MASK_ALNUM | UE_MASK_DASH);
	size_t opener = name_at;
	size_t end;

	if (opener == scan->floor)
		return false;
	/* a name space */
	if (scan->text.ptr[opener - 1] == ':')
		opener = ue_mask_find_start(scan, opener - 1, UE_MASK_ALNUM | UE_MASK_DASH);
	if (!ue_mask_has_before(scan, opener, UE_SLICE("<")) ||
		!ue_mask_find_likely_name(scan, at, &value.name_at, &value.likely_at) ||
		!find_name(scan, &value))
		return false;
	end = value.at;
	while (end < scan->text.len && scan->text.ptr[end] != '<')
		end++;
	/* List<Token> has no end; where the text was cut it looks like none of a sentence */
	if (!ue_mask_is_class(ue_mask_read(scan, value.at), UE_MASK_ALNUM | UE_MASK_STAR) &&
		end == scan->text.len)
		return false;
	if (end < scan->text.len
			? ue_mask_read(scan, end + 1) != '/'
			: ue_mask_find_end(scan, value.at, UE_MASK_WORD | UE_MASK_TOKEN) < end)
	{
		ue_mask_note_seen(scan, end + 2);
		return false;
	}
	return ue_mask_apply_content(scan, &value, end);
}
