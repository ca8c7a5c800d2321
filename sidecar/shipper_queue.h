/* SPDX-License-Identifier: PostgreSQL */
/*
 * shipper_queue.h: what is between the journal and a batch.
 *
 * In the order of the journal.  An event waits for its completion until that has been read
 * or cannot be expected any more; then it is ready, taken into a batch, and done.  A
 * recovery waits until its event is done, a transition for nothing.  The journal's position
 * is that of the oldest one that is not done.  One thread.
 */
#ifndef UE_SHIPPER_QUEUE_H
#define UE_SHIPPER_QUEUE_H

#include "journal_reader.h"

typedef enum UePendingState
{
	UE_PENDING_WAITING = 0, /* an event for its completion, a recovery for its event */
	UE_PENDING_READY,
	UE_PENDING_TAKEN, /* in a batch, or among the unmonitored */
	UE_PENDING_DONE,  /* in Postgres, in quarantine, or not to be kept */
} UePendingState;

typedef struct UePending
{
	struct UePending *next;		   /* later in the journal */
	struct UePending *hash_next;   /* of events */
	struct UePending *follow_next; /* of its kind, later in the journal; not of events */
	UeRecordKind kind;
	UePendingState state;
	UeJournalPosition position;
	int64_t appended_us;
	bool is_earlier_run;
	size_t size; /* of its payloads */
	union		 /* by kind; texts are in the two copies below */
	{
		UeEvent event;
		UeTransitionRow transition;
		UeRecovery recovery;
	};
	struct UePending *unmonitored_next;
	char *payload;	  /* owned */
	char *completion; /* owned; NULL: none came */
} UePending;

#define UE_QUEUE_BUCKETS	4096
#define UE_QUEUE_MAX_EVENTS 10000
#define UE_QUEUE_MAX_BYTES	(32 * 1024 * 1024)

/* Those of one kind that no batch has taken yet. */
typedef struct UeFollowUps
{
	UePending *first, *last;
} UeFollowUps;

typedef struct UeQueue
{
	UePending *first, *last;			  /* owned */
	UePending *buckets[UE_QUEUE_BUCKETS]; /* by event id */
	size_t n_events;					  /* done ones too, until they are freed */
	size_t n_follow_ups;				  /* transitions and recoveries; the same */
	size_t n_bytes;
	size_t n_waiting, n_ready; /* of the events */
	UeFollowUps transitions, recoveries;
	UePending *unmonitored; /* of which there is to be no row; not counted in the two */
	int64_t journal_us;		/* when what was read last had been appended */
} UeQueue;

extern void ue_queue_init(UeQueue *queue);
extern void ue_queue_reset(UeQueue *queue); /* frees all */
extern bool ue_queue_is_full(const UeQueue *queue);

/* One record of the journal.  False: no memory, and the record was not taken. */
extern bool ue_queue_append(UeQueue *queue, const UeJournalEntry *entry);

/*
 * Makes ready what need not wait any longer.  is_caught_up: the whole journal has been
 * read.  is_past_earlier_runs: no more completions of dead processes will come.
 */
typedef struct UeQueueTime
{
	int64_t now_us;
	int64_t wait_us;
	bool is_caught_up;
	bool is_past_earlier_runs;
	bool is_stopping; /* nobody waits any more */
} UeQueueTime;

extern void ue_queue_advance(UeQueue *queue, const UeQueueTime *time);

/* Takes ready events, oldest first, within both bounds (but at least one). */
extern size_t ue_queue_take(UeQueue *queue, UePending **out, size_t max_events,
							size_t max_bytes);

/* The same for what follows events: transitions as they are, recoveries of which the event
 * is done.  An event is ready for ue_queue_take alone. */
extern size_t ue_queue_take_follow_ups(UeQueue *queue, UeRecordKind kind, UePending **out,
									   size_t max_entries, size_t max_bytes);

/* Takes the next one that a rule wants no row of; NULL: none. */
extern UePending *ue_queue_take_unmonitored(UeQueue *queue);
extern void ue_queue_give_back(UeQueue *queue, UePending *pending); /* ready again */

/* Frees what is done at the front.  True and the position of the oldest that is not done;
 * false when the queue is empty. */
extern bool ue_queue_pop(UeQueue *queue, UeJournalPosition *oldest);

#endif
