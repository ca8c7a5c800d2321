/* SPDX-License-Identifier: PostgreSQL */
/*
 * journal_batch.c: records encoded one behind the other, and handed over together.
 *
 * Of an error under load, the two appends of its event and its completion cost a twelfth of
 * all the CPU that the worker spent on it, nearly all in the kernel and whatever their
 * length (measured on ext4).
 */
#include "journal_batch.h"

#include <stdlib.h>

#include "heap.h"
#include "journal_private.h"

/* A turn with more to say writes more than once. */
#define BATCH_BYTES ((size_t) 256 * 1024)

/* The records of a batch and one more, the copies that a growing buffer leaves, and text
 * that had to be made UTF-8. */
#define MAX_MEMORY (16 * (BATCH_BYTES + UE_RECORD_MAX_PAYLOAD))

/* What an idle worker keeps. */
#define KEPT_MEMORY (2 * BATCH_BYTES)

struct UeJournalBatch
{
	UeJournal *journal;
	UeArena arena;
	UeBuf records;
};

static bool append(UeJournalBatch *batch, UeRecordKind kind, const void *what);

UeJournalBatch *
ue_journal_batch_new(UeJournal *journal)
{
	UeJournalBatch *batch = calloc(1, sizeof(*batch));

	if (batch == NULL)
		return NULL;
	batch->journal = journal;
	ue_arena_init(&batch->arena, &ue_heap_allocator, MAX_MEMORY);
	ue_buf_init(&batch->records, &batch->arena, MAX_MEMORY);
	return batch;
}

void
ue_journal_batch_free(UeJournalBatch *batch)
{
	if (batch == NULL)
		return;
	ue_journal_batch_write(batch);
	ue_arena_free(&batch->arena);
	free(batch);
}

bool
ue_journal_batch_append_event(UeJournalBatch *batch, const UeEvent *event)
{
	return append(batch, UE_RECORD_EVENT, event);
}

bool
ue_journal_batch_append_completion(UeJournalBatch *batch, const UeCompletion *completion)
{
	return append(batch, UE_RECORD_COMPLETION, completion);
}

void
ue_journal_batch_write(UeJournalBatch *batch)
{
	if (batch->records.len == 0)
		return;
	ue_journal_append_records(batch->journal,
							  (UeSlice){batch->records.ptr, batch->records.len});
	if (batch->arena.total > KEPT_MEMORY)
		ue_arena_free(&batch->arena);
	else
		ue_arena_reset(&batch->arena);
	ue_buf_init(&batch->records, &batch->arena, MAX_MEMORY);
}

static bool
append(UeJournalBatch *batch, UeRecordKind kind, const void *what)
{
	if (batch->records.len >= BATCH_BYTES)
		ue_journal_batch_write(batch);
	return ue_journal_encode(batch->journal, &batch->records, kind, what);
}
