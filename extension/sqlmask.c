/* SPDX-License-Identifier: PostgreSQL */
/*
 * sqlmask.c: upstream_error_mask(text).
 */
#include "postgres.h"

#include "callarena.h"
#include "core/limits.h"
#include "core/mask.h"
#include "datum.h"
#include "fmgr.h"
#include "report.h"

/* A masked text may be longer than it was, and its buffer doubles as it grows. */
#define MASK_MEMORY_PER_BYTE 16

PG_FUNCTION_INFO_V1(ue_sql_mask);

Datum
ue_sql_mask(PG_FUNCTION_ARGS)
{
	UeSlice text = ue_datum_read_argument(fcinfo, 0);
	UeCallArena call;
	UeSlice masked;
	UeStatus status;
	Datum result;

	ue_callarena_init(&call, UE_LIMIT_CASE_MEMORY + text.len * MASK_MEMORY_PER_BYTE);
	status = ue_mask_text(&call.arena, text, &masked);
	if (status != UE_OK)
		ue_report(status);
	result = ue_datum_build_text(&call.arena, masked);
	ue_callarena_free(&call);
	return result;
}
