/* SPDX-License-Identifier: PostgreSQL */
/*
 * sqlpreview.c: upstream_error_preview_event(…), what a set of rules would make of a
 * recorded event.
 *
 * Nothing is parsed again: class, codes and texts are the row's.  They are masked, so a
 * keyword finds no secret here, and of a body no more than the row has kept.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "callarena.h"
#include "core/classify_tables.h"
#include "core/decide.h"
#include "core/limits.h"
#include "datum.h"
#include "fmgr.h"
#include "funcapi.h"
#include "headers.h"
#include "policydraft.h"
#include "report.h"

enum
{
	PARAM_RULES = 0,
	PARAM_PLATFORM,
	PARAM_STATUS_CODE,
	PARAM_KIND,
	PARAM_CLASS,
	PARAM_CODE,
	PARAM_ERROR_TYPE,
	PARAM_ERROR_CODE,
	PARAM_MESSAGE,
	PARAM_DETAIL,
	PARAM_MODEL,
	PARAM_CHANNEL,
	PARAM_ROUTE,
	PARAM_FORMAT,
	PARAM_ATTEMPT,
	PARAM_SENT_BYTES,
	PARAM_TAGS,
	PARAM_WAS_RULE_ID,
	PARAM_WAS_STATUS,
};

enum
{
	COLUMN_RULE_ID = 0,
	COLUMN_RULE_NAME,
	COLUMN_RESPONSE_STATUS,
	COLUMN_ACTION,
	N_COLUMNS,
};

/* fn_extra */
typedef struct CallSite
{
	UePolicyDraft draft;
	TupleDesc columns;
	UeCallArena call; /* of one event after the other */
} CallSite;

static CallSite *find_call_site(FunctionCallInfo fcinfo);
static const UeRule *find_rule(FunctionCallInfo fcinfo, CallSite *site,
							   const UeRules *rules, UeRuleFacts *facts);
static void read_facts(FunctionCallInfo fcinfo, UeRuleFacts *facts, const UeCode **code);
static int read_effective_status(FunctionCallInfo fcinfo, const UeRuleFacts *facts,
								 const UeCode *code);
static int choose_default_status(FunctionCallInfo fcinfo, const UeRuleFacts *facts,
								 const UeCode *code);

PG_FUNCTION_INFO_V1(ue_sql_preview_event);

Datum
ue_sql_preview_event(PG_FUNCTION_ARGS)
{
	CallSite *site = find_call_site(fcinfo);
	const UePolicy *policy = ue_policydraft_find(fcinfo, PARAM_RULES, &site->draft);
	const UeRule *rule;
	Datum values[N_COLUMNS];
	bool nulls[N_COLUMNS] = {false};
	const UeCode *code;
	UeRuleFacts facts;
	UeArena *arena = &site->call.arena;

	ue_arena_reset(arena);
	read_facts(fcinfo, &facts, &code);
	rule = find_rule(fcinfo, site, ue_policy_rules(policy), &facts);

	nulls[COLUMN_RULE_ID] = nulls[COLUMN_RULE_NAME] = rule == NULL;
	values[COLUMN_RULE_ID] = Int64GetDatum(rule == NULL ? 0 : rule->id);
	values[COLUMN_RULE_NAME] =
		rule == NULL ? (Datum) 0 : ue_datum_build_text(arena, rule->name);
	values[COLUMN_RESPONSE_STATUS] =
		Int32GetDatum(rule != NULL && !rule->is_code_passed
						  ? rule->response_code
						  : choose_default_status(fcinfo, &facts, code));
	values[COLUMN_ACTION] =
		ue_datum_build_text(arena, ue_slice_of(ue_action_name(
									   rule == NULL ? UE_ACTION_ANSWER : rule->action)));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(site->columns, values, nulls)));
}

static CallSite *
find_call_site(FunctionCallInfo fcinfo)
{
	CallSite *site = fcinfo->flinfo->fn_extra;
	MemoryContext caller;
	TupleDesc columns;

	if (site != NULL)
		return site;
	caller = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	if (get_call_result_type(fcinfo, NULL, &columns) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "upstream_error_preview_event does not return a row");
	site = palloc0(sizeof(CallSite));
	site->columns = BlessTupleDesc(CreateTupleDescCopy(columns));
	ue_callarena_init(&site->call, UE_LIMIT_CASE_MEMORY);
	fcinfo->flinfo->fn_extra = site;
	MemoryContextSwitchTo(caller);
	return site;
}

