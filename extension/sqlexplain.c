/* SPDX-License-Identifier: PostgreSQL */
/*
 * sqlexplain.c: upstream_error_explain(…), the verdict on a fault and how every rule fared.
 */
#include "postgres.h"

#include "callarena.h"
#include "core/limits.h"
#include "core/utf8.h"
#include "datum.h"
#include "fmgr.h"
#include "funcapi.h"
#include "headers.h"
#include "kase.h"
#include "policydraft.h"
#include "report.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

/* A verdict, the same fault read once more, and a trace for each of many rules. */
#define EXPLAIN_MEMORY ((size_t) 8 * UE_LIMIT_CASE_MEMORY)

/* Bytes shown on either side of what matched. */
#define EXCERPT_AROUND 60

#define PARAM_RULES 20

static const UeKaseParameters parameters = {
	.platform = 0,
	.status = 1,
	.body = 2,
	.format = 3,
	.headers = 4,
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

enum
{
	COLUMN_RULE_ID = 0,
	COLUMN_RULE_NAME,
	COLUMN_RULE_VERSION,
	COLUMN_ACTION,
	COLUMN_RESPONSE_STATUS,
	COLUMN_RESPONSE_HEADERS,
	COLUMN_RESPONSE_BODY,
	COLUMN_RESPONSE_FRAME,
	COLUMN_CLASS,
	COLUMN_CODE,
	COLUMN_MATCHED_FIELD,
	COLUMN_MATCHED_VALUE,
	COLUMN_MATCHED_TEXT,
	COLUMN_SKIP_MONITORING,
	COLUMN_CONSIDERED,
	N_COLUMNS,
};

typedef struct Explanation
{
	UeVerdict verdict;
	UeRuleFacts facts;
	UeRuleTrace *traces;
	size_t n_traces;
	const UeRuleTrace *winner; /* NULL: the default verdict */
} Explanation;

static void explain(UeArena *arena, const UePolicy *policy, const UeCase *kase,
					Explanation *out);
static void set_verdict(UeArena *arena, const Explanation *explanation, Datum *values,
						bool *nulls);
static void set_match(UeArena *arena, const UePolicy *policy,
					  const Explanation *explanation, Datum *values, bool *nulls);
static UeSlice build_excerpt(UeArena *arena, const UeMaskSettings *mask,
							 const Explanation *explanation);
static UeStatus mask_whole(UeArena *arena, const UeMaskSettings *mask, UeSlice text,
						   bool is_body, UeSlice *out);
static Datum build_considered(UeArena *arena, const Explanation *explanation);
static void push_text(UeArena *arena, JsonbParseState **state, const char *key,
					  UeSlice text);
static void push_key(JsonbParseState **state, const char *key);
static void push_id(JsonbParseState **state, int64 id);

PG_FUNCTION_INFO_V1(ue_sql_explain);

Datum
ue_sql_explain(PG_FUNCTION_ARGS)
{
	Datum values[N_COLUMNS];
	bool nulls[N_COLUMNS] = {false};
	UePolicyDraft *draft = fcinfo->flinfo->fn_extra;
	const UePolicy *policy;
	Explanation *explanation = palloc0(sizeof(Explanation));
	UeCallArena call;
	UeCase kase;
	TupleDesc columns;
	HeapTuple row;

	if (get_call_result_type(fcinfo, NULL, &columns) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "upstream_error_explain does not return a row");
	if (draft == NULL)
		draft = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(UePolicyDraft));
	fcinfo->flinfo->fn_extra = draft;
	policy = ue_policydraft_find(fcinfo, PARAM_RULES, draft);
	ue_kase_read(fcinfo, &parameters, &kase);
	ue_callarena_init(&call, EXPLAIN_MEMORY);
	explain(&call.arena, policy, &kase, explanation);
	set_verdict(&call.arena, explanation, values, nulls);
	set_match(&call.arena, policy, explanation, values, nulls);
	values[COLUMN_CONSIDERED] = build_considered(&call.arena, explanation);
	row = heap_form_tuple(BlessTupleDesc(columns), values, nulls);
	ue_callarena_free(&call);
	pfree(explanation);
	PG_RETURN_DATUM(HeapTupleGetDatum(row));
}

