/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_gateways_wire.c: what sub2api, new-api and CLIProxyAPI lose beside the body: the
 * request id, the wait, the error inside a stream, the status of an error of their own.
 *
 * docs/traps.md has the same rows with the reasons; test_gateways.c has the bodies.
 */
#include <jansson.h>
#include <string.h>

#include "core/decide.h"
#include "corpus.h"
#include "libc_allocator.h"
#include "tap.h"

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))
#define OURS			  "8a6f2c1e-ours"
#define THEIRS			  "req_theirs"

static UeArena arena;

static UeVerdict
decide(const UePolicy *policy, const UeCase *kase)
{
	UeVerdict verdict = {.rule_id = -1};

	if (ue_decide_case(&arena, policy, kase, &verdict) != UE_OK)
		ok(false, "there is a verdict");
	return verdict;
}

static UeSlice
find_header(const UeVerdict *verdict, const char *name)
{
	for (size_t i = 0; i < verdict->answer.n_headers; i++)
		if (ue_slice_is_equal(verdict->answer.headers[i].name, ue_slice_of(name)))
			return verdict->answer.headers[i].value;
	return (UeSlice){NULL, 0};
}

static UePolicy *
read_policy(const char *rule)
{
	char text[1024];
	UePolicyProblem problem;
	UePolicy *policy = NULL;

	(void) snprintf(text, sizeof(text),
					"{\"snapshot\":1,\"generation\":1,\"mask_revision\":0}\n{\"rule\":{"
					"\"id\":1,\"name\":\"r\",%s}}\n{\"end\":1}\n",
					rule);
	if (ue_policy_read(&libc_allocator, UE_LIMIT_POLICY_MEMORY, &arena, ue_slice_of(text),
					   &policy, &problem) != UE_OK)
		abort();
	return policy;
}

/* --- the request id --- */

typedef struct Body
{
	const char *of;
	const char *text;
} Body;

static const Body bodies[] = {
	{"an OpenAI error",
	 "{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":null,\"code\":null}}"},
	{"a Claude error",
	 "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"}}"},
	{"a Gemini error",
	 "{\"error\":{\"code\":503,\"message\":\"m\",\"status\":\"UNAVAILABLE\"}}"},
	{"a page", "<html><title>Bad gateway</title></html>"},
	{"nothing", ""},
};

#define CLAUDE 1 /* of these */

/*
 * new-api appends the id to a text that an OpenAI client of an OpenAI error, and a Claude
 * client of a Claude error, never see.
 */
static void
test_request_id(void)
{
	UeHeader header = {UE_SLICE("request-id"), UE_SLICE(THEIRS)};

	for (size_t i = 0; i < N_ELEMENTS(bodies); i++)
		for (UeFormat format = UE_FORMAT_OPENAI; format <= UE_FORMAT_GEMINI; format++)
		{
			UeCase kase = {.response = {.status = 503,
										.body = ue_slice_of(bodies[i].text),
										.now_ms = CORPUS_NOW_MS},
						   .format = format,
						   .request_id = UE_SLICE(OURS)};
			const char *name = ue_format_name(format);
			UeVerdict verdict = decide(NULL, &kase);
			size_t at;

			ok(ue_slice_is_equal(find_header(&verdict, "x-request-id"), UE_SLICE(OURS)) &&
				   ue_slice_is_equal(find_header(&verdict, "request-id"), UE_SLICE(OURS)),
			   "new-api: %s for %s: our request id is in the headers of both SDK families",
			   bodies[i].of, name);
			ok(!ue_slice_find(verdict.answer.body, UE_SLICE("(request id:"), &at),
			   "new-api: %s for %s: and no message is changed for it", bodies[i].of,
			   name);
			/* Anthropic's own error passes as it is, whose id was in a header too */
			if (format == UE_FORMAT_ANTHROPIC && i != CLAUDE)
				ok(ue_slice_find(verdict.answer.body, UE_SLICE("\"" OURS "\""), &at) &&
					   ue_slice_find(verdict.answer.frame, UE_SLICE("\"" OURS "\""), &at),
				   "new-api: %s for %s: it is in the body and in a stream's frame, too",
				   bodies[i].of, name);
			kase.response.headers = &header;
			kase.response.n_headers = 1;
			verdict = decide(NULL, &kase);
			ok(ue_slice_is_equal(find_header(&verdict, "request-id"), UE_SLICE(THEIRS)) &&
				   ue_slice_is_equal(find_header(&verdict,
												 "x-upstream-errors-request-id"),
									 UE_SLICE(OURS)),
			   "new-api: %s for %s: the upstream's own id is kept, ours beside it",
			   bodies[i].of, name);
		}
}

