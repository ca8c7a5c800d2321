/* SPDX-License-Identifier: PostgreSQL */
/*
 * kase.c: words of SQL into words of the core.
 */
#include "postgres.h"

#include "kase.h"

#include "access/xact.h"
#include "datum.h"
#include "headers.h"
#include "report.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

static bool read_bool(FunctionCallInfo fcinfo, int number);

/* The names by number, for the hint; the last enumerator of each list stands below. */
static const char *kind_name_at(int index);
static const char *network_name_at(int index);
static const char *format_name_at(int index);
static const char *credential_name_at(int index);
static const char *class_name_at(int index);

void
ue_kase_read(FunctionCallInfo fcinfo, const UeKaseParameters *at, UeCase *kase)
{
	ue_kase_init(kase);
	ue_kase_set_platform(kase, ue_datum_read_argument(fcinfo, at->platform));
	ue_kase_set_status(kase, PG_ARGISNULL(at->status) ? 0 : PG_GETARG_INT32(at->status));
	kase->response.body = ue_datum_read_argument(fcinfo, at->body);
	if (!PG_ARGISNULL(at->headers))
		kase->response.headers =
			ue_headers_read(PG_GETARG_JSONB_P(at->headers), &kase->response.n_headers);
	ue_kase_set_format(kase, ue_datum_read_argument(fcinfo, at->format));
	ue_kase_set_kind(kase, ue_datum_read_argument(fcinfo, at->kind));
	ue_kase_set_network(kase, ue_datum_read_argument(fcinfo, at->network_error));
	ue_kase_set_credential(kase, ue_datum_read_argument(fcinfo, at->credential));
	kase->is_stream = read_bool(fcinfo, at->stream);
	kase->request_id = ue_datum_read_argument(fcinfo, at->request_id);
	kase->model = ue_datum_read_argument(fcinfo, at->model);
	if (!PG_ARGISNULL(at->at))
		kase->response.now_ms = ue_datum_read_unix_ms(PG_GETARG_DATUM(at->at));
	kase->accept_language = ue_datum_read_argument(fcinfo, at->accept_language);
	kase->channel = ue_datum_read_argument(fcinfo, at->channel);
	kase->route = ue_datum_read_argument(fcinfo, at->route);
	ue_kase_set_attempt(kase,
						PG_ARGISNULL(at->attempt) ? 1 : PG_GETARG_INT32(at->attempt));
	kase->has_output = read_bool(fcinfo, at->has_output);
	if (!PG_ARGISNULL(at->tags))
		kase->tags = ue_headers_read_tags(PG_GETARG_JSONB_P(at->tags), &kase->n_tags);
	kase->local_code = ue_datum_read_argument(fcinfo, at->local_code);
	kase->local_message = ue_datum_read_argument(fcinfo, at->local_message);
}

static bool
read_bool(FunctionCallInfo fcinfo, int number)
{
	return !PG_ARGISNULL(number) && PG_GETARG_BOOL(number);
}

void
ue_kase_init(UeCase *kase)
{
	TimestampTz now = GetCurrentTransactionStartTimestamp();

	memset(kase, 0, sizeof(*kase));
	kase->attempt = 1;
	kase->response.now_ms = ue_datum_read_unix_ms(TimestampTzGetDatum(now));
}

void
ue_kase_set_platform(UeCase *kase, UeSlice platform)
{
	char *lower = palloc(platform.len + 1);

	for (size_t i = 0; i < platform.len; i++)
		lower[i] = (char) pg_ascii_tolower((unsigned char) platform.ptr[i]);
	kase->response.platform.ptr = lower;
	kase->response.platform.len = platform.len;
}

void
ue_kase_set_status(UeCase *kase, int32 status)
{
	if (status < 0 || status > 999)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid HTTP status %d", status),
				 errhint("Accepted are 100 to 999, and 0 or null where there was no "
						 "answer.")));
	kase->response.status = status;
}

void
ue_kase_set_kind(UeCase *kase, UeSlice name)
{
	if (!ue_slice_is_empty(name) && !ue_kind_find(name, &kase->kind))
		ue_report_unrecognized("kind", name, kind_name_at, UE_KIND_LOCAL_ERROR);
}

void
ue_kase_set_network(UeCase *kase, UeSlice name)
{
	if (!ue_slice_is_empty(name) && !ue_network_find(name, &kase->network))
		ue_report_unrecognized("network error", name, network_name_at, UE_NETWORK_PROXY);
}

void
ue_kase_set_format(UeCase *kase, UeSlice name)
{
	kase->format = ue_kase_find_format(name);
}

void
ue_kase_set_credential(UeCase *kase, UeSlice name)
{
	if (!ue_slice_is_empty(name) && !ue_credential_find(name, &kase->credential))
		ue_report_unrecognized("credential", name, credential_name_at,
							   UE_CREDENTIAL_OURS);
}

void
ue_kase_set_attempt(UeCase *kase, int32 attempt)
{
	if (attempt < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("attempt %d is out of range", attempt),
						errhint("The first attempt of a request is 1.")));
	kase->attempt = attempt == 0 ? 1 : attempt;
}

UeFormat
ue_kase_find_format(UeSlice name)
{
	UeFormat format = UE_FORMAT_OPENAI;

	if (!ue_slice_is_empty(name) && !ue_format_find(name, &format))
		ue_report_unrecognized("format", name, format_name_at, UE_FORMAT_GEMINI);
	return format;
}

UeClass
ue_kase_find_class(UeSlice name)
{
	UeClass class = UE_CLASS_INTERNAL;

	if (!ue_class_find(name, &class))
		ue_report_unrecognized("class", name, class_name_at, UE_CLASS_INTERNAL);
	return class;
}

void
ue_kase_decide(UeArena *arena, const UePolicy *policy, const UeCase *kase, UeVerdict *out)
{
	UeStatus status = ue_decide_case(arena, policy, kase, out);

	if (status == UE_INVALID_ARGUMENT && kase->kind == UE_KIND_LOCAL_ERROR)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("unrecognized error code \"%s\" of a local error",
							   ue_report_excerpt(kase->local_code)),
						errhint("SELECT code FROM upstream_error_codes() lists them.")));
	if (status != UE_OK)
		ue_report(status);
}

static const char *
kind_name_at(int index)
{
	return ue_kind_name((UeKind) index);
}

static const char *
network_name_at(int index)
{
	return ue_network_name((UeNetwork) index);
}

static const char *
format_name_at(int index)
{
	return ue_format_name((UeFormat) index);
}

static const char *
credential_name_at(int index)
{
	return ue_credential_name((UeCredential) index);
}

static const char *
class_name_at(int index)
{
	return ue_class_name((UeClass) index);
}
