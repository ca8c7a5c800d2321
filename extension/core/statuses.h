/* SPDX-License-Identifier: PostgreSQL */
/*
 * statuses.h: sets of HTTP statuses, written as ranges: "401-407,429,500-599".
 *
 * The syntax is new-api's for its retry and disable statuses, so their settings can be
 * taken over: parts are separated by ',' or the full-width '，', blanks inside a part do
 * not count, a part is N or A-B with 100 <= A <= B <= 599, empty parts are passed over.
 */
#ifndef UE_CORE_STATUSES_H
#define UE_CORE_STATUSES_H

#include "core/buf.h"

#define UE_STATUSES_MIN 100
#define UE_STATUSES_MAX 599

/* Bit 0 is status 100.  All zeros: the empty set. */
typedef struct UeStatuses
{
	uint64_t bits[8];
} UeStatuses;

extern bool ue_statuses_has(const UeStatuses *set,
							int status); /* false outside 100-599 */
extern bool ue_statuses_is_empty(const UeStatuses *set);
extern void ue_statuses_add(UeStatuses *set, int first, int last);

/* UE_OK, UE_NO_MEMORY, or UE_INVALID_ARGUMENT with the parts that are wrong in *bad, "99,
 * foo"; one wrong part refuses the whole text. */
extern UeStatus ue_statuses_parse(UeArena *arena, UeSlice text, UeStatuses *out,
								  UeSlice *bad) UE_MUST_CHECK;

/* The shortest way to write the set: sorted, ranges that touch are one. */
extern void ue_statuses_append(UeBuf *buf, const UeStatuses *set);

#endif
