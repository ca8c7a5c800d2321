/* SPDX-License-Identifier: PostgreSQL */
/*
 * telltale.c: the members by which vendors tell of an error.
 *
 * Three kinds of evidence.  A member that nothing but an error has settles it.  A number of
 * a vendor's own, or a refusal ("success": false), counts where there is no answer beside
 * it.  Code and message, which good answers of many servers have too ("code": 0, "message":
 * "ok"), count only in an object that has nothing but what errors have.
 */
#include "core/telltale.h"

#include "core/walk.h"

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

enum
{
	SETTLED = 1 << 0,
	NUMBERED = 1 << 1, /* a vendor's number that is not zero */
	CODE = 1 << 2,	   /* one that is not success */
	INTEGER = 1 << 3,  /* and a number */
	MESSAGE = 1 << 4,
	ERRORS = 1 << 5,
	ERROR_CODE = 1 << 6,
	ERROR_MSG = 1 << 7,
	SID = 1 << 8,
	FAILED = 1 << 9, /* "success": false */
	SUCCEEDED = 1 << 10,
	ANSWER = 1 << 11,
	NO_ANSWER = 1 << 12, /* its place, empty */
	FOREIGN = 1 << 13,	 /* a member that errors do not have */
	ENVELOPE = 1 << 14,	 /* of a protocol, whose errors its client reads itself */
};

typedef struct Member
{
	UeSlice key;
	uint32_t (*read)(UeSlice value);
} Member;

static uint32_t read_error(UeSlice value);
static uint32_t read_type(UeSlice value);
static uint32_t read_object(UeSlice value);
static uint32_t read_code(UeSlice value);
static uint32_t read_message(UeSlice value);
static uint32_t read_errors(UeSlice value);
static uint32_t read_error_code(UeSlice value);
static uint32_t read_error_msg(UeSlice value);
static uint32_t read_sid(UeSlice value);
static uint32_t read_success(UeSlice value);
static uint32_t read_base_resp(UeSlice value);
static uint32_t read_header(UeSlice value);
static uint32_t read_response(UeSlice value);
static uint32_t read_answer(UeSlice value);
static uint32_t read_choices(UeSlice value);
static uint32_t read_jsonrpc(UeSlice value);

static const Member members[] = {
	{UE_SLICE_INIT("error"), read_error},
	{UE_SLICE_INIT("type"), read_type},
	{UE_SLICE_INIT("object"), read_object},
	{UE_SLICE_INIT("code"), read_code},
	{UE_SLICE_INIT("message"), read_message},
	{UE_SLICE_INIT("msg"), read_message},
	{UE_SLICE_INIT("errors"), read_errors},
	{UE_SLICE_INIT("error_code"), read_error_code},
	{UE_SLICE_INIT("error_msg"), read_error_msg},
	{UE_SLICE_INIT("sid"), read_sid},
	{UE_SLICE_INIT("success"), read_success},
	{UE_SLICE_INIT("base_resp"), read_base_resp},
	{UE_SLICE_INIT("header"), read_header},
	{UE_SLICE_INIT("Response"), read_response},
	{UE_SLICE_INIT("choices"), read_choices},
	{UE_SLICE_INIT("jsonrpc"), read_jsonrpc},
};

static const UeSlice answers[] = {
	UE_SLICE_INIT("output"),  UE_SLICE_INIT("data"),	   UE_SLICE_INIT("candidates"),
	UE_SLICE_INIT("content"), UE_SLICE_INIT("result"),	   UE_SLICE_INIT("results"),
	UE_SLICE_INIT("payload"), UE_SLICE_INIT("embeddings"), UE_SLICE_INIT("text"),
	UE_SLICE_INIT("images"),  UE_SLICE_INIT("reply"),
};

/* What errors carry besides, and what says nothing. */
static const UeSlice neutral[] = {
	UE_SLICE_INIT("request_id"), UE_SLICE_INIT("requestId"),   UE_SLICE_INIT("RequestId"),
	UE_SLICE_INIT("id"),		 UE_SLICE_INIT("param"),	   UE_SLICE_INIT("status"),
	UE_SLICE_INIT("statusCode"), UE_SLICE_INIT("status_code"), UE_SLICE_INIT("timestamp"),
	UE_SLICE_INIT("path"),		 UE_SLICE_INIT("trace_id"),	   UE_SLICE_INIT("traceId"),
	UE_SLICE_INIT("detail"),	 UE_SLICE_INIT("details"),	   UE_SLICE_INIT("reason"),
	UE_SLICE_INIT("messages"),
};

