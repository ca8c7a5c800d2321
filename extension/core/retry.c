/* SPDX-License-Identifier: PostgreSQL */
/*
 * retry.c: the ordered questions.
 */
#include "core/retry.h"

#include <stdatomic.h>

#define BIT(n) (UINT32_C(1) << (n))

/* Whoever waits longer than this between two attempts might as well answer. */
#define SHIFT_MAX 20

static const char *const reason_names[UE_STEP_REASON_COUNT] = {
	[UE_STEP_OUTPUT] = "output",
	[UE_STEP_CLIENT_GONE] = "client_gone",
	[UE_STEP_RULE] = "rule",
	[UE_STEP_BODY] = "body",
	[UE_STEP_ATTEMPTS] = "attempts",
	[UE_STEP_BUDGET] = "budget",
	[UE_STEP_SKIP_RETRY] = "skip_retry",
	[UE_STEP_REQUEST_FAULT] = "request_fault",
	[UE_STEP_CLASS] = "class",
	[UE_STEP_CODE] = "code",
	[UE_STEP_NETWORK] = "network",
	[UE_STEP_STATUS] = "status",
	[UE_STEP_NO_CHANNEL] = "no_channel",
	[UE_STEP_HINT] = "hint",
	[UE_STEP_DEADLINE] = "deadline",
};

const char *
ue_step_kind_name(UeStepKind kind)
{
	switch (kind)
	{
		case UE_STEP_ANSWER:
			return "answer";
		case UE_STEP_RETRY:
			return "retry";
		case UE_STEP_FAILOVER:
			return "failover";
	}
	return "answer";
}

const char *
ue_step_reason_name(UeStepReason reason)
{
	return (unsigned int) reason < UE_STEP_REASON_COUNT ? reason_names[reason] : "rule";
}

bool
ue_retry_is_request_fault(const UeFault *fault)
{
	return fault->is_request_fault && fault->class != UE_CLASS_MODEL_NOT_FOUND;
}

static bool
is_listed(UeRecordList list, UeSlice name)
{
	for (size_t i = 0; i < list.n; i++)
		if (ue_slice_is_equal(list.items[i], name))
			return true;
	return false;
}

/* Whatever the fault was: no attempt can follow. */
static bool
is_over(const UeRetryPolicy *policy, const UeAttempt *attempt, UeStepReason *reason)
{
	if (attempt->has_output)
		*reason = UE_STEP_OUTPUT;
	else if (attempt->kind == UE_KIND_CLIENT_GONE)
		*reason = UE_STEP_CLIENT_GONE;
	else if (attempt->verdict->action == UE_ACTION_STOP)
		*reason = UE_STEP_RULE;
	else if (!attempt->is_body_kept)
		*reason = UE_STEP_BODY;
	else if (attempt->n_attempts >= policy->max_attempts)
		*reason = UE_STEP_ATTEMPTS;
	else if (!attempt->has_budget)
		*reason = UE_STEP_BUDGET;
	else
		return false;
	return true;
}

/* Whether the fault is worth another attempt, and what says so. */
static bool
is_worth_it(const UeRetryPolicy *policy, const UeAttempt *attempt, UeStepReason *reason)
{
	const UeFault *fault = &attempt->verdict->fault;
	const UeCode *code = fault->catalog_code;

	*reason = UE_STEP_RULE;
	if (attempt->verdict->action != UE_ACTION_ANSWER)
		return true;
	*reason = UE_STEP_CODE;
	if (ue_slice_has_prefix(code->name, UE_SLICE("channel:")))
		return true;
	if (is_listed(policy->stop_codes, code->name))
		return false;
	/* an upstream's refusal may be another channel's good answer; our own stays */
	*reason = UE_STEP_SKIP_RETRY;
	if (attempt->kind == UE_KIND_LOCAL_ERROR && code->is_skip_retry)
		return false;
	*reason = UE_STEP_REQUEST_FAULT;
	if (ue_retry_is_request_fault(fault) && !policy->is_request_fault_retried)
		return false;
	*reason = UE_STEP_CLASS;
	if ((policy->stop_classes & BIT(fault->class)) != 0)
		return false;
	if ((policy->retry_classes & BIT(fault->class)) != 0)
		return true;
	*reason = UE_STEP_NETWORK;
	if (attempt->network != UE_NETWORK_NONE)
		return (policy->retry_networks & BIT(attempt->network)) != 0;
	*reason = UE_STEP_STATUS;
	/* outside of HTTP's range there is no status to go by: new-api tries again */
	return fault->effective_status < UE_STATUSES_MIN ||
		   fault->effective_status > UE_STATUSES_MAX ||
		   ue_statuses_has(&policy->retry_statuses, fault->effective_status);
}

