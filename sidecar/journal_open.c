/* SPDX-License-Identifier: PostgreSQL */
/*
 * journal_open.c: what an earlier process left behind.
 *
 * Each segment is read once, to count its events (the budget must be able to say what it
 * drops) and, in the last one, to cut the tail that a killed process or a power cut has
 * torn.  Damage in the middle stays; the reader passes over it and counts it.  A file that
 * is no segment at all is set aside as "….corrupt".
 */
#include "journal_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

typedef struct SeqList
{
	uint64_t *seqs; /* owned */
	size_t n_seqs, size;
} SeqList;

static bool list_segments(int directory_fd, SeqList *out);
static bool parse_name(const char *name, uint64_t *out);
static int compare_seqs(const void *a, const void *b);
static bool load_segment(UeJournal *journal, uint64_t seq, bool is_last, char *error,
						 size_t error_size);
static uint64_t scan_records(UeSlice bytes, UeSegment *segment);
static void set_aside(UeJournal *journal, const char *name);
static bool add_segment(UeJournal *journal, const UeSegment *found);

bool
ue_journal_load(UeJournal *journal, const char *directory, char *error, size_t error_size)
{
	SeqList list = {NULL, 0, 0};
	bool is_loaded = true;

	if (!list_segments(journal->directory_fd, &list))
	{
		snprintf(error, error_size, "could not list journal directory \"%s\": %s",
				 directory, strerror(errno));
		is_loaded = false;
	}
	ue_journal_read_position(journal);
	for (size_t i = 0; is_loaded && i < list.n_seqs; i++)
		is_loaded =
			load_segment(journal, list.seqs[i], i + 1 == list.n_seqs, error, error_size);
	journal->first_seq = journal->position.seq + 1;
	if (list.n_seqs > 0 && list.seqs[list.n_seqs - 1] >= journal->first_seq)
		journal->first_seq = list.seqs[list.n_seqs - 1] + 1;
	free(list.seqs);
	return is_loaded;
}

static bool
list_segments(int directory_fd, SeqList *out)
{
	int fd = openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	uint64_t seq;

	if (stream == NULL)
	{
		if (fd >= 0)
			close(fd);
		return false;
	}
	while ((entry = readdir(stream)) != NULL)
	{
		if (!parse_name(entry->d_name, &seq))
			continue;
		if (out->n_seqs == out->size)
		{
			size_t size = out->size == 0 ? 64 : 2 * out->size;
			uint64_t *seqs = realloc(out->seqs, size * sizeof(*seqs));

			if (seqs == NULL)
			{
				closedir(stream);
				return false;
			}
			out->seqs = seqs;
			out->size = size;
		}
		out->seqs[out->n_seqs++] = seq;
	}
	closedir(stream);
	if (out->n_seqs > 0)
		qsort(out->seqs, out->n_seqs, sizeof(*out->seqs), compare_seqs);
	return true;
}

/* Lower-case hex only, as we write it, so that one number has one name. */
static bool
parse_name(const char *name, uint64_t *out)
{
	uint64_t seq = 0;

	for (int i = 0; i < 16; i++)
	{
		if (name[i] >= '0' && name[i] <= '9')
			seq = seq << 4 | (uint64_t) (name[i] - '0');
		else if (name[i] >= 'a' && name[i] <= 'f')
			seq = seq << 4 | (uint64_t) (name[i] - 'a' + 10);
		else
			return false;
	}

	/* The next number must exist. */
	if (strcmp(name + 16, ".journal") != 0 || seq >= UINT64_MAX / 2)
		return false;
	*out = seq;
	return true;
}

static int
compare_seqs(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *) a;
	uint64_t right = *(const uint64_t *) b;

	return (left > right) - (left < right);
}

