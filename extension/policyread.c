/* SPDX-License-Identifier: PostgreSQL */
/*
 * policyread.c: from tables to a compiled policy.
 *
 * The text comes from upstream_error_snapshot(), the same that sidecars fetch, so that all
 * homes compile the same bytes.
 *
 * It is called below the executor, without a test of the caller's right to it: whoever may
 * mask or decide gets what follows from the policy anyway.  And as the function's owner, for
 * in a trusted installation that is not the superuser who may be calling, and can put code
 * of his there.
 */
#include "postgres.h"

#include "policyread.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "callarena.h"
#include "catalog/pg_proc.h"
#include "core/limits.h"
#include "datum.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "report.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

static Oid find_function(Oid schema, const char *name, Oid *owner);
static void free_policy(void *arg);

UeSlice
ue_policyread_call(Oid function, const char *name)
{
	Oid owner;
	Oid callee = find_function(get_func_namespace(function), name, &owner);
	bool is_parallel = IsInParallelMode();
	Oid caller;
	int context;
	Datum text;

	GetUserIdAndSecContext(&caller, &context);
	SetUserIdAndSecContext(owner, context | SECURITY_LOCAL_USERID_CHANGE |
									  SECURITY_RESTRICTED_OPERATION);
	/* a transaction that repeats its reads would otherwise see the policy of its start; in
	 * parallel mode there can be no other snapshot than the query's */
	if (!is_parallel)
		PushActiveSnapshot(GetLatestSnapshot());
	text = OidFunctionCall0(callee);
	if (!is_parallel)
		PopActiveSnapshot();
	SetUserIdAndSecContext(caller, context);
	return ue_datum_read_slice(text);
}

static Oid
find_function(Oid schema, const char *name, Oid *owner)
{
	HeapTuple tuple = SearchSysCache3(PROCNAMEARGSNSP, CStringGetDatum(name),
									  PointerGetDatum(buildoidvector(NULL, 0)),
									  ObjectIdGetDatum(schema));
	Form_pg_proc form;
	Oid found;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "function %s of upstream_errors is missing", name);
	form = (Form_pg_proc) GETSTRUCT(tuple);
	found = form->oid;
	*owner = form->proowner;
	ReleaseSysCache(tuple);
	return found;
}

UeStatus
ue_policyread_compile(UeSlice snapshot, UeArena *scratch, UePolicyHolder **out,
					  UePolicyProblem *problem)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "upstream_errors policy",
							  ALLOCSET_SMALL_SIZES);
	UePolicyHolder *holder = MemoryContextAllocZero(context, sizeof(UePolicyHolder));
	UeStatus status;

	holder->context = context;
	ue_callarena_set_allocator(&holder->allocator, context);
	status = ue_policy_read(&holder->allocator, UE_LIMIT_POLICY_MEMORY, scratch, snapshot,
							&holder->policy, problem);
	if (status != UE_OK)
	{
		MemoryContextDelete(context);
		return status;
	}
	holder->on_delete.func = free_policy;
	holder->on_delete.arg = holder;
	MemoryContextRegisterResetCallback(context, &holder->on_delete);
	*out = holder;
	return UE_OK;
}

static void
free_policy(void *arg)
{
	UePolicyHolder *holder = arg;

	ue_policy_free(holder->policy);
}

char *
ue_policyread_explain(UeStatus status, const UePolicyProblem *problem)
{
	char *rule;

	switch (status)
	{
		case UE_TOO_LARGE:
			return psprintf("They would take more than %zu MB of memory; accepted is "
							"what takes less.",
							UE_LIMIT_POLICY_MEMORY / (1024 * 1024));
		case UE_TOO_DEEP:
			return pstrdup("JSON is nested too deeply.");
		case UE_OK:
		case UE_NO_MEMORY:
			ue_report(status);
			break;
		case UE_MALFORMED:
		case UE_INVALID_ARGUMENT:
			break;
	}
	rule = ue_policyread_explain_rule(&problem->rule);
	if (problem->rule.rule_id != 0)
		return psprintf("Rule " INT64_FORMAT ": %s.", problem->rule.rule_id, rule);
	if (problem->line != 0)
		return psprintf("Line %zu of upstream_error_snapshot(): %s.", problem->line,
						rule);
	return psprintf("%s.", rule);
}

char *
ue_policyread_explain_rule(const UeRuleProblem *problem)
{
	char *text =
		pnstrdup(problem->text.len > 0 ? problem->text.ptr : "", problem->text.len);

	if (ue_slice_is_empty(problem->field))
		return text;
	return psprintf("%s: %s", pnstrdup(problem->field.ptr, problem->field.len), text);
}
