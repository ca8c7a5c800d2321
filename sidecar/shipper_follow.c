/* SPDX-License-Identifier: PostgreSQL */
/*
 * shipper_follow.c: two flows over one connection.
 *
 * Each flow has at most one batch in flight, so that the order of a channel's transitions
 * is kept, and sends what has gathered meanwhile when that is committed.  Neither waits for
 * the other.
 */
#include "shipper_follow.h"

#include <stdlib.h>

#include "log.h"
#include "shipper_quarantine.h"

#define MAX_RETRY_MS		 5000
#define ANSWER_MS			 60000 /* beyond: the server hangs */
#define STATEMENT_TIMEOUT_MS 30000

enum
{
	FLOW_TRANSITIONS = 0,
	FLOW_RECOVERIES,
	FLOWS,
};

typedef struct Flow
{
	UeBatch batch;
	bool is_in_flight;
	int64_t sent_ms;
	int64_t retry_at_ms, retry_wait_ms;
	bool is_refusal_reported;
} Flow;

struct UeFollower
{
	UeJournal *journal;
	UeQueue *queue;
	UeFollowerCounters *counters;
	UeDatabase *database;
	UeStatement statements[FLOWS];
	Flow flows[FLOWS];
	int64_t reconnect_ms;
	int64_t now_ms; /* of the last step */
};

static void send_batch(UeFollower *follower, int flow_number, int64_t now_ms);
static void on_ready(void *context);
static void on_result(void *context, void *query, const UeDatabaseResult *result);
static void on_lost(void *context);
static void finish_range(UeFollower *follower, Flow *flow);
static bool quarantine(UeFollower *follower, const Flow *flow,
					   const UeDatabaseResult *result);
static void retry_later(UeFollower *follower, Flow *flow, const char *sqlstate,
						const char *reason);

static const UeDatabaseHandler handler = {
	.on_ready = on_ready,
	.on_result = on_result,
	.on_lost = on_lost,
};

UeFollower *
ue_follower_new(const char *conninfo, int64_t reconnect_ms, UeJournal *journal,
				UeQueue *queue, UeFollowerCounters *counters)
{
	UeFollower *follower = calloc(1, sizeof(*follower));
	UeDatabaseOptions options = {
		.conninfo = conninfo,
		.role = "health",
		.reconnect_ms = reconnect_ms,
		.statement_timeout_ms = STATEMENT_TIMEOUT_MS,
		.is_quiet = true,
		.n_statements = FLOWS,
	};

	if (follower == NULL)
		return NULL;
	follower->journal = journal;
	follower->queue = queue;
	follower->counters = counters;
	follower->reconnect_ms = reconnect_ms;
	ue_batch_init(&follower->flows[FLOW_TRANSITIONS].batch, UE_RECORD_TRANSITION);
	ue_batch_init(&follower->flows[FLOW_RECOVERIES].batch, UE_RECORD_RECOVERY);
	for (int i = 0; i < FLOWS; i++)
	{
		follower->statements[i] = *ue_batch_statement(follower->flows[i].batch.kind);
		follower->flows[i].retry_wait_ms = reconnect_ms;
	}
	options.statements = follower->statements;
	follower->database = ue_database_new(&options, &handler, follower);
	if (follower->database == NULL)
	{
		free(follower);
		return NULL;
	}
	return follower;
}

void
ue_follower_free(UeFollower *follower)
{
	if (follower == NULL)
		return;
	ue_database_free(follower->database);
	free(follower);
}

void
ue_follower_send(UeFollower *follower, int64_t now_ms)
{
	follower->now_ms = now_ms;
	for (int i = 0; i < FLOWS; i++)
	{
		const Flow *flow = &follower->flows[i];

		if (flow->is_in_flight && now_ms - flow->sent_ms >= ANSWER_MS)
		{
			ue_database_drop(follower->database, now_ms, "no answer within 60 s");
			return;
		}
	}
	if (!ue_database_is_ready(follower->database))
		return;
	for (int i = 0; i < FLOWS; i++)
		send_batch(follower, i, now_ms);
}

static void
send_batch(UeFollower *follower, int flow_number, int64_t now_ms)
{
	Flow *flow = &follower->flows[flow_number];

	if (flow->is_in_flight || now_ms < flow->retry_at_ms)
		return;
	if (ue_batch_is_empty(&flow->batch) && !ue_batch_take(&flow->batch, follower->queue))
		return;
	if (ue_batch_send(&flow->batch, follower->database, flow_number, flow))
	{
		flow->is_in_flight = true;
		flow->sent_ms = now_ms;
	}
	else
		retry_later(follower, flow, "", "the batch could not be sent");
}

