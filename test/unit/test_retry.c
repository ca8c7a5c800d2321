/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_retry.c: whether a failed attempt is made again.
 */
#include "core/retry.h"
#include "tap.h"

/* The questions in their order: each row changes one answer of a fault worth retrying. */
typedef struct Change
{
	const char *claim;
	void (*apply)(UeRetryPolicy *policy, UeAttempt *attempt, UeVerdict *verdict);
	UeStepKind kind;
	UeStepReason reason;
} Change;

#define CHANGE(name)                                                                     \
	static void name(UeRetryPolicy *policy, UeAttempt *attempt, UeVerdict *verdict)
#define UNUSED (void) policy, (void) attempt, (void) verdict

static const UeCode plain = {.name = UE_SLICE_INIT("rate_limit_exceeded"),
							 .class = UE_CLASS_RATE_LIMIT};
static const UeCode channel_code = {.name = UE_SLICE_INIT("channel:no_available_key")};
static const UeCode bad_body = {.name = UE_SLICE_INIT("bad_response_body")};
static const UeCode ours = {.name = UE_SLICE_INIT("request_body_too_large"),
							.is_skip_retry = true};

CHANGE(nothing)
{
	UNUSED;
}
CHANGE(output)
{
	UNUSED;
	attempt->has_output = true;
	verdict->action = UE_ACTION_RETRY;
}
CHANGE(gone)
{
	UNUSED;
	attempt->kind = UE_KIND_CLIENT_GONE;
}
CHANGE(stop)
{
	UNUSED;
	verdict->action = UE_ACTION_STOP;
}
CHANGE(body)
{
	UNUSED;
	attempt->is_body_kept = false;
	verdict->action = UE_ACTION_RETRY;
}
CHANGE(attempts)
{
	UNUSED;
	attempt->n_attempts = 3;
	verdict->action = UE_ACTION_FAILOVER;
}
CHANGE(budget)
{
	UNUSED;
	attempt->has_budget = false;
}
CHANGE(rule_retry)
{
	UNUSED;
	verdict->fault.is_request_fault = true;
	verdict->action = UE_ACTION_RETRY;
}
CHANGE(rule_failover_alone)
{
	UNUSED;
	verdict->action = UE_ACTION_FAILOVER;
	attempt->has_other_channel = false;
}
CHANGE(rule_cooldown)
{
	UNUSED;
	verdict->action = UE_ACTION_COOLDOWN;
	attempt->has_other_channel = false;
}
CHANGE(channel_prefix)
{
	UNUSED;
	verdict->fault.catalog_code = &channel_code;
	verdict->fault.effective_status = 400;
}
CHANGE(stop_code)
{
	UNUSED;
	verdict->fault.catalog_code = &bad_body;
}
CHANGE(own_refusal)
{
	UNUSED;
	attempt->kind = UE_KIND_LOCAL_ERROR;
	verdict->fault.catalog_code = &ours;
}
CHANGE(upstream_refusal)
{
	UNUSED;
	verdict->fault.catalog_code = &ours;
}
CHANGE(request_fault)
{
	UNUSED;
	verdict->fault.is_request_fault = true;
}
CHANGE(request_fault_allowed)
{
	UNUSED;
	verdict->fault.is_request_fault = true;
	policy->is_request_fault_retried = true;
}
CHANGE(stop_class)
{
	UNUSED;
	policy->stop_classes = UINT32_C(1) << UE_CLASS_RATE_LIMIT;
	policy->retry_classes = UINT32_MAX;
}
CHANGE(retry_class)
{
	UNUSED;
	policy->retry_classes = UINT32_C(1) << UE_CLASS_RATE_LIMIT;
	verdict->fault.effective_status = 504;
}
CHANGE(network)
{
	UNUSED;
	attempt->network = UE_NETWORK_RESET;
	verdict->fault.effective_status = 504;
}
CHANGE(network_total)
{
	UNUSED;
	attempt->network = UE_NETWORK_TOTAL_TIMEOUT;
}
CHANGE(status_504)
{
	UNUSED;
	verdict->fault.effective_status = 504;
}
CHANGE(status_400)
{
	UNUSED;
	verdict->fault.effective_status = 400;
}
CHANGE(status_outside)
{
	UNUSED;
	verdict->fault.effective_status = 777;
}
CHANGE(alone)
{
	UNUSED;
	attempt->has_other_channel = false;
}
CHANGE(alone_cooling)
{
	UNUSED;
	attempt->has_other_channel = false;
	attempt->is_channel_usable = false;
}
CHANGE(alone_too_often)
{
	UNUSED;
	attempt->has_other_channel = false;
	attempt->n_channel_attempts = 2;
	attempt->n_attempts = 2;
}
CHANGE(long_hint)
{
	UNUSED;
	attempt->has_other_channel = false;
	verdict->fault.retry_after_ms = 8001;
}
CHANGE(long_hint_elsewhere)
{
	UNUSED;
	verdict->fault.retry_after_ms = 3600000;
}
CHANGE(alone_daily)
{
	UNUSED;
	attempt->has_other_channel = false;
	verdict->fault.is_quota_daily = true;
}
CHANGE(alone_beyond)
{
	UNUSED;
	attempt->has_other_channel = false;
	verdict->fault.is_beyond_limit = true;
}
CHANGE(daily_elsewhere)
{
	UNUSED;
	verdict->fault.is_quota_daily = true;
}
CHANGE(daily_rule)
{
	UNUSED;
	attempt->has_other_channel = false;
	verdict->fault.is_quota_daily = true;
	verdict->action = UE_ACTION_RETRY;
}
CHANGE(client_deadline)
{
	UNUSED;
	attempt->has_other_channel = false;
	verdict->fault.retry_after_ms = 5000;
	attempt->elapsed_ms = 5000;
	attempt->client_timeout_ms = 10000;
}
CHANGE(total_deadline)
{
	UNUSED;
	policy->total_timeout_ms = 600;
	attempt->elapsed_ms = 600;
}

