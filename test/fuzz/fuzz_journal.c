/* SPDX-License-Identifier: PostgreSQL */
/*
 * fuzz_journal.c: whatever lies in the journal's directory, opening and reading it ends, and
 * every whole record comes back, in order, between whatever else there is.
 *
 * The input is a list of pieces, each an operation and a length: raw bytes, a whole record
 * with these bytes as its payload (a fuzzer does not guess checksums), one with a row of
 * counts made of them, or the beginning of the next segment.  What is read goes on through the codec and the shipper's queue, or
 * what it keeps of traffic.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "heap.h"
#include "journal_reader.h"
#include "log.h"
#include "shipper_queue.h"
#include "shipper_traffic.h"
#include "traffic_row.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_RECORDS 4096
#define N_KINDS		(UE_RECORD_TRAFFIC + 2) /* all there are, and one on each side */
#define MAX_PAYLOAD 1024
#define NOW_US		(INT64_C(1767225600) * 1000000) /* 2026-01-01 */

static char directory[] = "/tmp/ue-fuzz-journal-XXXXXX";
static UeSlice records[MAX_RECORDS];
static int n_records;
static UeArena arena; /* of one input */
static uint64_t n_segments;

static void
require(bool condition)
{
	if (!condition)
		abort();
}

static void
name_segment(uint64_t seq, char *path, size_t path_size)
{
	snprintf(path, path_size, "%s/%016llx.journal", directory, (unsigned long long) seq);
}

static int
open_segment(uint64_t seq)
{
	char header[UE_RECORD_SEGMENT_HEADER];
	char path[128];
	int fd;

	name_segment(seq, path, sizeof(path));
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	require(fd >= 0);
	ue_record_write_segment_header(header);
	require(write(fd, header, sizeof(header)) == sizeof(header));
	return fd;
}

static void
write_record(int fd, UeRecordKind kind, UeSlice payload)
{
	char record[UE_RECORD_HEADER + MAX_PAYLOAD];

	require(payload.len <= MAX_PAYLOAD);
	memcpy(record + UE_RECORD_HEADER, payload.ptr, payload.len);
	ue_record_write_header(record, kind, (int64_t) payload.len, payload.len);
	require(write(fd, record, UE_RECORD_HEADER + payload.len) ==
			(ssize_t) (UE_RECORD_HEADER + payload.len));
	records[n_records++] = payload;
}

/* A row of counts made of the bytes; few entries, so that rows replace one another. */
static void
write_traffic(int fd, UeSlice bytes)
{
	UeTrafficRow row = {.platform = {"p", 1},
						.instance = {"i", 1},
						.model = bytes,
						.total_counts = {"{1}", 3}};
	unsigned char first = bytes.len > 0 ? (unsigned char) bytes.ptr[0] : 0;
	UeSlice payload;
	UeBuf buf;

	row.entry_id[0] = (unsigned char) (1 + first % 4);
	row.minute_us = NOW_US - first * INT64_C(1000000);
	row.requests = (int64_t) bytes.len;
	ue_buf_init(&buf, &arena, SIZE_MAX - 1);
	require(ue_traffic_row_write(&buf, &row) == UE_OK);
	require(ue_buf_finish(&buf, &payload) == UE_OK);
	write_record(fd, UE_RECORD_TRAFFIC, payload);
}

static void
build_segments(const uint8_t *data, size_t size)
{
	int fd = open_segment(n_segments = 1);
	size_t at = 0;

	n_records = 0;
	while (at + 2 <= size && n_records < MAX_RECORDS)
	{
		int operation = data[at];
		size_t len = data[at + 1];
		UeSlice bytes;

		at += 2;
		if (len > size - at)
			len = size - at;
		bytes = (UeSlice){(const char *) data + at, len};
		at += len;
		if (operation < 40)
			write_traffic(fd, bytes);
		else if (operation < 120)
			write_record(fd, (UeRecordKind) (bytes.len % N_KINDS), bytes);
		else if (operation < 240)
			require(write(fd, bytes.ptr, bytes.len) == (ssize_t) bytes.len);
		else
		{
			close(fd);
			fd = open_segment(++n_segments);
		}
	}
	close(fd);
}

static void
take_follow_ups(UeQueue *queue, UeRecordKind kind)
{
	UePending *taken[16];
	size_t n_taken;

	while ((n_taken = ue_queue_take_follow_ups(queue, kind, taken, 16, 1 << 20)) > 0)
	{
		for (size_t i = 0; i < n_taken; i++)
		{
			require(taken[i]->kind == kind);
			taken[i]->state = UE_PENDING_DONE;
		}
	}
}

