/* SPDX-License-Identifier: PostgreSQL */
/*
 * retry.h: whether a failed attempt is made again, where, and after what wait.
 *
 * The order of the questions is new-api's (relay/controller shouldRetry) with what it
 * lacks: nothing after output, rules that say so, request faults, the upstream's own hint,
 * deadlines, a budget against storms.  Every number is the policy's, a row in SQL whose
 * defaults reproduce new-api's; routing.h.
 *
 * Pure: time and chance come in, the step and its reason go out.
 */
#ifndef UE_CORE_RETRY_H
#define UE_CORE_RETRY_H

#include "core/decide.h"
#include "core/routing.h"

typedef enum UeStepKind
{
	UE_STEP_ANSWER = 0, /* no further attempt */
	UE_STEP_RETRY,		/* the same channel */
	UE_STEP_FAILOVER,	/* another one */
} UeStepKind;

/* Why; names are for rows and logs. */
typedef enum UeStepReason
{
	UE_STEP_OUTPUT = 0,	   /* the client has had output */
	UE_STEP_CLIENT_GONE,   /* nobody waits for it */
	UE_STEP_RULE,		   /* a rule says so */
	UE_STEP_BODY,		   /* the request's body was not kept */
	UE_STEP_ATTEMPTS,	   /* max_attempts are made */
	UE_STEP_BUDGET,		   /* too many retries for the traffic */
	UE_STEP_SKIP_RETRY,	   /* the catalogue marks the code as one not to retry */
	UE_STEP_REQUEST_FAULT, /* the request would fail anywhere */
	UE_STEP_CLASS,
	UE_STEP_CODE,
	UE_STEP_NETWORK,
	UE_STEP_STATUS,
	UE_STEP_NO_CHANNEL, /* worth it, but there is nobody left to ask */
	UE_STEP_HINT,		/* the upstream wants a longer wait than hint_max_ms */
	UE_STEP_DEADLINE,	/* the wait would outlast the client's or our own deadline */
} UeStepReason;

#define UE_STEP_REASON_COUNT (UE_STEP_DEADLINE + 1)

typedef struct UeStep
{
	UeStepKind kind;
	UeStepReason reason; /* what decided for or against */
	int64_t wait_ms;	 /* before the next attempt */
} UeStep;

/* What is known when an attempt has failed. */
typedef struct UeAttempt
{
	const UeVerdict *verdict;
	UeKind kind;
	UeNetwork network;
	bool has_output;
	bool is_body_kept;			/* the request can be sent again */
	int32_t n_attempts;			/* made, this one counted */
	int32_t n_channel_attempts; /* of these, on this channel */
	bool has_other_channel;		/* a usable one that was not tried */
	bool is_channel_usable;		/* this one, after what it has just done */
	bool has_budget;			/* one was taken */
	int64_t elapsed_ms;			/* since the request came */
	int64_t client_timeout_ms;	/* from the request on; 0: not known */
	uint32_t random;
} UeAttempt;

extern void ue_retry_decide(const UeRetryPolicy *policy, const UeAttempt *attempt,
							UeStep *out);

extern const char *ue_step_kind_name(UeStepKind kind); /* "answer", "retry", "failover" */
extern const char *
ue_step_reason_name(UeStepReason reason); /* "output", "client_gone", … */

/* Whether the request would fail in any channel; one may have a model that another lacks. */
extern bool ue_retry_is_request_fault(const UeFault *fault);

/*
 * A share of the traffic that may be retries: each request earns percent hundredths of
 * one, at most burst are saved up.  So n requests cause at most
 * n * (1 + percent / 100) + burst upstream requests.  Any thread.
 */
typedef struct UeRetryBudget
{
	_Atomic int64_t saved; /* in hundredths of a retry */
} UeRetryBudget;

extern void ue_retry_budget_init(UeRetryBudget *budget, int32_t burst); /* saved up */
extern void ue_retry_budget_earn(UeRetryBudget *budget, int32_t percent, int32_t burst);

/* One retry; false: there is none.  Who does not use it gives it back. */
extern bool ue_retry_budget_take(UeRetryBudget *budget);
extern void ue_retry_budget_give_back(UeRetryBudget *budget);

#endif
