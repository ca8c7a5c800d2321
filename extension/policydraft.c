/* SPDX-License-Identifier: PostgreSQL */
/*
 * policydraft.c: a draft becomes a policy by taking the place of the rules in the text of
 * upstream_error_snapshot().
 *
 * A query over a million events calls with the same draft a million times.  A constant is
 * known to be the same; any other value is compared byte for byte, as it is stored, before
 * it is even decompressed.
 */
#include "postgres.h"

#include "policydraft.h"

#include "callarena.h"
#include "core/limits.h"
#include "datum.h"
#include "lib/stringinfo.h"
#include "nodes/nodeFuncs.h"
#include "policycache.h"
#include "policyread.h"
#include "report.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#define SNAPSHOT "upstream_error_snapshot"

/* A snapshot's text that is being changed. */
typedef struct Text
{
	StringInfoData lines;
	size_t n_lines;	 /* without the first */
	size_t n_before; /* those that are not of the draft */
} Text;

static bool is_constant(FunctionCallInfo fcinfo, int number);
static bool is_same(const UePolicyDraft *draft, struct varlena *value);
static UePolicyHolder *compile(FunctionCallInfo fcinfo, int number, MemoryContext home);
static void append_others(Text *text, UeSlice snapshot);
static void append_rules(Text *text, Jsonb *rules);
static int64 find_highest_id(Jsonb *rules);
static bool read_id(Jsonb *rule, int64 *out);
static Jsonb *add_id(Jsonb *rule, int64 id);
static bool is_rule_line(UeSlice line);
static void report_shape(void) UE_NORETURN;
static void report_problem(UeStatus status, const UePolicyProblem *problem,
						   const Text *text) UE_NORETURN;

const UePolicy *
ue_policydraft_find(FunctionCallInfo fcinfo, int number, UePolicyDraft *draft)
{
	MemoryContext home = fcinfo->flinfo->fn_mcxt;
	struct varlena *value;
	UePolicyHolder *holder;

	if (PG_ARGISNULL(number))
		return ue_policycache_find(fcinfo->flinfo->fn_oid);
	value = (struct varlena *) DatumGetPointer(PG_GETARG_DATUM(number));
	if (draft->holder != NULL && draft->serial == ue_policycache_serial() &&
		is_same(draft, value))
		return draft->holder->policy;

	/* so that the serial moves when masks and messages do */
	(void) ue_policycache_find(fcinfo->flinfo->fn_oid);
	draft->serial = 0; /* good for nothing while it is half made */
	holder = compile(fcinfo, number, home);
	if (draft->holder != NULL)
		MemoryContextDelete(draft->holder->context);
	draft->holder = holder;
	if (draft->key != NULL)
		pfree(draft->key);
	draft->key = NULL;
	if (!is_constant(fcinfo, number))
	{
		draft->key = MemoryContextAlloc(home, VARSIZE_ANY(value));
		memcpy(draft->key, value, VARSIZE_ANY(value));
	}
	draft->serial = ue_policycache_serial();
	return draft->holder->policy;
}

/* Not get_fn_expr_arg_stable: in plpgsql a parameter changes between calls. */
static bool
is_constant(FunctionCallInfo fcinfo, int number)
{
	Node *call = fcinfo->flinfo->fn_expr;

	return call != NULL && IsA(call, FuncExpr) &&
		   list_length(castNode(FuncExpr, call)->args) > number &&
		   IsA(list_nth(castNode(FuncExpr, call)->args, number), Const);
}

static bool
is_same(const UePolicyDraft *draft, struct varlena *value)
{
	return draft->key == NULL || (VARSIZE_ANY(draft->key) == VARSIZE_ANY(value) &&
								  memcmp(draft->key, value, VARSIZE_ANY(value)) == 0);
}

