/* SPDX-License-Identifier: PostgreSQL */
/*
 * journal_keeper.c: the journal's own thread, and giving back what has been shipped.
 *
 * It sleeps until a worker has written, lets 50 ms of appends gather, makes them durable,
 * and holds the byte budget by dropping the oldest segments.  Nothing of this is done on a
 * worker: fdatasync and the unlinking of a big file take milliseconds.
 */
#include "journal_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

#define SYNC_INTERVAL_MS 50

static void *run(void *argument);
static void wait_for_work(UeJournal *journal);
static void sync_segments(UeJournal *journal);
static void hold_budget(UeJournal *journal);
static UeSegment *take_oldest(UeJournal *journal);
static void remove_segment(UeJournal *journal, UeSegment *segment);
static void report_drop(uint64_t n_events, uint64_t n_segments);

bool
ue_journal_start_keeper(UeJournal *journal)
{
	journal->has_keeper = pthread_create(&journal->keeper, NULL, run, journal) == 0;
	return journal->has_keeper;
}

void
ue_journal_stop_keeper(UeJournal *journal)
{
	if (!journal->has_keeper)
		return;
	pthread_mutex_lock(&journal->lock);
	journal->is_stopping = true;
	pthread_cond_signal(&journal->keeper_wake);
	pthread_mutex_unlock(&journal->lock);
	pthread_join(journal->keeper, NULL);
	journal->has_keeper = false;
}

bool
ue_journal_release(UeJournal *journal, UeJournalPosition position)
{
	UeSegment *segment;
	bool is_written;

	pthread_mutex_lock(&journal->lock);
	journal->position = position;
	pthread_mutex_unlock(&journal->lock);

	/* The position first: a crash in between leaves a segment too many, not one too few. */
	is_written = ue_journal_write_position(journal);

	for (;;)
	{
		pthread_mutex_lock(&journal->lock);
		segment = NULL;
		if (journal->oldest != journal->newest && journal->oldest->seq < position.seq)
			segment = take_oldest(journal);
		pthread_mutex_unlock(&journal->lock);
		if (segment == NULL)
			break;
		remove_segment(journal, segment);
	}
	return is_written;
}

void
ue_journal_count_shipped(UeJournal *journal, uint64_t seq, uint64_t n_events)
{
	UeSegment *segment;

	pthread_mutex_lock(&journal->lock);
	for (segment = journal->oldest; segment != NULL && segment->seq != seq;)
		segment = segment->next;
	if (segment != NULL)
		segment->shipped += n_events;
	else
		atomic_fetch_sub(&journal->dropped_events, n_events);
	pthread_mutex_unlock(&journal->lock);
}

uint64_t
ue_journal_take_lost(UeJournal *journal)
{
	uint64_t n_dropped, n_untold;
	int64_t n_failed;

	pthread_mutex_lock(&journal->lock);
	if (journal->position.seq < journal->oldest->seq)
	{
		/* The shipper still holds events of dropped segments: they may arrive yet. */
		pthread_mutex_unlock(&journal->lock);
		return 0;
	}
	n_dropped = atomic_load(&journal->dropped_events);
	n_failed = (int64_t) atomic_load(&journal->failed_appends);
	n_untold = (uint64_t) (n_failed - journal->told_failed);
	journal->told_failed = n_failed;

	/* it may have shrunk: ue_journal_count_shipped */
	if (n_dropped > journal->told_dropped)
	{
		n_untold += n_dropped - journal->told_dropped;
		journal->told_dropped = n_dropped;
	}
	pthread_mutex_unlock(&journal->lock);
	return n_untold;
}

void
ue_journal_return_lost(UeJournal *journal, uint64_t n_events)
{
	pthread_mutex_lock(&journal->lock);
	journal->told_failed -= (int64_t) n_events;
	pthread_mutex_unlock(&journal->lock);
}

UeJournalPosition
ue_journal_position(UeJournal *journal)
{
	UeJournalPosition position;

	pthread_mutex_lock(&journal->lock);
	position = journal->position;
	pthread_mutex_unlock(&journal->lock);
	return position;
}

bool
ue_journal_find_extent(UeJournal *journal, uint64_t seq, UeJournalExtent *out)
{
	const UeSegment *segment;

	pthread_mutex_lock(&journal->lock);
	for (segment = journal->oldest; segment != NULL && segment->seq < seq;)
		segment = segment->next;
	if (segment != NULL)
	{
		out->seq = segment->seq;
		out->bytes = segment->bytes;
		out->is_closed = segment != journal->newest;
		out->is_earlier_run = segment->seq < journal->first_seq;
	}
	pthread_mutex_unlock(&journal->lock);
	return segment != NULL;
}

