/* SPDX-License-Identifier: PostgreSQL */
/*
 * planner.c: lets the planner see the table behind upstream_errors().
 *
 * A function that returns a set hides its rows in a tuplestore: no index, no LIMIT, no
 * parallel plan reaches through it, and the cost is 8 to 1100 times the table's.  A SQL
 * function of one SELECT is inlined instead, but could not be spelt in four ways, check
 * its arguments, nor step aside for a remote table.  So the two are combined: planning
 * asks the C function's support function to simplify the call, and it answers with a call
 * of the inlinable upstream_error_scan(since, until), whose ends are written as one would
 * write them against the table:
 *
 *     upstream_errors('1h')          at >= now() - interval '1h' AND at < now()
 *     upstream_errors('2026-11-01')  at >= timestamptz '2026-11-01' AND at < now()
 *
 * A call whose range is upside down or has a null end, when that can be seen, as with the
 * two above, is left as it is: it fails when it is executed, which in a branch that is
 * never taken it is not.  Where it cannot be seen (a parameter in a generic plan, a column)
 * the ends are wrapped in upstream_error_range_start(since, until) and
 * upstream_error_range_end(since, until), which look at run time.  Both, for a null or an
 * early end makes the other comparison false of every row, and then one alone might never
 * be evaluated.
 *
 * A point in time spelt in digits is read here, in the time zone of the planning session,
 * as the parser does with a literal against the table.
 */
#include "postgres.h"

#include "catalog/pg_namespace.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "datum.h"
#include "fmgr.h"
#include "moment.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "range.h"
#include "target.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

typedef enum Order
{
	ORDER_UNKNOWN, /* only execution will tell */
	ORDER_RIGHT,
	ORDER_INVERTED,
} Order;

static FuncExpr *simplify_call(FuncExpr *call);
static bool has_null(List *args);
static void build_ends(FuncExpr *call, Oid schema, Node **since, Node **until);
static Node *build_time_of_text(Node *text, Oid schema);
static Node *build_time_back(Node *interval);
static Node *build_now(void);
static Node *build_timestamp(TimestampTz at);
static FuncExpr *build_helper_call(Oid schema, const char *name, List *args, Oid result);
static Order find_order(Node *since, Node *until);
static bool read_back_from_now(Node *node, Interval *out);
static bool is_now(Node *node);

PG_FUNCTION_INFO_V1(ue_sql_errors_support);

Datum
ue_sql_errors_support(PG_FUNCTION_ARGS)
{
	Node *request = (Node *) PG_GETARG_POINTER(0);
	FuncExpr *simplified = NULL;

	if (IsA(request, SupportRequestSimplify))
		simplified = simplify_call(((SupportRequestSimplify *) request)->fcall);
	PG_RETURN_POINTER(simplified);
}

/* NULL: leave the call as it is, and scan.c answers it. */
static FuncExpr *
simplify_call(FuncExpr *call)
{
	Oid schema = get_func_namespace(call->funcid);
	Node *since;
	Node *until;
	FuncExpr *checked_since;
	FuncExpr *scan;
	Order order;

	/* an argument may be written into the query twice, and nothing else is inlined */
	if (!call->funcretset || contain_volatile_functions((Node *) call->args) ||
		contain_subplans((Node *) call->args) || has_null(call->args) ||
		!ue_target_is_local(schema))
		return NULL;

	build_ends(call, schema, &since, &until);
	/* a range value is in order by construction */
	order = exprType(linitial(call->args)) == TSTZRANGEOID ? ORDER_RIGHT
														   : find_order(since, until);
	if (order == ORDER_INVERTED)
		return NULL;
	if (order == ORDER_UNKNOWN)
	{
		checked_since = build_helper_call(schema, "upstream_error_range_start",
										  list_make2(since, until), TIMESTAMPTZOID);
		until =
			(Node *) build_helper_call(schema, "upstream_error_range_end",
									   list_make2(copyObject(since), copyObject(until)),
									   TIMESTAMPTZOID);
		since = (Node *) checked_since;
	}
	scan = build_helper_call(schema, "upstream_error_scan", list_make2(since, until),
							 call->funcresulttype);
	scan->funcretset = true;
	scan->funcformat = call->funcformat;
	scan->location = call->location;
	return scan;
}

static bool
has_null(List *args)
{
	ListCell *cell;

	foreach (cell, args)
	{
		Node *arg = lfirst(cell);

		if (IsA(arg, Const) && castNode(Const, arg)->constisnull)
			return true;
	}
	return false;
}

/* The two ends as expressions of type timestamptz. */
static void
build_ends(FuncExpr *call, Oid schema, Node **since, Node **until)
{
	Node *first = linitial(call->args);
	Node *second = list_length(call->args) > 1 ? lsecond(call->args) : NULL;
	TimestampTz since_at;
	TimestampTz until_at;

	switch (exprType(first))
	{
		case TIMESTAMPTZOID:
			*since = copyObject(first);
			*until = copyObject(second);
			break;
		case INTERVALOID:
			*since = build_time_back(first);
			*until = build_time_back(second);
			break;
		case TEXTOID:
			*since = build_time_of_text(first, schema);
			*until = build_time_of_text(second, schema);
			break;
		case TSTZRANGEOID:
			if (IsA(first, Const))
			{
				ue_range_read(castNode(Const, first)->constvalue, &since_at, &until_at);
				*since = build_timestamp(since_at);
				*until = build_timestamp(until_at);
				break;
			}
			*since =
				(Node *) build_helper_call(schema, "upstream_error_range_start",
										   list_make1(copyObject(first)), TIMESTAMPTZOID);
			*until =
				(Node *) build_helper_call(schema, "upstream_error_range_end",
										   list_make1(copyObject(first)), TIMESTAMPTZOID);
			break;
		default: /* types are the server's, and not an enum */
			elog(ERROR, "unexpected argument type %u of upstream_errors",
				 exprType(first));
	}
}