static UePolicyHolder *
compile(FunctionCallInfo fcinfo, int number, MemoryContext home)
{
	MemoryContext work =
		AllocSetContextCreate(CurrentMemoryContext, "upstream_errors draft",
							  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(work);
	UePolicyHolder *holder;
	UePolicyProblem problem;
	UeCallArena call;
	UeStatus status;
	Text text = {.n_lines = 0};

	initStringInfo(&text.lines);
	append_others(&text, ue_policyread_call(fcinfo->flinfo->fn_oid, SNAPSHOT));
	append_rules(&text, PG_GETARG_JSONB_P(number));
	appendStringInfo(&text.lines, "{\"end\": %zu}\n", text.n_lines);

	ue_callarena_init(&call, UE_LIMIT_POLICY_MEMORY);
	status = ue_policyread_compile((UeSlice){text.lines.data, (size_t) text.lines.len},
								   &call.arena, &holder, &problem);
	if (status != UE_OK)
		report_problem(status, &problem, &text);
	MemoryContextSetParent(holder->context, home);
	ue_callarena_free(&call);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(work);
	return holder;
}

/* All lines but the rules and the last, which counts them. */
static void
append_others(Text *text, UeSlice snapshot)
{
	size_t start = 0;

	for (size_t n = 0; start < snapshot.len; n++)
	{
		const char *newline = memchr(snapshot.ptr + start, '\n', snapshot.len - start);
		size_t end =
			newline == NULL ? snapshot.len : (size_t) (newline - snapshot.ptr) + 1;
		UeSlice line = ue_slice_sub(snapshot, start, end - start);

		start = end;
		if (start == snapshot.len || (n > 0 && is_rule_line(line)))
			continue;
		appendBinaryStringInfo(&text->lines, line.ptr, (int) line.len);
		if (n > 0)
			text->n_lines++;
	}
	text->n_before = text->n_lines;
}

/* Of the objects of a snapshot only these have the first member "rule". */
static bool
is_rule_line(UeSlice line)
{
	UeSlice start = UE_SLICE("{\"rule\"");

	return line.len >= start.len && memcmp(line.ptr, start.ptr, start.len) == 0;
}

static void
append_rules(Text *text, Jsonb *rules)
{
	int64 next_id;
	int n;

	if (!JB_ROOT_IS_ARRAY(rules) || JB_ROOT_IS_SCALAR(rules))
		report_shape();
	next_id = find_highest_id(rules) + 1;
	n = JB_ROOT_COUNT(rules);
	for (int i = 0; i < n; i++)
	{
		JsonbValue *element = getIthJsonbValueFromContainer(&rules->root, i);
		Jsonb *rule = JsonbValueToJsonb(element);
		int64 id;

		if (!JB_ROOT_IS_OBJECT(rule))
			report_shape();
		if (!read_id(rule, &id))
			rule = add_id(rule, next_id++);
		appendStringInfoString(&text->lines, "{\"rule\": ");
		(void) JsonbToCString(&text->lines, &rule->root, VARSIZE(rule));
		appendStringInfoString(&text->lines, "}\n");
		text->n_lines++;
	}
}

static int64
find_highest_id(Jsonb *rules)
{
	int64 highest = 0;

	for (uint32 i = 0; i < JB_ROOT_COUNT(rules); i++)
	{
		JsonbValue *element = getIthJsonbValueFromContainer(&rules->root, i);
		Jsonb *rule = JsonbValueToJsonb(element);
		int64 id;

		if (JB_ROOT_IS_OBJECT(rule) && read_id(rule, &id) && id > highest)
			highest = id;
	}
	return highest;
}

/* False when there is none; one that is no integer is left to the compiler to refuse. */
static bool
read_id(Jsonb *rule, int64 *out)
{
	JsonbValue found;
	JsonbValue *id = getKeyJsonValueFromContainer(&rule->root, "id", 2, &found);
	UeSlice digits;
	int64_t number = 0;

	if (id == NULL || id->type == jbvNull)
		return false;
	if (id->type == jbvNumeric)
	{
		digits = ue_slice_of(numeric_normalize(id->val.numeric));
		(void) ue_slice_parse_int64(digits, &number);
	}
	*out = number;
	return true;
}

static Jsonb *
add_id(Jsonb *rule, int64 id)
{
	char *member = psprintf("{\"id\": " INT64_FORMAT "}", id);
	Datum object = DirectFunctionCall1(jsonb_in, CStringGetDatum(member));

	return DatumGetJsonbP(
		DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(rule), object));
}

static void
report_shape(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("rules are not a JSON array of objects"),
			 errhint(
				 "upstream_error_rules_export() makes such an array, and so does SELECT "
				 "jsonb_agg(to_jsonb(r)) FROM upstream_error_rules AS r.")));
	pg_unreachable();
}

static void
report_problem(UeStatus status, const UePolicyProblem *problem, const Text *text)
{
	/* the first line of the text is none of those that were counted */
	size_t first = text->n_before + 2;

	if (status == UE_NO_MEMORY)
		ue_report(status);
	if ((status == UE_INVALID_ARGUMENT || status == UE_MALFORMED) &&
		problem->line >= first)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("rule %zu of the draft is refused: %s", problem->line - first + 1,
						ue_policyread_explain_rule(&problem->rule))));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("draft cannot be compiled"),
			 errdetail_internal("%s", ue_policyread_explain(status, problem))));
	pg_unreachable();
}
