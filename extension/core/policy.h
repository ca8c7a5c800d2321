/* SPDX-License-Identifier: PostgreSQL */
/*
 * policy.h: all that operators have written in SQL, compiled: rules, what else to mask,
 * messages, settings, channels and how requests are routed to them.
 *
 * It is read from a snapshot, a text that upstream_error_snapshot() makes and that a
 * sidecar keeps on disk.  A backend compiles the same text, so both homes agree.  The
 * snapshot is JSON Lines:
 *
 *     {"snapshot":1,"generation":42,"mask_revision":3}
 *     {"setting":{"name":"default_language","value":"zh"}}
 *     {"rule":{ …a row of upstream_error_rules, less what is its column's default… }}
 *     {"mask_pattern":{"pattern":"…","case_sensitive":true}}
 *     {"mask_host":"api.example.com"}
 *     {"message":{"code":"rate_limit_exceeded","language":"de","message":"…"}}
 *     {"channel":{ …a row of upstream_error_channels… }}
 *     {"retry_policy":{ …a row of upstream_error_retry_policies… }}
 *     {"health_rule":{ …see breaker.h… }}
 *     {"end":8}
 *
 * The last line counts the lines between; without it the snapshot is torn and refused.
 * A member or line of an unknown name is refused too: a sidecar that does not know a
 * condition must not apply half a rule; it goes on with the policy it has, and says so.
 */
#ifndef UE_CORE_POLICY_H
#define UE_CORE_POLICY_H

#include "core/catalog.h"
#include "core/mask.h"
#include "core/rules.h"

/* Immutable once read; any number of threads may use one. */
typedef struct UePolicy UePolicy;

typedef struct UeChannel UeChannel;			/* channel.h */
typedef struct UeRetryPolicy UeRetryPolicy; /* routing.h */
typedef struct UeBreakers UeBreakers;		/* breaker.h */

typedef struct UePolicyProblem
{
	size_t line; /* from 1; 0: the snapshot as a whole */
	UeRuleProblem rule;
} UePolicyProblem;

/*
 * Memory comes from the allocator, at most ceiling bytes (UE_LIMIT_POLICY_MEMORY is a good
 * one).  UE_OK, UE_NO_MEMORY, UE_TOO_LARGE, or UE_INVALID_ARGUMENT and UE_MALFORMED with
 * *problem filled; its texts are in the arena, which is scratch otherwise.
 */
extern UeStatus ue_policy_read(const UeAllocator *allocator, size_t ceiling,
							   UeArena *arena, UeSlice snapshot, UePolicy **out,
							   UePolicyProblem *problem) UE_MUST_CHECK;
extern void ue_policy_free(UePolicy *policy); /* NULL is fine */

/* Of NULL, the policy of nobody: generation 0, no rules, no settings. */
extern int64_t ue_policy_generation(const UePolicy *policy);
extern const UeRules *ue_policy_rules(const UePolicy *policy);		 /* may be NULL */
extern const UeMaskSettings *ue_policy_mask(const UePolicy *policy); /* may be NULL */
extern size_t ue_policy_size(const UePolicy *policy);				 /* bytes */

/* In the snapshot's order; NULL when there are none. */
extern const UeChannel *ue_policy_channels(const UePolicy *policy, size_t *n);
extern const UeRetryPolicy *ue_policy_retry_policies(const UePolicy *policy, size_t *n);

/* NULL when the operator has written none: ue_breakers_build_defaults. */
extern const UeBreakers *ue_policy_breakers(const UePolicy *policy);

/* NULL: there is no channel of that name. */
extern const UeChannel *ue_policy_find_channel(const UePolicy *policy, UeSlice name);

/* The setting default_language; "en" when it is not set. */
extern UeSlice ue_policy_default_language(const UePolicy *policy);

/*
 * What a client with this Accept-Language reads about a code: the operator's message or
 * the catalogue's, in the language that it likes best of those there are; the default
 * language (setting default_language, else English) when it likes none.  *language is the
 * tag of the text.
 */
extern UeSlice ue_policy_message(const UePolicy *policy, const UeCode *code,
								 UeSlice accept_language, UeSlice *language);

#endif
