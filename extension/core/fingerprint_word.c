/* SPDX-License-Identifier: PostgreSQL */
/*
 * fingerprint_word.c: words, and which of them are values.
 *
 * A word with a digit in it is one: numbers, versions, dates, ids, keys, hashes, uuids and
 * most names of models need no rule of their own, and an id that happens to be all digits
 * comes out like its neighbours.  What remains are tables: models without a number, names
 * of days and months beside one, units behind one.
 */
#include "core/fingerprint_word.h"

#include "core/limits.h"

/*
 * Families whose members may have no digit: deepseek-chat, gemini-pro, claude-instant.
 * Vendors' model lists as of 2026-11.
 */
static const UeSlice families[] = {
	UE_SLICE_INIT("chatgpt-"),
	UE_SLICE_INIT("claude-"),
	UE_SLICE_INIT("codestral-"),
	UE_SLICE_INIT("command-"),
	UE_SLICE_INIT("dall-e-"),
	UE_SLICE_INIT("deepseek-"),
	UE_SLICE_INIT("doubao-"),
	UE_SLICE_INIT("ernie-"),
	UE_SLICE_INIT("gemini-"),
	UE_SLICE_INIT("gemma-"),
	UE_SLICE_INIT("glm-"),
	UE_SLICE_INIT("gpt-"),
	UE_SLICE_INIT("grok-"),
	UE_SLICE_INIT("hunyuan-"),
	UE_SLICE_INIT("imagen-"),
	UE_SLICE_INIT("jamba-"),
	UE_SLICE_INIT("kimi-"),
	UE_SLICE_INIT("llama-"),
	UE_SLICE_INIT("minimax-"),
	UE_SLICE_INIT("mistral-"),
	UE_SLICE_INIT("mixtral-"),
	UE_SLICE_INIT("moonshot-"),
	UE_SLICE_INIT("nova-"),
	UE_SLICE_INIT("qwen-"),
	UE_SLICE_INIT("sonar-"),
	UE_SLICE_INIT("sora-"),
	UE_SLICE_INIT("text-embedding-"),
	UE_SLICE_INIT("titan-"),
	UE_SLICE_INIT("tts-"),
	UE_SLICE_INIT("veo-"),
	UE_SLICE_INIT("whisper-"),
};

/* Days and months, whole or by their first three letters (RFC 9110 5.6.7). */
static const UeSlice dates[] = {
	UE_SLICE_INIT("monday"),	UE_SLICE_INIT("tuesday"), UE_SLICE_INIT("wednesday"),
	UE_SLICE_INIT("thursday"),	UE_SLICE_INIT("friday"),  UE_SLICE_INIT("saturday"),
	UE_SLICE_INIT("sunday"),	UE_SLICE_INIT("january"), UE_SLICE_INIT("february"),
	UE_SLICE_INIT("march"),		UE_SLICE_INIT("april"),	  UE_SLICE_INIT("may"),
	UE_SLICE_INIT("june"),		UE_SLICE_INIT("july"),	  UE_SLICE_INIT("august"),
	UE_SLICE_INIT("september"), UE_SLICE_INIT("october"), UE_SLICE_INIT("november"),
	UE_SLICE_INIT("december"),
};

/* Behind a number these belong to it: "in 1 minute" and "in 20 seconds" are one fault. */
static const UeSlice units[] = {
	UE_SLICE_INIT("ms"),	  UE_SLICE_INIT("millisecond"), UE_SLICE_INIT("milliseconds"),
	UE_SLICE_INIT("s"),		  UE_SLICE_INIT("sec"),			UE_SLICE_INIT("secs"),
	UE_SLICE_INIT("second"),  UE_SLICE_INIT("seconds"),		UE_SLICE_INIT("m"),
	UE_SLICE_INIT("min"),	  UE_SLICE_INIT("mins"),		UE_SLICE_INIT("minute"),
	UE_SLICE_INIT("minutes"), UE_SLICE_INIT("h"),			UE_SLICE_INIT("hour"),
	UE_SLICE_INIT("hours"),	  UE_SLICE_INIT("d"),			UE_SLICE_INIT("day"),
	UE_SLICE_INIT("days"),	  UE_SLICE_INIT("am"),			UE_SLICE_INIT("pm"),
	UE_SLICE_INIT("utc"),	  UE_SLICE_INIT("gmt"),			UE_SLICE_INIT("z"),
};

/* Bytes of punctuation that a word may begin with: "--flag", "+$5". */
#define MAX_LEADING 3

#define N_ROWS(table) (sizeof(table) / sizeof((table)[0]))

static size_t find_url_end(UeSlice text, size_t at);
static bool is_inside_word(char byte);
static bool has_mark(UeSlice word);
static bool is_model(UeSlice word);
static bool is_date(UeSlice word, UeSlice behind);
static bool is_date_name(UeSlice word);
static bool begins_like_date(int first, int second);
static bool is_unit(UeSlice word);
static bool is_digit(char byte);

size_t
ue_fingerprint_find_word(UeSlice text)
{
	size_t len = 0;
	bool has_core = false; /* a byte that no punctuation is made of */

	while (len < text.len && is_inside_word(text.ptr[len]))
	{
		/* a drawn line is not looked through again from each of its dashes */
		if (!has_core && len == MAX_LEADING)
			return 0;
		has_core =
			has_core || ue_fingerprint_is_letter(text.ptr[len]) || text.ptr[len] == '*';
		len++;
	}
	if (!has_core)
		return 0;
	if (len + 2 < text.len && text.ptr[len] == ':' && text.ptr[len + 1] == '/' &&
		text.ptr[len + 2] == '/')
		len = find_url_end(text, len);
	while (len > 1 && (text.ptr[len - 1] == '.' || text.ptr[len - 1] == '-' ||
					   text.ptr[len - 1] == '/'))
		len--;
	return len;
}

