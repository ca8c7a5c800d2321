/* SPDX-License-Identifier: PostgreSQL */
/*
 * parse.c: from an answer's bytes to a fault.
 *
 * Stages: (1) of an event stream, take the data of its event; (2) read JSON, whole or as
 * far as it goes; (3) ask the dialects in the order of the table; (4) what none claims is
 * general JSON, a page, or text; (5) look into JSON that a message wraps; (6) add what the
 * headers say.  Ceilings: UE_LIMIT_BODY bytes are looked at, and UE_LIMIT_JSON_NODES
 * values; of a larger document the beginning is read as if it had been cut there.
 */
#include "core/eventframe.h"
#include "core/limits.h"
#include "core/parse_fields.h"

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

/* "[0,0,…": two bytes make a value, so this much never has too many. */
#define ALWAYS_READABLE (2 * UE_LIMIT_JSON_NODES)

/* Wrapped JSON is told from a brace in a sentence by its beginning. */
#define WRAPPED_MIN 8

/* Google before the others: its shape is the narrowest; OpenAI's is the widest. */
static bool (*const dialects[])(const UeJson *root, UeFault *out) = {
	ue_parse_google,
	ue_parse_aws,
	ue_parse_anthropic,
	ue_parse_openai,
};

static const UeSlice request_id_headers[] = {
	UE_SLICE_INIT("x-request-id"),	   /* OpenAI, Azure OpenAI, Groq, Mistral, vLLM */
	UE_SLICE_INIT("request-id"),	   /* Anthropic */
	UE_SLICE_INIT("x-amzn-requestid"), /* Bedrock */
	UE_SLICE_INIT("x-amz-request-id"),
	UE_SLICE_INIT("apim-request-id"), /* Azure API Management */
	UE_SLICE_INIT("x-ms-request-id"),
	UE_SLICE_INIT("x-goog-request-id"),
	UE_SLICE_INIT("x-debug-trace-id"),	  /* Cohere */
	UE_SLICE_INIT("x-ds-trace-id"),		  /* DeepSeek */
	UE_SLICE_INIT("x-oneapi-request-id"), /* new-api */
	UE_SLICE_INIT("x-cpa-trace-id"),	  /* CLIProxyAPI */
	UE_SLICE_INIT("x-litellm-call-id"),
};

static const UeSlice request_id_paths[] = {
	UE_SLICE_INIT("request_id"), /* Anthropic */
	UE_SLICE_INIT("error.request_id"),	 UE_SLICE_INIT("requestId"),
	UE_SLICE_INIT("x_groq.id"),			 UE_SLICE_INIT("error.metadata.request_id"),
	UE_SLICE_INIT("Response.RequestId"), /* Tencent */
};

static const UeSlice nothing = {NULL, 0};

/* The text up to the bracket that nests too deep. */
static UeSlice
cut_depth(UeSlice text)
{
	int depth = 0;
	bool is_string = false;

	for (size_t i = 0; i < text.len; i++)
	{
		char byte = text.ptr[i];

		if (is_string && byte == '\\')
			i++;
		else if (byte == '"')
			is_string = !is_string;
		else if (!is_string && (byte == '{' || byte == '['))
		{
			if (++depth > UE_LIMIT_JSON_DEPTH)
				return ue_slice_sub(text, 0, i);
		}
		else if (!is_string && (byte == '}' || byte == ']'))
			depth--;
	}
	return text;
}

/* Reads as much JSON as the ceilings allow; *root is NULL when the text is not JSON. */
static UeStatus
read_json(UeArena *arena, UeSlice text, const UeJson **root, bool *is_whole)
{
	UeStatus status;

	*root = NULL;
	*is_whole = true;
	if (ue_slice_is_empty(text))
		return UE_OK;
	if (ue_parse_is_python(text))
	{
		status = ue_parse_python(arena, text, &text);
		if (status == UE_TOO_LARGE)
			return UE_OK;
		if (status != UE_OK)
			return status;
	}
	status = ue_json_parse(arena, text, root);
	if (status == UE_TOO_DEEP)
	{
		*is_whole = false;
		text = cut_depth(text);
		status = ue_json_parse(arena, text, root);
	}
	if (status == UE_TOO_LARGE)
	{
		*is_whole = false;
		status = ue_json_parse(arena, ue_slice_sub(text, 0, ALWAYS_READABLE), root);
	}
	if (status == UE_NO_MEMORY)
		return UE_NO_MEMORY;
	if (status != UE_OK)
		*root = NULL;
	return UE_OK;
}

