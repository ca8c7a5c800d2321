/* SPDX-License-Identifier: PostgreSQL */
/*
 * sqlfingerprint.c: upstream_error_fingerprint(), upstream_error_normalize() and
 * upstream_error_fingerprint_version().
 */
#include "postgres.h"

#include "callarena.h"
#include "core/fingerprint.h"
#include "core/limits.h"
#include "datum.h"
#include "fmgr.h"
#include "report.h"

/* The buffer doubles as it grows, and cleaning the result may copy it. */
#define NORMALIZE_MEMORY (32 * UE_LIMIT_FINGERPRINT)

PG_FUNCTION_INFO_V1(ue_sql_fingerprint);
PG_FUNCTION_INFO_V1(ue_sql_normalize);
PG_FUNCTION_INFO_V1(ue_sql_fingerprint_version);

Datum
ue_sql_fingerprint(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(ue_fingerprint_build(ue_datum_read_argument(fcinfo, 0),
										 ue_datum_read_argument(fcinfo, 1),
										 ue_datum_read_argument(fcinfo, 2),
										 ue_datum_read_argument(fcinfo, 3)));
}

Datum
ue_sql_normalize(PG_FUNCTION_ARGS)
{
	UeCallArena call;
	UeBuf buf;
	UeSlice shown;
	UeStatus status;
	Datum result;

	ue_callarena_init(&call, NORMALIZE_MEMORY);
	ue_buf_init(&buf, &call.arena, UE_LIMIT_FINGERPRINT);
	ue_fingerprint_write_message(&buf, ue_datum_read_argument(fcinfo, 0));
	status = ue_buf_finish(&buf, &shown);
	if (status != UE_OK)
		ue_report(status);
	result = ue_datum_build_text(&call.arena, shown);
	ue_callarena_free(&call);
	return result;
}

Datum
ue_sql_fingerprint_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(UE_FINGERPRINT_VERSION);
}
