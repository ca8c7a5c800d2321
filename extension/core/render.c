/* SPDX-License-Identifier: PostgreSQL */
/*
 * render.c: status and headers of an answer, the same for every format.
 *
 * The SDKs of OpenAI read x-request-id, those of Anthropic request-id, so both are sent:
 * the upstream's id where there is one, for that is what the vendor's support asks for.
 * Ours has a header of its own.  retry-after is a whole number of seconds, at most 60,
 * because anthropic-ts sleeps as long as it is told and openai-python gives up above 120.
 */
#include "core/render.h"

static UeStatus (*const formats[])(UeArena *arena, const UeAnswer *answer,
								   UeRendered *out) = {
	[UE_FORMAT_OPENAI] = ue_render_openai,
	[UE_FORMAT_OPENAI_RESPONSES] = ue_render_openai_responses,
	[UE_FORMAT_ANTHROPIC] = ue_render_anthropic,
	[UE_FORMAT_GEMINI] = ue_render_gemini,
};

/* Visible ASCII only: what may stand in a header of ours. */
static bool
is_header_safe(UeSlice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] <= ' ' || text.ptr[i] > '~')
			return false;
	return text.len > 0 && text.len <= UE_LIMIT_TOKEN;
}

void
ue_render_add_header(UeRendered *out, UeSlice name, UeSlice value)
{
	if (out->n_headers == UE_LIMIT_ANSWER_HEADERS)
		return;
	out->headers[out->n_headers].name = name;
	out->headers[out->n_headers].value = value;
	out->n_headers++;
}

static UeStatus
render_headers(UeArena *arena, const UeAnswer *answer, UeRendered *out)
{
	UeSlice ours = answer->request_id;
	UeSlice theirs = answer->upstream_request_id;

	if (ue_slice_is_empty(theirs))
		theirs = ours;
	ue_render_add_header(out, UE_SLICE("content-type"), UE_SLICE("application/json"));
	if (!ue_slice_is_empty(theirs))
	{
		ue_render_add_header(out, UE_SLICE("x-request-id"), theirs);
		ue_render_add_header(out, UE_SLICE("request-id"), theirs);
	}
	if (!ue_slice_is_empty(ours))
		ue_render_add_header(out, UE_SLICE("x-upstream-errors-request-id"), ours);
	if (answer->is_retry_useless)
		ue_render_add_header(out, UE_SLICE("x-should-retry"), UE_SLICE("false"));
	else if (answer->retry_after_s > 0)
	{
		UeBuf buf;
		UeSlice seconds;
		UeStatus status;

		ue_buf_init(&buf, arena, UE_LIMIT_TOKEN);
		ue_buf_append_int64(&buf, answer->retry_after_s);
		status = ue_buf_finish(&buf, &seconds);
		if (status != UE_OK)
			return status;
		ue_render_add_header(out, UE_SLICE("retry-after"), seconds);
	}
	return UE_OK;
}

UeStatus
ue_render_answer(UeArena *arena, UeFormat format, const UeAnswer *answer, UeRendered *out)
{
	UeRendered rendered = {.status = answer->status};
	UeAnswer safe = *answer;
	UeStatus status;

	if (!is_header_safe(safe.request_id))
		safe.request_id = (UeSlice){NULL, 0};
	if (!is_header_safe(safe.upstream_request_id))
		safe.upstream_request_id = (UeSlice){NULL, 0};
	status = render_headers(arena, &safe, &rendered);
	if (status == UE_OK)
		status = formats[format](arena, &safe, &rendered);
	if (status == UE_OK && safe.is_aws)
		status = ue_render_aws(arena, &safe, &rendered);
	if (status == UE_OK)
		*out = rendered;
	return status;
}

static void
append_without_return(UeBuf *buf, UeSlice line)
{
	size_t at;

	while (ue_slice_find(line, UE_SLICE("\r"), &at))
	{
		ue_buf_append(buf, ue_slice_sub(line, 0, at));
		line = ue_slice_sub(line, at + 1, line.len);
	}
	ue_buf_append(buf, line);
}

void
ue_render_append_line(UeBuf *buf, UeSlice body)
{
	size_t at;

	/* inside JSON strings line ends are escaped, so raw ones are blanks between tokens */
	while (ue_slice_find(body, UE_SLICE("\n"), &at))
	{
		append_without_return(buf, ue_slice_sub(body, 0, at));
		body = ue_slice_sub(body, at + 1, body.len);
	}
	append_without_return(buf, body);
}

UeStatus
ue_render_header_block(UeArena *arena, const UeHeader *headers, size_t n_headers,
					   UeSlice *out)
{
	UeBuf buf;

	ue_buf_init(&buf, arena, UE_LIMIT_ANSWER);
	for (size_t i = 0; i < n_headers; i++)
	{
		ue_buf_append(&buf, headers[i].name);
		ue_buf_append(&buf, UE_SLICE(": "));
		ue_buf_append(&buf, headers[i].value);
		ue_buf_append_byte(&buf, '\n');
	}
	return ue_buf_finish(&buf, out);
}
