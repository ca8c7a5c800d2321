/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_parse.c: message extraction, times and waits, headers; what the corpus cannot say
 * in one line.
 */
#include <stdio.h>
#include <string.h>

#include "core/limits.h"
#include "core/parse_fields.h"
#include "corpus.h"
#include "tap.h"

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

/* 2026-11-21T00:00:00Z */
#define NOW CORPUS_NOW_MS

typedef struct MessageVector
{
	const char *body;
	const char *message;
	const char *code;
} MessageVector;

/*
 * new-api's extraction order.  Where its answer was a trap ("null", "false", "" for a
 * number in param, a failure for a list), this is the sane one.
 */
static const MessageVector messages[] = {
	{"{\"error\":{\"message\":\"m1\",\"type\":\"t\",\"code\":429}}", "m1", "429"},
	{"{\"error\":{\"message\":\"m1\",\"code\":null}}", "m1", ""},
	{"{\"error\":{\"message\":\"m1\",\"param\":3}}", "m1", ""},
	{"{\"error\":{\"message\":\"a\",\"code\":\"\"}}", "a", ""},
	{"{\"error\":{\"message\":\"m\",\"code\":1e3}}", "m", "1e3"},
	{"{\"error\":{\"message\":\"m\",\"code\":12345678}}", "m", "12345678"},
	{"{\"error\":{\"code\":\"x\"},\"message\":\"outer\"}", "outer", "x"},
	{"{\"error\":\"plain\"}", "plain", "plain"},
	{"{\"error\":\"plain words\"}", "plain words", ""},
	{"{\"error\":\"\"}", "", ""},
	{"{\"error\":null,\"message\":\"x\"}", "x", ""},
	{"{\"error\":[1,2],\"message\":\"x\"}", "x", ""},
	{"{\"error\":false,\"message\":\"x\"}", "x", ""},
	{"{\"error\":500}", "", "500"},
	{"{\"msg\":\"a\",\"message\":\"b\",\"detail\":\"c\"}", "b", ""},
	{"{\"detail\":\"c\",\"err\":\"d\"}", "d", ""},
	{"{\"detail\":[{\"msg\":\"x\"}]}", "x", ""},
	{"{\"detail\":[{\"loc\":[\"body\",0,\"a\"],\"msg\":\"x y\"},{\"msg\":\"z\"}]}",
	 "body.0.a: x y; z", ""},
	{"{\"message\":{\"a\":1}}", "", ""},
	{"{\"header\":{\"message\":\"h\"},\"response\":{\"error\":{\"message\":\"r\"}}}", "h",
	 ""},
	{"{\"response\":{\"error\":{\"message\":\"r\"}}}", "r", ""},
	{"{\"ERROR\":{\"MESSAGE\":\"upper\"}}", "upper", ""},
	{"{\"Message\":\"cap\"}", "cap", ""},
	{"{}", "", ""},
	{"null", "", ""},
	{"[]", "", ""},
	{"\"str\"", "str", ""},
	{"<html>", "", ""},
	{"", "", ""},
	{"<html><head><title> A &amp;\n B </title></head>", "A & B", ""},
	{"<html><body><h1>No <b>title</b></h1></body>", "No title", ""},
	{"data: {\"error\":{\"message\":\"in\\ndata\"}}\n\n", "in\ndata", ""},
	{"data: {\"error\":\ndata: {\"message\":\"two lines\"}}\n\n", "two lines", ""},
	{": ping\n\nevent: x\ndata: {\"a\":1}\n\nevent: error\ndata: {\"error\":\"the one\"}\n\n"
	 "data: {\"message\":\"later\"}\n\n",
	 "the one", ""},
	{"data: {\"error\":{\"message\":\"m1\"}}\n\ndata: [DONE]\n\n", "m1", ""},
	{"{\"error\":{\"message\":\"{\\\"error\\\":{\\\"message\\\":\\\"inner\\\"}}\"}}",
	 "inner", ""},
	{"{\"error\":{\"message\":\"cut he", "cut he", ""},
	{"{\"a\":1}\n{\"error\":\"last line\"}\n", "last line", ""},
	{"[{\"candidates\":[{}]},{\"error\":{\"code\":503,\"message\":\"later\","
	 "\"status\":\"UNAVAILABLE\"}}]",
	 "later", "503"},
	{"[{\"a\":1},{\"error\":null},{\"error_code\":17,\"error_msg\":\"third one\"}]",
	 "third one", "17"},
	{"{'error': {'message': \"can't \\\"do\\\" it\", 'code': None, 'n': (1, True)}}",
	 "can't \"do\" it", ""},
	{"[{'message': 'it\\'s \\xe9 \"q\"', 'code': 'c'}]", "it's \xc3\xa9 \"q\"", "c"},
	{"{'error': {'message': 'cut he", "cut he", ""},
	{"{\"error\":{\"message\":\"Error code: 400 - {'error': {'message': 'too long', "
	 "'code': 'context_length_exceeded'}}\"}}",
	 "Error code: 400 - {'error': {'message': 'too long', 'code': "
	 "'context_length_exceeded'}}",
	 "context_length_exceeded"},
};

