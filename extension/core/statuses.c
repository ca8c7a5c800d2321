/* SPDX-License-Identifier: PostgreSQL */
/*
 * statuses.c: sets of HTTP statuses.
 */
#include "core/statuses.h"

#include <string.h>

/* What new-api's users write on a Chinese keyboard: U+FF0C in UTF-8. */
#define FULL_WIDTH_COMMA "\xef\xbc\x8c"

/* "100-599", its blanks taken out; longer parts are wrong anyway. */
#define PART_MAX 7

bool
ue_statuses_has(const UeStatuses *set, int status)
{
	int bit = status - UE_STATUSES_MIN;

	if (status < UE_STATUSES_MIN || status > UE_STATUSES_MAX)
		return false;
	return (set->bits[bit / 64] >> (bit % 64) & 1) != 0;
}

bool
ue_statuses_is_empty(const UeStatuses *set)
{
	for (size_t i = 0; i < sizeof(set->bits) / sizeof(set->bits[0]); i++)
		if (set->bits[i] != 0)
			return false;
	return true;
}

void
ue_statuses_add(UeStatuses *set, int first, int last)
{
	for (int status = first; status <= last; status++)
	{
		int bit = status - UE_STATUSES_MIN;

		set->bits[bit / 64] |= UINT64_C(1) << (bit % 64);
	}
}

static bool
is_blank(char byte)
{
	return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* Three digits at *at, which moves behind them; 0 when they are no status. */
static int
read_status(const char *part, size_t len, size_t *at)
{
	int status = 0;

	if (len - *at < 3)
		return 0;
	for (int i = 0; i < 3; i++)
	{
		char digit = part[(*at)++];

		if (digit < '0' || digit > '9')
			return 0;
		status = status * 10 + (digit - '0');
	}
	return status >= UE_STATUSES_MIN && status <= UE_STATUSES_MAX ? status : 0;
}

/* Whether the part, without its blanks, is N or A-B; if so it is in the set. */
static bool
add_part(UeSlice text, UeStatuses *set)
{
	char part[PART_MAX];
	size_t len = 0;
	size_t at = 0;
	int first;
	int last;

	for (size_t i = 0; i < text.len; i++)
	{
		if (is_blank(text.ptr[i]))
			continue;
		if (len == PART_MAX)
			return false;
		part[len++] = text.ptr[i];
	}
	if (len == 0)
		return true;
	first = last = read_status(part, len, &at);
	if (first != 0 && at < len && part[at] == '-')
	{
		at++;
		last = read_status(part, len, &at);
	}
	if (first == 0 || last < first || at != len)
		return false;
	ue_statuses_add(set, first, last);
	return true;
}

/* Length of the comma at an offset; 0: there is none. */
static size_t
find_comma(UeSlice text, size_t at)
{
	if (text.ptr[at] == ',')
		return 1;
	return ue_slice_has_prefix(ue_slice_sub(text, at, text.len),
							   UE_SLICE(FULL_WIDTH_COMMA))
			   ? sizeof(FULL_WIDTH_COMMA) - 1
			   : 0;
}

UeStatus
ue_statuses_parse(UeArena *arena, UeSlice text, UeStatuses *out, UeSlice *bad)
{
	UeStatuses set = {{0}};
	size_t start = 0;
	UeBuf wrong;
	UeStatus status;

	ue_buf_init(&wrong, arena, text.len + text.len + 2);
	for (size_t at = 0; at <= text.len; at++)
	{
		size_t comma = at < text.len ? find_comma(text, at) : 1;
		UeSlice part = ue_slice_trim(ue_slice_sub(text, start, at - start));

		if (comma == 0)
			continue;
		if (!add_part(part, &set))
		{
			if (wrong.len > 0)
				ue_buf_append(&wrong, UE_SLICE(", "));
			ue_buf_append(&wrong, part);
		}
		at += comma - 1;
		start = at + 1;
	}
	status = ue_buf_finish(&wrong, bad);
	if (status != UE_OK)
		return status;
	if (bad->len > 0)
		return UE_INVALID_ARGUMENT;
	*out = set;
	return UE_OK;
}

void
ue_statuses_append(UeBuf *buf, const UeStatuses *set)
{
	bool is_first = true;

	for (int status = UE_STATUSES_MIN; status <= UE_STATUSES_MAX; status++)
	{
		int last = status;

		if (!ue_statuses_has(set, status))
			continue;
		while (ue_statuses_has(set, last + 1))
			last++;
		if (!is_first)
			ue_buf_append_byte(buf, ',');
		ue_buf_append_int64(buf, status);
		if (last > status)
		{
			ue_buf_append_byte(buf, '-');
			ue_buf_append_int64(buf, last);
		}
		is_first = false;
		status = last;
	}
}
