/* SPDX-License-Identifier: PostgreSQL */
/*
 * bench_match.c: looking for the keywords of 1,000 rules in a body, beside the naive ways.
 *
 * Naive is strcasestr() for each keyword, and PCRE2 alternations without regard to case,
 * compiled just in time; one of all 3,000 is refused as too large.  Both do less: the loop
 * knows ASCII alone, and an alternation says only whether any of its keywords is there.
 *
 * Times are those of the thread's CPU and the best of rounds in which everything measured
 * takes its turn: what others do on the machine only adds to them.
 */
#define PCRE2_CODE_UNIT_WIDTH 8

#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/match.h"
#include "core/pattern.h"
#include "libc_allocator.h"

#define N_ROWS(table) (sizeof(table) / sizeof((table)[0]))
#define CEILING		  ((size_t) 256 * 1024 * 1024)
#define N_KEYWORDS	  3000
#define N_ROUNDS	  25
#define KEYWORD_SIZE  64

/* PCRE2 takes about 64 KiB of compiled code. */
#define N_ALTERNATIONS 6

/* A measured piece of work takes at least this long per round. */
#define ROUND_NS 400000.0

/* STYLE and SPEC 6: 1,000 rules of 3 keywords. */
#define GOAL_SCAN_NS  5000.0
#define GOAL_BYTES	  (600.0 * 1024)
#define GOAL_BUILD_NS 5000000.0

typedef struct Bench
{
	char words[N_KEYWORDS][KEYWORD_SIZE];
	UeSlice keywords[N_KEYWORDS];
	char body[2049];
	UeSlice text;
	const UeMatcher *matcher;
	uint64_t found[UE_MATCH_WORDS(N_KEYWORDS)];
	pcre2_code *alternations[N_ALTERNATIONS];
	pcre2_match_data *match;
	UePattern *pattern;
	UeArena scratch;
	size_t n_hits; /* so that nothing is left out by the compiler */
} Bench;

typedef void (*Work)(Bench *bench);

/* Rules name what upstreams say: two or three of their words, and a number or a model. */
static const char *const subjects[] = {
	"quota",		"rate limit",	"billing",	   "credit balance", "capacity",
	"api key",		"organization", "model",	   "context length", "token",
	"permission",	"region",		"content",	   "safety filter",	 "upstream",
	"request body", "image",		"tool call",   "account",		 "subscription",
	"workspace",	"deployment",	"concurrency", "session",		 "额度",
};
static const char *const verbs[] = {
	"exceeded",	 "is disabled",	  "not found", "has expired", "was rejected",
	"too large", "is overloaded", "suspended", "unavailable", "不足",
};

/* What is scanned has their vocabulary and none of the keywords. */
static const char *const bodies[] = {
	"{\"error\":{\"message\":\"This model's maximum context length is 8192 tokens. However, your "
	"messages resulted in 9120 tokens. Please reduce the length of the messages.\",\"type\":"
	"\"invalid_request_error\",\"param\":\"messages\",\"code\":\"context_length_exceeded\"}}\n",
	"{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"},"
	"\"request_id\":\"req_011CSHoEeqs5C35K2UUqR7Fy\"}\n",
	"{\"error\":{\"code\":429,\"message\":\"Resource has been exhausted (e.g. check quota).\","
	"\"status\":\"RESOURCE_EXHAUSTED\",\"details\":[{\"@type\":\"type.googleapis.com/"
	"google.rpc.RetryInfo\",\"retryDelay\":\"34s\"}]}}\n",
	"{\"error\":{\"message\":\"Rate limit reached for gpt-4.1-mini on tokens per min (TPM): "
	"Limit 30000, Used 29000, Requested 2000. Please try again in 2s.\",\"type\":\"tokens\","
	"\"param\":null,\"code\":\"rate_limit_exceeded\"}}\n",
	"{\"error\":{\"message\":\"Incorrect API key provided: sk-abc1****wxyz. You can find your "
	"API key at https://platform.openai.com/account/api-keys.\",\"type\":"
	"\"invalid_request_error\",\"param\":null,\"code\":\"invalid_api_key\"}}\n",
};