static UeStatus
read_tree(UeArena *arena, const UeJson *root, UeFault *out)
{
	const UeJson *object = ue_parse_unwrap(root);
	UeFault general = {.dialect = UE_DIALECT_NONE, .retry_after_ms = UE_RETRY_AFTER_NONE};
	UeStatus status;
	bool is_claimed = false;

	for (size_t i = 0; i < N_ELEMENTS(dialects) && !is_claimed; i++)
		is_claimed = dialects[i](object, out);
	if (is_claimed && !ue_slice_is_empty(out->message))
		return UE_OK;

	/* {"error": {"code": "x"}, "message": "outer"}: the words are in other members */
	status = ue_parse_general(arena, object, &general);
	if (status != UE_OK)
		return status;
	if (is_claimed)
		out->message = general.message;
	else
		*out = general;
	return UE_OK;
}

/* A word that says more than a number or a placeholder does. */
static bool
is_telling(UeSlice word)
{
	int64_t number;

	return !ue_slice_is_empty(word) && !ue_slice_parse_int64(word, &number) &&
		   !ue_slice_is_equal_fold(word, UE_SLICE("none")) &&
		   !ue_slice_is_equal_fold(word, UE_SLICE("null")) &&
		   !ue_slice_is_equal_fold(word, UE_SLICE("error"));
}

/* Where JSON begins in a message that is, or ends with, a wrapped error. */
static bool
find_wrapped(UeSlice message, UeSlice *json, bool *is_all)
{
	size_t at;
	size_t end = message.len;

	*is_all = message.len > 0 &&
			  (message.ptr[0] == '{' || message.ptr[0] == '[' || message.ptr[0] == '"');
	if (*is_all)
	{
		*json = message;
		return message.len >= WRAPPED_MIN;
	}
	/* LiteLLM: "litellm.RateLimitError: AnthropicException - b'{...}'"; str() of an error
	 * of OpenAI's SDK: "Error code: 400 - {'error': {...}}" */
	if (!ue_slice_find(message, UE_SLICE("{\""), &at) &&
		!ue_slice_find(message, UE_SLICE("{'"), &at))
		return false;
	if (at > 0 && message.ptr[at - 1] == '\'' && message.ptr[end - 1] == '\'')
		end--;
	*json = ue_slice_sub(message, at, end - at);
	return json->len >= WRAPPED_MIN;
}

static void
take_wrapped(const UeFault *inner, bool is_all, UeFault *out)
{
	if (is_all && !ue_slice_is_empty(inner->message))
		out->message = inner->message;
	if (ue_slice_is_empty(out->type))
		out->type = inner->type;
	if (ue_slice_is_empty(out->code))
		out->code = inner->code;
	if (ue_slice_is_empty(out->param))
		out->param = inner->param;
	if (out->body_status == 0)
		out->body_status = inner->body_status;
	if (is_telling(inner->reason))
		out->reason = inner->reason;
	else if (is_telling(inner->code))
		out->reason = inner->code;
	else if (is_telling(inner->type))
		out->reason = inner->type;
	out->is_quota_daily = out->is_quota_daily || inner->is_quota_daily;
}

/*
 * Errors that gateways wrap as text into their own; bounded by UE_LIMIT_NESTED_JSON.  The
 * text is the fault's message, or is_aside: then only its words are of interest.
 */
