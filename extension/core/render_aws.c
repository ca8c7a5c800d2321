/* SPDX-License-Identifier: PostgreSQL */
/*
 * render_aws.c: what AWS's SDKs need beside OpenAI's body.
 *
 * They take the exception's name from the header x-amzn-errortype, its message from the
 * member "message" at the top, and the request's id from x-amzn-requestid (smithy.io, AWS
 * restJson1 protocol); the rest of the body they do not look at.  So the error object stays
 * as it is for everybody else, and AWS's words stand before it.
 */
#include "core/jsonout.h"
#include "core/render.h"
#include "core/render_words.h"

static bool
is_letters(UeSlice text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((text.ptr[i] < 'a' || text.ptr[i] > 'z') &&
			(text.ptr[i] < 'A' || text.ptr[i] > 'Z'))
			return false;
	return text.len > 0;
}

static bool
is_small(char byte)
{
	return byte >= 'a' && byte <= 'z';
}

/* Names such as ValidationException or SignatureDoesNotMatch; the members of a stream are
 * the same with a small letter.  Words of others are lower case or joined by underscores. */
static bool
is_exception(UeSlice type)
{
	return is_letters(type) && (!is_small(type.ptr[0]) ||
								ue_slice_has_suffix_fold(type, UE_SLICE("Exception")));
}

/* The answer's own word where it is one of AWS's, else the one of its class. */
static UeStatus
find_exception(UeArena *arena, const UeAnswer *answer, UeSlice *out)
{
	UeSlice type = answer->type;
	UeBuf buf;

	if (!is_exception(type))
		type = ue_render_aws_exception(answer->class);
	ue_buf_init(&buf, arena, UE_LIMIT_BODY);
	ue_buf_append_byte(&buf, is_small(type.ptr[0]) ? (char) (type.ptr[0] - 'a' + 'A')
												   : type.ptr[0]);
	ue_buf_append(&buf, ue_slice_sub(type, 1, type.len));
	return ue_buf_finish(&buf, out);
}

UeStatus
ue_render_aws(UeArena *arena, const UeAnswer *answer, UeRendered *rendered)
{
	UeSlice id = answer->upstream_request_id;
	UeSlice exception;
	UeBuf buf;
	UeJsonOut json;
	UeStatus status = find_exception(arena, answer, &exception);

	if (status != UE_OK)
		return status;
	ue_buf_init(&buf, arena, 2 * UE_LIMIT_ANSWER);
	ue_jsonout_init(&json, &buf);
	ue_jsonout_append_begin(&json, '{');
	ue_jsonout_append_key(&json, UE_SLICE("message"));
	ue_jsonout_append_string(&json, answer->message);
	ue_buf_append_byte(&buf, ',');
	ue_buf_append(&buf, ue_slice_sub(rendered->body, 1, rendered->body.len));
	status = ue_buf_finish(&buf, &rendered->body);
	if (status != UE_OK)
		return status;
	if (ue_slice_is_empty(id))
		id = answer->request_id;
	ue_render_add_header(rendered, UE_SLICE("x-amzn-errortype"), exception);
	if (!ue_slice_is_empty(id))
		ue_render_add_header(rendered, UE_SLICE("x-amzn-requestid"), id);
	return UE_OK;
}
