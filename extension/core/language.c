/* SPDX-License-Identifier: PostgreSQL */
/*
 * language.c: which language a client reads.
 *
 * "zh-CN,zh;q=0.9,en;q=0.8": ranges with qualities, 1 when not given.  A subtag narrows a
 * language and never makes it another: zh-Hant reads our Chinese (RFC 4647 3.4, lookup).
 */
#include "core/language.h"

/* Browsers send fewer than ten ranges; what lies behind is not read. */
#define HEADER_HEAD 1024

/* Qualities are counted in thousandths: RFC 9110 allows three digits. */
#define WHOLE_QUALITY 1000

static UeSlice
take_until(UeSlice *rest, UeSlice separator)
{
	UeSlice part;
	size_t at;

	if (!ue_slice_find(*rest, separator, &at))
		at = rest->len;
	part = ue_slice_trim(ue_slice_sub(*rest, 0, at));
	*rest = ue_slice_sub(*rest, at + 1, rest->len);
	return part;
}

/* "0.85" in thousandths; 0, which is "not at all", when it is no quality. */
static int
read_quality(UeSlice text)
{
	int scale = 100;
	int value;

	if (text.len == 0 || text.len > 5 || (text.ptr[0] != '0' && text.ptr[0] != '1') ||
		(text.len > 1 && text.ptr[1] != '.'))
		return 0;
	value = (text.ptr[0] - '0') * WHOLE_QUALITY;
	for (size_t i = 2; i < text.len; i++, scale /= 10)
	{
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return 0;
		value += (text.ptr[i] - '0') * scale;
	}
	return value <= WHOLE_QUALITY ? value : 0;
}

/* The quality among the parameters behind a range; WHOLE_QUALITY when there is none. */
static int
find_quality(UeSlice parameters)
{
	while (!ue_slice_is_empty(parameters))
	{
		UeSlice parameter = take_until(&parameters, UE_SLICE(";"));

		if (ue_slice_has_prefix_fold(parameter, UE_SLICE("q=")))
			return read_quality(ue_slice_sub(parameter, 2, parameter.len));
	}
	return WHOLE_QUALITY;
}

/* zh, zh-CN, zh-Hans-SG */
static bool
is_language(UeSlice range, UeSlice language)
{
	return ue_slice_has_prefix_fold(range, language) &&
		   (range.len == language.len || range.ptr[language.len] == '-');
}

UeLanguage
ue_language_parse(UeSlice accept_language)
{
	UeSlice rest = ue_slice_sub(accept_language, 0, HEADER_HEAD);
	UeLanguage best = UE_LANGUAGE_ENGLISH;
	int best_quality = 0;

	while (!ue_slice_is_empty(rest))
	{
		UeSlice parameters = take_until(&rest, UE_SLICE(","));
		UeSlice range = take_until(&parameters, UE_SLICE(";"));
		int quality = find_quality(parameters);
		bool is_chinese = is_language(range, UE_SLICE("zh"));

		/* the range that takes any language is answered in the default one */
		if (!is_chinese && !is_language(range, UE_SLICE("en")) &&
			!ue_slice_is_equal(range, UE_SLICE("*")))
			continue;
		if (quality > best_quality)
		{
			best = is_chinese ? UE_LANGUAGE_CHINESE : UE_LANGUAGE_ENGLISH;
			best_quality = quality;
		}
	}
	return best;
}
