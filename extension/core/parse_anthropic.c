/* SPDX-License-Identifier: PostgreSQL */
/*
 * parse_anthropic.c: {"type": "error", "error": {"type", "message"}, "request_id"}.
 *
 * The shape of Anthropic's API reference, HTTP body and stream event alike.  OpenAI's
 * Responses stream also sends {"type": "error", "error": {...}}; there the inner object
 * has a code or a param, which Anthropic's never has.
 */
#include "core/parse_fields.h"

bool
ue_parse_anthropic(const UeJson *root, UeFault *out)
{
	const UeJson *error = ue_json_find(root, UE_SLICE("error"));

	if (error == NULL || error->type != UE_JSON_OBJECT)
		return false;
	if (!ue_slice_is_equal(ue_parse_field(root, UE_SLICE("type")), UE_SLICE("error")))
		return false;
	if (ue_json_find(error, UE_SLICE("code")) != NULL ||
		ue_json_find(error, UE_SLICE("param")) != NULL)
		return false;

	out->type = ue_parse_field(error, UE_SLICE("type"));
	/* rate_limit_error is a tier's monthly cap too: enforced_spend_limit_reached */
	out->code =
		ue_parse_field(ue_json_find(error, UE_SLICE("details")), UE_SLICE("error_code"));
	out->message = ue_parse_field(error, UE_SLICE("message"));
	if (ue_slice_is_empty(out->type) && ue_slice_is_empty(out->message))
		return false;
	out->dialect = UE_DIALECT_ANTHROPIC;
	return true;
}
