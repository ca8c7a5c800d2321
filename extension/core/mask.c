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
 *
 * An operator's patterns see what the built-in rules left, which is what the operator sees
 * too.  Where one replaced something the rules are asked again, then the patterns, until
 * neither finds anything; a text that still moves after MAX_ROUNDS is replaced as a whole.
 */
#include "core/mask.h"

#include <string.h>

#include "core/limits.h"
#include "core/mask_scan.h"

#define MAX_SCANS 6

/* Rounds of the built-in rules and an operator's patterns until a text must be at rest. */
#define MAX_ROUNDS 8

/* Folds of a text in which those are looked for that hide each other. */
#define MOST_FOLDS 64

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
	TRIGGER_TAG,
	TRIGGER_BRACKET,
	TRIGGER_WIDE,	/* the first byte of a full-width colon */
	TRIGGER_LETTER, /* the rarest of AIza, AKIA, ASIA, eyJ */
	TRIGGER_SCHEME, /* the first of Bearer, Basic */
	TRIGGER_LEADER, /* the last of key */
	TRIGGER_JE,		/* and rare ones of project, */
	TRIGGER_CC,		/* account, */
	TRIGGER_ZA,		/* organization, */
	TRIGGER_PI,		/* dapi */
} Trigger;

static const unsigned char triggers[256] = {
	['-'] = TRIGGER_DASH,	 ['_'] = TRIGGER_DASH,	  ['.'] = TRIGGER_DOT,
	[':'] = TRIGGER_COLON,	 ['='] = TRIGGER_EQUALS,  ['@'] = TRIGGER_AT,
	['%'] = TRIGGER_PERCENT, ['/'] = TRIGGER_SLASH,	  ['*'] = TRIGGER_STAR,
	['>'] = TRIGGER_TAG,	 ['('] = TRIGGER_BRACKET, ['['] = TRIGGER_BRACKET,
	[0xEF] = TRIGGER_WIDE,	 ['p'] = TRIGGER_PI,	  ['I'] = TRIGGER_LETTER,
	['J'] = TRIGGER_LETTER,	 ['B'] = TRIGGER_SCHEME,  ['b'] = TRIGGER_SCHEME,
	['j'] = TRIGGER_JE,		 ['c'] = TRIGGER_CC,	  ['z'] = TRIGGER_ZA,
	['y'] = TRIGGER_LEADER,
};

/* A text on its way to rest. */
typedef struct Mask
{
	UeArena *arena;
	const UeMaskSettings *settings; /* may be NULL */
	UeSlice text;
	UeBuf bufs[2];
	int n_written; /* results so far; they take turns with the buffers */
} Mask;

static bool apply_trigger(UeMaskScan *scan, Trigger trigger, size_t at);
static bool apply_dot(UeMaskScan *scan, char left, size_t at);
static bool is_name_end(const UeMaskScan *scan, size_t at);
static bool apply_colon(UeMaskScan *scan, size_t at, char left, char right);
static bool apply_percent(UeMaskScan *scan, size_t at);
static UeStatus apply_rules(Mask *mask);
static UeStatus apply_pattern(Mask *mask, const UePattern *pattern);
static UeStatus scan_text(Mask *mask, UeSlice *out, bool *is_restless);

int32_t
ue_mask_version(const UeMaskSettings *settings)
{
	return UE_MASK_VERSION * REVISIONS +
		   (settings == NULL ? 0 : settings->revision % REVISIONS);
}

UeStatus
ue_mask_text(UeArena *arena, const UeMaskSettings *settings, UeSlice text, UeSlice *out)
{
	Mask mask = {.arena = arena, .settings = settings, .text = text};
	size_t n_patterns = settings == NULL ? 0 : settings->n_patterns;
	bool is_at_rest = false;

	if (text.len > UE_LIMIT_MASK)
		return UE_TOO_LARGE;
	ue_buf_init(&mask.bufs[0], arena, SIZE_MAX - 1);
	ue_buf_init(&mask.bufs[1], arena, SIZE_MAX - 1);
	for (int i = 0; !is_at_rest && i < MAX_ROUNDS; i++)
	{
		UeStatus status = apply_rules(&mask);
		int n_before = mask.n_written;

		for (size_t n = 0; n < n_patterns && status == UE_OK; n++)
			status = apply_pattern(&mask, settings->patterns[n]);
		if (status != UE_OK)
			return status;
		is_at_rest = mask.n_written == n_before;
	}
	*out = is_at_rest ? mask.text : UE_SLICE("***");
	return UE_OK;
}

