/* SPDX-License-Identifier: PostgreSQL */
/*
 * sqlrouting.c: what is checked before a channel or a retry policy is written, and the
 * policy that holds without one.
 */
#include "postgres.h"

#include "callarena.h"
#include "catalog/pg_type.h"
#include "core/channel.h"
#include "core/limits.h"
#include "core/routing.h"
#include "datum.h"
#include "fmgr.h"
#include "funcapi.h"
#include "policyread.h"
#include "report.h"
#include "utils/array.h"
#include "utils/jsonb.h"

/* Columns of upstream_error_retry_defaults(), in its order. */
enum
{
	COLUMN_MAX_ATTEMPTS = 0,
	COLUMN_MAX_CHANNEL_ATTEMPTS,
	COLUMN_RETRY_STATUSES,
	COLUMN_RETRY_NETWORKS,
	COLUMN_RETRY_CLASSES,
	COLUMN_STOP_CLASSES,
	COLUMN_STOP_CODES,
	COLUMN_RETRY_REQUEST_FAULTS,
	COLUMN_BACKOFF,
	COLUMN_BACKOFF_MAX,
	COLUMN_FAILOVER_WAIT,
	COLUMN_HINT_MAX,
	COLUMN_TOTAL_TIMEOUT,
	COLUMN_ATTEMPT_TIMEOUT,
	COLUMN_FIRST_BYTE_TIMEOUT,
	COLUMN_IDLE_TIMEOUT,
	COLUMN_BUDGET_PERCENT,
	COLUMN_BUDGET_BURST,
	COLUMN_HOLD_EVENTS,
	COLUMN_HOLD_BYTES,
	COLUMN_HOLD,
	N_COLUMNS,
};

static void begin_record(UeCallArena *call, Jsonb *row, UeRecord *record);
static void report_record(const UeRecord *record);
static Datum build_statuses(UeArena *arena, const UeStatuses *set);
static Datum build_words(UeArena *arena, uint32_t bits,
						 const char *(*name_at)(int number));
static Datum build_list(UeArena *arena, UeRecordList list);
static const char *network_at(int number);
static const char *class_at(int number);

PG_FUNCTION_INFO_V1(ue_sql_channel_check);
PG_FUNCTION_INFO_V1(ue_sql_retry_policy_check);
PG_FUNCTION_INFO_V1(ue_sql_statuses);
PG_FUNCTION_INFO_V1(ue_sql_retry_defaults);

Datum
ue_sql_channel_check(PG_FUNCTION_ARGS)
{
	UeCallArena call;
	UeRecord record;
	UeChannel channel;

	begin_record(&call, PG_GETARG_JSONB_P(0), &record);
	ue_channel_read(&record, &channel);
	report_record(&record);
	ue_callarena_free(&call);
	PG_RETURN_VOID();
}

Datum
ue_sql_retry_policy_check(PG_FUNCTION_ARGS)
{
	UeCallArena call;
	UeRecord record;
	UeRetryPolicy policy;

	begin_record(&call, PG_GETARG_JSONB_P(0), &record);
	ue_retry_policy_read(&record, &policy);
	report_record(&record);
	ue_callarena_free(&call);
	PG_RETURN_VOID();
}

Datum
ue_sql_statuses(PG_FUNCTION_ARGS)
{
	UeSlice text = ue_datum_read_slice(PG_GETARG_DATUM(0));
	UeCallArena call;
	UeStatuses set;
	UeSlice bad;
	UeStatus status;
	Datum result;

	ue_callarena_init(&call, UE_LIMIT_CASE_MEMORY);
	status = ue_statuses_parse(&call.arena, text, &set, &bad);
	if (status == UE_INVALID_ARGUMENT)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("not a status or a range: %s", ue_report_excerpt(bad)),
						errhint("Write parts like 429 and 500-599, 100 to 599, separated "
								"by commas.")));
	if (status != UE_OK)
		ue_report(status);
	result = build_statuses(&call.arena, &set);
	ue_callarena_free(&call);
	return result;
}

