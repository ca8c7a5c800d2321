/* SPDX-License-Identifier: PostgreSQL */
/*
 * parse_openai.c: {"error": {"message", "type", "param", "code"}} and its relatives.
 *
 * Four shapes are OpenAI's own (OpenAPI document 2.3 schemas Error, ResponseErrorEvent,
 * ResponseFailedEvent; all seen by its official SDKs):
 *
 *	{"error": {...}}                                  HTTP bodies, chat stream chunks
 *	{"type": "error", "error": {...}}                 Responses stream as really sent
 *	{"type": "error", "code", "message", "param"}     Responses stream as specified
 *	{"type": "response.failed", "response": {"error": {"code", "message"}}}
 *
 * and one is OpenRouter's: {"choices": [{"finish_reason": "error", "error": {...}}]}.
 *
 * Azure adds innererror and status, OpenRouter metadata, vLLM sends code as a number.
 */
#include "core/parse_fields.h"

/* OpenRouter: the limit that was hit is a finer word than the error's, where it is one of
 * its own; "upstream_provider_shared_pool" and the like are not. */
static void
read_metadata(const UeJson *metadata, UeFault *out)
{
	UeSlice limit = ue_parse_field(metadata, UE_SLICE("limit_source"));
	UeSlice type = ue_parse_field(metadata, UE_SLICE("error_type"));
	bool is_own_limit = ue_slice_has_prefix(limit, UE_SLICE("openrouter_"));

	if (!is_own_limit && ue_slice_is_empty(type))
		return;
	out->reason = is_own_limit ? limit : type;
	out->vendor = UE_SLICE("openrouter");
}

static void
read_error(const UeJson *error, UeFault *out)
{
	out->type = ue_parse_field(error, UE_SLICE("type"));
	out->code = ue_parse_field(error, UE_SLICE("code"));
	out->param = ue_parse_field(error, UE_SLICE("param"));
	out->message = ue_parse_field(error, UE_SLICE("message"));

	/* Azure: the finer word; "ResponsibleAIPolicyViolation" */
	out->reason =
		ue_parse_field(ue_json_find(error, UE_SLICE("innererror")), UE_SLICE("code"));
	if (ue_slice_is_empty(out->reason)) /* Azure's images */
		out->reason = ue_parse_field(ue_json_find(error, UE_SLICE("inner_error")),
									 UE_SLICE("code"));
	if (ue_slice_is_empty(out->reason))
		read_metadata(ue_json_find(error, UE_SLICE("metadata")), out);

	out->body_status = ue_parse_field_status(error, UE_SLICE("status_code"));
	if (out->body_status == 0)
		out->body_status = ue_parse_field_status(error, UE_SLICE("status"));
	if (out->body_status == 0)
		out->body_status = ue_parse_field_status(error, UE_SLICE("code"));
}

static bool
has_words(const UeFault *fault)
{
	return !ue_slice_is_empty(fault->message) || !ue_slice_is_empty(fault->type) ||
		   !ue_slice_is_empty(fault->code);
}

bool
ue_parse_openai(const UeJson *root, UeFault *out)
{
	const UeJson *error = ue_json_find(root, UE_SLICE("error"));
	UeSlice event = ue_parse_field(root, UE_SLICE("type"));

	if (error == NULL || error->type != UE_JSON_OBJECT)
	{
		if (ue_slice_is_equal(event, UE_SLICE("response.failed")))
			error = ue_json_find_path(root, UE_SLICE("response.error"));
		else if (ue_slice_is_equal(event, UE_SLICE("error")) &&
				 ue_json_find(root, UE_SLICE("error")) == NULL)
			error = root;
		else if (error == NULL || error->type == UE_JSON_NULL)
			error = ue_parse_find_path(root, UE_SLICE("choices.0.error"));
		else
			return false;
	}
	if (error == NULL || error->type != UE_JSON_OBJECT)
		return false;

	read_error(error, out);
	if (error == root)
		out->type = (UeSlice){NULL, 0}; /* "error" names the event, not the fault */
	if (!has_words(out))
		return false;
	if (out->body_status == 0)
		out->body_status = ue_parse_field_status(root, UE_SLICE("status_code"));
	if (out->body_status == 0)
		out->body_status = ue_parse_field_status(root, UE_SLICE("status"));
	out->dialect = UE_DIALECT_OPENAI;
	return true;
}