/* The text becomes what was made of it; the next step writes where that is not. */
static void
take_text(Mask *mask, UeSlice text)
{
	if (text.ptr == mask->text.ptr)
		return;
	mask->text = text;
	mask->n_written++;
}

/* The trials of mask_fold.c; folds that are left may be part of something later. */
static UeStatus
join_text(Mask *mask, bool *has_folds)
{
	size_t n_folds = 1;
	UeStatus status = UE_OK;

	*has_folds = false;
	for (int i = 0; i < 3 && n_folds > 0 && n_folds <= MOST_FOLDS && status == UE_OK; i++)
	{
		UeSlice text = mask->text;

		status = ue_mask_join(mask->arena, &mask->bufs[mask->n_written % 2],
							  mask->settings, (UeMaskTrial) i, text, &text, &n_folds);
		take_text(mask, text);
		*has_folds |= n_folds > 0;
	}
	return status;
}

/* The built-in rules, until they find nothing more to do. */
static UeStatus
apply_rules(Mask *mask)
{
	bool is_restless = true;

	for (int i = 0; is_restless && i < MAX_SCANS; i++)
	{
		UeSlice text = mask->text;
		UeStatus status = ue_mask_decode(&mask->bufs[mask->n_written % 2], text, &text);
		/* letters that were decoded may be part of another escape */
		bool is_decoded = text.ptr != mask->text.ptr;
		bool has_folds = false;

		take_text(mask, text);
		if (status == UE_OK)
			status = join_text(mask, &has_folds);
		text = mask->text;
		if (status == UE_OK)
			status = scan_text(mask, &text, &is_restless);
		if (status != UE_OK)
			return status;
		/* and what was replaced part of what is cut */
		is_restless |= is_decoded || (has_folds && text.ptr != mask->text.ptr);
		take_text(mask, text);
	}
	if (is_restless)
		mask->text = UE_SLICE("***");
	return UE_OK;
}

static UeStatus
apply_pattern(Mask *mask, const UePattern *pattern)
{
	UeSlice text = mask->text;
	UeStatus status = ue_mask_apply_pattern(mask->arena, &mask->bufs[mask->n_written % 2],
											pattern, text, &text);

	take_text(mask, text);
	return status;
}

/* One scan.  *out is the text itself when nothing changes. */
static UeStatus
scan_text(Mask *mask, UeSlice *out, bool *is_restless)
{
	UeBuf *buf = &mask->bufs[mask->n_written % 2];
	UeMaskScan scan = {.text = mask->text, .settings = mask->settings, .buf = buf};

	ue_mask_scan(&scan);
	*is_restless = scan.is_restless;
	*out = mask->text;
	if (!scan.is_changed)
		return UE_OK;
	ue_buf_append(buf, ue_slice_sub(scan.text, scan.floor, scan.text.len));
	return ue_buf_finish(buf, out);
}

void
ue_mask_scan(UeMaskScan *scan)
{
	UeSlice text = scan->text;
	size_t at = 0;

	scan->buf->len = 0;
	scan->context = SIZE_MAX;
	/* nothing was looked at, not even the byte at 0 */
	scan->word.start = scan->key.start = scan->credential.start = scan->value.start = 1;
	scan->star_from = 1;
	while (at < text.len)
	{
		unsigned char trigger = triggers[(unsigned char) text.ptr[at]];

		if (trigger != TRIGGER_NONE && apply_trigger(scan, (Trigger) trigger, at))
			at = scan->next;
		else
			at++;
	}
	scan->n_outside += text.len - scan->floor;
}

/* An option of a command line follows a blank, or a quote where its arguments are listed. */
static inline bool
is_before_option(char byte)
{
	return ue_mask_is_class(byte, UE_MASK_BLANK) || byte == '\'' || byte == '"';
}

/*
 * Most of what a rule stops at is told from the bytes beside it that it is none of its own.
 * True: the scan goes on at scan->next.
 */