static bool
is_among(UeSlice text, const UeSlice *list, size_t n_list)
{
	for (size_t i = 0; i < n_list; i++)
		if (ue_slice_is_equal(text, list[i]))
			return true;
	return false;
}

static UeSlice
unquote(UeSlice value)
{
	if (value.len >= 2 && value.ptr[0] == '"')
		return ue_slice_sub(value, 1, value.len - 2);
	return value;
}

/* Good answers of several servers carry "error":null, {}, [], "" or 0. */
static bool
is_said(UeSlice value)
{
	static const UeSlice nothings[] = {UE_SLICE_INIT("null"), UE_SLICE_INIT("false"),
									   UE_SLICE_INIT("0"), UE_SLICE_INIT("\"\""),
									   UE_SLICE_INIT("")};

	if (is_among(value, nothings, N_ELEMENTS(nothings)))
		return false;
	if (value.ptr[0] != '{' && value.ptr[0] != '[')
		return true;
	return value.len > 2 && ue_slice_trim(ue_slice_sub(value, 1, value.len - 2)).len > 0;
}

/* An integer other than zero, as a number or in a string. */
static bool
is_number(UeSlice value)
{
	int64_t number;

	return ue_slice_parse_int64(ue_slice_trim(unquote(value)), &number) && number != 0;
}

static uint32_t
read_error(UeSlice value)
{
	return is_said(value) ? SETTLED : 0;
}

static uint32_t
read_type(UeSlice value)
{
	return ue_slice_is_equal(value, UE_SLICE("\"error\"")) ||
				   ue_slice_is_equal(value, UE_SLICE("\"response.failed\""))
			   ? SETTLED
			   : 0;
}

/* Mistral, vLLM: {"object": "error", "message", …}; "chat.completion" is an answer's. */
static uint32_t
read_object(UeSlice value)
{
	return ue_slice_is_equal(value, UE_SLICE("\"error\"")) ? SETTLED : FOREIGN;
}

static uint32_t
read_code(UeSlice value)
{
	static const UeSlice successes[] = {UE_SLICE_INIT("0"), UE_SLICE_INIT("200"),
										UE_SLICE_INIT("success"), UE_SLICE_INIT("ok")};
	UeSlice text = ue_slice_trim(unquote(value));

	if (!is_said(value) || ue_slice_is_empty(text) || text.ptr[0] == '{' ||
		text.ptr[0] == '[')
		return 0;
	for (size_t i = 0; i < N_ELEMENTS(successes); i++)
		if (ue_slice_is_equal_fold(text, successes[i]))
			return SUCCEEDED;
	return is_number(value) ? CODE | INTEGER : CODE;
}

static uint32_t
read_message(UeSlice value)
{
	return value.ptr[0] == '"' && is_said(value) ? MESSAGE : 0;
}

static uint32_t
read_errors(UeSlice value)
{
	return value.ptr[0] == '[' && is_said(value) ? ERRORS : 0;
}

static uint32_t
read_error_code(UeSlice value)
{
	return is_number(value) ? ERROR_CODE : 0;
}

static uint32_t
read_error_msg(UeSlice value)
{
	return is_said(value) ? ERROR_MSG : 0;
}

static uint32_t
read_sid(UeSlice value)
{
	return is_said(value) ? SID : 0;
}

static uint32_t
read_success(UeSlice value)
{
	return ue_slice_is_equal(value, UE_SLICE("false")) ? FAILED : SUCCEEDED;
}

/* MiniMax: {"status_code": 1002, "status_msg": "…"} */
static uint32_t
read_base_resp(UeSlice value)
{
	return is_number(ue_walk_find(value, UE_SLICE("status_code"))) ? NUMBERED : 0;
}

/* iFlytek: {"code": 11200, "message": "…", "sid": "…"} */
static uint32_t
read_header(UeSlice value)
{
	return is_number(ue_walk_find(value, UE_SLICE("code"))) &&
				   is_said(ue_walk_find(value, UE_SLICE("sid")))
			   ? NUMBERED
			   : 0;
}

/* Tencent: {"Error": {"Code": "…", "Message": "…"}, "RequestId": "…"} */
static uint32_t
read_response(UeSlice value)
{
	return is_said(ue_walk_find(ue_walk_find(value, UE_SLICE("Error")), UE_SLICE("Code")))
			   ? SETTLED
			   : ANSWER;
}

