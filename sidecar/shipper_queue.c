/* SPDX-License-Identifier: PostgreSQL */
/*
 * shipper_queue.c: joining completions to events, and holding recoveries back.
 *
 * Waiting is measured on the journal's own clock, the times its records were appended at:
 * after an hour without a database every event is old by the wall clock, yet its completion
 * may be the next record.  The wall clock counts only once the whole journal has been read.
 */
#include "shipper_queue.h"

#include <stdlib.h>
#include <string.h>

static bool append_pending(UeQueue *queue, const UeJournalEntry *entry);
static UeStatus read_payload(UePending *pending, UeSlice payload);
static void add_to_kind(UeQueue *queue, UePending *pending);
static UeFollowUps *find_follow_ups(UeQueue *queue, UeRecordKind kind);
static UePending *find_event(UeQueue *queue, const unsigned char *event_id);
static void free_done(UeQueue *queue, UePending **link);
static bool append_completion(UeQueue *queue, UeSlice payload);
static bool is_over(const UePending *pending, const UeQueue *queue,
					const UeQueueTime *time);
static int64_t bound_time(int64_t appended_us);
static UePending **find_bucket(UeQueue *queue, const unsigned char *event_id);
static void remove_from_bucket(UeQueue *queue, UePending *pending);
static void free_pending(UePending *pending);

void
ue_queue_init(UeQueue *queue)
{
	memset(queue, 0, sizeof(*queue));
}

void
ue_queue_reset(UeQueue *queue)
{
	while (queue->first != NULL)
	{
		UePending *pending = queue->first;

		queue->first = pending->next;
		free_pending(pending);
	}
	ue_queue_init(queue);
}

bool
ue_queue_is_full(const UeQueue *queue)
{
	return queue->n_events + queue->n_follow_ups >= UE_QUEUE_MAX_EVENTS ||
		   queue->n_bytes >= UE_QUEUE_MAX_BYTES;
}

bool
ue_queue_append(UeQueue *queue, const UeJournalEntry *entry)
{
	/* Not the latest of all: after a clock that jumped ahead and was set back, everything
	 * would seem to have waited long. */
	queue->journal_us = bound_time(entry->record.appended_us);
	switch (entry->record.kind)
	{
		case UE_RECORD_EVENT:
		case UE_RECORD_TRANSITION:
		case UE_RECORD_RECOVERY:
			return append_pending(queue, entry);
		case UE_RECORD_COMPLETION:
			return append_completion(queue, entry->record.payload);
		default:
			/* of a newer version */
			return true;
	}
}

void
ue_queue_advance(UeQueue *queue, const UeQueueTime *time)
{
	bool is_stuck = ue_queue_is_full(queue) && queue->n_ready == 0;

	for (UePending *pending = queue->first; pending != NULL && queue->n_waiting > 0;
		 pending = pending->next)
	{
		if (pending->kind != UE_RECORD_EVENT || pending->state != UE_PENDING_WAITING)
			continue;
		if (!is_stuck && !is_over(pending, queue, time))
			continue;
		pending->state = UE_PENDING_READY;
		queue->n_waiting--;
		queue->n_ready++;
	}
}

size_t
ue_queue_take(UeQueue *queue, UePending **out, size_t max_events, size_t max_bytes)
{
	size_t n_taken = 0;
	size_t n_bytes = 0;

	for (UePending *pending = queue->first;
		 pending != NULL && n_taken < max_events && queue->n_ready > 0;
		 pending = pending->next)
	{
		if (pending->kind != UE_RECORD_EVENT || pending->state != UE_PENDING_READY)
			continue;
		n_bytes += pending->size;
		if (n_taken > 0 && n_bytes > max_bytes)
			break;
		pending->state = UE_PENDING_TAKEN;
		queue->n_ready--;
		out[n_taken++] = pending;
	}
	return n_taken;
}