static bool
apply_trigger(UeMaskScan *scan, Trigger trigger, size_t at)
{
	char left = at > scan->floor ? scan->text.ptr[at - 1] : '\0';
	char right = ue_mask_read(scan, at + 1);

	switch (trigger)
	{
		case TRIGGER_NONE:
			return false;
		case TRIGGER_DASH:
			/* "hf_-----": no key begins with a row of dashes */
			if ((right == 'u' || right == '-') && is_before_option(left) &&
				scan->text.ptr[at] == '-' && ue_mask_apply_option(scan, at))
				return true;
			if (right == '-')
				return scan->text.ptr[at] == '-' && ue_mask_apply_dashes(scan, at);
			return ue_mask_may_end_prefix(scan, at) && ue_mask_apply_key(scan, at);
		case TRIGGER_DOT:
			return ue_mask_is_class(left, UE_MASK_WORD) &&
				   ue_mask_is_class(right, UE_MASK_WORD) && apply_dot(scan, left, at);
		case TRIGGER_COLON:
			return apply_colon(scan, at, left, right);
		case TRIGGER_EQUALS:
			return is_name_end(scan, at) && ue_mask_apply_name(scan, at, 1);
		case TRIGGER_AT:
			return ue_mask_is_class(right, UE_MASK_WORD) &&
				   ue_mask_is_class(left, UE_MASK_WORD | UE_MASK_LOCAL) &&
				   ue_mask_apply_email(scan, at, 1);
		case TRIGGER_PERCENT:
			return right >= '2' && right <= '4' && apply_percent(scan, at);
		case TRIGGER_SLASH:
			/* "projects/", "1//0", and the same with "\/" */
			if (left == '\\' && at - scan->floor > 1)
				left = scan->text.ptr[at - 2];
			return (left == 's' || left == '1') && ue_mask_apply_slash(scan, at);
		case TRIGGER_STAR:
			return right == '*' && ue_mask_apply_star(scan, at);
		case TRIGGER_TAG:
			/* between most tags of a page there is nothing, or a line's end */
			return ue_mask_is_class(left, UE_MASK_ALNUM) && right != '<' &&
				   !ue_mask_is_class(right, UE_MASK_BLANK) &&
				   ue_mask_apply_element(scan, at);
		case TRIGGER_BRACKET:
			return (right == '"' || right == '\'' || right == '\\' || right == 'b' ||
					right == ' ') &&
				   ue_mask_apply_pair(scan, at);
		case TRIGGER_WIDE:
			return right == '\xBC' && ue_mask_has(scan, at, UE_SLICE("\xEF\xBC\x9A")) &&
				   is_name_end(scan, at) && ue_mask_apply_name(scan, at, 3);
		case TRIGGER_LETTER:
			return (right == 'z' || right == 'A' || right == 'D' || left == 'A' ||
					left == 'y') &&
				   ue_mask_apply_letter_key(scan, at);
		case TRIGGER_PI:
			return right == 'i' && left == 'a' && ue_mask_apply_dapi(scan, at);
		case TRIGGER_SCHEME:
			right |= 'a' - 'A';
			return (right == 'a' || right == 'e') &&
				   (ue_mask_read(scan, at + 2) | ('a' - 'A')) ==
					   (right == 'a' ? 's' : 'a') &&
				   ue_mask_apply_scheme(scan, at);
		case TRIGGER_LEADER:
			/* "key :value" is a name's */
			return (left == 'e' || left == 'E') && (right == ' ' || right == '%') &&
				   (ue_mask_read(scan, at + 2) != ':' ||
					!ue_mask_is_class(ue_mask_read(scan, at + 3), UE_MASK_ALNUM)) &&
				   ue_mask_apply_leader(scan, at);
		case TRIGGER_JE:
			return right == 'e' && (left == 'o' || left == 'O') &&
				   ue_mask_apply_leader(scan, at);
		case TRIGGER_CC:
			return right == 'c' && (left == 'a' || left == 'A') &&
				   ue_mask_apply_leader(scan, at);
		case TRIGGER_ZA:
			return right == 'a' && (left == 'i' || left == 'I') &&
				   ue_mask_apply_leader(scan, at);
	}
	return false;
}

static bool
apply_dot(UeMaskScan *scan, char left, size_t at)
{
	return ((left == '9' || left == 'Q' || left == 'G' ||
			 ((left == 's' || left == 'b') && at - scan->floor > 2 &&
			  scan->text.ptr[at - 2] == 'v')) &&
			ue_mask_apply_dotted_key(scan, at)) ||
		   (at >= scan->dotted_end && ue_mask_apply_dotted(scan, at));
}

/*
 * Whether a name may end before a separator: two bytes of it, a quote, a bracket, a blank.
 * The last byte may be that of what is encoded: %22, %6E, \u0027, &quot;.
 */
