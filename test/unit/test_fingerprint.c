/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_fingerprint.c: reports of one fault look the same, those of two do not.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/fingerprint.h"
#include "core/limits.h"
#include "guard.h"
#include "libc_allocator.h"
#include "tap.h"

#define N_ROWS(table) (sizeof(table) / sizeof((table)[0]))
#define CEILING		  (16 * 1024 * 1024)

static Guard guard;
static UeArena arena;

typedef struct Vector
{
	const char *message;
	const char *expected;
} Vector;

/* Messages as upstreams write them, masked. */
static const Vector vectors[] = {
	{"", ""},
	{"Overloaded", "overloaded"},
	{"  Overloaded. ", "overloaded"},
	{"The server had an error while processing your request. Sorry about that!",
	 "the server had an error while processing your request sorry about that"},
	{"Rate limit reached for gpt-4o in organization org-*** on tokens per min (TPM): Limit 30000, "
	 "Used 29000, Requested 2000. Please try again in 7m12s. Visit https://*** to learn more.",
	 "rate limit reached for # in organization # on tokens per min (tpm): limit #, used #, requested "
	 "# please try again in # visit # to learn more"},
	/* names of models, with and without a number */
	{"The model `gpt-4-turbo` does not exist", "the model # does not exist"},
	{"The model deepseek-chat does not exist", "the model # does not exist"},
	{"models/gemini-pro is not found for API version v1beta",
	 "# is not found for api version #"},
	{"anthropic.claude-instant is not supported", "# is not supported"},
	/* numbers, units, lists */
	{"This model's maximum context length is 8,192 tokens.",
	 "this model's maximum context length is # tokens"},
	{"try again in 20 seconds", "try again in #"},
	{"try again in 1 minute", "try again in #"},
	{"try again in 740ms", "try again in #"},
	{"expected one of 1, 2, 3 or 4", "expected one of # or #"},
	{"input [1, 2, 3] is too long", "input [#] is too long"},
	{"-5 is less than the minimum of 0", "# is less than the minimum of #"},
	{"You exceeded 50% of $5.00", "you exceeded # of #"},
	{"status_code=503", "status_code=#"},
	/* times */
	{"resets at 2026-11-21T10:00:00Z", "resets at #"},
	{"resets at 2026-11-21 10:00:00.123 UTC", "resets at #"},
	{"resets at Sat, 21 Nov 2026 10:00:00 GMT", "resets at #"},
	{"resets at Nov 21, 10:30 PM (UTC)", "resets at # (utc"},
	{"resets on Saturday, November 21", "resets on #"},
	{"you may march on Monday", "you may march on monday"},
	/* ids, hashes, keys, addresses */
	{"request req_011CSHoEeqs5C35K2UUqR7Fy failed", "request # failed"},
	{"request 123e4567-e89b-12d3-a456-426614174000 failed", "request # failed"},
	{"trace 4bf92f3577b34da6a3ce929d0e0e4736", "trace #"},
	{"Incorrect API key provided: sk-***. You can find your API key at https://***",
	 "incorrect api key provided: # you can find your api key at #"},
	{"contact us at ***@example.com", "contact us at #"},
	{"dial tcp ***:443: i/o timeout", "dial tcp #: i/o timeout"},
	{"Post \"https://***/v1\": EOF", "post #: eof"},
	/* quoted values, apostrophes, places */
	{"Unknown parameter: 'max_token'.", "unknown parameter: #"},
	{"Invalid value: 'foo'. Supported values are: 'text', 'json'.",
	 "invalid value: # supported values are: #"},
	{"We don't like 'it', don't try", "we don't like #, don't try"},
	{"messages.0.content.1.type: Field required",
	 "messages.#.content.#.type: field required"},
	{"messages[12].content", "messages[#].content"},
	{"an unclosed \" quote", "an unclosed \" quote"},
	/* JSON that nobody could read: its words are the message */
	{"{\"detail\": \"Not Found\", \"id\": 12}", "{\"detail\": \"not found\", \"id\": #"},
	/* other scripts, bytes that are no text */
	{"模型 gpt-4 不存在（请求 abc123）", "模型 # 不存在（请求 #）"},
	{"模型gpt-4o不存在", "模型#不存在"},
	{"caf\xc3\xa9 \xff!", "caf\xc3\xa9 \xff"},
	{"a\tb\r\n  c", "a b c"},
	{"!!!", ""},
	{"issue #5 of C#", "issue # of c#"},
	{"-------------------------------- 502", "-------------------------------- #"},
};

static UeSlice
normalize(UeSlice message)
{
	UeSlice out = UE_SLICE("failed");
	UeBuf buf;

	ue_buf_init(&buf, &arena, CEILING);
	ue_fingerprint_write_message(&buf, guard_place(&guard, message));
	if (ue_buf_finish(&buf, &out) != UE_OK)
		return UE_SLICE("failed");
	return out;
}

static int64_t
build(const char *platform, const char *class, const char *code, const char *message)
{
	return ue_fingerprint_build(ue_slice_of(platform), ue_slice_of(class),
								ue_slice_of(code), ue_slice_of(message));
}

static void
test_vectors(void)
{
	for (size_t i = 0; i < N_ROWS(vectors); i++)
	{
		ue_arena_reset(&arena);
		is_text(normalize(ue_slice_of(vectors[i].message)),
				ue_slice_of(vectors[i].expected), "fingerprint: %s", vectors[i].message);
	}
}

/* The rows in the tables of today and those of last year must go on being one. */
static void
test_values(void)
{
	ok(UE_FINGERPRINT_VERSION == 1, "fingerprint: these values belong to version 1");
	ok(build("openai", "rate_limit", "rate_limit_exceeded",
			 "Rate limit reached for gpt-4o") == INT64_C(9156650339989449687),
	   "fingerprint: a value is the same on every machine");
	ok(build("", "", "", "") == INT64_C(-6984809565467267099),
	   "fingerprint: so is that of nothing");
}

