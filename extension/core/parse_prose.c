/* SPDX-License-Identifier: PostgreSQL */
/*
 * parse_prose.c: a wait that a sentence tells.
 *
 * Only behind words that announce one, and only in a form that has one meaning: a length
 * with its unit, an instant with its zone, an hour of the day in UTC.  "3pm" alone is no
 * hint, for nobody says whose afternoon it is.
 */
#include "core/limits.h"
#include "core/parse_fields.h"
#include "core/phrase.h"

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

/* How far into a message a wait is looked for. */
#define MESSAGE_HEAD 2048

#define MS_PER_DAY	  86400000LL
#define MS_PER_HOUR	  3600000LL
#define MS_PER_MINUTE 60000LL

enum
{
	BARE = 1,	 /* a number without a unit, in seconds */
	LENGTH = 2,	 /* 5 minutes */
	INSTANT = 4, /* 2026-11-21T00:05:00Z, 3pm UTC */
};

typedef struct Phrase
{
	UeSlice text; /* with its blank */
	int forms;
} Phrase;

static const Phrase phrases[] = {
	{UE_SLICE_INIT("try again in "), BARE | LENGTH},		  /* OpenAI, Groq */
	{UE_SLICE_INIT("retry in "), BARE | LENGTH},			  /* Gemini */
	{UE_SLICE_INIT("retry after "), BARE | LENGTH | INSTANT}, /* Azure */
	{UE_SLICE_INIT("try again after "), BARE | LENGTH | INSTANT},
	{UE_SLICE_INIT("will reset after "), BARE | LENGTH | INSTANT}, /* Code Assist */
	{UE_SLICE_INIT("retrying in "), BARE | LENGTH},
	{UE_SLICE_INIT("expected available in "), BARE | LENGTH}, /* Replicate, Django */
	{UE_SLICE_INIT("resets in "), LENGTH},					  /* Antigravity */
	{UE_SLICE_INIT("reset in "), LENGTH},
	{UE_SLICE_INIT("available in "), LENGTH},
	{UE_SLICE_INIT("available again in "), LENGTH},
	{UE_SLICE_INIT("please wait "), LENGTH},
	{UE_SLICE_INIT("resets at "), INSTANT},
	{UE_SLICE_INIT("resets on "), INSTANT},
	{UE_SLICE_INIT("resets "), INSTANT},   /* Claude Code: "resets 3pm (UTC)" */
	{UE_SLICE_INIT("reset at "), INSTANT}, /* Claude Code: "will reset at 3pm (UTC)" */
	{UE_SLICE_INIT("reset on "), INSTANT},
	{UE_SLICE_INIT("try again at "), INSTANT},
	{UE_SLICE_INIT("try again on "), INSTANT},
	{UE_SLICE_INIT("retry at "), INSTANT},
	{UE_SLICE_INIT("available at "), INSTANT},
	{UE_SLICE_INIT("until "), INSTANT},
	/* Chinese names the length first: "请在 5 分钟后重试"; an instant behind these */
	{UE_SLICE_INIT("\xe8\xaf\xb7\xe5\x9c\xa8"), LENGTH | INSTANT}, /* 请在 */
	{UE_SLICE_INIT("\xe8\xaf\xb7\xe4\xba\x8e"), LENGTH | INSTANT}, /* 请于 */
	{UE_SLICE_INIT("\xe8\xaf\xb7"), LENGTH},					   /* 请 */
};

static const UeSlice fillers[] = {
	UE_SLICE_INIT("about "),	UE_SLICE_INIT("approximately "),
	UE_SLICE_INIT("at least "), UE_SLICE_INIT("another "),
	UE_SLICE_INIT("for "),		UE_SLICE_INIT("~"),
};

typedef struct ChineseUnit
{
	UeSlice name;
	int64_t ms;
} ChineseUnit;

