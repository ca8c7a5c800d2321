/* SPDX-License-Identifier: PostgreSQL */
/*
 * render_openai.c: the error of Chat Completions and of Responses.
 *
 * Before the first byte both are {"error": {"message", "type", "param", "code"}}, all four
 * required by OpenAI's OpenAPI document, null where there is nothing to say.
 *
 * In a stream they differ.  A chat stream carries the same object as a data line, which
 * both SDKs raise on.  A Responses stream has an event: as specified it is flat ("code",
 * "message", "param", "sequence_number" beside "type": "error"), but openai-python raises
 * only on an "error" member and yields the flat form as if it were output, and openai-node
 * takes its message from there too.  So the event carries both.  The number of the event
 * is not known here and no SDK looks at it: 0.
 */
#include "core/jsonout.h"
#include "core/render.h"
#include "core/render_words.h"

static void
append_text_or_null(UeJsonOut *json, UeSlice key, UeSlice text)
{
	ue_jsonout_append_key(json, key);
	if (ue_slice_is_empty(text))
		ue_jsonout_append_null(json);
	else
		ue_jsonout_append_string(json, text);
}

static void
append_error(UeJsonOut *json, const UeAnswer *answer)
{
	UeSlice type = answer->type;

	if (ue_slice_is_empty(type))
		type = ue_render_openai_type(answer->class);
	ue_jsonout_append_begin(json, '{');
	ue_jsonout_append_key(json, UE_SLICE("message"));
	ue_jsonout_append_string(json, answer->message);
	ue_jsonout_append_key(json, UE_SLICE("type"));
	ue_jsonout_append_string(json, type);
	append_text_or_null(json, UE_SLICE("param"), answer->param);
	append_text_or_null(json, UE_SLICE("code"), answer->code);
	ue_jsonout_append_end(json, '}');
}

static UeStatus
render_body(UeArena *arena, const UeAnswer *answer, UeSlice *out)
{
	UeBuf buf;
	UeJsonOut json;

	if (!ue_slice_is_empty(answer->passed_body))
	{
		*out = answer->passed_body;
		return UE_OK;
	}
	ue_buf_init(&buf, arena, UE_LIMIT_ANSWER);
	ue_jsonout_init(&json, &buf);
	ue_jsonout_append_begin(&json, '{');
	ue_jsonout_append_key(&json, UE_SLICE("error"));
	append_error(&json, answer);
	ue_jsonout_append_end(&json, '}');
	return ue_buf_finish(&buf, out);
}

UeStatus
ue_render_openai(UeArena *arena, const UeAnswer *answer, UeRendered *out)
{
	UeBuf buf;
	UeSlice body;
	UeSlice frame;
	UeStatus status = render_body(arena, answer, &body);

	if (status != UE_OK)
		return status;
	ue_buf_init(&buf, arena, UE_LIMIT_ANSWER + 16);
	ue_buf_append(&buf, UE_SLICE("data: "));
	ue_render_append_line(&buf, body);
	ue_buf_append(&buf, UE_SLICE("\n\n"));
	status = ue_buf_finish(&buf, &frame);
	if (status != UE_OK)
		return status;
	out->body = body;
	out->frame = frame;
	return UE_OK;
}

UeStatus
ue_render_openai_responses(UeArena *arena, const UeAnswer *answer, UeRendered *out)
{
	UeBuf buf;
	UeJsonOut json;
	UeSlice body;
	UeSlice frame;
	UeStatus status = render_body(arena, answer, &body);

	if (status != UE_OK)
		return status;
	ue_buf_init(&buf, arena, 2 * UE_LIMIT_ANSWER);
	ue_buf_append(&buf, UE_SLICE("event: error\ndata: "));
	ue_jsonout_init(&json, &buf);
	ue_jsonout_append_begin(&json, '{');
	ue_jsonout_append_key(&json, UE_SLICE("type"));
	ue_jsonout_append_string(&json, UE_SLICE("error"));
	append_text_or_null(&json, UE_SLICE("code"), answer->code);
	ue_jsonout_append_key(&json, UE_SLICE("message"));
	ue_jsonout_append_string(&json, answer->message);
	append_text_or_null(&json, UE_SLICE("param"), answer->param);
	ue_jsonout_append_key(&json, UE_SLICE("sequence_number"));
	ue_jsonout_append_int64(&json, 0);
	ue_jsonout_append_key(&json, UE_SLICE("error"));
	append_error(&json, answer);
	ue_jsonout_append_end(&json, '}');
	ue_buf_append(&buf, UE_SLICE("\n\n"));
	status = ue_buf_finish(&buf, &frame);
	if (status != UE_OK)
		return status;
	out->body = body;
	out->frame = frame;
	return UE_OK;
}
