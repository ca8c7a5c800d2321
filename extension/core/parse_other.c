/* SPDX-License-Identifier: PostgreSQL */
/*
 * parse_other.c: JSON that no dialect claims.
 *
 * Servers spell an explanation in a dozen ways.  The order of the names is that of the
 * gateways our users come from (error, message, msg, err, error_msg, detail,
 * header.message, response.error.message), extended by what OAuth, Cloudflare, AWS and
 * RFC 9457 send.  A value that explains nothing (null, false, a bare number, an empty
 * string) does not end the search, a value of an unexpected type does not spoil it.
 */
#include "core/buf.h"
#include "core/limits.h"
#include "core/parse_fields.h"

/* An object inside an object inside …: how far readable text is looked for. */
#define READABLE_DEPTH 3

/* Entries of a validation list that are told; the rest is in the body. */
#define READABLE_ENTRIES 8

static const UeSlice message_paths[] = {
	UE_SLICE_INIT("error_description"), /* OAuth, RFC 6749 5.2: "error" is then a code */
	UE_SLICE_INIT("error"),
	UE_SLICE_INIT("message"), /* Mistral, Cohere, AWS (also "Message") */
	UE_SLICE_INIT("msg"),
	UE_SLICE_INIT("err"),
	UE_SLICE_INIT("error_msg"),
	UE_SLICE_INIT("error_message"),
	UE_SLICE_INIT("errorMessage"),
	UE_SLICE_INIT("detail"), /* FastAPI, RFC 9457 */
	UE_SLICE_INIT("errors"), /* Cloudflare API v4 */
	UE_SLICE_INIT("header.message"),
	UE_SLICE_INIT("response.error"),
	UE_SLICE_INIT("title"), /* RFC 9457 */
	UE_SLICE_INIT("status.message"),
	UE_SLICE_INIT("reason"), /* {"error": true, "reason": …} */
};

static const UeSlice code_paths[] = {
	UE_SLICE_INIT("code"),
	UE_SLICE_INIT("error.code"),
	UE_SLICE_INIT("error_code"),
	UE_SLICE_INIT("errorCode"),
	UE_SLICE_INIT("errcode"),
	UE_SLICE_INIT("detail.code"),
	UE_SLICE_INIT("errors.0.code"),			   /* Cloudflare, IBM watsonx */
	UE_SLICE_INIT("error.0.code"),			   /* Cloudflare's AI gateway */
	UE_SLICE_INIT("errors.0.extensions.code"), /* GraphQL */
	UE_SLICE_INIT("response.error.code"),
};

static const UeSlice type_paths[] = {
	UE_SLICE_INIT("error.type"),  UE_SLICE_INIT("__type"), /* AWS JSON 1.1 */
	UE_SLICE_INIT("type"),		  UE_SLICE_INIT("error_type"),
	UE_SLICE_INIT("detail.type"),
};

static const UeSlice status_paths[] = {
	UE_SLICE_INIT("status_code"), UE_SLICE_INIT("statusCode"),
	UE_SLICE_INIT("status"),	  UE_SLICE_INIT("error.status"),
	UE_SLICE_INIT("code"),		  UE_SLICE_INIT("error.code"),
	UE_SLICE_INIT("error"),
};

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

/* "body.model" of the ["body", "model"] that pydantic calls loc */
static void
append_location(UeBuf *buf, const UeJson *loc)
{
	if (loc == NULL || loc->type != UE_JSON_ARRAY || loc->child == NULL)
		return;
	for (const UeJson *step = loc->child; step != NULL; step = step->next)
	{
		if (step != loc->child)
			ue_buf_append_byte(buf, '.');
		ue_buf_append(buf, ue_json_text(step));
	}
	ue_buf_append(buf, UE_SLICE(": "));
}

static UeSlice find_readable(const UeJson *node, int depth);

static UeStatus
join_entries(UeArena *arena, const UeJson *list, UeSlice *out)
{
	UeBuf buf;
	int n_entries = 0;

	ue_buf_init(&buf, arena, UE_LIMIT_BODY);
	for (const UeJson *entry = list->child; entry != NULL; entry = entry->next)
	{
		UeSlice text = find_readable(entry, READABLE_DEPTH);

		if (ue_slice_is_empty(text))
			continue;
		if (n_entries == READABLE_ENTRIES)
			break;
		if (n_entries++ > 0)
			ue_buf_append(&buf, UE_SLICE("; "));
		append_location(&buf, ue_json_find(entry, UE_SLICE("loc")));
		ue_buf_append(&buf, text);
	}
	return ue_buf_finish(&buf, out);
}