static const Change changes[] = {
	{"another channel, when there is one", nothing, UE_STEP_FAILOVER, UE_STEP_STATUS},
	{"never after output, whatever a rule says", output, UE_STEP_ANSWER, UE_STEP_OUTPUT},
	{"not for a client that left", gone, UE_STEP_ANSWER, UE_STEP_CLIENT_GONE},
	{"not when a rule says stop", stop, UE_STEP_ANSWER, UE_STEP_RULE},
	{"not without the request's body", body, UE_STEP_ANSWER, UE_STEP_BODY},
	{"not more often than the policy says", attempts, UE_STEP_ANSWER, UE_STEP_ATTEMPTS},
	{"not beyond the budget", budget, UE_STEP_ANSWER, UE_STEP_BUDGET},
	{"a rule's retry stays, also for a request fault", rule_retry, UE_STEP_RETRY,
	 UE_STEP_RULE},
	{"a rule's failover needs another channel", rule_failover_alone, UE_STEP_ANSWER,
	 UE_STEP_NO_CHANNEL},
	{"a channel that a rule cools down is not asked again", rule_cooldown, UE_STEP_ANSWER,
	 UE_STEP_NO_CHANNEL},
	{"channel: codes always, whatever the status", channel_prefix, UE_STEP_FAILOVER,
	 UE_STEP_CODE},
	{"bad_response_body never", stop_code, UE_STEP_ANSWER, UE_STEP_CODE},
	{"our own refusals as the catalogue says", own_refusal, UE_STEP_ANSWER,
	 UE_STEP_SKIP_RETRY},
	{"an upstream's may be another's good answer", upstream_refusal, UE_STEP_FAILOVER,
	 UE_STEP_STATUS},
	{"request faults not", request_fault, UE_STEP_ANSWER, UE_STEP_REQUEST_FAULT},
	{"unless the policy says so", request_fault_allowed, UE_STEP_FAILOVER,
	 UE_STEP_STATUS},
	{"a class can stop", stop_class, UE_STEP_ANSWER, UE_STEP_CLASS},
	{"and can overrule the status", retry_class, UE_STEP_FAILOVER, UE_STEP_CLASS},
	{"a reset connection", network, UE_STEP_FAILOVER, UE_STEP_NETWORK},
	{"no time left", network_total, UE_STEP_ANSWER, UE_STEP_NETWORK},
	{"504 is not among the default statuses", status_504, UE_STEP_ANSWER, UE_STEP_STATUS},
	{"400 neither", status_400, UE_STEP_ANSWER, UE_STEP_STATUS},
	{"no status of HTTP", status_outside, UE_STEP_FAILOVER, UE_STEP_STATUS},
	{"the same channel, when it is the only one", alone, UE_STEP_RETRY, UE_STEP_STATUS},
	{"not when it cools down", alone_cooling, UE_STEP_ANSWER, UE_STEP_NO_CHANNEL},
	{"nor too often", alone_too_often, UE_STEP_ANSWER, UE_STEP_NO_CHANNEL},
	{"a hint that is too long is told to the client", long_hint, UE_STEP_ANSWER,
	 UE_STEP_HINT},
	{"it does not hold another channel up", long_hint_elsewhere, UE_STEP_FAILOVER,
	 UE_STEP_STATUS},
	{"a day's quota is not asked for again", alone_daily, UE_STEP_ANSWER,
	 UE_STEP_NO_CHANNEL},
	{"nor is more than a limit allows", alone_beyond, UE_STEP_ANSWER, UE_STEP_NO_CHANNEL},
	{"another channel may have one", daily_elsewhere, UE_STEP_FAILOVER, UE_STEP_STATUS},
	{"and a rule may know better", daily_rule, UE_STEP_RETRY, UE_STEP_RULE},
	{"the client's own deadline counts", client_deadline, UE_STEP_ANSWER,
	 UE_STEP_DEADLINE},
	{"so does the policy's", total_deadline, UE_STEP_ANSWER, UE_STEP_DEADLINE},
};

