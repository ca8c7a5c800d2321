/* SPDX-License-Identifier: PostgreSQL */
/*
 * sqlbatch.c: upstream_error_decide_batch(arrays), one call per loop turn of a sidecar.
 *
 * A null element is its field's default, and so is a whole array of those that a sidecar of
 * an earlier version does not send.  One wrong element fails the call: the sidecar
 * sends its cases again one by one.
 */
#include "postgres.h"

#include "callarena.h"
#include "catalog/pg_type.h"
#include "core/limits.h"
#include "datum.h"
#include "fmgr.h"
#include "funcapi.h"
#include "kase.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "policycache.h"
#include "report.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

typedef enum Field
{
	FIELD_PLATFORM = 0,
	FIELD_KIND,
	FIELD_NETWORK_ERROR,
	FIELD_STATUS,
	FIELD_HEADERS,
	FIELD_BODY,
	FIELD_FORMAT,
	FIELD_CREDENTIAL,
	FIELD_STREAM,
	FIELD_REQUEST_ID,
	FIELD_MODEL,
	FIELD_LOCAL_CODE,
	FIELD_LOCAL_MESSAGE,
	FIELD_AT,
	FIELD_LANGUAGE,
	FIELD_CHANNEL,
	FIELD_ROUTE,
	FIELD_ATTEMPT,
	FIELD_OUTPUT,
	FIELD_TAGS,
} Field;

#define N_FIELDS		  20
#define N_FIELDS_REQUIRED 15

/* The parameters, in the order of the function and of Field. */
static const struct
{
	const char *name;
	Oid element_type;
} fields[N_FIELDS] = {
	{"platforms", TEXTOID},		 {"kinds", TEXTOID},	   {"network_errors", TEXTOID},
	{"statuses", INT4OID},		 {"headers", TEXTOID},	   {"bodies", BYTEAOID},
	{"formats", TEXTOID},		 {"credentials", TEXTOID}, {"streams", BOOLOID},
	{"request_ids", TEXTOID},	 {"models", TEXTOID},	   {"local_codes", TEXTOID},
	{"local_messages", TEXTOID}, {"ats", TIMESTAMPTZOID},  {"languages", TEXTOID},
	{"channels", TEXTOID},		 {"routes", TEXTOID},	   {"attempts", INT4OID},
	{"outputs", BOOLOID},		 {"tags", TEXTOID},
};

enum
{
	COLUMN_ORDINAL = 0,
	COLUMN_ACTION,
	COLUMN_RESPONSE_STATUS,
	COLUMN_RESPONSE_HEADERS,
	COLUMN_RESPONSE_BODY,
	COLUMN_RESPONSE_FRAME,
	COLUMN_CLASS,
	COLUMN_CODE,
	COLUMN_RULE_ID,
	COLUMN_RULE_VERSION,
	COLUMN_COOLDOWN_S,
	COLUMN_SKIP_MONITORING,
	N_COLUMNS,
};

typedef struct Batch
{
	int n;
	Datum *values[N_FIELDS];
	bool *nulls[N_FIELDS]; /* NULL: all of them are */
} Batch;

static void read_batch(FunctionCallInfo fcinfo, Batch *batch);
static void read_case(UeArena *arena, const Batch *batch, int row, UeCase *kase);
static UeHeader *read_lines(UeArena *arena, UeSlice lines, size_t *n_out);
static bool is_null(const Batch *batch, Field field, int row);
static UeSlice read_field(const Batch *batch, Field field, int row);
static void set_columns(UeArena *arena, int row, const UeVerdict *verdict, Datum *values,
						bool *nulls);

PG_FUNCTION_INFO_V1(ue_sql_decide_batch);

Datum
ue_sql_decide_batch(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum values[N_COLUMNS];
	bool nulls[N_COLUMNS];
	MemoryContext row_context;
	MemoryContext caller_context;
	UeCallArena call;
	const UePolicy *policy;
	UeCase kase;
	UeVerdict verdict;
	Batch batch;

	InitMaterializedSRF(fcinfo, 0);
	read_batch(fcinfo, &batch);
	policy = ue_policycache_find(fcinfo->flinfo->fn_oid);
	ue_callarena_init(&call, UE_LIMIT_CASE_MEMORY);
	row_context = AllocSetContextCreate(CurrentMemoryContext, "upstream_errors row",
										ALLOCSET_DEFAULT_SIZES);
	caller_context = MemoryContextSwitchTo(row_context);
	for (int row = 0; row < batch.n; row++)
	{
		CHECK_FOR_INTERRUPTS();
		read_case(&call.arena, &batch, row, &kase);
		ue_kase_decide(&call.arena, policy, &kase, &verdict);
		set_columns(&call.arena, row, &verdict, values, nulls);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		ue_arena_reset(&call.arena);
		MemoryContextReset(row_context);
	}
	MemoryContextSwitchTo(caller_context);
	MemoryContextDelete(row_context);
	ue_callarena_free(&call);
	return (Datum) 0;
}

static void
read_batch(FunctionCallInfo fcinfo, Batch *batch)
{
	for (int field = 0; field < N_FIELDS; field++)
	{
		ArrayType *array;
		int16 length;
		bool is_by_value;
		char alignment;
		int n;

		if (PG_ARGISNULL(field) && field >= N_FIELDS_REQUIRED)
		{
			batch->nulls[field] = NULL;
			continue;
		}
		if (PG_ARGISNULL(field))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("array \"%s\" is null", fields[field].name),
					 errhint("Every array must be given; its elements may be null.")));
		array = PG_GETARG_ARRAYTYPE_P(field);
		get_typlenbyvalalign(fields[field].element_type, &length, &is_by_value,
							 &alignment);
		deconstruct_array(array, fields[field].element_type, length, is_by_value,
						  alignment, &batch->values[field], &batch->nulls[field], &n);
		if (field == 0)
			batch->n = n;
		else if (n != batch->n)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("array \"%s\" has %d elements, \"%s\" has %d",
								   fields[field].name, n, fields[0].name, batch->n)));
	}
}

