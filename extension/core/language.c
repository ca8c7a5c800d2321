/* SPDX-License-Identifier: PostgreSQL */
/*
 * language.c: which language a client reads.
 *
 * "zh-CN,zh;q=0.9,en;q=0.8": ranges with qualities, 1 when not given.  A subtag narrows a
 * language and never makes it another: zh-Hant reads our Chinese (RFC 4647 3.4, lookup);
 * and pt is content with pt-BR where that is all there is (3.3.1, basic filtering).
 */
#include "core/language.h"

/* Browsers send fewer than ten ranges; what lies behind is not read. */
#define HEADER_HEAD 1024
#define RANGES_MAX	64

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

/* zh begins zh-CN and zh-Hans-SG, but not zha */
static bool
is_beginning(UeSlice tag, UeSlice of)
{
	return ue_slice_has_prefix_fold(of, tag) &&
		   (of.len == tag.len || of.ptr[tag.len] == '-');
}

/* The tag that a range means; n_tags when none. */
static size_t
find_tag(UeSlice range, const UeSlice *tags, size_t n_tags)
{
	size_t best = n_tags;

	if (ue_slice_is_empty(range))
		return n_tags;
	for (size_t i = 0; i < n_tags; i++)
		if (tags[i].len > 0 && is_beginning(tags[i], range) &&
			(best == n_tags || tags[i].len > tags[best].len))
			best = i;
	for (size_t i = 0; i < n_tags && best == n_tags; i++)
		if (is_beginning(range, tags[i]))
			best = i;
	return best;
}

size_t
ue_language_choose(UeSlice accept_language, const UeSlice *tags, size_t n_tags,
				   size_t fallback)
{
	UeSlice rest = ue_slice_sub(accept_language, 0, HEADER_HEAD);
	size_t best = fallback;
	int best_quality = 0;

	for (int n_ranges = 0; !ue_slice_is_empty(rest) && n_ranges < RANGES_MAX; n_ranges++)
	{
		UeSlice parameters = take_until(&rest, UE_SLICE(","));
		UeSlice range = take_until(&parameters, UE_SLICE(";"));
		int quality = find_quality(parameters);
		size_t tag = find_tag(range, tags, n_tags);

		/* the range that takes any language is answered in the default one */
		if (tag == n_tags && ue_slice_is_equal(range, UE_SLICE("*")))
			tag = fallback;
		else if (tag == n_tags)
			continue;
		if (quality > best_quality)
		{
			best = tag;
			best_quality = quality;
		}
	}
	return best;
}

UeLanguage
ue_language_parse(UeSlice accept_language)
{
	static const UeSlice tags[] = {
		[UE_LANGUAGE_ENGLISH] = UE_SLICE_INIT("en"),
		[UE_LANGUAGE_CHINESE] = UE_SLICE_INIT("zh"),
	};

	return (UeLanguage) ue_language_choose(accept_language, tags, 2, UE_LANGUAGE_ENGLISH);
}
