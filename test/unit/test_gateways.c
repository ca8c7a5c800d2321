/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_gateways.c: the answers of sub2api, new-api and CLIProxyAPI, as they are where they
 * are right, and what becomes of their traps.
 *
 * docs/traps.md has the same rows with the reasons.
 */
#include <jansson.h>
#include <string.h>

#include "core/decide.h"
#include "corpus.h"
#include "tap.h"

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

typedef struct Vector
{
	const char *claim;
	UeFormat format;
	UeCredential credential;
	int status; /* the upstream's */
	const char *body;
	int answered;
	const char *type; /* Google: error.status */
	const char *code; /* NULL: not looked at */
	const char *message;
} Vector;

#define OPENAI	  UE_FORMAT_OPENAI
#define ANTHROPIC UE_FORMAT_ANTHROPIC
#define GEMINI	  UE_FORMAT_GEMINI
#define CLIENTS	  UE_CREDENTIAL_CLIENT
#define OURS	  UE_CREDENTIAL_OURS
#define REFUSED                                                                          \
	"The upstream service refused this service's access; please contact its operator."
#define LIMITED "The upstream service is limiting requests; please try again later."

static const Vector vectors[] = {
	/* CLIProxyAPI, BuildErrorResponseBody(status, text) */
	{"cpa: no status", OPENAI, CLIENTS, 0, "boom", 502, "server_error",
	 "upstream_service_error",
	 "The upstream service sent an answer that cannot be understood."},
	{"cpa: 401", OPENAI, CLIENTS, 401, "no", 401, "authentication_error",
	 "invalid_api_key", "no"},
	{"cpa: 403 is no quota", OPENAI, CLIENTS, 403, "no", 403, "permission_error",
	 "permission_denied", "no"},
	{"cpa: 404 need not be a model", OPENAI, CLIENTS, 404, "no such path", 404,
	 "invalid_request_error", "not_found", "no such path"},
	{"cpa: 404 of a model", OPENAI, CLIENTS, 404, "model 'x' not found", 404,
	 "invalid_request_error", "model_not_found", "model 'x' not found"},
	{"cpa: 429 without text", OPENAI, CLIENTS, 429, "", 429, "rate_limit_error",
	 "rate_limit_exceeded", LIMITED},
	{"cpa: 402 is billing", OPENAI, CLIENTS, 402, "x", 402, "insufficient_quota",
	 "insufficient_quota", "The upstream account has no credit or quota left."},
	{"cpa: 408 is a timeout", OPENAI, CLIENTS, 408, "x", 408, "timeout_error", NULL,
	 "The upstream service did not answer in time."},
	{"cpa: 413", OPENAI, CLIENTS, 413, "x", 413, "invalid_request_error",
	 "request_too_large", "x"},
	{"cpa: 499 without text is not without message", OPENAI, CLIENTS, 499, "", 502,
	 "server_error", NULL, "The upstream service answered with HTTP 499."},
	{"cpa: 520 without text is not without message", OPENAI, CLIENTS, 520, "", 520,
	 "server_error", NULL, "The upstream service answered with HTTP 520."},
	{"cpa: 503 with blanks around its text is not shown with them", OPENAI, CLIENTS, 503,
	 " x ", 503, "server_error", "upstream_overloaded",
	 "The upstream service is overloaded; please try again later."},
	{"cpa: < > & are not escaped", OPENAI, CLIENTS, 400, "a < b && c > d", 400,
	 "invalid_request_error", "invalid_request", "a < b && c > d"},
	{"cpa: 409, one of the others, is told apart", OPENAI, CLIENTS, 409, "", 409,
	 "conflict_error", "conflict", NULL},
	{"cpa: a message is trimmed", OPENAI, CLIENTS, 400, " x ", 400,
	 "invalid_request_error", "invalid_request", "x"},
	{"cpa: JSON that is no error is no answer", OPENAI, CLIENTS, 400, "  {\"a\":1} ", 400,
	 "invalid_request_error", "invalid_request", NULL},
	{"cpa: a JSON string is not an object", OPENAI, CLIENTS, 500, "\"x\"", 500,
	 "server_error", NULL, "x"},
	{"cpa: nor is a number", OPENAI, CLIENTS, 500, "42", 500, "server_error", NULL,
	 "The upstream service answered with HTTP 500."},
	{"cpa: nor is null", OPENAI, CLIENTS, 500, "null", 500, "server_error", NULL,
	 "The upstream service answered with HTTP 500."},
	{"cpa, Claude: 401", ANTHROPIC, CLIENTS, 401, "", 401, "authentication_error", NULL,
	 NULL},
	{"cpa, Claude: 403", ANTHROPIC, CLIENTS, 403, "", 403, "permission_error", NULL,
	 NULL},
	{"cpa, Claude: 429", ANTHROPIC, CLIENTS, 429, "", 429, "rate_limit_error", NULL,
	 LIMITED},
	{"cpa, Claude: 409, one of the others, is Anthropic's conflict", ANTHROPIC, CLIENTS,
	 409, "", 409, "conflict_error", NULL, NULL},
	{"cpa, Claude: type and message of the body count", ANTHROPIC, CLIENTS, 500,
	 "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":"
	 "\"m\"}}",
	 500, "overloaded_error", NULL, "m"},
	{"cpa, Claude: a code of the body is no type", ANTHROPIC, CLIENTS, 429,
	 "{\"error\":{\"message\":\"m\",\"code\":\"rate_limit_exceeded\"}}", 429,
	 "rate_limit_error", NULL, "m"},
	{"cpa, Claude: 402", ANTHROPIC, CLIENTS, 402, "{\"error\":\"pay\"}", 402,
	 "billing_error", NULL, "pay"},
	{"cpa, Claude: 404", ANTHROPIC, CLIENTS, 404, "", 404, "not_found_error", NULL, NULL},
	{"cpa, Claude: 413", ANTHROPIC, CLIENTS, 413, "", 413, "request_too_large", NULL,
	 NULL},
	{"cpa, Claude: 504", ANTHROPIC, CLIENTS, 504, "", 504, "timeout_error", NULL, NULL},
	{"cpa, Claude: 529", ANTHROPIC, CLIENTS, 529, "", 529, "overloaded_error", NULL,
	 NULL},
	{"cpa, Claude: 500", ANTHROPIC, CLIENTS, 500, "", 500, "api_error", NULL, NULL},
	{"cpa, Claude: 422", ANTHROPIC, CLIENTS, 422, "", 422, "invalid_request_error", NULL,
	 NULL},

	/* new-api, the error object as it is built */
	{"new-api: an error without a message has the catalogue's", OPENAI, CLIENTS, 500,
	 "{\"error\":{\"type\":\"t\",\"code\":\"c\"}}", 500, "t", "c",
	 "The upstream service answered with HTTP 500."},
	{"new-api: an empty message is none", OPENAI, CLIENTS, 429,
	 "{\"error\":{\"message\":\"\",\"type\":\"t\"}}", 429, "t", "rate_limit_exceeded",
	 LIMITED},
	{"new-api: nor is it the type for Claude", ANTHROPIC, CLIENTS, 429,
	 "{\"error\":{\"message\":\"\",\"type\":\"t\"}}", 429, "rate_limit_error", NULL,
	 LIMITED},
	{"new-api: an empty type is the class's", OPENAI, CLIENTS, 400,
	 "{\"error\":{\"message\":\"m\",\"type\":\"\"}}", 400, "invalid_request_error",
	 "invalid_request", "m"},
	{"new-api: and so for Claude", ANTHROPIC, CLIENTS, 529,
	 "{\"type\":\"error\",\"error\":{\"type\":\"\",\"message\":\"m\"}}", 529,
	 "overloaded_error", NULL, "m"},
	{"new-api: an empty code is that of the class", OPENAI, CLIENTS, 429,
	 "{\"error\":{\"message\":\"a\",\"code\":\"\"}}", 429, "rate_limit_error",
	 "rate_limit_exceeded", "a"},
	{"new-api: a code that is null is that of the class", OPENAI, CLIENTS, 429,
	 "{\"error\":{\"message\":\"a\",\"code\":null}}", 429, "rate_limit_error",
	 "rate_limit_exceeded", "a"},
	{"new-api: a number as code is kept as it was written", OPENAI, CLIENTS, 400,
	 "{\"error\":{\"message\":\"a\",\"code\":12345678}}", 400, "invalid_request_error",
	 "12345678", "a"},
	{"new-api: an object as code is no text", OPENAI, CLIENTS, 429,
	 "{\"error\":{\"message\":\"a\",\"code\":{\"a\":1}}}", 429, "rate_limit_error",
	 "rate_limit_exceeded", "a"},
	{"new-api: metadata does not go into the message", OPENAI, CLIENTS, 400,
	 "{\"error\":{\"message\":\"m1\",\"metadata\":{\"raw\":\"x\"}}}", 400,
	 "invalid_request_error", "invalid_request", "m1"},
	{"new-api: a transport's status without a body is no empty message", OPENAI, CLIENTS,
	 504, "", 504, "timeout_error", NULL, "The upstream service did not answer in time."},

	/* new-api, ToOpenAIError and ToClaudeError */
	{"new-api: an OpenAI error stays one", OPENAI, CLIENTS, 429,
	 "{\"error\":{\"message\":\"m\",\"type\":\"tokens\",\"param\":null,\"code\":"
	 "\"rate_limit_exceeded\"}}",
	 429, "tokens", "rate_limit_exceeded", "m"},
	{"new-api: its type is not <nil> for Claude", ANTHROPIC, CLIENTS, 429,
	 "{\"error\":{\"message\":\"m\",\"code\":null}}", 429, "rate_limit_error", NULL, "m"},
	{"new-api: nor a code's word", ANTHROPIC, CLIENTS, 429,
	 "{\"error\":{\"message\":\"m\",\"type\":\"tokens\",\"param\":null,\"code\":"
	 "\"rate_limit_exceeded\"}}",
	 429, "rate_limit_error", NULL, "m"},
	{"new-api: nor map[a:1]", ANTHROPIC, CLIENTS, 429,
	 "{\"error\":{\"message\":\"m\",\"code\":{\"a\":1}}}", 429, "rate_limit_error", NULL,
	 "m"},
	{"new-api: nor a number", ANTHROPIC, CLIENTS, 429,
	 "{\"error\":{\"message\":\"m\",\"code\":12345678}}", 429, "rate_limit_error", NULL,
	 "m"},
	{"new-api: a Claude error stays one", ANTHROPIC, CLIENTS, 529,
	 "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"}}",
	 529, "overloaded_error", NULL, "m"},
	{"new-api: a Claude error keeps its message for OpenAI", OPENAI, CLIENTS, 529,
	 "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"}}",
	 529, "server_error", "upstream_overloaded", "m"},
	{"new-api: a page has a message", OPENAI, CLIENTS, 502, "<html><title>x</title>", 502,
	 "server_error", NULL, "The upstream service answered with HTTP 502."},
	{"new-api: and for Claude the same one", ANTHROPIC, CLIENTS, 502,
	 "<html><title>x</title>", 502, "api_error", NULL,
	 "The upstream service answered with HTTP 502."},
	{"new-api: a text that says what is wrong with a request is its message", OPENAI,
	 CLIENTS, 400, "max_tokens is too large", 400, "invalid_request_error",
	 "invalid_request", "max_tokens is too large"},
	{"new-api: and so for Claude", ANTHROPIC, CLIENTS, 400, "max_tokens is too large",
	 400, "invalid_request_error", NULL, "max_tokens is too large"},
	{"new-api: a Gemini error keeps its message for OpenAI", OPENAI, CLIENTS, 429,
	 "{\"error\":{\"code\":429,\"message\":\"m\",\"status\":\"RESOURCE_EXHAUSTED\"}}",
	 429, "rate_limit_error", "rate_limit_exceeded", "m"},
	{"new-api: and for Claude", ANTHROPIC, CLIENTS, 429,
	 "{\"error\":{\"code\":429,\"message\":\"m\",\"status\":\"RESOURCE_EXHAUSTED\"}}",
	 429, "rate_limit_error", NULL, "m"},
	{"new-api: a Gemini client gets Gemini's shape", GEMINI, CLIENTS, 400,
	 "{\"error\":{\"message\":\"m\",\"type\":\"invalid_request_error\"}}", 400,
	 "INVALID_ARGUMENT", NULL, "m"},
	{"new-api: a number in param does not lose the message", OPENAI, CLIENTS, 400,
	 "{\"error\":{\"message\":\"m1\",\"param\":3}}", 400, "invalid_request_error", NULL,
	 "m1"},
	{"new-api: a field path stays readable", OPENAI, CLIENTS, 400,
	 "{\"error\":{\"message\":\"messages.0.content.1: no\",\"type\":\"t\"}}", 400, "t",
	 NULL, "messages.0.content.1: no"},

	{"new-api: and so does a file's name", OPENAI, CLIENTS, 400,
	 "{\"error\":{\"message\":\"cannot read main.go and setup.py\",\"type\":\"t\"}}", 400,
	 "t", NULL, "cannot read main.go and setup.py"},
	{"new-api: but a host does not", OPENAI, CLIENTS, 400,
	 "{\"error\":{\"message\":\"no route to https://10.0.0.1/x?key=1\",\"type\":"
	 "\"t\"}}",
	 400, "t", NULL, "no route to https://***/***?key=***"},

	/* sub2api, default mapping without a rule */
	{"sub2api: 400", ANTHROPIC, OURS, 400,
	 "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":"
	 "\"m\"}}",
	 400, "invalid_request_error", NULL, "m"},
	{"sub2api: 401 of our key", OPENAI, OURS, 401, "{\"error\":{\"message\":\"m\"}}", 502,
	 "server_error", "channel_error", REFUSED},
	{"sub2api: 402 of our account", OPENAI, OURS, 402, "{\"error\":{\"message\":\"m\"}}",
	 502, "server_error", "channel_error", REFUSED},
	{"sub2api: 403 of our key", ANTHROPIC, OURS, 403, "{\"error\":{\"message\":\"m\"}}",
	 502, "api_error", NULL, REFUSED},
	{"sub2api: 413 with its message", OPENAI, OURS, 413,
	 "{\"error\":{\"message\":\"m\"}}", 413, "invalid_request_error", NULL, "m"},
	{"sub2api: 429 with its message", ANTHROPIC, OURS, 429,
	 "{\"error\":{\"message\":\"m\"}}", 429, "rate_limit_error", NULL, "m"},
	{"sub2api: 529 stays what Anthropic's SDK knows", ANTHROPIC, OURS, 529,
	 "{\"error\":{\"message\":\"m\"}}", 529, "overloaded_error", NULL, "m"},
	{"sub2api: 529 is 503 where the SDK does not know it", GEMINI, OURS, 529,
	 "{\"error\":{\"message\":\"m\"}}", 503, "UNAVAILABLE", NULL, "m"},
	{"sub2api: 500 stays 500", OPENAI, OURS, 500, "{\"error\":{\"message\":\"m\"}}", 500,
	 "server_error", NULL, "m"},
	{"sub2api: an unknown status stays itself", OPENAI, OURS, 418,
	 "{\"error\":{\"message\":\"m\"}}", 418, "invalid_request_error", NULL, "m"},
	{"sub2api: Gemini in a 200, INVALID_ARGUMENT", GEMINI, OURS, 200,
	 "{\"error\":{\"status\":\"INVALID_ARGUMENT\",\"message\":\"m\"}}", 400,
	 "INVALID_ARGUMENT", NULL, "m"},
	{"sub2api: Gemini in a 200, RESOURCE_EXHAUSTED", GEMINI, OURS, 200,
	 "{\"error\":{\"status\":\"RESOURCE_EXHAUSTED\",\"message\":\"m\"}}", 429,
	 "RESOURCE_EXHAUSTED", NULL, "m"},
	{"sub2api: an explicit status in a 200", OPENAI, CLIENTS, 200,
	 "{\"error\":{\"message\":\"m\",\"status_code\":451}}", 451, "permission_error", NULL,
	 "m"},
	{"sub2api: nothing known in a 200", OPENAI, CLIENTS, 200,
	 "{\"error\":{\"message\":\"m\"}}", 502, "server_error", NULL, "m"},
};

