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

/* A folded character's UTF-8 has at most three code points of two bytes. */
#define UE_FOLD_BYTES 6

/* The folded form of a code point: 1 to 3 code points into out; returns how many. */
extern size_t ue_fold_codepoint(uint32_t codepoint, uint32_t out[3]);

/*
 * The character at text[0], folded, as UTF-8 in out, *n_out bytes of it.  Returns the bytes
 * of text that it takes; 0 when they are not a valid character.  text.len must be > 0.
 */
extern size_t ue_fold_read(UeSlice text, char out[UE_FOLD_BYTES], size_t *n_out);

/* No character whose UTF-8 begins with this byte has another folded form. */
extern bool ue_fold_is_plain(unsigned char first);

/* A whole text folded; bytes that are not UTF-8 stay.  UE_NO_MEMORY, UE_TOO_LARGE. */
extern UeStatus ue_fold_text(UeArena *arena, UeSlice text, UeSlice *out) UE_MUST_CHECK;

/* Whether two valid texts are equal but for case. */
extern bool ue_fold_is_equal(UeSlice a, UeSlice b);

/*
 * Shell-like pattern over the whole text, without regard to case: '*' any run, '?' one
 * character, everything else itself ('\\' quotes the next; at the end it is itself).  Both
 * are looked at folded, so "s*" fits "\xC3\x9F"; '?' takes what is left of a character, or
 * a byte that is not UTF-8.  At worst text times glob.
 */
extern bool ue_fold_is_glob_match(UeSlice glob, UeSlice text);

#endif
