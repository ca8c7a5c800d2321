/* SPDX-License-Identifier: PostgreSQL */
/*
 * mask_word.c: what a word of a sentence says about the next one.
 *
 *   Bearer …   Basic …                 the first may stand in any sentence about it
 *   project 583921034567               and account, with a number that is none of things
 *   organization d1f8a929-344a-…       with a UUID
 *   API key 3f9a8b7c6d5e4f30…          without a colon, and without a beginning we know
 */
#include "core/mask_scan.h"

#include <string.h>

/* Words after "Bearer" in sentences about authentication, none of them a token. */
static const UeSlice bearer_words[] = {
	UE_SLICE_INIT("token"),
	UE_SLICE_INIT("tokens"),
	UE_SLICE_INIT("auth"),
	UE_SLICE_INIT("authentication"),
	UE_SLICE_INIT("authorization"),
	UE_SLICE_INIT("scheme"),
	UE_SLICE_INIT("header"),
	UE_SLICE_INIT("headers"),
	UE_SLICE_INIT("type"),
	UE_SLICE_INIT("method"),
	UE_SLICE_INIT("prefix"),
	UE_SLICE_INIT("format"),
	UE_SLICE_INIT("credential"),
	UE_SLICE_INIT("credentials"),
	UE_SLICE_INIT("error"),
	UE_SLICE_INIT("realm"),
	UE_SLICE_INIT("key"),
	UE_SLICE_INIT("keys"),
	UE_SLICE_INIT("or"),
	UE_SLICE_INIT("and"),
	UE_SLICE_INIT("is"),
	UE_SLICE_INIT("in"),
	UE_SLICE_INIT("not"),
	UE_SLICE_INIT("was"),
	UE_SLICE_INIT("must"),
	UE_SLICE_INIT("required"),
	UE_SLICE_INIT("bearer"), /* twice: the second has the token */
	UE_SLICE_INIT("basic"),
};

#define LONGEST_BEARER_WORD 14

/* What must follow the word for it to be hidden. */
typedef enum Follower
{
	FOLLOWER_NUMBER = 0, /* min_len digits */
	FOLLOWER_UUID,
	FOLLOWER_KEY, /* min_len letters and digits in a row, of mixed kinds; or a UUID */
} Follower;

typedef struct Leader
{
	UeSlice word;
	size_t trigger; /* offset of the letter at which the scan stops, the rarest of it */
	Follower follower;
	size_t min_len;
} Leader;

/*
 * Google's project numbers have 11 digits and more (seen in its own errors), AWS's account
 * ids 12, Volcengine's 10; Anthropic's organisation ids are UUIDs.  Keys without a prefix:
 * 32 hexadecimal digits (Azure, Mistral and others).
 */
static const Leader leaders[] = {
	{UE_SLICE_INIT("key"), 2, FOLLOWER_KEY, 20},
	{UE_SLICE_INIT("account"), 1, FOLLOWER_NUMBER, 8},
	{UE_SLICE_INIT("project"), 3, FOLLOWER_NUMBER, 11},
	{UE_SLICE_INIT("organization"), 6, FOLLOWER_UUID, 0},
};

#define N_ROWS(table) (sizeof(table) / sizeof((table)[0]))

/* Between the word and what follows: " ", " [", " id: (" … */
#define LONGEST_LINK 6

#define UUID_LEN 36

/* A credential shows within so many bytes that it is no word of a sentence. */
#define LONGEST_LOOK 256

/*
 * Without the full stops behind it.  "Bearer+x" may stand in the credential of another:
 * looked at once.
 */
static size_t
find_credential_end(UeMaskScan *scan, size_t start)
{
	size_t end;

	if (start >= scan->credential.start && start <= scan->credential.end)
		return scan->credential.end;
	end = ue_mask_find_end(scan, start, UE_MASK_WORD | UE_MASK_TOKEN);
	while (end > start && scan->text.ptr[end - 1] == '.')
		end--;
	scan->credential = (UeMaskRun){start, end};
	return end;
}