static void *
run(void *argument)
{
	UeJournal *journal = argument;
	bool is_stopping;

	do
	{
		wait_for_work(journal);
		hold_budget(journal);
		sync_segments(journal);
		pthread_mutex_lock(&journal->lock);
		is_stopping = journal->is_stopping;
		pthread_mutex_unlock(&journal->lock);
	} while (!is_stopping);

	/* What was appended while the last round ran. */
	sync_segments(journal);
	return NULL;
}

/* Until there is something to do, and then for one interval more unless space is short. */
static void
wait_for_work(UeJournal *journal)
{
	struct timespec due;

	pthread_mutex_lock(&journal->lock);
	while (!journal->is_keeper_needed && !journal->is_stopping)
		pthread_cond_wait(&journal->keeper_wake, &journal->lock);
	journal->is_keeper_needed = false;

	clock_gettime(CLOCK_REALTIME, &due);
	due.tv_nsec += SYNC_INTERVAL_MS * 1000000L;
	if (due.tv_nsec >= 1000000000L)
	{
		due.tv_sec++;
		due.tv_nsec -= 1000000000L;
	}
	while (!journal->is_stopping && journal->total_bytes <= journal->budget_bytes)
	{
		if (pthread_cond_timedwait(&journal->keeper_wake, &journal->lock, &due) != 0)
			break;
	}
	pthread_mutex_unlock(&journal->lock);
}

static void
sync_segments(UeJournal *journal)
{
	for (;;)
	{
		UeSegment *segment;
		bool is_dirty;
		bool is_directory_dirty;
		int fd;

		pthread_mutex_lock(&journal->lock);
		for (segment = journal->oldest; segment != NULL; segment = segment->next)
		{
			if (segment->is_dirty ||
				(segment->fd >= 0 && segment->is_closed && segment != journal->newest))
				break;
		}
		if (segment == NULL)
		{
			pthread_mutex_unlock(&journal->lock);
			return;
		}
		is_dirty = segment->is_dirty;
		segment->is_dirty = false;
		fd = segment->fd;

		/* Off the list's books before it is closed: nobody else uses a closed segment's. */
		if (segment != journal->newest)
			segment->fd = -1;
		else
			fd = dup(fd);
		is_directory_dirty = journal->is_directory_dirty;
		journal->is_directory_dirty = false;
		pthread_mutex_unlock(&journal->lock);

		if (is_dirty && journal->fsync != UE_FSYNC_NEVER &&
			(fd < 0 || fdatasync(fd) != 0 ||
			 (is_directory_dirty && fsync(journal->directory_fd) != 0)))
			ue_log_write(UE_LOG_ERROR, "journal_sync_failed",
						 "events are in the journal but may not survive a power cut",
						 "reason", strerror(errno), NULL);
		if (fd >= 0)
			close(fd);
	}
}

static void
hold_budget(UeJournal *journal)
{
	uint64_t n_events = 0;
	uint64_t n_segments = 0;

	for (;;)
	{
		UeSegment *segment = NULL;

		pthread_mutex_lock(&journal->lock);
		if (journal->total_bytes > journal->budget_bytes &&
			journal->oldest != journal->newest)
		{
			uint64_t n_lost = journal->oldest->events - journal->oldest->shipped;


			n_events += n_lost;
			n_segments++;
			atomic_fetch_add(&journal->dropped_events, n_lost);
			segment = take_oldest(journal);
		}
		pthread_mutex_unlock(&journal->lock);
		if (segment == NULL)
			break;
		remove_segment(journal, segment);
	}
	if (n_segments > 0)
	{
		ue_journal_write_position(journal);
		report_drop(n_events, n_segments);
	}
}

/* The caller holds lock; there is a newer one. */
static UeSegment *
take_oldest(UeJournal *journal)
{
	UeSegment *segment = journal->oldest;

	journal->oldest = segment->next;
	journal->total_bytes -= segment->bytes;
	return segment;
}

static void
remove_segment(UeJournal *journal, UeSegment *segment)
{
	char name[UE_JOURNAL_NAME_SIZE];

	ue_journal_name_segment(segment->seq, name);
	if (unlinkat(journal->directory_fd, name, 0) != 0 && errno != ENOENT)
		ue_log_write(UE_LOG_WARNING, "journal_remove_failed",
					 "could not remove a journal segment that is not needed any more",
					 "segment", name, "reason", strerror(errno), NULL);
	if (segment->fd >= 0)
		close(segment->fd);
	free(segment);
}

static void
report_drop(uint64_t n_events, uint64_t n_segments)
{
	char events[24];
	char segments[24];

	snprintf(events, sizeof(events), "%" PRIu64, n_events);
	snprintf(segments, sizeof(segments), "%" PRIu64, n_segments);
	ue_log_write(UE_LOG_ERROR, "journal_dropped",
				 "the journal is over its budget: the oldest events were dropped",
				 "events", events, "segments", segments, NULL);
}