static Node *
build_time_of_text(Node *text, Oid schema)
{
	UeMoment moment;
	Interval *back;

	if (IsA(text, Const))
	{
		ue_moment_parse(ue_datum_read_slice(castNode(Const, text)->constvalue), &moment);
		if (moment.is_now)
			return build_now();
		if (moment.is_fixed)
			return build_timestamp(moment.at);
		if (moment.is_back)
		{
			back = palloc(sizeof(Interval));
			*back = moment.back;
			return build_time_back(
				(Node *) makeConst(INTERVALOID, -1, InvalidOid, sizeof(Interval),
								   IntervalPGetDatum(back), false, false));
		}
	}
	return (Node *) build_helper_call(schema, "upstream_error_time",
									  list_make1(copyObject(text)), TIMESTAMPTZOID);
}

/* now() - interval, as the parser would make it. */
static Node *
build_time_back(Node *interval)
{
	Interval *value;
	Oid minus;
	Expr *difference;

	if (IsA(interval, Const))
	{
		value = DatumGetIntervalP(castNode(Const, interval)->constvalue);
		if (value->month == 0 && value->day == 0 && value->time == 0)
			return build_now();
	}
	minus =
		GetSysCacheOid4(OPERNAMENSP, Anum_pg_operator_oid, CStringGetDatum("-"),
						ObjectIdGetDatum(TIMESTAMPTZOID), ObjectIdGetDatum(INTERVALOID),
						ObjectIdGetDatum(PG_CATALOG_NAMESPACE));
	difference = make_opclause(minus, TIMESTAMPTZOID, false, (Expr *) build_now(),
							   copyObject((Expr *) interval), InvalidOid, InvalidOid);
	set_opfuncid(castNode(OpExpr, difference));
	return (Node *) difference;
}

static Node *
build_now(void)
{
	return (Node *) makeFuncExpr(F_NOW, TIMESTAMPTZOID, NIL, InvalidOid, InvalidOid,
								 COERCE_EXPLICIT_CALL);
}

static Node *
build_timestamp(TimestampTz at)
{
	return (Node *) makeConst(TIMESTAMPTZOID, -1, InvalidOid, sizeof(TimestampTz),
							  TimestampTzGetDatum(at), false, FLOAT8PASSBYVAL);
}

/* A call of one of our own functions, found by name and by the types of its arguments. */
static FuncExpr *
build_helper_call(Oid schema, const char *name, List *args, Oid result)
{
	Oid types[2] = {InvalidOid, InvalidOid};
	int n_types = 0;
	ListCell *cell;
	Oid function;

	foreach (cell, args)
		types[n_types++] = exprType(lfirst(cell));
	function = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum(name),
							   PointerGetDatum(buildoidvector(types, n_types)),
							   ObjectIdGetDatum(schema));
	if (!OidIsValid(function))
		elog(ERROR, "function %s of upstream_errors is missing", name);
	return makeFuncExpr(function, result, args, InvalidOid, InvalidOid,
						COERCE_EXPLICIT_CALL);
}

static Order
find_order(Node *since, Node *until)
{
	Interval since_back;
	Interval until_back;

	if (IsA(since, Const) && IsA(until, Const))
		return DatumGetTimestampTz(castNode(Const, since)->constvalue) <=
					   DatumGetTimestampTz(castNode(Const, until)->constvalue)
				   ? ORDER_RIGHT
				   : ORDER_INVERTED;
	if (!read_back_from_now(until, &until_back))
		return ORDER_UNKNOWN;
	/* now does not run backwards: what is in order today will be tomorrow */
	if (IsA(since, Const))
		return DatumGetTimestampTz(castNode(Const, since)->constvalue) <=
					   ue_moment_read_back(&until_back)
				   ? ORDER_RIGHT
				   : ORDER_UNKNOWN;
	/* the length of a month depends on now, so each part is compared on its own */
	if (read_back_from_now(since, &since_back))
	{
		if (since_back.month >= until_back.month && since_back.day >= until_back.day &&
			since_back.time >= until_back.time)
			return ORDER_RIGHT;
		if (since_back.month <= until_back.month && since_back.day <= until_back.day &&
			since_back.time <= until_back.time)
			return ORDER_INVERTED;
	}
	return ORDER_UNKNOWN;
}

/* now() is zero back from now; now() - interval is that interval. */
static bool
read_back_from_now(Node *node, Interval *out)
{
	OpExpr *difference;
	Node *back;

	if (is_now(node))
	{
		memset(out, 0, sizeof(*out));
		return true;
	}
	if (!IsA(node, OpExpr))
		return false;
	difference = castNode(OpExpr, node);
	if (difference->opfuncid != F_TIMESTAMPTZ_MI_INTERVAL ||
		!is_now(linitial(difference->args)))
		return false;
	back = lsecond(difference->args);
	if (!IsA(back, Const) || castNode(Const, back)->constisnull)
		return false;
	*out = *DatumGetIntervalP(castNode(Const, back)->constvalue);
	return true;
}

static bool
is_now(Node *node)
{
	if (IsA(node, FuncExpr))
		return castNode(FuncExpr, node)->funcid == F_NOW;
	return IsA(node, SQLValueFunction) &&
		   castNode(SQLValueFunction, node)->op == SVFOP_CURRENT_TIMESTAMP;
}
