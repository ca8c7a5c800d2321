/* SPDX-License-Identifier: PostgreSQL */
/*
 * guc.c: what an administrator may set.
 *
 * upstream_errors.retention: how long events are kept.  upstream_error_maintain() drops a
 * day's partition once its last instant is older.  Only a superuser (or whoever was
 * granted SET on it) may set it, in a session or with ALTER DATABASE or ALTER SYSTEM: the
 * function runs with its owner's rights, and a caller who could shorten the time could
 * delete what he may not.
 *
 * upstream_errors.rollup_retention: how long upstream_error_minutes and
 * upstream_error_traffic are kept, which are small; likewise.
 */
#include "postgres.h"

#include "guc.h"

#include <limits.h>

#include "fmgr.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#define RETENTION_DEFAULT (30 * 24 * 60) /* minutes: a month of nights on call */

#define ROLLUP_RETENTION_DEFAULT (400 * 24 * 60) /* minutes: this month and a year ago */

/*
 * A module that is first needed in the middle of a parallel query, by a function called
 * from another, defines its settings there.  Without this flag what the configuration says
 * of them would be passed over with a warning, and the default hold for the whole session:
 * maintenance would drop what was to be kept.  Minor releases before it had it not, nor did
 * they pass over anything.
 */
#ifndef GUC_ALLOW_IN_PARALLEL
#define GUC_ALLOW_IN_PARALLEL 0
#endif
#define RETENTION_FLAGS (GUC_UNIT_MIN | GUC_ALLOW_IN_PARALLEL)

int ue_guc_retention = RETENTION_DEFAULT;
int ue_guc_rollup_retention = ROLLUP_RETENTION_DEFAULT;

static Datum build_minutes(FunctionCallInfo fcinfo, int minutes);

PG_FUNCTION_INFO_V1(ue_sql_retention);
PG_FUNCTION_INFO_V1(ue_sql_rollup_retention);

void
ue_guc_define(void)
{
	DefineCustomIntVariable("upstream_errors.retention", "Time that events are kept.",
							"0 keeps them for ever.", &ue_guc_retention,
							RETENTION_DEFAULT, 0, INT_MAX, PGC_SUSET, RETENTION_FLAGS,
							NULL, NULL, NULL);
	DefineCustomIntVariable("upstream_errors.rollup_retention",
							"Time that counts of events and of traffic are kept.",
							"0 keeps them for ever.", &ue_guc_rollup_retention,
							ROLLUP_RETENTION_DEFAULT, 0, INT_MAX, PGC_SUSET,
							RETENTION_FLAGS, NULL, NULL, NULL);
	MarkGUCPrefixReserved("upstream_errors");
}

/* The settings for SQL, which cannot read them before the module is loaded. */
Datum
ue_sql_retention(PG_FUNCTION_ARGS)
{
	return build_minutes(fcinfo, ue_guc_retention);
}

Datum
ue_sql_rollup_retention(PG_FUNCTION_ARGS)
{
	return build_minutes(fcinfo, ue_guc_rollup_retention);
}

/* Null for 0, which is for ever. */
static Datum
build_minutes(FunctionCallInfo fcinfo, int minutes)
{
	Interval *interval;

	if (minutes == 0)
		PG_RETURN_NULL();
	interval = palloc0(sizeof(Interval));
	interval->time = (TimeOffset) minutes * USECS_PER_MINUTE;
	PG_RETURN_INTERVAL_P(interval);
}
