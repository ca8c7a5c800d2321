/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_render.c: the shapes that SDKs understand, byte by byte.
 */
#include "core/render.h"
#include "core/template.h"
#include "corpus.h"
#include "tap.h"

static CountedMemory memory;
static UeArena arena;

static UeAnswer
answer_of_rate_limit(void)
{
	UeAnswer answer = {
		.status = 429,
		.class = UE_CLASS_RATE_LIMIT,
		.message = UE_SLICE("say \"please\"\nlater"),
		.code = UE_SLICE("rate_limit_exceeded"),
		.request_id = UE_SLICE("req_ours"),
		.retry_after_s = 7,
	};

	return answer;
}

static UeSlice
find_header(const UeRendered *rendered, UeSlice name)
{
	for (size_t i = 0; i < rendered->n_headers; i++)
		if (ue_slice_is_equal(rendered->headers[i].name, name))
			return rendered->headers[i].value;
	return UE_SLICE("(none)");
}

/* A frame's data ends at a line's end, so a body with raw ones is joined. */
static void
test_frame_is_one_line(void)
{
	for (UeFormat format = UE_FORMAT_OPENAI; format <= UE_FORMAT_GEMINI; format++)
	{
		UeAnswer answer = answer_of_rate_limit();
		UeRendered out = {.status = 0};
		size_t n_lines = 0;

		answer.passed_body = UE_SLICE("{\r\n\"error\":\n{\"message\":\"m\"}\r}");
		ok(ue_render_answer(&arena, format, &answer, &out) == UE_OK, "%s renders",
		   ue_format_name(format));
		for (size_t i = 0; i < out.frame.len; i++)
			n_lines += out.frame.ptr[i] == '\n' || out.frame.ptr[i] == '\r';
		ok(n_lines == (format == UE_FORMAT_OPENAI || format == UE_FORMAT_GEMINI ? 2 : 3),
		   "%s: one line of data and a blank one", ue_format_name(format));
	}
}

/* AWS's SDKs take the exception from a header and the message from the top of the body. */
static void
test_aws(void)
{
	static const struct
	{
		UeClass class;
		const char *type;
		const char *exception;
	} vectors[] = {
		{UE_CLASS_RATE_LIMIT, "", "ThrottlingException"},
		{UE_CLASS_AUTHENTICATION, "", "UnrecognizedClientException"},
		{UE_CLASS_CONTEXT_LENGTH, "invalid_request_error", "ValidationException"},
		{UE_CLASS_SERVER_ERROR, "error", "InternalServerException"},
		{UE_CLASS_SERVER_ERROR, "ModelErrorException", "ModelErrorException"},
		{UE_CLASS_AUTHENTICATION, "SignatureDoesNotMatch", "SignatureDoesNotMatch"},
		{UE_CLASS_RATE_LIMIT, "throttlingException", "ThrottlingException"},
		{UE_CLASS_TIMEOUT, "Bad\r\nHeader", "ModelTimeoutException"},
	};

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
	{
		UeAnswer answer = answer_of_rate_limit();
		UeRendered out = {.status = 0};

		answer.is_aws = true;
		answer.class = vectors[i].class;
		answer.type = ue_slice_of(vectors[i].type);
		ok(ue_render_answer(&arena, UE_FORMAT_OPENAI, &answer, &out) == UE_OK &&
			   ue_slice_is_equal(find_header(&out, UE_SLICE("x-amzn-errortype")),
								 ue_slice_of(vectors[i].exception)),
		   "aws: \"%s\" and %s are %s", i == 7 ? "no word" : vectors[i].type,
		   ue_class_name(vectors[i].class), vectors[i].exception);
		if (i > 0)
			continue;
		is_text(out.body,
				UE_SLICE(
					"{\"message\":\"say \\\"please\\\"\\nlater\",\"error\":{"
					"\"message\":\"say \\\"please\\\"\\nlater\",\"type\":\"rate_"
					"limit_error\",\"param\":null,\"code\":\"rate_limit_exceeded\"}}"),
				"aws: the message stands before the error object");
		is_text(find_header(&out, UE_SLICE("x-amzn-requestid")), UE_SLICE("req_ours"),
				"aws: the request's id has the header that its SDKs read");
	}
}