static uint32_t
read_answer(UeSlice value)
{
	return is_said(value) ? ANSWER : NO_ANSWER;
}

/* OpenRouter: of an answer that broke off the error is a member of its choice. */
static uint32_t
read_choices(UeSlice value)
{
	UeSlice error = {NULL, 0};
	size_t at;

	if (value.ptr[0] == '[' && ue_slice_find(value, UE_SLICE("{"), &at))
		error = ue_walk_find(ue_slice_sub(value, at, value.len), UE_SLICE("error"));
	return is_said(ue_walk_find(error, UE_SLICE("message"))) ||
				   is_said(ue_walk_find(error, UE_SLICE("code")))
			   ? SETTLED
			   : read_answer(value);
}

/* Tool servers (MCP) answer what a tool refused with 200 and an error object of JSON-RPC. */
static uint32_t
read_jsonrpc(UeSlice value)
{
	return ue_slice_is_equal(value, UE_SLICE("\"2.0\"")) ? ENVELOPE : 0;
}

/* AWS writes the exception of an event stream as the member of a union. */
static bool
is_exception(UeSlice key, UeSlice value)
{
	return key.len > 9 && ue_slice_has_suffix_fold(key, UE_SLICE("Exception")) &&
		   ue_walk_find(value, UE_SLICE("message")).len > 0;
}

void
ue_telltale_note(UeTelltale *telltale, UeSlice key, UeSlice value)
{
	if (ue_slice_is_empty(value))
		return;
	for (size_t i = 0; i < N_ELEMENTS(members); i++)
		if (ue_slice_is_equal(members[i].key, key))
		{
			telltale->signs |= members[i].read(value);
			return;
		}
	if (is_among(key, answers, N_ELEMENTS(answers)))
		telltale->signs |= read_answer(value);
	else if (is_exception(key, value))
		telltale->signs |= SETTLED;
	else if (!is_among(key, neutral, N_ELEMENTS(neutral)))
		telltale->signs |= FOREIGN;
}

static bool
has_all(const UeTelltale *telltale, uint32_t signs)
{
	return (telltale->signs & signs) == signs;
}

/* Provided that no member is to come. */
static bool
is_error_by_all(const UeTelltale *telltale)
{
	if (telltale->signs & ANSWER)
		return false;
	if (has_all(telltale, NUMBERED) || has_all(telltale, ERROR_CODE | ERROR_MSG) ||
		has_all(telltale, CODE | INTEGER | SID))
		return true;
	if (has_all(telltale, FAILED))
		return (telltale->signs & (MESSAGE | ERRORS | CODE)) != 0;
	if (telltale->signs & (FOREIGN | SUCCEEDED))
		return false;
	return has_all(telltale, ERRORS) || has_all(telltale, CODE | MESSAGE);
}

UeTelltaleSays
ue_telltale_judge(const UeTelltale *telltale, bool is_whole)
{
	const uint32_t suspicious =
		NUMBERED | CODE | ERRORS | ERROR_CODE | ERROR_MSG | SID | FAILED | NO_ANSWER;

	if (telltale->signs & ENVELOPE)
		return UE_TELLTALE_GOOD;
	if (telltale->signs & SETTLED)
		return UE_TELLTALE_ERROR;
	if (is_whole)
		return is_error_by_all(telltale) ? UE_TELLTALE_ERROR : UE_TELLTALE_GOOD;
	if ((telltale->signs & ANSWER) || !(telltale->signs & suspicious))
		return UE_TELLTALE_GOOD;
	return UE_TELLTALE_OPEN;
}

bool
ue_telltale_is_suspect(UeSlice key)
{
	for (size_t i = 0; i < N_ELEMENTS(members); i++)
		if (ue_slice_is_equal(members[i].key, key))
			return members[i].read != read_object && members[i].read != read_message &&
				   members[i].read != read_choices && members[i].read != read_jsonrpc;
	return false;
}

bool
ue_telltale_is_error_object(const UeJson *object)
{
	UeTelltale telltale = {0};

	if (object == NULL || object->type != UE_JSON_OBJECT)
		return false;
	for (const UeJson *child = object->child; child != NULL; child = child->next)
		ue_telltale_note(&telltale, child->key, child->raw);
	return ue_telltale_judge(&telltale, true) == UE_TELLTALE_ERROR;
}