/* new-api: whoever replaces the message has to replace it in two places. */
static void
test_replaced_message(void)
{
	UePolicy *policy = read_policy("\"error_codes\":[503],\"passthrough_body\":false,"
								   "\"custom_message\":\"Busy, ask for {request_id}.\"");

	for (size_t i = 0; i < N_ELEMENTS(bodies); i++)
		for (UeFormat format = UE_FORMAT_OPENAI; format <= UE_FORMAT_GEMINI; format++)
		{
			UeCase kase = {.response = {.status = 503,
										.body = ue_slice_of(bodies[i].text),
										.now_ms = CORPUS_NOW_MS},
						   .format = format,
						   .request_id = UE_SLICE(OURS)};
			UeVerdict verdict = decide(policy, &kase);
			UeSlice text = UE_SLICE("\"message\":\"Busy, ask for " OURS ".\"");
			size_t at;

			ok(ue_slice_find(verdict.answer.body, text, &at) &&
				   ue_slice_find(verdict.answer.frame, text, &at),
			   "new-api: %s for %s: a replaced message is replaced wherever it stands",
			   bodies[i].of, ue_format_name(format));
		}
	ue_policy_free(policy);
}

/* --- the wait --- */

static void
test_wait(void)
{
	UeHeader headers[] = {
		{UE_SLICE("retry-after"), UE_SLICE("7")},
		{UE_SLICE("set-cookie"), UE_SLICE("session=PLANTED")},
		{UE_SLICE("x-litellm-key"), UE_SLICE("PLANTED")},
	};
	UeCase kase = {.response = {.status = 429,
								.headers = headers,
								.n_headers = N_ELEMENTS(headers),
								.now_ms = CORPUS_NOW_MS},
				   .request_id = UE_SLICE(OURS)};
	UeVerdict verdict = decide(NULL, &kase);
	bool is_clean = true;

	is_text(find_header(&verdict, "retry-after"), UE_SLICE("7"),
			"cpa: retry-after survives without a setting");
	for (size_t i = 0; i < verdict.answer.n_headers; i++)
		is_clean &=
			!ue_slice_is_equal(verdict.answer.headers[i].name, UE_SLICE("set-cookie")) &&
			!ue_slice_is_equal(verdict.answer.headers[i].name, UE_SLICE("x-litellm-key"));
	ok(is_clean, "cpa: cookies and other gateways' headers do not");
	headers[0] = (UeHeader){UE_SLICE("retry-after-ms"), UE_SLICE("750")};
	verdict = decide(NULL, &kase);
	is_text(find_header(&verdict, "retry-after"), UE_SLICE("1"),
			"cpa: 750 ms are a second, in every format");
	kase.format = UE_FORMAT_ANTHROPIC;
	verdict = decide(NULL, &kase);
	is_text(find_header(&verdict, "retry-after"), UE_SLICE("1"), "cpa: for Claude, too");
	headers[0] = (UeHeader){UE_SLICE("retry-after"), UE_SLICE("33")};
	kase.kind = UE_KIND_LOCAL_ERROR;
	kase.response.status = 0;
	kase.local_code = UE_SLICE("model_cooldown");
	kase.local_message = UE_SLICE("until 00:00:33Z, after 429 of openai");
	verdict = decide(NULL, &kase);
	ok(verdict.answer.status == 429 &&
		   ue_slice_is_equal(find_header(&verdict, "retry-after"), UE_SLICE("33")),
	   "cpa: a cooling-down answer says for how long");
	is_text(verdict.message,
			UE_SLICE("All upstream channels of this model are cooling down: until "
					 "00:00:33Z, after 429 of openai"),
			"cpa: and after which error");
}

/* --- inside a stream --- */

typedef struct Frame
{
	UeFormat format;
	int status;
	const char *begins;
	const char *type; /* of "error", Google: its status */
	const char *code; /* NULL: not looked at */
} Frame;