static UeStatus
read_wrapped(UeArena *arena, UeSlice text, int64_t now_ms, bool is_aside, UeFault *out)
{
	UeSlice message = text;

	for (int depth = 0; depth < UE_LIMIT_NESTED_JSON; depth++)
	{
		UeFault inner = {.dialect = UE_DIALECT_NONE};
		const UeJson *root;
		UeSlice json;
		UeStatus status;
		bool is_all;
		bool is_whole;

		if (!find_wrapped(message, &json, &is_all))
			break;
		status = read_json(arena, json, &root, &is_whole);
		if (status == UE_OK && root != NULL)
			status = read_tree(arena, root, &inner);
		if (status != UE_OK)
			return status;
		if (root == NULL || ue_slice_is_empty(inner.message))
			break;
		take_wrapped(&inner, is_all && !is_aside, out);
		if (out->retry_after_ms == UE_RETRY_AFTER_NONE)
			(void) ue_parse_body_wait(root, now_ms, &out->retry_after_ms);
		message = inner.message;
	}
	return UE_OK;
}

/* OpenRouter: what the provider answered, as text or, now and then, as JSON. */
static UeSlice
find_aside(const UeJson *root)
{
	const UeJson *raw =
		ue_json_find_path(ue_parse_unwrap(root), UE_SLICE("error.metadata.raw"));

	if (raw != NULL && raw->type == UE_JSON_OBJECT)
		return raw->raw;
	return ue_slice_trim(ue_json_text(raw));
}

/*
 * The provider's answer is the error itself where OpenRouter only says that there was one:
 * then a page's title, a sentence, or what the JSON in it says stands for the message, and
 * its code for one that only repeats the status.
 */
static UeStatus
read_aside(UeArena *arena, const UeJson *root, int64_t now_ms, UeFault *out)
{
	UeSlice aside = find_aside(root);
	UeSlice code = out->code;
	int64_t number;
	UeStatus status;

	if (!ue_slice_is_equal_fold(out->message, UE_SLICE("Provider returned error")) ||
		ue_slice_is_empty(aside))
		return read_wrapped(arena, aside, now_ms, true, out);
	if (ue_slice_parse_int64(code, &number) && number == out->body_status)
		out->code = nothing;
	if (ue_parse_is_html(aside))
	{
		status = ue_parse_html_title(arena, aside, &aside);
		if (status != UE_OK)
			return status;
	}
	if (!ue_slice_is_empty(aside))
		out->message = aside;
	status = read_wrapped(arena, aside, now_ms, false, out);
	if (ue_slice_is_empty(out->code))
		out->code = code;
	return status;
}

static UeStatus
read_text(UeArena *arena, const UeResponse *response, UeSlice text, UeFault *out)
{
	size_t at;
	UeSlice content_type = ue_parse_find_header(response, UE_SLICE("content-type"));

	if (ue_slice_is_empty(text))
		return UE_OK;
	if (ue_parse_is_html(text) ||
		(text.ptr[0] == '<' && ue_slice_find_fold(content_type, UE_SLICE("html"), &at)))
	{
		out->dialect = UE_DIALECT_HTML;
		return ue_parse_html_title(arena, text, &out->message);
	}
	out->dialect = UE_DIALECT_TEXT;
	out->message = text;
	return UE_OK;
}

/* Bedrock's exceptions: the name is in the frame's headers, the rest in its payload. */
static UeStatus
read_frames(UeArena *arena, UeSlice body, UeFault *out, const UeJson **root,
			bool *is_whole)
{
	UeEventFrame frame;
	UeStatus status;

	*root = NULL;
	*is_whole = false;
	if (!ue_eventframe_find_error(body, &frame))
		return UE_OK;
	status = read_json(arena, ue_slice_trim(frame.payload), root, is_whole);
	*is_whole = false;
	if (status == UE_OK && *root != NULL)
		status = read_tree(arena, *root, out);
	if (status != UE_OK)
		return status;
	if (ue_slice_is_empty(out->message))
		out->message = ue_slice_trim(frame.message);
	if (ue_slice_is_empty(out->message) && *root == NULL)
		out->message = ue_slice_trim(frame.payload);
	out->type = ue_slice_trim(frame.exception);
	out->dialect = UE_DIALECT_OTHER_JSON;
	out->is_cut = frame.is_cut;
	return UE_OK;
}

