/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_decide.c: what the corpus does not show: refusals, ceilings, other words.
 */
#include <stdlib.h>
#include <string.h>

#include "core/decide.h"
#include "core/utf8.h"
#include "corpus.h"
#include "tap.h"

static CountedMemory memory;
static UeArena arena;

static UeVerdict
decide(const UeCase *kase)
{
	UeVerdict verdict = {.rule_id = -1};

	ue_arena_reset(&arena);
	ok(ue_decide_case(&arena, NULL, kase, &verdict) == UE_OK, "there is a verdict");
	return verdict;
}

static UeSlice
find_header(const UeRendered *rendered, UeSlice name)
{
	for (size_t i = 0; i < rendered->n_headers; i++)
		if (ue_slice_is_equal(rendered->headers[i].name, name))
			return rendered->headers[i].value;
	return UE_SLICE("(none)");
}

static void
test_local_code(void)
{
	UeCase kase = {.kind = UE_KIND_LOCAL_ERROR, .local_code = UE_SLICE("nonsense")};
	UeVerdict verdict = {.rule_id = -1};

	ok(ue_decide_case(&arena, NULL, &kase, &verdict) == UE_INVALID_ARGUMENT &&
		   verdict.rule_id == -1,
	   "a code that is not in the catalogue is refused, and nothing written");
	kase.local_code = UE_SLICE("internal_error");
	kase.local_message = UE_SLICE("segment 7 of /var/lib/secret");
	verdict = decide(&kase);
	is_text(verdict.message, UE_SLICE("An internal error occurred."),
			"an internal cause is not told");
	ok(verdict.rule_id == 0 && verdict.action == UE_ACTION_ANSWER, "no rule decided");
}

static void
test_upstream_forbids_retry(void)
{
	UeHeader headers[] = {{UE_SLICE("X-Should-Retry"), UE_SLICE("false")},
						  {UE_SLICE("retry-after"), UE_SLICE("5")}};
	UeCase kase = {.response = {.status = 500, .headers = headers, .n_headers = 2},
				   .request_id = UE_SLICE("r")};
	UeVerdict verdict = decide(&kase);

	is_text(find_header(&verdict.answer, UE_SLICE("x-should-retry")), UE_SLICE("false"),
			"the upstream's own refusal of retries is passed on");
	kase.response.n_headers = 0;
	verdict = decide(&kase);
	is_text(find_header(&verdict.answer, UE_SLICE("x-should-retry")), UE_SLICE("(none)"),
			"without it a 500 may be retried");
}

