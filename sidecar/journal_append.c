/* SPDX-License-Identifier: PostgreSQL */
/*
 * journal_append.c: records into the newest segment.
 *
 * An append is encoded outside the lock and written inside it with one write(2) to a file
 * opened O_APPEND.  When the disk takes only a part, the file is cut back to where the
 * record began, so that what follows is readable.
 */
#include "journal_private.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "heap.h"
#include "log.h"

#define REPORT_INTERVAL_US (60 * INT64_C(1000000))

static bool append(UeJournal *journal, UeRecordKind kind, const void *what);
static UeStatus write_payload(UeBuf *buf, UeRecordKind kind, const void *what);
static bool append_record(UeJournal *journal, UeRecordKind kind, const char *record,
						  size_t len);
static void report_trouble(UeJournal *journal, bool is_written, int error);
static void wake_reader(UeJournal *journal, UeRecordKind kind);
static int64_t read_clock_us(void);

bool
ue_journal_append_event(UeJournal *journal, const UeEvent *event)
{
	bool is_written = append(journal, UE_RECORD_EVENT, event);

	if (is_written)
		atomic_fetch_add_explicit(&journal->appended_events, 1, memory_order_relaxed);
	else
		atomic_fetch_add_explicit(&journal->failed_appends, 1, memory_order_relaxed);
	return is_written;
}

bool
ue_journal_append_completion(UeJournal *journal, const UeCompletion *completion)
{
	return append(journal, UE_RECORD_COMPLETION, completion);
}

bool
ue_journal_append_transition(UeJournal *journal, const UeTransition *transition)
{
	return append(journal, UE_RECORD_TRANSITION, transition);
}

bool
ue_journal_append_recovery(UeJournal *journal, const UeRecovery *recovery)
{
	return append(journal, UE_RECORD_RECOVERY, recovery);
}

bool
ue_journal_append_traffic(UeJournal *journal, const UeTrafficRow *row)
{
	return append(journal, UE_RECORD_TRAFFIC, row);
}

bool
ue_journal_write_record(UeSegment *segment, const char *record, size_t len)
{
	ssize_t n_written;
	int saved_errno;

	do
		n_written = write(segment->fd, record, len);
	while (n_written < 0 && errno == EINTR);
	if (n_written == (ssize_t) len)
	{
		segment->bytes += len;
		return true;
	}
	saved_errno = n_written < 0 ? errno : ENOSPC;
	if (n_written > 0 && ftruncate(segment->fd, (off_t) segment->bytes) != 0)
		segment->is_closed = true;
	errno = saved_errno;
	return false;
}

static bool
append(UeJournal *journal, UeRecordKind kind, const void *what)
{
	static const char no_header[UE_RECORD_HEADER];
	UeArena arena;
	UeBuf buf;
	UeSlice record;
	bool is_written = false;

	ue_arena_init(&arena, &ue_heap_allocator, 8 * UE_RECORD_MAX_PAYLOAD);
	ue_buf_init(&buf, &arena, UE_RECORD_HEADER + UE_RECORD_MAX_PAYLOAD);
	ue_buf_append(&buf, (UeSlice){no_header, sizeof(no_header)});
	if (write_payload(&buf, kind, what) == UE_OK && ue_buf_finish(&buf, &record) == UE_OK)
	{
		ue_record_write_header(buf.ptr, kind, read_clock_us(),
							   record.len - UE_RECORD_HEADER);
		is_written = append_record(journal, kind, record.ptr, record.len);
	}
	ue_arena_free(&arena);
	return is_written;
}

/* what is of the type that goes with kind. */
static UeStatus
write_payload(UeBuf *buf, UeRecordKind kind, const void *what)
{
	switch (kind)
	{
		case UE_RECORD_EVENT:
			return ue_event_write(buf, what);
		case UE_RECORD_COMPLETION:
			return ue_completion_write(buf, what);
		case UE_RECORD_TRANSITION:
			return ue_transition_write(buf, what);
		case UE_RECORD_RECOVERY:
			return ue_recovery_write(buf, what);
		case UE_RECORD_TRAFFIC:
			return ue_traffic_row_write(buf, what);
	}
	return UE_INVALID_ARGUMENT;
}

