/* SPDX-License-Identifier: PostgreSQL */
/*
 * datum.h: slices out of SQL values and SQL values out of slices.
 */
#ifndef UE_DATUM_H
#define UE_DATUM_H

#include "postgres.h"

#include "core/arena.h"
#include "fmgr.h"

#pragma GCC visibility push(hidden)

/* The bytes of a text or bytea; points into the value (detoasted in the current context). */
extern UeSlice ue_datum_read_slice(Datum value);

/* The same of an argument; the empty slice when it is null. */
extern UeSlice ue_datum_read_argument(FunctionCallInfo fcinfo, int number);

/*
 * A text in the current memory context.  Bytes that no text may hold are replaced; the
 * arena is for that.  The set form stores null for an empty slice.
 */
extern Datum ue_datum_build_text(UeArena *arena, UeSlice slice);
extern void ue_datum_set_text(UeArena *arena, UeSlice slice, Datum *value, bool *is_null);

extern Datum ue_datum_build_bytea(UeSlice slice);

/* A point in time as the core counts it: Unix milliseconds. */
extern int64_t ue_datum_read_unix_ms(Datum timestamptz);

#pragma GCC visibility pop

#endif
