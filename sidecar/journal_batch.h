/* SPDX-License-Identifier: PostgreSQL */
/*
 * journal_batch.h: records that are appended together, in one write(2).
 *
 * A worker gathers what one turn of its loop has to say, and has it written before any
 * answer leaves that depends on it: nobody has seen more than the journal knows.  One batch
 * belongs to one thread.
 */
#ifndef UE_JOURNAL_BATCH_H
#define UE_JOURNAL_BATCH_H

#include "journal.h"

typedef struct UeJournalBatch UeJournalBatch;

extern UeJournalBatch *ue_journal_batch_new(UeJournal *journal); /* NULL on exhaustion */
extern void ue_journal_batch_free(UeJournalBatch *batch);		 /* writes */

/* False: it will not be written, and is counted.  One that the disk refuses later is counted
 * then. */
extern bool ue_journal_batch_append_event(UeJournalBatch *batch, const UeEvent *event);
extern bool ue_journal_batch_append_completion(UeJournalBatch *batch,
											   const UeCompletion *completion);

/* In the order in which they were appended. */
extern void ue_journal_batch_write(UeJournalBatch *batch);

#endif