/* A random part of ms, all of it included. */
static int64_t
jitter(int64_t ms, uint32_t random)
{
	return ms <= 0 ? 0 : (int64_t) (random % (uint64_t) (ms + 1));
}

/* Exponential with full jitter (Brooker, "Exponential Backoff And Jitter", AWS 2015). */
static int64_t
find_backoff(const UeRetryPolicy *policy, const UeAttempt *attempt)
{
	int32_t shift = attempt->n_channel_attempts - 1;
	int64_t ms = policy->backoff_ms;

	if (shift < 0)
		shift = 0;
	for (int32_t i = 0; i < shift && i < SHIFT_MAX && ms < policy->backoff_max_ms; i++)
		ms *= 2;
	return jitter(ms < policy->backoff_max_ms ? ms : policy->backoff_max_ms,
				  attempt->random);
}

/* Where the next attempt goes; false: nowhere, *reason says why. */
static bool
find_place(const UeRetryPolicy *policy, const UeAttempt *attempt, UeStep *step)
{
	UeAction action = attempt->verdict->action;
	int64_t hint_ms = attempt->verdict->fault.retry_after_ms;
	bool may_repeat = attempt->is_channel_usable && action != UE_ACTION_COOLDOWN &&
					  action != UE_ACTION_DISABLE &&
					  attempt->n_channel_attempts < policy->max_channel_attempts;

	/* what no wait refills the same account will not have a second later */
	if (action != UE_ACTION_RETRY && (attempt->verdict->fault.is_quota_daily ||
									  attempt->verdict->fault.is_beyond_limit))
		may_repeat = false;

	if (attempt->has_other_channel && (action != UE_ACTION_RETRY || !may_repeat))
	{
		step->kind = UE_STEP_FAILOVER;
		step->wait_ms = jitter(policy->failover_wait_ms, attempt->random);
		return true;
	}
	if (!may_repeat || action == UE_ACTION_FAILOVER)
	{
		step->reason = UE_STEP_NO_CHANNEL;
		return false;
	}
	if (hint_ms > policy->hint_max_ms)
	{
		step->reason = UE_STEP_HINT;
		return false;
	}
	step->kind = UE_STEP_RETRY;
	/* never before the upstream is ready; a little later, for others wait for it too */
	step->wait_ms = hint_ms >= 0 ? hint_ms + jitter(hint_ms / 4, attempt->random)
								 : find_backoff(policy, attempt);
	return true;
}

static bool
is_too_late(const UeRetryPolicy *policy, const UeAttempt *attempt, int64_t wait_ms)
{
	int64_t then_ms = attempt->elapsed_ms + wait_ms;

	return (policy->total_timeout_ms > 0 && then_ms >= policy->total_timeout_ms) ||
		   (attempt->client_timeout_ms > 0 && then_ms >= attempt->client_timeout_ms);
}

void
ue_retry_decide(const UeRetryPolicy *policy, const UeAttempt *attempt, UeStep *out)
{
	UeStep step = {.kind = UE_STEP_ANSWER};

	if (!is_over(policy, attempt, &step.reason) &&
		is_worth_it(policy, attempt, &step.reason) &&
		find_place(policy, attempt, &step) && is_too_late(policy, attempt, step.wait_ms))
		step = (UeStep){UE_STEP_ANSWER, UE_STEP_DEADLINE, 0};
	*out = step;
}

void
ue_retry_budget_init(UeRetryBudget *budget, int32_t burst)
{
	atomic_init(&budget->saved, (int64_t) burst * 100);
}

void
ue_retry_budget_earn(UeRetryBudget *budget, int32_t percent, int32_t burst)
{
	int64_t most = (int64_t) burst * 100;
	int64_t saved = atomic_load_explicit(&budget->saved, memory_order_relaxed);
	int64_t wanted;

	/* nearly always it is full, and nobody is kept waiting for a shared line */
	do
	{
		wanted = saved + percent < most ? saved + percent : most;
		if (wanted == saved)
			return;
	} while (!atomic_compare_exchange_weak_explicit(&budget->saved, &saved, wanted,
													memory_order_relaxed,
													memory_order_relaxed));
}

bool
ue_retry_budget_take(UeRetryBudget *budget)
{
	int64_t saved = atomic_load_explicit(&budget->saved, memory_order_relaxed);

	do
	{
		if (saved < 100)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&budget->saved, &saved, saved - 100,
													memory_order_relaxed,
													memory_order_relaxed));
	return true;
}

void
ue_retry_budget_give_back(UeRetryBudget *budget)
{
	atomic_fetch_add_explicit(&budget->saved, 100, memory_order_relaxed);
}
