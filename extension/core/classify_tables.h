/* SPDX-License-Identifier: PostgreSQL */
/*
 * classify_tables.h: the tables that classify.c asks, one file each.
 */
#ifndef UE_CORE_CLASSIFY_TABLES_H
#define UE_CORE_CLASSIFY_TABLES_H

#include "core/fault.h"

/* What a word in type, code, status name or reason means. */
typedef struct UeWord
{
	UeSlice word; /* compared without case */
	UeClass class;
	int status; /* what the vendor sends with it; used when the fault came in a 200 */
	bool is_generic; /* says no more than a status would: any better hint wins */
	bool is_daily;	 /* of a limit: only a new day or more refills it */
} UeWord;

/* NULL when the word says nothing to us.  "Throttling.RateQuota" is a kind of Throttling. */
extern const UeWord *ue_classify_find_word(UeSlice word);

/* The same of a number among those of a vendor. */
extern const UeWord *ue_classify_find_number(UeSlice vendor, UeSlice number);

/* Whether the sentence of a rate limit speaks of a limit per day or longer. */
extern bool ue_classify_is_daily(UeSlice message);

/* Whether it says that the request by itself is more than the limit allows. */
extern bool ue_classify_is_beyond(UeSlice message);

/*
 * What the sentence says, given the class that status and words led to.  False, *out
 * untouched, when no phrase refines that class.
 */
extern bool ue_classify_find_phrase(UeSlice message, UeClass class, UeClass *out);

/* 400 to 599; some vendors mean a status in their own way. */
extern UeClass ue_classify_find_status(int status, UeSlice platform);

/* What follows from the class alone. */
typedef struct UeTraits
{
	UeClass class;
	int status; /* when nothing else gives one */
	UePhase phase;
	UeOwner owner;
	UeSeverity severity;
	bool is_retryable;
	bool is_request_fault;
	bool is_business_limited;
} UeTraits;

extern const UeTraits *ue_classify_find_traits(UeClass class); /* never NULL */

#endif
