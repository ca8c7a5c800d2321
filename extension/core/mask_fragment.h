/* SPDX-License-Identifier: PostgreSQL */
/*
 * mask_fragment.h: what in a name says that its value is secret; mask_name.c asks.
 */
#ifndef UE_CORE_MASK_FRAGMENT_H
#define UE_CORE_MASK_FRAGMENT_H

#include "core/mask_scan.h"

/* Where in a name a fragment must stand. */
typedef enum UeMaskPlace
{
	UE_MASK_PLACE_ANY = 0,
	UE_MASK_PLACE_WHOLE,
	UE_MASK_PLACE_END,	  /* the last word, or all of it */
	UE_MASK_PLACE_SUFFIX, /* the last word, but not all of it */
} UeMaskPlace;

/* What a colon after it means when the name is not quoted. */
typedef enum UeMaskProse
{
	UE_MASK_PROSE_VALUE = 0, /* a header's or a setting's value, always secret */
	UE_MASK_PROSE_RANDOM,	 /* secret when it looks like no word */
	UE_MASK_PROSE_LINE,		 /* secret to the end of the line */
} UeMaskProse;

typedef struct UeMaskFragment
{
	UeSlice text;
	UeMaskPlace place;
	UeMaskProse prose;
	UeMaskSecrecy secrecy;
} UeMaskFragment;

/* No name has fewer letters. */
#define UE_MASK_SHORTEST_NAME 3

/* By the first letter of a fragment, in either case: a bit for each that may be its second. */
extern const uint32_t ue_mask_name_pairs[256];

/*
 * Whether a fragment may begin with these bytes of a name.  False for most letters of most
 * names; true for some that begin none.
 */
static inline bool
ue_mask_is_name_pair(char first, char second)
{
	return ((ue_mask_name_pairs[(unsigned char) first] >> (second & 31)) & 1) != 0;
}

/* Where the name that ends before `end` begins; false when no fragment begins in it. */
static inline bool
ue_mask_find_likely_name(const UeMaskScan *scan, size_t end, size_t *start)
{
	const char *text = scan->text.ptr;
	size_t at = end;
	bool is_likely = false;
	char next = '\0';

	while (at > scan->floor &&
		   ue_mask_is_class(text[at - 1], UE_MASK_ALNUM | UE_MASK_DASH))
	{
		at--;
		is_likely |= ue_mask_is_name_pair(text[at], next);
		next = text[at];
	}
	*start = at;
	return is_likely;
}

/* NULL when nothing in the name says so. */
extern const UeMaskFragment *ue_mask_find_fragment(UeSlice name);

#endif
