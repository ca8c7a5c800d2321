/* SPDX-License-Identifier: PostgreSQL */
/*
 * pattern.h: an operator's regular expression, compiled once, matched within limits.
 *
 * PCRE2 with JIT where the system allows it.  pattern.c is the only file that includes
 * <pcre2.h>.  A compiled pattern is read-only: any number of threads may match with it,
 * each with an arena of its own.
 */
#ifndef UE_CORE_PATTERN_H
#define UE_CORE_PATTERN_H

#include "core/arena.h"

typedef struct UePattern UePattern;

/* Why a pattern was refused: PCRE2's words and the place in the pattern, in bytes. */
typedef struct UePatternError
{
	char text[160];
	size_t offset;
} UePatternError;

typedef enum UePatternResult
{
	UE_PATTERN_MISS = 0,
	UE_PATTERN_HIT,
	UE_PATTERN_LIMIT, /* given up: more work than one match may cost */
} UePatternResult;

typedef struct UePatternSpan
{
	size_t start, end;			   /* of the match, bytes in the text */
	size_t group_start, group_end; /* of group 1; both SIZE_MAX where it took no part */
} UePatternSpan;

/*
 * Unicode aware ((*UTF), character classes by property), "." matches no newline, which is
 * LF, case as is_fold says; (?i) and the like inside it work.  What could do harm is
 * refused: \C, callouts, (*LIMIT_...) and other settings at the start, and what is too
 * large by limits.h.  The text is at most UE_LIMIT_PATTERN bytes.
 * UE_OK, UE_NO_MEMORY, UE_INVALID_ARGUMENT (*error is filled; it may be NULL).
 * The result is freed with ue_pattern_free and not from an arena: PCRE2 owns executable
 * memory.  The allocator is copied; what its context points to must outlive the pattern.
 */
extern UeStatus ue_pattern_compile(const UeAllocator *allocator, UeSlice text,
								   bool is_fold, UePattern **out,
								   UePatternError *error) UE_MUST_CHECK;
extern void ue_pattern_free(UePattern *pattern); /* NULL is fine */

/*
 * Whether it may match without consuming a character: the empty text, "\b", "(?=x)".  A
 * mask made of such a pattern would be everywhere.  True also where PCRE2 cannot tell.
 */
extern bool ue_pattern_is_empty_match(const UePattern *pattern);

/*
 * Of a pattern that compiles: a part of every text that it matches, but for case.  It lies
 * in text; empty when none is known.
 */
extern UeSlice ue_pattern_find_literal(UeSlice text);

/* Bytes it holds altogether, without the executable code. */
extern size_t ue_pattern_size(const UePattern *pattern);

/*
 * First match at or behind offset, which lies between characters.  text must be valid UTF-8
 * (it is not checked again).  The span may be empty, and \K may make it so.  Scratch memory
 * comes from the arena's allocator and is given back at once.  UE_OK or UE_NO_MEMORY; *span
 * is written on a hit alone.
 */
extern UeStatus ue_pattern_find(const UePattern *pattern, UeArena *arena, UeSlice text,
								size_t offset, UePatternResult *result,
								UePatternSpan *span) UE_MUST_CHECK;

/*
 * The same for one of many matches in a text, which share their steps: *steps are left, and
 * become fewer.  A match that they are too few for is given up.
 */
extern UeStatus ue_pattern_find_next(const UePattern *pattern, UeArena *arena,
									 UeSlice text, size_t offset, size_t *steps,
									 UePatternResult *result,
									 UePatternSpan *span) UE_MUST_CHECK;

#endif
