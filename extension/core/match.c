/* SPDX-License-Identifier: PostgreSQL */
/*
 * match.c: any number of keywords in a text in one pass.
 *
 * The trie of the folded keywords is numbered breadth first, so that the children of a
 * state are a run of numbers and a state is 5 bytes: its first child, the byte class that
 * leads to it, and its failure state (the longest proper suffix that is a state too).  The
 * first states, the root and those near it, where a scan spends nearly all of its time,
 * have besides a row of a complete automaton: the next state for every class, failures
 * already followed.  A failure leads to a lower number, so failures end in such a row.
 *
 * For "he", "she" and "hers", when three states have rows:
 *
 *     0 -h-> 1 -e-> 3 "he" -r-> 5 -s-> 6 "hers"     rows: 0, 1, 2
 *     0 -s-> 2 -h-> 4 -e-> 7 "she"                  failures: 4 to 1, 7 to 3, 6 to 2
 *
 * Keywords that are equal but for case form a group; its link is the longest proper suffix
 * that is a group too ("she" to "he").  Groups are numbered so that those which lead to
 * group g by links are exactly the numbers behind g up to its last: whether keyword k ends
 * in a state is one comparison.  A scan that finds a group's bits set need not follow its
 * link, for that was done when they were set: so a scan costs text plus keywords, however
 * the keywords nest.
 *
 * Folding is done by the character, and only where one may begin that folds; all other
 * bytes, valid or not, go straight to the automaton.  That is sound because keywords are
 * valid UTF-8, of which an invalid sequence holds no whole character.
 */
#include "core/match.h"

#include "core/fold.h"
#include "core/match_table.h"

/* Children up to here are compared one by one. */
#define FEW_CHILDREN 8

static uint32_t find_next(const UeMatcher *matcher, uint32_t cell, unsigned int class);
static uint32_t find_group(const UeMatcher *matcher, uint32_t cell);
static void append_found(const UeMatcher *matcher, uint32_t group, uint64_t *found);
static uint32_t append_folded(const UeMatcher *matcher, uint32_t cell, UeSlice rest,
							  size_t *len, uint64_t *found);
static size_t read_folded(UeSlice rest, char bytes[UE_FOLD_BYTES], size_t *n_bytes);
static bool find_end(const UeMatcher *matcher, uint32_t group, UeSlice text, size_t *end,
					 size_t *n_folded);

void
ue_matcher_scan(const UeMatcher *matcher, UeSlice text, uint64_t *found)
{
	const unsigned char *bytes = (const unsigned char *) text.ptr;
	const uint32_t *rows = matcher->rows;
	uint32_t cell = 0;
	size_t at = 0;

	while (at < text.len)
	{
		unsigned int class = matcher->classes[bytes[at]];

		if (class == UE_MATCH_FOLD)
		{
			UeSlice rest = {text.ptr + at, text.len - at};
			size_t len;

			cell = append_folded(matcher, cell, rest, &len, found);
			at += len;
			continue;
		}
		at++;
		if ((cell & UE_MATCH_DEEP) == 0)
			cell = rows[cell + class];
		else
			cell = ue_match_find_next(matcher, cell & UE_MATCH_PLACE, class);
		if ((cell & UE_MATCH_OUTPUT) != 0)
		{
			append_found(matcher, find_group(matcher, cell), found);
			cell &= ~UE_MATCH_OUTPUT;
		}
	}
}

bool
ue_matcher_locate(const UeMatcher *matcher, size_t keyword, UeSlice text, size_t *start,
				  size_t *end)
{
	uint32_t group = matcher->group_of[keyword];
	size_t match_end;
	size_t n_folded;
	size_t at = 0;

	if (!find_end(matcher, group, text, &match_end, &n_folded))
		return false;
	/* again from the left, to the character that the first folded byte comes from */
	n_folded -= matcher->groups[group].len;
	for (;;)
	{
		char bytes[UE_FOLD_BYTES];
		size_t n_bytes;
		size_t len = read_folded(ue_slice_sub(text, at, text.len), bytes, &n_bytes);

		if (n_folded < n_bytes)
			break;
		n_folded -= n_bytes;
		at += len;
	}
	*start = at;
	*end = match_end;
	return true;
}

size_t
ue_matcher_size(const UeMatcher *matcher)
{
	return matcher->size;
}

