/* SPDX-License-Identifier: PostgreSQL */
/*
 * choose.h: which channel a request goes to.
 *
 * Channels stand in tiers by priority, the lowest first; inside a tier chance decides by
 * weight.  A later tier is asked only when the earlier ones have nothing left.  A channel
 * that has been tried for this request is not chosen again while another is left.
 */
#ifndef UE_CORE_CHOOSE_H
#define UE_CORE_CHOOSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct UeCandidate
{
	int32_t priority; /* lower first */
	int32_t weight;	  /* shares of its tier; 0: only when the tier has nothing else */
	bool is_usable;	  /* enabled, not cooling down, serves the model */
	bool is_tried;	  /* by this request */
} UeCandidate;

/* The index of the chosen one; SIZE_MAX: none.  may_repeat: when every usable one was
 * tried, one of those.  random is 64 random bits. */
extern size_t ue_choose(const UeCandidate *candidates, size_t n, bool may_repeat,
						uint64_t random);

#endif
