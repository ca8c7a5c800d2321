/* SPDX-License-Identifier: PostgreSQL */
/*
 * policy_private.h: what a policy is made of; between policy.c and policy_read.c.
 */
#ifndef UE_CORE_POLICY_PRIVATE_H
#define UE_CORE_POLICY_PRIVATE_H

#include "core/breaker.h"
#include "core/channel.h"
#include "core/policy.h"
#include "core/routing.h"

/* What an operator says about one code in one language. */
typedef struct UePolicyMessage
{
	UeSlice code;
	UeSlice language;
	UeSlice text;
} UePolicyMessage;

struct UePolicy
{
	UeAllocator allocator;
	UeArena arena; /* holds everything below but rules and patterns */
	int64_t generation;
	UeRules *rules; /* owned */
	UeMaskSettings mask;
	UePattern **patterns; /* owned; those of mask */
	size_t n_patterns;
	size_t pattern_bytes;
	UePolicyMessage *messages; /* by code, so that those of one stand together */
	size_t n_messages;
	UeSlice default_language; /* "en" when not set */
	UeChannel *channels;
	size_t n_channels;
	UeRetryPolicy *retry_policies;
	size_t n_retry_policies;
	UeBreakers *breakers; /* owned; NULL when there is no health rule */
};

#endif