static UeStatus
read_body(UeArena *arena, const UeResponse *response, UeFault *out, const UeJson **root,
		  bool *is_whole)
{
	UeSlice body = ue_slice_sub(response->body, 0, UE_LIMIT_BODY);
	UeSlice text = ue_slice_trim(body);
	UeStatus status;
	bool is_event;
	bool is_part;
	bool is_cut;

	if (ue_eventframe_is_frame(body))
		return read_frames(arena, body, out, root, is_whole);
	/* UTF-8's byte order mark, which IIS sends */
	if (ue_slice_has_prefix(text, UE_SLICE("\xef\xbb\xbf")))
		text = ue_slice_trim(ue_slice_sub(text, 3, text.len));
	is_event = ue_parse_is_event(text);
	if (is_event)
	{
		status = ue_parse_event_data(arena, text, &text);
		if (status != UE_OK)
			return status;
		text = ue_slice_trim(text);
	}

	is_part = ue_parse_is_python(text);
	status = read_json(arena, text, root, is_whole);
	if (status == UE_OK && *root == NULL)
	{
		status = read_json(arena, ue_parse_find_value(text), root, is_whole);
		is_part = true;
	}
	if (status != UE_OK)
		return status;
	is_cut =
		*root != NULL && ((*root)->is_cut || !*is_whole || body.len < response->body.len);
	*is_whole = *is_whole && !is_event && !is_part && body.len == response->body.len;

	if (*root == NULL)
		return read_text(arena, response, text, out);
	status = read_tree(arena, *root, out);
	if (status == UE_OK)
		status = read_wrapped(arena, out->message, response->now_ms, false, out);
	if (status == UE_OK)
		status = read_aside(arena, *root, response->now_ms, out);
	if (status == UE_OK && ue_parse_is_html(out->message))
		status = ue_parse_html_title(arena, out->message, &out->message);
	out->is_cut = is_cut;
	return status;
}

static UeSlice
find_request_id(const UeResponse *response, const UeJson *root)
{
	UeSlice id = nothing;

	for (size_t i = 0; i < N_ELEMENTS(request_id_headers) && ue_slice_is_empty(id); i++)
		id = ue_parse_find_header(response, request_id_headers[i]);
	if (root == NULL)
		return id;
	root = ue_parse_unwrap(root);
	for (size_t i = 0; i < N_ELEMENTS(request_id_paths) && ue_slice_is_empty(id); i++)
		id = ue_slice_trim(ue_json_text(ue_json_find_path(root, request_id_paths[i])));

	/* Cohere: {"id": …, "message": …}, nothing else */
	if (ue_slice_is_empty(id) && ue_json_find(root, UE_SLICE("message")) != NULL &&
		ue_json_find(root, UE_SLICE("error")) == NULL)
		id = ue_parse_field(root, UE_SLICE("id"));
	return id;
}

UeStatus
ue_parse_response_tree(UeArena *arena, const UeResponse *response, UeFault *out,
					   const UeJson **root, bool *is_whole_body)
{
	UeFault fault = {.dialect = UE_DIALECT_NONE, .retry_after_ms = UE_RETRY_AFTER_NONE};
	const UeJson *tree = NULL;
	int64_t wait;
	UeSlice id;
	UeStatus status;
	bool is_whole = false;

	status = read_body(arena, response, &fault, &tree, &is_whole);
	if (status != UE_OK)
		return status;

	ue_parse_aws_type(response, tree != NULL ? ue_parse_unwrap(tree) : NULL, &fault);
	id = find_request_id(response, tree);
	if (!ue_slice_is_empty(id))
		fault.upstream_request_id = id;
	fault.status = response->status;
	/* what the answer says itself goes before what an error wrapped in it says */
	wait = ue_parse_retry_after(response, tree, fault.message);
	if (wait != UE_RETRY_AFTER_NONE)
		fault.retry_after_ms = wait;
	*out = fault;
	*root = tree;
	*is_whole_body = is_whole;
	return UE_OK;
}

UeStatus
ue_parse_response(UeArena *arena, const UeResponse *response, UeFault *out)
{
	const UeJson *root;
	bool is_whole;

	return ue_parse_response_tree(arena, response, out, &root, &is_whole);
}
