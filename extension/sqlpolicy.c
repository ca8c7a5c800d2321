/* SPDX-License-Identifier: PostgreSQL */
/*
 * sqlpolicy.c: what guards the tables of rules and masks: a row is checked when it is
 * written, all of them together before the commit.
 */
#include "postgres.h"

#include "access/xact.h"
#include "callarena.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "core/catalog.h"
#include "core/limits.h"
#include "core/pattern.h"
#include "core/record.h"
#include "core/rules.h"
#include "datum.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "policycache.h"
#include "policyread.h"
#include "report.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

/* Returns text: why the tests of rules do not hold; empty when they do. */
#define TESTS_FUNCTION "upstream_error_rule_problem"

static void check_test(UeRecord *record);
static void check_texts(UeRecord *record, const char *name, UeSlice accepted);

PG_FUNCTION_INFO_V1(ue_sql_rule_check);
PG_FUNCTION_INFO_V1(ue_sql_rule_test_check);
PG_FUNCTION_INFO_V1(ue_sql_mask_pattern_check);
PG_FUNCTION_INFO_V1(ue_sql_policy_changed);
PG_FUNCTION_INFO_V1(ue_sql_policy_check);
PG_FUNCTION_INFO_V1(ue_sql_last_version);

/* Through the text form, in which snapshots hold rules too. */
Datum
ue_sql_rule_check(PG_FUNCTION_ARGS)
{
	Jsonb *rule = PG_GETARG_JSONB_P(0);
	char *text = JsonbToCString(NULL, &rule->root, VARSIZE(rule));
	const UeJson *object;
	UeRuleProblem problem;
	UeRule read;
	UeCallArena call;
	UeStatus status;

	ue_callarena_init(&call, UE_LIMIT_POLICY_MEMORY);
	status = ue_json_parse(&call.arena, ue_slice_of(text), &object);
	if (status != UE_OK)
		ue_report(status);
	status = ue_rule_read(&call.arena, object, &read, &problem);
	if (status == UE_INVALID_ARGUMENT)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg_internal("%s", ue_policyread_explain_rule(&problem))));
	if (status != UE_OK)
		ue_report(status);
	ue_callarena_free(&call);
	PG_RETURN_VOID();
}

/* What SQL can check of a row is checked there. */
Datum
ue_sql_rule_test_check(PG_FUNCTION_ARGS)
{
	Jsonb *test = PG_GETARG_JSONB_P(0);
	char *text = JsonbToCString(NULL, &test->root, VARSIZE(test));
	const UeJson *object;
	UeRecord record;
	UeCallArena call;
	UeStatus status;

	ue_callarena_init(&call, UE_LIMIT_POLICY_MEMORY);
	status = ue_json_parse(&call.arena, ue_slice_of(text), &object);
	if (status != UE_OK)
		ue_report(status);
	ue_record_init(&record, &call.arena, object);
	check_test(&record);
	if (record.status == UE_INVALID_ARGUMENT)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg_internal("%s", ue_policyread_explain_rule(&(UeRuleProblem){
												  0, record.field, record.problem}))));
	if (record.status != UE_OK)
		ue_report(record.status);
	ue_callarena_free(&call);
	PG_RETURN_VOID();
}

/* The words that a case is told in, and what belongs together. */
static void
check_test(UeRecord *record)
{
	const char *formats[UE_FORMAT_GEMINI + 1];
	const char *kinds[UE_KIND_LOCAL_ERROR + 1];
	const char *networks[UE_NETWORK_PROXY + 1];
	const char *credentials[UE_CREDENTIAL_OURS + 1];
	const char *actions[UE_ACTION_COUNT];
	UeSlice local_code = {NULL, 0};
	int kind = UE_KIND_HTTP_ERROR;
	int ignored;

	for (int i = 0; i < lengthof(formats); i++)
		formats[i] = ue_format_name((UeFormat) i);
	for (int i = 0; i < lengthof(kinds); i++)
		kinds[i] = ue_kind_name((UeKind) i);
	for (int i = 0; i < lengthof(networks); i++)
		networks[i] = ue_network_name((UeNetwork) i);
	for (int i = 0; i < lengthof(credentials); i++)
		credentials[i] = ue_credential_name((UeCredential) i);
	for (int i = 0; i < lengthof(actions); i++)
		actions[i] = ue_action_name((UeAction) i);
	ue_record_read_word(record, "format", formats, lengthof(formats), &ignored);
	ue_record_read_word(record, "kind", kinds, lengthof(kinds), &kind);
	ue_record_read_word(record, "network_error", networks, lengthof(networks), &ignored);
	ue_record_read_word(record, "credential", credentials, lengthof(credentials),
						&ignored);
	ue_record_read_word(record, "expect_action", actions, lengthof(actions), &ignored);
	check_texts(record, "headers",
				UE_SLICE("accepted is an object such as {\"retry-after\": \"7\"}"));
	check_texts(record, "tags",
				UE_SLICE("accepted is an object such as {\"team\": "
						 "\"a\"}"));
	ue_record_read_text(record, "local_code", UE_LIMIT_BODY, &local_code);
	if (record->status != UE_OK)
		return;
	if (kind == UE_KIND_LOCAL_ERROR && ue_catalog_find(local_code) == NULL)
		ue_record_complain(record, "local_code",
						   UE_SLICE("with kind local_error it must say which; accepted "
									"are the codes that upstream_error_codes() lists"));
	else if (kind != UE_KIND_LOCAL_ERROR && !ue_slice_is_empty(local_code))
		ue_record_complain(record, "local_code",
						   UE_SLICE("it is accepted with kind local_error only"));
}