/* What is said when the upstream names no wait. */
static void
test_aws_route(void)
{
	static const char *const routes[] = {"/model/amazon.nova-v1:0/converse",
										 "/bedrock/model/x/converse-stream",
										 "/model/x/invoke",
										 "/model/arn%3Aaws%3Abedrock/count-tokens"};
	static const char *const others[] = {"", "/v1/chat/completions", "/model/x",
										 "/converse", "/v1/models/x/invoke"};
	UeCase kase = {.response = {.platform = UE_SLICE("bedrock"),
								.status = 400,
								.body = UE_SLICE("{\"message\":\"no\"}")}};
	UeVerdict verdict;

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
	{
		kase.route = ue_slice_of(routes[i]);
		verdict = decide(&kase);
		is_text(find_header(&verdict.answer, UE_SLICE("x-amzn-errortype")),
				UE_SLICE("ValidationException"), routes[i]);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
	{
		kase.route = ue_slice_of(others[i]);
		verdict = decide(&kase);
		is_text(find_header(&verdict.answer, UE_SLICE("x-amzn-errortype")),
				UE_SLICE("(none)"), "not AWS's");
	}
	kase.route = ue_slice_of(routes[0]);
	kase.response.body =
		UE_SLICE("{\"error\":{\"message\":\"no\",\"type\":\"t\",\"param\":"
				 "null,\"code\":null},\"message\":\"other\"}");
	verdict = decide(&kase);
	is_text(verdict.answer.body,
			UE_SLICE("{\"message\":\"no\",\"error\":{\"message\":\"no\",\"type\":\"t\","
					 "\"param\":null,\"code\":\"invalid_request\"}}"),
			"a body of the format is built anew, so that no member is there twice");
}

static void
test_default_wait(void)
{
	UeHeader header = {UE_SLICE("x-should-retry"), UE_SLICE("false")};
	UeCase kase = {.response = {.status = 429}};
	UeVerdict verdict = decide(&kase);

	is_text(find_header(&verdict.answer, UE_SLICE("retry-after")), UE_SLICE("5"),
			"a rate limit without a hint: the class's wait");
	ok(verdict.fault.retry_after_ms == UE_RETRY_AFTER_NONE,
	   "which is ours, and not what the upstream said");
	kase.response.status = 529;
	verdict = decide(&kase);
	is_text(find_header(&verdict.answer, UE_SLICE("retry-after")), UE_SLICE("2"),
			"overload: 2 s");
	kase.response.status = 400;
	verdict = decide(&kase);
	is_text(find_header(&verdict.answer, UE_SLICE("retry-after")), UE_SLICE("(none)"),
			"a request at fault: none");
	kase.response.status = 429;
	kase.response.headers = &header;
	kase.response.n_headers = 1;
	verdict = decide(&kase);
	is_text(find_header(&verdict.answer, UE_SLICE("retry-after")), UE_SLICE("(none)"),
			"nor where the upstream forbids retries");
}

static void
test_language(void)
{
	UeCase kase = {.kind = UE_KIND_LOCAL_ERROR,
				   .local_code = UE_SLICE("unknown_route"),
				   .local_message = UE_SLICE("GET /x")};
	UeVerdict verdict = decide(&kase);

	is_text(verdict.message, UE_SLICE("Unknown route: GET /x"), "English by default");
	kase.accept_language = UE_SLICE("zh-CN,zh;q=0.9,en;q=0.8");
	verdict = decide(&kase);
	is_text(verdict.message, UE_SLICE("未知的路径：GET /x"), "Chinese when asked for");
	kase.accept_language = UE_SLICE("de");
	verdict = decide(&kase);
	is_text(verdict.message, UE_SLICE("Unknown route: GET /x"),
			"English for whom we have no text");
	kase = (UeCase){.response = {.status = 502},
					.format = UE_FORMAT_ANTHROPIC,
					.accept_language = UE_SLICE("zh")};
	verdict = decide(&kase);
	is_text(verdict.answer.body,
			UE_SLICE("{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":"
					 "\"上游服务返回 HTTP 502。\"},\"request_id\":null}"),
			"an upstream without words is told in Chinese");
	kase.response.body = UE_SLICE("{\"error\":{\"message\":\"no\",\"type\":\"t\"}}");
	verdict = decide(&kase);
	is_text(verdict.message, UE_SLICE("no"), "the upstream's own words stay as they are");
}

/* Of two members of a name a client's parser may read the other one. */
static void
test_doubled_names(void)
{
	UeCase kase = {.response = {.status = 400}};
	UeVerdict verdict;

	kase.response.body = UE_SLICE("{\"error\":{\"message\":\"a\",\"type\":\"t\","
								  "\"message\":\"b\",\"x\":1}}");
	verdict = decide(&kase);
	is_text(verdict.answer.body,
			UE_SLICE("{\"error\":{\"message\":\"a\",\"type\":\"t\",\"param\":null,"
					 "\"code\":\"invalid_request\"}}"),
			"an object with a name twice is rebuilt");
}

/* A cooling-down answer: what, until when, and after whose error. */
static void
test_cooldown(void)
{
	UeHeader header = {UE_SLICE("retry-after"), UE_SLICE("17")};
	UeCase kase = {.kind = UE_KIND_LOCAL_ERROR,
				   .response = {.headers = &header, .n_headers = 1},
				   .local_code = UE_SLICE("model_cooldown"),
				   .local_message = UE_SLICE("until 00:00:17Z, after 429 of openai")};
	UeVerdict verdict = decide(&kase);

	ok(verdict.answer.status == 429 && verdict.fault.phase == UE_PHASE_ROUTING &&
		   verdict.fault.owner == UE_OWNER_PLATFORM,
	   "a model that cools down is a matter of routing");
	is_text(find_header(&verdict.answer, UE_SLICE("retry-after")), UE_SLICE("17"),
			"with the wait that it has still to go");
	is_text(verdict.message,
			UE_SLICE("All upstream channels of this model are cooling down: "
					 "until 00:00:17Z, after 429 of openai"),
			"and why");
}

static void
test_no_status(void)
{
	UeCase kase = {.kind = UE_KIND_HTTP_ERROR};
	UeVerdict verdict = decide(&kase);

	ok(verdict.answer.status == 502 && verdict.fault.class == UE_CLASS_BAD_RESPONSE,
	   "an answer without a status, headers or body is a bad response, 502");
	kase.response.body = UE_SLICE("{\"error\":{\"code\":\"rate_limit_exceeded\"}}");
	verdict = decide(&kase);
	ok(verdict.answer.status == 429, "without a status the words decide");
}

static void
test_bounds_of_retry_after(void)
{
	UeHeader header = {UE_SLICE("retry-after"), UE_SLICE("60")};
	UeCase kase = {.response = {.status = 429, .headers = &header, .n_headers = 1}};
	UeVerdict verdict = decide(&kase);

	is_text(find_header(&verdict.answer, UE_SLICE("retry-after")), UE_SLICE("60"),
			"a minute is passed on");
	header.value = UE_SLICE("60.001");
	verdict = decide(&kase);
	is_text(find_header(&verdict.answer, UE_SLICE("retry-after")), UE_SLICE("(none)"),
			"more is not");
	is_text(find_header(&verdict.answer, UE_SLICE("x-should-retry")), UE_SLICE("false"),
			"but forbidden to be retried");
	header.value = UE_SLICE("0");
	verdict = decide(&kase);
	is_text(find_header(&verdict.answer, UE_SLICE("retry-after")), UE_SLICE("1"),
			"no wait at all is a second");
}

/* A body of len bytes made of unit, between prefix and suffix; the caller frees ptr. */
static UeSlice
build_body(const char *prefix, const char *unit, const char *suffix, size_t len)
{
	char *body = malloc(len);
	size_t at = strlen(prefix);

	if (body == NULL)
		abort();
	memcpy(body, prefix, at);
	while (at + strlen(unit) + strlen(suffix) <= len)
	{
		memcpy(body + at, unit, strlen(unit));
		at += strlen(unit);
	}
	memcpy(body + at, suffix, strlen(suffix));
	return (UeSlice){body, at + strlen(suffix)};
}

typedef struct Hostile
{
	const char *claim;
	const char *prefix;
	const char *unit;
	const char *suffix;
} Hostile;

/* Bodies made to cost memory: nodes, nodes wrapped in strings, text that masking lengthens. */
static const Hostile hostile[] = {
	{"numbers", "{\"error\":{\"message\":\"m\",\"x\":[0", ",0", "]}}"},
	{"empty objects", "{\"error\":{\"message\":\"m\",\"x\":[{}", ",{}", "]}}"},
	{"wrapped numbers",
	 "{\"error\":{\"message\":\"{\\\"message\\\":\\\"m\\\",\\\"x\\\":[0", ",0", "]}\"}}"},
	{"escapes", "{\"error\":{\"message\":\"", "\\u0001", "\",\"type\":\"t\"}}"},
	{"invalid bytes", "{\"error\":{\"message\":\"", "\xff", "\",\"type\":\"t\"}}"},
	{"strings of invalid bytes", "{\"error\":{\"message\":\"m\",\"type\":\"t\",\"x\":[0",
	 ",\"\xff\xff\xff\xff\xff\xff\"", "]}}"},
	{"secrets", "{\"error\":{\"message\":\"m\",\"type\":\"t\",\"x\":[0",
	 ",{\"token\":\"a\"}", "]}}"},
	{"addresses", "{\"error\":{\"message\":\"", "a@b.cc ", "\",\"type\":\"t\"}}"},
	{"control characters in text", "", "\x01", ""},
	{"brackets", "", "[", ""},
	{"events", "", "data: {\"error\":{}}\n\n", ""},
	{"empty events", "", "data:\n", ""},
	{"list entries", "{\"detail\":[{\"msg\":\"m\"}", ",{\"loc\":[0],\"msg\":\"m\"}",
	 "]}"},
	{"a page", "<title>", "&amp;<b>", "</title>"},
};

static void
test_hostile_bodies(void)
{
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++)
		for (UeFormat format = UE_FORMAT_OPENAI; format <= UE_FORMAT_GEMINI; format++)
		{
			UeSlice body = build_body(hostile[i].prefix, hostile[i].unit,
									  hostile[i].suffix, UE_LIMIT_BODY);
			UeCase kase = {.response = {.status = 500, .body = body}, .format = format};
			UeVerdict verdict;
			UeStatus status;

			ue_arena_free(&arena);
			ue_arena_init(&arena, &memory.allocator, UE_LIMIT_CASE_MEMORY);
			status = ue_decide_case(&arena, NULL, &kase, &verdict);
			ok(status == UE_OK && verdict.message.len <= UE_LIMIT_MESSAGE &&
				   verdict.detail.len <= UE_LIMIT_DETAIL &&
				   ue_utf8_is_valid(verdict.detail) &&
				   verdict.answer.body.len <= UE_LIMIT_ANSWER,
			   "64 KiB of %s: %s has a verdict within its memory (%zu KiB)",
			   hostile[i].claim, ue_format_name(format), arena.total / 1024);
			free((char *) body.ptr);
		}
}