size_t
ue_queue_take_follow_ups(UeQueue *queue, UeRecordKind kind, UePending **out,
						 size_t max_entries, size_t max_bytes)
{
	UeFollowUps *follow_ups = find_follow_ups(queue, kind);
	UePending *before = NULL;
	UePending *next;
	size_t n_taken = 0;
	size_t n_bytes = 0;

	for (UePending *pending = follow_ups->first; pending != NULL && n_taken < max_entries;
		 pending = next)
	{
		next = pending->follow_next;
		if (kind == UE_RECORD_RECOVERY &&
			find_event(queue, pending->recovery.event_id) != NULL)
		{
			before = pending;
			continue;
		}
		n_bytes += pending->size;
		if (n_taken > 0 && n_bytes > max_bytes)
			break;
		pending->state = UE_PENDING_TAKEN;
		out[n_taken++] = pending;
		if (before == NULL)
			follow_ups->first = next;
		else
			before->follow_next = next;
		if (next == NULL)
			follow_ups->last = before;
	}
	return n_taken;
}

UePending *
ue_queue_take_unmonitored(UeQueue *queue)
{
	UePending *pending = queue->unmonitored;

	if (pending != NULL)
		queue->unmonitored = pending->unmonitored_next;
	return pending;
}

void
ue_queue_give_back(UeQueue *queue, UePending *pending)
{
	pending->state = UE_PENDING_READY;
	queue->n_ready++;
}

/*
 * What stays for long at the front may be a transition that the database does not take for
 * its state; the events behind it are shipped meanwhile and need not fill the queue.
 */
bool
ue_queue_pop(UeQueue *queue, UeJournalPosition *oldest)
{
	UePending **link = &queue->first;

	while (*link != NULL && (*link)->state == UE_PENDING_DONE)
		free_done(queue, link);
	if (*link != NULL && (*link)->kind != UE_RECORD_EVENT)
	{
		queue->last = NULL;
		while (*link != NULL)
		{
			if ((*link)->state == UE_PENDING_DONE)
				free_done(queue, link);
			else
			{
				queue->last = *link;
				link = &(*link)->next;
			}
		}
	}
	if (queue->first == NULL)
	{
		queue->last = NULL;
		return false;
	}
	*oldest = queue->first->position;
	return true;
}

static void
free_done(UeQueue *queue, UePending **link)
{
	UePending *pending = *link;

	*link = pending->next;
	queue->n_bytes -= pending->size;
	if (pending->kind == UE_RECORD_EVENT)
	{
		queue->n_events--;
		remove_from_bucket(queue, pending);
	}
	else
		queue->n_follow_ups--;
	free_pending(pending);
}

static bool
append_pending(UeQueue *queue, const UeJournalEntry *entry)
{
	UeSlice payload = entry->record.payload;
	UePending *pending = calloc(1, sizeof(*pending));

	if (pending == NULL)
		return false;
	pending->kind = (UeRecordKind) entry->record.kind;
	pending->payload = malloc(payload.len + 1);
	if (pending->payload == NULL)
	{
		free(pending);
		return false;
	}
	memcpy(pending->payload, payload.ptr, payload.len);
	if (read_payload(pending, (UeSlice){pending->payload, payload.len}) != UE_OK)
	{
		/* Its sum is right, so a version of ours wrote it that we do not know. */
		free_pending(pending);
		return true;
	}
	pending->position = entry->position;
	pending->appended_us = bound_time(entry->record.appended_us);
	pending->is_earlier_run = entry->is_earlier_run;
	pending->size = sizeof(*pending) + payload.len;

	if (queue->last != NULL)
		queue->last->next = pending;
	else
		queue->first = pending;
	queue->last = pending;
	queue->n_bytes += pending->size;
	add_to_kind(queue, pending);
	return true;
}

static UeStatus
read_payload(UePending *pending, UeSlice payload)
{
	switch (pending->kind)
	{
		case UE_RECORD_EVENT:
			return ue_event_read(payload, &pending->event);
		case UE_RECORD_TRANSITION:
			return ue_transition_read(payload, &pending->transition);
		case UE_RECORD_RECOVERY:
			return ue_recovery_read(payload, &pending->recovery);
		case UE_RECORD_COMPLETION:
		case UE_RECORD_TRAFFIC:
			break;
	}
	return UE_INVALID_ARGUMENT;
}

static void
add_to_kind(UeQueue *queue, UePending *pending)
{
	UeFollowUps *follow_ups;

	if (pending->kind == UE_RECORD_EVENT)
	{
		UePending **bucket = find_bucket(queue, pending->event.event_id);

		pending->hash_next = *bucket;
		*bucket = pending;
		queue->n_events++;
		queue->n_waiting++;
		return;
	}
	follow_ups = find_follow_ups(queue, pending->kind);
	if (follow_ups->last != NULL)
		follow_ups->last->follow_next = pending;
	else
		follow_ups->first = pending;
	follow_ups->last = pending;
	queue->n_follow_ups++;
}

