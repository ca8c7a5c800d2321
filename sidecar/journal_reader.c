/* SPDX-License-Identifier: PostgreSQL */
/*
 * journal_reader.c: records one after the other, across segments, while workers append.
 *
 * The journal says where the complete records of a segment end (ue_journal_find_extent);
 * the reader never looks beyond, so a record that is being written is never taken for a
 * torn one.  Bytes inside that bound which are no record are damage: they are passed over
 * up to the next record that is whole, or the next segment.
 */
#include "journal_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "journal_private.h"

/* Holds the largest record with room for reading ahead. */
#define WINDOW_SIZE (UE_RECORD_HEADER + UE_RECORD_MAX_PAYLOAD + 256 * 1024)
#define READ_AHEAD	(256 * 1024)

struct UeJournalReader
{
	UeJournal *journal;
	UeJournalPosition position; /* of the first byte of the window's unread part */
	UeJournalExtent extent;		/* of the segment that is open, as last asked */
	int fd;						/* -1: none open */
	char *window;				/* owned, WINDOW_SIZE */
	size_t begin, end;			/* the unread part of the window */
	bool is_in_gap;				/* passing over damage, counted already */
	bool is_past_earlier_runs;
	uint64_t n_corrupt;
};

static bool open_segment(UeJournalReader *reader);
static void close_segment(UeJournalReader *reader);
static bool refill(UeJournalReader *reader);
static void pass_over(UeJournalReader *reader, size_t n_bytes);
static bool take_record(UeJournalReader *reader, UeJournalEntry *out);
static bool go_on(UeJournalReader *reader);

UeJournalReader *
ue_journal_reader_new(UeJournal *journal)
{
	UeJournalReader *reader = calloc(1, sizeof(*reader));

	if (reader == NULL)
		return NULL;
	reader->journal = journal;
	reader->fd = -1;
	reader->position = ue_journal_position(journal);
	reader->window = malloc(WINDOW_SIZE);
	if (reader->window == NULL)
	{
		free(reader);
		return NULL;
	}
	return reader;
}

void
ue_journal_reader_free(UeJournalReader *reader)
{
	if (reader == NULL)
		return;
	close_segment(reader);
	free(reader->window);
	free(reader);
}

bool
ue_journal_reader_next(UeJournalReader *reader, UeJournalEntry *out)
{
	do
	{
		if (reader->fd < 0 && !open_segment(reader))
			return false;
		if (take_record(reader, out))
			return true;
	} while (go_on(reader));
	return false;
}

UeJournalPosition
ue_journal_reader_position(const UeJournalReader *reader)
{
	return reader->position;
}

bool
ue_journal_reader_is_past_earlier_runs(const UeJournalReader *reader)
{
	return reader->is_past_earlier_runs;
}

uint64_t
ue_journal_reader_count_corrupt(const UeJournalReader *reader)
{
	return reader->n_corrupt;
}

/* The segment of the position or, when that is gone, the next one. */
static bool
open_segment(UeJournalReader *reader)
{
	char name[UE_JOURNAL_NAME_SIZE];

	while (ue_journal_find_extent(reader->journal, reader->position.seq, &reader->extent))
	{
		if (!reader->extent.is_earlier_run)
			reader->is_past_earlier_runs = true;
		if (reader->extent.seq != reader->position.seq ||
			reader->position.offset < UE_RECORD_SEGMENT_HEADER ||
			reader->position.offset > reader->extent.bytes)
			reader->position = (UeJournalPosition){.seq = reader->extent.seq,
												   .offset = UE_RECORD_SEGMENT_HEADER};
		ue_journal_name_segment(reader->extent.seq, name);
		reader->fd = openat(reader->journal->directory_fd, name, O_RDONLY | O_CLOEXEC);
		if (reader->fd >= 0)
			return true;

		/* Dropped in between; out of descriptors is for the next call. */
		if (errno != ENOENT)
			return false;
		reader->position = (UeJournalPosition){.seq = reader->extent.seq + 1};
	}
	return false;
}

static void
close_segment(UeJournalReader *reader)
{
	if (reader->fd >= 0)
		close(reader->fd);
	reader->fd = -1;
	reader->begin = reader->end = 0;
	reader->is_in_gap = false;
}

/* The next whole record of the window. */
static bool
take_record(UeJournalReader *reader, UeJournalEntry *out)
{
	while (reader->begin < reader->end)
	{
		UeSlice bytes = {reader->window + reader->begin, reader->end - reader->begin};
		size_t size;

		switch (ue_record_parse(bytes, &out->record, &size))
		{
			case UE_RECORD_OK:
				out->position = reader->position;
				out->is_earlier_run = reader->extent.is_earlier_run;
				reader->begin += size;
				reader->position.offset += size;
				if (out->record.kind == UE_RECORD_EVENT)
					reader->position.events++;
				reader->is_in_gap = false;
				return true;
			case UE_RECORD_CUT:
				return false;
			case UE_RECORD_CORRUPT:
				pass_over(reader, size);
				break;
		}
	}
	return false;
}

static void
pass_over(UeJournalReader *reader, size_t n_bytes)
{
	if (!reader->is_in_gap)
		reader->n_corrupt++;
	reader->is_in_gap = true;
	reader->begin += n_bytes;
	reader->position.offset += n_bytes;
}

/* More bytes, or the next segment; false when there is neither. */
static bool
go_on(UeJournalReader *reader)
{
	UeJournalExtent extent;

	if (!ue_journal_find_extent(reader->journal, reader->position.seq, &extent))
		return false;
	if (extent.seq != reader->position.seq)
	{
		/* Dropped while we read it: what it still had has been counted as dropped. */
		close_segment(reader);
		reader->position =
			(UeJournalPosition){.seq = extent.seq, .offset = UE_RECORD_SEGMENT_HEADER};
		return true;
	}
	reader->extent = extent;
	if (reader->position.offset + (reader->end - reader->begin) < extent.bytes)
		return refill(reader);

	/* All there is has been looked at: a rest that is no record never will be one. */
	if (reader->begin < reader->end)
	{
		UeSlice rest = {reader->window + reader->begin, reader->end - reader->begin};

		pass_over(reader, ue_record_find_next(rest));
		return true;
	}
	if (!extent.is_closed)
		return false;
	close_segment(reader);
	reader->position =
		(UeJournalPosition){.seq = extent.seq + 1, .offset = UE_RECORD_SEGMENT_HEADER};
	return true;
}

static bool
refill(UeJournalReader *reader)
{
	size_t len = reader->end - reader->begin;
	uint64_t left = reader->extent.bytes - reader->position.offset - len;
	size_t want = WINDOW_SIZE - len;
	ssize_t n_read;

	memmove(reader->window, reader->window + reader->begin, len);
	reader->begin = 0;
	reader->end = len;
	if (want > READ_AHEAD)
		want = READ_AHEAD;
	if (want > left)
		want = (size_t) left;
	do
		n_read = pread(reader->fd, reader->window + len, want,
					   (off_t) (reader->position.offset + len));
	while (n_read < 0 && errno == EINTR);
	if (n_read > 0)
	{
		reader->end += (size_t) n_read;
		return true;
	}

	/* A sector that cannot be read, or a file that was cut by hand: on to the next. */
	reader->n_corrupt++;
	if (!reader->extent.is_closed)
		return false;
	close_segment(reader);
	reader->position = (UeJournalPosition){.seq = reader->extent.seq + 1,
										   .offset = UE_RECORD_SEGMENT_HEADER};
	return true;
}
