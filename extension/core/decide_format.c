/* SPDX-License-Identifier: PostgreSQL */
/*
 * decide_format.c: whether what came is already what the client's SDK expects.
 */
#include "core/decide_format.h"

#include "core/limits.h"
#include "core/parse_fields.h"

/* Members of an error object that may pass as it is; vendors send fewer than ten. */
#define MEMBERS_MAX 64

/* The dialects whose type and code words are at home in that format. */
bool
ue_decide_is_own_dialect(UeFormat format, UeDialect dialect)
{
	switch (format)
	{
		case UE_FORMAT_OPENAI:
		case UE_FORMAT_OPENAI_RESPONSES:
			/* compatible servers say the same words in other shapes */
			return dialect == UE_DIALECT_OPENAI || dialect == UE_DIALECT_OTHER_JSON;
		case UE_FORMAT_ANTHROPIC:
			return dialect == UE_DIALECT_ANTHROPIC;
		case UE_FORMAT_GEMINI:
			return dialect == UE_DIALECT_GOOGLE;
	}
	return false;
}

bool
ue_decide_is_aws_route(UeSlice route)
{
	/* the operations of the Bedrock Runtime API whose path names a model */
	static const UeSlice operations[] = {UE_SLICE_INIT("/converse"),
										 UE_SLICE_INIT("/converse-stream"),
										 UE_SLICE_INIT("/invoke"),
										 UE_SLICE_INIT("/invoke-with-response-stream"),
										 UE_SLICE_INIT("/count-tokens")};
	size_t at;

	if (!ue_slice_find(route, UE_SLICE("/model/"), &at))
		return false;
	route = ue_slice_sub(route, at, route.len);
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
		if (ue_slice_has_suffix_fold(route, operations[i]))
			return true;
	return false;
}

static bool
has_text(const UeJson *object, UeSlice name)
{
	const UeJson *node = ue_json_find(object, name);

	return node != NULL && node->type == UE_JSON_STRING &&
		   !ue_slice_is_empty(ue_slice_trim(node->text));
}

static bool
has_token(const UeJson *object, UeSlice name)
{
	return has_text(object, name) &&
		   ue_json_find(object, name)->text.len <= UE_LIMIT_TOKEN;
}

/* Absent, null, or a string of bearable length; what OpenAI's param and code may be. */
static bool
is_token_or_null(const UeJson *node)
{
	return node == NULL || node->type == UE_JSON_NULL ||
		   (node->type == UE_JSON_STRING && node->text.len <= UE_LIMIT_TOKEN);
}

/*
 * No name twice: parsers differ in which of two members they keep, so the client might read
 * another message than the one that was masked and recorded.
 */
static bool
has_distinct_names(const UeJson *object)
{
	size_t n_members = 0;

	for (const UeJson *each = object->child; each != NULL; each = each->next)
	{
		if (++n_members > MEMBERS_MAX)
			return false;
		for (const UeJson *other = object->child; other != each; other = other->next)
			if (ue_slice_is_equal(other->key, each->key))
				return false;
	}
	return true;
}

/*
 * Whether root, an object, is a whole error object of the format: what its vendor's own
 * server could have sent with that status.  The message must be the fault's, for it may have been unwrapped.
 */
bool
ue_decide_is_of_format(UeFormat format, const UeFault *fault, const UeJson *root,
					   int status)
{
	const UeJson *error = ue_json_find(root, UE_SLICE("error"));
	const UeJson *code = ue_json_find(error, UE_SLICE("code"));

	if (error == NULL || error->type != UE_JSON_OBJECT || fault->is_cut ||
		!has_distinct_names(root) || !has_distinct_names(error))
		return false;
	if (!has_text(error, UE_SLICE("message")) ||
		!ue_slice_is_equal(ue_parse_field(error, UE_SLICE("message")), fault->message))
		return false;
	switch (format)
	{
		case UE_FORMAT_OPENAI:
		case UE_FORMAT_OPENAI_RESPONSES:
			return fault->dialect == UE_DIALECT_OPENAI &&
				   has_token(error, UE_SLICE("type")) && is_token_or_null(code) &&
				   is_token_or_null(ue_json_find(error, UE_SLICE("param")));
		case UE_FORMAT_ANTHROPIC:
			return fault->dialect == UE_DIALECT_ANTHROPIC &&
				   has_token(error, UE_SLICE("type"));
		case UE_FORMAT_GEMINI:
			/* Google's SDK believes the code in the body, so it must be the status */
			return fault->dialect == UE_DIALECT_GOOGLE &&
				   has_token(error, UE_SLICE("status")) && code != NULL &&
				   code->type == UE_JSON_NUMBER && fault->body_status == status;
	}
	return false;
}