static void
test_many_headers(void)
{
	static UeHeader headers[UE_LIMIT_HEADERS + 1];
	UeCase kase = {.response = {.status = 500,
								.headers = headers,
								.n_headers = UE_LIMIT_HEADERS + 1}};
	UeVerdict verdict;

	for (size_t i = 0; i < UE_LIMIT_HEADERS; i++)
		headers[i] = (UeHeader){UE_SLICE("x"), UE_SLICE("y")};
	headers[UE_LIMIT_HEADERS] = (UeHeader){UE_SLICE("x-request-id"), UE_SLICE("late")};
	verdict = decide(&kase);
	ok(ue_slice_is_empty(verdict.upstream_request_id),
	   "headers beyond the limit are not looked at");
}

/* Where an operator's rule is asked. */
typedef struct Path
{
	const char *name;
	UeKind kind;
	UeNetwork network;
	int status;
	const char *body;
	const char *local_code;
	const char *route;
	const char *condition;
	int default_status; /* what the client gets when the rule says no other */
	bool is_stream;
	bool has_output;
} Path;

static const Path paths[] = {
	{"a direct answer", UE_KIND_HTTP_ERROR, UE_NETWORK_NONE, 429,
	 "{\"error\":{\"message\":\"slow down\",\"type\":\"t\"}}", NULL,
	 "/v1/chat/completions", "\"keywords\":[\"SLOW down\"]", 429, false, false},
	/* sub2api does not ask its rules about an empty body */
	{"exhausted attempts without a body", UE_KIND_RETRY_EXHAUSTED, UE_NETWORK_NONE, 529,
	 "", NULL, "/v1/chat/completions", "\"error_codes\":[529]", 529, false, false},
	{"exhausted attempts without an answer", UE_KIND_RETRY_EXHAUSTED, UE_NETWORK_CONNECT,
	 0, "", NULL, "/v1/chat/completions", "\"classes\":[\"network\"]", 502, false, false},
	{"a stream's first event", UE_KIND_STREAM_ERROR, UE_NETWORK_NONE, 200,
	 "{\"error\":{\"message\":\"slow down\",\"code\":\"rate_limit_exceeded\"}}", NULL,
	 "/v1/chat/completions", "\"upstream_codes\":[\"rate_limit_exceeded\"]", 429, true,
	 false},
	{"a stream after output", UE_KIND_STREAM_ERROR, UE_NETWORK_NONE, 200,
	 "{\"error\":{\"message\":\"slow down\",\"code\":\"rate_limit_exceeded\"}}", NULL,
	 "/v1/chat/completions", "\"error_codes\":[429],\"has_output\":true", 429, true,
	 true},
	{"a stream that breaks off after output", UE_KIND_STREAM_ERROR, UE_NETWORK_TRUNCATED,
	 200, "", NULL, "/v1/chat/completions", "\"classes\":[\"stream\"]", 502, true, true},
	{"a local error", UE_KIND_LOCAL_ERROR, UE_NETWORK_NONE, 0, "",
	 "channel:no_available_key", "/v1/chat/completions",
	 "\"codes\":[\"channel:no_available_key\"]", 503, false, false},
	{"count_tokens", UE_KIND_HTTP_ERROR, UE_NETWORK_NONE, 400,
	 "{\"error\":{\"message\":\"no\"}}", NULL, "/v1/messages/count_tokens",
	 "\"error_codes\":[400],\"routes\":[\"*/count_tokens\"]", 400, false, false},
};

