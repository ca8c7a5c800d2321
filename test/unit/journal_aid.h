/* SPDX-License-Identifier: PostgreSQL */
/*
 * journal_aid.h: a journal in a directory of its own, with events that are just numbers.
 */
#ifndef UE_JOURNAL_AID_H
#define UE_JOURNAL_AID_H

#include "journal.h"
#include "journal_reader.h"

#define DEFAULT_SEGMENT (1 << 20)
#define DEFAULT_BUDGET	(64 << 20)

/* Where the journal lies; made anew, and empty, by journal_aid_make_directory. */
extern char journal_aid_directory[64];

extern void journal_aid_make_directory(void);
extern void journal_aid_remove_directory(void);
extern UeJournal *journal_aid_open_journal(size_t segment_bytes, size_t budget_bytes,
										   UeFsync how);
extern UeJournal *journal_aid_open_default(void);
extern void journal_aid_fill_id(unsigned char *event_id, uint32_t number);
extern bool journal_aid_append_number(UeJournal *journal, uint32_t number);

/* The next event's number, or -1. */
extern int64_t journal_aid_read_number(UeJournalReader *reader);
extern size_t journal_aid_read_segment(int seq, char *bytes, size_t size);
extern void journal_aid_write_segment(int seq, const char *bytes, size_t len);

/* Three records as a process leaves them; ends are the offsets behind each. */
extern size_t journal_aid_build_segment(char *bytes, size_t size, size_t *ends);

#endif
