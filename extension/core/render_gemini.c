/* SPDX-License-Identifier: PostgreSQL */
/*
 * render_gemini.c: {"error": {"code", "message", "status", "details"}}, AIP-193.
 *
 * code is the HTTP status.  Google tells a wait in the body, as RetryInfo, not in a header;
 * so a wait is told there too.  The code and the request id of an answer of ours go where
 * Google puts its own: ErrorInfo's reason, RequestInfo's requestId.
 */
#include "core/jsonout.h"
#include "core/render.h"
#include "core/render_words.h"

/* ErrorInfo.domain: whose reason it is. */
#define DOMAIN_NAME "upstream_errors"

static void
append_retry_info(UeArena *arena, UeJsonOut *json, int seconds)
{
	UeBuf buf;
	UeSlice delay;

	ue_buf_init(&buf, arena, UE_LIMIT_TOKEN);
	ue_buf_append_int64(&buf, seconds);
	ue_buf_append_byte(&buf, 's');
	if (ue_buf_finish(&buf, &delay) != UE_OK)
	{
		json->buf->status = json->buf->status == UE_OK ? UE_NO_MEMORY : json->buf->status;
		return;
	}
	ue_jsonout_append_begin(json, '{');
	ue_jsonout_append_key(json, UE_SLICE("@type"));
	ue_jsonout_append_string(json, UE_SLICE("type.googleapis.com/google.rpc.RetryInfo"));
	ue_jsonout_append_key(json, UE_SLICE("retryDelay"));
	ue_jsonout_append_string(json, delay);
	ue_jsonout_append_end(json, '}');
}

/* ErrorInfo.reason is written in capitals with underscores (AIP-193). */
static UeStatus
copy_reason(UeArena *arena, UeSlice code, UeSlice *out)
{
	UeBuf buf;

	ue_buf_init(&buf, arena, UE_LIMIT_BODY);
	for (size_t i = 0; i < code.len; i++)
	{
		char byte = code.ptr[i];

		if (byte >= 'a' && byte <= 'z')
			byte = (char) (byte - 'a' + 'A');
		else if ((byte < 'A' || byte > 'Z') && (byte < '0' || byte > '9'))
			byte = '_';
		ue_buf_append_byte(&buf, byte);
	}
	return ue_buf_finish(&buf, out);
}

static void
append_details(UeArena *arena, UeJsonOut *json, UeSlice reason, const UeAnswer *answer)
{
	if (ue_slice_is_empty(reason) && answer->retry_after_s == 0)
		return;
	ue_jsonout_append_key(json, UE_SLICE("details"));
	ue_jsonout_append_begin(json, '[');
	if (!ue_slice_is_empty(reason))
	{
		ue_jsonout_append_begin(json, '{');
		ue_jsonout_append_key(json, UE_SLICE("@type"));
		ue_jsonout_append_string(json,
								 UE_SLICE("type.googleapis.com/google.rpc.ErrorInfo"));
		ue_jsonout_append_key(json, UE_SLICE("reason"));
		ue_jsonout_append_string(json, reason);
		ue_jsonout_append_key(json, UE_SLICE("domain"));
		ue_jsonout_append_string(json, UE_SLICE(DOMAIN_NAME));
		ue_jsonout_append_end(json, '}');
	}
	if (answer->retry_after_s > 0)
		append_retry_info(arena, json, answer->retry_after_s);
	ue_jsonout_append_end(json, ']');
}

static UeStatus
render_body(UeArena *arena, const UeAnswer *answer, UeSlice *out)
{
	UeBuf buf;
	UeJsonOut json;
	UeSlice name = answer->type;
	UeSlice reason;
	UeStatus status;

	if (!ue_slice_is_empty(answer->passed_body))
	{
		*out = answer->passed_body;
		return UE_OK;
	}
	if (ue_slice_is_empty(name))
		name = ue_render_google_status(answer->class, answer->status);
	status = copy_reason(arena, answer->code, &reason);
	if (status != UE_OK)
		return status;

	ue_buf_init(&buf, arena, UE_LIMIT_ANSWER);
	ue_jsonout_init(&json, &buf);
	ue_jsonout_append_begin(&json, '{');
	ue_jsonout_append_key(&json, UE_SLICE("error"));
	ue_jsonout_append_begin(&json, '{');
	ue_jsonout_append_key(&json, UE_SLICE("code"));
	ue_jsonout_append_int64(&json, answer->status);
	ue_jsonout_append_key(&json, UE_SLICE("message"));
	ue_jsonout_append_string(&json, answer->message);
	ue_jsonout_append_key(&json, UE_SLICE("status"));
	ue_jsonout_append_string(&json, name);
	append_details(arena, &json, reason, answer);
	ue_jsonout_append_end(&json, '}');
	ue_jsonout_append_end(&json, '}');
	return ue_buf_finish(&buf, out);
}

UeStatus
ue_render_gemini(UeArena *arena, const UeAnswer *answer, UeRendered *out)
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
