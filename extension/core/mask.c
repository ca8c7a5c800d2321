/* SPDX-License-Identifier: PostgreSQL */
/*
 * mask.c: the scan over a text, and the regions that it writes.
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

#include "core/limits.h"
#include "core/mask_scan.h"

#define MAX_SCANS 6

/* Changes of an operator's settings until their number starts over. */
#define REVISIONS 1000000

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
	TRIGGER_LETTER, /* the rarest of AIza, AKIA, ASIA, eyJ */
	TRIGGER_SCHEME, /* the first of Bearer, Basic */
	TRIGGER_LEADER, /* a rare one of project, account, organization, key */
} Trigger;

static const unsigned char triggers[256] = {
	['-'] = TRIGGER_DASH,	 ['_'] = TRIGGER_DASH,	 ['.'] = TRIGGER_DOT,
	[':'] = TRIGGER_COLON,	 ['='] = TRIGGER_EQUALS, ['@'] = TRIGGER_AT,
	['%'] = TRIGGER_PERCENT, ['/'] = TRIGGER_SLASH,	 ['*'] = TRIGGER_STAR,
	['I'] = TRIGGER_LETTER,	 ['J'] = TRIGGER_LETTER, ['B'] = TRIGGER_SCHEME,
	['b'] = TRIGGER_SCHEME,	 ['j'] = TRIGGER_LEADER, ['c'] = TRIGGER_LEADER,
	['z'] = TRIGGER_LEADER,	 ['y'] = TRIGGER_LEADER,
};

static bool apply_trigger(UeMaskScan *scan, Trigger trigger, size_t at);
static bool apply_colon(UeMaskScan *scan, size_t at);
static bool apply_percent(UeMaskScan *scan, size_t at);
static UeStatus scan_text(UeBuf *buf, UeSlice text, UeSlice *out, bool *is_restless);

int32_t
ue_mask_version(const UeMaskSettings *settings)
{
	return UE_MASK_VERSION * REVISIONS +
		   (settings == NULL ? 0 : settings->revision % REVISIONS);
}

UeStatus
ue_mask_text(UeArena *arena, const UeMaskSettings *settings, UeSlice text, UeSlice *out)
{
	UeBuf bufs[2];
	int n_written = 0; /* what is written next goes where the last result is not */
	bool is_restless = true;
	UeSlice masked = text;

	(void) settings;
	if (text.len > UE_LIMIT_MASK)
		return UE_TOO_LARGE;
	ue_buf_init(&bufs[0], arena, SIZE_MAX - 1);
	ue_buf_init(&bufs[1], arena, SIZE_MAX - 1);
	for (int i = 0; is_restless && i < MAX_SCANS; i++)
	{
		UeSlice decoded = masked;
		UeStatus status = ue_mask_decode(&bufs[n_written % 2], masked, &decoded);
		bool is_decoded = decoded.ptr != masked.ptr;

		n_written += is_decoded;
		if (status == UE_OK)
			status = scan_text(&bufs[n_written % 2], decoded, &masked, &is_restless);
		if (status != UE_OK)
			return status;
		n_written += masked.ptr != decoded.ptr;
		/* letters that were decoded may be part of another escape */
		is_restless |= is_decoded;
	}
	*out = is_restless ? UE_SLICE("***") : masked;
	return UE_OK;
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
	*out = text;
	if (!scan.is_changed)
		return UE_OK;
	ue_buf_append(buf, ue_slice_sub(text, scan.floor, text.len));
	return ue_buf_finish(buf, out);
}

/* pro-je-ct, a-cc-ount, organi-za-tion, ke-y_: the letters alone are in every sentence. */
static inline bool
is_leader_next(char letter, char next)
{
	return next == (letter == 'j'	? 'e'
					: letter == 'c' ? 'c'
					: letter == 'z' ? 'a'
									: ' ');
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
		case TRIGGER_LEADER:
			return is_leader_next(scan->text.ptr[at], ue_mask_read(scan, at + 1)) &&
				   ue_mask_apply_leader(scan, at);
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
		return ue_mask_apply_url(scan, at) || ue_mask_apply_encoded_arn(scan, at) ||
			   ue_mask_apply_name(scan, at, 3) || ue_mask_apply_encoded_ipv6(scan, at);
	if (ue_mask_has_fold(scan, at, UE_SLICE("%3d")))
		return ue_mask_apply_name(scan, at, 3);
	if (ue_mask_has_fold(scan, at, UE_SLICE("%2f")))
		return ue_mask_apply_refresh_token(scan, at, UE_SLICE("%2f%2f0"));
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
