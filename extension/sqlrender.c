/* SPDX-License-Identifier: PostgreSQL */
/*
 * sqlrender.c: upstream_error_render(format, status, class, message, …).
 *
 * For answers that no upstream caused, and for trying out what a client's SDK makes of one.
 */
#include "postgres.h"

#include "callarena.h"
#include "core/limits.h"
#include "core/mask.h"
#include "core/render.h"
#include "datum.h"
#include "fmgr.h"
#include "funcapi.h"
#include "headers.h"
#include "kase.h"
#include "policycache.h"
#include "report.h"

/* Parameters, in the order of the function. */
enum
{
	PARAM_FORMAT = 0,
	PARAM_STATUS,
	PARAM_CLASS,
	PARAM_MESSAGE,
	PARAM_TYPE,
	PARAM_CODE,
	PARAM_PARAM,
	PARAM_REQUEST_ID,
	PARAM_UPSTREAM_REQUEST_ID,
	PARAM_RETRY_AFTER_S,
	PARAM_RETRY_USELESS,
};

enum
{
	COLUMN_RESPONSE_STATUS = 0,
	COLUMN_RESPONSE_HEADERS,
	COLUMN_RESPONSE_BODY,
	COLUMN_RESPONSE_FRAME,
	N_COLUMNS,
};

static void read_answer(FunctionCallInfo fcinfo, UeArena *arena, UeAnswer *answer);
static int read_number(FunctionCallInfo fcinfo, int number, const char *name, int low,
					   int high);
static UeSlice read_masked(FunctionCallInfo fcinfo, UeArena *arena, int number);

PG_FUNCTION_INFO_V1(ue_sql_render);

Datum
ue_sql_render(PG_FUNCTION_ARGS)
{
	Datum values[N_COLUMNS];
	bool nulls[N_COLUMNS] = {false};
	UeFormat format = ue_kase_find_format(ue_datum_read_argument(fcinfo, PARAM_FORMAT));
	UeCallArena call;
	UeAnswer answer = {0};
	UeRendered rendered;
	UeStatus status;
	TupleDesc columns;
	HeapTuple row;

	if (get_call_result_type(fcinfo, NULL, &columns) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "upstream_error_render does not return a row");
	ue_callarena_init(&call, UE_LIMIT_CASE_MEMORY);
	read_answer(fcinfo, &call.arena, &answer);
	status = ue_render_answer(&call.arena, format, &answer, &rendered);
	if (status != UE_OK)
		ue_report(status);

	values[COLUMN_RESPONSE_STATUS] = Int32GetDatum(rendered.status);
	values[COLUMN_RESPONSE_HEADERS] =
		ue_headers_build(rendered.headers, rendered.n_headers);
	ue_datum_set_text(&call.arena, rendered.body, &values[COLUMN_RESPONSE_BODY],
					  &nulls[COLUMN_RESPONSE_BODY]);
	ue_datum_set_text(&call.arena, rendered.frame, &values[COLUMN_RESPONSE_FRAME],
					  &nulls[COLUMN_RESPONSE_FRAME]);
	row = heap_form_tuple(BlessTupleDesc(columns), values, nulls);
	ue_callarena_free(&call);
	PG_RETURN_DATUM(HeapTupleGetDatum(row));
}

static void
read_answer(FunctionCallInfo fcinfo, UeArena *arena, UeAnswer *answer)
{
	answer->status = read_number(fcinfo, PARAM_STATUS, "status", 400, 599);
	answer->class = ue_kase_find_class(ue_datum_read_argument(fcinfo, PARAM_CLASS));
	answer->message = read_masked(fcinfo, arena, PARAM_MESSAGE);
	if (ue_slice_is_empty(answer->message))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("message is empty"),
				 errhint("SDKs show the message to their user: say what happened.")));
	answer->type = read_masked(fcinfo, arena, PARAM_TYPE);
	answer->code = read_masked(fcinfo, arena, PARAM_CODE);
	answer->param = read_masked(fcinfo, arena, PARAM_PARAM);
	answer->request_id = ue_datum_read_argument(fcinfo, PARAM_REQUEST_ID);
	answer->upstream_request_id =
		ue_datum_read_argument(fcinfo, PARAM_UPSTREAM_REQUEST_ID);
	answer->retry_after_s = PG_ARGISNULL(PARAM_RETRY_AFTER_S)
								? 0
								: read_number(fcinfo, PARAM_RETRY_AFTER_S,
											  "retry_after_s", 0, UE_LIMIT_RETRY_AFTER_S);
	answer->is_retry_useless =
		!PG_ARGISNULL(PARAM_RETRY_USELESS) && PG_GETARG_BOOL(PARAM_RETRY_USELESS);
}

static int
read_number(FunctionCallInfo fcinfo, int number, const char *name, int low, int high)
{
	int32 value = PG_ARGISNULL(number) ? -1 : PG_GETARG_INT32(number);

	if (value < low || value > high)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 PG_ARGISNULL(number) ? errmsg("%s is null", name)
									  : errmsg("%s %d is out of range", name, value),
				 errhint("Accepted are %d to %d.", low, high)));
	return value;
}

static UeSlice
read_masked(FunctionCallInfo fcinfo, UeArena *arena, int number)
{
	UeSlice masked;
	UeStatus status = ue_mask_text(arena, ue_policycache_mask(fcinfo->flinfo->fn_oid),
								   ue_datum_read_argument(fcinfo, number), &masked);

	if (status != UE_OK)
		ue_report(status);
	return masked;
}
