/* SPDX-License-Identifier: PostgreSQL */
/*
 * journal_append.c: records into the newest segment.
 *
 * Records are encoded outside the lock and written inside it, all that one caller has with
 * one write(2), to a file opened O_APPEND.  When the disk takes only a part, the file is cut
 * back to where they began, so that what follows is readable.
 */
#include "journal_private.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "heap.h"
#include "log.h"

#define REPORT_INTERVAL_US (60 * INT64_C(1000000))

/* What is written at once. */
typedef struct Piece
{
	size_t size;
	uint64_t n_records;
	uint64_t n_events;
	bool is_urgent; /* the shipper is to look at once */
} Piece;

typedef struct Appending
{
	UeSlice left;		/* whole records, not written yet */
	uint64_t n_written; /* records */
	uint64_t n_bytes;
	uint64_t n_events;
	uint64_t n_lost; /* events */
	bool is_urgent;
	bool is_refused; /* the disk has */
	int error;		 /* 0: none */
} Appending;

static bool append(UeJournal *journal, UeRecordKind kind, const void *what);
static UeStatus write_payload(UeBuf *buf, UeRecordKind kind, const void *what);
static void append_piece(UeJournal *journal, Appending *appending);
static void add_record(Piece *piece, UeSlice records);
static UeSegment *find_room(UeJournal *journal, Appending *appending, size_t len);
static void sync_newest(UeJournal *journal, Appending *appending);
static void note_written(UeJournal *journal, UeSegment *segment, const Piece *piece);
static void report_trouble(UeJournal *journal, bool is_written, int error);
static void wake_reader(UeJournal *journal, bool is_urgent);
static int64_t read_clock_us(void);