/*
 * Looks at [start, end); what was looked at before, for another scheme in the same
 * credential, is not looked at again: "xbearer+xbearer+…" has one every eight bytes.
 */
static const UeMaskLook *
read_look(UeMaskScan *scan, size_t start, size_t end)
{
	UeMaskLook *look = &scan->look;

	if (start < look->start || start > look->end)
		*look = (UeMaskLook){.start = start, .end = start};
	for (; look->end < end; look->end++)
	{
		int class = ue_mask_classes[(unsigned char) scan->text.ptr[look->end]];

		if ((class & UE_MASK_LOWER) != 0)
			look->lower = look->end + 1;
		else if ((class & UE_MASK_UPPER) != 0)
		{
			look->upper = look->end + 1;
			look->inner_lower = look->lower;
		}
		else if ((class & UE_MASK_DIGIT) != 0)
			look->digit = look->end + 1;
		else if ((class & UE_MASK_STAR) != 0)
			look->star = look->end + 1;
	}
	return look;
}

/* The same as ue_mask_is_glued_key of [start, end), at less cost. */
static bool
is_glued_look(UeMaskScan *scan, size_t start, size_t end)
{
	const UeMaskLook *look = read_look(scan, start, end);

	return end - start >= UE_MASK_MIN_GLUED_LEN && look->lower > start &&
		   look->upper > start;
}

/* The same as ue_mask_is_random of it. */
static bool
is_random_look(UeMaskScan *scan, size_t start, size_t end)
{
	const UeMaskLook *look = read_look(scan, start, end);

	return look->star > start || look->inner_lower > start ||
		   (look->digit > start && (look->lower > start || look->upper > start));
}

/* "Bearer " and "Basic " with a token behind them (RFC 6750, RFC 7617). */
bool
ue_mask_apply_scheme(UeMaskScan *scan, size_t at)
{
	char second = ue_mask_read(scan, at + 1);
	bool is_bearer = second == 'e' || second == 'E';
	size_t start = at + (is_bearer ? 6 : 5);
	size_t blanks_at = start;
	size_t end;
	size_t look_end;
	UeSlice word;

	if (!is_bearer && second != 'a' && second != 'A')
		return false;
	/* the first three letters are known */
	if (!ue_mask_has_fold(scan, at + 3, is_bearer ? UE_SLICE("rer") : UE_SLICE("ic")))
		return false;
	while (ue_mask_read(scan, start) == ' ' || ue_mask_read(scan, start) == '+')
		start++;
	if (ue_mask_has(scan, start, UE_SLICE("%20")))
		start += 3;
	if (start == blanks_at)
		return false;
	end = find_credential_end(scan, start);
	word = ue_slice_sub(scan->text, start, end - start);
	look_end = word.len > LONGEST_LOOK ? start + LONGEST_LOOK : end;
	if (word.len == 0 ||
		(!ue_mask_is_word_start(scan, at) && !is_glued_look(scan, start, look_end)) ||
		/* "Basic plan" is a plan */
		(!is_bearer && !is_random_look(scan, start, look_end) &&
		 (word.len < 8 || word.ptr[word.len - 1] != '=')) ||
		(word.len <= LONGEST_BEARER_WORD &&
		 ue_mask_is_listed(word, bearer_words, N_ROWS(bearer_words))))
	{
		ue_mask_note_seen(scan, end + 1);
		return false;
	}
	scan->context = at;
	ue_mask_write_stars(scan, start, 0, end);
	return true;
}

/* A UUID, and the word's end behind it. */
static bool
is_uuid(const UeMaskScan *scan, size_t at)
{
	for (size_t i = 0; i < UUID_LEN; i++)
	{
		bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
		char byte = ue_mask_read(scan, at + i);

		if (is_dash ? byte != '-' : !ue_mask_is_class(byte, UE_MASK_HEX))
			return false;
	}
	return !ue_mask_is_class(ue_mask_read(scan, at + UUID_LEN), UE_MASK_WORD);
}