static UeCase
case_of_path(const Path *path)
{
	return (UeCase){.response = {.platform = UE_SLICE("openai"),
								 .status = path->status,
								 .body = ue_slice_of(path->body)},
					.kind = path->kind,
					.network = path->network,
					.is_stream = path->is_stream,
					.has_output = path->has_output,
					.route = ue_slice_of(path->route),
					.local_code = path->local_code == NULL
									  ? (UeSlice){NULL, 0}
									  : ue_slice_of(path->local_code)};
}

static UePolicy *
read_policy(const Path *path, const char *effect)
{
	char text[1024];
	UePolicyProblem problem;
	UePolicy *policy = NULL;

	(void)
		snprintf(text, sizeof(text),
				 "{\"snapshot\":1,\"generation\":1,\"mask_revision\":0}\n{\"rule\":{"
				 "\"id\":4,\"name\":\"r\",\"version\":3,\"match_mode\":\"all\",%s,%s}}\n"
				 "{\"end\":1}\n",
				 path->condition, effect);
	if (ue_policy_read(&memory.allocator, UE_LIMIT_POLICY_MEMORY, &arena,
					   ue_slice_of(text), &policy, &problem) != UE_OK)
		abort();
	return policy;
}

/* The same rule everywhere: its action is told, and the answer stays what it was. */
static void
test_action(const Path *path, UeAction action)
{
	char effect[128];
	const char *name = ue_action_name(action);
	UeCase kase = case_of_path(path);
	UeVerdict verdict = {.rule_id = -1};
	UePolicy *policy;

	(void) snprintf(effect, sizeof(effect), "\"action\":\"%s\"%s", name,
					action == UE_ACTION_COOLDOWN ? ",\"cooldown_s\":77" : "");
	ue_arena_reset(&arena);
	policy = read_policy(path, effect);
	ok(ue_decide_case(&arena, policy, &kase, &verdict) == UE_OK && verdict.rule_id == 4 &&
		   verdict.rule_version == 3 && verdict.action == action &&
		   verdict.cooldown_s == (action == UE_ACTION_COOLDOWN ? 77 : 0) &&
		   !verdict.is_unmonitored,
	   "%s: a rule's action %s is in the verdict", path->name, name);
	ok(verdict.answer.status == path->default_status, "%s: with %s the status stays %d",
	   path->name, name, path->default_status);
	ue_policy_free(policy);
}

