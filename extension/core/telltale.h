/* SPDX-License-Identifier: PostgreSQL */
/*
 * telltale.h: whether an object tells of an error, whatever the HTTP status.
 *
 * Vendors answer 200 and put the error into the body, each in its own way; what an error
 * looks like is in telltale.c and nowhere else.  The members of one object are noted in any
 * order, as the text has them, and judged together: a "code" alone is no error, and an
 * object that carries an answer is none for having a code as well.
 *
 * Pure and allocation-free, so that it can look at every answer that passes.
 */
#ifndef UE_CORE_TELLTALE_H
#define UE_CORE_TELLTALE_H

#include "core/json.h"

/* Zeroed to begin with; the bits are private to telltale.c. */
typedef struct UeTelltale
{
	uint32_t signs;
} UeTelltale;

typedef enum UeTelltaleSays
{
	UE_TELLTALE_GOOD = 0,
	UE_TELLTALE_OPEN, /* members that are to come may make it an error, or make it none */
	UE_TELLTALE_ERROR,
} UeTelltaleSays;

/* A whole member: the key without its quotes, the value as written. */
extern void ue_telltale_note(UeTelltale *telltale, UeSlice key, UeSlice value);

/* is_whole: no member is to come; then the answer is never OPEN. */
extern UeTelltaleSays ue_telltale_judge(const UeTelltale *telltale, bool is_whole);

/* A member that may be part of an error, and of which the value is worth waiting for. */
extern bool ue_telltale_is_suspect(UeSlice key);

/* Of an object that was read; false for NULL and for what is no object. */
extern bool ue_telltale_is_error_object(const UeJson *object);

#endif
