/* SPDX-License-Identifier: PostgreSQL */
/*
 * exchange_step.c: what follows a failure, and the clocks of an attempt.
 */
#include <string.h>
#include <time.h>

#include "exchange_attempts.h"
#include "transition.h"

static void fill_attempt(UeAttempts *attempts, UeAttempt *attempt);
static void wait_for_next(UeAttempts *attempts);
static void handle_wait(UeTimer *timer);
static void handle_deadline(UeTimer *timer);
static void handle_hold_end(UeTimer *timer);

bool
ue_attempts_go_on(UeAttempts *attempts)
{
	UeExchange *exchange = attempts->exchange;
	UeFailure *failure = exchange->failure;
	UeAttempt attempt;

	ue_attempts_note_failure(attempts);
	fill_attempt(attempts, &attempt);
	ue_retry_decide(attempts->policy, &attempt, &attempts->step);
	if (attempts->step.kind == UE_STEP_ANSWER)
	{
		ue_attempts_give_back(attempts);
		return false;
	}

	atomic_fetch_add_explicit(&exchange->owner->metrics->retries, 1,
							  memory_order_relaxed);
	ue_exchange_complete(exchange, UE_OUTCOME_RETRIED, UE_EVENT_NULL);
	attempts->has_failure =
		failure->is_recorded && !failure->decision.verdict.is_unmonitored;
	attempts->failed_at_us = failure->at_us;
	memcpy(attempts->failed_event, failure->event_id, sizeof(attempts->failed_event));
	wait_for_next(attempts);
	return true;
}

void
ue_attempts_give_back(UeAttempts *attempts)
{
	if (attempts->has_retry)
		ue_retry_budget_give_back(attempts->budget);
	attempts->has_retry = false;
}

static void
fill_attempt(UeAttempts *attempts, UeAttempt *attempt)
{
	const UeExchange *exchange = attempts->exchange;
	const UeFailure *failure = exchange->failure;
	int64_t now_ms = ue_loop_now_ms(exchange->owner->loop);

	attempts->has_retry = attempts->has_retry || ue_retry_budget_take(attempts->budget);
	*attempt = (UeAttempt){
		.verdict = &failure->decision.verdict,
		.kind = failure->kase.kind,
		.network = failure->kase.network,
		.has_output = ue_client_has_sent_head(exchange->client),
		.is_body_kept = ue_attempts_is_body_kept(attempts) && !exchange->is_refused,
		.n_attempts = exchange->attempt,
		.has_budget = attempts->has_retry,
		.elapsed_ms = now_ms - exchange->start_ms,
		.client_timeout_ms = attempts->client_timeout_ms,
		.random = (uint32_t) ue_ident_random(&exchange->owner->ident),
	};
	if (attempts->current != SIZE_MAX)
		attempt->n_channel_attempts = attempts->n_tries[attempts->current];
	ue_attempts_look_around(attempts, &attempt->has_other_channel,
							&attempt->is_channel_usable);
}

/* Nothing of the failed attempt stays but what the next one needs. */
static void
wait_for_next(UeAttempts *attempts)
{
	UeExchange *exchange = attempts->exchange;
	UeLoop *loop = exchange->owner->loop;

	ue_hold_free(&attempts->hold);
	attempts->is_holding = false;
	ue_exchange_reset_attempt(exchange);
	exchange->attempt++;
	exchange->state = UE_EXCHANGE_RESTING;
	attempts->wait.on_due = handle_wait;
	ue_loop_set_timer(loop, &attempts->wait, attempts->step.wait_ms);
}

void
ue_attempts_stop_clocks(UeAttempts *attempts)
{
	UeLoop *loop = attempts->exchange->owner->loop;

	ue_loop_cancel_timer(loop, &attempts->wait);
	ue_loop_cancel_timer(loop, &attempts->deadline);
	ue_loop_cancel_timer(loop, &attempts->hold_end);
}

void
ue_attempts_give_up(UeAttempts *attempts, UeStepReason reason)
{
	ue_attempts_note_failure(attempts);
	attempts->step = (UeStep){.kind = UE_STEP_ANSWER, .reason = reason, .wait_ms = 0};
}

static void
handle_wait(UeTimer *timer)
{
	UeAttempts *attempts = (UeAttempts *) ((char *) timer - offsetof(UeAttempts, wait));

	ue_exchange_start_attempt(attempts->exchange);
}