static bool
append_record(UeJournal *journal, UeRecordKind kind, const char *record, size_t len)
{
	UeSegment *segment;
	bool is_written;
	bool must_wake_keeper = false;
	int error = 0;

	pthread_mutex_lock(&journal->lock);
	segment = journal->newest;

	/* When the next segment cannot be created the old one grows on. */
	if ((segment->bytes + len > journal->segment_bytes &&
		 segment->bytes > UE_RECORD_SEGMENT_HEADER) ||
		segment->is_closed)
	{
		ue_journal_create_segment(journal, segment->seq + 1);
		segment = journal->newest;
	}
	is_written = !segment->is_closed && ue_journal_write_record(segment, record, len);
	if (!is_written)
		error = segment->is_closed ? ENOSPC : errno;
	else
	{
		journal->total_bytes += len;
		if (kind == UE_RECORD_EVENT)
			segment->events++;

		/* A record that is written is not lost: the shipper reads it, durable or not. */
		if (journal->fsync == UE_FSYNC_ALWAYS && fdatasync(segment->fd) != 0)
			error = errno;
		must_wake_keeper =
			!segment->is_dirty || journal->total_bytes > journal->budget_bytes;
		segment->is_dirty = true;
	}
	if (must_wake_keeper && !journal->is_keeper_needed)
	{
		journal->is_keeper_needed = true;
		pthread_cond_signal(&journal->keeper_wake);
	}
	pthread_mutex_unlock(&journal->lock);

	if (error != 0 || atomic_load_explicit(&journal->is_failing, memory_order_relaxed))
		report_trouble(journal, is_written, error);
	if (is_written)
	{
		atomic_fetch_add_explicit(&journal->appended_bytes, len, memory_order_relaxed);
		wake_reader(journal, kind);
	}
	return is_written;
}

/* When it begins and when it ends, each at most once a minute: a disk that is full now and
 * then would fill the log, too. */
static void
report_trouble(UeJournal *journal, bool is_written, int error)
{
	int64_t now_us = read_clock_us();
	long long last_us = atomic_load(&journal->reported_us);

	if (error == 0)
	{
		if (atomic_exchange(&journal->is_failing, false))
			ue_log_write(UE_LOG_INFO, "journal_recovered",
						 "events are written to the journal again", NULL);
		return;
	}
	if (last_us != 0 && now_us - last_us < REPORT_INTERVAL_US && now_us >= last_us)
		return;
	if (!atomic_compare_exchange_strong(&journal->reported_us, &last_us, now_us))
		return; /* another worker says it */
	atomic_store(&journal->is_failing, true);
	ue_log_write(UE_LOG_ERROR,
				 is_written ? "journal_sync_failed" : "journal_append_failed",
				 is_written ? "events are in the journal but may not survive a power cut"
							: "events could not be written to the journal and are lost",
				 "reason", strerror(error), NULL);
}

static void
wake_reader(UeJournal *journal, UeRecordKind kind)
{
	static const uint64_t one = 1;
	bool is_written = true;

	/* The plain load first: an exchange for each append would move the cache line. */
	if (atomic_load(&journal->is_reader_waiting) &&
		atomic_exchange(&journal->is_reader_waiting, false))
		is_written = write(journal->wake_fd, &one, sizeof(one)) > 0;
	if (kind == UE_RECORD_TRANSITION)
		is_written = write(journal->urgent_fd, &one, sizeof(one)) > 0 && is_written;
	if (!is_written)
		ue_log_write(UE_LOG_WARNING, "journal_wake_failed",
					 "could not wake the shipper; it looks by itself every second", NULL);
}

static int64_t
read_clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}