static UeFollowUps *
find_follow_ups(UeQueue *queue, UeRecordKind kind)
{
	return kind == UE_RECORD_TRANSITION ? &queue->transitions : &queue->recoveries;
}

/* One that is not done; NULL: it is, or was never there. */
static UePending *
find_event(UeQueue *queue, const unsigned char *event_id)
{
	UePending *pending = *find_bucket(queue, event_id);

	while (pending != NULL && (pending->state == UE_PENDING_DONE ||
							   memcmp(pending->event.event_id, event_id, 16) != 0))
		pending = pending->hash_next;
	return pending;
}

/* One that comes too late, or for an event that is shipped, has nothing to complete. */
static bool
append_completion(UeQueue *queue, UeSlice payload)
{
	UeCompletion completion;
	UePending *pending;
	char *copy;

	if (ue_completion_read(payload, &completion) != UE_OK)
		return true;
	pending = find_event(queue, completion.event_id);
	if (pending == NULL || pending->completion != NULL ||
		(pending->state != UE_PENDING_WAITING && pending->state != UE_PENDING_READY))
		return true;
	copy = malloc(payload.len + 1);
	if (copy == NULL)
		return false;
	memcpy(copy, payload.ptr, payload.len);
	if (ue_completion_read((UeSlice){copy, payload.len}, &completion) != UE_OK)
	{
		free(copy);
		return true;
	}
	pending->completion = copy;
	pending->size += payload.len;
	queue->n_bytes += payload.len;

	pending->event.response_status = completion.response_status;
	pending->event.outcome = completion.outcome;
	pending->event.decided_by = completion.decided_by;
	if (completion.rule_id == 0)
		pending->event.rule_id = pending->event.rule_version = UE_EVENT_NULL;
	else if (completion.rule_id != UE_EVENT_NULL)
	{
		pending->event.rule_id = completion.rule_id;
		pending->event.rule_version = completion.rule_version;
	}
	if (completion.sent_bytes != UE_EVENT_NULL)
		pending->event.sent_bytes = completion.sent_bytes;
	if (completion.total_ms != UE_EVENT_NULL)
		pending->event.total_ms = completion.total_ms;
	if (completion.step.len > 0)
	{
		pending->event.step = completion.step;
		pending->event.step_reason = completion.step_reason;
		pending->event.wait_ms = completion.wait_ms;
		pending->event.passed_over = completion.passed_over;
	}
	if (pending->state == UE_PENDING_WAITING)
	{
		pending->state = UE_PENDING_READY;
		queue->n_waiting--;
		queue->n_ready++;
	}
	if (completion.is_unmonitored)
	{
		pending->state = UE_PENDING_TAKEN;
		queue->n_ready--;
		pending->unmonitored_next = queue->unmonitored;
		queue->unmonitored = pending;
	}
	return true;
}

static bool
is_over(const UePending *pending, const UeQueue *queue, const UeQueueTime *time)
{
	if (time->is_stopping || (pending->is_earlier_run && time->is_past_earlier_runs))
		return true;
	if (queue->journal_us - pending->appended_us >= time->wait_us)
		return true;
	if (pending->is_earlier_run || !time->is_caught_up)
		return false;

	/* The second: the wall clock was set back. */
	return time->now_us - pending->appended_us >= time->wait_us ||
		   pending->appended_us - time->now_us >= time->wait_us;
}

/* So that differences of two times do not overflow, whatever the clock was. */
static int64_t
bound_time(int64_t appended_us)
{
	if (appended_us < 0)
		return 0;
	return appended_us < INT64_MAX / 2 ? appended_us : INT64_MAX / 2;
}

static UePending **
find_bucket(UeQueue *queue, const unsigned char *event_id)
{
	/* The last bytes of a UUID are random in version 4 and 7. */
	return &queue->buckets[(event_id[14] << 8 | event_id[15]) % UE_QUEUE_BUCKETS];
}

static void
remove_from_bucket(UeQueue *queue, UePending *pending)
{
	UePending **link = find_bucket(queue, pending->event.event_id);

	while (*link != pending)
		link = &(*link)->hash_next;
	*link = pending->hash_next;
}

static void
free_pending(UePending *pending)
{
	free(pending->completion);
	free(pending->payload);
	free(pending);
}