static void
test_effects(const Path *path)
{
	UeCase kase = case_of_path(path);
	UeVerdict verdict = {.rule_id = -1};
	UeSlice expected =
		UE_SLICE("{\"message\":\"Busy.\",\"type\":\"busy_error\",\"param\":"
				 "null,\"code\":\"busy\"}");
	UePolicy *policy;
	size_t at;

	ue_arena_reset(&arena);
	policy = read_policy(
		path, "\"passthrough_code\":false,\"response_code\":503,\"passthrough_body\":"
			  "false,\"custom_message\":\"Busy.\",\"response_type\":\"busy_error\","
			  "\"response_error_code\":\"busy\",\"retry_after\":9,"
			  "\"skip_monitoring\":true");
	ok(ue_decide_case(&arena, policy, &kase, &verdict) == UE_OK &&
		   verdict.answer.status == 503 && verdict.is_unmonitored,
	   "%s: a rule's status, and that nothing is recorded", path->name);
	ok(ue_slice_find(verdict.answer.body, expected, &at) &&
		   ue_slice_find(verdict.answer.frame, expected, &at),
	   "%s: its message, type and code are in the body and in the frame", path->name);
	is_text(find_header(&verdict.answer, UE_SLICE("retry-after")), UE_SLICE("9"),
			"%s: and its wait in the headers", path->name);
	ue_policy_free(policy);
}

static void
test_rules_on_every_path(void)
{
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
	{
		for (int action = 0; action < UE_ACTION_COUNT; action++)
			test_action(&paths[i], (UeAction) action);
		test_effects(&paths[i]);
	}
}

int
main(void)
{
	counted_memory_init(&memory, SIZE_MAX);
	ue_arena_init(&arena, &memory.allocator, UE_LIMIT_CASE_MEMORY);
	test_local_code();
	test_upstream_forbids_retry();
	test_bounds_of_retry_after();
	test_aws_route();
	test_default_wait();
	test_language();
	test_doubled_names();
	test_cooldown();
	test_no_status();
	test_many_headers();
	test_rules_on_every_path();
	test_hostile_bodies();
	ue_arena_free(&arena);
	ok(memory.n_live == 0, "all memory comes back");
	return done_testing();
}
