/* SPDX-License-Identifier: PostgreSQL */
/*
 * render_anthropic.c: {"type": "error", "error": {"type", "message"}, "request_id"}.
 *
 * In a stream the SDKs raise by the event's name, so the frame has an "event: error" line;
 * the object is the same.
 */
#include "core/jsonout.h"
#include "core/render.h"
#include "core/render_words.h"

static UeStatus
render_body(UeArena *arena, const UeAnswer *answer, UeSlice *out)
{
	UeBuf buf;
	UeJsonOut json;
	UeSlice type = answer->type;
	UeSlice request_id = answer->upstream_request_id;

	if (!ue_slice_is_empty(answer->passed_body))
	{
		*out = answer->passed_body;
		return UE_OK;
	}
	if (ue_slice_is_empty(type))
		type = ue_render_anthropic_type(answer->class);
	if (ue_slice_is_empty(request_id))
		request_id = answer->request_id;

	ue_buf_init(&buf, arena, UE_LIMIT_ANSWER);
	ue_jsonout_init(&json, &buf);
	ue_jsonout_append_begin(&json, '{');
	ue_jsonout_append_key(&json, UE_SLICE("type"));
	ue_jsonout_append_string(&json, UE_SLICE("error"));
	ue_jsonout_append_key(&json, UE_SLICE("error"));
	ue_jsonout_append_begin(&json, '{');
	ue_jsonout_append_key(&json, UE_SLICE("type"));
	ue_jsonout_append_string(&json, type);
	ue_jsonout_append_key(&json, UE_SLICE("message"));
	ue_jsonout_append_string(&json, answer->message);
	ue_jsonout_append_end(&json, '}');
	ue_jsonout_append_key(&json, UE_SLICE("request_id"));
	if (ue_slice_is_empty(request_id))
		ue_jsonout_append_null(&json);
	else
		ue_jsonout_append_string(&json, request_id);
	ue_jsonout_append_end(&json, '}');
	return ue_buf_finish(&buf, out);
}

UeStatus
ue_render_anthropic(UeArena *arena, const UeAnswer *answer, UeRendered *out)
{
	UeBuf buf;
	UeSlice body;
	UeSlice frame;
	UeStatus status = render_body(arena, answer, &body);

	if (status != UE_OK)
		return status;
	ue_buf_init(&buf, arena, UE_LIMIT_ANSWER + 32);
	ue_buf_append(&buf, UE_SLICE("event: error\ndata: "));
	ue_render_append_line(&buf, body);
	ue_buf_append(&buf, UE_SLICE("\n\n"));
	status = ue_buf_finish(&buf, &frame);
	if (status != UE_OK)
		return status;
	out->body = body;
	out->frame = frame;
	return UE_OK;
}
