/* SPDX-License-Identifier: PostgreSQL */
/*
 * sqldecide.c: upstream_error_decide(platform, status, body, …).
 */
#include "postgres.h"

#include "callarena.h"
#include "core/limits.h"
#include "datum.h"
#include "fmgr.h"
#include "funcapi.h"
#include "headers.h"
#include "kase.h"
#include "policycache.h"
#include "report.h"

static const UeKaseParameters parameters = {
	.platform = 0,
	.status = 1,
	.body = 2,
	.headers = 3,
	.format = 4,
	.kind = 5,
	.network_error = 6,
	.credential = 7,
	.stream = 8,
	.request_id = 9,
	.model = 10,
	.at = 11,
	.accept_language = 12,
	.channel = 13,
	.route = 14,
	.attempt = 15,
	.has_output = 16,
	.tags = 17,
	.local_code = 18,
	.local_message = 19,
};

/* Columns of upstream_error_verdict, in its order. */
enum
{
	COLUMN_ACTION = 0,
	COLUMN_RESPONSE_STATUS,
	COLUMN_RESPONSE_HEADERS,
	COLUMN_RESPONSE_BODY,
	COLUMN_RESPONSE_FRAME,
	COLUMN_CLASS,
	COLUMN_CODE,
	COLUMN_PUBLIC_CODE,
	COLUMN_MESSAGE,
	COLUMN_DETAIL,
	COLUMN_ERROR_TYPE,
	COLUMN_ERROR_CODE,
	COLUMN_RETRY_AFTER_MS,
	COLUMN_UPSTREAM_REQUEST_ID,
	COLUMN_RETRYABLE,
	COLUMN_RULE_ID,
	COLUMN_RULE_VERSION,
	COLUMN_COOLDOWN_S,
	COLUMN_SKIP_MONITORING,
	N_COLUMNS,
};

static void set_columns(UeArena *arena, const UeVerdict *verdict, Datum *values,
						bool *nulls);

PG_FUNCTION_INFO_V1(ue_sql_decide);

Datum
ue_sql_decide(PG_FUNCTION_ARGS)
{
	Datum values[N_COLUMNS];
	bool nulls[N_COLUMNS] = {false};
	UeCallArena call;
	UeCase kase;
	UeVerdict verdict;
	TupleDesc columns;
	HeapTuple row;

	if (get_call_result_type(fcinfo, NULL, &columns) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "upstream_error_decide does not return a row");
	ue_kase_read(fcinfo, &parameters, &kase);
	ue_callarena_init(&call, UE_LIMIT_CASE_MEMORY);
	ue_kase_decide(&call.arena, ue_policycache_find(fcinfo->flinfo->fn_oid), &kase,
				   &verdict);
	set_columns(&call.arena, &verdict, values, nulls);
	row = heap_form_tuple(BlessTupleDesc(columns), values, nulls);
	ue_callarena_free(&call);
	PG_RETURN_DATUM(HeapTupleGetDatum(row));
}

static void
set_columns(UeArena *arena, const UeVerdict *verdict, Datum *values, bool *nulls)
{
	const UeFault *fault = &verdict->fault;
	const struct
	{
		int column;
		UeSlice text;
	} texts[] = {
		{COLUMN_ACTION, ue_slice_of(ue_action_name(verdict->action))},
		{COLUMN_RESPONSE_BODY, verdict->answer.body},
		{COLUMN_RESPONSE_FRAME, verdict->answer.frame},
		{COLUMN_CLASS, ue_slice_of(ue_class_name(fault->class))},
		{COLUMN_CODE, fault->catalog_code->name},
		{COLUMN_PUBLIC_CODE, fault->catalog_code->public_code},
		{COLUMN_MESSAGE, verdict->message},
		{COLUMN_DETAIL, verdict->detail},
		{COLUMN_ERROR_TYPE, verdict->error_type},
		{COLUMN_ERROR_CODE, verdict->error_code},
		{COLUMN_UPSTREAM_REQUEST_ID, verdict->upstream_request_id},
	};

	for (size_t i = 0; i < lengthof(texts); i++)
		ue_datum_set_text(arena, texts[i].text, &values[texts[i].column],
						  &nulls[texts[i].column]);
	values[COLUMN_RESPONSE_STATUS] = Int32GetDatum(verdict->answer.status);
	values[COLUMN_RESPONSE_HEADERS] =
		ue_headers_build(verdict->answer.headers, verdict->answer.n_headers);
	values[COLUMN_RETRY_AFTER_MS] = Int64GetDatum(fault->retry_after_ms);
	nulls[COLUMN_RETRY_AFTER_MS] = fault->retry_after_ms == UE_RETRY_AFTER_NONE;
	values[COLUMN_RETRYABLE] = BoolGetDatum(fault->is_retryable);
	values[COLUMN_RULE_ID] = Int64GetDatum(verdict->rule_id);
	nulls[COLUMN_RULE_ID] = verdict->rule_id == 0;
	values[COLUMN_RULE_VERSION] = Int32GetDatum(verdict->rule_version);
	nulls[COLUMN_RULE_VERSION] = verdict->rule_id == 0;
	values[COLUMN_COOLDOWN_S] = Int32GetDatum(verdict->cooldown_s);
	nulls[COLUMN_COOLDOWN_S] = verdict->action != UE_ACTION_COOLDOWN;
	values[COLUMN_SKIP_MONITORING] = BoolGetDatum(verdict->is_unmonitored);
}
