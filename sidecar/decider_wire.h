/* SPDX-License-Identifier: PostgreSQL */
/*
 * decider_wire.h: cases as parameters of upstream_error_decide_batch, answers from its rows.
 */
#ifndef UE_DECIDER_WIRE_H
#define UE_DECIDER_WIRE_H

#include "database.h"
#include "decider.h"

#define UE_DECIDER_PARAMETERS 20

extern const UeStatement ue_decider_statement;

/* For the parameters of one batch. */
extern void ue_decider_init_arena(UeArena *arena);

extern UeStatus ue_decider_write_batch(UeArena *arena, UeDecision *const *decisions,
									   size_t n_decisions,
									   UeSlice *parameters) UE_MUST_CHECK;

/* Which of n_rows decisions a row answers; false when it names none. */
extern bool ue_decider_find_row(const UeDatabaseResult *result, int row, size_t n_rows,
								size_t *out);

/* Replaces the verdict's action, answer and rule, copied into the arena.  False: the row cannot be
 * used (an action or status we do not know, no memory); the verdict is as before. */
extern bool ue_decider_read_answer(const UeDatabaseResult *result, int row,
								   UeArena *arena, UeVerdict *verdict);

#endif
