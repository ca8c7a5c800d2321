/* SPDX-License-Identifier: PostgreSQL */
/*
 * range.c: ends of a time range, checked.
 *
 * A null end is refused: "no rows" for a variable that somebody forgot to fill would read
 * as "no failures".
 */
#include "postgres.h"

#include "range.h"

#include "fmgr.h"
#include "utils/rangetypes.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#define INVERTED_HINT                                                                    \
	"The earlier end comes first: upstream_errors('2h', '1h') is the hour before the last one."

static TimestampTz next_instant(TimestampTz at);

PG_FUNCTION_INFO_V1(ue_sql_range_start_checked);
PG_FUNCTION_INFO_V1(ue_sql_range_end_checked);
PG_FUNCTION_INFO_V1(ue_sql_range_start);
PG_FUNCTION_INFO_V1(ue_sql_range_end);

void
ue_range_check(TimestampTz since, TimestampTz until)
{
	char *since_text;

	if (since <= until)
		return;
	since_text = pstrdup(timestamptz_to_str(since));
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("time range ends before it starts"),
					errdetail("It starts at %s and ends at %s.", since_text,
							  timestamptz_to_str(until)),
					errhint(INVERTED_HINT)));
}

void
ue_range_report_null(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			 errmsg("ends of a time range must not be null"),
			 errhint("For a range without an end use a tstzrange, or '-infinity' and "
					 "'infinity'.")));
}

void
ue_range_read(Datum range_datum, TimestampTz *since, TimestampTz *until)
{
	RangeType *range = DatumGetRangeTypeP(range_datum);
	TypeCacheEntry *type =
		lookup_type_cache(RangeTypeGetOid(range), TYPECACHE_RANGE_INFO);
	RangeBound lower;
	RangeBound upper;
	bool is_empty;

	range_deserialize(type, range, &lower, &upper, &is_empty);
	if (is_empty)
	{
		TIMESTAMP_NOEND(*since);
		TIMESTAMP_NOEND(*until);
		return;
	}
	if (lower.infinite)
		TIMESTAMP_NOBEGIN(*since);
	else
		*since = lower.inclusive ? DatumGetTimestampTz(lower.val)
								 : next_instant(DatumGetTimestampTz(lower.val));
	if (upper.infinite)
		TIMESTAMP_NOEND(*until);
	else
		*until = upper.inclusive ? next_instant(DatumGetTimestampTz(upper.val))
								 : DatumGetTimestampTz(upper.val);
}

Datum
ue_sql_range_start_checked(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ue_range_report_null();
	ue_range_check(PG_GETARG_TIMESTAMPTZ(0), PG_GETARG_TIMESTAMPTZ(1));
	PG_RETURN_TIMESTAMPTZ(PG_GETARG_TIMESTAMPTZ(0));
}

Datum
ue_sql_range_end_checked(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ue_range_report_null();
	ue_range_check(PG_GETARG_TIMESTAMPTZ(0), PG_GETARG_TIMESTAMPTZ(1));
	PG_RETURN_TIMESTAMPTZ(PG_GETARG_TIMESTAMPTZ(1));
}

Datum
ue_sql_range_start(PG_FUNCTION_ARGS)
{
	TimestampTz since;
	TimestampTz until;

	if (PG_ARGISNULL(0))
		ue_range_report_null();
	ue_range_read(PG_GETARG_DATUM(0), &since, &until);
	PG_RETURN_TIMESTAMPTZ(since);
}

Datum
ue_sql_range_end(PG_FUNCTION_ARGS)
{
	TimestampTz since;
	TimestampTz until;

	if (PG_ARGISNULL(0))
		ue_range_report_null();
	ue_range_read(PG_GETARG_DATUM(0), &since, &until);
	PG_RETURN_TIMESTAMPTZ(until);
}

static TimestampTz
next_instant(TimestampTz at)
{
	return TIMESTAMP_NOT_FINITE(at) ? at : at + 1;
}
