/* SPDX-License-Identifier: PostgreSQL */
/*
 * moment.c: durations back from now, and points in time, told apart.
 *
 * A point in time is tried first, for the interval parser takes '20261101' for seconds.
 * A duration must name a unit: of '5' and '10:00' nobody can say what was meant.  '1h',
 * '1h ago' and '-1h' all mean an hour ago, since people write all three.
 */
#include "postgres.h"

#include "moment.h"

#include <ctype.h>

#include "access/xact.h"
#include "compat.h"
#include "datum.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "report.h"
#include "utils/builtins.h"
#include "utils/datetime.h"

/* Longer than any spelling of a time; the server's parser has the same limit. */
#define MOMENT_BYTES MAXDATELEN

/* What upstream_error_time last read, kept because a plan may ask for every row. */
typedef struct MomentCache
{
	TimestampTz now;
	const pg_tz *timezone;
	int date_order;
	int interval_style;
	TimestampTz at;
	size_t len;
	char text[MOMENT_BYTES];
} MomentCache;

static bool parse_point(const char *text, TimestampTz *out);
static bool parse_duration(const char *text, Interval *out);
static bool has_unit(const char *text);
static bool is_spelt_in_digits(const char *text);
static bool is_cached(const MomentCache *cache, UeSlice text);

PG_FUNCTION_INFO_V1(ue_sql_time);

void
ue_moment_parse(UeSlice text, UeMoment *out)
{
	char copy[MOMENT_BYTES];
	UeMoment moment = {0};
	UeSlice trimmed = ue_slice_trim(text);

	if (trimmed.len < sizeof(copy) && !memchr(trimmed.ptr, '\0', trimmed.len))
	{
		memcpy(copy, trimmed.ptr, trimmed.len);
		copy[trimmed.len] = '\0';
		if (parse_point(copy, &moment.at))
		{
			moment.is_fixed = is_spelt_in_digits(copy);
			moment.is_now = ue_slice_is_equal_fold(trimmed, UE_SLICE("now"));
			*out = moment;
			return;
		}
		if (has_unit(copy) && parse_duration(copy, &moment.back))
		{
			moment.is_back = true;
			*out = moment;
			return;
		}
	}
	ereport(
		ERROR,
		(errcode(ERRCODE_INVALID_DATETIME_FORMAT),
		 errmsg("invalid time \"%s\"", ue_report_excerpt(text)),
		 errhint(
			 "Write a duration back from now, such as '1h', '90 min' or '2 days', or a "
			 "point in time, such as 'now', 'today' or '2026-11-01 12:00'.")));
}

TimestampTz
ue_moment_read(const UeMoment *moment)
{
	return moment->is_back ? ue_moment_read_back(&moment->back) : moment->at;
}

TimestampTz
ue_moment_read_back(const Interval *back)
{
	return DatumGetTimestampTz(
		DirectFunctionCall2(timestamptz_mi_interval,
							TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()),
							IntervalPGetDatum(back)));
}

Datum
ue_sql_time(PG_FUNCTION_ARGS)
{
	UeSlice text = ue_datum_read_argument(fcinfo, 0);
	MomentCache *cache = fcinfo->flinfo->fn_extra;
	UeMoment moment;
	TimestampTz at;

	if (cache != NULL && is_cached(cache, text))
		PG_RETURN_TIMESTAMPTZ(cache->at);
	ue_moment_parse(text, &moment);
	at = ue_moment_read(&moment);
	if (text.len <= sizeof(cache->text))
	{
		if (cache == NULL)
			cache = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(MomentCache));
		cache->now = GetCurrentTransactionStartTimestamp();
		cache->timezone = session_timezone;
		cache->date_order = DateOrder;
		cache->interval_style = IntervalStyle;
		cache->at = at;
		cache->len = text.len;
		memcpy(cache->text, text.ptr, text.len);
		fcinfo->flinfo->fn_extra = cache;
	}
	PG_RETURN_TIMESTAMPTZ(at);
}

/* All that the meaning of a spelling depends on. */
static bool
is_cached(const MomentCache *cache, UeSlice text)
{
	return cache->len == text.len && memcmp(cache->text, text.ptr, text.len) == 0 &&
		   cache->now == GetCurrentTransactionStartTimestamp() &&
		   cache->timezone == session_timezone && cache->date_order == DateOrder &&
		   cache->interval_style == IntervalStyle;
}

/* As timestamptz_in, but a text that is none is not an error. */
static bool
parse_point(const char *text, TimestampTz *out)
{
	char work[MAXDATELEN + MAXDATEFIELDS];
	char *field[MAXDATEFIELDS];
	int ftype[MAXDATEFIELDS];
	int n_fields;
	int dtype;
	int tz;
	fsec_t fsec;
	struct pg_tm tm;

	if (ParseDateTime(text, work, sizeof(work), field, ftype, MAXDATEFIELDS, &n_fields) !=
		0)
		return false;
	if (ue_compat_decode_datetime(field, ftype, n_fields, &dtype, &tm, &fsec, &tz) != 0)
		return false;
	switch (dtype)
	{
		case DTK_DATE:
			return tm2timestamp(&tm, fsec, &tz, out) == 0;
		case DTK_EPOCH:
			*out = SetEpochTimestamp();
			return true;
		case DTK_LATE:
			TIMESTAMP_NOEND(*out);
			return true;
		case DTK_EARLY:
			TIMESTAMP_NOBEGIN(*out);
			return true;
		default: /* dtype is the server's, and not an enum */
			return false;
	}
}

/* As interval_in, but a text that is none is not an error; the sign is dropped. */
static bool
parse_duration(const char *text, Interval *out)
{
	char work[256]; /* interval_in's size */
	char *field[MAXDATEFIELDS];
	int ftype[MAXDATEFIELDS];
	int n_fields;
	int dtype = DTK_DELTA;
	struct pg_itm_in itm;
	Interval zero = {0};
	Interval *negated;
	int error;

	error =
		ParseDateTime(text, work, sizeof(work), field, ftype, MAXDATEFIELDS, &n_fields);
	if (error == 0)
		error = DecodeInterval(field, ftype, n_fields, INTERVAL_FULL_RANGE, &dtype, &itm);
	if (error == DTERR_BAD_FORMAT)
	{
		strlcpy(work, text, sizeof(work));
		error = DecodeISO8601Interval(work, &dtype, &itm);
	}
	if (error != 0 || dtype != DTK_DELTA || itmin2interval(&itm, out) != 0)
		return false;

	if (DatumGetInt32(DirectFunctionCall2(interval_cmp, IntervalPGetDatum(out),
										  IntervalPGetDatum(&zero))) < 0)
	{
		negated =
			DatumGetIntervalP(DirectFunctionCall1(interval_um, IntervalPGetDatum(out)));
		*out = *negated;
		pfree(negated);
	}
	return true;
}

static bool
has_unit(const char *text)
{
	for (const char *at = text; *at != '\0'; at++)
		if (isalpha((unsigned char) *at))
			return true;
	return false;
}

/* 'today', 'now' and zones by name are not; ISO 8601's own letters are. */
static bool
is_spelt_in_digits(const char *text)
{
	return text[strspn(text, "0123456789 -+:./,TZ")] == '\0';
}
