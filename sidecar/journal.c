/* SPDX-License-Identifier: PostgreSQL */
/*
 * journal.c: opening, closing, and what others ask of it.
 *
 * A process never appends to a segment of an earlier one: it cuts that one's torn tail and
 * begins the next.  So whatever lies in a segment before first_seq was written by a process
 * that is gone, and no completion of its events can come any more.
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
#include <unistd.h>

/* Dropping is by whole segments, so a budget holds at least this many. */
#define MIN_SEGMENTS	  4
#define MIN_SEGMENT_BYTES 4096

static bool open_directory(UeJournal *journal, const char *directory, char *error,
						   size_t error_size);
static bool create_directories(const char *directory);
static void read_empty(int event_fd);

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
	if (!ue_journal_write_bytes(segment, header, sizeof(header)))
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

static void
read_empty(int event_fd)
{
	uint64_t count;

	while (read(event_fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
}
