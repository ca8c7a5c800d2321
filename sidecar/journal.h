/* SPDX-License-Identifier: PostgreSQL */
/*
 * journal.h: the append-only file that no event gets lost behind.
 *
 * Workers append; the shipper reads and, once Postgres has committed, moves the position.
 * Appending is one write(2), of one record or of a batch (journal_batch.h): what has been
 * appended survives kill -9 at once, a power cut after the next fsync.  Records carry length
 * and CRC32C; a torn tail is cut at open and counted.  A byte budget drops the oldest
 * segments and counts what was in them.
 */
#ifndef UE_JOURNAL_H
#define UE_JOURNAL_H

#include "event.h"
#include "traffic_row.h"
#include "transition.h"

typedef struct UeJournal UeJournal;

typedef enum UeFsync
{
	UE_FSYNC_INTERVAL = 0, /* every 50 ms, in the journal's own thread */
	UE_FSYNC_ALWAYS,       /* each write waits: all that one turn of a worker says */
	UE_FSYNC_NEVER,
} UeFsync;

typedef struct UeJournalOptions
{
	const char *directory;   /* created when missing, 0700; locked: one process at a time */
	size_t segment_bytes;    /* a segment is closed above this */
	size_t budget_bytes;     /* of all segments */
	UeFsync fsync;
} UeJournalOptions;

/* Counters for metrics; read without a lock. */
typedef struct UeJournalStats
{
	uint64_t appended_events, appended_bytes;
	uint64_t failed_appends;  /* disk full, …: the event is lost, and counted here */
	uint64_t dropped_events;  /* by the budget */
	uint64_t torn_bytes;      /* cut at open */
	uint64_t pending_bytes;   /* not shipped yet */
} UeJournalStats;

/* NULL and a sentence in error: directory, why, what to do. */
extern UeJournal *ue_journal_open(const UeJournalOptions *options, char *error, size_t error_size);
extern void ue_journal_close(UeJournal *journal); /* fsyncs */

/* Any thread.  False: not written, counted; the caller goes on. */
extern bool ue_journal_append_event(UeJournal *journal, const UeEvent *event);
extern bool ue_journal_append_completion(UeJournal *journal, const UeCompletion *completion);

/* The shipper brings it to the database at once. */
extern bool ue_journal_append_transition(UeJournal *journal, const UeTransition *transition);

/* Of an event that has been appended before. */
extern bool ue_journal_append_recovery(UeJournal *journal, const UeRecovery *recovery);

/* Counts, as far as they have come. */
extern bool ue_journal_append_traffic(UeJournal *journal, const UeTrafficRow *row);

extern void ue_journal_read_stats(const UeJournal *journal, UeJournalStats *out);

#endif