static UeStep
decide(const Change *change, uint32_t random)
{
	UeRetryPolicy policy = ue_retry_default;
	UeVerdict verdict = {.fault = {.class = UE_CLASS_RATE_LIMIT,
								   .status = 429,
								   .effective_status = 429,
								   .retry_after_ms = UE_RETRY_AFTER_NONE,
								   .catalog_code = &plain}};
	UeAttempt attempt = {
		.verdict = &verdict,
		.kind = UE_KIND_HTTP_ERROR,
		.is_body_kept = true,
		.n_attempts = 1,
		.n_channel_attempts = 1,
		.has_other_channel = true,
		.is_channel_usable = true,
		.has_budget = true,
		.elapsed_ms = 20,
		.random = random,
	};
	UeStep step;

	change->apply(&policy, &attempt, &verdict);
	ue_retry_decide(&policy, &attempt, &step);
	return step;
}

/* Full jitter: anything between nothing and the bound, and the bound doubles. */
static void
test_waits(void)
{
	UeRetryPolicy policy = ue_retry_default;
	UeVerdict verdict = {.fault = {.effective_status = 503,
								   .class = UE_CLASS_SERVER_ERROR,
								   .retry_after_ms = UE_RETRY_AFTER_NONE,
								   .catalog_code = &plain}};
	UeAttempt attempt = {.verdict = &verdict,
						 .is_body_kept = true,
						 .is_channel_usable = true,
						 .has_budget = true};
	int64_t bound = 500;
	UeStep step;

	policy.max_attempts = policy.max_channel_attempts = 100;
	for (int n = 1; n < 70; n++)
	{
		int64_t low = INT64_MAX;
		int64_t high = 0;

		attempt.n_attempts = attempt.n_channel_attempts = n;
		for (uint32_t i = 0; i < 2000; i++)
		{
			attempt.random = i * UINT32_C(2654435761);
			ue_retry_decide(&policy, &attempt, &step);
			low = step.wait_ms < low ? step.wait_ms : low;
			high = step.wait_ms > high ? step.wait_ms : high;
		}
		ok(step.kind == UE_STEP_RETRY && low >= 0 && low < bound / 10 && high <= bound &&
			   high > bound * 9 / 10,
		   "before attempt %d: 0 to %lld ms (seen %lld to %lld)", n + 1,
		   (long long) bound, (long long) low, (long long) high);
		bound = bound * 2 < 8000 ? bound * 2 : 8000;
	}
	attempt.n_attempts = attempt.n_channel_attempts = 1;
	verdict.fault.retry_after_ms = 4000;
	for (uint32_t i = 0; i < 2000; i++)
	{
		attempt.random = i * UINT32_C(2654435761);
		ue_retry_decide(&policy, &attempt, &step);
		if (step.wait_ms < 4000 || step.wait_ms > 5000)
			ok(false, "a hint of 4000 ms is waited for: %lld", (long long) step.wait_ms);
	}
}

static void
test_budget(void)
{
	UeRetryBudget budget;
	int n_retries = 0;

	ue_retry_budget_init(&budget, 10);
	for (int i = 0; i < 1000; i++)
	{
		ue_retry_budget_earn(&budget, 20, 10);
		for (int try = 0; try < 5 && ue_retry_budget_take(&budget); try++)
			n_retries++;
	}
	ok(n_retries >= 200 && n_retries <= 210,
	   "1000 requests, 20 %%, 10 saved up: %d retries", n_retries);
	for (int i = 0; i < 100000; i++)
		ue_retry_budget_earn(&budget, 100, 3);
	for (n_retries = 0; ue_retry_budget_take(&budget); n_retries++)
		;
	ok(n_retries == 3, "no more than the burst is saved up");
	ue_retry_budget_give_back(&budget);
	ok(ue_retry_budget_take(&budget) && !ue_retry_budget_take(&budget),
	   "what was given back is there");
	ue_retry_budget_init(&budget, 0);
	ue_retry_budget_earn(&budget, 0, 0);
	ok(!ue_retry_budget_take(&budget), "no budget, no retry");
}

int
main(void)
{
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
	{
		UeStep step = decide(&changes[i], 7);

		ok(step.kind == changes[i].kind && step.reason == changes[i].reason,
		   "%s: %s, for %s", changes[i].claim, ue_step_kind_name(step.kind),
		   ue_step_reason_name(step.reason));
	}
	test_waits();
	test_budget();
	for (int reason = 0; reason < UE_STEP_REASON_COUNT; reason++)
		ok(ue_step_reason_name((UeStepReason) reason)[0] != '\0', "reason %d has a name",
		   reason);
	return done_testing();
}