static void
read_case(UeArena *arena, const Batch *batch, int row, UeCase *kase)
{
	ue_kase_init(kase);
	ue_kase_set_platform(kase, read_field(batch, FIELD_PLATFORM, row));
	ue_kase_set_kind(kase, read_field(batch, FIELD_KIND, row));
	ue_kase_set_network(kase, read_field(batch, FIELD_NETWORK_ERROR, row));
	if (!is_null(batch, FIELD_STATUS, row))
		ue_kase_set_status(kase, DatumGetInt32(batch->values[FIELD_STATUS][row]));
	kase->response.headers = read_lines(arena, read_field(batch, FIELD_HEADERS, row),
										&kase->response.n_headers);
	kase->response.body = read_field(batch, FIELD_BODY, row);
	ue_kase_set_format(kase, read_field(batch, FIELD_FORMAT, row));
	ue_kase_set_credential(kase, read_field(batch, FIELD_CREDENTIAL, row));
	kase->is_stream = !is_null(batch, FIELD_STREAM, row) &&
					  DatumGetBool(batch->values[FIELD_STREAM][row]);
	kase->request_id = read_field(batch, FIELD_REQUEST_ID, row);
	kase->model = read_field(batch, FIELD_MODEL, row);
	kase->local_code = read_field(batch, FIELD_LOCAL_CODE, row);
	kase->local_message = read_field(batch, FIELD_LOCAL_MESSAGE, row);
	kase->accept_language = read_field(batch, FIELD_LANGUAGE, row);
	if (!is_null(batch, FIELD_AT, row))
		kase->response.now_ms = ue_datum_read_unix_ms(batch->values[FIELD_AT][row]);
	kase->channel = read_field(batch, FIELD_CHANNEL, row);
	kase->route = read_field(batch, FIELD_ROUTE, row);
	if (!is_null(batch, FIELD_ATTEMPT, row))
		ue_kase_set_attempt(kase, DatumGetInt32(batch->values[FIELD_ATTEMPT][row]));
	kase->has_output = !is_null(batch, FIELD_OUTPUT, row) &&
					   DatumGetBool(batch->values[FIELD_OUTPUT][row]);
	kase->tags = read_lines(arena, read_field(batch, FIELD_TAGS, row), &kase->n_tags);
}

/* Headers and tags travel alike. */
static UeHeader *
read_lines(UeArena *arena, UeSlice lines, size_t *n_out)
{
	UeHeader *headers;
	UeStatus status = ue_parse_header_block(arena, lines, &headers, n_out);

	if (status != UE_OK)
		ue_report(status);
	return headers;
}

static bool
is_null(const Batch *batch, Field field, int row)
{
	return batch->nulls[field] == NULL || batch->nulls[field][row];
}

/* A text or bytea; the empty slice when it is null. */
static UeSlice
read_field(const Batch *batch, Field field, int row)
{
	UeSlice empty = {NULL, 0};

	return is_null(batch, field, row) ? empty
									  : ue_datum_read_slice(batch->values[field][row]);
}

static void
set_columns(UeArena *arena, int row, const UeVerdict *verdict, Datum *values, bool *nulls)
{
	const UeFault *fault = &verdict->fault;
	const UeRendered *answer = &verdict->answer;
	UeSlice header_block;
	UeStatus status =
		ue_render_header_block(arena, answer->headers, answer->n_headers, &header_block);

	if (status != UE_OK)
		ue_report(status);
	memset(nulls, 0, sizeof(bool) * N_COLUMNS);
	values[COLUMN_ORDINAL] = Int32GetDatum(row + 1);
	values[COLUMN_ACTION] =
		ue_datum_build_text(arena, ue_slice_of(ue_action_name(verdict->action)));
	values[COLUMN_RESPONSE_STATUS] = Int32GetDatum(answer->status);
	values[COLUMN_RESPONSE_HEADERS] = ue_datum_build_text(arena, header_block);
	values[COLUMN_RESPONSE_BODY] = ue_datum_build_bytea(answer->body);
	values[COLUMN_RESPONSE_FRAME] = ue_datum_build_bytea(answer->frame);
	values[COLUMN_CLASS] =
		ue_datum_build_text(arena, ue_slice_of(ue_class_name(fault->class)));
	values[COLUMN_CODE] = ue_datum_build_text(arena, fault->catalog_code->name);
	values[COLUMN_RULE_ID] = Int64GetDatum(verdict->rule_id);
	nulls[COLUMN_RULE_ID] = verdict->rule_id == 0;
	values[COLUMN_RULE_VERSION] = Int32GetDatum(verdict->rule_version);
	nulls[COLUMN_RULE_VERSION] = verdict->rule_id == 0;
	values[COLUMN_COOLDOWN_S] = Int32GetDatum(verdict->cooldown_s);
	nulls[COLUMN_COOLDOWN_S] = verdict->action != UE_ACTION_COOLDOWN;
	values[COLUMN_SKIP_MONITORING] = BoolGetDatum(verdict->is_unmonitored);
}
