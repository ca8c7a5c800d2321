/* SPDX-License-Identifier: PostgreSQL */
/*
 * mask.c: the scan, and the mask over texts and JSON trees.
 *
 * Most bytes of a text are none that any rule begins or ends with, so a table of 256
 * entries passes over them.  The others call the rules that know them, in a fixed order.
 *
 * Idempotence.  Every replacement is made such that the rule which wrote it finds it again
 * and writes the same, or that no rule finds it.  What remains is that a replacement may
 * mean something else to its neighbours than what it replaced.  It cannot when it stands
 * between bytes that belong to no word, when no rule that crosses such bytes has looked at
 * it in vain (seen_end), and when it ends in a word: then the rules before it see what they
 * saw, and those behind it never look back beyond such a byte.  After any other change the
 * text is scanned again.  A text not at rest after MAX_SCANS is replaced as a whole.
 */
#include "core/mask.h"

#include <string.h>

#include "core/jsonout.h"
#include "core/limits.h"
#include "core/mask_scan.h"

#define MAX_SCANS 6

/* A part of a key behind a dot is at least this long. */
#define MIN_PART_LEN 16

typedef enum Trigger
{
	TRIGGER_NONE = 0,
	TRIGGER_DASH,
	TRIGGER_DOT,
	TRIGGER_COLON,
	TRIGGER_EQUALS,
	TRIGGER_AT,
	TRIGGER_PERCENT,
	TRIGGER_SLASH,
	TRIGGER_STAR,
	TRIGGER_LETTER, /* the rarest of AIza, AKIA, ASIA, eyJ, project */
	TRIGGER_SCHEME, /* the first of Bearer, Basic */
} Trigger;

static const unsigned char triggers[256] = {
	['-'] = TRIGGER_DASH,	 ['_'] = TRIGGER_DASH,	 ['.'] = TRIGGER_DOT,
	[':'] = TRIGGER_COLON,	 ['='] = TRIGGER_EQUALS, ['@'] = TRIGGER_AT,
	['%'] = TRIGGER_PERCENT, ['/'] = TRIGGER_SLASH,	 ['*'] = TRIGGER_STAR,
	['I'] = TRIGGER_LETTER,	 ['J'] = TRIGGER_LETTER, ['B'] = TRIGGER_SCHEME,
	['b'] = TRIGGER_SCHEME,	 ['j'] = TRIGGER_LETTER,
};

const unsigned short ue_mask_classes[256] = {
	[0 ... ' '] = UE_MASK_BLANK | UE_MASK_RARE,
	[0x7F] = UE_MASK_BLANK | UE_MASK_RARE,
	['0' ... '9'] = UE_MASK_DIGIT | UE_MASK_HEX | UE_MASK_PLAIN,
	['a' ... 'f'] = UE_MASK_LOWER | UE_MASK_HEX | UE_MASK_PLAIN,
	['g' ... 'z'] = UE_MASK_LOWER | UE_MASK_PLAIN,
	['A' ... 'F'] = UE_MASK_UPPER | UE_MASK_HEX | UE_MASK_PLAIN,
	['G' ... 'Z'] = UE_MASK_UPPER | UE_MASK_PLAIN,
	['-'] = UE_MASK_DASH | UE_MASK_PLAIN,
	['_'] = UE_MASK_DASH | UE_MASK_PLAIN,
	['*'] = UE_MASK_STAR | UE_MASK_PLAIN,
	['.'] = UE_MASK_PLAIN,
	['%'] = UE_MASK_PLAIN,
	['/'] = UE_MASK_URL,
	['?'] = UE_MASK_URL,
	['#'] = UE_MASK_URL,
	['&'] = UE_MASK_URL,
	[';'] = UE_MASK_URL,
	['='] = UE_MASK_URL,
	['"'] = UE_MASK_RARE,
	['<'] = UE_MASK_RARE,
	['>'] = UE_MASK_RARE,
	['`'] = UE_MASK_RARE,
	['\\'] = UE_MASK_RARE,
	[0xC0 ... 0xFF] = UE_MASK_RARE,
};

