/* SPDX-License-Identifier: PostgreSQL */
/*
 * mask_fragment.c: the names of secrets, known by a part of them.
 */
#include "core/mask_fragment.h"

/* Short names, so that a row is a line. */
#define PLACE_ANY	 UE_MASK_PLACE_ANY
#define PLACE_WHOLE	 UE_MASK_PLACE_WHOLE
#define PLACE_END	 UE_MASK_PLACE_END
#define PLACE_SUFFIX UE_MASK_PLACE_SUFFIX
#define PROSE_VALUE	 UE_MASK_PROSE_VALUE
#define PROSE_RANDOM UE_MASK_PROSE_RANDOM
#define PROSE_LINE	 UE_MASK_PROSE_LINE
#define PROSE_LOOK	 UE_MASK_PROSE_LOOK
#define PLACE_CAMEL	 UE_MASK_PLACE_CAMEL

/*
 * From sub2api's redaction lists (seed-systems 1.3), with '-' written '_': exact names,
 * suffixes, substrings.  Added: pass, pwd, auth, sig (Azure SAS), access_key, the ids of
 * accounts, organisations and projects (SPEC 3.5).
 */
#define N_LETTERS	  26
#define MAX_FRAGMENTS 12

static const UeMaskFragment fragments[N_LETTERS][MAX_FRAGMENTS] = {
	['a' - 'a'] =
		{
			{UE_SLICE_INIT("api_key"), PLACE_ANY, PROSE_VALUE, UE_MASK_SECRECY_ALL},
			{UE_SLICE_INIT("apikey"), PLACE_ANY, PROSE_VALUE, UE_MASK_SECRECY_ALL},
			{UE_SLICE_INIT("authorization"), PLACE_END, PROSE_VALUE, UE_MASK_SECRECY_ALL},
			{UE_SLICE_INIT("access_key"), PLACE_ANY, PROSE_VALUE, UE_MASK_SECRECY_ALL},
			{UE_SLICE_INIT("accesskey"), PLACE_ANY, PROSE_VALUE, UE_MASK_SECRECY_ALL},
			{UE_SLICE_INIT("account_id"), PLACE_END, PROSE_VALUE, UE_MASK_SECRECY_ALL},
			{UE_SLICE_INIT("auth"), PLACE_WHOLE, PROSE_RANDOM, UE_MASK_SECRECY_TEXT},
		},
	['b' - 'a'] =
		{
			{UE_SLICE_INIT("bearer"), PLACE_ANY, PROSE_RANDOM, UE_MASK_SECRECY_TEXT},
		},
	['c' - 'a'] =
		{
			{UE_SLICE_INIT("cookie"), PLACE_END, PROSE_LINE, UE_MASK_SECRECY_ALL},
			{UE_SLICE_INIT("cookie"), PLACE_ANY, PROSE_RANDOM, UE_MASK_SECRECY_TEXT},
			{UE_SLICE_INIT("credential"), PLACE_ANY, PROSE_RANDOM, UE_MASK_SECRECY_TEXT},
			{UE_SLICE_INIT("creds"), PLACE_END, PROSE_RANDOM, UE_MASK_SECRECY_TEXT},
		},
	['j' - 'a'] =
		{
			{UE_SLICE_INIT("jwt"), PLACE_ANY, PROSE_RANDOM, UE_MASK_SECRECY_TEXT},
		},
	['k' - 'a'] =
		{
			{UE_SLICE_INIT("key"), PLACE_SUFFIX, PROSE_RANDOM, UE_MASK_SECRECY_TEXT},
			{UE_SLICE_INIT("key"), PLACE_CAMEL, PROSE_LOOK, UE_MASK_SECRECY_TEXT},
		},
	['o' - 'a'] =
		{
			{UE_SLICE_INIT("organization_id"), PLACE_END, PROSE_VALUE,
			 UE_MASK_SECRECY_ALL},
			{UE_SLICE_INIT("openai_organization"), PLACE_WHOLE, PROSE_VALUE,
			 UE_MASK_SECRECY_ALL},
			{UE_SLICE_INIT("openai_project"), PLACE_WHOLE, PROSE_VALUE,
			 UE_MASK_SECRECY_ALL},
			{UE_SLICE_INIT("org_id"), PLACE_WHOLE, PROSE_VALUE, UE_MASK_SECRECY_ALL},
		},
	['p' - 'a'] =
		{
			{UE_SLICE_INIT("password"), PLACE_ANY, PROSE_VALUE, UE_MASK_SECRECY_ALL},
			{UE_SLICE_INIT("passwd"), PLACE_ANY, PROSE_VALUE, UE_MASK_SECRECY_ALL},
			{UE_SLICE_INIT("passphrase"), PLACE_ANY, PROSE_VALUE, UE_MASK_SECRECY_ALL},
			{UE_SLICE_INIT("private_key"), PLACE_ANY, PROSE_VALUE, UE_MASK_SECRECY_ALL},
			{UE_SLICE_INIT("privatekey"), PLACE_ANY, PROSE_VALUE, UE_MASK_SECRECY_ALL},
			{UE_SLICE_INIT("passcode"), PLACE_END, PROSE_RANDOM, UE_MASK_SECRECY_ALL},
			{UE_SLICE_INIT("pwd"), PLACE_SUFFIX, PROSE_VALUE, UE_MASK_SECRECY_ALL},
			{UE_SLICE_INIT("pass"), PLACE_SUFFIX, PROSE_RANDOM, UE_MASK_SECRECY_TEXT},
			{UE_SLICE_INIT("pwd"), PLACE_WHOLE, PROSE_VALUE, UE_MASK_SECRECY_ALL},
			{UE_SLICE_INIT("pass"), PLACE_WHOLE, PROSE_RANDOM, UE_MASK_SECRECY_TEXT},
			{UE_SLICE_INIT("project_id"), PLACE_END, PROSE_VALUE, UE_MASK_SECRECY_ALL},
			{UE_SLICE_INIT("project_number"), PLACE_END, PROSE_VALUE,
			 UE_MASK_SECRECY_ALL},
		},
	['s' - 'a'] =
		{
			{UE_SLICE_INIT("secret"), PLACE_END, PROSE_VALUE, UE_MASK_SECRECY_ALL},
			{UE_SLICE_INIT("secret"), PLACE_ANY, PROSE_RANDOM, UE_MASK_SECRECY_TEXT},
			{UE_SLICE_INIT("session"), PLACE_ANY, PROSE_RANDOM, UE_MASK_SECRECY_TEXT},
			{UE_SLICE_INIT("signature"), PLACE_ANY, PROSE_RANDOM, UE_MASK_SECRECY_TEXT},
			{UE_SLICE_INIT("sig"), PLACE_WHOLE, PROSE_RANDOM, UE_MASK_SECRECY_TEXT},
		},
	['t' - 'a'] =
		{
			{UE_SLICE_INIT("token"), PLACE_SUFFIX, PROSE_VALUE, UE_MASK_SECRECY_TEXT},
			{UE_SLICE_INIT("token"), PLACE_ANY, PROSE_RANDOM, UE_MASK_SECRECY_TEXT},
		},
};

