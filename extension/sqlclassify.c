/* SPDX-License-Identifier: PostgreSQL */
/*
 * sqlclassify.c: upstream_error_classify(platform, status, body, headers).
 *
 * The verdict's texts are taken, not the fault's: those are masked, and they are the same
 * that a recorded row has.
 */
#include "postgres.h"

#include "callarena.h"
#include "core/limits.h"
#include "core/mask.h"
#include "datum.h"
#include "fmgr.h"
#include "funcapi.h"
#include "headers.h"
#include "kase.h"
#include "policycache.h"
#include "report.h"

enum
{
	COLUMN_CLASS = 0,
	COLUMN_TYPE,
	COLUMN_CODE,
	COLUMN_MESSAGE,
	COLUMN_PARAM,
	COLUMN_RETRY_AFTER_MS,
	COLUMN_UPSTREAM_REQUEST_ID,
	COLUMN_PUBLIC_CODE,
	COLUMN_CLIENT_STATUS,
	COLUMN_PHASE,
	COLUMN_OWNER,
	COLUMN_SOURCE,
	COLUMN_SEVERITY,
	COLUMN_RETRYABLE,
	N_COLUMNS,
};

static void read_case(FunctionCallInfo fcinfo, UeCase *kase);
static void set_columns(UeArena *arena, const UePolicy *policy, const UeVerdict *verdict,
						Datum *values, bool *nulls);
static UeSlice mask_param(UeArena *arena, const UePolicy *policy, UeSlice param);

PG_FUNCTION_INFO_V1(ue_sql_classify);

Datum
ue_sql_classify(PG_FUNCTION_ARGS)
{
	Datum values[N_COLUMNS];
	bool nulls[N_COLUMNS] = {false};
	UeCallArena call;
	const UePolicy *policy;
	UeCase kase;
	UeVerdict verdict;
	TupleDesc columns;
	HeapTuple row;

	if (get_call_result_type(fcinfo, NULL, &columns) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "upstream_error_classify does not return a row");
	read_case(fcinfo, &kase);
	ue_callarena_init(&call, UE_LIMIT_CASE_MEMORY);
	policy = ue_policycache_find(fcinfo->flinfo->fn_oid);
	ue_kase_decide(&call.arena, policy, &kase, &verdict);
	set_columns(&call.arena, policy, &verdict, values, nulls);
	row = heap_form_tuple(BlessTupleDesc(columns), values, nulls);
	ue_callarena_free(&call);
	PG_RETURN_DATUM(HeapTupleGetDatum(row));
}

/* platform, status, body, headers; each may be null.  Without a status there was no answer. */
static void
read_case(FunctionCallInfo fcinfo, UeCase *kase)
{
	ue_kase_init(kase);
	ue_kase_set_platform(kase, ue_datum_read_argument(fcinfo, 0));
	ue_kase_set_status(kase, PG_ARGISNULL(1) ? 0 : PG_GETARG_INT32(1));
	kase->response.body = ue_datum_read_argument(fcinfo, 2);
	if (!PG_ARGISNULL(3))
		kase->response.headers =
			ue_headers_read(PG_GETARG_JSONB_P(3), &kase->response.n_headers);
	if (kase->response.status == 0 && ue_slice_is_empty(kase->response.body))
		kase->kind = UE_KIND_REQUEST_ERROR;
}

static void
set_columns(UeArena *arena, const UePolicy *policy, const UeVerdict *verdict,
			Datum *values, bool *nulls)
{
	const UeFault *fault = &verdict->fault;
	UeSlice param = mask_param(arena, policy, fault->param);
	const struct
	{
		int column;
		UeSlice text;
	} texts[] = {
		{COLUMN_CLASS, ue_slice_of(ue_class_name(fault->class))},
		{COLUMN_TYPE, verdict->error_type},
		{COLUMN_CODE, verdict->error_code},
		{COLUMN_MESSAGE, verdict->message},
		{COLUMN_PARAM, param},
		{COLUMN_UPSTREAM_REQUEST_ID, verdict->upstream_request_id},
		{COLUMN_PUBLIC_CODE, fault->catalog_code->public_code},
		{COLUMN_PHASE, ue_slice_of(ue_phase_name(fault->phase))},
		{COLUMN_OWNER, ue_slice_of(ue_owner_name(fault->owner))},
		{COLUMN_SOURCE, ue_slice_of(ue_source_name(fault->source))},
		{COLUMN_SEVERITY, ue_slice_of(ue_severity_name(fault->severity))},
	};

	for (size_t i = 0; i < lengthof(texts); i++)
		ue_datum_set_text(arena, texts[i].text, &values[texts[i].column],
						  &nulls[texts[i].column]);
	values[COLUMN_RETRY_AFTER_MS] = Int64GetDatum(fault->retry_after_ms);
	nulls[COLUMN_RETRY_AFTER_MS] = fault->retry_after_ms == UE_RETRY_AFTER_NONE;
	values[COLUMN_CLIENT_STATUS] = Int32GetDatum(verdict->answer.status);
	values[COLUMN_RETRYABLE] = BoolGetDatum(fault->is_retryable);
}

/* The one text that a row does not have, so that the verdict has not masked it. */
static UeSlice
mask_param(UeArena *arena, const UePolicy *policy, UeSlice param)
{
	UeSlice masked;
	UeStatus status = ue_mask_text(arena, ue_policy_mask(policy), param, &masked);

	if (status != UE_OK)
		ue_report(status);
	return masked;
}
