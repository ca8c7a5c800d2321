/* SPDX-License-Identifier: PostgreSQL */
/*
 * slice.c: comparing, searching and reading slices.
 *
 * memcmp and memchr must not be given NULL even for no bytes, and the empty slice may
 * hold NULL: so the empty cases are answered before libc is asked.
 */
#include "core/slice.h"

#include <string.h>

static char
fold_byte(char byte)
{
	return byte >= 'A' && byte <= 'Z' ? (char) (byte + ('a' - 'A')) : byte;
}

static bool
is_blank(char byte)
{
	return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

bool
ue_slice_are_bytes_equal_fold(const char *a, const char *b, size_t len)
{
	for (size_t i = 0; i < len; i++)
	{
		/* nearly always the same byte */
		if (a[i] != b[i] && fold_byte(a[i]) != fold_byte(b[i]))
			return false;
	}
	return true;
}

UeSlice
ue_slice_of(const char *text)
{
	UeSlice slice = {NULL, 0};

	if (text != NULL)
	{
		slice.ptr = text;
		slice.len = strlen(text);
	}
	return slice;
}

bool
ue_slice_is_empty(UeSlice slice)
{
	return slice.len == 0;
}

bool
ue_slice_has_suffix_fold(UeSlice slice, UeSlice suffix)
{
	return suffix.len == 0 ||
		   (slice.len >= suffix.len &&
			ue_slice_are_bytes_equal_fold(slice.ptr + (slice.len - suffix.len),
										  suffix.ptr, suffix.len));
}

bool
ue_slice_find(UeSlice haystack, UeSlice needle, size_t *at)
{
	const char *here = haystack.ptr;
	size_t n_starts;

	if (needle.len == 0)
	{
		*at = 0;
		return true;
	}
	if (haystack.len < needle.len)
		return false;
	n_starts = haystack.len - needle.len + 1;
	while (n_starts > 0)
	{
		const char *found = memchr(here, needle.ptr[0], n_starts);

		if (found == NULL)
			return false;
		if (memcmp(found, needle.ptr, needle.len) == 0)
		{
			*at = (size_t) (found - haystack.ptr);
			return true;
		}
		n_starts -= (size_t) (found - here) + 1;
		here = found + 1;
	}
	return false;
}

bool
ue_slice_find_fold(UeSlice haystack, UeSlice needle, size_t *at)
{
	char first;

	if (needle.len == 0)
	{
		*at = 0;
		return true;
	}
	first = fold_byte(needle.ptr[0]);
	for (size_t i = 0; i + needle.len <= haystack.len; i++)
	{
		if (fold_byte(haystack.ptr[i]) == first &&
			ue_slice_are_bytes_equal_fold(haystack.ptr + i, needle.ptr, needle.len))
		{
			*at = i;
			return true;
		}
	}
	return false;
}

UeSlice
ue_slice_trim(UeSlice slice)
{
	while (slice.len > 0 && is_blank(slice.ptr[0]))
	{
		slice.ptr++;
		slice.len--;
	}
	while (slice.len > 0 && is_blank(slice.ptr[slice.len - 1]))
		slice.len--;
	return slice;
}

/* Eight at a time: the borrow of a subtraction reaches bit 7. */
bool
ue_slice_has_control(UeSlice slice)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	size_t i = 0;

	for (; i + 8 <= slice.len; i += 8)
	{
		uint64_t word;
		uint64_t rest; /* 0 where the byte is 0x7f */

		memcpy(&word, slice.ptr + i, 8);
		rest = word ^ ones * 0x7f;
		if ((((word - ones * 0x20) & ~word) | ((rest - ones) & ~rest)) & ones * 0x80)
			return true;
	}
	for (; i < slice.len; i++)
	{
		if ((unsigned char) slice.ptr[i] < 0x20 || slice.ptr[i] == 0x7f)
			return true;
	}
	return false;
}

bool
ue_slice_parse_int64(UeSlice slice, int64_t *out)
{
	bool is_negative = false;
	size_t i = 0;
	int64_t value = 0; /* kept negative: that side of the range is the larger one */

	if (slice.len > 0 && (slice.ptr[0] == '-' || slice.ptr[0] == '+'))
	{
		is_negative = slice.ptr[0] == '-';
		i = 1;
	}
	if (i == slice.len)
		return false;
	for (; i < slice.len; i++)
	{
		if (slice.ptr[i] < '0' || slice.ptr[i] > '9')
			return false;
		if (__builtin_mul_overflow(value, 10, &value) ||
			__builtin_sub_overflow(value, slice.ptr[i] - '0', &value))
			return false;
	}
	if (!is_negative && value == INT64_MIN)
		return false;
	*out = is_negative ? value : -value;
	return true;
}