/* Text without joining: of a list, that of its first entry. */
static UeSlice
find_readable(const UeJson *node, int depth)
{
	static const UeSlice names[] = {UE_SLICE_INIT("message"),	  UE_SLICE_INIT("msg"),
									UE_SLICE_INIT("error_msg"),	  UE_SLICE_INIT("detail"),
									UE_SLICE_INIT("description"), UE_SLICE_INIT("error"),
									UE_SLICE_INIT("reason")};
	UeSlice nothing = {NULL, 0};

	if (node == NULL || depth == 0)
		return nothing;
	if (node->type == UE_JSON_STRING)
		return ue_slice_trim(node->text);
	if (node->type == UE_JSON_ARRAY)
		return find_readable(node->child, depth - 1);
	if (node->type != UE_JSON_OBJECT)
		return nothing;
	for (size_t i = 0; i < N_ELEMENTS(names); i++)
	{
		UeSlice text = find_readable(ue_json_find_fold(node, names[i]), depth - 1);

		if (!ue_slice_is_empty(text))
			return text;
	}
	return nothing;
}

UeStatus
ue_parse_readable(UeArena *arena, const UeJson *node, UeSlice *out)
{
	if (node != NULL && node->type == UE_JSON_OBJECT)
	{
		const UeJson *detail = ue_json_find_fold(node, UE_SLICE("detail"));

		/* Mistral wraps FastAPI's list once more: {"message": {"detail": [...]}} */
		if (detail != NULL && detail->type == UE_JSON_ARRAY &&
			ue_json_find_fold(node, UE_SLICE("message")) == NULL)
			node = detail;
	}
	if (node != NULL && node->type == UE_JSON_ARRAY)
		return join_entries(arena, node, out);
	*out = find_readable(node, READABLE_DEPTH);
	return UE_OK;
}

static UeSlice
find_first_token(const UeJson *root, const UeSlice *paths, size_t n_paths)
{
	UeSlice nothing = {NULL, 0};

	for (size_t i = 0; i < n_paths; i++)
	{
		UeSlice text = ue_slice_trim(ue_json_text(ue_parse_find_path(root, paths[i])));

		if (!ue_slice_is_empty(text))
			return text;
	}
	return nothing;
}

/* A word such as invalid_grant rather than a sentence. */
static bool
is_token(UeSlice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] == ' ' || text.ptr[i] == '{')
			return false;
	return text.len > 0 && text.len <= UE_LIMIT_TOKEN;
}

static void
read_words(const UeJson *root, UeFault *out)
{
	UeSlice error = ue_json_text(ue_parse_find_path(root, UE_SLICE("error")));

	out->code = find_first_token(root, code_paths, N_ELEMENTS(code_paths));
	if (ue_slice_is_empty(out->code) && is_token(ue_slice_trim(error)))
		out->code = ue_slice_trim(error);
	out->type = find_first_token(root, type_paths, N_ELEMENTS(type_paths));
	if (ue_slice_is_equal(out->type, UE_SLICE("error")))
		out->type = (UeSlice){NULL, 0};
	out->param = ue_slice_trim(ue_json_text(ue_parse_find_path(root, UE_SLICE("param"))));
	if (ue_slice_is_empty(out->param))
		out->param = ue_slice_trim(
			ue_json_text(ue_parse_find_path(root, UE_SLICE("error.param"))));

	for (size_t i = 0; i < N_ELEMENTS(status_paths) && out->body_status == 0; i++)
	{
		UeSlice text =
			ue_slice_trim(ue_json_text(ue_parse_find_path(root, status_paths[i])));
		int64_t value;

		if (ue_slice_parse_int64(text, &value) && value >= 400 && value <= 599)
			out->body_status = (int) value;
	}
}

UeStatus
ue_parse_general(UeArena *arena, const UeJson *root, UeFault *out)
{
	UeSlice word = {NULL, 0};

	if (root->type == UE_JSON_STRING)
	{
		out->dialect = UE_DIALECT_OTHER_JSON;
		out->message = ue_slice_trim(root->text);
		return UE_OK;
	}

	for (size_t i = 0; i < N_ELEMENTS(message_paths); i++)
	{
		UeSlice text;
		UeStatus status =
			ue_parse_readable(arena, ue_parse_find_path(root, message_paths[i]), &text);

		if (status != UE_OK)
			return status;
		if (ue_slice_is_empty(text))
			continue;
		/* {"error": "bad_thing", "message": "why"}: the sentence, if there is one */
		if (is_token(text) && ue_slice_is_empty(word))
		{
			word = text;
			continue;
		}
		if (is_token(text))
			continue;
		out->message = text;
		break;
	}
	if (ue_slice_is_empty(out->message))
		out->message = word;
	read_words(root, out);
	ue_parse_numbering(root, out);
	/* {"type": "content_block_delta", …}: an event that tells of no error */
	if (ue_slice_is_empty(out->message) && ue_slice_is_empty(out->code) &&
		out->body_status == 0)
		out->type = (UeSlice){NULL, 0};
	out->dialect = UE_DIALECT_OTHER_JSON;
	return UE_OK;
}
