/* SPDX-License-Identifier: PostgreSQL */
/*
 * journal_aid.c: see journal_aid.h.
 */
#include "journal_aid.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char journal_aid_directory[64];

static int
remove_one(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
	(void) info;
	(void) type;
	(void) ftw;
	return remove(path);
}

void
journal_aid_remove_directory(void)
{
	nftw(journal_aid_directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void
journal_aid_make_directory(void)
{
	if (journal_aid_directory[0] != '\0')
		journal_aid_remove_directory();
	snprintf(journal_aid_directory, sizeof(journal_aid_directory),
			 "/tmp/ue-journal-XXXXXX");
	if (mkdtemp(journal_aid_directory) == NULL)
		abort();
}

UeJournal *
journal_aid_open_journal(size_t segment_bytes, size_t budget_bytes, UeFsync how)
{
	UeJournalOptions options = {journal_aid_directory, segment_bytes, budget_bytes, how};
	char error[256] = "";
	UeJournal *journal = ue_journal_open(&options, error, sizeof(error));

	if (journal == NULL)
		printf("# %s\n", error);
	return journal;
}

UeJournal *
journal_aid_open_default(void)
{
	return journal_aid_open_journal(DEFAULT_SEGMENT, DEFAULT_BUDGET, UE_FSYNC_NEVER);
}

void
journal_aid_fill_id(unsigned char *event_id, uint32_t number)
{
	memset(event_id, 0, 16);
	memcpy(event_id, &number, sizeof(number));
}

bool
journal_aid_append_number(UeJournal *journal, uint32_t number)
{
	static const char padding[200];
	UeEvent event;

	ue_event_init(&event);
	journal_aid_fill_id(event.event_id, number);
	event.at_us = number;
	event.request_id = UE_SLICE("req");
	event.detail = (UeSlice){padding, number % sizeof(padding)};
	return ue_journal_append_event(journal, &event);
}

/* The next event's number, or -1. */
int64_t
journal_aid_read_number(UeJournalReader *reader)
{
	UeJournalEntry entry;
	UeEvent event;
	uint32_t number;

	while (ue_journal_reader_next(reader, &entry))
	{
		if (entry.record.kind != UE_RECORD_EVENT)
			continue;
		if (ue_event_read(entry.record.payload, &event) != UE_OK)
			return -2;
		memcpy(&number, event.event_id, sizeof(number));
		return number;
	}
	return -1;
}

size_t
journal_aid_read_segment(int seq, char *bytes, size_t size)
{
	char path[128];
	int fd;
	ssize_t len;

	snprintf(path, sizeof(path), "%s/%016x.journal", journal_aid_directory, seq);
	fd = open(path, O_RDONLY);
	len = fd < 0 ? 0 : read(fd, bytes, size);
	if (fd >= 0)
		close(fd);
	return (size_t) len;
}

void
journal_aid_write_segment(int seq, const char *bytes, size_t len)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%016x.journal", journal_aid_directory, seq);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, bytes, len) != (ssize_t) len)
		abort();
	close(fd);
}

/* Three records as a process leaves them. */
size_t
journal_aid_build_segment(char *bytes, size_t size, size_t *ends)
{
	UeJournal *journal;

	journal_aid_make_directory();
	journal = journal_aid_open_default();
	for (int i = 0; i < 3; i++)
	{
		journal_aid_append_number(journal, (uint32_t) i + 1);
		ends[i] = journal_aid_read_segment(1, bytes, size);
	}
	ue_journal_close(journal);
	return journal_aid_read_segment(1, bytes, size);
}
