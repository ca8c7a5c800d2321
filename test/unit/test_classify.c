/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_classify.c: which hint wins, and what follows from a class.
 */
#include "core/classify.h"
#include "core/classify_tables.h"
#include "tap.h"

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

typedef struct Vector
{
	const char *claim;
	int status;
	const char *type;
	const char *code;
	const char *reason;
	const char *message;
	UeClass class;
	int effective_status;
} Vector;

static const Vector vectors[] = {
	{"a code beats a generic type", 401, "invalid_request_error", "invalid_api_key", "",
	 "", UE_CLASS_AUTHENTICATION, 401},
	{"a generic type leaves the status its say", 401, "invalid_request_error", "", "", "",
	 UE_CLASS_AUTHENTICATION, 401},
	{"a generic code too: DeepSeek's 402", 402, "unknown_error", "invalid_request_error",
	 "", "", UE_CLASS_BILLING, 402},
	{"a reason beats a status name", 400, "INVALID_ARGUMENT", "400", "API_KEY_INVALID",
	 "", UE_CLASS_AUTHENTICATION, 400},
	{"an exhausted quota is no rate limit", 429, "insufficient_quota",
	 "insufficient_quota", "", "You exceeded your current quota", UE_CLASS_BILLING, 429},
	{"Gemini says the same of a rate limit", 429, "RESOURCE_EXHAUSTED", "429", "",
	 "You exceeded your current quota, please check your plan and billing details.",
	 UE_CLASS_RATE_LIMIT, 429},
	{"a phrase refines a bare 400", 400, "invalid_request_error", "", "",
	 "prompt is too long: 210000 tokens > 200000 maximum", UE_CLASS_CONTEXT_LENGTH, 400},
	{"a phrase does not overrule a telling word", 400, "", "invalid_value", "",
	 "Insufficient balance of parentheses; maximum context length",
	 UE_CLASS_INVALID_REQUEST, 400},
	{"but where one word is said of every limit", 429, "rate_limit_error", "", "",
	 "Insufficient balance", UE_CLASS_BILLING, 429},
	{"and of every refusal", 403, "AccessDeniedException", "", "",
	 "Bearer Token has expired", UE_CLASS_AUTHENTICATION, 403},
	{"a limit that is none of money stays one", 429, "rate_limit_error", "", "",
	 "Rate limited while you have less than $5.0 in credit", UE_CLASS_RATE_LIMIT, 429},
	{"a number in a sentence is not a status", 400, "", "", "",
	 "token 429 is not in the vocabulary; 401 403 500 529", UE_CLASS_INVALID_REQUEST,
	 400},
	{"a phrase begins where a word does", 500, "", "", "", "observer busy",
	 UE_CLASS_SERVER_ERROR, 500},
	{"a phrase beyond the message's head is echoed input", 400, "", "", "", NULL,
	 UE_CLASS_INVALID_REQUEST, 400},
	{"529 is overload whatever the body", 529, "", "", "", "", UE_CLASS_OVERLOADED, 529},
	{"502 without words", 502, "", "", "", "", UE_CLASS_SERVER_ERROR, 502},
	{"an unknown 4xx", 418, "", "", "", "", UE_CLASS_INVALID_REQUEST, 418},
	{"an unknown 5xx", 555, "", "", "", "", UE_CLASS_SERVER_ERROR, 555},
	{"in a 200: rate limit", 200, "", "rate_limit_exceeded", "", "", UE_CLASS_RATE_LIMIT,
	 429},
	{"in a 200: permission", 200, "permission_error", "", "", "", UE_CLASS_PERMISSION,
	 403},
	{"in a 200: cyber policy", 200, "", "cyber_policy", "", "", UE_CLASS_CONTENT_POLICY,
	 403},
	{"in a 200: context length", 200, "", "context_length_exceeded", "", "",
	 UE_CLASS_CONTEXT_LENGTH, 400},
	{"in a 200: overload", 200, "", "server_is_overloaded", "", "", UE_CLASS_OVERLOADED,
	 503},
	{"in a 200: server error", 200, "server_error", "", "", "", UE_CLASS_SERVER_ERROR,
	 503},
	{"in a 200: authentication", 200, "", "authentication_failed", "", "",
	 UE_CLASS_AUTHENTICATION, 401},
	{"in a 200: by type when the code says nothing", 200, "overloaded_error", "x", "", "",
	 UE_CLASS_OVERLOADED, 529},
	{"in a 200: nothing known", 200, "weird", "", "", "", UE_CLASS_SERVER_ERROR, 502},
};