Datum
ue_sql_retry_defaults(PG_FUNCTION_ARGS)
{
	const UeRetryPolicy *policy = &ue_retry_default;
	Datum values[N_COLUMNS];
	bool nulls[N_COLUMNS] = {false};
	UeCallArena call;
	TupleDesc columns;

	if (get_call_result_type(fcinfo, NULL, &columns) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "upstream_error_retry_defaults does not return a row");
	ue_callarena_init(&call, UE_LIMIT_CASE_MEMORY);
	values[COLUMN_MAX_ATTEMPTS] = Int32GetDatum(policy->max_attempts);
	values[COLUMN_MAX_CHANNEL_ATTEMPTS] = Int32GetDatum(policy->max_channel_attempts);
	values[COLUMN_RETRY_STATUSES] = build_statuses(&call.arena, &policy->retry_statuses);
	values[COLUMN_RETRY_NETWORKS] =
		build_words(&call.arena, policy->retry_networks, network_at);
	values[COLUMN_RETRY_CLASSES] =
		build_words(&call.arena, policy->retry_classes, class_at);
	values[COLUMN_STOP_CLASSES] =
		build_words(&call.arena, policy->stop_classes, class_at);
	values[COLUMN_STOP_CODES] = build_list(&call.arena, policy->stop_codes);
	values[COLUMN_RETRY_REQUEST_FAULTS] = BoolGetDatum(policy->is_request_fault_retried);
	values[COLUMN_BACKOFF] = Int64GetDatum(policy->backoff_ms);
	values[COLUMN_BACKOFF_MAX] = Int64GetDatum(policy->backoff_max_ms);
	values[COLUMN_FAILOVER_WAIT] = Int64GetDatum(policy->failover_wait_ms);
	values[COLUMN_HINT_MAX] = Int64GetDatum(policy->hint_max_ms);
	values[COLUMN_TOTAL_TIMEOUT] = Int64GetDatum(policy->total_timeout_ms);
	values[COLUMN_ATTEMPT_TIMEOUT] = Int64GetDatum(policy->attempt_timeout_ms);
	values[COLUMN_FIRST_BYTE_TIMEOUT] = Int64GetDatum(policy->first_byte_timeout_ms);
	values[COLUMN_IDLE_TIMEOUT] = Int64GetDatum(policy->idle_timeout_ms);
	values[COLUMN_BUDGET_PERCENT] = Int32GetDatum(policy->budget_percent);
	values[COLUMN_BUDGET_BURST] = Int32GetDatum(policy->budget_burst);
	values[COLUMN_HOLD_EVENTS] = Int32GetDatum(policy->hold_events);
	values[COLUMN_HOLD_BYTES] = Int32GetDatum(policy->hold_bytes);
	values[COLUMN_HOLD] = Int64GetDatum(policy->hold_ms);
	ue_callarena_free(&call);
	PG_RETURN_DATUM(
		HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(columns), values, nulls)));
}

static void
begin_record(UeCallArena *call, Jsonb *row, UeRecord *record)
{
	char *text = JsonbToCString(NULL, &row->root, (int) VARSIZE(row));
	const UeJson *root = NULL;
	UeStatus status;

	ue_callarena_init(call, UE_LIMIT_POLICY_MEMORY);
	status = ue_json_parse(&call->arena, ue_slice_of(text), &root);
	if (status != UE_OK)
		ue_report(status);
	ue_record_init(record, &call->arena, root);
}

/* "field: why", as the other checks of what operators write say it. */
static void
report_record(const UeRecord *record)
{
	if (record->status == UE_INVALID_ARGUMENT)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg_internal("%s", ue_policyread_explain_rule(&(UeRuleProblem){
												  0, record->field, record->problem}))));
	if (record->status != UE_OK)
		ue_report(record->status);
}

static Datum
build_statuses(UeArena *arena, const UeStatuses *set)
{
	UeBuf buf;
	UeSlice text;
	UeStatus status;

	ue_buf_init(&buf, arena, UE_LIMIT_BODY);
	ue_statuses_append(&buf, set);
	status = ue_buf_finish(&buf, &text);
	if (status != UE_OK)
		ue_report(status);
	return ue_datum_build_text(arena, text);
}

static Datum
build_words(UeArena *arena, uint32_t bits, const char *(*name_at)(int number))
{
	Datum elements[32];
	int n = 0;

	for (int number = 0; number < 32; number++)
		if ((bits >> number & 1) != 0)
			elements[n++] = ue_datum_build_text(arena, ue_slice_of(name_at(number)));
	return PointerGetDatum(
		construct_array(elements, n, TEXTOID, -1, false, TYPALIGN_INT));
}

static Datum
build_list(UeArena *arena, UeRecordList list)
{
	Datum *elements = palloc(sizeof(Datum) * (list.n + 1));

	for (size_t i = 0; i < list.n; i++)
		elements[i] = ue_datum_build_text(arena, list.items[i]);
	return PointerGetDatum(
		construct_array(elements, (int) list.n, TEXTOID, -1, false, TYPALIGN_INT));
}

static const char *
network_at(int number)
{
	return ue_network_name((UeNetwork) number);
}

static const char *
class_at(int number)
{
	return ue_class_name((UeClass) number);
}
