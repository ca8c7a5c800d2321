/* SPDX-License-Identifier: PostgreSQL */
/*
 * policyread.h: what operators have written in SQL, read and compiled.
 */
#ifndef UE_POLICYREAD_H
#define UE_POLICYREAD_H

#include "postgres.h"

#include "compat.h"
#include "core/policy.h"

#pragma GCC visibility push(hidden)

/* A compiled policy and the memory context that frees it when it is deleted. */
typedef struct UePolicyHolder
{
	MemoryContext context; /* holds this struct too */
	UeAllocator allocator; /* of the context */
	UePolicy *policy;
	MemoryContextCallback on_delete; /* the executable code of patterns is no palloc */
} UePolicyHolder;

/*
 * A policy out of the text of upstream_error_snapshot(), in a new child of the current
 * memory context.  UE_OK, or a failure with *problem, whose texts are in scratch.
 */
extern UeStatus ue_policyread_compile(UeSlice snapshot, UeArena *scratch,
									  UePolicyHolder **out,
									  UePolicyProblem *problem) UE_MUST_CHECK;

/* Why it did not compile, as one line; in the current memory context. */
extern char *ue_policyread_explain(UeStatus status, const UePolicyProblem *problem);

/* Why a rule was refused, without what stands around it. */
extern char *ue_policyread_explain_rule(const UeRuleProblem *problem);

/*
 * Runs a function of the extension's schema that has no parameters and returns text: as its
 * owner, under the newest snapshot.  function is one of ours that tells the schema.
 */
extern UeSlice ue_policyread_call(Oid function, const char *name);

#pragma GCC visibility pop

#endif
