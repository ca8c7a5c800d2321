/* SPDX-License-Identifier: PostgreSQL */
/*
 * journal.c: opening, appending, closing.
 *
 * A process never appends to a segment of an earlier one: it cuts that one's torn tail and
 * begins the next.  So whatever lies in a segment before first_seq was written by a process
 * that is gone, and no completion of its events can come any more.
 *
 * An append is encoded outside the lock and written inside it with one write(2) to a file
 * opened O_APPEND.  When the disk takes only a part, the file is cut back to where the
 * record began, so that what follows is readable.
 */
#include "journal_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "heap.h"
#include "log.h"

/* Dropping is by whole segments, so a budget holds at least this many. */
#define MIN_SEGMENTS	  4
#define MIN_SEGMENT_BYTES 4096

#define REPORT_INTERVAL_US (60 * INT64_C(1000000))

static bool open_directory(UeJournal *journal, const char *directory, char *error,
						   size_t error_size);
static bool create_directories(const char *directory);
static bool append(UeJournal *journal, UeRecordKind kind, const void *what);
static UeStatus write_payload(UeBuf *buf, UeRecordKind kind, const void *what);
static bool append_record(UeJournal *journal, UeRecordKind kind, const char *record,
						  size_t len);
static bool write_record(UeSegment *segment, const char *record, size_t len);
static void report_trouble(UeJournal *journal, bool is_written, int error);
static void wake_reader(UeJournal *journal, UeRecordKind kind);
static void read_empty(int event_fd);
static int64_t read_clock_us(void);

UeJournal *
ue_journal_open(const UeJournalOptions *options, char *error, size_t error_size)
{
	UeJournal *journal = calloc(1, sizeof(*journal));

	if (journal == NULL)
	{
		snprintf(error, error_size, "out of memory");
		return NULL;
	}
	journal->directory_fd = journal->lock_fd = journal->urgent_fd = -1;
	pthread_mutex_init(&journal->lock, NULL);
	pthread_mutex_init(&journal->position_lock, NULL);
	pthread_cond_init(&journal->keeper_wake, NULL);
	journal->fsync = options->fsync;
	journal->budget_bytes = options->budget_bytes;
	journal->segment_bytes = options->segment_bytes;
	if (journal->segment_bytes > options->budget_bytes / MIN_SEGMENTS)
		journal->segment_bytes = options->budget_bytes / MIN_SEGMENTS;
	if (journal->segment_bytes < MIN_SEGMENT_BYTES)
		journal->segment_bytes = MIN_SEGMENT_BYTES;

	journal->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	journal->urgent_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (journal->wake_fd < 0 || journal->urgent_fd < 0)
	{
		snprintf(error, error_size, "could not create an event descriptor: %s",
				 strerror(errno));
		goto failed;
	}
	if (!open_directory(journal, options->directory, error, error_size) ||
		!ue_journal_load(journal, options->directory, error, error_size))
		goto failed;
	if (!ue_journal_create_segment(journal, journal->first_seq))
	{
		snprintf(error, error_size,
				 "could not create a file in journal directory \"%s\": %s",
				 options->directory, strerror(errno));
		goto failed;
	}
	if (!ue_journal_start_keeper(journal))
	{
		snprintf(error, error_size, "could not start the journal's thread");
		goto failed;
	}
	return journal;

failed:
	ue_journal_close(journal);
	return NULL;
}

void
ue_journal_close(UeJournal *journal)
{
	if (journal == NULL)
		return;
	ue_journal_stop_keeper(journal);
	while (journal->oldest != NULL)
	{
		UeSegment *segment = journal->oldest;

		journal->oldest = segment->next;
		if (segment->fd >= 0)
			close(segment->fd);
		free(segment);
	}
	if (journal->wake_fd >= 0)
		close(journal->wake_fd);
	if (journal->urgent_fd >= 0)
		close(journal->urgent_fd);
	if (journal->lock_fd >= 0)
		close(journal->lock_fd);
	if (journal->directory_fd >= 0)
		close(journal->directory_fd);
	pthread_cond_destroy(&journal->keeper_wake);
	pthread_mutex_destroy(&journal->position_lock);
	pthread_mutex_destroy(&journal->lock);
	free(journal);
}

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

