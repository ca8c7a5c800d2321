/* SPDX-License-Identifier: PostgreSQL */
/*
 * parse_aws.c: exceptions of Bedrock and of AWS in general.
 *
 * The body is {"message"}; the exception's name is elsewhere: in the header
 * x-amzn-errortype, or in a member __type.  An exception that ends a binary event stream is
 * one member of a union, and so SDKs write it down: {"throttlingException": {"message"}}.
 *
 * Names come with a namespace before and a URL behind:
 * "com.amazon.coral.service#ThrottlingException:http://…" (smithy, AWS JSON 1.1).
 */
#include "core/parse_fields.h"

static UeSlice
read_name(UeSlice text)
{
	size_t at;

	if (ue_slice_find(text, UE_SLICE("#"), &at))
		text = ue_slice_sub(text, at + 1, text.len);
	if (ue_slice_find(text, UE_SLICE(":"), &at))
		text = ue_slice_sub(text, 0, at);
	return ue_slice_trim(text);
}

bool
ue_parse_aws(const UeJson *root, UeFault *out)
{
	UeSlice name;
	UeSlice message;

	if (root->type != UE_JSON_OBJECT || root->child == NULL || root->child->next != NULL)
		return false;
	if (!ue_slice_has_suffix_fold(root->child->key, UE_SLICE("exception")))
		return false;
	name = root->child->key;
	message = ue_parse_field(root->child, UE_SLICE("message"));
	if (ue_slice_is_empty(message))
		return false;
	out->type = name;
	out->message = message;
	/* ModelStreamErrorException: what the model's own server said */
	out->body_status = ue_parse_field_status(root->child, UE_SLICE("originalStatusCode"));
	out->dialect = UE_DIALECT_OTHER_JSON;
	return true;
}

void
ue_parse_aws_type(const UeResponse *response, const UeJson *root, UeFault *fault)
{
	UeSlice name =
		read_name(ue_parse_find_header(response, UE_SLICE("x-amzn-errortype")));

	if (ue_slice_is_empty(name))
		name = read_name(ue_parse_field(root, UE_SLICE("__type")));
	if (!ue_slice_is_empty(name))
		fault->type = name;
}