/* CLIProxyAPI's table of codes, which it has for Responses alone */
static const Frame frames[] = {
	{UE_FORMAT_OPENAI, 429, "data: {", "rate_limit_error", "rate_limit_exceeded"},
	{UE_FORMAT_OPENAI, 500, "data: {", "server_error", "upstream_server_error"},
	{UE_FORMAT_OPENAI_RESPONSES, 401, "event: error\ndata: {", "authentication_error",
	 "invalid_api_key"},
	{UE_FORMAT_OPENAI_RESPONSES, 403, "event: error\ndata: {", "permission_error",
	 "permission_denied"},
	{UE_FORMAT_OPENAI_RESPONSES, 404, "event: error\ndata: {", "invalid_request_error",
	 "not_found"},
	{UE_FORMAT_OPENAI_RESPONSES, 408, "event: error\ndata: {", "timeout_error", NULL},
	{UE_FORMAT_OPENAI_RESPONSES, 429, "event: error\ndata: {", "rate_limit_error",
	 "rate_limit_exceeded"},
	{UE_FORMAT_OPENAI_RESPONSES, 400, "event: error\ndata: {", "invalid_request_error",
	 "invalid_request"},
	{UE_FORMAT_OPENAI_RESPONSES, 500, "event: error\ndata: {", "server_error",
	 "upstream_server_error"},
	{UE_FORMAT_ANTHROPIC, 529, "event: error\ndata: {", "overloaded_error", NULL},
	{UE_FORMAT_ANTHROPIC, 429, "event: error\ndata: {", "rate_limit_error", NULL},
	{UE_FORMAT_ANTHROPIC, 504, "event: error\ndata: {", "timeout_error", NULL},
	{UE_FORMAT_ANTHROPIC, 500, "event: error\ndata: {", "api_error", NULL},
	{UE_FORMAT_GEMINI, 429, "data: {", "RESOURCE_EXHAUSTED", NULL},
	{UE_FORMAT_GEMINI, 503, "data: {", "UNAVAILABLE", NULL},
	{UE_FORMAT_GEMINI, 500, "data: {", "INTERNAL", NULL},
};

/* The frame's data as JSON; NULL when it is not just that. */
static json_t *
load_frame(UeSlice frame, const char *begins)
{
	size_t len = strlen(begins) - 1;

	if (!ue_slice_has_prefix(frame, ue_slice_of(begins)) || frame.len < len + 2 ||
		memcmp(frame.ptr + frame.len - 2, "\n\n", 2) != 0)
		return NULL;
	return json_loadb(frame.ptr + len, frame.len - len - 2, 0, NULL);
}

static bool
is_member(json_t *object, const char *name, const char *expected)
{
	const char *text = json_string_value(json_object_get(object, name));

	if (text != NULL && strcmp(text, expected) == 0)
		return true;
	printf("# %s: \"%s\" instead of \"%s\"\n", name, text == NULL ? "" : text, expected);
	return false;
}

static void
test_frames(void)
{
	for (size_t i = 0; i < N_ELEMENTS(frames); i++)
	{
		const Frame *frame = &frames[i];
		bool is_responses = frame->format == UE_FORMAT_OPENAI_RESPONSES;
		UeCase kase = {.response = {.status = frame->status,
									.body = UE_SLICE("{\"error\":{\"message\":\"m\"}}"),
									.now_ms = CORPUS_NOW_MS},
					   .format = frame->format,
					   .kind = UE_KIND_STREAM_ERROR,
					   .is_stream = true,
					   .has_output = true,
					   .request_id = UE_SLICE(OURS)};
		UeVerdict verdict = decide(NULL, &kase);
		json_t *root = load_frame(verdict.answer.frame, frame->begins);
		json_t *error = json_object_get(root, "error");
		const char *name = ue_format_name(frame->format);

		ok(is_member(error, frame->format == UE_FORMAT_GEMINI ? "status" : "type",
					 frame->type) &&
			   is_member(error, "message", "m") &&
			   (frame->code == NULL || is_member(error, "code", frame->code)),
		   "cpa: inside a stream, %s, %d: an error object with type, code and message",
		   name, frame->status);
		if (is_responses)
			ok(is_member(root, "type", "error") && is_member(root, "message", "m") &&
				   (frame->code == NULL || is_member(root, "code", frame->code)) &&
				   json_is_integer(json_object_get(root, "sequence_number")),
			   "cpa: %s, %d: and flat beside it, as it is specified", name,
			   frame->status);
		json_decref(root);
	}
}

/* CLIProxyAPI, new-api: a stream without its last event just ends, or is a 502 in a text. */
static void
test_broken_stream(void)
{
	static const struct
	{
		const char *what;
		UeNetwork network;
		int status;
		const char *message;
	} cases[] = {
		{"without its last event", UE_NETWORK_TRUNCATED, 502,
		 "The upstream service ended the stream before the answer was complete."},
		{"reset", UE_NETWORK_RESET, 502,
		 "The upstream service ended the stream before the answer was complete."},
		{"that stalls", UE_NETWORK_IDLE_TIMEOUT, 504,
		 "The upstream service stopped sending its answer."},
	};

	for (size_t i = 0; i < N_ELEMENTS(cases); i++)
		for (UeFormat format = UE_FORMAT_OPENAI; format <= UE_FORMAT_GEMINI; format++)
		{
			UeCase kase = {.format = format,
						   .kind = UE_KIND_STREAM_ERROR,
						   .network = cases[i].network,
						   .is_stream = true,
						   .has_output = true};
			UeVerdict verdict = decide(NULL, &kase);
			size_t at;

			ok(verdict.answer.status == cases[i].status &&
				   ue_slice_find(verdict.answer.frame, ue_slice_of(cases[i].message),
								 &at),
			   "new-api: a stream %s ends with an error of %s", cases[i].what,
			   ue_format_name(format));
		}
}

