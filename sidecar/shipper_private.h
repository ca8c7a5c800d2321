/* SPDX-License-Identifier: PostgreSQL */
/*
 * shipper_private.h: what the halves of the shipper share.
 *
 * shipper.c       the thread: reads the journal, keeps its position, waits, ends
 * shipper_send.c  what goes to Postgres, and what it says to that
 *
 * All of it belongs to the shipper's own thread, but for what is atomic.
 */
#ifndef UE_SHIPPER_PRIVATE_H
#define UE_SHIPPER_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "shipper.h"
#include "shipper_batch.h"
#include "shipper_follow.h"
#include "shipper_traffic.h"

#define UE_SHIPPER_GATHER_MS	 50	 /* so long a batch that is not full gathers */
#define UE_SHIPPER_GATHER_EVENTS 500 /* so many do not wait */

enum
{
	UE_SHIPPER_RECORD = 0,
	UE_SHIPPER_MAINTAIN,
	UE_SHIPPER_TRAFFIC,
	UE_SHIPPER_STATEMENTS,
};

struct UeShipper
{
	UeJournal *journal;
	UeShipperOptions options;
	UeJournalReader *reader;
	UeDatabase *database;
	UeStatement statements[UE_SHIPPER_STATEMENTS];
	UeQueue queue;
	UeBatch batch;
	UeCounts counts;
	int64_t counts_sent_ms;
	UeFollower *follower;
	UeFollowerCounters followed;

	pthread_t thread;
	int stop_fd;
	atomic_bool is_stopping;
	int64_t drain_ms; /* written before is_stopping */

	UeJournalEntry held; /* read, but there was no memory to take it */
	bool has_held;
	bool is_caught_up;
	void *in_flight;		/* &batch, &maintain_due_ms, or NULL */
	int64_t in_flight_ms;	/* since */
	int64_t ready_since_ms; /* the oldest ready event gathers since; 0: none */
	int64_t retry_at_ms, retry_wait_ms;
	int64_t maintain_due_ms;
	int64_t loss_due_ms;
	bool is_maintain_due; /* nothing is shipped before the first one has ended */
	bool is_refusal_reported;
	UeJournalPosition released;
	int64_t released_ms;
	int64_t stop_due_ms; /* 0: not stopping */

	atomic_ullong shipped_events, replayed_events, quarantined_events;
	atomic_ullong batches, failed_batches, corrupt_records;
	atomic_llong oldest_us; /* 0: none */
	atomic_bool is_connected;
};

/* shipper_send.c */
extern const UeDatabaseHandler ue_shipper_handler;
extern const UeStatement ue_shipper_maintain_statement;
extern void ue_shipper_send_due(UeShipper *shipper, int64_t now_ms);

/* Beside a batch of events: neither waits for the other. */
extern void ue_shipper_send_traffic(UeShipper *shipper, int64_t now_ms);

/* shipper.c */
extern int64_t ue_shipper_read_monotonic_ms(void);
extern int64_t ue_shipper_read_clock_us(void);

#endif