static bool apply_trigger(UeMaskScan *scan, Trigger trigger, size_t at);
static bool apply_colon(UeMaskScan *scan, size_t at);
static bool apply_percent(UeMaskScan *scan, size_t at);
static UeStatus scan_text(UeBuf *buf, UeSlice text, UeSlice *out, bool *is_restless);
static UeStatus write_node(UeArena *arena, UeJsonOut *out, const UeJson *node);

UeStatus
ue_mask_text(UeArena *arena, UeSlice text, UeSlice *out)
{
	UeBuf bufs[2];
	bool is_restless = true;
	UeSlice masked = text;

	if (text.len > UE_LIMIT_MASK)
		return UE_TOO_LARGE;
	ue_buf_init(&bufs[0], arena, SIZE_MAX - 1);
	ue_buf_init(&bufs[1], arena, SIZE_MAX - 1);
	for (int i = 0; is_restless && i < MAX_SCANS; i++)
	{
		UeStatus status = scan_text(&bufs[i % 2], masked, &masked, &is_restless);

		if (status != UE_OK)
			return status;
	}
	*out = is_restless ? UE_SLICE("***") : masked;
	return UE_OK;
}

UeStatus
ue_mask_json(UeArena *arena, const UeJson *root, UeSlice *out)
{
	UeBuf buf;
	UeJsonOut json;
	UeStatus status;

	ue_buf_init(&buf, arena, SIZE_MAX - 1);
	ue_jsonout_init(&json, &buf);
	status = write_node(arena, &json, root);
	return status == UE_OK ? ue_buf_finish(&buf, out) : status;
}

/* One scan; buf is overwritten.  *out is text itself when nothing changes. */
static UeStatus
scan_text(UeBuf *buf, UeSlice text, UeSlice *out, bool *is_restless)
{
	UeMaskScan scan = {.text = text, .buf = buf};

	buf->len = 0;
	while (scan.next < text.len)
	{
		size_t at = scan.next;
		unsigned char trigger = TRIGGER_NONE;

		while (at < text.len &&
			   (trigger = triggers[(unsigned char) text.ptr[at]]) == TRIGGER_NONE)
			at++;
		if (at == text.len)
			break;
		if (!apply_trigger(&scan, (Trigger) trigger, at))
			scan.next = at + 1;
	}
	*is_restless = scan.is_restless;
	if (!scan.is_changed)
	{
		*out = text;
		return UE_OK;
	}
	ue_buf_append(buf, ue_slice_sub(text, scan.floor, text.len));
	return ue_buf_finish(buf, out);
}

static bool
apply_trigger(UeMaskScan *scan, Trigger trigger, size_t at)
{
	switch (trigger)
	{
		case TRIGGER_NONE:
			return false;
		case TRIGGER_DASH:
			return ue_mask_apply_key(scan, at);
		case TRIGGER_DOT:
			return ue_mask_apply_dotted_key(scan, at) || ue_mask_apply_dotted(scan, at);
		case TRIGGER_COLON:
			return apply_colon(scan, at);
		case TRIGGER_EQUALS:
			return ue_mask_apply_name(scan, at, 1);
		case TRIGGER_AT:
			return ue_mask_apply_email(scan, at, 1);
		case TRIGGER_PERCENT:
			return apply_percent(scan, at);
		case TRIGGER_SLASH:
			return ue_mask_apply_slash(scan, at);
		case TRIGGER_STAR:
			return ue_mask_apply_star(scan, at);
		case TRIGGER_LETTER:
			return ue_mask_apply_letter_key(scan, at);
		case TRIGGER_SCHEME:
			return ue_mask_apply_scheme(scan, at);
	}
	return false;
}

/* What follows the colon tells which of the rules are worth asking. */
static bool
apply_colon(UeMaskScan *scan, size_t at)
{
	char after = ue_mask_read(scan, at + 1);

	if ((after == 'a' || at == scan->arn_colon) && ue_mask_apply_arn(scan, at))
		return true;
	if (after == ':')
		return ue_mask_apply_ipv6(scan, at);
	if ((after == '/' || after == '\\') && ue_mask_apply_url(scan, at))
		return true;
	return ue_mask_apply_name(scan, at, 1) ||
		   (ue_mask_is_class(after, UE_MASK_HEX) && ue_mask_apply_ipv6(scan, at));
}

