/* SPDX-License-Identifier: PostgreSQL */
/*
 * scan.c: upstream_errors() as an ordinary function.
 *
 * Nearly every call is replaced by the table before planning (planner.c).  What runs here
 * is the rest: volatile arguments, sub-selects as arguments, tables of Citus or behind a
 * foreign server.  The bounds go into the query as parameters, so that the other side can
 * filter; the rows go into a tuplestore.  With the caller's rights: row security holds.
 */
#include "postgres.h"

#include "access/tupdesc.h"
#include "datum.h"
#include "executor/spi.h"
#include "executor/tstoreReceiver.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "moment.h"
#include "nodes/execnodes.h"
#include "nodes/params.h"
#include "range.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

static void require_not_null(FunctionCallInfo fcinfo);
static TimestampTz read_text(Datum text);
static Datum scan_events(FunctionCallInfo fcinfo, TimestampTz since, TimestampTz until);
static char *build_query(Oid function, TupleDesc columns);
static ParamListInfo build_params(TimestampTz since, TimestampTz until);

PG_FUNCTION_INFO_V1(ue_sql_errors_between);
PG_FUNCTION_INFO_V1(ue_sql_errors_back);
PG_FUNCTION_INFO_V1(ue_sql_errors_text);
PG_FUNCTION_INFO_V1(ue_sql_errors_during);

Datum
ue_sql_errors_between(PG_FUNCTION_ARGS)
{
	require_not_null(fcinfo);
	return scan_events(fcinfo, PG_GETARG_TIMESTAMPTZ(0), PG_GETARG_TIMESTAMPTZ(1));
}

Datum
ue_sql_errors_back(PG_FUNCTION_ARGS)
{
	require_not_null(fcinfo);
	return scan_events(fcinfo, ue_moment_read_back(PG_GETARG_INTERVAL_P(0)),
					   ue_moment_read_back(PG_GETARG_INTERVAL_P(1)));
}

Datum
ue_sql_errors_text(PG_FUNCTION_ARGS)
{
	require_not_null(fcinfo);
	return scan_events(fcinfo, read_text(PG_GETARG_DATUM(0)),
					   read_text(PG_GETARG_DATUM(1)));
}

Datum
ue_sql_errors_during(PG_FUNCTION_ARGS)
{
	TimestampTz since;
	TimestampTz until;

	require_not_null(fcinfo);
	ue_range_read(PG_GETARG_DATUM(0), &since, &until);
	return scan_events(fcinfo, since, until);
}

static void
require_not_null(FunctionCallInfo fcinfo)
{
	for (int i = 0; i < PG_NARGS(); i++)
		if (PG_ARGISNULL(i))
			ue_range_report_null();
}

static TimestampTz
read_text(Datum text)
{
	UeMoment moment;

	ue_moment_parse(ue_datum_read_slice(text), &moment);
	return ue_moment_read(&moment);
}

static Datum
scan_events(FunctionCallInfo fcinfo, TimestampTz since, TimestampTz until)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	SPIExecuteOptions options = {0};
	DestReceiver *receiver;
	char *query;

	ue_range_check(since, until);
	InitMaterializedSRF(fcinfo, 0);
	query = build_query(fcinfo->flinfo->fn_oid, result->setDesc);

	receiver = CreateDestReceiver(DestTuplestore);
	/* found by name: whoever owns the schema may have put another table there */
	SetTuplestoreDestReceiverParams(
		receiver, result->setResult, result->econtext->ecxt_per_query_memory, false,
		result->setDesc,
		"columns of upstream_error_events do not have the types that upstream_errors() returns");
	SPI_connect();
	options.params = build_params(since, until);
	options.read_only = true;
	options.dest = receiver;
	if (SPI_execute_extended(query, &options) != SPI_OK_SELECT)
		elog(ERROR, "could not read upstream_error_events");
	SPI_finish();
	receiver->rDestroy(receiver);
	return (Datum) 0;
}

/* The columns are those of the result type: the table may have more by now. */
static char *
build_query(Oid function, TupleDesc columns)
{
	char *schema = get_namespace_name(get_func_namespace(function));
	StringInfoData query;

	initStringInfo(&query);
	appendStringInfoString(&query, "SELECT ");
	for (int i = 0; i < columns->natts; i++)
		appendStringInfo(&query, "%se.%s", i > 0 ? ", " : "",
						 quote_identifier(NameStr(TupleDescAttr(columns, i)->attname)));
	appendStringInfo(&query,
					 " FROM %s AS e WHERE e.at OPERATOR(pg_catalog.>=) $1"
					 " AND e.at OPERATOR(pg_catalog.<) $2",
					 quote_qualified_identifier(schema, "upstream_error_events"));
	return query.data;
}

static ParamListInfo
build_params(TimestampTz since, TimestampTz until)
{
	ParamListInfo params = makeParamList(2);

	params->params[0].value = TimestampTzGetDatum(since);
	params->params[1].value = TimestampTzGetDatum(until);
	for (int i = 0; i < 2; i++)
	{
		params->params[i].isnull = false;
		params->params[i].pflags = PARAM_FLAG_CONST;
		params->params[i].ptype = TIMESTAMPTZOID;
	}
	return params;
}