void
ue_journal_read_stats(const UeJournal *journal, UeJournalStats *out)
{
	UeJournal *locked = (UeJournal *) journal;

	out->appended_events = atomic_load(&journal->appended_events);
	out->appended_bytes = atomic_load(&journal->appended_bytes);
	out->failed_appends = atomic_load(&journal->failed_appends);
	out->dropped_events = atomic_load(&journal->dropped_events);
	out->torn_bytes = atomic_load(&journal->torn_bytes);

	pthread_mutex_lock(&locked->lock);
	out->pending_bytes = 0;
	for (const UeSegment *segment = journal->oldest; segment; segment = segment->next)
	{
		uint64_t shipped = UE_RECORD_SEGMENT_HEADER;

		if (segment->seq < journal->position.seq)
			shipped = segment->bytes;
		else if (segment->seq == journal->position.seq &&
				 journal->position.offset > shipped)
			shipped = journal->position.offset;
		if (segment->bytes > shipped)
			out->pending_bytes += segment->bytes - shipped;
	}
	pthread_mutex_unlock(&locked->lock);
}

void
ue_journal_name_segment(uint64_t seq, char *name)
{
	snprintf(name, UE_JOURNAL_NAME_SIZE, "%016" PRIx64 ".journal", seq);
}

bool
ue_journal_create_segment(UeJournal *journal, uint64_t seq)
{
	UeSegment *segment = calloc(1, sizeof(*segment));
	char name[UE_JOURNAL_NAME_SIZE];
	char header[UE_RECORD_SEGMENT_HEADER];
	int saved_errno;

	if (segment == NULL)
		return false;
	ue_journal_name_segment(seq, name);
	segment->seq = seq;
	segment->fd = openat(journal->directory_fd, name,
						 O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
	if (segment->fd < 0)
	{
		free(segment);
		return false;
	}
	ue_record_write_segment_header(header);
	if (!write_record(segment, header, sizeof(header)))
	{
		saved_errno = errno;
		unlinkat(journal->directory_fd, name, 0);
		close(segment->fd);
		free(segment);
		errno = saved_errno;
		return false;
	}
	if (journal->fsync == UE_FSYNC_ALWAYS)
		fsync(journal->directory_fd);

	segment->is_dirty = true;
	journal->is_directory_dirty = true;
	journal->total_bytes += segment->bytes;
	if (journal->newest != NULL)
	{
		journal->newest->is_closed = true;
		journal->newest->next = segment;
	}
	else
		journal->oldest = segment;
	journal->newest = segment;
	return true;
}

int
ue_journal_arm(UeJournal *journal)
{
	atomic_store(&journal->is_reader_waiting, true);
	return journal->wake_fd;
}

void
ue_journal_disarm(UeJournal *journal)
{
	atomic_store(&journal->is_reader_waiting, false);
	read_empty(journal->wake_fd);
}

int
ue_journal_urgent_fd(const UeJournal *journal)
{
	return journal->urgent_fd;
}

void
ue_journal_calm(UeJournal *journal)
{
	read_empty(journal->urgent_fd);
}

int
ue_journal_directory_fd(const UeJournal *journal)
{
	return journal->directory_fd;
}

static bool
open_directory(UeJournal *journal, const char *directory, char *error, size_t error_size)
{
	if (!create_directories(directory))
	{
		snprintf(error, error_size, "could not create journal directory \"%s\": %s",
				 directory, strerror(errno));
		return false;
	}
	journal->directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (journal->directory_fd < 0)
	{
		snprintf(error, error_size, "could not open journal directory \"%s\": %s",
				 directory, strerror(errno));
		return false;
	}
	journal->lock_fd =
		openat(journal->directory_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (journal->lock_fd < 0)
	{
		snprintf(error, error_size,
				 "could not create a file in journal directory \"%s\": %s", directory,
				 strerror(errno));
		return false;
	}
	if (flock(journal->lock_fd, LOCK_EX | LOCK_NB) != 0)
	{
		snprintf(error, error_size,
				 "journal directory \"%s\" is in use by another process; "
				 "give each sidecar a directory of its own",
				 directory);
		return false;
	}
	return true;
}

/* As mkdir -p: the default place is below directories that a new user does not have. */
static bool
create_directories(const char *directory)
{
	char *path = strdup(directory);
	bool is_created = path != NULL;

	for (char *at = path; is_created && *at != '\0'; at++)
	{
		if (*at != '/' || at == path)
			continue;
		*at = '\0';
		is_created = mkdir(path, 0700) == 0 || errno == EEXIST;
		*at = '/';
	}
	is_created = is_created && (mkdir(path, 0700) == 0 || errno == EEXIST);
	free(path);
	return is_created;
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
	is_written = !segment->is_closed && write_record(segment, record, len);
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

/* Whole or not at all.  A segment that cannot be cut back takes no more. */
static bool
write_record(UeSegment *segment, const char *record, size_t len)
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

static void
read_empty(int event_fd)
{
	uint64_t count;

	while (read(event_fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
}

static int64_t
read_clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}