void
ue_attempts_start_clock(UeAttempts *attempts)
{
	UeExchange *exchange = attempts->exchange;
	const UeRetryPolicy *policy = attempts->policy;
	int64_t wait_ms = policy->attempt_timeout_ms;

	attempts->overdue = UE_NETWORK_FIRST_BYTE_TIMEOUT;
	if (policy->total_timeout_ms > 0)
	{
		int64_t left_ms = policy->total_timeout_ms -
						  (ue_loop_now_ms(exchange->owner->loop) - exchange->start_ms);

		if (left_ms < 1)
			left_ms = 1;
		if (wait_ms <= 0 || left_ms < wait_ms)
		{
			wait_ms = left_ms;
			attempts->overdue = UE_NETWORK_TOTAL_TIMEOUT;
		}
	}
	if (wait_ms <= 0)
		return;
	attempts->deadline.on_due = handle_deadline;
	ue_loop_set_timer(exchange->owner->loop, &attempts->deadline, wait_ms);
}

static void
handle_deadline(UeTimer *timer)
{
	UeAttempts *attempts =
		(UeAttempts *) ((char *) timer - offsetof(UeAttempts, deadline));
	UeNetwork network = attempts->overdue;

	if (attempts->exchange->first_byte_ms >= 0 &&
		network == UE_NETWORK_FIRST_BYTE_TIMEOUT)
		network = UE_NETWORK_IDLE_TIMEOUT;
	ue_exchange_end_attempt(attempts->exchange, network);
}

void
ue_attempts_note_output(UeAttempts *attempts)
{
	ue_loop_cancel_timer(attempts->exchange->owner->loop, &attempts->deadline);
	ue_loop_cancel_timer(attempts->exchange->owner->loop, &attempts->hold_end);
	ue_attempts_note_success(attempts);
}

/* The last failure's row learns that the client never saw it. */
void
ue_attempts_note_end(UeAttempts *attempts)
{
	UeExchange *exchange = attempts->exchange;
	const UeTableChannel *channel = ue_attempts_channel(attempts);
	UeRecovery recovery = {
		.at_us = attempts->failed_at_us,
		.request_id = {attempts->request_id, attempts->request_id_len},
		.response_status = exchange->status,
		.total_ms = ue_loop_now_ms(exchange->owner->loop) - exchange->start_ms,
	};

	ue_attempts_note_success(attempts);
	if (exchange->attempt == 1)
		return;
	atomic_fetch_add_explicit(&exchange->owner->metrics->recovered, 1,
							  memory_order_relaxed);
	if (!attempts->has_failure)
		return;
	memcpy(recovery.event_id, attempts->failed_event, sizeof(recovery.event_id));
	if (channel != NULL)
		recovery.channel = channel->channel->name;
	ue_journal_batch_write(exchange->owner->records); /* its event first */
	ue_journal_append_recovery(exchange->owner->journal, &recovery);
}

void
ue_attempts_begin_stream(UeAttempts *attempts)
{
	UeExchange *exchange = attempts->exchange;
	UeHoldLimits limits = {
		.max_events = attempts->policy->hold_events,
		.max_bytes = (size_t) attempts->policy->hold_bytes,
	};

	attempts->is_holding = limits.max_events > 0 && limits.max_bytes > 0;
	if (!attempts->is_holding)
		return;
	ue_hold_init(&attempts->hold, ue_exchange_find_dialect(exchange), &limits);
	attempts->hold_end.on_due = handle_hold_end;
	if (attempts->policy->hold_ms > 0)
		ue_loop_set_timer(exchange->owner->loop, &attempts->hold_end,
						  attempts->policy->hold_ms);
}

bool
ue_attempts_hold(UeAttempts *attempts, UeSlice *bytes)
{
	bool is_kept;

	if (ue_hold_append(&attempts->hold, *bytes, &is_kept))
		return true;
	ue_attempts_let_go(attempts);
	if (is_kept)
		*bytes = (UeSlice){NULL, 0};
	return false;
}

void
ue_attempts_let_go(UeAttempts *attempts)
{
	if (!attempts->is_holding)
		return;
	attempts->is_holding = false;
	ue_loop_cancel_timer(attempts->exchange->owner->loop, &attempts->hold_end);
	if (ue_hold_bytes(&attempts->hold).len > 0)
		ue_exchange_pass_stream(attempts->exchange, ue_hold_bytes(&attempts->hold));
	ue_hold_free(&attempts->hold);
}

/* Whoever waits so long for the first word wants to see that somebody is there. */
static void
handle_hold_end(UeTimer *timer)
{
	UeAttempts *attempts =
		(UeAttempts *) ((char *) timer - offsetof(UeAttempts, hold_end));

	ue_attempts_let_go(attempts);
}
