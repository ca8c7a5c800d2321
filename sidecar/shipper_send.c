/* SPDX-License-Identifier: PostgreSQL */
/*
 * shipper_send.c: batches, counts and maintenance to Postgres, and what comes back.
 *
 * What the database refuses for its state is sent again for ever, with a growing pause; what
 * it refuses for its data is halved down to the one event and put into quarantine.
 */
#include "shipper_private.h"

#include <stdio.h>

#include "log.h"
#include "shipper_loss.h"
#include "shipper_quarantine.h"

#define MAX_RETRY_MS	  5000
#define ANSWER_MS		  60000 /* beyond: the server hangs */
#define LOSS_MS			  10000 /* losses are told in a row at most so often */
#define MAINTAIN_MS		  (3600 * 1000)
#define MAINTAIN_RETRY_MS (300 * 1000)

static void send_maintain(UeShipper *shipper, int64_t now_ms);
static bool is_batch_due(const UeShipper *shipper, int64_t now_ms);
static void on_ready(void *context);
static void on_result(void *context, void *query, const UeDatabaseResult *result);
static void on_lost(void *context);
static void take_batch_result(UeShipper *shipper, const UeDatabaseResult *result);
static void take_maintain_result(UeShipper *shipper, const UeDatabaseResult *result);
static void count_shipped(UeShipper *shipper, const UeDatabaseResult *result);
static bool quarantine(UeShipper *shipper, const UeDatabaseResult *result);
static void retry_later(UeShipper *shipper, const char *sqlstate, const char *reason);

const UeDatabaseHandler ue_shipper_handler = {
	.on_ready = on_ready,
	.on_result = on_result,
	.on_lost = on_lost,
};

const UeStatement ue_shipper_maintain_statement = {
	.name = "upstream_error_maintain",
	.sql = "SELECT pg_catalog.to_jsonb(m)::pg_catalog.text,"
		   " m.partitions_skipped::pg_catalog.int8"
		   " FROM %s.upstream_error_maintain() AS m",
};

void
ue_shipper_send_due(UeShipper *shipper, int64_t now_ms)
{
	if (shipper->in_flight != NULL && now_ms - shipper->in_flight_ms >= ANSWER_MS)
		ue_database_drop(shipper->database, now_ms, "no answer within 60 s");
	if (shipper->in_flight != NULL || !ue_database_is_ready(shipper->database))
		return;
	if (shipper->is_maintain_due || now_ms >= shipper->maintain_due_ms)
	{
		send_maintain(shipper, now_ms);
		return;
	}
	if (now_ms >= shipper->loss_due_ms)
	{
		shipper->loss_due_ms = now_ms + LOSS_MS;
		ue_loss_append(shipper->journal, shipper->options.instance,
					   shipper->options.region);
	}
	if (!is_batch_due(shipper, now_ms))
		return;
	if (ue_batch_is_empty(&shipper->batch) &&
		!ue_batch_take(&shipper->batch, &shipper->queue))
		return;
	shipper->ready_since_ms = 0;
	if (ue_batch_send(&shipper->batch, shipper->database, UE_SHIPPER_RECORD,
					  &shipper->batch))
	{
		shipper->in_flight = &shipper->batch;
		shipper->in_flight_ms = now_ms;
	}
	else
		retry_later(shipper, "", "the batch could not be sent");
}

void
ue_shipper_send_traffic(UeShipper *shipper, int64_t now_ms)
{
	int64_t due_us = ue_counts_find_due(&shipper->counts);

	if (shipper->counts.n_taken > 0 && now_ms - shipper->counts_sent_ms >= ANSWER_MS)
		ue_database_drop(shipper->database, now_ms, "no answer within 60 s");
	if (!ue_database_is_ready(shipper->database) || due_us == INT64_MAX ||
		(due_us > ue_shipper_read_clock_us() && shipper->stop_due_ms == 0))
		return;
	if (ue_counts_send(&shipper->counts, shipper->database, UE_SHIPPER_TRAFFIC,
					   &shipper->counts))
		shipper->counts_sent_ms = now_ms;
}

static void
send_maintain(UeShipper *shipper, int64_t now_ms)
{
	shipper->maintain_due_ms = now_ms + MAINTAIN_RETRY_MS;
	if (ue_database_send(shipper->database, UE_SHIPPER_MAINTAIN, NULL,
						 &shipper->maintain_due_ms))
	{
		shipper->in_flight = &shipper->maintain_due_ms;
		shipper->in_flight_ms = now_ms;
	}
}

static bool
is_batch_due(const UeShipper *shipper, int64_t now_ms)
{
	if (now_ms < shipper->retry_at_ms)
		return false;
	if (!ue_batch_is_empty(&shipper->batch))
		return true;
	if (shipper->queue.n_ready == 0)
		return false;
	return shipper->queue.n_ready >= UE_SHIPPER_GATHER_EVENTS ||
		   shipper->stop_due_ms != 0 ||
		   now_ms - shipper->ready_since_ms >= UE_SHIPPER_GATHER_MS;
}

static void
on_ready(void *context)
{
	UeShipper *shipper = context;

	shipper->retry_at_ms = 0;
}

