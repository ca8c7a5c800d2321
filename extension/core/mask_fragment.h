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
	UE_MASK_PLACE_CAMEL,  /* the same in accountKey */
} UeMaskPlace;

/* What a colon after it means when the name is not quoted. */
typedef enum UeMaskProse
{
	UE_MASK_PROSE_VALUE = 0, /* a header's or a setting's value, always secret */
	UE_MASK_PROSE_RANDOM,	 /* secret when it looks like no word */
	UE_MASK_PROSE_LINE,		 /* secret to the end of the line */
	UE_MASK_PROSE_LOOK, /* in quotes and behind '=' too only when it looks like a key */
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

/*
 * By the first letter of a fragment, in either case: a bit for each that may be its second,
 * and above those one for each that may be its third.
 */
extern const uint64_t ue_mask_name_starts[256];

/*
 * Whether a fragment may begin with these bytes of a name.  False for most letters of most
 * names; true for some that begin none.
 */
static inline bool
ue_mask_is_name_start(char first, char second, char third)
{
	uint64_t starts = ue_mask_name_starts[(unsigned char) first];

	/* without a branch, for which letter comes next is hard to predict */
	return ((starts >> (second & 31)) & (starts >> (32 + (third & 31))) & 1) != 0;
}

/*
 * Where the name that ends before `end` begins; false when no fragment begins in it.
 * *likely: where the first may.
 */
static inline bool
ue_mask_find_likely_name(const UeMaskScan *scan, size_t end, size_t *start,
						 size_t *likely)
{
	const char *text = scan->text.ptr;
	size_t floor = scan->floor;
	size_t at = end;
	size_t found = SIZE_MAX;
	char second = '\0';
	char third = '\0';

	while (at > floor && ue_mask_is_class(text[at - 1], UE_MASK_ALNUM | UE_MASK_DASH))
	{
		at--;
		found = ue_mask_is_name_start(text[at], second, third) ? at : found;
		third = second;
		second = text[at];
	}
	*start = at;
	*likely = found;
	return found != SIZE_MAX;
}

/* NULL when nothing in the name says so. */
extern const UeMaskFragment *ue_mask_find_fragment(UeSlice name);

/* The same when it is known that before an offset there is nothing. */
extern const UeMaskFragment *ue_mask_find_fragment_from(UeSlice name, size_t from);

#endif