/* The texts may be stored far away from the row, and are fetched only if rules ask. */
static const UeRule *
find_rule(FunctionCallInfo fcinfo, CallSite *site, const UeRules *rules,
		  UeRuleFacts *facts)
{
	UeArena *arena = &site->call.arena;
	const UeRule *rule = NULL;
	bool is_needed = false;
	UeStatus status;

	if (rules == NULL)
		return NULL;
	status = ue_rules_need_texts(rules, arena, facts, &is_needed);
	if (is_needed)
	{
		facts->message = ue_datum_read_argument(fcinfo, PARAM_MESSAGE);
		facts->body = ue_datum_read_argument(fcinfo, PARAM_DETAIL);
	}
	if (status == UE_OK)
		status = ue_rules_match(rules, arena, facts, &rule);
	if (status != UE_OK)
		ue_report(status);
	return rule;
}

/* A row of another version of this extension may have words that we do not know. */
static void
read_facts(FunctionCallInfo fcinfo, UeRuleFacts *facts, const UeCode **code)
{
	int64 sent_bytes =
		PG_ARGISNULL(PARAM_SENT_BYTES) ? 0 : PG_GETARG_INT64(PARAM_SENT_BYTES);

	memset(facts, 0, sizeof(*facts));
	facts->platform = ue_datum_read_argument(fcinfo, PARAM_PLATFORM);
	facts->kind = UE_KIND_HTTP_ERROR;
	(void) ue_kind_find(ue_datum_read_argument(fcinfo, PARAM_KIND), &facts->kind);
	facts->class = UE_CLASS_INTERNAL;
	(void) ue_class_find(ue_datum_read_argument(fcinfo, PARAM_CLASS), &facts->class);
	facts->format = UE_FORMAT_OPENAI;
	(void) ue_format_find(ue_datum_read_argument(fcinfo, PARAM_FORMAT), &facts->format);
	facts->code = ue_datum_read_argument(fcinfo, PARAM_CODE);
	*code = ue_catalog_find(facts->code);
	if (*code == NULL)
		*code = ue_catalog_default(facts->class);
	facts->error_type = ue_datum_read_argument(fcinfo, PARAM_ERROR_TYPE);
	facts->error_code = ue_datum_read_argument(fcinfo, PARAM_ERROR_CODE);
	facts->model = ue_datum_read_argument(fcinfo, PARAM_MODEL);
	facts->channel = ue_datum_read_argument(fcinfo, PARAM_CHANNEL);
	facts->route = ue_datum_read_argument(fcinfo, PARAM_ROUTE);
	if (!PG_ARGISNULL(PARAM_TAGS))
		facts->tags =
			ue_headers_read_stored(PG_GETARG_JSONB_P(PARAM_TAGS), &facts->n_tags);
	facts->attempt = PG_ARGISNULL(PARAM_ATTEMPT) ? 1 : PG_GETARG_INT32(PARAM_ATTEMPT);
	facts->has_output = sent_bytes > 0;
	facts->status = read_effective_status(fcinfo, facts, *code);
}

/* As classify.c has it: the answer's, else the catalogue's of a failure of our own, else
 * that of the upstream's words, else that of the class. */
static int
read_effective_status(FunctionCallInfo fcinfo, const UeRuleFacts *facts,
					  const UeCode *code)
{
	int status = PG_ARGISNULL(PARAM_STATUS_CODE) ? 0 : PG_GETARG_INT32(PARAM_STATUS_CODE);
	const UeWord *word;

	if (status >= 400)
		return status;
	if (facts->kind == UE_KIND_LOCAL_ERROR && code->client_status != 0)
		return code->client_status;
	word = ue_classify_find_word(facts->error_code);
	if (word == NULL || word->status == 0)
		word = ue_classify_find_word(facts->error_type);
	if (word != NULL && word->status != 0 && word->class == facts->class)
		return word->status;
	return ue_classify_find_traits(facts->class)->status;
}

/* What no rule changes: as it was, if it was not a rule that said so. */
static int
choose_default_status(FunctionCallInfo fcinfo, const UeRuleFacts *facts,
					  const UeCode *code)
{
	UeCase kase = {.format = facts->format, .kind = facts->kind};
	UeFault fault = {.class = facts->class,
					 .effective_status = facts->status,
					 .catalog_code = code};

	if (PG_ARGISNULL(PARAM_WAS_RULE_ID) && !PG_ARGISNULL(PARAM_WAS_STATUS) &&
		PG_GETARG_INT32(PARAM_WAS_STATUS) >= 400)
		return PG_GETARG_INT32(PARAM_WAS_STATUS);
	/* the upstream refused our credential: the code is known, whose it was is not */
	if (ue_slice_is_equal(code->name, UE_SLICE("channel:invalid_key")))
		return code->client_status;
	fault.is_request_fault = ue_classify_find_traits(facts->class)->is_request_fault;
	return ue_decide_status(&kase, &fault);
}