static void
on_result(void *context, void *query, const UeDatabaseResult *result)
{
	UeShipper *shipper = context;

	if (query == &shipper->counts)
	{
		ue_counts_apply_result(&shipper->counts, result, ue_shipper_read_clock_us());
		return;
	}
	shipper->in_flight = NULL;
	if (query == &shipper->maintain_due_ms)
		take_maintain_result(shipper, result);
	else
		take_batch_result(shipper, result);
}

static void
on_lost(void *context)
{
	UeShipper *shipper = context;

	/* The batch may have been committed: it is sent again, and the table knows its keys. */
	if (shipper->in_flight == &shipper->batch)
		atomic_fetch_add(&shipper->failed_batches, 1);
	shipper->in_flight = NULL;
	ue_counts_give_back(&shipper->counts);
}

static void
take_batch_result(UeShipper *shipper, const UeDatabaseResult *result)
{
	atomic_fetch_add(&shipper->batches, 1);
	switch (ue_batch_apply_result(&shipper->batch, result))
	{
		case UE_BATCH_SHIPPED:
			count_shipped(shipper, result);
			ue_batch_finish_range(&shipper->batch, shipper->journal);
			shipper->retry_wait_ms = shipper->options.reconnect_ms;
			shipper->is_refusal_reported = false;
			break;
		case UE_BATCH_SPLIT:
			atomic_fetch_add(&shipper->failed_batches, 1);
			break;
		case UE_BATCH_POISON:
			atomic_fetch_add(&shipper->failed_batches, 1);
			if (quarantine(shipper, result))
				ue_batch_finish_range(&shipper->batch, shipper->journal);
			else
				retry_later(shipper, "", "could not write quarantine.jsonl");
			break;
		case UE_BATCH_LATER:
			atomic_fetch_add(&shipper->failed_batches, 1);
			retry_later(shipper, result->sqlstate, result->message);
			break;
	}
}

/* Shipping goes on whether or not it worked: without partitions the table has a default.
 * What was skipped, because somebody had a lock on it, is tried again soon. */
static void
take_maintain_result(UeShipper *shipper, const UeDatabaseResult *result)
{
	UeSlice counters;
	char text[512];

	shipper->is_maintain_due = false;
	if (!result->is_ok || result->n_rows != 1)
	{
		ue_log_write(UE_LOG_WARNING, "maintain_failed",
					 "upstream_error_maintain failed; it is tried again in 5 min",
					 "sqlstate", result->sqlstate, "reason", result->message, NULL);
		return;
	}
	counters = ue_database_value(result, 0, 0);
	snprintf(text, sizeof(text), "%.*s", (int) counters.len, counters.ptr);
	if (ue_database_integer(ue_database_value(result, 0, 1)) > 0)
	{
		ue_log_write(UE_LOG_INFO, "maintained_in_part",
					 "partitions were locked by others; it is tried again in 5 min",
					 "counters", text, NULL);
		return;
	}
	shipper->maintain_due_ms = ue_shipper_read_monotonic_ms() + MAINTAIN_MS;
	ue_log_write(UE_LOG_DEBUG, "maintained", "partitions are looked after", "counters",
				 text, NULL);
}

static void
count_shipped(UeShipper *shipper, const UeDatabaseResult *result)
{
	UeRange range = ue_batch_range(&shipper->batch);
	uint64_t n_events = range.to - range.from;
	int64_t n_inserted = 0;

	if (result->n_rows == 1)
		n_inserted = ue_database_integer(ue_database_value(result, 0, 0));
	atomic_fetch_add(&shipper->shipped_events, n_events);
	if (n_inserted >= 0 && (uint64_t) n_inserted < n_events)
		atomic_fetch_add(&shipper->replayed_events, n_events - (uint64_t) n_inserted);
}

static bool
quarantine(UeShipper *shipper, const UeDatabaseResult *result)
{
	const UePending *pending =
		shipper->batch.entries[ue_batch_range(&shipper->batch).from];

	if (!ue_quarantine_append(ue_journal_directory_fd(shipper->journal), pending,
							  result->sqlstate, result->message))
		return false;
	atomic_fetch_add(&shipper->quarantined_events, 1);
	ue_log_write(UE_LOG_ERROR, "event_quarantined",
				 "the database refuses an event for what is in it: it is in "
				 "quarantine.jsonl",
				 "sqlstate", result->sqlstate, "reason", result->message, NULL);
	return true;
}

static void
retry_later(UeShipper *shipper, const char *sqlstate, const char *reason)
{
	shipper->retry_at_ms = ue_shipper_read_monotonic_ms() + shipper->retry_wait_ms;
	shipper->retry_wait_ms *= 2;
	if (shipper->retry_wait_ms > MAX_RETRY_MS)
		shipper->retry_wait_ms = MAX_RETRY_MS;
	if (shipper->is_refusal_reported)
		return;
	shipper->is_refusal_reported = true;
	ue_log_write(UE_LOG_WARNING, "recording_refused",
				 "events wait in the journal and are sent again", "sqlstate", sqlstate,
				 "reason", reason, NULL);
}