static void
test_messages(void)
{
	for (size_t i = 0; i < N_ELEMENTS(messages); i++)
	{
		CountedMemory memory;
		UeArena arena;
		UeFault fault;
		UeResponse response = {.status = 500,
							   .body = ue_slice_of(messages[i].body),
							   .now_ms = NOW};
		UeStatus status;

		counted_memory_init(&memory, SIZE_MAX);
		ue_arena_init(&arena, &memory.allocator, UE_LIMIT_CASE_MEMORY);
		status = ue_parse_response(&arena, &response, &fault);
		if (ok(status == UE_OK, "body %zu is read", i))
		{
			is_text(fault.message, ue_slice_of(messages[i].message), "its message");
			is_text(fault.code, ue_slice_of(messages[i].code), "its code");
		}
		ue_arena_free(&arena);
	}
}

typedef struct DurationVector
{
	const char *text;
	int64_t ms; /* -1: not one */
} DurationVector;

static const DurationVector durations[] = {
	{"34s", 34000},
	{"1.5s", 1500},
	{"250ms", 250},
	{"1m30s", 90000},
	{"1h2m3.5s", 3723500},
	{"6m0s", 360000},
	{"2m59.56s", 179560},
	{"20", 20000},
	{"0", 0},
	{"1.5", 1500},
	{"26 seconds", 26000},
	{"3 minutes", 180000},
	{"34.074395263s", 34075},
	{"1 month", 1000},
	{"s", -1},
	{"", -1},
	{"-5", -1},
	{"500us", 1},
	{"99999999999999999999s", 366 * 86400000LL},
};

static void
test_durations(void)
{
	for (size_t i = 0; i < N_ELEMENTS(durations); i++)
	{
		int64_t wait = -1;

		if (!ue_parse_duration(ue_slice_of(durations[i].text), 1000, NULL, &wait))
			wait = -1;
		ok(wait == durations[i].ms, "\"%s\" is %lld ms (%lld)", durations[i].text,
		   (long long) durations[i].ms, (long long) wait);
	}
}

