/* SPDX-License-Identifier: PostgreSQL */
/*
 * walk.h: the members of one JSON object, one after the other, without a tree.
 *
 * Allocation-free and bounded by the bytes there are: values are stepped over, strings with
 * memchr, so a body of long texts costs little more than reading it.  Whether it is JSON
 * is for json.h to say; what is not ends the walk.
 */
#ifndef UE_CORE_WALK_H
#define UE_CORE_WALK_H

#include "core/slice.h"

typedef struct UeWalk
{
	UeSlice text;
	size_t at;
	UeSlice key;   /* between its quotes, as written */
	UeSlice value; /* as written; a string with its quotes */
} UeWalk;

typedef enum UeWalkFound
{
	UE_WALK_MEMBER = 0,
	UE_WALK_END,		/* the object is closed, or this is not JSON */
	UE_WALK_INCOMPLETE, /* the text ends inside a member; key and value hold what is there */
} UeWalkFound;

/* Steps into "{" or "[{".  False and *is_short: there may be one in what follows. */
extern bool ue_walk_begin(UeWalk *walk, UeSlice text, bool *is_short);

extern UeWalkFound ue_walk_next(UeWalk *walk);

/* From the end of one object into the next of the same array, which Google answers with. */
extern bool ue_walk_next_object(UeWalk *walk);

/* Of a text that begins with '{' or '[': the bracket that closes it is there. */
extern bool ue_walk_is_closed(UeSlice text);

/* A member of an object as written; empty when there is none, or object is no object. */
extern UeSlice ue_walk_find(UeSlice object, UeSlice name);

#endif
