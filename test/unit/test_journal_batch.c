/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_journal_batch.c: what is gathered is written together, whole, in order, and no later
 * than it was asked for.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "journal_aid.h"
#include "journal_batch.h"
#include "tap.h"

static char padding[70000];

static bool
append_number(UeJournalBatch *batch, uint32_t number, size_t padding_len)
{
	UeEvent event;

	ue_event_init(&event);
	journal_aid_fill_id(event.event_id, number);
	event.at_us = number;
	event.detail = (UeSlice){padding, padding_len};
	return ue_journal_batch_append_event(batch, &event);
}

static bool
has_numbers(UeJournalReader *reader, int64_t from, int64_t to)
{
	for (int64_t i = from; i < to; i++)
	{
		if (journal_aid_read_number(reader) != i)
			return false;
	}
	return journal_aid_read_number(reader) == -1;
}

static void
check_together(void)
{
	UeJournal *journal;
	UeJournalReader *reader;
	UeJournalBatch *batch;
	UeJournalStats stats;
	UeJournalEntry entry;
	UeCompletion completion = {.response_status = 429,
							   .outcome = UE_SLICE_INIT("answered")};
	bool is_alternating = true;
	char bytes[64];

	journal_aid_make_directory();
	journal = journal_aid_open_default();
	reader = ue_journal_reader_new(journal);
	batch = ue_journal_batch_new(journal);
	ue_journal_batch_write(batch);
	for (uint32_t i = 0; i < 50; i++)
	{
		append_number(batch, i, i);
		ue_journal_batch_append_completion(batch, &completion);
	}
	ue_journal_read_stats(journal, &stats);
	ok(stats.appended_events == 0 &&
		   journal_aid_read_segment(1, bytes, sizeof(bytes)) ==
			   UE_RECORD_SEGMENT_HEADER &&
		   journal_aid_read_number(reader) == -1,
	   "batch: what is gathered is not in the journal yet");
	ue_journal_batch_write(batch);
	ue_journal_read_stats(journal, &stats);
	ok(stats.appended_events == 50 && stats.failed_appends == 0,
	   "batch: writing it appends its events");
	for (int i = 0; i < 100; i++)
		is_alternating =
			is_alternating && ue_journal_reader_next(reader, &entry) &&
			entry.record.kind == (i % 2 == 0 ? UE_RECORD_EVENT : UE_RECORD_COMPLETION);
	ok(is_alternating && !ue_journal_reader_next(reader, &entry),
	   "batch: all records come back, in their order");
	append_number(batch, 50, 0);
	journal_aid_append_number(journal, 51);
	ue_journal_batch_free(batch);
	ok(journal_aid_read_number(reader) == 51 && journal_aid_read_number(reader) == 50,
	   "batch: freeing it writes what is left");
	ue_journal_reader_free(reader);
	ue_journal_close(journal);
}

/* Segments stay within their size, for dropping is by whole segments. */
static void
check_segments(void)
{
	UeJournal *journal;
	UeJournalReader *reader;
	UeJournalBatch *batch;
	UeJournalStats stats;
	bool is_within = true;
	int seq = 0;

	journal_aid_make_directory();
	journal = journal_aid_open_journal(8192, DEFAULT_BUDGET, UE_FSYNC_ALWAYS);
	reader = ue_journal_reader_new(journal);
	batch = ue_journal_batch_new(journal);
	for (uint32_t i = 0; i < 100; i++)
		append_number(batch, i, 1000);
	ue_journal_batch_write(batch);
	for (;;)
	{
		char path[128];
		struct stat info;

		snprintf(path, sizeof(path), "%s/%016x.journal", journal_aid_directory, seq + 1);
		if (stat(path, &info) != 0)
			break;
		is_within = is_within && info.st_size <= 8192;
		seq++;
	}
	ok(is_within && seq >= 100 / 7, "batch: one larger than a segment goes into several");
	ok(has_numbers(reader, 0, 100), "batch: and is read across them");

	/* more than is gathered: it is written meanwhile */
	for (uint32_t i = 100; i < 130; i++)
		append_number(batch, i, sizeof(padding));
	ue_journal_read_stats(journal, &stats);
	ok(stats.appended_events > 100 && stats.appended_events < 130,
	   "batch: one that grows large does not wait to be told");
	ue_journal_batch_write(batch);
	ok(has_numbers(reader, 100, 130), "batch: nothing of it is missing");
	ue_journal_batch_free(batch);
	ue_journal_reader_free(reader);
	ue_journal_close(journal);
}

/* A file size limit is how a test makes a disk full. */
static void
check_full_disk(void)
{
	struct rlimit saved, limit;
	UeJournal *journal;
	UeJournalReader *reader;
	UeJournalBatch *batch;
	UeJournalStats stats;

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &saved);
	journal_aid_make_directory();
	journal = journal_aid_open_default();
	reader = ue_journal_reader_new(journal);
	batch = ue_journal_batch_new(journal);
	limit = (struct rlimit){3000, saved.rlim_max};
	append_number(batch, 0, 1000);
	append_number(batch, 1, 1000);
	append_number(batch, 9, 5000);
	append_number(batch, 2, 400);
	setrlimit(RLIMIT_FSIZE, &limit);
	ue_journal_batch_write(batch);
	setrlimit(RLIMIT_FSIZE, &saved);
	ue_journal_read_stats(journal, &stats);
	ok(stats.appended_events == 3 && stats.failed_appends == 1,
	   "batch: of what the disk refuses as a whole it takes what fits");
	append_number(batch, 3, 1000);
	ue_journal_batch_write(batch);
	ok(has_numbers(reader, 0, 4) && ue_journal_reader_count_corrupt(reader) == 0,
	   "batch: and what was refused leaves nothing behind");
	ue_journal_batch_free(batch);
	ue_journal_reader_free(reader);
	ue_journal_close(journal);
}

/* Larger than a record may be; what was gathered before it stays. */
static void
check_too_large(void)
{
	static char large[2 * UE_RECORD_MAX_PAYLOAD];
	UeJournal *journal;
	UeJournalReader *reader;
	UeJournalBatch *batch;
	UeJournalStats stats;
	UeEvent event;

	memset(large, 'x', sizeof(large));
	journal_aid_make_directory();
	journal = journal_aid_open_journal(8 << 20, DEFAULT_BUDGET, UE_FSYNC_NEVER);
	reader = ue_journal_reader_new(journal);
	batch = ue_journal_batch_new(journal);
	append_number(batch, 0, 100);
	ue_event_init(&event);
	event.detail = (UeSlice){large, sizeof(large)};
	ok(!ue_journal_batch_append_event(batch, &event),
	   "batch: an event that cannot be a record is refused");
	append_number(batch, 1, 100);
	ue_journal_batch_write(batch);
	ue_journal_read_stats(journal, &stats);
	ok(stats.appended_events == 2 && stats.failed_appends == 1 &&
		   has_numbers(reader, 0, 2),
	   "batch: it is counted, and those around it are written");
	ue_journal_batch_free(batch);
	ue_journal_reader_free(reader);
	ue_journal_close(journal);
}

int
main(void)
{
	memset(padding, 'x', sizeof(padding));
	check_together();
	check_segments();
	check_full_disk();
	check_too_large();
	journal_aid_remove_directory();
	return done_testing();
}