static void
test_bodies(void)
{
	UeAnswer answer = answer_of_rate_limit();
	UeRendered out = {.status = 0};

	ok(ue_render_answer(&arena, UE_FORMAT_OPENAI, &answer, &out) == UE_OK,
	   "openai renders");
	is_text(out.body,
			UE_SLICE(
				"{\"error\":{\"message\":\"say \\\"please\\\"\\nlater\",\"type\":"
				"\"rate_limit_error\",\"param\":null,\"code\":\"rate_limit_exceeded\"}}"),
			"openai: four members, null where there is nothing");
	is_text(
		out.frame,
		UE_SLICE(
			"data: {\"error\":{\"message\":\"say \\\"please\\\"\\nlater\",\"type\":"
			"\"rate_limit_error\",\"param\":null,\"code\":\"rate_limit_exceeded\"}}\n\n"),
		"openai: a data line in the stream");

	ok(ue_render_answer(&arena, UE_FORMAT_OPENAI_RESPONSES, &answer, &out) == UE_OK,
	   "openai_responses renders");
	is_text(
		out.frame,
		UE_SLICE(
			"event: error\ndata: {\"type\":\"error\",\"code\":\"rate_limit_exceeded\","
			"\"message\":\"say \\\"please\\\"\\nlater\",\"param\":null,"
			"\"sequence_number\":0,\"error\":{\"message\":\"say \\\"please\\\"\\nlater\","
			"\"type\":\"rate_limit_error\",\"param\":null,\"code\":"
			"\"rate_limit_exceeded\"}}\n\n"),
		"openai_responses: flat as specified, and the member that SDKs raise on");

	ok(ue_render_answer(&arena, UE_FORMAT_ANTHROPIC, &answer, &out) == UE_OK,
	   "anthropic renders");
	is_text(
		out.body,
		UE_SLICE(
			"{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":"
			"\"say \\\"please\\\"\\nlater\"},\"request_id\":\"req_ours\"}"),
		"anthropic: type, error, request_id");
	ok(ue_slice_has_prefix(out.frame,
						   UE_SLICE("event: error\ndata: {\"type\":\"error\"")),
	   "anthropic: the event has its name");

	ok(ue_render_answer(&arena, UE_FORMAT_GEMINI, &answer, &out) == UE_OK,
	   "gemini renders");
	is_text(out.body,
			UE_SLICE(
				"{\"error\":{\"code\":429,\"message\":\"say \\\"please\\\"\\nlater\","
				"\"status\":\"RESOURCE_EXHAUSTED\",\"details\":[{\"@type\":"
				"\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":"
				"\"RATE_LIMIT_EXCEEDED\",\"domain\":\"upstream_errors\"},{\"@type\":"
				"\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"7s\"}]}}"),
			"gemini: code, message, status, and the wait in the body");
	ok(ue_slice_has_prefix(out.frame, UE_SLICE("data: {\"error\":{\"code\":429")),
	   "gemini: a data line in the stream");
}

static void
test_headers(void)
{
	UeAnswer answer = answer_of_rate_limit();
	UeRendered out = {.status = 0};
	UeSlice block = {NULL, 0};

	ok(ue_render_answer(&arena, UE_FORMAT_OPENAI, &answer, &out) == UE_OK &&
		   ue_render_header_block(&arena, out.headers, out.n_headers, &block) == UE_OK,
	   "headers render");
	is_text(block,
			UE_SLICE("content-type: application/json\nx-request-id: req_ours\n"
					 "request-id: req_ours\nx-upstream-errors-request-id: req_ours\n"
					 "retry-after: 7\n"),
			"content-type first, the id for both SDK families, retry-after");

	answer.upstream_request_id = UE_SLICE("req_theirs");
	answer.is_retry_useless = true;
	ok(ue_render_answer(&arena, UE_FORMAT_OPENAI, &answer, &out) == UE_OK, "and again");
	is_text(find_header(&out, UE_SLICE("request-id")), UE_SLICE("req_theirs"),
			"the upstream's id where there is one");
	is_text(find_header(&out, UE_SLICE("x-upstream-errors-request-id")),
			UE_SLICE("req_ours"), "ours in a header of its own");
	is_text(find_header(&out, UE_SLICE("x-should-retry")), UE_SLICE("false"),
			"a useless retry is forbidden");
	is_text(find_header(&out, UE_SLICE("retry-after")), UE_SLICE("(none)"),
			"and no wait is given with it");

	answer.upstream_request_id = UE_SLICE("a\r\nset-cookie: b");
	ok(ue_render_answer(&arena, UE_FORMAT_OPENAI, &answer, &out) == UE_OK,
	   "and once more");
	is_text(find_header(&out, UE_SLICE("x-request-id")), UE_SLICE("req_ours"),
			"an id that would split the header is left out");
}

static void
test_passed_body(void)
{
	UeAnswer answer = answer_of_rate_limit();
	UeRendered out = {.status = 0};

	answer.passed_body = UE_SLICE("{\"error\":{\"message\":\"theirs\"}}");
	ok(ue_render_answer(&arena, UE_FORMAT_OPENAI, &answer, &out) == UE_OK,
	   "a passed body");
	is_text(out.body, answer.passed_body, "is the body");
	is_text(out.frame, UE_SLICE("data: {\"error\":{\"message\":\"theirs\"}}\n\n"),
			"and the frame's data");
}

static void
test_template(void)
{
	UeTemplateValue values[] = {{UE_SLICE("status"), UE_SLICE("500")},
								{UE_SLICE("model"), UE_SLICE("{status}")}};
	UeSlice out = {NULL, 0};

	ok(ue_template_render(&arena, UE_SLICE("a {status}{model}{other} {status"), values, 2,
						  &out) == UE_OK,
	   "a template renders");
	is_text(out, UE_SLICE("a 500{status}{other} {status"),
			"known names once, the rest as it is written");
	ok(ue_template_render(&arena, UE_SLICE("{}{{status}}"), values, 2, &out) == UE_OK,
	   "braces");
	is_text(out, UE_SLICE("{}{500}"), "alone are text");
}

int
main(void)
{
	counted_memory_init(&memory, SIZE_MAX);
	ue_arena_init(&arena, &memory.allocator, UE_LIMIT_CASE_MEMORY);
	test_aws();
	test_bodies();
	test_frame_is_one_line();
	test_headers();
	test_passed_body();
	test_template();
	ue_arena_free(&arena);
	ok(memory.n_live == 0, "all memory comes back");
	return done_testing();
}
