/* SPDX-License-Identifier: PostgreSQL */
/*
 * policy_load.h: a snapshot's text into the policy in force, or the reason why not.
 *
 * A text that this version cannot use changes nothing: the policy before it stays, and the
 * log says why, once for each text.
 */
#ifndef UE_POLICY_LOAD_H
#define UE_POLICY_LOAD_H

#include "core/policy.h"

/* What has been loaded.  All zero: nothing yet.  One thread at a time. */
typedef struct UePolicyLoad
{
	int64_t generation;
	size_t n_rules;
	size_t n_bytes; /* compiled */

	/* of the text in force, and of the one refused last */
	bool has_text, has_refused;
	uint32_t sum, refused_sum;
	size_t len, refused_len;
} UePolicyLoad;

typedef enum UePolicyLoadResult
{
	UE_POLICY_LOADED = 0,
	UE_POLICY_SAME, /* it was in force before */
	UE_POLICY_REFUSED,
} UePolicyLoadResult;

/* source: for the log, "database" or "disk".  Its channels are in use as well. */
extern UePolicyLoadResult ue_policy_load(UePolicyLoad *load, UeSlice snapshot,
										 const char *source);

/* The files and variables behind the channels' credentials may have changed.  On the thread
 * that loads, or when it has ended. */
extern void ue_policy_update_channels(void);

#endif