/* --- errors of their own --- */

typedef struct Local
{
	const char *claim;
	const char *code;
	int status;
	const char *public_code; /* for OpenAI's SDK */
	bool is_retryable;
} Local;

static const Local locals[] = {
	{"a body too large is 413", "request_body_too_large", 413, "request_body_too_large",
	 false},
	{"a body that cannot be read is 400", "read_request_body_failed", 400,
	 "read_request_body_failed", false},
	{"invalid JSON is 400", "bad_request_body", 400, "bad_request_body", false},
	{"a request that is refused is 400, not 500", "invalid_request", 400,
	 "invalid_request", false},
	{"no channel for a model is 503", "no_channel", 503, "no_channel", false},
	{"no channel on a retry is 503, not 500, and worth a retry", "get_channel_failed",
	 503, "channel_error", true},
	{"an unknown key is 401", "INVALID_API_KEY", 401, "INVALID_API_KEY", false},
	{"a locked user is 401", "USER_INACTIVE", 401, "USER_INACTIVE", false},
	{"access denied is 403", "access_denied", 403, "access_denied", false},
	{"a spent quota is 403", "insufficient_user_quota", 403, "insufficient_user_quota",
	 false},
	{"a key's spent quota is 403", "pre_consume_token_quota_failed", 403,
	 "pre_consume_token_quota_failed", false},
	{"a model without a price is 400", "model_price_error", 400, "internal_service_error",
	 false},
	{"an unknown route is 404", "unknown_route", 404, "unknown_route", false},
	{"what is not implemented is 501", "not_implemented", 501, "not_implemented", false},
	{"a panic is 500", "internal_error", 500, "internal_service_error", false},
	{"a transport failure is 502, not 500", "do_request_failed", 502,
	 "upstream_service_error", true},
	{"a count of tokens that failed is 500", "count_token_failed", 500,
	 "internal_service_error", false},
};

static void
test_locals(void)
{
	for (size_t i = 0; i < N_ELEMENTS(locals); i++)
	{
		const Local *local = &locals[i];
		UeCase kase = {.kind = UE_KIND_LOCAL_ERROR,
					   .local_code = ue_slice_of(local->code),
					   .local_message = UE_SLICE("with sk-proj-PLANTED0123456789abcdef"),
					   .request_id = UE_SLICE(OURS)};
		UeVerdict verdict = decide(NULL, &kase);
		json_t *root =
			json_loadb(verdict.answer.body.ptr, verdict.answer.body.len, 0, NULL);
		json_t *error = json_object_get(root, "error");
		bool is_useless =
			ue_slice_is_equal(find_header(&verdict, "x-should-retry"), UE_SLICE("false"));
		size_t at;

		ok(verdict.answer.status == local->status &&
			   is_member(error, "code", local->public_code) &&
			   json_string_length(json_object_get(error, "message")) > 0 &&
			   json_string_length(json_object_get(error, "type")) > 0,
		   "new-api: %s (%s), with type, code and message", local->claim, local->code);
		if (verdict.answer.status != local->status)
			printf("# status %d\n", verdict.answer.status);
		ok(is_useless != local->is_retryable, "new-api: %s: %s", local->code,
		   local->is_retryable ? "a retry may help" : "no retry is asked for");
		ok(!ue_slice_find(verdict.answer.body, UE_SLICE("PLANTED"), &at) &&
			   !ue_slice_find(verdict.message, UE_SLICE("PLANTED"), &at),
		   "new-api: %s is masked, there is no exception", local->code);
		ok(ue_slice_is_equal(find_header(&verdict, "x-request-id"), UE_SLICE(OURS)),
		   "new-api: %s has its request id in a header, not in its text", local->code);
		json_decref(root);
	}
}

int
main(void)
{
	ue_arena_init(&arena, &libc_allocator, (size_t) 64 * 1024 * 1024);
	test_request_id();
	test_replaced_message();
	test_wait();
	test_frames();
	test_broken_stream();
	test_locals();
	ue_arena_free(&arena);
	return done_testing();
}