static const char *const chinese[] = {
	"{\"error\":{\"message\":\"您的账户余额不够，请充值后再试（请求编号：20250611）\",\"type\":"
	"\"insufficient_user_balance\"}}\n",
};
static const char *const russian[] = {
	"{\"error\":{\"message\":\"Превышен предел запросов, попробуйте через 20 секунд\"}}\n",
};

static double
now_ns(void)
{
	struct timespec time;

	(void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (double) time.tv_sec * 1e9 + (double) time.tv_nsec;
}

static void
write_keywords(Bench *bench)
{
	for (size_t i = 0; i < N_KEYWORDS; i++)
	{
		const char *subject = subjects[i % N_ROWS(subjects)];
		const char *verb = verbs[(i / N_ROWS(subjects)) % N_ROWS(verbs)];
		const char *form = i % 3 == 0	? "%s %s %04zu"
						   : i % 3 == 1 ? "The %s %s (%04zu)"
										: "%s-%s-%zu";
		int len = snprintf(bench->words[i], KEYWORD_SIZE, form, subject, verb, i);

		bench->keywords[i].ptr = bench->words[i];
		bench->keywords[i].len = (size_t) len;
	}
}

static void
write_body(Bench *bench, const char *const *parts, size_t n_parts, size_t len)
{
	size_t at = 0;

	for (size_t i = 0; at < len; i++)
	{
		const char *part = parts[i % n_parts];
		size_t n = strlen(part) < len - at ? strlen(part) : len - at;

		memcpy(bench->body + at, part, n);
		at += n;
	}
	bench->body[len] = '\0';
	bench->text = (UeSlice){bench->body, len};
}

static void
scan_matcher(Bench *bench)
{
	memset(bench->found, 0, sizeof(bench->found));
	ue_matcher_scan(bench->matcher, bench->text, bench->found);
	bench->n_hits += bench->found[0] != 0;
}

static void
scan_loop(Bench *bench)
{
	for (size_t i = 0; i < N_KEYWORDS; i++)
		bench->n_hits += strcasestr(bench->body, bench->words[i]) != NULL;
}

static void
scan_alternations(Bench *bench)
{
	for (size_t i = 0; i < N_ALTERNATIONS; i++)
		bench->n_hits +=
			pcre2_match(bench->alternations[i], (PCRE2_SPTR) bench->body, bench->text.len,
						0, PCRE2_NO_UTF_CHECK, bench->match, NULL) > 0;
}

static void
scan_pattern(Bench *bench)
{
	UePatternResult result = UE_PATTERN_MISS;
	UePatternSpan span;

	if (ue_pattern_find(bench->pattern, &bench->scratch, bench->text, 0, &result,
						&span) == UE_OK)
		bench->n_hits += result == UE_PATTERN_HIT;
}

static void
build_matcher(Bench *bench)
{
	const UeMatcher *matcher;

	ue_arena_reset(&bench->scratch);
	if (ue_matcher_build(&bench->scratch, bench->keywords, N_KEYWORDS, &matcher) != UE_OK)
		abort();
	bench->n_hits += matcher == NULL;
}

static double
measure(Bench *bench, Work work)
{
	double best = 0;

	for (int round = 0; round < N_ROUNDS; round++)
	{
		double start = now_ns();
		double spent = 0;
		long n = 0;

		while (spent < ROUND_NS)
		{
			for (long i = 0; i <= n / 2; i++, n++)
				work(bench);
			spent = now_ns() - start;
		}
		if (round == 0 || spent / (double) n < best)
			best = spent / (double) n;
	}
	return best;
}

static pcre2_code *
compile_alternation(const Bench *bench, size_t first, size_t n)
{
	static char text[N_KEYWORDS * (KEYWORD_SIZE + 5)];
	pcre2_code *result;
	size_t len = 0;
	size_t offset;
	int code;

	for (size_t i = first; i < first + n; i++)
		len += (size_t) snprintf(text + len, sizeof(text) - len, "%s\\Q%s\\E",
								 i == first ? "" : "|", bench->words[i]);
	result = pcre2_compile((PCRE2_SPTR) text, len, PCRE2_UTF | PCRE2_UCP | PCRE2_CASELESS,
						   &code, &offset, NULL);
	if (result == NULL || pcre2_jit_compile(result, PCRE2_JIT_COMPLETE) != 0)
		abort();
	return result;
}

static void
print_goal(const char *what, double got, double goal, const char *unit)
{
	printf("%-44s %10.1f %s, goal %.1f: %s\n", what, got, unit, goal,
		   got <= goal ? "met" : "MISSED");
}

static void
print_row(const char *name, Bench *bench, const char *const *parts, size_t n_parts,
		  size_t len)
{
	double ours;
	double loop;

	write_body(bench, parts, n_parts, len);
	bench->n_hits = 0;
	ours = measure(bench, scan_matcher);
	loop = measure(bench, scan_loop);
	printf("%-16s %5zu B %10.2f us %6.2f ns/B   strcasestr x %.0f   PCRE2 x %.0f%s\n",
		   name, len, ours / 1000, ours / (double) len, loop / ours,
		   measure(bench, scan_alternations) / ours,
		   bench->n_hits > 0 ? "   (hits: no miss was measured)" : "");
	if (len == 2048 && parts == bodies)
		print_goal("  1,000 rules, 2 KB, none fits", ours, GOAL_SCAN_NS, "ns");
}

static void
print_pattern(Bench *bench, const char *text)
{
	UePattern *pattern = NULL;

	if (ue_pattern_compile(&libc_allocator, ue_slice_of(text), false, &pattern, NULL) !=
		UE_OK)
		abort();
	bench->pattern = pattern;
	printf("pattern %-36s %10.2f us\n", text, measure(bench, scan_pattern) / 1000);
	ue_pattern_free(pattern);
}

int
main(void)
{
	static Bench bench;
	static const char *const patterns[] = {"\\b529\\b",
										   "(?i)insufficient (?:balance|credit|quota)",
										   "rate.?limit.*never", "\\d+ bananas",
										   "foo|bar|baz|qux|corge"};
	double build_ns;
	UeArena arena;

	ue_arena_init(&arena, &libc_allocator, CEILING);
	ue_arena_init(&bench.scratch, &libc_allocator, CEILING);
	write_keywords(&bench);
	if (ue_matcher_build(&arena, bench.keywords, N_KEYWORDS, &bench.matcher) != UE_OK)
		abort();
	for (size_t i = 0; i < N_ALTERNATIONS; i++)
		bench.alternations[i] =
			compile_alternation(&bench, i * N_KEYWORDS / N_ALTERNATIONS,
								N_KEYWORDS / N_ALTERNATIONS);
	bench.match = pcre2_match_data_create(1, NULL);
	build_ns = measure(&bench, build_matcher);
	print_goal("1,000 rules of 3 keywords: memory",
			   (double) ue_matcher_size(bench.matcher), GOAL_BYTES, "bytes");
	print_goal("1,000 rules of 3 keywords: build", build_ns, GOAL_BUILD_NS, "ns");
	print_row("English", &bench, bodies, N_ROWS(bodies), 2048);
	print_row("English", &bench, bodies, N_ROWS(bodies), 300);
	print_row("Chinese", &bench, chinese, 1, 2048);
	print_row("Russian", &bench, russian, 1, 2048);
	write_body(&bench, bodies, N_ROWS(bodies), 2048);
	for (size_t i = 0; i < N_ROWS(patterns); i++)
		print_pattern(&bench, patterns[i]);
	pcre2_match_data_free(bench.match);
	for (size_t i = 0; i < N_ALTERNATIONS; i++)
		pcre2_code_free(bench.alternations[i]);
	ue_arena_free(&bench.scratch);
	ue_arena_free(&arena);
	return 0;
}