static void
test_dates(void)
{
	int64_t when = -1;

	ok(ue_parse_http_date(UE_SLICE("Sat, 21 Nov 2026 00:00:00 GMT"), &when) &&
		   when == NOW,
	   "an HTTP-date");
	ok(ue_parse_http_date(UE_SLICE("Thu, 01 Jan 1970 00:00:00 GMT"), &when) && when == 0,
	   "the first of HTTP-dates");
	ok(ue_parse_http_date(UE_SLICE("Thu, 29 Feb 2024 23:59:60 GMT"), &when) &&
		   when == 1709251200000LL,
	   "a leap second on a leap day");
	ok(ue_parse_http_date(UE_SLICE("Saturday, 21-Nov-26 00:00:00 GMT"), &when) &&
		   when == NOW,
	   "the obsolete date of RFC 850");
	ok(ue_parse_http_date(UE_SLICE("Sat Nov 21 00:00:00 2026"), &when) && when == NOW,
	   "the obsolete date of asctime");
	ok(ue_parse_http_date(UE_SLICE("Tue Dec  1 00:00:00 2026"), &when) &&
		   when == NOW + 10 * 86400000LL,
	   "with a day of one digit");
	ok(!ue_parse_http_date(UE_SLICE("Saturday, 21-Nov-26 00:00:00"), &when) &&
		   !ue_parse_http_date(UE_SLICE("Sat Nov 21 00:00:00 20267"), &when) &&
		   !ue_parse_http_date(UE_SLICE("Sat Nov  x 00:00:00 2026"), &when),
	   "what is no obsolete date");
	ok(!ue_parse_http_date(UE_SLICE("Mon, 29 Feb 2027 00:00:00 GMT"), &when) &&
		   !ue_parse_http_date(UE_SLICE("Mon, 29 Feb 2100 00:00:00 GMT"), &when) &&
		   ue_parse_http_date(UE_SLICE("Tue, 29 Feb 2000 00:00:00 GMT"), &when),
	   "parse: the last of February is one only where there is one");
	ok(!ue_parse_http_date(UE_SLICE("Sat, 21 Nov 2026 00:00:00 CET"), &when) &&
		   !ue_parse_http_date(UE_SLICE("Sat, 32 Nov 2026 00:00:00 GMT"), &when) &&
		   !ue_parse_http_date(UE_SLICE("Sat, 21 Noo 2026 00:00:00 GMT"), &when) &&
		   !ue_parse_http_date(UE_SLICE("34"), &when),
	   "what is no HTTP-date");
	ok(ue_parse_rfc3339(UE_SLICE("2026-11-21T00:00:42.5Z"), &when) && when == NOW + 42500,
	   "RFC 3339 with a fraction");
	ok(ue_parse_rfc3339(UE_SLICE("2026-11-21T02:00:00+02:00"), &when) && when == NOW,
	   "RFC 3339 with a zone");
	ok(!ue_parse_rfc3339(UE_SLICE("2026-11-21"), &when) &&
		   !ue_parse_rfc3339(UE_SLICE("2026-11-21T00:00:00"), &when) &&
		   !ue_parse_rfc3339(UE_SLICE("2026-13-21T00:00:00Z"), &when),
	   "what is no RFC 3339");
}

typedef struct WaitVector
{
	const char *claim;
	const char *headers;
	const char *body;
	int64_t wait;
} WaitVector;