/*
 * Counters and kinds that hold one of the fragments (seed-systems 1.3, its first list).
 * "tokens" itself is in ue_mask_find_fragment: every counter of tokens has it.
 */
static const UeSlice harmless_names[] = {
	UE_SLICE_INIT("token_count"),	   UE_SLICE_INIT("token_limit"),
	UE_SLICE_INIT("token_type"),	   UE_SLICE_INIT("token_usage"),
	UE_SLICE_INIT("token_ids"),		   UE_SLICE_INIT("max_token"),
	UE_SLICE_INIT("tokenizer"),		   UE_SLICE_INIT("author"),
	UE_SLICE_INIT("session_duration"),
};

#define SHORTEST_HARMLESS 6

/* invalid_api_key: … names an error, not a key. */
static const UeSlice error_prefixes[] = {
	UE_SLICE_INIT("invalid_"),	   UE_SLICE_INIT("missing_"),
	UE_SLICE_INIT("incorrect_"),   UE_SLICE_INIT("expired_"),
	UE_SLICE_INIT("unknown_"),	   UE_SLICE_INIT("unexpected_"),
	UE_SLICE_INIT("unsupported_"), UE_SLICE_INIT("no_"),
	UE_SLICE_INIT("bad_"),		   UE_SLICE_INIT("duplicate_"),
};

#define N_ROWS(table) (sizeof(table) / sizeof((table)[0]))

/* No name in the table, with what vendors put before it, is longer. */
#define LONGEST_NAME 64

UeMaskSecrecy
ue_mask_find_name(UeSlice name)
{
	const UeMaskFragment *fragment = ue_mask_find_fragment(name);

	return fragment != NULL ? fragment->secrecy : UE_MASK_SECRECY_NONE;
}

/* Lower case, '-' as '_'. */
static UeSlice
copy_folded(UeSlice name, char *copy)
{
	for (size_t i = 0; i < name.len; i++)
	{
		char byte = name.ptr[i];

		/* without a branch, so that it is done to many bytes at a time */
		byte = (char) (byte + (byte >= 'A' && byte <= 'Z') * ('a' - 'A'));
		copy[i] = (char) (byte == '-' ? '_' : byte);
	}
	return (UeSlice){copy, name.len};
}

/* Whether a byte of a name is that of a fragment, which has lower-case letters and '_' only. */
static inline bool
is_same(char byte, char expected)
{
	/* no byte but the letter itself becomes a letter by setting this bit */
	return expected == '_' ? byte == '_' || byte == '-' : (byte | 0x20) == expected;
}