/* An object whose values are texts or lists of texts. */
static void
check_texts(UeRecord *record, const char *name, UeSlice accepted)
{
	const UeJson *object = ue_record_find(record, name);
	bool is_fine = object == NULL || object->type == UE_JSON_OBJECT;
	UeBuf buf;
	UeSlice problem;
	UeStatus status;

	for (const UeJson *member = is_fine && object != NULL ? object->child : NULL;
		 member != NULL; member = member->next)
	{
		if (member->type != UE_JSON_ARRAY && member->type != UE_JSON_STRING)
			is_fine = false;
		for (const UeJson *value = member->type == UE_JSON_ARRAY ? member->child : NULL;
			 value != NULL; value = value->next)
			is_fine = is_fine && value->type == UE_JSON_STRING;
	}
	if (is_fine)
		return;
	ue_buf_init(&buf, record->arena, UE_LIMIT_MESSAGE);
	ue_buf_append(&buf, UE_SLICE("it is no object of texts by name; "));
	ue_buf_append(&buf, accepted);
	status = ue_buf_finish(&buf, &problem);
	if (status == UE_OK)
		ue_record_complain(record, name, problem);
	else
		record->status = status;
}

/* The pattern itself is not quoted: it may tell what is secret. */
Datum
ue_sql_mask_pattern_check(PG_FUNCTION_ARGS)
{
	UeSlice text = ue_datum_read_argument(fcinfo, 0);
	bool is_case_sensitive = PG_GETARG_BOOL(1);
	UePatternError why;
	UePattern *pattern;
	UeCallArena call;
	UeStatus status;
	bool is_empty_match;

	ue_callarena_init(&call, UE_LIMIT_CASE_MEMORY);
	status =
		ue_pattern_compile(&call.allocator, text, !is_case_sensitive, &pattern, &why);
	if (status == UE_INVALID_ARGUMENT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("pattern: %s at byte %zu; accepted are regular expressions of "
						"PCRE2, at most 4096 bytes long",
						why.text, why.offset)));
	if (status != UE_OK)
		ue_report(status);
	is_empty_match = ue_pattern_is_empty_match(pattern);
	ue_pattern_free(pattern);
	ue_callarena_free(&call);
	if (is_empty_match)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg(
					 "pattern: it matches the empty text, which is everywhere; accepted "
					 "are patterns that match at least one character")));
	PG_RETURN_VOID();
}

Datum
ue_sql_policy_changed(PG_FUNCTION_ARGS)
{
	ue_policycache_change(fcinfo->flinfo->fn_oid);
	PG_RETURN_VOID();
}

/*
 * Deferred, and called for each row that was written: the first call does the work, the
 * others find that nothing has changed since.
 */
Datum
ue_sql_policy_check(PG_FUNCTION_ARGS)
{
	static uint64 checked_at = 0;
	Oid function = fcinfo->flinfo->fn_oid;
	uint64 serial;
	UeSlice problem;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("upstream_error_policy_check() is for triggers")));
	/* made immediate, it runs inside the command whose rows it is to see */
	CommandCounterIncrement();
	serial = ue_policycache_serial();
	if (checked_at == serial)
		return PointerGetDatum(NULL);
	(void) ue_policycache_require(function, ERRCODE_CHECK_VIOLATION);
	serial = ue_policycache_serial();
	problem = ue_policyread_call(function, TESTS_FUNCTION);
	if (!ue_slice_is_empty(problem))
		ereport(ERROR,
				(errcode(ERRCODE_CHECK_VIOLATION),
				 errmsg_internal("%s", pnstrdup(problem.ptr, problem.len)),
				 errhint("SELECT * FROM upstream_error_test_rules() runs the tests of "
						 "upstream_error_rule_tests, in this transaction too.")));
	checked_at = serial;
	return PointerGetDatum(NULL);
}

/* Under the newest snapshot, with what the commands of this transaction have written. */
Datum
ue_sql_last_version(PG_FUNCTION_ARGS)
{
	const char *schema = get_namespace_name(get_func_namespace(fcinfo->flinfo->fn_oid));
	Oid types[] = {TEXTOID, TEXTOID};
	Datum values[] = {PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)};
	bool is_null = true;
	int32 version = 0;
	char *query;
	SPIPlanPtr plan;

	SPI_connect();
	query = psprintf("SELECT pg_catalog.max(version) FROM %s.upstream_error_changes "
					 "WHERE object OPERATOR(pg_catalog.=) $1 "
					 "AND key OPERATOR(pg_catalog.=) $2",
					 quote_identifier(schema));
	plan = SPI_prepare(query, lengthof(types), types);
	if (plan == NULL)
		elog(ERROR, "could not prepare \"%s\": %s", query,
			 SPI_result_code_string(SPI_result));
	if (SPI_execute_snapshot(plan, values, NULL, GetLatestSnapshot(), InvalidSnapshot,
							 false, false, 1) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "could not read the log of changes");
	version = DatumGetInt32(
		SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null));
	SPI_finish();
	PG_RETURN_INT32(is_null ? 0 : version);
}