static void
explain(UeArena *arena, const UePolicy *policy, const UeCase *kase, Explanation *out)
{
	const UeRules *rules = ue_policy_rules(policy);
	UeStatus status;

	ue_kase_decide(arena, policy, kase, &out->verdict);
	if (rules == NULL)
		return;
	status = ue_decide_facts(arena, kase, &out->facts);
	if (status == UE_OK)
		status = ue_rules_explain(rules, arena, &out->facts, &out->traces);
	if (status != UE_OK)
		ue_report(status);
	out->n_traces = ue_rules_count(rules);
	for (size_t i = 0; i < out->n_traces; i++)
		if (out->traces[i].outcome == UE_RULE_MATCHED)
			out->winner = &out->traces[i];
}

static void
set_verdict(UeArena *arena, const Explanation *explanation, Datum *values, bool *nulls)
{
	const UeVerdict *verdict = &explanation->verdict;
	const struct
	{
		int column;
		UeSlice text;
	} texts[] = {
		{COLUMN_ACTION, ue_slice_of(ue_action_name(verdict->action))},
		{COLUMN_RESPONSE_BODY, verdict->answer.body},
		{COLUMN_RESPONSE_FRAME, verdict->answer.frame},
		{COLUMN_CLASS, ue_slice_of(ue_class_name(verdict->fault.class))},
		{COLUMN_CODE, verdict->fault.catalog_code->name},
	};

	for (size_t i = 0; i < lengthof(texts); i++)
		ue_datum_set_text(arena, texts[i].text, &values[texts[i].column],
						  &nulls[texts[i].column]);
	values[COLUMN_RULE_ID] = Int64GetDatum(verdict->rule_id);
	nulls[COLUMN_RULE_ID] = verdict->rule_id == 0;
	values[COLUMN_RULE_VERSION] = Int32GetDatum(verdict->rule_version);
	nulls[COLUMN_RULE_VERSION] = verdict->rule_id == 0;
	values[COLUMN_RESPONSE_STATUS] = Int32GetDatum(verdict->answer.status);
	values[COLUMN_RESPONSE_HEADERS] =
		ue_headers_build(verdict->answer.headers, verdict->answer.n_headers);
	values[COLUMN_SKIP_MONITORING] = BoolGetDatum(verdict->is_unmonitored);
}

static void
set_match(UeArena *arena, const UePolicy *policy, const Explanation *explanation,
		  Datum *values, bool *nulls)
{
	const UeRuleTrace *winner = explanation->winner;
	UeSlice none = {NULL, 0};

	ue_datum_set_text(arena, winner ? winner->rule->name : none,
					  &values[COLUMN_RULE_NAME], &nulls[COLUMN_RULE_NAME]);
	ue_datum_set_text(arena, winner ? winner->field : none, &values[COLUMN_MATCHED_FIELD],
					  &nulls[COLUMN_MATCHED_FIELD]);
	ue_datum_set_text(arena, winner ? winner->value : none, &values[COLUMN_MATCHED_VALUE],
					  &nulls[COLUMN_MATCHED_VALUE]);
	ue_datum_set_text(arena,
					  winner ? build_excerpt(arena, ue_policy_mask(policy), explanation)
							 : none,
					  &values[COLUMN_MATCHED_TEXT], &nulls[COLUMN_MATCHED_TEXT]);
}

/*
 * What matched, with a little around it.  The whole text is masked and not the excerpt,
 * for half a secret is not known for one.  What matched is "***" when it was hidden itself.
 */