/* The same signs in a URL-encoded text. */
static bool
apply_percent(UeMaskScan *scan, size_t at)
{
	if (ue_mask_has_fold(scan, at, UE_SLICE("%3a")))
		return ue_mask_apply_url(scan, at);
	if (ue_mask_has_fold(scan, at, UE_SLICE("%3d")))
		return ue_mask_apply_name(scan, at, 3);
	if (ue_mask_has(scan, at, UE_SLICE("%40")))
		return ue_mask_apply_email(scan, at, 3);
	return false;
}

void
ue_mask_write_begin(UeMaskScan *scan, size_t start)
{
	ue_buf_append(scan->buf, ue_slice_sub(scan->text, scan->floor, start - scan->floor));
	scan->region_at = start;
	scan->region_written = scan->buf->len;
}

void
ue_mask_write(UeMaskScan *scan, UeSlice text)
{
	ue_buf_append(scan->buf, text);
}

/* Whether a byte before or after a region separates it from the rules of its neighbours. */
static bool
is_separator(char byte)
{
	return ue_mask_is_class(byte, UE_MASK_BLANK) || byte == '"' || byte == '/';
}

/* Whether what was put between region_at and end may mean something else to other rules. */
static bool
is_region_restless(const UeMaskScan *scan, size_t end, UeSlice after)
{
	size_t start = scan->region_at;
	char left = start > 0 ? scan->text.ptr[start - 1] : ' ';
	char right = ue_mask_read(scan, end);

	/* right behind another region what stood on the left is gone */
	if ((start == scan->floor && start > 0) || start < scan->seen_end ||
		start < scan->arn_colon)
		return true;
	if (after.len == 0 || !ue_mask_is_class(after.ptr[after.len - 1], UE_MASK_WORD))
		return true;
	if (!is_separator(left) && left != '(')
		return true;
	/* the full stop of a sentence */
	if (right == '.' && ue_mask_read(scan, end + 1) != ':')
		right = ue_mask_read(scan, end + 1);
	/* NUL too: the text's end */
	return !is_separator(right) && memchr("\\,):", right, 4) == NULL;
}

void
ue_mask_write_end(UeMaskScan *scan, size_t end)
{
	UeSlice before = ue_slice_sub(scan->text, scan->region_at, end - scan->region_at);
	UeSlice after = {scan->buf->ptr, 0};

	/* a failed buffer counts as a change, so that the scan reports its status */
	if (scan->buf->status != UE_OK)
		scan->is_changed = true;
	else
	{
		after.ptr += scan->region_written;
		after.len = scan->buf->len - scan->region_written;
		if (!ue_slice_is_equal(before, after))
		{
			scan->is_changed = true;
			scan->is_restless |= is_region_restless(scan, end, after);
		}
	}
	scan->floor = end;
	scan->next = end;
}

void
ue_mask_write_stars(UeMaskScan *scan, size_t start, size_t n_kept, size_t end)
{
	ue_mask_write_begin(scan, start);
	ue_mask_write(scan, ue_slice_sub(scan->text, start, n_kept));
	ue_mask_write(scan, UE_SLICE("***"));
	ue_mask_write_end(scan, end);
}

size_t
ue_mask_find_end(const UeMaskScan *scan, size_t at, int classes)
{
	while (at < scan->text.len && ue_mask_is_class(scan->text.ptr[at], classes))
		at++;
	return at;
}

size_t
ue_mask_find_start(const UeMaskScan *scan, size_t at, int classes)
{
	while (at > scan->floor && ue_mask_is_class(scan->text.ptr[at - 1], classes))
		at--;
	return at;
}

