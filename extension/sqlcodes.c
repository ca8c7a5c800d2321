/* SPDX-License-Identifier: PostgreSQL */
/*
 * sqlcodes.c: upstream_error_codes(language), the catalogue as a table.
 */
#include "postgres.h"

#include "callarena.h"
#include "core/catalog.h"
#include "core/language.h"
#include "core/limits.h"
#include "datum.h"
#include "fmgr.h"
#include "funcapi.h"
#include "nodes/execnodes.h"
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
	N_COLUMNS,
};

static void set_columns(UeArena *arena, const UeCode *code, UeLanguage language,
						Datum *values, bool *nulls);

PG_FUNCTION_INFO_V1(ue_sql_codes);

Datum
ue_sql_codes(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	UeLanguage language = ue_language_parse(ue_datum_read_argument(fcinfo, 0));
	UeCallArena call;

	InitMaterializedSRF(fcinfo, 0);
	ue_callarena_init(&call, UE_LIMIT_CASE_MEMORY);
	for (size_t i = 0; i < ue_catalog_count(); i++)
	{
		Datum values[N_COLUMNS];
		bool nulls[N_COLUMNS] = {false};

		set_columns(&call.arena, ue_catalog_at(i), language, values, nulls);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	ue_callarena_free(&call);
	return (Datum) 0;
}

static void
set_columns(UeArena *arena, const UeCode *code, UeLanguage language, Datum *values,
			bool *nulls)
{
	const struct
	{
		int column;
		UeSlice text;
	} texts[] = {
		{COLUMN_CODE, code->name},
		{COLUMN_PUBLIC_CODE, code->public_code},
		{COLUMN_CLASS, ue_slice_of(ue_class_name(code->class))},
		{COLUMN_VISIBILITY, ue_slice_of(ue_visibility_name(code->visibility))},
		{COLUMN_MESSAGE,
		 language == UE_LANGUAGE_CHINESE ? code->message_zh : code->message_en},
		{COLUMN_MESSAGE_ZH, code->message_zh},
		{COLUMN_CAUSE, code->cause},
		{COLUMN_REMEDY, code->remedy},
	};

	for (size_t i = 0; i < lengthof(texts); i++)
		ue_datum_set_text(arena, texts[i].text, &values[texts[i].column],
						  &nulls[texts[i].column]);
	values[COLUMN_CLIENT_STATUS] = Int32GetDatum(code->client_status);
	nulls[COLUMN_CLIENT_STATUS] = code->client_status == 0;
	values[COLUMN_SKIP_RETRY] = BoolGetDatum(code->is_skip_retry);
	values[COLUMN_RECORDED] = BoolGetDatum(code->is_recorded);
}
