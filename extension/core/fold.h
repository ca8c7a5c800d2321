/* SPDX-License-Identifier: PostgreSQL */
/*
 * fold.h: letters without regard to case, in every script.
 *
 * The tables are made from Unicode's CaseFolding.txt; fold_table.c says which version and
 * how.  Independent of locale and of PostgreSQL's collations, so that both homes of the
 * core agree.
 */
#ifndef UE_CORE_FOLD_H
#define UE_CORE_FOLD_H

#include "core/arena.h"

/* The folded form of a code point: 1 to 3 code points into out; returns how many. */
extern size_t ue_fold_codepoint(uint32_t codepoint, uint32_t out[3]);

/* A whole text folded; bytes that are not UTF-8 stay.  UE_NO_MEMORY, UE_TOO_LARGE. */
extern UeStatus ue_fold_text(UeArena *arena, UeSlice text, UeSlice *out) UE_MUST_CHECK;

/* Whether two valid texts are equal but for case. */
extern bool ue_fold_is_equal(UeSlice a, UeSlice b);

/*
 * Shell-like pattern over the whole text, without regard to case: '*' any run, '?' one
 * character, everything else itself ('\\' quotes the next).  Linear in text times stars.
 */
extern bool ue_fold_is_glob_match(UeSlice glob, UeSlice text);

#endif