static const WaitVector waits[] = {
	{"milliseconds come before seconds", "retry-after: 3\nretry-after-ms: 2998\n", "",
	 2998},
	{"Azure's milliseconds too", "retry-after: 3\nx-ms-retry-after-ms: 2500\n", "", 2500},
	{"a fraction of seconds", "Retry-After: 1.5\n", "", 1500},
	{"a date in the future", "retry-after: Sat, 21 Nov 2026 00:01:00 GMT\n", "", 60000},
	{"a date in the past is not believed", "retry-after: Fri, 20 Nov 2026 00:01:00 GMT\n",
	 "", UE_RETRY_AFTER_NONE},
	{"a date of this very second is no wait",
	 "retry-after: Sat, 21 Nov 2026 00:00:00 GMT\n", "", 0},
	{"a year is not believed", "retry-after: 31536000\n", "", UE_RETRY_AFTER_NONE},
	{"nor a negative wait", "retry-after: -1\n", "", UE_RETRY_AFTER_NONE},
	{"nor a word", "retry-after: soon\n", "", UE_RETRY_AFTER_NONE},
	{"an unbelievable header leaves the body its say", "retry-after: 31536000\n",
	 "{\"error\":{\"message\":\"x\",\"resets_in_seconds\":\"90\"}}", 90000},
	{"a header comes before the body", "retry-after: 5\n",
	 "{\"error\":{\"message\":\"x\",\"resets_in_seconds\":90}}", 5000},
	{"RetryInfo", "",
	 "{\"error\":{\"code\":429,\"status\":\"RESOURCE_EXHAUSTED\",\"message\":\"x\",\"details\":"
	 "[{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"1.5s\"}]}}",
	 1500},
	{"resets_at in seconds", "",
	 "{\"error\":{\"message\":\"x\",\"resets_at\":1795219260}}", 60000},
	{"resets_at in milliseconds", "",
	 "{\"error\":{\"message\":\"x\",\"resets_at\":1795219260000}}", 60000},
	{"a sentence", "", "{\"error\":{\"message\":\"Please try again in 1m30s.\"}}", 90000},
	{"a sentence in milliseconds", "", "{\"error\":{\"message\":\"try again in 250ms\"}}",
	 250},
	{"a sentence without a number", "",
	 "{\"error\":{\"message\":\"Please try again in a bit\"}}", UE_RETRY_AFTER_NONE},
	{"minutes", "", "{\"error\":\"Please try again in 5 minutes\"}", 300000},
	{"hours, minutes and seconds", "", "{\"error\":\"try again in 1h2m3s\"}", 3723000},
	{"an instant", "", "{\"error\":\"Please retry after 2026-11-21T00:05:00Z.\"}",
	 300000},
	{"an instant with a zone", "",
	 "{\"error\":\"retry after 2026-11-21T02:05:00.5+02:00, please\"}", 300500},
	{"an instant as people write it", "",
	 "{\"error\":\"Please wait until 2026-11-21 00:05:00 UTC.\"}", 300000},
	{"an instant as HTTP writes it", "",
	 "{\"error\":\"Try again at Sat, 21 Nov 2026 00:01:00 GMT, not before\"}", 60000},
	{"an instant without a zone is none", "",
	 "{\"error\":\"Please retry after 2026-11-21 00:05:00\"}", UE_RETRY_AFTER_NONE},
	{"a date is no number of seconds", "", "{\"error\":\"retry after 2026-11-22\"}",
	 UE_RETRY_AFTER_NONE},
	{"an instant that has passed", "", "{\"error\":\"retry after 2026-11-20T23:59:00Z\"}",
	 UE_RETRY_AFTER_NONE},
	{"an hour in UTC", "", "{\"error\":\"Your limit will reset at 3pm (UTC).\"}",
	 54000000},
	{"an hour and minutes", "", "{\"error\":\"limit reached, resets 1:30 am UTC\"}",
	 5400000},
	{"an hour of 24", "", "{\"error\":\"resets at 15:00 UTC\"}", 54000000},
	{"noon and midnight", "", "{\"error\":\"resets at 12am UTC\"}", 0},
	{"midnight in a word", "", "{\"error\":\"resets at midnight UTC\"}", 0},
	{"an hour of nobody's zone", "", "{\"error\":\"resets at 3pm\"}",
	 UE_RETRY_AFTER_NONE},
	{"an hour of another's zone", "", "{\"error\":\"resets at 3pm (America/Santiago)\"}",
	 UE_RETRY_AFTER_NONE},
	{"an hour there is not", "", "{\"error\":\"resets at 25:00 UTC\"}",
	 UE_RETRY_AFTER_NONE},
	{"a bare number is no hour", "", "{\"error\":\"resets at 3 UTC\"}",
	 UE_RETRY_AFTER_NONE},
	{"a length with a filler", "", "{\"error\":\"available again in about 2 hours\"}",
	 7200000},
	{"waiting", "", "{\"error\":\"Please wait for 30 seconds and then retry\"}", 30000},
	{"a number without a unit", "", "{\"error\":\"please wait 30 requests\"}",
	 UE_RETRY_AFTER_NONE},
	{"a length that no wait is", "", "{\"error\":\"You sent 60 requests in 5 minutes\"}",
	 UE_RETRY_AFTER_NONE},
	{"Chinese minutes", "",
	 "{\"error\":\"\xe8\xaf\xb7\xe5\x9c\xa8 5 \xe5\x88\x86\xe9\x92\x9f\xe5\x90\x8e"
	 "\xe9\x87\x8d\xe8\xaf\x95\"}",
	 300000},
	{"Chinese seconds", "",
	 "{\"error\":\"\xe9\x99\x90\xe6\xb5\x81\xef\xbc\x8c\xe8\xaf\xb7"
	 "30\xe7\xa7\x92\xe5\x90\x8e\xe5\x86\x8d\xe8\xaf\x95\"}",
	 30000},
	{"of the limits the one used up",
	 "x-ratelimit-remaining-requests: 0\nx-ratelimit-reset-requests: 8s\n"
	 "x-ratelimit-remaining-tokens: 10\nx-ratelimit-reset-tokens: 6m\n",
	 "", 8000},
	{"of two used up the later",
	 "x-ratelimit-remaining-requests: 0\nx-ratelimit-reset-requests: 8s\n"
	 "x-ratelimit-remaining-tokens: 0\nx-ratelimit-reset-tokens: 20s\n",
	 "", 20000},
	{"a limit that is not used up says nothing",
	 "x-ratelimit-remaining-tokens: 10\nx-ratelimit-reset-tokens: 6m\n", "",
	 UE_RETRY_AFTER_NONE},
	{"nor do two",
	 "anthropic-ratelimit-requests-remaining: 3\n"
	 "anthropic-ratelimit-requests-reset: 2026-11-21T00:00:07Z\n"
	 "anthropic-ratelimit-tokens-remaining: 10\n"
	 "anthropic-ratelimit-tokens-reset: 2026-11-21T00:00:09Z\n",
	 "", UE_RETRY_AFTER_NONE},
	{"a reset that has passed is not believed",
	 "anthropic-ratelimit-requests-remaining: 0\n"
	 "anthropic-ratelimit-requests-reset: 2026-11-20T23:59:00Z\n",
	 "", UE_RETRY_AFTER_NONE},
	{"the paragraph of a page", "", "<html><title>502</title><p>Try again in 30 seconds",
	 30000},
	{"of none that says how much remains the sooner",
	 "x-ratelimit-reset-requests: 8s\nx-ratelimit-reset-tokens: 20s\n", "", 8000},
	{"Anthropic's instant", "anthropic-ratelimit-tokens-reset: 2026-11-21T00:00:07Z\n",
	 "", 7000},
};

