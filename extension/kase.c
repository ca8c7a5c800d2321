/* SPDX-License-Identifier: PostgreSQL */
/*
 * kase.c: words of SQL into words of the core.
 */
#include "postgres.h"

#include "kase.h"

#include "access/xact.h"
#include "datum.h"
#include "report.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* The names by number, for the hint; the last enumerator of each list stands below. */
static const char *kind_name_at(int index);
static const char *network_name_at(int index);
static const char *format_name_at(int index);
static const char *credential_name_at(int index);
static const char *class_name_at(int index);

void
ue_kase_init(UeCase *kase)
{
	TimestampTz now = GetCurrentTransactionStartTimestamp();

	memset(kase, 0, sizeof(*kase));
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
ue_kase_decide(UeArena *arena, const UeCase *kase, UeVerdict *out)
{
	UeStatus status = ue_decide_case(arena, NULL, kase, out);

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