static void
test_vectors(void)
{
	static char far_away[2000];
	UeSlice phrase = UE_SLICE("prompt is too long");

	for (size_t i = 0; i < sizeof(far_away); i++)
		far_away[i] = i + phrase.len < sizeof(far_away)
						  ? ' '
						  : phrase.ptr[i + phrase.len - sizeof(far_away)];
	for (size_t i = 0; i < N_ELEMENTS(vectors); i++)
	{
		const Vector *vector = &vectors[i];
		UeFault fault = {.dialect = UE_DIALECT_OPENAI,
						 .status = vector->status,
						 .type = ue_slice_of(vector->type),
						 .code = ue_slice_of(vector->code),
						 .reason = ue_slice_of(vector->reason),
						 .message = ue_slice_of(vector->message),
						 .retry_after_ms = UE_RETRY_AFTER_NONE};

		if (vector->message == NULL)
			fault.message = (UeSlice){far_away, sizeof(far_away)};
		ue_classify_fault(&fault, UE_SLICE("openai"), UE_KIND_HTTP_ERROR, UE_NETWORK_NONE,
						  NULL);
		ok(fault.class == vector->class &&
			   fault.effective_status == vector->effective_status,
		   "%s (%s, %d)", vector->claim, ue_class_name(fault.class),
		   fault.effective_status);
	}
}

static void
test_body_status(void)
{
	UeFault fault = {.dialect = UE_DIALECT_OTHER_JSON,
					 .status = 200,
					 .body_status = 402,
					 .retry_after_ms = UE_RETRY_AFTER_NONE};

	ue_classify_fault(&fault, UE_SLICE(""), UE_KIND_HTTP_ERROR, UE_NETWORK_NONE, NULL);
	ok(fault.class == UE_CLASS_BILLING && fault.effective_status == 402,
	   "a status that the body names counts inside a 200");
}

static void
test_good_status_bad_body(void)
{
	UeFault html = {.dialect = UE_DIALECT_HTML,
					.status = 200,
					.retry_after_ms = UE_RETRY_AFTER_NONE};
	UeFault page = {.dialect = UE_DIALECT_HTML,
					.status = 503,
					.retry_after_ms = UE_RETRY_AFTER_NONE};

	ue_classify_fault(&html, UE_SLICE(""), UE_KIND_HTTP_ERROR, UE_NETWORK_NONE, NULL);
	ok(html.class == UE_CLASS_BAD_RESPONSE && html.effective_status == 502,
	   "a page in a 200 is a bad response");
	ue_classify_fault(&page, UE_SLICE(""), UE_KIND_HTTP_ERROR, UE_NETWORK_NONE, NULL);
	ok(page.class == UE_CLASS_OVERLOADED && page.effective_status == 503,
	   "a page with a 503 is overload");
}

static void
test_quota_of_a_day(void)
{
	UeFault fault = {.dialect = UE_DIALECT_GOOGLE,
					 .status = 429,
					 .is_quota_daily = true,
					 .type = UE_SLICE("RESOURCE_EXHAUSTED"),
					 .retry_after_ms = 34000};

	ue_classify_fault(&fault, UE_SLICE("gemini"), UE_KIND_HTTP_ERROR, UE_NETWORK_NONE,
					  NULL);
	ok(fault.class == UE_CLASS_RATE_LIMIT && !fault.is_retryable &&
		   fault.is_business_limited,
	   "a daily quota is a limit that no retry mends");
}

static UeFault
classify_sentence(const char *message, int64_t retry_after_ms)
{
	UeFault fault = {.dialect = UE_DIALECT_OPENAI,
					 .status = 429,
					 .message = ue_slice_of(message),
					 .retry_after_ms = retry_after_ms};

	ue_classify_fault(&fault, UE_SLICE(""), UE_KIND_HTTP_ERROR, UE_NETWORK_NONE, NULL);
	return fault;
}

static void
test_sentence_of_a_day(void)
{
	UeFault fault =
		classify_sentence("Tokens per day limit exceeded.", UE_RETRY_AFTER_NONE);

	ok(fault.is_quota_daily && !fault.is_retryable,
	   "a limit per day without a wait is a daily quota");
	fault = classify_sentence("on requests per day (RPD): Limit 200", 90000);
	ok(!fault.is_quota_daily && fault.is_retryable,
	   "one that refills in 90 s is a window that slides");
	fault = classify_sentence("Too many requests per minute.", UE_RETRY_AFTER_NONE);
	ok(!fault.is_quota_daily && fault.is_retryable, "a limit per minute is none");
}

