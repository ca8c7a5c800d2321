/* SPDX-License-Identifier: PostgreSQL */
/*
 * decider.h: the verdict, from Postgres in time or from the local core.
 *
 * One per worker.  The local verdict is there from the start (the caller has run
 * ue_decide_case, for the row needs it); the decider asks Postgres for the answer, all
 * cases of one loop turn in one call of upstream_error_decide_batch, at most two calls in
 * flight, and hands out whichever there is at the deadline.  Without a database it hands
 * out the local one at the end of the turn.
 */
#ifndef UE_DECIDER_H
#define UE_DECIDER_H

#include "core/decide.h"
#include "loop.h"

typedef struct UeDecider UeDecider;
typedef struct UeDecision UeDecision;

struct UeDecision
{
	/* in; must stay valid until done or cancel */
	const UeCase *kase;
	UeArena *arena;    /* where the answer from Postgres is put */
	UeVerdict verdict; /* in: the local one; out: its answer and rule replaced when in time */
	void (*done)(UeDecision *decision); /* exactly once, from the loop, not from submit */

	/* out */
	bool is_from_postgres;

	/* private */
	UeTimer deadline;
	UeDecider *decider;
	UeDecision *prev, *next;
	int state;
};

typedef struct UeDeciderOptions
{
	const char *conninfo;   /* NULL or empty: no database */
	int64_t deadline_ms;
	int64_t reconnect_ms;   /* first wait; doubles to 5 s */
} UeDeciderOptions;

extern UeDecider *ue_decider_new(UeLoop *loop, const UeDeciderOptions *options);
extern void ue_decider_free(UeDecider *decider);
extern bool ue_decider_is_connected(const UeDecider *decider);

/* Decisions that Postgres answered after their deadline, or after they were cancelled. */
extern uint64_t ue_decider_count_late(const UeDecider *decider);
extern void ue_decider_submit(UeDecider *decider, UeDecision *decision);

/* done will not be called. */
extern void ue_decider_cancel(UeDecision *decision);

#endif
