/* SPDX-License-Identifier: PostgreSQL */
/*
 * peek.h: what the top level of a JSON object says, without parsing it.
 *
 * Pure and allocation-free: one walk over the bytes there are (core/walk.h).  The whole
 * truth about a body that is an error comes from the core later; this only tells
 * whether to look.
 */
#ifndef UE_PEEK_H
#define UE_PEEK_H

#include "core/slice.h"

typedef enum UePeek
{
	UE_PEEK_GOOD = 0,
	UE_PEEK_ERROR, /* an error object */
	UE_PEEK_MORE,  /* too little to say */
} UePeek;

/*
 * The beginning of a JSON answer: an object, any object of an array that begins with one,
 * or frames of an event stream of Amazon's.  What an error looks like is told by
 * core/telltale.h.  MORE only while is_whole is false and the first member is incomplete or
 * those that are there may be half of an error; later members count when they are there,
 * and are not waited for otherwise.
 */
extern UePeek ue_peek_answer(UeSlice beginning, bool is_whole);

/* The data of one server-sent event, the whole object. */
extern bool ue_peek_is_error_event(UeSlice data);

/* Nearly all data is done with after this: false when it cannot be an error event. */
extern bool ue_peek_may_be_error(UeSlice text);

/* Of a text that begins with '{' or '[': the bracket that closes it is there. */
extern bool ue_peek_is_closed(UeSlice text);

/* From a JSON request body, as far as it goes; untouched when not found. */
extern void ue_peek_request(UeSlice body, UeSlice *model, bool *is_stream);

#endif
