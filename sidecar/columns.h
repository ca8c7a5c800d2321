/* SPDX-License-Identifier: PostgreSQL */
/*
 * columns.h: structures that become rows, each described by a table of its columns.
 *
 * From one table come the journal's payload and the arrays of the SQL function that takes
 * such rows.  The journal names a column by its place, so a table only ever grows at its
 * end: a column that moved would make old journals say something else.
 */
#ifndef UE_COLUMNS_H
#define UE_COLUMNS_H

#include "core/buf.h"

/* NULL in a numeric column.  An empty slice is NULL in a text column, all zeros in one of a
 * UUID. */
#define UE_EVENT_NULL INT64_MIN

typedef enum UeColumnType
{
	UE_COLUMN_TIMESTAMPTZ = 0, /* int64_t, Unix microseconds */
	UE_COLUMN_UUID,			   /* unsigned char[16] */
	UE_COLUMN_TEXT,			   /* UeSlice, and so are jsonb and inet */
	UE_COLUMN_INT4,			   /* int64_t */
	UE_COLUMN_INT8,
	UE_COLUMN_BOOL,
	UE_COLUMN_JSONB,
	UE_COLUMN_INET,
} UeColumnType;

typedef struct UeColumn
{
	const char *name;
	UeColumnType type;
	size_t offset; /* in the structure */
} UeColumn;

/* All NULL, booleans false. */
extern void ue_columns_init(const UeColumn *columns, int n_columns, void *record);

/* Whether the 16 bytes are not all zero. */
extern bool ue_columns_has_uuid(const void *uuid);

/*
 * Journal payloads.  What is read points into bytes; what is not there stays as it was.
 * UE_MALFORMED: not one of ours.
 */
extern UeStatus ue_columns_write(UeBuf *buf, const UeColumn *columns, int n_columns,
								 const void *record) UE_MUST_CHECK;
extern UeStatus ue_columns_read(UeSlice bytes, const UeColumn *columns, int n_columns,
								void *record) UE_MUST_CHECK;

#endif
