/* SPDX-License-Identifier: PostgreSQL */
/*
 * journal_record.h: the bytes of a journal segment.
 *
 * A segment is named by its number, 16 hex digits and ".journal", and begins with
 *
 *     8 bytes  "UEJRNL\r\n"
 *     u32      version, 1
 *     u32      CRC32C of the 12 bytes before it
 *
 * Then come records, each
 *
 *     u32      marker, so that a reader finds the next record behind damage
 *     u32      length of the payload
 *     u32      CRC32C of all of the record but the marker and this field
 *     u8       kind, 3 bytes zero
 *     i64      when it was appended, Unix microseconds
 *     payload  event.h, transition.h, traffic_row.h
 *
 * Integers are little-endian.  Pure functions; any thread.
 */
#ifndef UE_JOURNAL_RECORD_H
#define UE_JOURNAL_RECORD_H

#include "core/slice.h"
#include "core/status.h"

#define UE_RECORD_SEGMENT_HEADER 16
#define UE_RECORD_HEADER		 24

/* A row is 10 KB of text at most by limits.h; switched-on headers add some 10 KB more. */
#define UE_RECORD_MAX_PAYLOAD (1024 * 1024)

typedef enum UeRecordKind
{
	UE_RECORD_EVENT = 1,
	UE_RECORD_COMPLETION = 2,
	UE_RECORD_TRANSITION = 3,
	UE_RECORD_RECOVERY = 4,
	UE_RECORD_TRAFFIC = 5,
} UeRecordKind;

typedef struct UeJournalRecord
{
	int kind; /* of a newer version perhaps: pass over what you do not know */
	int64_t appended_us;
	UeSlice payload; /* points into the bytes that were parsed */
} UeJournalRecord;

typedef enum UeRecordResult
{
	UE_RECORD_OK = 0,
	UE_RECORD_CUT,	   /* the bytes end inside what may be a record */
	UE_RECORD_CORRUPT, /* this is no record */
} UeRecordResult;

/*
 * Reads the record at the beginning of bytes.  *size is for UE_RECORD_OK its length; for
 * UE_RECORD_CUT the bytes needed before trying again; for UE_RECORD_CORRUPT the bytes to
 * pass over (at least one) to get to the next place where a record may begin.
 */
extern UeRecordResult ue_record_parse(UeSlice bytes, UeJournalRecord *out, size_t *size);

/* The bytes to pass over, at least one, when a cut record turns out never to be whole. */
extern size_t ue_record_find_next(UeSlice bytes);

/* Fills the header in front of a payload of payload_len bytes at record + UE_RECORD_HEADER. */
extern void ue_record_write_header(char *record, UeRecordKind kind, int64_t appended_us,
								   size_t payload_len);

/* Of a record with its header written: all its bytes, and its kind. */
extern size_t ue_record_measure(UeSlice record);
extern UeRecordKind ue_record_kind(UeSlice record);

extern void
ue_record_write_segment_header(char *header); /* UE_RECORD_SEGMENT_HEADER bytes */

/* UE_MALFORMED: not a segment.  UE_INVALID_ARGUMENT: one of a version we cannot read. */
extern UeStatus ue_record_check_segment_header(UeSlice bytes) UE_MUST_CHECK;

#endif
