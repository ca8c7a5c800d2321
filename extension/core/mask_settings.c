/* SPDX-License-Identifier: PostgreSQL */
/*
 * mask_settings.c: what an operator hides on top of the built-in rules, and which hosts
 * never.
 *
 * A replacement writes stars only and consumes at least one byte that is none, so however
 * the patterns and the built-in rules play into each other's hands, the bytes that can be
 * replaced become fewer: the text comes to rest, and no longer than three times as long.
 * Matches that touch become one "***", so not even their number shows.
 */
#include "core/mask_scan.h"

#include <string.h>

#include "core/limits.h"
#include "core/utf8.h"

/* One pattern over one text. */
typedef struct PatternPass
{
	UeSlice text;	 /* what is copied from */
	UeSlice subject; /* the same, as valid UTF-8, byte for byte in the same places */
	UeBuf *buf;
	UeBuf probe; /* scratch of the scans over single matches */
	size_t done; /* of text, what is in buf */
} PatternPass;

/* A label of a host name is no longer (RFC 1035, 2.3.4). */
#define LONGEST_LABEL 63

/* Letters of both cases in a shorter one are no key. */
#define MIN_MIXED_LABEL 8

static bool is_host_listed(const UeMaskSettings *settings, UeSlice host);
static UeStatus copy_valid(UeArena *arena, UeSlice text, UeSlice *out);
static size_t find_next(const PatternPass *pass, size_t offset, size_t end);
static UeStatus apply_span(PatternPass *pass, UePatternSpan span);

/* What all matches in a text may cost: an error body as much as one match anywhere. */
static size_t
count_steps(size_t len)
{
	if (len <= UE_LIMIT_BODY)
		return UE_LIMIT_PATTERN_STEPS;
	return len * (UE_LIMIT_PATTERN_STEPS / UE_LIMIT_BODY + 1);
}

UeStatus
ue_mask_apply_pattern(UeArena *arena, UeBuf *buf, const UePattern *pattern, UeSlice text,
					  UeSlice *out)
{
	PatternPass pass = {.text = text, .buf = buf};
	size_t offset = 0;
	size_t steps = count_steps(text.len);
	UeStatus status = copy_valid(arena, text, &pass.subject);

	buf->len = 0;
	ue_buf_init(&pass.probe, arena, SIZE_MAX - 1);
	while (status == UE_OK && offset <= text.len)
	{
		UePatternResult result;
		UePatternSpan span;

		status = ue_pattern_find_next(pattern, arena, pass.subject, offset, &steps,
									  &result, &span);
		if (status != UE_OK || result == UE_PATTERN_MISS)
			break;
		if (result == UE_PATTERN_LIMIT)
		{
			*out = UE_SLICE("***");
			return UE_OK;
		}
		offset = find_next(&pass, offset, span.end);
		status = apply_span(&pass, span);
	}
	if (status != UE_OK)
		return status;
	*out = text;
	if (pass.done == 0)
		return UE_OK;
	ue_buf_append(buf, ue_slice_sub(text, pass.done, text.len));
	return ue_buf_finish(buf, out);
}

/*
 * PCRE2 wants valid UTF-8, and a secret may stand beside bytes that are none.  Each of those
 * is shown to the pattern as SUB, which no word, blank or punctuation is.
 */
static UeStatus
copy_valid(UeArena *arena, UeSlice text, UeSlice *out)
{
	char *copy;
	size_t at = 0;

	*out = text;
	if (text.len == 0 || ue_utf8_is_valid(text))
		return UE_OK;
	copy = ue_arena_allocate(arena, text.len);
	if (copy == NULL)
		return UE_NO_MEMORY;
	memcpy(copy, text.ptr, text.len);
	while (at < text.len)
	{
		uint32_t code_point;
		size_t len = ue_utf8_read(ue_slice_sub(text, at, text.len), &code_point);

		if (len == 0)
			copy[at++] = '\x1A';
		else
			at += len;
	}
	*out = (UeSlice){copy, text.len};
	return UE_OK;
}

/* Behind a match; behind the next character where it is empty, so that the search ends. */
static size_t
find_next(const PatternPass *pass, size_t offset, size_t end)
{
	uint32_t code_point;

	if (end > offset)
		return end;
	if (offset == pass->subject.len)
		return offset + 1;
	return offset + ue_utf8_read(ue_slice_sub(pass->subject, offset, pass->subject.len),
								 &code_point);
}

