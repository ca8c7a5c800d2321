/* SPDX-License-Identifier: PostgreSQL */
/*
 * sqlmask.c: upstream_error_mask(text), upstream_error_mask(jsonb) and
 * upstream_error_mask_version().
 */
#include "postgres.h"

#include "callarena.h"
#include "core/json.h"
#include "core/jsonout.h"
#include "core/limits.h"
#include "core/mask.h"
#include "datum.h"
#include "fmgr.h"
#include "policycache.h"
#include "report.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

/* A masked text may be longer than it was, and its buffer doubles as it grows. */
#define MASK_MEMORY_PER_BYTE 16

static UeStatus mask_document(UeArena *arena, const UeMaskSettings *settings,
							  UeSlice text, UeSlice *out);
static UeStatus mask_large_document(UeArena *arena, const UeMaskSettings *settings,
									UeSlice text, UeSlice *out);

PG_FUNCTION_INFO_V1(ue_sql_mask);
PG_FUNCTION_INFO_V1(ue_sql_mask_json);
PG_FUNCTION_INFO_V1(ue_sql_mask_version);

Datum
ue_sql_mask(PG_FUNCTION_ARGS)
{
	UeSlice text = ue_datum_read_argument(fcinfo, 0);
	UeCallArena call;
	UeSlice masked;
	UeStatus status;
	Datum result;

	ue_callarena_init(&call, UE_LIMIT_CASE_MEMORY + text.len * MASK_MEMORY_PER_BYTE);
	status = ue_mask_text(&call.arena, ue_policycache_mask(fcinfo->flinfo->fn_oid), text,
						  &masked);
	if (status != UE_OK)
		ue_report(status);
	result = ue_datum_build_text(&call.arena, masked);
	ue_callarena_free(&call);
	return result;
}

/*
 * Through the text form, for the core reads no jsonb.  Escapes and lone surrogates are the
 * same on both sides: what jsonb has stored it also prints as valid UTF-8.
 */
Datum
ue_sql_mask_json(PG_FUNCTION_ARGS)
{
	Jsonb *document = PG_GETARG_JSONB_P(0);
	char *text = JsonbToCString(NULL, &document->root, VARSIZE(document));
	UeCallArena call;
	UeSlice masked;
	UeStatus status;
	Datum result;

	ue_callarena_init(&call, UE_LIMIT_CASE_MEMORY + strlen(text) * MASK_MEMORY_PER_BYTE);
	status = mask_document(&call.arena, ue_policycache_mask(fcinfo->flinfo->fn_oid),
						   ue_slice_of(text), &masked);
	if (status != UE_OK)
		ue_report(status);
	result =
		DirectFunctionCall1(jsonb_in, CStringGetDatum(pnstrdup(masked.ptr, masked.len)));
	ue_callarena_free(&call);
	return result;
}

static UeStatus
mask_document(UeArena *arena, const UeMaskSettings *settings, UeSlice text, UeSlice *out)
{
	const UeJson *root;
	UeStatus status = ue_json_parse(arena, text, &root);

	if (status == UE_TOO_DEEP || status == UE_TOO_LARGE)
		return mask_large_document(arena, settings, text, out);
	return status == UE_OK ? ue_mask_json(arena, settings, root, out) : status;
}

/*
 * Deeper or of more values than the core follows: its text, masked, as one string.  To
 * refuse it would stop a whole scrub for one row.
 */
static UeStatus
mask_large_document(UeArena *arena, const UeMaskSettings *settings, UeSlice text,
					UeSlice *out)
{
	UeSlice masked;
	UeStatus status = ue_mask_text(arena, settings, text, &masked);
	UeJsonOut json;
	UeBuf buf;

	if (status != UE_OK)
		return status;
	ue_buf_init(&buf, arena, SIZE_MAX);
	ue_jsonout_init(&json, &buf);
	ue_jsonout_append_string(&json, masked);
	return ue_buf_finish(&buf, out);
}

Datum
ue_sql_mask_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(ue_mask_version(ue_policycache_mask(fcinfo->flinfo->fn_oid)));
}