static UeSlice
build_excerpt(UeArena *arena, const UeMaskSettings *mask, const Explanation *explanation)
{
	const UeRuleTrace *winner = explanation->winner;
	bool is_body = winner->is_in_body;
	UeSlice text = is_body ? explanation->facts.body : explanation->facts.message;
	UeSlice matched = ue_slice_sub(text, winner->start, winner->end - winner->start);
	UeSlice masked;
	UeSlice excerpt;
	const char *place;
	size_t start;
	size_t end;
	UeStatus status;

	if (winner->end <= winner->start || ue_slice_is_empty(matched))
		return (UeSlice){NULL, 0};
	status = mask_whole(arena, mask, text, is_body, &masked);
	if (status != UE_OK)
		ue_report(status);
	place = memmem(masked.ptr, masked.len, matched.ptr, matched.len);
	if (place == NULL)
		return UE_SLICE("***");
	start = (size_t) (place - masked.ptr);
	end = start + matched.len;
	end = end + EXCERPT_AROUND < masked.len ? ue_utf8_cut(masked, end + EXCERPT_AROUND)
											: masked.len;
	start = start > EXCERPT_AROUND ? ue_utf8_cut(masked, start - EXCERPT_AROUND) : 0;
	excerpt = ue_slice_sub(masked, start, end - start);
	return ue_slice_sub(excerpt, 0, ue_utf8_cut(excerpt, UE_LIMIT_MESSAGE));
}

/* A body of JSON by its members' names too, as a row's detail is. */
static UeStatus
mask_whole(UeArena *arena, const UeMaskSettings *mask, UeSlice text, bool is_body,
		   UeSlice *out)
{
	const UeJson *root;
	UeStatus status = UE_MALFORMED;

	if (is_body)
		status = ue_json_parse(arena, text, &root);
	if (status == UE_OK)
		return ue_mask_json(arena, mask, root, out);
	return status == UE_NO_MEMORY ? status : ue_mask_text(arena, mask, text, out);
}

static Datum
build_considered(UeArena *arena, const Explanation *explanation)
{
	JsonbParseState *state = NULL;
	JsonbValue *array;

	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (size_t i = 0; i < explanation->n_traces; i++)
	{
		const UeRuleTrace *trace = &explanation->traces[i];

		(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		push_key(&state, "rule_id");
		push_id(&state, trace->rule->id);
		push_text(arena, &state, "name", trace->rule->name);
		push_text(arena, &state, "outcome",
				  ue_slice_of(ue_rule_outcome_name(trace->outcome)));
		push_text(arena, &state, "field", trace->field);
		push_text(arena, &state, "value", trace->value);
		(void) pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	}
	array = pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	return JsonbPGetDatum(JsonbValueToJsonb(array));
}

/* null when the text is empty */
static void
push_text(UeArena *arena, JsonbParseState **state, const char *key, UeSlice text)
{
	JsonbValue value = {.type = jbvNull};
	UeSlice clean;
	UeStatus status = ue_utf8_clean(arena, text, &clean);

	if (status != UE_OK)
		ue_report(status);
	if (!ue_slice_is_empty(clean))
	{
		value.type = jbvString;
		value.val.string.val = unconstify(char *, clean.ptr);
		value.val.string.len = (int) clean.len;
	}
	push_key(state, key);
	(void) pushJsonbValue(state, WJB_VALUE, &value);
}

static void
push_key(JsonbParseState **state, const char *key)
{
	JsonbValue value;

	value.type = jbvString;
	value.val.string.val = unconstify(char *, key);
	value.val.string.len = (int) strlen(key);
	(void) pushJsonbValue(state, WJB_KEY, &value);
}

static void
push_id(JsonbParseState **state, int64 id)
{
	JsonbValue value;

	value.type = jbvNumeric;
	value.val.numeric = int64_to_numeric(id);
	(void) pushJsonbValue(state, WJB_VALUE, &value);
}
