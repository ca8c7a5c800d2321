/* SPDX-License-Identifier: PostgreSQL */
/*
 * wheel.h: the timers of one loop, in a hierarchical timing wheel.
 *
 * Private to the loop.  Set and cancel are O(1) whatever the number of timers, which is
 * what deadlines need that are moved with every read and hardly ever fire.  The caller
 * says what time it is; the wheel reads no clock.
 */
#ifndef UE_WHEEL_H
#define UE_WHEEL_H

#include "loop.h"

#define UE_WHEEL_LEVELS 4
#define UE_WHEEL_SLOTS	256 /* of 1 ms in level 0, 256 ms in level 1, … 4.6 h in level 3 */

typedef struct UeWheel
{
	int64_t at_ms;	 /* every timer due at or before this has fired or is in expired */
	UeTimer expired; /* set when due already: fires with the next advance */
	UeTimer slots[UE_WHEEL_LEVELS][UE_WHEEL_SLOTS]; /* heads of circular lists */

	/* A bit per slot that may hold timers; cancel leaves it set, find clears it. */
	uint64_t used[UE_WHEEL_LEVELS][UE_WHEEL_SLOTS / 64];
} UeWheel;

extern void ue_wheel_init(UeWheel *wheel, int64_t now_ms);

/* Moves the timer when it is set already. */
extern void ue_wheel_set(UeWheel *wheel, UeTimer *timer, int64_t due_ms);
extern void ue_wheel_cancel(UeTimer *timer);

/* Fires what is due.  A timer set for now_ms or earlier meanwhile may wait for the next
 * advance, so this ends. */
extern void ue_wheel_advance(UeWheel *wheel, int64_t now_ms);

/* Whether there is something to wait for, and when to advance next at the latest: never
 * after the first timer is due, sometimes before. */
extern bool ue_wheel_find_next(UeWheel *wheel, int64_t *next_ms);

/* Every timer becomes one that is not set. */
extern void ue_wheel_reset(UeWheel *wheel);

#endif
