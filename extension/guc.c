/* SPDX-License-Identifier: PostgreSQL */
/*
 * guc.c: what an administrator may set.
 *
 * upstream_errors.retention: how long events are kept.  upstream_error_maintain() drops a
 * day's partition once its last instant is older.  Only a superuser (or whoever was
 * granted SET on it) may set it, in a session or with ALTER DATABASE or ALTER SYSTEM: the
 * function runs with its owner's rights, and a caller who could shorten the time could
 * delete what he may not.
 */
#include "postgres.h"

#include "guc.h"

#include <limits.h>

#include "fmgr.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#define RETENTION_DEFAULT (30 * 24 * 60) /* minutes: a month of nights on call */

int ue_guc_retention = RETENTION_DEFAULT;

PG_FUNCTION_INFO_V1(ue_sql_retention);

void
ue_guc_define(void)
{
	DefineCustomIntVariable("upstream_errors.retention", "Time that events are kept.",
							"0 keeps them for ever.", &ue_guc_retention,
							RETENTION_DEFAULT, 0, INT_MAX, PGC_SUSET, GUC_UNIT_MIN, NULL,
							NULL, NULL);
	MarkGUCPrefixReserved("upstream_errors");
}

/* The setting for SQL, which cannot read it before the module is loaded. */
Datum
ue_sql_retention(PG_FUNCTION_ARGS)
{
	Interval *interval;

	if (ue_guc_retention == 0)
		PG_RETURN_NULL();
	interval = palloc0(sizeof(Interval));
	interval->time = (TimeOffset) ue_guc_retention * USECS_PER_MINUTE;
	PG_RETURN_INTERVAL_P(interval);
}
