/* SPDX-License-Identifier: PostgreSQL */
/*
 * exchange_health.c: what a channel's health learns from an attempt.
 *
 * Only what is the channel's: a request at fault, a client that left, and refusals of our
 * own say nothing about it.
 */
#include <string.h>

#include "core/decide_rule.h"
#include "exchange_attempts.h"
#include "transition.h"

static bool is_channel_to_blame(const UeExchange *exchange);
static void apply_breakers(UeAttempts *attempts);
static void apply_rule(UeAttempts *attempts);
static void apply(UeAttempts *attempts, const UeHealthRule *effect, bool is_whole_channel,
				  int64_t rule_id);
static void record_change(UeAttempts *attempts, const UeHealthChange *change,
						  int64_t rule_id);

void
ue_attempts_note_failure(UeAttempts *attempts)
{
	UeExchange *exchange = attempts->exchange;

	if (exchange->owner->health == NULL || attempts->current == SIZE_MAX)
		return;
	if (!is_channel_to_blame(exchange))
	{
		ue_attempts_abandon(attempts);
		return;
	}
	switch (exchange->failure->decision.verdict.action)
	{
		case UE_ACTION_COOLDOWN:
		case UE_ACTION_DISABLE:
			apply_rule(attempts);
			break;
		case UE_ACTION_ANSWER:
		case UE_ACTION_STOP:
		case UE_ACTION_RETRY:
		case UE_ACTION_FAILOVER:
			apply_breakers(attempts);
			break;
	}
	/* no rule may have fitted: then one that was half open can be tried again at once */
	ue_attempts_abandon(attempts);
}

void
ue_attempts_note_success(UeAttempts *attempts)
{
	UeExchanges *owner = attempts->exchange->owner;
	const UeTableChannel *channel = ue_attempts_channel(attempts);
	UeHealthChange changes[2];
	int n_changes;

	if (owner->health == NULL || channel == NULL || !attempts->is_taken)
		return;
	attempts->is_taken = false;
	n_changes =
		ue_health_store_succeed(owner->health, channel->channel->id, attempts->model,
								ue_exchange_read_unix_us() / 1000, changes);
	for (int i = 0; i < n_changes; i++)
		record_change(attempts, &changes[i], 0);
}

void
ue_attempts_abandon(UeAttempts *attempts)
{
	const UeTableChannel *channel = ue_attempts_channel(attempts);
	UeHealthStore *health = attempts->exchange->owner->health;

	if (health != NULL && channel != NULL && attempts->is_taken)
		ue_health_store_abandon(health, channel->channel->id, attempts->model,
								&attempts->probe);
	attempts->is_taken = false;
}

static bool
is_channel_to_blame(const UeExchange *exchange)
{
	const UeFailure *failure = exchange->failure;

	return failure->kase.kind != UE_KIND_CLIENT_GONE &&
		   failure->kase.kind != UE_KIND_LOCAL_ERROR &&
		   !ue_retry_is_request_fault(&failure->decision.verdict.fault);
}

/* An operator's rule has said so by itself. */
static void
apply_rule(UeAttempts *attempts)
{
	const UeVerdict *verdict = &attempts->exchange->failure->decision.verdict;
	UeHealthRule effect = {
		.is_disabling = verdict->action == UE_ACTION_DISABLE,
		.threshold = 1,
		.duration_s = verdict->cooldown_s,
		.base_s = 1,
		.max_s = verdict->cooldown_s > 0 ? verdict->cooldown_s : 1,
	};

	apply(attempts, &effect, verdict->action == UE_ACTION_DISABLE, verdict->rule_id);
}

/*
 * A rule for models says nothing of a request that names none: without a model it would be
 * the channel's, and whoever leaves it out could take all models away from everybody.
 */
static void
apply_breakers(UeAttempts *attempts)
{
	UeExchange *exchange = attempts->exchange;
	const UeFailure *failure = exchange->failure;
	const UeBreaker **found = NULL;
	size_t n_found = 0;
	UeRuleFacts facts;

	if (ue_decide_rule_facts(&exchange->arena, &failure->kase,
							 &failure->decision.verdict.fault, &facts) != UE_OK ||
		ue_breakers_find(attempts->table->breakers, &exchange->arena, &facts, &found,
						 &n_found) != UE_OK)
		return;
	for (size_t i = 0; i < n_found; i++)
		if (found[i]->is_whole_channel || attempts->model.len > 0)
			apply(attempts, &found[i]->effect, found[i]->is_whole_channel, found[i]->id);
}

static void
apply(UeAttempts *attempts, const UeHealthRule *effect, bool is_whole_channel,
	  int64_t rule_id)
{
	UeExchange *exchange = attempts->exchange;
	const UeVerdict *verdict = &exchange->failure->decision.verdict;
	UeSlice model = attempts->model;
	UeHealthChange change;

	if (is_whole_channel)
		model = (UeSlice){NULL, 0};
	if (ue_health_store_fail(exchange->owner->health,
							 ue_attempts_channel(attempts)->channel->id, model, effect,
							 exchange->failure->kase.response.now_ms,
							 verdict->fault.retry_after_ms, verdict->message, &change))
		record_change(attempts, &change, rule_id);
}

static void
record_change(UeAttempts *attempts, const UeHealthChange *change, int64_t rule_id)
{
	UeExchange *exchange = attempts->exchange;
	const UeFailure *failure = exchange->failure;
	UeTransition transition = {
		.at_us = ue_exchange_read_unix_us(),
		.change = *change,
		.channel = ue_attempts_channel(attempts)->channel->name,
		.rule_id = rule_id == 0 ? UE_EVENT_NULL : rule_id,
		.status_code = UE_EVENT_NULL,
		.request_id = {attempts->request_id, attempts->request_id_len},
		.instance = ue_slice_of(exchange->owner->config->instance),
	};

	ue_ident_build_uuid(&exchange->owner->ident, transition.at_us / 1000,
						transition.transition_id);
	if (failure != NULL && change->to != UE_HEALTH_HEALTHY)
	{
		const UeFault *fault = &failure->decision.verdict.fault;

		transition.reason = failure->decision.verdict.message;
		transition.class = ue_slice_of(ue_class_name(fault->class));
		if (fault->status > 0)
			transition.status_code = fault->status;
		transition.has_event = failure->is_recorded;
		memcpy(transition.event_id, failure->event_id, sizeof(transition.event_id));
	}
	else
		transition.reason = UE_SLICE("it answered");
	ue_journal_batch_write(exchange->owner->records); /* its event first */
	ue_journal_append_transition(exchange->owner->journal, &transition);
}