/* What is a row comes out of the codec as it went in. */
static void
check_traffic_row(UeSlice payload)
{
	UeTrafficRow row;
	UeTrafficRow again;
	UeSlice written;
	UeBuf buf;

	if (ue_traffic_row_read(payload, &row) != UE_OK)
		return;
	ue_buf_init(&buf, &arena, SIZE_MAX - 1);
	require(ue_traffic_row_write(&buf, &row) == UE_OK);
	require(ue_buf_finish(&buf, &written) == UE_OK);
	require(ue_traffic_row_read(written, &again) == UE_OK);
	require(again.minute_us == row.minute_us && again.requests == row.requests &&
			again.answers == row.answers && again.recovered == row.recovered);
	require(ue_slice_is_equal(again.model, row.model) &&
			ue_slice_is_equal(again.route, row.route) &&
			ue_slice_is_equal(again.total_counts, row.total_counts));
}

/* In the journal's order, an entry once, and as many as are counted. */
static void
take_counts(UeCounts *counts)
{
	const UeCount *last = NULL;
	UeJournalPosition oldest;
	size_t n_rows = 0;

	require(ue_counts_find_oldest(counts, &oldest) == (counts->first != NULL));
	for (const UeCount *count = counts->first; count != NULL; count = count->next)
	{
		for (const UeCount *other = count->next; other != NULL; other = other->next)
			require(memcmp(other->row.entry_id, count->row.entry_id, 16) != 0);
		last = count;
		n_rows++;
	}
	require(last == counts->last && n_rows == counts->n_rows);
	require((ue_counts_find_due(counts) == INT64_MAX) == (n_rows == 0));
	ue_counts_reset(counts);
}

static void
read_all(UeJournal *journal)
{
	static UeQueue queue;
	UeCounts counts;
	UeJournalReader *reader = ue_journal_reader_new(journal);
	UeJournalEntry entry;
	UeJournalPosition position;
	UeQueueTime time = {.is_past_earlier_runs = true, .wait_us = 1000};
	UePending *taken[16];
	size_t n_taken;
	int n_read = 0;

	ue_queue_init(&queue);
	ue_counts_init(&counts);
	while (ue_journal_reader_next(reader, &entry))
	{
		require(entry.is_earlier_run);
		if (n_read < n_records &&
			ue_slice_is_equal(entry.record.payload, records[n_read]))
			n_read++;
		if (entry.record.kind == UE_RECORD_TRAFFIC)
		{
			check_traffic_row(entry.record.payload);
			require(ue_counts_append(&counts, &entry, NOW_US));
		}
		else
			require(ue_queue_append(&queue, &entry));
	}
	require(n_read == n_records);
	take_counts(&counts);
	take_follow_ups(&queue, UE_RECORD_TRANSITION);
	ue_queue_advance(&queue, &time);
	while ((n_taken = ue_queue_take(&queue, taken, 16, 1 << 20)) > 0)
	{
		for (size_t i = 0; i < n_taken; i++)
			taken[i]->state = UE_PENDING_DONE;
		ue_queue_pop(&queue, &position);
	}
	take_follow_ups(&queue, UE_RECORD_RECOVERY);
	require(!ue_queue_pop(&queue, &position) && queue.n_bytes == 0);
	require(queue.n_events == 0 && queue.n_follow_ups == 0);
	require(ue_journal_release(journal, ue_journal_reader_position(reader)));
	ue_journal_reader_free(reader);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool is_ready;
	UeJournalOptions options = {directory, 1 << 20, 64 << 20, UE_FSYNC_NEVER};
	char error[256];
	char path[128];
	UeJournal *journal;

	if (!is_ready)
	{
		require(mkdtemp(directory) != NULL);
		ue_log_init(UE_LOG_ERROR);
		is_ready = true;
	}
	ue_arena_init(&arena, &ue_heap_allocator, (size_t) 64 * 1024 * 1024);
	build_segments(data, size);
	journal = ue_journal_open(&options, error, sizeof(error));
	require(journal != NULL);
	read_all(journal);
	ue_journal_close(journal);

	/* the ones above, and the one that the journal began */
	for (uint64_t seq = 1; seq <= n_segments + 1; seq++)
	{
		name_segment(seq, path, sizeof(path));
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/position", directory);
	unlink(path);
	ue_arena_free(&arena);
	return 0;
}