bool
ue_fingerprint_is_path(UeSlice word)
{
	bool has_number = false;
	bool is_number = false; /* the part that at is in */
	bool is_first = true;

	for (size_t at = 0; at < word.len; at++)
	{
		char byte = word.ptr[at];

		if (at == 0 || word.ptr[at - 1] == '.')
		{
			is_number = is_digit(byte);
			if (is_number && is_first)
				return false;
			has_number = has_number || is_number;
			is_first = false;
		}
		if (byte == '.')
		{
			if (at == 0 || word.ptr[at - 1] == '.')
				return false;
			continue;
		}
		if (is_digit(byte) != is_number ||
			(!is_number && !ue_fingerprint_is_letter(byte) && byte != '_'))
			return false;
	}
	return has_number && word.len <= UE_LIMIT_FINGERPRINT_WORD;
}

bool
ue_fingerprint_is_value(UeSlice word, UeSlice behind, bool is_after_value)
{
	if (word.len > UE_LIMIT_FINGERPRINT_WORD || has_mark(word) || is_model(word))
		return true;
	if (is_after_value)
		return is_unit(word) || is_date_name(word);
	return is_date(word, behind);
}

bool
ue_fingerprint_is_letter(char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || is_digit(byte);
}

/* From its colon on a URL goes to a blank, or to what quotes or brackets it. */
static size_t
find_url_end(UeSlice text, size_t at)
{
	while (at < text.len)
	{
		unsigned char byte = (unsigned char) text.ptr[at];

		if (byte <= ' ' || byte >= 0x7f || byte == '"' || byte == '\'' || byte == '`' ||
			byte == '<' || byte == '>' || byte == ')' || byte == ']' || byte == '}' ||
			byte == ',')
			break;
		at++;
	}
	return at;
}

static bool
is_inside_word(char byte)
{
	switch (byte)
	{
		case '_':
		case '-':
		case '.':
		case '/':
		case '@':
		case '+':
		case '%':
		case '*':
		case '$':
		case '~':
			return true;
		default: /* bytes are no enum of ours */
			return ue_fingerprint_is_letter(byte);
	}
}

/* A digit, an address, a URL, or the stars of the mask. */
static bool
has_mark(UeSlice word)
{
	int n_stars = 0;

	for (size_t at = 0; at < word.len; at++)
	{
		n_stars = word.ptr[at] == '*' ? n_stars + 1 : 0;
		if (n_stars == 3 || is_digit(word.ptr[at]) || word.ptr[at] == '@' ||
			word.ptr[at] == ':')
			return true;
	}
	return false;
}

/* Also behind a vendor: models/gemini-pro, anthropic.claude-instant. */
static bool
is_model(UeSlice word)
{
	size_t at;

	/* every family's name has a dash in it, few words have */
	if (!ue_slice_find(word, UE_SLICE("-"), &at))
		return false;
	for (at = 0; at < word.len; at++)
	{
		UeSlice part = ue_slice_sub(word, at, word.len);

		if (at > 0 && word.ptr[at - 1] != '/' && word.ptr[at - 1] != '.')
			continue;
		for (size_t i = 0; i < N_ROWS(families); i++)
			if (ue_slice_has_prefix_fold(part, families[i]) && part.len > families[i].len)
				return true;
	}
	return false;
}

/* The name of a day or month that a number follows, perhaps behind another such name. */
static bool
is_date(UeSlice word, UeSlice behind)
{
	for (int n_names = 1; n_names <= 2 && is_date_name(word); n_names++)
	{
		size_t at = 0;

		while (at < behind.len && at < 3 &&
			   (behind.ptr[at] == ' ' || behind.ptr[at] == ',' || behind.ptr[at] == '.'))
			at++;
		behind = ue_slice_sub(behind, at, behind.len);
		if (behind.len > 0 && is_digit(behind.ptr[0]))
			return true;
		/* no name is longer than "wednesday" */
		word = ue_slice_sub(behind, 0,
							ue_fingerprint_find_word(ue_slice_sub(behind, 0, 12)));
		behind = ue_slice_sub(behind, word.len, behind.len);
	}
	return false;
}

static bool
is_date_name(UeSlice word)
{
	if (word.len < 3 || !begins_like_date(word.ptr[0] | 0x20, word.ptr[1] | 0x20))
		return false;
	for (size_t i = 0; i < N_ROWS(dates); i++)
	{
		if (ue_slice_is_equal_fold(word, dates[i]) ||
			(word.len == 3 && ue_slice_has_prefix_fold(dates[i], word)))
			return true;
	}
	return false;
}

/* Asked of each word, before the table: how its rows begin. */
static bool
begins_like_date(int first, int second)
{
	switch (first)
	{
		case 'a':
			return second == 'p' || second == 'u';
		case 'd':
		case 'w':
			return second == 'e';
		case 'f':
			return second == 'e' || second == 'r';
		case 'j':
			return second == 'a' || second == 'u';
		case 'm':
			return second == 'a' || second == 'o';
		case 'n':
			return second == 'o';
		case 'o':
			return second == 'c';
		case 's':
			return second == 'a' || second == 'e' || second == 'u';
		case 't':
			return second == 'h' || second == 'u';
		default: /* bytes are no enum of ours */
			return false;
	}
}

static bool
is_unit(UeSlice word)
{
	for (size_t i = 0; i < N_ROWS(units); i++)
		if (ue_slice_is_equal_fold(word, units[i]))
			return true;
	return false;
}

static bool
is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}
