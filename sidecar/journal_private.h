/* SPDX-License-Identifier: PostgreSQL */
/*
 * journal_private.h: what the journal's own files share.
 *
 * journal.c holds the list of segments, journal_append.c appends, journal_open.c takes stock
 * of what is in the directory, journal_keeper.c is the thread that syncs, drops and removes,
 * journal_position.c keeps the position file, journal_batch.c gathers what goes together.
 *
 * lock guards segments, position and flags.  Only the keeper closes descriptors and, with
 * ue_journal_release, takes segments off the list; a worker holds the lock for one
 * write(2).  position_lock is taken around writing the position file, before lock.
 */
#ifndef UE_JOURNAL_PRIVATE_H
#define UE_JOURNAL_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "journal_reader.h"

#define UE_JOURNAL_NAME_SIZE 32 /* 16 hex digits, ".journal", NUL, and some */

typedef struct UeSegment
{
	struct UeSegment *next; /* newer */
	uint64_t seq;
	uint64_t bytes; /* complete records end here */
	uint64_t events;
	uint64_t shipped; /* of these */
	int fd;			  /* -1: closed */
	bool is_dirty;	  /* written since the last fdatasync */
	bool is_closed;	  /* no more appends */
} UeSegment;

struct UeJournal
{
	UeFsync fsync;
	size_t segment_bytes;
	size_t budget_bytes;
	int directory_fd;
	int lock_fd;
	int wake_fd;
	int urgent_fd;
	uint64_t first_seq; /* of this run */

	pthread_mutex_t lock;
	pthread_cond_t keeper_wake;
	UeSegment *oldest, *newest;
	uint64_t total_bytes;
	UeJournalPosition position;
	bool
		is_directory_dirty; /* a segment was created since the last fsync of the directory */
	bool is_keeper_needed;
	bool is_stopping;

	pthread_mutex_t position_lock;
	pthread_t keeper;
	bool has_keeper;

	atomic_bool is_reader_waiting;
	atomic_bool
		is_failing; /* that appends fail has been said, that they do not, not yet */
	atomic_llong reported_us; /* when; 0: never */
	atomic_ullong appended_events, appended_bytes, failed_appends, torn_bytes;
	atomic_ullong dropped_events; /* over all runs: kept in the position file */

	/* of the lost events, those that ue_journal_take_lost has given out; under lock */
	uint64_t told_dropped; /* kept in the position file, too */
	int64_t told_failed;
};

/* journal.c; the caller holds lock.  False with errno set. */
extern bool ue_journal_create_segment(UeJournal *journal, uint64_t seq);
extern void ue_journal_name_segment(uint64_t seq, char *name); /* UE_JOURNAL_NAME_SIZE */

/* journal_append.c; the caller holds lock.  All or nothing: false with errno set.  A segment
 * that cannot be cut back takes no more. */
extern bool ue_journal_write_bytes(UeSegment *segment, const char *bytes, size_t len);

/* A record behind what the buffer has; what goes with kind.  False: the buffer is as it was,
 * and an event is counted as lost. */
extern bool ue_journal_encode(UeJournal *journal, UeBuf *buf, UeRecordKind kind,
							  const void *what);

/* Encoded ones.  How many were written; events that were not are counted as lost. */
extern uint64_t ue_journal_append_records(UeJournal *journal, UeSlice records);

/* journal_open.c: fills the list from the directory, cuts the torn tail.  False and a
 * sentence in error. */
extern bool ue_journal_load(UeJournal *journal, const char *directory, char *error,
							size_t error_size);

/* journal_keeper.c */
extern bool ue_journal_start_keeper(UeJournal *journal);
extern void ue_journal_stop_keeper(UeJournal *journal); /* after a last sync */

/* journal_position.c: without a valid file everything stays zero. */
extern void ue_journal_read_position(UeJournal *journal);
extern bool ue_journal_write_position(UeJournal *journal);

#endif
