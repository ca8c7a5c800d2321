/* SPDX-License-Identifier: PostgreSQL */
/*
 * utf8.h: text that PostgreSQL accepts, cut where a character ends.
 *
 * Valid means RFC 3629: no surrogates, no overlong forms, at most U+10FFFF.
 */
#ifndef UE_CORE_UTF8_H
#define UE_CORE_UTF8_H

#include "core/buf.h"

/* Reads one character at text[0..len).  Returns its length, 1 to 4, and the code point;
 * 0 when the bytes there are not a valid character (or are cut short). len must be > 0. */
extern size_t ue_utf8_read(UeSlice text, uint32_t *code_point);

extern bool ue_utf8_is_valid(UeSlice text);

/* Length, at most limit, of the longest prefix that does not end inside a character. */
extern size_t ue_utf8_cut(UeSlice text, size_t limit);

extern void ue_utf8_append(UeBuf *buf, uint32_t code_point);

/* Text fit for a PostgreSQL text column: invalid bytes become U+FFFD (one per maximal
 * invalid subpart), NUL becomes U+2400.  Returns the input itself when nothing changes. */
extern UeStatus ue_utf8_clean(UeArena *arena, UeSlice text, UeSlice *out) UE_MUST_CHECK;

#endif