/* Whether from `at` on stands what the row asks for. */
static bool
is_follower(const UeMaskScan *scan, const Leader *leader, size_t at)
{
	size_t end;

	switch (leader->follower)
	{
		case FOLLOWER_NUMBER:
			return ue_mask_find_end(scan, at, UE_MASK_DIGIT) - at >= leader->min_len;
		case FOLLOWER_UUID:
			return is_uuid(scan, at);
		case FOLLOWER_KEY:
			end = ue_mask_find_end(scan, at, UE_MASK_ALNUM);
			return (end - at >= leader->min_len &&
					ue_mask_is_random(ue_slice_sub(scan->text, at, end - at))) ||
				   is_uuid(scan, at);
	}
	return false;
}

/* Skips a blank or colon, "id", and what opens a quotation; `at` itself if there is none. */
static size_t
skip_link(const UeMaskScan *scan, size_t at)
{
	size_t limit = at + LONGEST_LINK;
	char byte = ue_mask_read(scan, at);

	if (byte == '%' && ue_mask_has(scan, at, UE_SLICE("%20")))
		return at + 3;
	if (byte != ' ' && byte != ':')
		return at;
	if ((ue_mask_read(scan, at + 1) | 0x20) == 'i' &&
		ue_mask_has_fold(scan, at, UE_SLICE(" id")))
		at += 3;
	if (limit > scan->text.len)
		limit = scan->text.len;
	while (at < limit && ue_mask_is_class(scan->text.ptr[at], UE_MASK_OPENER))
		at++;
	return at;
}

/* Which of the rows it is, and whether its letters are there; those beside `at` are known. */
static const Leader *
find_leader(const UeMaskScan *scan, size_t at)
{
	char letter = scan->text.ptr[at];
	const Leader *leader = &leaders[letter == 'y'	? 0
									: letter == 'c' ? 1
									: letter == 'j' ? 2
													: 3];
	size_t start = at - leader->trigger;

	if (at - scan->floor < leader->trigger ||
		(scan->text.ptr[start] | 0x20) != leader->word.ptr[0] ||
		(letter != 'y' && !ue_mask_has_fold(scan, start, leader->word)))
		return NULL;
	return leader;
}

/* "key : …" is a name with a value, whose end its own rule knows. */
static bool
is_name_before_colon(const UeMaskScan *scan, size_t at, size_t start)
{
	while (at < start && scan->text.ptr[at] == ' ')
		at++;
	return at < start && scan->text.ptr[at] == ':' && scan->text.ptr[start - 1] != '(' &&
		   scan->text.ptr[start - 1] != '<';
}

/* Whatever follows, it begins with so many letters and digits. */
#define SHORTEST_FOLLOWER 8

bool
ue_mask_apply_leader(UeMaskScan *scan, size_t at)
{
	const Leader *leader = find_leader(scan, at);
	size_t word_at;
	size_t word_end;
	size_t start;
	size_t end;
	size_t limit;

	if (leader == NULL)
		return false;
	word_at = at - leader->trigger;
	word_end = word_at + leader->word.len;
	start = skip_link(scan, word_end);
	if (start == word_end || is_name_before_colon(scan, word_end, start))
		return false;
	limit = start + SHORTEST_FOLLOWER;
	if (limit > scan->text.len)
		limit = scan->text.len;
	end = start;
	while (end < limit && ue_mask_is_class(scan->text.ptr[end], UE_MASK_ALNUM))
		end++;
	if (end < start + SHORTEST_FOLLOWER)
	{
		ue_mask_note_seen(scan, end + 1);
		return false;
	}
	if (!is_follower(scan, leader, start))
	{
		ue_mask_note_seen(scan, ue_mask_find_word_end(scan, start) + 1);
		return false;
	}
	scan->context = word_at;
	ue_mask_write_stars(scan, start, 0, ue_mask_find_key_end(scan, start));
	return true;
}
