/* SPDX-License-Identifier: PostgreSQL */
/*
 * journal_reader.h: the shipper's side of the journal.
 *
 * One reader at a time, on one thread; the workers append meanwhile.  A position names a
 * record; everything before it has been shipped and may be thrown away.  It is kept in the
 * file "position" beside the segments, and going back to an older one is harmless, because
 * the table knows each event by its key.
 */
#ifndef UE_JOURNAL_READER_H
#define UE_JOURNAL_READER_H

#include "journal.h"
#include "journal_record.h"

typedef struct UeJournalPosition
{
	uint64_t seq;	 /* segment */
	uint64_t offset; /* in it, where a record begins */
	uint64_t events; /* events of this segment before the offset */
} UeJournalPosition;

typedef struct UeJournalEntry
{
	UeJournalRecord record; /* its payload is valid until the next call */
	UeJournalPosition position;
	bool is_earlier_run; /* written before this process opened the journal */
} UeJournalEntry;

typedef struct UeJournalReader UeJournalReader;

/* Begins at the position kept.  NULL on exhaustion.  The journal must outlive it. */
extern UeJournalReader *ue_journal_reader_new(UeJournal *journal);
extern void ue_journal_reader_free(UeJournalReader *reader);

/* False: nothing more for now.  Damage and dropped segments are passed over. */
extern bool ue_journal_reader_next(UeJournalReader *reader, UeJournalEntry *out);

/* Where the next record will be read. */
extern UeJournalPosition ue_journal_reader_position(const UeJournalReader *reader);

/* True once everything that an earlier process wrote has been read. */
extern bool ue_journal_reader_is_past_earlier_runs(const UeJournalReader *reader);

/* Places where bytes had to be passed over. */
extern uint64_t ue_journal_reader_count_corrupt(const UeJournalReader *reader);

/*
 * A descriptor that becomes readable with the next append after this call; read it empty
 * with ue_journal_disarm.  Between arming and waiting, look once more for records.
 */
extern int ue_journal_arm(UeJournal *journal);
extern void ue_journal_disarm(UeJournal *journal);

/* One that is readable since the last transition was appended, armed or not, until
 * ue_journal_calm, after which the reader must look for records. */
extern int ue_journal_urgent_fd(const UeJournal *journal);
extern void ue_journal_calm(UeJournal *journal);

/* Keeps the position, durably, and removes the segments before it.  False: the file could
 * not be written (disk full); the position holds in memory and the next call tries again. */
extern bool ue_journal_release(UeJournal *journal, UeJournalPosition position);

/* Postgres has n_events more of this segment: they cannot be dropped any more, and were not
 * if the budget has taken the segment meanwhile. */
extern void ue_journal_count_shipped(UeJournal *journal, uint64_t seq, uint64_t n_events);

/* Events dropped by the budget or refused by the disk since this was last asked, once the
 * position is past them; and back again when they could not be told. */
extern uint64_t ue_journal_take_lost(UeJournal *journal);
extern void ue_journal_return_lost(UeJournal *journal, uint64_t n_events);

/* The journal's directory, for files beside it. */
extern int ue_journal_directory_fd(const UeJournal *journal);

/* For the reader: the bytes that may be read of segment *seq or, when that is gone, of the
 * next one, whose number is put there.  False when there is none. */
typedef struct UeJournalExtent
{
	uint64_t seq;
	uint64_t bytes; /* complete records end here */
	bool is_closed; /* no more will be appended */
	bool is_earlier_run;
} UeJournalExtent;

extern bool ue_journal_find_extent(UeJournal *journal, uint64_t seq,
								   UeJournalExtent *out);
extern UeJournalPosition ue_journal_position(UeJournal *journal);

#endif
