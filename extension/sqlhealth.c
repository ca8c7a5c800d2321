/* SPDX-License-Identifier: PostgreSQL */
/*
 * sqlhealth.c: what is checked before a health rule is written, and the health rules that
 * hold without one.
 */
#include "postgres.h"

#include "callarena.h"
#include "core/breaker.h"
#include "core/limits.h"
#include "fmgr.h"
#include "funcapi.h"
#include "nodes/execnodes.h"
#include "policyread.h"
#include "report.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(ue_sql_health_rule_check);
PG_FUNCTION_INFO_V1(ue_sql_health_default_lines);

/* Compiles it too: each pattern by itself may be fine, and all together too large. */
Datum
ue_sql_health_rule_check(PG_FUNCTION_ARGS)
{
	Jsonb *line = PG_GETARG_JSONB_P(0);
	char *text = JsonbToCString(NULL, &line->root, VARSIZE(line));
	const UeJson *object;
	UeRuleProblem problem;
	UeBreakers *breakers;
	UeBreaker breaker;
	UeRule match;
	UeCallArena call;
	UeStatus status;

	ue_callarena_init(&call, UE_LIMIT_POLICY_MEMORY);
	status = ue_json_parse(&call.arena, ue_slice_of(text), &object);
	if (status == UE_OK)
		status = ue_breaker_read(&call.arena, object, &match, &breaker, &problem);
	if (status == UE_OK)
		status = ue_breakers_build(&call.allocator, UE_LIMIT_POLICY_MEMORY, &call.arena,
								   &match, &breaker, 1, &breakers, &problem);
	if (status == UE_INVALID_ARGUMENT)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg_internal("%s", ue_policyread_explain_rule(&problem))));
	if (status != UE_OK)
		ue_report(status);
	ue_breakers_free(breakers);
	ue_callarena_free(&call);
	PG_RETURN_VOID();
}

Datum
ue_sql_health_default_lines(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	for (size_t i = 0; i < ue_breaker_count_defaults(); i++)
	{
		UeSlice line = ue_breaker_default_at(i);
		Datum value =
			DirectFunctionCall1(jsonb_in, CStringGetDatum(pnstrdup(line.ptr, line.len)));
		bool is_null = false;

		tuplestore_putvalues(result->setResult, result->setDesc, &value, &is_null);
	}
	return (Datum) 0;
}
