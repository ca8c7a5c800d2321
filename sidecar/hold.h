/* SPDX-License-Identifier: PostgreSQL */
/*
 * hold.h: the beginning of an event stream, held until the client could use some of it.
 *
 * Vendors open their streams before they know whether they can answer: with the role, an
 * id, a ping.  As long as nothing but that has come, the request can still go to somebody
 * else and the client will never know (bifrost's bounds: 64 events, 256 KiB).
 */
#ifndef UE_HOLD_H
#define UE_HOLD_H

#include "stream.h"

typedef struct UeHoldLimits
{
	int max_events;
	size_t max_bytes;
} UeHoldLimits;

/* All zeros: nothing is held.  Fields are private to hold.c. */
typedef struct UeHold
{
	UeStreamDialect dialect;
	UeHoldLimits limits;
	char *bytes; /* owned */
	size_t len, size;
	size_t event_start; /* of the event that is not whole yet */
	int n_events;
} UeHold;

extern void ue_hold_init(UeHold *hold, UeStreamDialect dialect,
						 const UeHoldLimits *limits);
extern void ue_hold_free(UeHold *hold);

/*
 * Whole lines of the stream, as they may pass.  True: they are kept, hold on.  False: they
 * are kept too, but the client can use them, or a limit is reached, or there is no memory
 * (then the bytes given are not kept: send them behind those that are).
 */
extern bool ue_hold_append(UeHold *hold, UeSlice bytes, bool *is_kept);

extern UeSlice ue_hold_bytes(const UeHold *hold);

/* Whether an event with this data is output: text, a call, a reason to stop. */
extern bool ue_hold_is_output(UeStreamDialect dialect, UeSlice data);

#endif