bool
ue_journal_append_event(UeJournal *journal, const UeEvent *event)
{
	return append(journal, UE_RECORD_EVENT, event);
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
ue_journal_write_bytes(UeSegment *segment, const char *bytes, size_t len)
{
	ssize_t n_written;
	int saved_errno;

	do
		n_written = write(segment->fd, bytes, len);
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
	UeArena arena;
	UeBuf buf;
	bool is_written = false;

	ue_arena_init(&arena, &ue_heap_allocator, 8 * UE_RECORD_MAX_PAYLOAD);
	ue_buf_init(&buf, &arena, UE_RECORD_HEADER + UE_RECORD_MAX_PAYLOAD);
	if (ue_journal_encode(journal, &buf, kind, what))
		is_written = ue_journal_append_records(journal, (UeSlice){buf.ptr, buf.len}) == 1;
	ue_arena_free(&arena);
	return is_written;
}

bool
ue_journal_encode(UeJournal *journal, UeBuf *buf, UeRecordKind kind, const void *what)
{
	static const char no_header[UE_RECORD_HEADER];
	size_t start = buf->len;
	size_t payload_len;

	ue_buf_append(buf, (UeSlice){no_header, sizeof(no_header)});
	if (write_payload(buf, kind, what) == UE_OK && buf->status == UE_OK)
	{
		payload_len = buf->len - start - UE_RECORD_HEADER;
		if (payload_len <= UE_RECORD_MAX_PAYLOAD)
		{
			ue_record_write_header(buf->ptr + start, kind, read_clock_us(), payload_len);
			return true;
		}
	}
	buf->len = start;
	buf->status = UE_OK;
	if (kind == UE_RECORD_EVENT)
		atomic_fetch_add_explicit(&journal->failed_appends, 1, memory_order_relaxed);
	return false;
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

uint64_t
ue_journal_append_records(UeJournal *journal, UeSlice records)
{
	Appending appending = {.left = records};

	pthread_mutex_lock(&journal->lock);
	while (appending.left.len > 0)
		append_piece(journal, &appending);
	if (appending.n_written > 0)
		sync_newest(journal, &appending);
	pthread_mutex_unlock(&journal->lock);

	atomic_fetch_add_explicit(&journal->appended_bytes, appending.n_bytes,
							  memory_order_relaxed);
	atomic_fetch_add_explicit(&journal->appended_events, appending.n_events,
							  memory_order_relaxed);
	atomic_fetch_add_explicit(&journal->failed_appends, appending.n_lost,
							  memory_order_relaxed);
	if (appending.error != 0 ||
		atomic_load_explicit(&journal->is_failing, memory_order_relaxed))
		report_trouble(journal, !appending.is_refused, appending.error);
	if (appending.n_written > 0)
		wake_reader(journal, appending.is_urgent);
	return appending.n_written;
}

/*
 * As many records as the segment takes, and at least one, in one write.  Once the disk has
 * refused some, each goes for itself, for a shorter one may still fit.
 */
static void
append_piece(UeJournal *journal, Appending *appending)
{
	UeSegment *segment =
		find_room(journal, appending, ue_record_measure(appending->left));
	uint64_t room = journal->segment_bytes > segment->bytes
						? journal->segment_bytes - segment->bytes
						: 0;
	Piece piece = {.size = 0};

	do
		add_record(&piece, ue_slice_sub(appending->left, piece.size, SIZE_MAX));
	while (!appending->is_refused && piece.size < appending->left.len &&
		   piece.size + ue_record_measure(
							ue_slice_sub(appending->left, piece.size, SIZE_MAX)) <=
			   room);
	if (!segment->is_closed &&
		ue_journal_write_bytes(segment, appending->left.ptr, piece.size))
	{
		note_written(journal, segment, &piece);
		appending->n_bytes += piece.size;
		appending->n_written += piece.n_records;
		appending->n_events += piece.n_events;
		appending->is_urgent |= piece.is_urgent;
	}
	else
	{
		appending->error = segment->is_closed ? ENOSPC : errno;
		appending->is_refused = true;
		if (piece.n_records > 1)
			return;
		appending->n_lost += piece.n_events;
	}
	appending->left = ue_slice_sub(appending->left, piece.size, SIZE_MAX);
}

static void
add_record(Piece *piece, UeSlice records)
{
	UeRecordKind kind = ue_record_kind(records);

	piece->size += ue_record_measure(records);
	piece->n_records++;
	piece->n_events += kind == UE_RECORD_EVENT;
	piece->is_urgent |= kind == UE_RECORD_TRANSITION;
}

/* When the next segment cannot be created the old one grows on. */
static UeSegment *
find_room(UeJournal *journal, Appending *appending, size_t len)
{
	UeSegment *segment = journal->newest;

	if ((segment->bytes + len > journal->segment_bytes &&
		 segment->bytes > UE_RECORD_SEGMENT_HEADER) ||
		segment->is_closed)
	{
		if (appending->n_written > 0)
			sync_newest(journal, appending);
		ue_journal_create_segment(journal, segment->seq + 1);
	}
	return journal->newest;
}

/* A record that is written is not lost: the shipper reads it, durable or not. */
static void
sync_newest(UeJournal *journal, Appending *appending)
{
	if (journal->fsync == UE_FSYNC_ALWAYS && fdatasync(journal->newest->fd) != 0)
		appending->error = errno;
}

static void
note_written(UeJournal *journal, UeSegment *segment, const Piece *piece)
{
	bool must_wake_keeper;

	journal->total_bytes += piece->size;
	segment->events += piece->n_events;
	must_wake_keeper = !segment->is_dirty || journal->total_bytes > journal->budget_bytes;
	segment->is_dirty = true;
	if (must_wake_keeper && !journal->is_keeper_needed)
	{
		journal->is_keeper_needed = true;
		pthread_cond_signal(&journal->keeper_wake);
	}
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
wake_reader(UeJournal *journal, bool is_urgent)
{
	static const uint64_t one = 1;
	bool is_written = true;

	/* The plain load first: an exchange for each append would move the cache line. */
	if (atomic_load(&journal->is_reader_waiting) &&
		atomic_exchange(&journal->is_reader_waiting, false))
		is_written = write(journal->wake_fd, &one, sizeof(one)) > 0;
	if (is_urgent)
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