/* What nothing would be hidden in: stars, and what the built-in rules would write again. */
static UeStatus
read_masked(PatternPass *pass, UeSlice match, bool *is_masked)
{
	UeMaskScan scan = {.text = match, .buf = &pass->probe};
	size_t at;

	*is_masked = ue_mask_find_end(&scan, 0, UE_MASK_STAR) == match.len;
	if (*is_masked || !ue_slice_find(match, UE_SLICE("***"), &at))
		return UE_OK;
	ue_mask_scan(&scan);
	*is_masked = !scan.is_changed && scan.n_outside == 0;
	return pass->probe.status;
}

static UeStatus
apply_span(PatternPass *pass, UePatternSpan span)
{
	bool has_group = span.group_start != SIZE_MAX;
	size_t start = has_group ? span.group_start : span.start;
	size_t end = has_group ? span.group_end : span.end;
	UeBuf *buf = pass->buf;
	bool is_masked;
	UeStatus status;

	/* a group in a look-behind may reach back into the match before */
	if (start < pass->done)
		start = pass->done;
	if (start >= end)
		return UE_OK;
	status = read_masked(pass, ue_slice_sub(pass->text, start, end - start), &is_masked);
	if (status != UE_OK || is_masked)
		return status;
	ue_buf_append(buf, ue_slice_sub(pass->text, pass->done, start - pass->done));
	if (buf->len < 3 || memcmp(buf->ptr + buf->len - 3, "***", 3) != 0)
		ue_buf_append(buf, UE_SLICE("***"));
	pass->done = end;
	return buf->status;
}

bool
ue_mask_is_host_shown(const UeMaskScan *scan, UeSlice host)
{
	if (scan->settings == NULL || scan->settings->n_hosts == 0)
		return false;
	/* an address in brackets, and the root's dot: "example.com." */
	if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
		host = ue_slice_sub(host, 1, host.len - 2);
	else if (host.len > 1 && host.ptr[host.len - 1] == '.')
		host.len--;
	return host.len > 0 && is_host_listed(scan->settings, host);
}

static bool
is_label_shown(UeSlice label)
{
	char room[4 * LONGEST_LABEL];
	UeBuf buf = {.ptr = room, .size = sizeof(room), .ceiling = sizeof(room) - 1};
	UeMaskScan scan = {.text = label, .buf = &buf};

	int classes = 0;

	if (label.len == 0 || label.len > LONGEST_LABEL ||
		ue_mask_find_end(&scan, 0, UE_MASK_ALNUM | UE_MASK_DASH) < label.len)
		return false;
	/* part of a key with dots: DNS knows no case, so nobody mixes them in a name */
	for (size_t i = 0; i < label.len; i++)
		classes |= ue_mask_classes[(unsigned char) label.ptr[i]];
	if (label.len >= MIN_MIXED_LABEL && (classes & UE_MASK_LOWER) != 0 &&
		(classes & UE_MASK_UPPER) != 0)
		return false;
	ue_mask_scan(&scan);
	return !scan.is_changed;
}

/* The labels below a domain that is shown are shown too, unless a key is among them. */
static bool
is_below_shown(UeSlice labels)
{
	size_t dot;

	while (ue_slice_find(labels, UE_SLICE("."), &dot))
	{
		if (!is_label_shown(ue_slice_sub(labels, 0, dot)))
			return false;
		labels = ue_slice_sub(labels, dot + 1, labels.len);
	}
	return is_label_shown(labels);
}

static bool
is_host_listed(const UeMaskSettings *settings, UeSlice host)
{
	for (size_t i = 0; i < settings->n_hosts; i++)
	{
		UeSlice listed = settings->hosts[i];

		if (listed.len == 0)
			continue;
		if (listed.ptr[0] != '.')
		{
			if (host.len == listed.len && ue_slice_is_equal_fold(host, listed))
				return true;
		}
		else if (host.len + 1 == listed.len)
		{
			if (ue_slice_is_equal_fold(host, ue_slice_sub(listed, 1, host.len)))
				return true;
		}
		else if (host.len > listed.len && ue_slice_has_suffix_fold(host, listed) &&
				 is_below_shown(ue_slice_sub(host, 0, host.len - listed.len)))
			return true;
	}
	return false;
}
