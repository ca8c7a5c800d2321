/* SPDX-License-Identifier: PostgreSQL */
/*
 * parse_google.c: {"error": {"code": 429, "message", "status": "RESOURCE_EXHAUSTED",
 * "details": [...]}}, google.rpc.Status as Google's HTTP APIs write it (AIP-193).
 *
 * Of the details, ErrorInfo gives a finer word, QuotaFailure says which quota, BadRequest
 * which field.  RetryInfo is read where all waits are, in parse_retry.c.
 */
#include "core/parse_fields.h"

static bool
is_status_name(UeSlice text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((text.ptr[i] < 'A' || text.ptr[i] > 'Z') && text.ptr[i] != '_')
			return false;
	return text.len > 0;
}

static bool
is_detail(const UeJson *detail, UeSlice type)
{
	return ue_slice_has_suffix_fold(ue_parse_field(detail, UE_SLICE("@type")), type);
}

/* A quota's name such as GenerateRequestsPerDayPerProjectPerModel-FreeTier, or its unit:
 * "1/d/{project}/{user}" (Service Management API, QuotaLimit.unit). */
static bool
is_daily_name(const UeJson *object, UeSlice name)
{
	static const UeSlice periods[] = {UE_SLICE_INIT("perday"), UE_SLICE_INIT("per_day"),
									  UE_SLICE_INIT("permonth"),
									  UE_SLICE_INIT("per_month"), UE_SLICE_INIT("1/d/")};
	UeSlice text = ue_parse_field(object, name);
	size_t at;

	for (size_t i = 0; i < sizeof(periods) / sizeof(periods[0]); i++)
		if (ue_slice_find_fold(text, periods[i], &at))
			return true;
	return false;
}

static bool
is_daily_quota(const UeJson *detail)
{
	const UeJson *violations = ue_json_find(detail, UE_SLICE("violations"));

	if (violations == NULL)
		return false;
	for (const UeJson *each = violations->child; each != NULL; each = each->next)
		if (is_daily_name(each, UE_SLICE("quotaId")) ||
			is_daily_name(each, UE_SLICE("quotaMetric")) ||
			is_daily_name(each, UE_SLICE("subject")))
			return true;
	return false;
}

/* Cloud Code says with ErrorInfo what Gemini says with QuotaFailure. */
static void
read_error_info(const UeJson *detail, UeFault *out)
{
	const UeJson *metadata = ue_json_find(detail, UE_SLICE("metadata"));

	out->reason = ue_parse_field(detail, UE_SLICE("reason"));
	if (is_daily_name(metadata, UE_SLICE("quota_limit")) ||
		is_daily_name(metadata, UE_SLICE("quota_unit")))
		out->is_quota_daily = true;
}

static void
read_detail(const UeJson *detail, UeFault *out)
{
	const UeJson *violations;

	if (is_detail(detail, UE_SLICE("google.rpc.ErrorInfo")))
		read_error_info(detail, out);
	else if (is_detail(detail, UE_SLICE("google.rpc.QuotaFailure")))
		out->is_quota_daily = out->is_quota_daily || is_daily_quota(detail);
	else if (is_detail(detail, UE_SLICE("google.rpc.BadRequest")))
	{
		violations = ue_json_find(detail, UE_SLICE("fieldViolations"));
		if (violations != NULL && ue_slice_is_empty(out->param))
			out->param = ue_parse_field(violations->child, UE_SLICE("field"));
	}
	else if (is_detail(detail, UE_SLICE("google.rpc.RequestInfo")))
		out->upstream_request_id = ue_parse_field(detail, UE_SLICE("requestId"));
}

bool
ue_parse_google(const UeJson *root, UeFault *out)
{
	const UeJson *error = ue_json_find(root, UE_SLICE("error"));
	const UeJson *details;
	UeSlice status;

	if (error == NULL || error->type != UE_JSON_OBJECT)
		return false;
	status = ue_parse_field(error, UE_SLICE("status"));
	details = ue_json_find(error, UE_SLICE("details"));
	if (details != NULL && details->type != UE_JSON_ARRAY)
		details = NULL;

	/* without its status, only typed details tell it from other objects with a code */
	if (!is_status_name(status) &&
		(details == NULL || ue_json_find(details->child, UE_SLICE("@type")) == NULL))
		return false;

	out->type = status;
	out->code = ue_parse_field(error, UE_SLICE("code"));
	out->message = ue_parse_field(error, UE_SLICE("message"));
	out->body_status = ue_parse_field_status(error, UE_SLICE("code"));
	if (details != NULL)
		for (const UeJson *each = details->child; each != NULL; each = each->next)
			read_detail(each, out);
	/* error.code only repeats the HTTP status; body_status keeps it */
	if (!ue_slice_is_empty(out->reason))
		out->code = out->reason;
	out->dialect = UE_DIALECT_GOOGLE;
	return true;
}