/* each with 后, "after": without it a length is a limit's window */
static const ChineseUnit chinese_units[] = {
	{UE_SLICE_INIT("\xe7\xa7\x92\xe5\x90\x8e"), 1000},						/* 秒后 */
	{UE_SLICE_INIT("\xe5\x88\x86\xe9\x92\x9f\xe5\x90\x8e"), MS_PER_MINUTE}, /* 分钟后 */
	{UE_SLICE_INIT("\xe5\xb0\x8f\xe6\x97\xb6\xe5\x90\x8e"), MS_PER_HOUR}, /* 小时后 */
	{UE_SLICE_INIT("\xe4\xb8\xaa\xe5\xb0\x8f\xe6\x97\xb6\xe5\x90\x8e"), MS_PER_HOUR},
	{UE_SLICE_INIT("\xe5\xa4\xa9\xe5\x90\x8e"), MS_PER_DAY}, /* 天后 */
};

static bool
is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

/* Takes up to four digits off *rest. */
static bool
take_number(UeSlice *rest, int64_t *out)
{
	size_t len = 0;

	while (len < rest->len && is_digit(rest->ptr[len]))
		len++;
	if (len == 0 || len > 4 || !ue_slice_parse_int64(ue_slice_sub(*rest, 0, len), out))
		return false;
	*rest = ue_slice_sub(*rest, len, rest->len);
	return true;
}

static bool
take_fold(UeSlice *rest, UeSlice word)
{
	if (!ue_slice_has_prefix_fold(*rest, word))
		return false;
	*rest = ue_slice_sub(*rest, word.len, rest->len);
	return true;
}

static bool
read_chinese_length(UeSlice text, int64_t *wait)
{
	int64_t number;

	if (!take_number(&text, &number))
		return false;
	(void) take_fold(&text, UE_SLICE(" "));
	for (size_t i = 0; i < N_ELEMENTS(chinese_units); i++)
		if (ue_slice_has_prefix(text, chinese_units[i].name))
		{
			*wait = number * chinese_units[i].ms;
			return true;
		}
	return false;
}

static bool
read_length(UeSlice text, int forms, int64_t *wait)
{
	size_t len;

	if (!ue_parse_duration(text, 1000, &len, wait))
		return read_chinese_length(text, wait);
	/* a bare number ends with its last digit */
	if (len > 0 && is_digit(text.ptr[len - 1]))
	{
		int64_t chinese;

		if (read_chinese_length(text, &chinese))
		{
			*wait = chinese;
			return true;
		}
		return (forms & BARE) != 0;
	}
	return true;
}

/* "UTC", "(UTC)", "GMT", "Z" */
static bool
take_utc(UeSlice *rest)
{
	(void) take_fold(rest, UE_SLICE(" "));
	(void) take_fold(rest, UE_SLICE("("));
	return take_fold(rest, UE_SLICE("UTC")) || take_fold(rest, UE_SLICE("GMT")) ||
		   take_fold(rest, UE_SLICE("Z"));
}

/* "3pm (UTC)", "3:30 pm UTC", "15:00 UTC", "midnight UTC": the next one. */
static bool
read_clock(UeSlice text, int64_t now_ms, int64_t *when)
{
	int64_t hour = 0;
	int64_t minute = 0;
	bool has_minute = false;
	bool is_pm = false;
	bool has_half;

	if (!take_fold(&text, UE_SLICE("midnight")))
	{
		if (!take_number(&text, &hour))
			return false;
		if (take_fold(&text, UE_SLICE(":")))
		{
			has_minute = true;
			if (!take_number(&text, &minute))
				return false;
		}
		(void) take_fold(&text, UE_SLICE(" "));
		is_pm = take_fold(&text, UE_SLICE("pm"));
		has_half = is_pm || take_fold(&text, UE_SLICE("am"));
		if (minute > 59 || hour > 23 || (!has_half && !has_minute) ||
			(has_half && (hour < 1 || hour > 12)))
			return false;
		if (has_half)
			hour = hour % 12 + (is_pm ? 12 : 0);
	}
	if (!take_utc(&text))
		return false;
	*when = now_ms - now_ms % MS_PER_DAY + hour * MS_PER_HOUR + minute * MS_PER_MINUTE;
	if (*when < now_ms)
		*when += MS_PER_DAY;
	return true;
}

