/* SPDX-License-Identifier: PostgreSQL */
/*
 * policydraft.h: rules that nobody has written yet, on top of the masks, messages and
 * settings that are in force.
 */
#ifndef UE_POLICYDRAFT_H
#define UE_POLICYDRAFT_H

#include "postgres.h"

#include "core/policy.h"
#include "fmgr.h"

#pragma GCC visibility push(hidden)

/* What a call site compiled last; zeroed at first, in the fn_extra of the call. */
typedef struct UePolicyDraft
{
	struct UePolicyHolder *holder; /* in fn_mcxt, as is the next */
	struct varlena *key;		   /* the draft as it was passed; NULL: a constant */
	uint64 serial;				   /* of the masks and messages around it */
} UePolicyDraft;

/*
 * The policy that parameter number of this call, a jsonb array of rules, would make; when it
 * is null, the policy in force.  Compiled once as long as the calls of one expression give
 * the same array.  A rule without an id has the next
 * one, as if it had been inserted.  SQLSTATE 22023 for what is no rule.
 */
extern const UePolicy *ue_policydraft_find(FunctionCallInfo fcinfo, int number,
										   UePolicyDraft *draft);

#pragma GCC visibility pop

#endif