static void
test_parts(void)
{
	int64_t first = build("openai", "overloaded", "x", "Overloaded");

	ok(first == build("OpenAI", "overloaded", "X", "overloaded."),
	   "fingerprint: case makes no difference");
	ok(first != build("anthropic", "overloaded", "x", "Overloaded"),
	   "fingerprint: another platform is another fault");
	ok(first != build("openai", "rate_limit", "x", "Overloaded"),
	   "fingerprint: so is another class");
	ok(first != build("openai", "overloaded", "y", "Overloaded"),
	   "fingerprint: so is another code");
	ok(first != build("openai", "overloaded", "x", "Overloaded again"),
	   "fingerprint: so is another message");
	ok(build("a", "bc", "", "") != build("ab", "c", "", ""),
	   "fingerprint: the parts do not run together");
	ok(build("a", "b", "", "x") != build("a", "b", "x", ""),
	   "fingerprint: nor do code and message");
}

/* Long reports of one fault, cut at the same length, with values of different lengths. */
static void
test_cut(void)
{
	static const char *const values[] = {"1", "1234567890123",
										 "req_0123456789abcdef0123"};
	char message[3000];
	int64_t first = 0;

	for (size_t i = 0; i < N_ROWS(values); i++)
	{
		size_t len = 0;
		int64_t got;

		while (len + 100 < sizeof(message))
			len +=
				(size_t) snprintf(message + len, sizeof(message) - len,
								  "the value %s is not what was asked for; ", values[i]);
		got = ue_fingerprint_build(UE_SLICE("p"), UE_SLICE("c"), UE_SLICE(""),
								   (UeSlice){message, UE_LIMIT_MESSAGE});
		if (i == 0)
			first = got;
		ok(got == first, "fingerprint: the place of the cut makes no difference: %s",
		   values[i]);
	}
	ue_arena_reset(&arena);
	ok(normalize((UeSlice){message, sizeof(message) - 200}).len <= UE_LIMIT_FINGERPRINT,
	   "fingerprint: what is looked at has a ceiling");
}

/* What was written is not written otherwise when it is read again. */
static void
test_rest(void)
{
	for (size_t i = 0; i < N_ROWS(vectors); i++)
	{
		UeSlice once;

		ue_arena_reset(&arena);
		once = normalize(ue_slice_of(vectors[i].message));
		ok(build("", "", "", vectors[i].message) ==
			   ue_fingerprint_build(UE_SLICE(""), UE_SLICE(""), UE_SLICE(""),
									normalize(ue_slice_of(vectors[i].message))),
		   "fingerprint: hashed as shown: %.*s", (int) once.len, once.ptr);
	}
}

/* Nanoseconds that this thread has used. */
static double
get_ns(void)
{
	struct timespec now;

	(void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double) now.tv_sec * 1e9 + (double) now.tv_nsec;
}

/* Sixteen times the text may not take a hundred times as long; quadratic would be 256. */
static void
test_linear(void)
{
	static const char *const units[] = {"'",  "\"a ",	 "`",	"-",	   "a-",
										"a.", "a.0.",	 "://", "http://", "*",
										"1 ", "monday ", "{\"", "\xe6"};
	size_t lens[] = {65536, 1048576};

	for (size_t i = 0; i < N_ROWS(units); i++)
	{
		double ns[2];
		char *text = malloc(lens[1]);

		if (text == NULL)
			abort();
		for (size_t at = 0; at < lens[1]; at++)
			text[at] = units[i][at % strlen(units[i])];
		for (int n = 0; n < 2; n++)
		{
			double started = get_ns();

			for (int round = 0; round < 3; round++)
				(void) ue_fingerprint_build(UE_SLICE(""), UE_SLICE(""), UE_SLICE(""),
											(UeSlice){text, lens[n]});
			ns[n] = get_ns() - started;
		}
		ok(ns[1] < 100 * ns[0] || ns[1] < 50e6, "fingerprint: linear on %s", units[i]);
		free(text);
	}
}

/* Every day and month, whole and by its first three letters, whatever its case. */
static void
test_dates(void)
{
	static const char *const names[] = {
		"Monday",  "Tuesday",	"Wednesday", "Thursday", "Friday",	 "Saturday", "Sunday",
		"January", "February",	"March",	 "April",	 "May",		 "June",	 "July",
		"August",  "September", "October",	 "November", "December",
	};
	int n_wrong = 0;

	for (size_t i = 0; i < N_ROWS(names); i++)
	{
		for (int form = 0; form < 2; form++)
		{
			char message[64];
			UeBuf buf;
			UeSlice text;

			if (form == 0)
				snprintf(message, sizeof(message), "resets on %s 5", names[i]);
			else
				snprintf(message, sizeof(message), "RESETS ON %.3s 5", names[i]);
			ue_buf_init(&buf, &arena, 1000);
			ue_fingerprint_write_message(&buf, ue_slice_of(message));
			n_wrong += ue_buf_finish(&buf, &text) != UE_OK ||
					   !ue_slice_is_equal(text, UE_SLICE("resets on #"));
		}
	}
	ok(n_wrong == 0, "fingerprint: all names of days and months before a number");
}

int
main(void)
{
	guard_init(&guard, 65536);
	ue_arena_init(&arena, &libc_allocator, CEILING);
	test_vectors();
	test_values();
	test_parts();
	test_cut();
	test_rest();
	test_dates();
	test_linear();
	ue_arena_free(&arena);
	guard_free(&guard);
	return done_testing();
}