/* RFC 3339, "2026-11-21 00:05:00 UTC", or an HTTP-date. */
static bool
read_date(UeSlice text, int64_t *when)
{
	static const size_t http_lengths[] = {29, 24};
	char plain[20];
	size_t len = 19;
	UeSlice zone;

	for (size_t i = 0; i < N_ELEMENTS(http_lengths); i++)
		if (ue_parse_http_date(ue_slice_sub(text, 0, http_lengths[i]), when))
			return true;
	if (text.len < len)
		return false;
	if (len < text.len && text.ptr[len] == '.')
		for (len++; len < text.len && is_digit(text.ptr[len]);)
			len++;
	if (ue_parse_rfc3339(ue_slice_sub(text, 0, len + 1), when) ||
		ue_parse_rfc3339(ue_slice_sub(text, 0, len + 6), when))
		return true;
	zone = ue_slice_sub(text, len, text.len);
	if (!take_utc(&zone))
		return false;
	for (size_t i = 0; i < 19; i++)
		plain[i] = text.ptr[i];
	plain[19] = 'Z';
	return ue_parse_rfc3339((UeSlice){plain, 20}, when);
}

static bool
read_instant(UeSlice text, int64_t now_ms, int64_t *wait)
{
	int64_t when;

	if (now_ms <= 0 || (!read_date(text, &when) && !read_clock(text, now_ms, &when)))
		return false;
	*wait = when - now_ms;
	return true;
}

static bool
read_wait(UeSlice text, int forms, int64_t now_ms, int64_t *wait)
{
	for (size_t i = 0; i < N_ELEMENTS(fillers); i++)
		if (take_fold(&text, fillers[i]))
			break;
	text = ue_slice_sub(text, text.len > 0 && text.ptr[0] == ' ' ? 1 : 0, text.len);
	/* a date begins with a number too */
	if ((forms & INSTANT) && read_instant(text, now_ms, wait))
		return true;
	return (forms & LENGTH) && !(text.len > 4 && text.ptr[4] == '-') &&
		   read_length(text, forms, wait);
}

/* Where each phrase is found first, or MESSAGE_HEAD, in one pass over the text. */
static void
find_phrases(UeSlice head, size_t *places)
{
	UePhraseFilter filter;

	ue_phrase_init(&filter);
	for (size_t i = 0; i < N_ELEMENTS(phrases); i++)
	{
		ue_phrase_append(&filter, phrases[i].text);
		places[i] = MESSAGE_HEAD;
	}
	for (size_t at = 0; ue_phrase_next(&filter, head, at, &at); at++)
	{
		UeSlice rest = ue_slice_sub(head, at, head.len);

		for (size_t i = 0; i < N_ELEMENTS(phrases); i++)
			if (places[i] == MESSAGE_HEAD &&
				ue_slice_has_prefix_fold(rest, phrases[i].text))
				places[i] = at;
	}
}

bool
ue_parse_prose_wait(UeSlice message, int64_t now_ms, int64_t *out)
{
	UeSlice head = ue_slice_sub(message, 0, MESSAGE_HEAD);
	size_t places[N_ELEMENTS(phrases)];

	find_phrases(head, places);
	/* in the order of the table, not of the text */
	for (size_t i = 0; i < N_ELEMENTS(phrases); i++)
	{
		int64_t wait;

		if (places[i] < MESSAGE_HEAD &&
			read_wait(ue_slice_sub(head, places[i] + phrases[i].text.len, head.len),
					  phrases[i].forms, now_ms, &wait) &&
			wait >= 0 && wait <= UE_LIMIT_RETRY_AFTER_MS)
		{
			*out = wait;
			return true;
		}
	}
	return false;
}