uint32_t
ue_match_find_next(const UeMatcher *matcher, uint32_t state, unsigned int class)
{
	if (class == 0)
		return 0;
	for (;;)
	{
		uint32_t low = ue_match_find_children(matcher, state);
		uint32_t end = ue_match_find_children(matcher, state + 1);
		uint32_t high = end;

		while (high - low > FEW_CHILDREN)
		{
			uint32_t middle = low + (high - low) / 2;

			if (matcher->labels[middle] <= class)
				low = middle;
			else
				high = middle;
		}
		while (low < high && matcher->labels[low] != class)
			low++;
		if (low < high)
		{
			uint64_t is_output = (matcher->outputs[low / 64] >> (low % 64)) & 1;

			return low | UE_MATCH_DEEP | (is_output != 0 ? UE_MATCH_OUTPUT : 0);
		}
		state = ue_match_find_failure(matcher, state);
		if (state < matcher->n_rows)
			return matcher->rows[state * matcher->n_classes + class];
	}
}

static uint32_t
find_next(const UeMatcher *matcher, uint32_t cell, unsigned int class)
{
	if ((cell & UE_MATCH_DEEP) == 0)
		return matcher->rows[cell + class];
	return ue_match_find_next(matcher, cell & UE_MATCH_PLACE, class);
}

/* The longest keyword's group that ends in this state, which has the OUTPUT bit. */
static uint32_t
find_group(const UeMatcher *matcher, uint32_t cell)
{
	uint32_t place = cell & UE_MATCH_PLACE;
	uint32_t state = (cell & UE_MATCH_DEEP) != 0 ? place : place / matcher->n_classes;
	uint64_t below = matcher->outputs[state / 64] & ((UINT64_C(1) << (state % 64)) - 1);

	return matcher
		->nearest[matcher->n_before[state / 64] + (uint32_t) __builtin_popcountll(below)];
}

static void
append_found(const UeMatcher *matcher, uint32_t group, uint64_t *found)
{
	while (group != UE_MATCH_NONE)
	{
		const UeMatchGroup *this = &matcher->groups[group];
		const uint32_t *ids = matcher->ids + this->first;

		if (((found[ids[0] / 64] >> (ids[0] % 64)) & 1) != 0)
			return;
		for (uint32_t i = 0; i < this->n; i++)
			found[ids[i] / 64] |= UINT64_C(1) << (ids[i] % 64);
		group = this->link;
	}
}

/* One step of the scan where a character may have to be folded; *len bytes of the text. */
static uint32_t
append_folded(const UeMatcher *matcher, uint32_t cell, UeSlice rest, size_t *len,
			  uint64_t *found)
{
	char bytes[UE_FOLD_BYTES];
	size_t n_bytes;

	*len = read_folded(rest, bytes, &n_bytes);
	/* the first byte of no character */
	if (n_bytes == 0)
		return 0;
	for (size_t i = 0; i < n_bytes; i++)
	{
		cell = find_next(matcher, cell, matcher->folded[(unsigned char) bytes[i]]);
		if ((cell & UE_MATCH_OUTPUT) != 0)
		{
			append_found(matcher, find_group(matcher, cell), found);
			cell &= ~UE_MATCH_OUTPUT;
		}
	}
	return cell;
}

/*
 * The next bytes that the automaton sees, and how many of the text they stand for.  None
 * for a byte that should begin a character and does not: no keyword goes across it.
 */
static size_t
read_folded(UeSlice rest, char bytes[UE_FOLD_BYTES], size_t *n_bytes)
{
	size_t len;

	if (ue_fold_is_plain((unsigned char) rest.ptr[0]))
	{
		bytes[0] = rest.ptr[0];
		*n_bytes = 1;
		return 1;
	}
	len = ue_fold_read(rest, bytes, n_bytes);
	if (len > 0)
		return len;
	*n_bytes = 0;
	return 1;
}

/* Where the group's keyword first ends: in the text, and in what the automaton saw. */
static bool
find_end(const UeMatcher *matcher, uint32_t group, UeSlice text, size_t *end,
		 size_t *n_folded)
{
	uint32_t cell = 0;
	size_t at = 0;

	*n_folded = 0;
	while (at < text.len)
	{
		char bytes[UE_FOLD_BYTES];
		size_t n_bytes;

		at += read_folded(ue_slice_sub(text, at, text.len), bytes, &n_bytes);
		if (n_bytes == 0)
			cell = 0;
		for (size_t i = 0; i < n_bytes; i++)
		{
			uint32_t nearest;

			cell = find_next(matcher, cell, matcher->folded[(unsigned char) bytes[i]]);
			(*n_folded)++;
			if ((cell & UE_MATCH_OUTPUT) == 0)
				continue;
			nearest = find_group(matcher, cell);
			cell &= ~UE_MATCH_OUTPUT;
			if (nearest >= group && nearest <= matcher->groups[group].last)
			{
				*end = at;
				return true;
			}
		}
	}
	return false;
}