int
ue_follower_fd(const UeFollower *follower)
{
	return ue_database_fd(follower->database);
}

int
ue_follower_events(const UeFollower *follower)
{
	return ue_database_events(follower->database);
}

int64_t
ue_follower_due_ms(const UeFollower *follower)
{
	int64_t due_ms = ue_database_due_ms(follower->database);

	for (int i = 0; i < FLOWS; i++)
	{
		const Flow *flow = &follower->flows[i];

		if (!flow->is_in_flight && !ue_batch_is_empty(&flow->batch) &&
			ue_database_is_ready(follower->database) && flow->retry_at_ms < due_ms)
			due_ms = flow->retry_at_ms;
	}
	return due_ms;
}

void
ue_follower_step(UeFollower *follower, int64_t now_ms)
{
	follower->now_ms = now_ms;
	ue_database_step(follower->database, now_ms);
}

bool
ue_follower_is_ready(const UeFollower *follower)
{
	return ue_database_is_ready(follower->database);
}

static void
on_ready(void *context)
{
	UeFollower *follower = context;

	for (int i = 0; i < FLOWS; i++)
		follower->flows[i].retry_at_ms = 0;
}

static void
on_result(void *context, void *query, const UeDatabaseResult *result)
{
	UeFollower *follower = context;
	Flow *flow = query;

	flow->is_in_flight = false;
	switch (ue_batch_apply_result(&flow->batch, result))
	{
		case UE_BATCH_SHIPPED:
			finish_range(follower, flow);
			flow->retry_wait_ms = follower->reconnect_ms;
			flow->is_refusal_reported = false;
			break;
		case UE_BATCH_SPLIT:
			atomic_fetch_add(&follower->counters->failures, 1);
			break;
		case UE_BATCH_POISON:
			atomic_fetch_add(&follower->counters->failures, 1);
			if (quarantine(follower, flow, result))
				ue_batch_finish_range(&flow->batch, follower->journal);
			else
				retry_later(follower, flow, "", "could not write quarantine.jsonl");
			break;
		case UE_BATCH_LATER:
			atomic_fetch_add(&follower->counters->failures, 1);
			retry_later(follower, flow, result->sqlstate, result->message);
			break;
	}
}

/* What was on its way may have been committed: it is sent again, and nothing changes by
 * that. */
static void
on_lost(void *context)
{
	UeFollower *follower = context;

	for (int i = 0; i < FLOWS; i++)
	{
		if (follower->flows[i].is_in_flight)
			atomic_fetch_add(&follower->counters->failures, 1);
		follower->flows[i].is_in_flight = false;
	}
}

static void
finish_range(UeFollower *follower, Flow *flow)
{
	UeRange range = ue_batch_range(&flow->batch);
	atomic_ullong *counter = flow->batch.kind == UE_RECORD_TRANSITION
								 ? &follower->counters->transitions
								 : &follower->counters->recoveries;

	atomic_fetch_add(counter, range.to - range.from);
	ue_batch_finish_range(&flow->batch, follower->journal);
}

static bool
quarantine(UeFollower *follower, const Flow *flow, const UeDatabaseResult *result)
{
	const UePending *pending = flow->batch.entries[ue_batch_range(&flow->batch).from];

	if (!ue_quarantine_append(ue_journal_directory_fd(follower->journal), pending,
							  result->sqlstate, result->message))
		return false;
	atomic_fetch_add(&follower->counters->quarantined, 1);
	ue_log_write(UE_LOG_ERROR,
				 pending->kind == UE_RECORD_TRANSITION ? "transition_quarantined"
													   : "recovery_quarantined",
				 "the database refuses a record for what is in it: it is in "
				 "quarantine.jsonl",
				 "sqlstate", result->sqlstate, "reason", result->message, NULL);
	return true;
}

static void
retry_later(UeFollower *follower, Flow *flow, const char *sqlstate, const char *reason)
{
	flow->retry_at_ms = follower->now_ms + flow->retry_wait_ms;
	flow->retry_wait_ms *= 2;
	if (flow->retry_wait_ms > MAX_RETRY_MS)
		flow->retry_wait_ms = MAX_RETRY_MS;
	if (flow->is_refusal_reported)
		return;
	flow->is_refusal_reported = true;
	ue_log_write(UE_LOG_WARNING,
				 flow->batch.kind == UE_RECORD_TRANSITION ? "transitions_refused"
														  : "recoveries_refused",
				 "they wait in the journal and are sent again", "sqlstate", sqlstate,
				 "reason", reason, NULL);
}