bool
ue_mask_has_fold(const UeMaskScan *scan, size_t at, UeSlice literal)
{
	return ue_slice_has_prefix_fold(ue_slice_sub(scan->text, at, literal.len), literal);
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
ue_mask_is_word_start(const UeMaskScan *scan, size_t at)
{
	const char *text = scan->text.ptr;
	size_t room = at - scan->floor;

	if (room == 0 || !ue_mask_is_class(text[at - 1], UE_MASK_ALNUM))
		return true;
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
ue_mask_skip_escape(const UeMaskScan *scan, size_t start)
{
	char before;

	if (start == scan->floor)
		return start;
	before = scan->text.ptr[start - 1];
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
	if (ue_mask_is_class(byte, UE_MASK_BLANK) || byte == '"' || byte == '<' ||
		byte == '>' || byte == '`' ||
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

/* A second part of a key behind a dot, which no word of a sentence looks like. */
static bool
is_key_part(const UeMaskScan *scan, size_t at)
{
	size_t end = ue_mask_find_end(scan, at, UE_MASK_WORD);

	return end - at >= MIN_PART_LEN &&
		   ue_mask_is_random(ue_slice_sub(scan->text, at, end - at));
}

size_t
ue_mask_find_key_end(const UeMaskScan *scan, size_t at)
{
	for (;;)
	{
		at = ue_mask_find_end(scan, at, UE_MASK_WORD);
		if (ue_mask_has(scan, at, UE_SLICE("...")))
			at += 3;
		else if (ue_mask_has(scan, at, UE_SLICE("\xE2\x80\xA6")))
			at += 3;
		else if (ue_mask_read(scan, at) == '.' && is_key_part(scan, at + 1))
			at++;
		else
			return at;
	}
}

/* A member whose name says that its value is secret. */
static bool
is_secret(const UeJson *node)
{
	UeMaskSecrecy secrecy = UE_MASK_SECRECY_NONE;

	if (node->type == UE_JSON_STRING ? node->text.len > 0 : node->type >= UE_JSON_NUMBER)
		secrecy = ue_mask_find_name(node->key);
	return secrecy == UE_MASK_SECRECY_ALL ||
		   (secrecy == UE_MASK_SECRECY_TEXT && node->type == UE_JSON_STRING);
}

static UeStatus
write_children(UeArena *arena, UeJsonOut *out, const UeJson *node)
{
	for (const UeJson *child = node->child; child != NULL; child = child->next)
	{
		UeStatus status;

		if (node->type == UE_JSON_OBJECT)
		{
			UeSlice key;

			/* a name may be a secret itself: {"invalid":{"sk-…":1}} */
			status = ue_mask_text(arena, child->key, &key);
			if (status != UE_OK)
				return status;
			ue_jsonout_append_key(out, key);
			if (is_secret(child))
			{
				ue_jsonout_append_string(out, UE_SLICE("***"));
				continue;
			}
		}
		status = write_node(arena, out, child);
		if (status != UE_OK)
			return status;
	}
	return UE_OK;
}

/* Recursion is bounded: ue_json_parse has made no tree deeper than UE_LIMIT_JSON_DEPTH. */
static UeStatus
write_node(UeArena *arena, UeJsonOut *out, const UeJson *node)
{
	UeSlice text;
	UeStatus status = UE_OK;

	switch (node->type)
	{
		case UE_JSON_NULL:
			ue_jsonout_append_null(out);
			break;
		case UE_JSON_FALSE:
		case UE_JSON_TRUE:
			ue_jsonout_append_bool(out, node->type == UE_JSON_TRUE);
			break;
		case UE_JSON_NUMBER:
			ue_jsonout_append_raw(out, node->raw);
			break;
		case UE_JSON_STRING:
			status = ue_mask_text(arena, node->text, &text);
			if (status == UE_OK)
				ue_jsonout_append_string(out, text);
			break;
		case UE_JSON_ARRAY:
			ue_jsonout_append_begin(out, '[');
			status = write_children(arena, out, node);
			ue_jsonout_append_end(out, ']');
			break;
		case UE_JSON_OBJECT:
			ue_jsonout_append_begin(out, '{');
			status = write_children(arena, out, node);
			ue_jsonout_append_end(out, '}');
			break;
	}
	return status;
}
