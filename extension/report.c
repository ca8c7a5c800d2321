/* SPDX-License-Identifier: PostgreSQL */
/*
 * report.c: one table from status to SQLSTATE, message, detail and hint.
 *
 * No text of an upstream's body comes near a message: the core's statuses carry none, and
 * the only values quoted are names that the caller passed as parameters.
 */
#include "postgres.h"

#include "report.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

#define EXCERPT_BYTES 64

typedef struct Report
{
	int sqlstate;
	const char *message;
	const char *detail; /* or NULL */
	const char *hint;	/* or NULL */
} Report;

static const Report *find_report(UeStatus status);

void
ue_report(UeStatus status)
{
	const Report *report = find_report(status);

	ereport(ERROR, (errcode(report->sqlstate), errmsg_internal("%s", report->message),
					report->detail ? errdetail_internal("%s", report->detail) : 0,
					report->hint ? errhint("%s", report->hint) : 0));
	pg_unreachable();
}

/* No default: the compiler tells of a status without a row. */
static const Report *
find_report(UeStatus status)
{
	static const Report no_memory = {
		ERRCODE_OUT_OF_MEMORY,
		"could not get the memory to work on an upstream error",
		"The server has none left, or this one error needed more than its share.",
		NULL,
	};
	static const Report too_large = {
		ERRCODE_PROGRAM_LIMIT_EXCEEDED,
		"text is too large",
		NULL,
		"Cut the text first: no upstream error is that long.",
	};
	static const Report too_deep = {
		ERRCODE_PROGRAM_LIMIT_EXCEEDED,
		"JSON is nested too deeply",
		NULL,
		NULL,
	};
	static const Report malformed = {
		ERRCODE_INVALID_TEXT_REPRESENTATION,
		"text is not what its format demands",
		NULL,
		NULL,
	};
	static const Report invalid_argument = {
		ERRCODE_INVALID_PARAMETER_VALUE,
		"parameter is outside its list or range",
		NULL,
		NULL,
	};
	static const Report unexpected = {
		ERRCODE_INTERNAL_ERROR,
		"success was reported as a failure",
		NULL,
		NULL,
	};

	switch (status)
	{
		case UE_OK:
			break;
		case UE_NO_MEMORY:
			return &no_memory;
		case UE_TOO_LARGE:
			return &too_large;
		case UE_TOO_DEEP:
			return &too_deep;
		case UE_MALFORMED:
			return &malformed;
		case UE_INVALID_ARGUMENT:
			return &invalid_argument;
	}
	return &unexpected;
}

void
ue_report_unrecognized(const char *field, UeSlice value,
					   const char *(*name_at)(int index), int last)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i <= last; i++)
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "", name_at(i));
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("unrecognized %s \"%s\"", field, ue_report_excerpt(value)),
					errhint("Accepted are: %s.", names.data)));
	pg_unreachable();
}

char *
ue_report_excerpt(UeSlice value)
{
	int len = value.len > EXCERPT_BYTES ? EXCERPT_BYTES : (int) value.len;

	if (value.len > EXCERPT_BYTES)
		len = pg_mbcliplen(value.ptr, (int) value.len, EXCERPT_BYTES);
	return pnstrdup(len > 0 ? value.ptr : "", len);
}