static inline bool
is_name_end(const UeMaskScan *scan, size_t at)
{
	const char *text = scan->text.ptr + at;
	int classes = UE_MASK_ALNUM | UE_MASK_DASH;

	if (at - scan->floor < 3)
		return false;
	if (ue_mask_is_class(text[-1], classes))
		return ue_mask_is_class(text[-2], classes) &&
			   (ue_mask_is_class(text[-3], classes) ||
				/* %22, %5D; and, of a parameter, any letter */
				(text[-3] == '%' && (text[0] == '=' || text[-1] != 'a')));
	return text[-1] == '"' || (text[-1] == ' ' && text[-2] != '/') || text[-1] == '\'' ||
		   text[-1] == '`' || text[-1] == ']' || text[-1] == ';';
}

/*
 * Whether the first colon of an IPv6 address may be here: the next one is never far, and two
 * of them have digits beside them.
 */
static inline bool
may_be_ipv6(const UeMaskScan *scan, size_t at, char left, char right)
{
	size_t n = 2;

	if (right == ':')
		return ue_mask_is_class(left, UE_MASK_HEX) ||
			   ue_mask_is_class(ue_mask_read(scan, at + 2), UE_MASK_HEX);
	if (!ue_mask_is_class(right, UE_MASK_HEX))
		return false;
	while (n <= 4 && ue_mask_is_class(ue_mask_read(scan, at + n), UE_MASK_HEX))
		n++;
	return ue_mask_read(scan, at + n) == ':';
}

/* What follows the colon tells which of the rules are worth asking. */
static inline bool
apply_colon(UeMaskScan *scan, size_t at, char left, char right)
{
	if (at == scan->arn_colon ||
		(right == 'a' && ue_mask_has(scan, at, UE_SLICE(":aws"))))
	{
		if (ue_mask_apply_arn(scan, at))
			return true;
	}
	if ((right == '/' || right == '\\') && ue_mask_apply_url(scan, at))
		return true;
	if (right != ':' && right != '/' && is_name_end(scan, at) &&
		ue_mask_apply_name(scan, at, 1))
		return true;
	return at >= scan->colon_end && may_be_ipv6(scan, at, left, right) &&
		   ue_mask_apply_ipv6(scan, at);
}

/* The last byte of "%253A" and "%253D". */
static bool
is_encoded_separator(char byte)
{
	byte |= 'a' - 'A';
	return byte == 'a' || byte == 'd';
}

/* The same signs in a URL-encoded text. */
static bool
apply_percent(UeMaskScan *scan, size_t at)
{
	char first = ue_mask_read(scan, at + 1);
	char second = ue_mask_read(scan, at + 2);
	/* a digit is not changed by it, and no other letter becomes one of these */
	char letter = (char) (second | ('a' - 'A'));

	if (first == '3' && letter == 'a')
		return (ue_mask_has_fold(scan, at + 3, UE_SLICE("%2f")) &&
				ue_mask_apply_url(scan, at)) ||
			   (ue_mask_read(scan, at + 3) == 'a' &&
				ue_mask_apply_encoded_arn(scan, at)) ||
			   (is_name_end(scan, at) && ue_mask_apply_name(scan, at, 3)) ||
			   (at >= scan->colon_end && ue_mask_apply_encoded_ipv6(scan, at));
	if (first == '3' && letter == 'd')
		return is_name_end(scan, at) && ue_mask_apply_name(scan, at, 3);
	if (first == '2' && second == '5' && ue_mask_read(scan, at + 3) == '3')
		return is_encoded_separator(ue_mask_read(scan, at + 4)) &&
			   is_name_end(scan, at) && ue_mask_apply_name(scan, at, 5);
	if (first == '2' && letter == 'f')
		return ue_mask_apply_refresh_token(scan, at, UE_SLICE("%2f%2f0")) ||
			   ue_mask_apply_project(scan, at, 3);
	if (first == '4' && second == '0')
		return ue_mask_apply_email(scan, at, 3);
	return false;
}

void
ue_mask_write_begin(UeMaskScan *scan, size_t start)
{
	if (start > scan->floor)
		ue_mask_write(scan, ue_mask_cut(scan, scan->floor, start));
	scan->n_outside += start - scan->floor;
	scan->region_at = start;
	if (scan->context > start)
		scan->context = start;
	scan->region_written = scan->buf->len;
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
	if (!is_separator(left) && left != '(')
		return true;
	/* nobody is behind it */
	if (end == scan->text.len && after.len > 0)
		return false;
	if (after.len == 0 || !ue_mask_is_class(after.ptr[after.len - 1], UE_MASK_WORD))
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
	if (scan->folds != NULL)
		ue_mask_note_region(scan->folds, scan->context, end);
	scan->context = SIZE_MAX;
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