static bool
load_segment(UeJournal *journal, uint64_t seq, bool is_last, char *error,
			 size_t error_size)
{
	UeSegment segment = {.seq = seq, .fd = -1, .is_closed = true};
	char name[UE_JOURNAL_NAME_SIZE];
	struct stat info;
	void *map = NULL;
	UeStatus status = UE_MALFORMED;
	bool is_loaded = false;
	uint64_t end;
	int fd;

	ue_journal_name_segment(seq, name);
	fd = openat(journal->directory_fd, name, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &info) != 0)
		goto failed;
	if (info.st_size > 0)
	{
		map = mmap(NULL, (size_t) info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (map == MAP_FAILED)
		{
			map = NULL;
			goto failed;
		}
		status = ue_record_check_segment_header((UeSlice){map, (size_t) info.st_size});
	}
	if (status == UE_INVALID_ARGUMENT)
	{
		snprintf(error, error_size,
				 "journal segment \"%s\" was written by a newer version of this program; "
				 "start that version, or move the file away",
				 name);
		goto done;
	}
	is_loaded = true;
	if (status == UE_OK)
	{
		end = scan_records((UeSlice){map, (size_t) info.st_size}, &segment);
		segment.bytes = is_last ? end : (uint64_t) info.st_size;
		if (segment.bytes < (uint64_t) info.st_size)
		{
			atomic_fetch_add(&journal->torn_bytes, (uint64_t) info.st_size - end);
			if (ftruncate(fd, (off_t) end) != 0)
				goto failed;
		}
		if (seq < journal->position.seq)
			segment.shipped = segment.events;
		else if (seq == journal->position.seq)
			segment.shipped = journal->position.events < segment.events
								  ? journal->position.events
								  : segment.events;
		if (segment.bytes == UE_RECORD_SEGMENT_HEADER || seq < journal->position.seq)
			unlinkat(journal->directory_fd, name, 0);
		else if (!add_segment(journal, &segment))
			goto failed;
	}
	else if (info.st_size < UE_RECORD_SEGMENT_HEADER)
	{
		/* killed while it was created */
		atomic_fetch_add(&journal->torn_bytes, (uint64_t) info.st_size);
		unlinkat(journal->directory_fd, name, 0);
	}
	else
		set_aside(journal, name);
	goto done;

failed:
	snprintf(error, error_size, "could not read journal segment \"%s\": %s", name,
			 strerror(errno));
	is_loaded = false;
done:
	if (map != NULL)
		munmap(map, (size_t) info.st_size);
	if (fd >= 0)
		close(fd);
	return is_loaded;
}

/* Counts the events; returns where the last whole record ends. */
static uint64_t
scan_records(UeSlice bytes, UeSegment *segment)
{
	size_t at = UE_RECORD_SEGMENT_HEADER;
	size_t end = at;

	while (at < bytes.len)
	{
		UeSlice rest = ue_slice_sub(bytes, at, bytes.len);
		UeJournalRecord record;
		size_t size;

		switch (ue_record_parse(rest, &record, &size))
		{
			case UE_RECORD_OK:
				if (record.kind == UE_RECORD_EVENT)
					segment->events++;
				at += size;
				end = at;
				break;
			case UE_RECORD_CUT:
				at += ue_record_find_next(rest);
				break;
			case UE_RECORD_CORRUPT:
				at += size;
				break;
		}
	}
	return end;
}

static void
set_aside(UeJournal *journal, const char *name)
{
	char new_name[UE_JOURNAL_NAME_SIZE + 16];

	snprintf(new_name, sizeof(new_name), "%s.corrupt", name);
	if (renameat(journal->directory_fd, name, journal->directory_fd, new_name) == 0)
		ue_log_write(UE_LOG_ERROR, "journal_segment_corrupt",
					 "a file in the journal's directory is not a segment: set aside",
					 "file", new_name, NULL);
}

static bool
add_segment(UeJournal *journal, const UeSegment *found)
{
	UeSegment *segment = malloc(sizeof(*segment));

	if (segment == NULL)
		return false;
	*segment = *found;
	if (journal->newest != NULL)
		journal->newest->next = segment;
	else
		journal->oldest = segment;
	journal->newest = segment;
	journal->total_bytes += segment->bytes;
	return true;
}
