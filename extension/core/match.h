/* SPDX-License-Identifier: PostgreSQL */
/*
 * match.h: any number of keywords in a text in one pass.
 *
 * Aho and Corasick's automaton ("Efficient string matching", CACM 18, 1975) in compact
 * form over the bytes of the case-folded keywords, built once and then read-only, so any
 * number of threads may scan with one.  Case folding is Unicode's full one, on both sides
 * (fold.h): "ss" is a part of "ß", and so is "s"; the place is then the whole character.
 */
#ifndef UE_CORE_MATCH_H
#define UE_CORE_MATCH_H

#include "core/arena.h"

typedef struct UeMatcher UeMatcher;

/* Bits by keyword number; words of 64. */
#define UE_MATCH_WORDS(n) (((n) + 63) / 64)

/*
 * Keywords are valid UTF-8 and not empty; the same one may occur twice.  Everything lives
 * in the arena; scratch comes from its allocator and is given back, at most the arena's
 * ceiling.  UE_NO_MEMORY, UE_TOO_LARGE (more than the ceiling, or than 4 Mi states, about
 * as many bytes), UE_INVALID_ARGUMENT (a keyword is empty or not UTF-8).
 */
extern UeStatus ue_matcher_build(UeArena *arena, const UeSlice *keywords,
								 size_t n_keywords, const UeMatcher **out) UE_MUST_CHECK;

/*
 * Sets in found, of UE_MATCH_WORDS(n_keywords) words that the caller has zeroed, the bit of
 * each keyword that is a part of the text.  The text may hold any bytes; those that are
 * not UTF-8 match nothing and separate nothing (the keyword's bytes must be contiguous).
 */
extern void ue_matcher_scan(const UeMatcher *matcher, UeSlice text, uint64_t *found);

/* Where keyword number k first occurs, for explain: bytes in the text.  False: nowhere. */
extern bool ue_matcher_locate(const UeMatcher *matcher, size_t keyword, UeSlice text,
							  size_t *start, size_t *end);

/* Bytes it holds. */
extern size_t ue_matcher_size(const UeMatcher *matcher);

#endif
