/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_phrase.c: the filter against a look at every place, on texts in which phrases meet,
 * overlap and end with the text.
 */
#include "core/phrase.h"
#include "guard.h"
#include "tap.h"

#define N_ROWS(table) (sizeof(table) / sizeof((table)[0]))
#define TEXT_BYTES	  2048

static const UeSlice phrases[] = {
	UE_SLICE_INIT("try again in "), UE_SLICE_INIT("retry in "),
	UE_SLICE_INIT("per-day"),		UE_SLICE_INIT(" tpd "),
	UE_SLICE_INIT("\xe8\xaf\xb7"),	UE_SLICE_INIT("aab"),
};

/* Pieces that together make phrases, nearly make them, and make none. */
static const UeSlice pieces[] = {
	UE_SLICE_INIT("tr"),   UE_SLICE_INIT("y again"), UE_SLICE_INIT(" in "),
	UE_SLICE_INIT("RE"),   UE_SLICE_INIT("TRY"),	 UE_SLICE_INIT("per"),
	UE_SLICE_INIT("-DAY"), UE_SLICE_INIT(" TPD "),	 UE_SLICE_INIT("\xe8\xaf"),
	UE_SLICE_INIT("\xb7"), UE_SLICE_INIT("a"),		 UE_SLICE_INIT("B"),
	UE_SLICE_INIT(""),	   UE_SLICE_INIT(".\n0"),
};

static uint32_t random_state = 1;

/* George Marsaglia's xorshift32: the same sequence everywhere. */
static uint32_t
next_random(uint32_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state % limit;
}

static UeSlice
make_text(char *bytes, uint32_t n_pieces)
{
	UeSlice text = {bytes, 0};

	for (uint32_t i = 0; i < n_pieces; i++)
	{
		UeSlice piece = pieces[next_random(N_ROWS(pieces))];

		if (piece.len > 0)
			memcpy(bytes + text.len, piece.ptr, piece.len);
		text.len += piece.len;
	}
	return text;
}

static bool
is_phrase_at(UeSlice text, size_t at)
{
	for (size_t i = 0; i < N_ROWS(phrases); i++)
		if (ue_slice_has_prefix_fold(ue_slice_sub(text, at, text.len), phrases[i]))
			return true;
	return false;
}

/* Every place of a phrase is let through, in order, each place at most once. */
static bool
is_complete(const UePhraseFilter *filter, UeSlice text)
{
	size_t next = 0;
	size_t at;

	for (size_t from = 0; ue_phrase_next(filter, text, from, &at); from = at + 1)
	{
		if (at < from || at >= text.len)
			return false;
		for (; next < at; next++)
			if (is_phrase_at(text, next))
				return false;
		next = at + 1;
	}
	for (; next < text.len; next++)
		if (is_phrase_at(text, next))
			return false;
	return true;
}

static void
test_random_texts(const UePhraseFilter *filter)
{
	char bytes[TEXT_BYTES];
	bool is_true = true;
	Guard guard;

	guard_init(&guard, TEXT_BYTES);
	for (int i = 0; i < 20000 && is_true; i++)
		is_true =
			is_complete(filter, guard_place(&guard, make_text(bytes, next_random(60))));
	ok(is_true, "phrase: no place of a phrase is left out");
	guard_free(&guard);
}

static void
test_edges(const UePhraseFilter *filter)
{
	UePhraseFilter empty;
	size_t at = 7;
	size_t n = 0;

	ue_phrase_init(&empty);
	ok(!ue_phrase_next(&empty, UE_SLICE("try again in 5s"), 0, &at) && at == 7,
	   "phrase: without phrases no place is let through, and the result stays");
	ok(!ue_phrase_next(filter, (UeSlice){NULL, 0}, 0, &at),
	   "phrase: an empty text has no place");
	ok(!ue_phrase_next(filter, UE_SLICE("tr"), 0, &at),
	   "phrase: nor has one shorter than any phrase");
	ok(!ue_phrase_next(filter, UE_SLICE("per-day"), 7, &at) &&
		   !ue_phrase_next(filter, UE_SLICE("per-day"), 9, &at),
	   "phrase: behind the end there is none");
	ok(ue_phrase_next(filter, UE_SLICE("sPER-DAY"), 0, &at) && at == 1,
	   "phrase: capitals are let through at their place");
	for (size_t from = 0;
		 ue_phrase_next(filter,
						UE_SLICE("The request was refused, see its first message"), from,
						&at);
		 from = at + 1)
		n++;
	ok(n <= 2, "phrase: few places of a sentence without phrases are let through: %zu",
	   n);
}

int
main(void)
{
	UePhraseFilter filter;

	ue_phrase_init(&filter);
	for (size_t i = 0; i < N_ROWS(phrases); i++)
		ue_phrase_append(&filter, phrases[i]);
	test_random_texts(&filter);
	test_edges(&filter);
	return done_testing();
}
