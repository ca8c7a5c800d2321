/* SPDX-License-Identifier: PostgreSQL */
/*
 * sqlcodes.c: upstream_error_codes(language), the catalogue as a table, with the messages
 * that operators have put in place of its own.
 */
#include "postgres.h"

#include "callarena.h"
#include "core/catalog.h"
#include "core/limits.h"
#include "datum.h"
#include "fmgr.h"
#include "funcapi.h"
#include "nodes/execnodes.h"
#include "policycache.h"
#include "utils/tuplestore.h"

enum
{
	COLUMN_CODE = 0,
	COLUMN_PUBLIC_CODE,
	COLUMN_CLASS,
	COLUMN_CLIENT_STATUS,
	COLUMN_VISIBILITY,
	COLUMN_SKIP_RETRY,
	COLUMN_RECORDED,
	COLUMN_MESSAGE,
	COLUMN_MESSAGE_ZH,
	COLUMN_CAUSE,
	COLUMN_REMEDY,
	COLUMN_RETRY_AFTER_S,
	COLUMN_LANGUAGE,
	COLUMN_EDITED,
	N_COLUMNS,
};

static void set_columns(UeArena *arena, const UePolicy *policy, const UeCode *code,
						UeSlice accept_language, Datum *values, bool *nulls);

PG_FUNCTION_INFO_V1(ue_sql_codes);

Datum
ue_sql_codes(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	UeSlice language = ue_datum_read_argument(fcinfo, 0);
	const UePolicy *policy;
	UeCallArena call;

	InitMaterializedSRF(fcinfo, 0);
	policy = ue_policycache_find(fcinfo->flinfo->fn_oid);
	ue_callarena_init(&call, UE_LIMIT_CASE_MEMORY);
	for (size_t i = 0; i < ue_catalog_count(); i++)
	{
		Datum values[N_COLUMNS];
		bool nulls[N_COLUMNS] = {false};

		set_columns(&call.arena, policy, ue_catalog_at(i), language, values, nulls);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	ue_callarena_free(&call);
	return (Datum) 0;
}

static void
set_columns(UeArena *arena, const UePolicy *policy, const UeCode *code,
			UeSlice accept_language, Datum *values, bool *nulls)
{
	UeSlice language;
	UeSlice chinese;
	UeSlice message = ue_policy_message(policy, code, accept_language, &language);
	UeSlice message_zh = ue_policy_message(policy, code, UE_SLICE("zh"), &chinese);
	int retry_after_s = ue_catalog_retry_after(code);
	const struct
	{
		int column;
		UeSlice text;
	} texts[] = {
		{COLUMN_CODE, code->name},
		{COLUMN_PUBLIC_CODE, code->public_code},
		{COLUMN_CLASS, ue_slice_of(ue_class_name(code->class))},
		{COLUMN_VISIBILITY, ue_slice_of(ue_visibility_name(code->visibility))},
		{COLUMN_MESSAGE, message},
		{COLUMN_MESSAGE_ZH, message_zh},
		{COLUMN_CAUSE, code->cause},
		{COLUMN_REMEDY, code->remedy},
		{COLUMN_LANGUAGE, language},
	};

	for (size_t i = 0; i < lengthof(texts); i++)
		ue_datum_set_text(arena, texts[i].text, &values[texts[i].column],
						  &nulls[texts[i].column]);
	values[COLUMN_CLIENT_STATUS] = Int32GetDatum(code->client_status);
	nulls[COLUMN_CLIENT_STATUS] = code->client_status == 0;
	values[COLUMN_SKIP_RETRY] = BoolGetDatum(code->is_skip_retry);
	values[COLUMN_RECORDED] = BoolGetDatum(code->is_recorded);
	values[COLUMN_RETRY_AFTER_S] = Int32GetDatum(retry_after_s);
	nulls[COLUMN_RETRY_AFTER_S] = retry_after_s == 0;
	values[COLUMN_EDITED] = BoolGetDatum(!ue_slice_is_equal(message, code->message_en) &&
										 !ue_slice_is_equal(message, code->message_zh));
}