typedef struct NumberVector
{
	const char *platform;
	const char *vendor;
	const char *code;
	UeClass class;
} NumberVector;

static void
test_numbers(void)
{
	static const NumberVector numbers[] = {
		{"zhipu", "", "1113", UE_CLASS_BILLING},
		{"ZHIPU", "", "1113", UE_CLASS_BILLING},
		{"openai", "", "1113", UE_CLASS_RATE_LIMIT},
		{"openai", "minimax", "1008", UE_CLASS_BILLING},
		{"zhipu", "minimax", "1113", UE_CLASS_RATE_LIMIT},
		{"groq", "", "498", UE_CLASS_RATE_LIMIT},
	};

	for (size_t i = 0; i < N_ELEMENTS(numbers); i++)
	{
		UeFault fault = {.dialect = UE_DIALECT_OTHER_JSON,
						 .status = 429,
						 .vendor = ue_slice_of(numbers[i].vendor),
						 .code = ue_slice_of(numbers[i].code),
						 .retry_after_ms = UE_RETRY_AFTER_NONE};

		ue_classify_fault(&fault, ue_slice_of(numbers[i].platform), UE_KIND_HTTP_ERROR,
						  UE_NETWORK_NONE, NULL);
		ok(fault.class == numbers[i].class, "%s of %s%s is %s", numbers[i].code,
		   numbers[i].platform, numbers[i].vendor, ue_class_name(numbers[i].class));
	}
}

static void
test_vendor_status(void)
{
	ok(ue_classify_find_status(498, UE_SLICE("Groq")) == UE_CLASS_OVERLOADED,
	   "498 of Groq is capacity");
	ok(ue_classify_find_status(498, UE_SLICE("cohere")) == UE_CLASS_CONTENT_POLICY,
	   "498 of Cohere is a word it does not accept");
	ok(ue_classify_find_status(498, UE_SLICE("")) == UE_CLASS_AUTHENTICATION,
	   "498 of anybody else is an invalid token");
}

static void
test_network(void)
{
	size_t n_same = 0;

	for (UeNetwork network = UE_NETWORK_NONE; network <= UE_NETWORK_PROXY; network++)
	{
		UeFault fault = {.status = 0, .retry_after_ms = UE_RETRY_AFTER_NONE};

		ue_classify_fault(&fault, UE_SLICE(""), UE_KIND_REQUEST_ERROR, network, NULL);
		if ((fault.class == UE_CLASS_NETWORK && fault.effective_status == 502) ||
			(fault.class == UE_CLASS_TIMEOUT && fault.effective_status == 504))
			n_same += fault.phase == UE_PHASE_NETWORK && fault.is_retryable &&
					  fault.source == UE_SOURCE_GATEWAY;
	}
	ok(n_same == UE_NETWORK_PROXY + 1,
	   "whatever breaks below HTTP is a 502 or, in time, a 504");
}

static void
test_local(void)
{
	UeFault route = {.retry_after_ms = UE_RETRY_AFTER_NONE};
	UeFault draining = {.retry_after_ms = UE_RETRY_AFTER_NONE};

	ue_classify_fault(&route, UE_SLICE(""), UE_KIND_LOCAL_ERROR, UE_NETWORK_NONE,
					  ue_catalog_find(UE_SLICE("unknown_route")));
	ok(route.effective_status == 404 && route.owner == UE_OWNER_CLIENT &&
		   route.source == UE_SOURCE_CLIENT_REQUEST && !route.is_retryable,
	   "an unknown route is the client's to mend");
	ue_classify_fault(&draining, UE_SLICE(""), UE_KIND_LOCAL_ERROR, UE_NETWORK_NONE,
					  ue_catalog_find(UE_SLICE("draining")));
	ok(draining.effective_status == 503 && draining.owner == UE_OWNER_PLATFORM &&
		   draining.is_retryable,
	   "draining is ours, and a retry helps");
}

static void
test_traits(void)
{
	size_t n_wrong = 0;

	for (UeClass class = UE_CLASS_AUTHENTICATION; class <= UE_CLASS_INTERNAL; class ++)
	{
		const UeTraits *traits = ue_classify_find_traits(class);

		if (traits->class != class || traits->status < 400 || traits->status > 599)
			n_wrong++;
	}
	ok(n_wrong == 0, "every class has its traits");
}

int
main(void)
{
	test_vectors();
	test_body_status();
	test_good_status_bad_body();
	test_quota_of_a_day();
	test_sentence_of_a_day();
	test_numbers();
	test_vendor_status();
	test_network();
	test_local();
	test_traits();
	return done_testing();
}