static bool
is_at_place(UeSlice name, size_t at, size_t len, UeMaskPlace place)
{
	bool is_end = at + len == name.len;
	bool is_whole = is_end && at == 0;

	switch (place)
	{
		case PLACE_ANY:
			return true;
		case PLACE_WHOLE:
			return is_whole;
		case PLACE_END:
			return is_end;
		case PLACE_SUFFIX:
			return is_end && !is_whole && is_same(name.ptr[at - 1], '_');
		case PLACE_CAMEL:
			return is_end && !is_whole && ue_mask_is_class(name.ptr[at], UE_MASK_UPPER) &&
				   ue_mask_is_class(name.ptr[at - 1], UE_MASK_LOWER | UE_MASK_DIGIT);
	}
	return false;
}

static bool
is_fragment_at(UeSlice name, size_t at, UeSlice text)
{
	if (text.len > name.len - at)
		return false;
	/* the table says that the first byte is the same */
	for (size_t i = 1; i < text.len; i++)
	{
		if (!is_same(name.ptr[at + i], text.ptr[i]))
			return false;
	}
	return true;
}

/* A letter in either case, and what its lower five bits number. */
#define LETTER(letter) (UINT64_C(1) << ((letter) &31))
#define START(first, seconds, thirds)                                                    \
	[first] = (seconds) | (thirds) << 32, [first - 'a' + 'A'] = (seconds) | (thirds) << 32

const uint64_t ue_mask_name_starts[256] = {
	START('a', LETTER('p') | LETTER('u') | LETTER('c'),
		  LETTER('i') | LETTER('t') | LETTER('c')),
	START('b', LETTER('e'), LETTER('a')),
	START('c', LETTER('o') | LETTER('r'), LETTER('o') | LETTER('e')),
	START('j', LETTER('w'), LETTER('t')),
	START('k', LETTER('e'), LETTER('y')),
	START('o', LETTER('r') | LETTER('p'), LETTER('g') | LETTER('e')),
	START('p', LETTER('a') | LETTER('r') | LETTER('w'),
		  LETTER('s') | LETTER('i') | LETTER('o') | LETTER('d')),
	START('s', LETTER('e') | LETTER('i'), LETTER('c') | LETTER('s') | LETTER('g')),
	START('t', LETTER('o'), LETTER('k')),
};

static const UeMaskFragment *
find_fragment_at(UeSlice name, size_t at)
{
	const UeMaskFragment *row = fragments[(name.ptr[at] | 0x20) - 'a'];

	for (size_t i = 0; i < MAX_FRAGMENTS && row[i].text.len > 0; i++)
	{
		if (is_at_place(name, at, row[i].text.len, row[i].place) &&
			is_fragment_at(name, at, row[i].text))
			return &row[i];
	}
	return NULL;
}

static bool
is_counter(UeSlice name)
{
	for (size_t i = 0; i + 6 <= name.len; i++)
	{
		/* no other byte becomes one of these letters */
		if ((name.ptr[i] | 0x20) == 't' && (name.ptr[i + 5] | 0x20) == 's' &&
			is_fragment_at(name, i, UE_SLICE("tokens")))
			return true;
	}
	return false;
}

/* Whether a name that holds a fragment and more is known to hold no secret. */
static bool
is_harmless(UeSlice any_name)
{
	char copy[LONGEST_NAME];
	UeSlice name;

	/* every counter of tokens */
	if (is_counter(any_name))
		return true;
	if (any_name.len < SHORTEST_HARMLESS)
		return false;
	name = copy_folded(any_name, copy);
	if (ue_mask_is_listed(name, harmless_names, N_ROWS(harmless_names)))
		return true;
	for (size_t i = 0; i < N_ROWS(error_prefixes); i++)
	{
		if (name.ptr[0] == error_prefixes[i].ptr[0] &&
			ue_slice_has_prefix(name, error_prefixes[i]))
			return true;
	}
	return false;
}

const UeMaskFragment *
ue_mask_find_fragment(UeSlice name)
{
	return ue_mask_find_fragment_from(name, 0);
}

const UeMaskFragment *
ue_mask_find_fragment_from(UeSlice name, size_t from)
{
	/* only the end of what is too long */
	if (name.len > LONGEST_NAME)
	{
		size_t n_cut = name.len - LONGEST_NAME;

		name = ue_slice_sub(name, n_cut, LONGEST_NAME);
		from -= from < n_cut ? from : n_cut;
	}
	for (size_t i = from; i < name.len && name.len - i >= UE_MASK_SHORTEST_NAME; i++)
	{
		const UeMaskFragment *found = NULL;

		if (ue_mask_is_name_start(name.ptr[i], name.ptr[i + 1], name.ptr[i + 2]))
			found = find_fragment_at(name, i);
		if (found != NULL)
		{
			size_t end = i + found->text.len;

			/* "tokens" are counted far more often than anything secret is named */
			if (end < name.len && found->text.ptr[0] == 't' &&
				(name.ptr[end] | 0x20) == 's')
				return NULL;
			return found->text.len < name.len && is_harmless(name) ? NULL : found;
		}
	}
	return NULL;
}
