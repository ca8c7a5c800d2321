/* SPDX-License-Identifier: PostgreSQL */
/*
 * breaker.h: which failures make a channel cool down or disable it.
 *
 * A health rule has the conditions and filters of a rule (rules.h) and says what a fault
 * that fits does to the channel's health (health.h).  All that fit count, not the first
 * alone: one may count failures towards a long pause while another makes a short one.
 *
 * As JSON: {"id":1,"scope":"model","action":"cooldown",…,"match":{ …a rule… }}.
 */
#ifndef UE_CORE_BREAKER_H
#define UE_CORE_BREAKER_H

#include "core/health.h"
#include "core/record.h"
#include "core/rules.h"

typedef struct UeBreaker
{
	int64_t id;			   /* of the health rule; that of its rule */
	bool is_whole_channel; /* scope: all models */
	UeHealthRule effect;
} UeBreaker;

typedef struct UeBreakers UeBreakers;

/* One health rule; its match too.  UE_OK, UE_NO_MEMORY, UE_INVALID_ARGUMENT with *problem. */
extern UeStatus ue_breaker_read(UeArena *arena, const UeJson *object, UeRule *match,
								UeBreaker *out, UeRuleProblem *problem) UE_MUST_CHECK;

/* As ue_rules_build; matches[i] belongs to breakers[i]. */
extern UeStatus ue_breakers_build(const UeAllocator *allocator, size_t ceiling,
								  UeArena *arena, const UeRule *matches,
								  const UeBreaker *breakers, size_t n, UeBreakers **out,
								  UeRuleProblem *problem) UE_MUST_CHECK;

/* Those that hold when an operator has written none: breaker_defaults.c. */
extern UeStatus ue_breakers_build_defaults(const UeAllocator *allocator, UeArena *arena,
										   UeBreakers **out) UE_MUST_CHECK;
extern size_t ue_breaker_count_defaults(void);
extern UeSlice ue_breaker_default_at(size_t index); /* JSON */

extern void ue_breakers_free(UeBreakers *breakers); /* NULL is fine */
extern size_t ue_breakers_size(const UeBreakers *breakers);

/* The enabled ones that fit, in their order, in the arena. */
extern UeStatus ue_breakers_find(const UeBreakers *breakers, UeArena *arena,
								 const UeRuleFacts *facts, const UeBreaker ***out,
								 size_t *n_out) UE_MUST_CHECK;

#endif