static bool
is_member(json_t *object, const char *name, const char *expected)
{
	const char *text = json_string_value(json_object_get(object, name));

	if (text != NULL && strcmp(text, expected) == 0)
		return true;
	printf("# %s: \"%s\" instead of \"%s\"\n", name, text == NULL ? "" : text, expected);
	return false;
}

static bool
is_answer(const Vector *vector, const UeRendered *answer)
{
	json_t *root = json_loadb(answer->body.ptr, answer->body.len, 0, NULL);
	json_t *error = json_object_get(root, "error");
	bool is_right = answer->status == vector->answered;

	if (!is_right)
		printf("# status %d\n", answer->status);
	is_right &=
		is_member(error, vector->format == GEMINI ? "status" : "type", vector->type);
	if (vector->code != NULL)
		is_right &= is_member(error, "code", vector->code);
	if (vector->message != NULL)
		is_right &= is_member(error, "message", vector->message);
	json_decref(root);
	return is_right;
}

int
main(void)
{
	CountedMemory memory;
	UeArena arena;

	counted_memory_init(&memory, SIZE_MAX);
	ue_arena_init(&arena, &memory.allocator, UE_LIMIT_CASE_MEMORY);
	for (size_t i = 0; i < N_ELEMENTS(vectors); i++)
	{
		const Vector *vector = &vectors[i];
		UeCase kase = {.response = {.status = vector->status,
									.body = ue_slice_of(vector->body),
									.now_ms = CORPUS_NOW_MS},
					   .format = vector->format,
					   .credential = vector->credential};
		UeVerdict verdict;

		ue_arena_reset(&arena);
		ok(ue_decide_case(&arena, NULL, &kase, &verdict) == UE_OK &&
			   is_answer(vector, &verdict.answer),
		   "%s", vector->claim);
	}
	ue_arena_free(&arena);
	return done_testing();
}
