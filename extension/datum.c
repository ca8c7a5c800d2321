/* SPDX-License-Identifier: PostgreSQL */
/*
 * datum.c: the border between the server's values and the core's.
 */
#include "postgres.h"

#include "datum.h"

#include "access/xact.h"
#include "core/utf8.h"
#include "report.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define UNIX_EPOCH_OFFSET_US                                                             \
	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

static Datum build_varlena(UeSlice slice);

UeSlice
ue_datum_read_slice(Datum value)
{
	struct varlena *varlena = PG_DETOAST_DATUM_PACKED(value);
	UeSlice slice = {VARDATA_ANY(varlena), VARSIZE_ANY_EXHDR(varlena)};

	return slice;
}

UeSlice
ue_datum_read_argument(FunctionCallInfo fcinfo, int number)
{
	UeSlice empty = {NULL, 0};

	return PG_ARGISNULL(number) ? empty : ue_datum_read_slice(PG_GETARG_DATUM(number));
}

Datum
ue_datum_build_text(UeArena *arena, UeSlice slice)
{
	UeSlice clean;
	UeStatus status = ue_utf8_clean(arena, slice, &clean);

	if (status != UE_OK)
		ue_report(status);
	return build_varlena(clean);
}

void
ue_datum_set_text(UeArena *arena, UeSlice slice, Datum *value, bool *is_null)
{
	*is_null = ue_slice_is_empty(slice);
	*value = *is_null ? (Datum) 0 : ue_datum_build_text(arena, slice);
}

Datum
ue_datum_build_bytea(UeSlice slice)
{
	return build_varlena(slice);
}

int64_t
ue_datum_read_unix_ms(Datum timestamptz)
{
	TimestampTz at = DatumGetTimestampTz(timestamptz);
	int64_t ms;

	if (TIMESTAMP_NOT_FINITE(at))
		at = GetCurrentTransactionStartTimestamp();
	/* in ms first: the last years that a timestamp can hold are too far from 1970 in us */
	ms = at / 1000;
	if (at % 1000 < 0)
		ms--;
	return ms + UNIX_EPOCH_OFFSET_US / 1000;
}

/* text and bytea look the same. */
static Datum
build_varlena(UeSlice slice)
{
	struct varlena *varlena;

	if (slice.len > MaxAllocSize - VARHDRSZ)
		ue_report(UE_TOO_LARGE);
	varlena = palloc(slice.len + VARHDRSZ);
	SET_VARSIZE(varlena, slice.len + VARHDRSZ);
	if (slice.len > 0)
		memcpy(VARDATA(varlena), slice.ptr, slice.len);
	return PointerGetDatum(varlena);
}