static void
test_waits(void)
{
	for (size_t i = 0; i < N_ELEMENTS(waits); i++)
	{
		CountedMemory memory;
		UeArena arena;
		UeFault fault = {.retry_after_ms = -2};
		UeHeader *headers = NULL;
		UeResponse response = {.status = 429,
							   .body = ue_slice_of(waits[i].body),
							   .now_ms = NOW};
		UeStatus status;

		counted_memory_init(&memory, SIZE_MAX);
		ue_arena_init(&arena, &memory.allocator, UE_LIMIT_CASE_MEMORY);
		status = ue_parse_header_block(&arena, ue_slice_of(waits[i].headers), &headers,
									   &response.n_headers);
		response.headers = headers;
		if (status == UE_OK)
			status = ue_parse_response(&arena, &response, &fault);
		ok(status == UE_OK && fault.retry_after_ms == waits[i].wait, "%s (%lld ms)",
		   waits[i].claim, (long long) fault.retry_after_ms);
		ue_arena_free(&arena);
	}
}

static void
test_resets_need_a_refusal(void)
{
	UeHeader header = {UE_SLICE("x-ratelimit-reset-tokens"), UE_SLICE("6m0s")};
	UeResponse response = {.status = 500,
						   .headers = &header,
						   .n_headers = 1,
						   .now_ms = NOW};

	ok(ue_parse_retry_after(&response, NULL, UE_SLICE("")) == UE_RETRY_AFTER_NONE,
	   "a limit's reset says nothing about a 500");
}

static void
test_header_block(void)
{
	CountedMemory memory;
	UeArena arena;
	UeHeader *headers = NULL;
	UeResponse response = {.status = 500};
	UeSlice block = UE_SLICE("A: 1\r\nno colon\n: nameless\nB:  two words \nb: again");
	UeStatus status;

	counted_memory_init(&memory, SIZE_MAX);
	ue_arena_init(&arena, &memory.allocator, UE_LIMIT_CASE_MEMORY);
	status = ue_parse_header_block(&arena, block, &headers, &response.n_headers);
	response.headers = headers;
	ok(status == UE_OK && response.n_headers == 3,
	   "lines without a colon or a name are passed over");
	ok(ue_slice_is_equal(ue_parse_find_header(&response, UE_SLICE("b")),
						 UE_SLICE("two words")),
	   "the first header of a name, any case, trimmed");
	ok(ue_slice_is_empty(ue_parse_find_header(&response, UE_SLICE("c"))),
	   "an absent header is empty");
	ue_arena_free(&arena);
	ok(memory.n_live == 0, "all memory comes back");
}

int
main(void)
{
	test_messages();
	test_durations();
	test_dates();
	test_waits();
	test_resets_need_a_refusal();
	test_header_block();
	return done_testing();
}
