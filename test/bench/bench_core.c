/* SPDX-License-Identifier: PostgreSQL */
/*
 * bench_core.c: what masking a text and deciding a case cost, beside the naive way.
 *
 * Naive is what one would write in an afternoon: jansson makes a DOM of the body, one
 * PCRE2 expression, compiled just in time, finds the same kinds of secrets, and jansson
 * writes the answer.  It knows far fewer kinds and exceptions than the core does.
 *
 * Times are those of the thread's CPU, so that other work on the machine disturbs less, and
 * medians of rounds in which everything measured takes its turn.
 */
#define PCRE2_CODE_UNIT_WIDTH 8

#include <jansson.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/buf.h"
#include "core/decide.h"
#include "core/fingerprint.h"
#include "core/mask.h"
#include "libc_allocator.h"

#define N_ROWS(table) (sizeof(table) / sizeof((table)[0]))
#define CEILING		  ((size_t) 256 * 1024 * 1024)
#define N_ROUNDS	  7

/* A measured piece of work takes at least this long per round. */
#define ROUND_NS 1000000.0

/*
 * The naive way is measured on no more than this: on some of the hostile texts its time grows
 * with the square of their length, so that 1 MB would take minutes.
 */
#define NAIVE_LEN 4096

/* SPEC 6 */
#define GOAL_MB_S	  200.0
#define GOAL_HOSTILE  2.0
#define GOAL_CORE_US  25.0
#define GOAL_MATCH_US 6.0

/* Operators' rules: none fits, so that all must be asked. */
#define N_RULES	   1000
#define N_KEYWORDS 3

typedef struct Subject
{
	const char *name;
	const char *unit; /* repeated until the text is long enough */
} Subject;

/* The first is the measure of the others: error bodies in which there is nothing to hide. */
static const Subject subjects[] = {
	{"clean bodies",
	 "{\"error\":{\"message\":\"This model's maximum context length is 8192 tokens. However, your "
	 "messages resulted in 9120 tokens. Please reduce the length of the messages.\",\"type\":"
	 "\"invalid_request_error\",\"param\":\"messages\",\"code\":\"context_length_exceeded\"}}\n"
	 "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"},"
	 "\"request_id\":\"req_011CSHoEeqs5C35K2UUqR7Fy\"}\n"
	 "{\"error\":{\"code\":429,\"message\":\"Resource has been exhausted (e.g. check quota).\","
	 "\"status\":\"RESOURCE_EXHAUSTED\",\"details\":[{\"@type\":\"type.googleapis.com/"
	 "google.rpc.RetryInfo\",\"retryDelay\":\"34s\"}]}}\n"
	 "{\"error\":{\"message\":\"Rate limit reached for gpt-4.1-mini on tokens per min (TPM): "
	 "Limit 30000, Used 29000, Requested 2000. Please try again in 2s.\",\"type\":\"tokens\","
	 "\"param\":null,\"code\":\"rate_limit_exceeded\"}}\n"},
	{"key and URL",
	 "{\"error\":{\"message\":\"Incorrect API key provided: sk-abc1****wxyz. You can find your "
	 "API key at https://platform.openai.com/account/api-keys.\",\"type\":"
	 "\"invalid_request_error\",\"param\":null,\"code\":\"invalid_api_key\"}}\n"
	 "{\"error\":{\"message\":\"Post \\\"https://api.openai.com/v1/chat/completions\\\": dial "
	 "tcp 104.18.6.192:443: i/o timeout\",\"type\":\"upstream_error\",\"code\":502}}\n"},
	{"HTML page",
	 "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad "
	 "Gateway</h1></center>\r\n<hr><center>nginx/1.25.3</center>\r\n</body>\r\n</html>\r\n"},
	/* from here on what an attacker would echo into a body */
	{"sk-", "sk-"},
	{"sk-sk-sk- ", "sk-sk-sk- "},
	{"sk-a.", "sk-a."},
	{"sk-a ", "sk-a "},
	{"hf_", "hf_"},
	{"hf_a_", "hf_a_"},
	{"xn--", "xn--"},
	{"a-", "a-"},
	{"x_", "x_"},
	{"a.", "a."},
	{".", "."},
	{"1.2.3.4.", "1.2.3.4."},
	{"1.2.3. ", "1.2.3. "},
	{"999.1.2.3 ", "999.1.2.3 "},
	{"a.b.messages ", "a.b.messages "},
	{"a.com/", "a.com/"},
	{"::", "::"},
	{"::=", "::="},
	{"1:", "1:"},
	{"fe80:", "fe80:"},
	{"fe80:: z", "fe80:: z"},
	{"a:b:", "a:b:"},
	{"a:b: ", "a:b: "},
	{"://", "://"},
	{"http://", "http://"},
	{"http:// ", "http:// "},
	{":\\/\\/ ", ":\\/\\/ "},
	{":\\/\\/", ":\\/\\/"},
	{"a://b ", "a://b "},
	{"https%3A%2F%2F", "https%3A%2F%2F"},
	{"eyJ", "eyJ"},
	{"eyJ ", "eyJ "},
	{"AIza", "AIza"},
	{"AKIA", "AKIA"},
	{"xbearer+", "xbearer+"},
	{"basic+", "basic+"},
	{"@", "@"},
	{"a@", "a@"},
	{"a@b ", "a@b "},
	{"%40", "%40"},
	{"%3a", "%3a"},
	{"x=", "x="},
	{"x=y&", "x=y&"},
	{"key=", "key="},
	{"token=", "token="},
	{"token: a ", "token: a "},
	{"a: b", "a: b"},
	{"key :", "key :"},
	{"Bearer :", "Bearer :"},
	{"secrets:", "secrets:"},
	{"\"key\":", "\"key\":"},
	{"\"key\": ", "\"key\": "},
	{"\"tokens\":1,", "\"tokens\":1,"},
	{"\"password\":[", "\"password\":["},
	{"token: a::a.", "token: a::a."},
	{"token=>", "token=>"},
	{"token&quot;:", "token&quot;:"},
	{"aKey: ", "aKey: "},
	{"a[b]=", "a[b]="},
	{"(\"token\",\"", "(\"token\",\""},
	{"--token a ", "--token a "},
	{"<token>a ", "<token>a "},
	{"Bearer ", "Bearer "},
	{"Bearer token ", "Bearer token "},
	{"bbbb", "bbbb"},
	{"*", "*"},
	{"**a ", "**a "},
	{"arn:aws:", "arn:aws:"},
	{"projects/", "projects/"},
	{"1//0 ", "1//0 "},
	{"-----BEGIN ", "-----BEGIN "},
	{"data: a", "\ndata: a"},
	{"data: %3a", "\ndata: %3a"},
	{"data: hf_aaaaaaaa", "\ndata: hf_aaaaaaaa"},
	{"\\u0026", "\\u0026"},
	{"\\\\\"", "\\\\\""},
};

/* What an afternoon's list of expressions would hold; one alternation, one pass. */
static const char naive_pattern[] =
	"(?:sk|rk|csk|ek|gsk|vck)[-_][A-Za-z0-9_*-]{3,}|AIza[A-Za-z0-9_-]{6,}|(?:AKIA|ASIA)[A-Z0-9]{12,}"
	"|ya29\\.[A-Za-z0-9_.-]+|eyJ[A-Za-z0-9_=-]+\\.[A-Za-z0-9_.=-]+|gh[opsur]_[A-Za-z0-9]{8,}"
	"|github_pat_\\w+|(?:hf|r8|fw)_[A-Za-z0-9]{8,}|(?:xai|pplx|nvapi|tvly|glpat|sess|org)-[\\w-]{8,}"
	"|xox[bp]-[\\w-]+|proj_\\w{6,}|(?i:bearer|basic)\\s+[\\w.~+/=*-]+"
	"|[A-Za-z][A-Za-z0-9+.-]*://[^\\s\"<>`]+|[\\w.+%-]+@[\\w-]+(?:\\.[\\w-]+)+"
	"|\\b\\d{1,3}(?:\\.\\d{1,3}){3}\\b|(?<![:\\w])(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{1,4}"
	"|\\b(?:[\\w-]+\\.)+(?:com|net|org|io|ai|co|dev|app|cloud|cn|jp|uk|de|fr|eu)\\b"
	"|arn:aws[\\w-]*:[\\w-]*:[\\w-]*:\\d{12}:\\S+|projects/[\\w-]+"
	"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\\s\\S]*?(?:-----END|\\z)"
	"|(?i:api[-_]?key|authorization|access[-_]?key|password|passwd|secret|cookie|token|credential)"
	"[\"']?\\s*[:=]\\s*[\"']?[^\\s\"',;&}]+";

typedef struct Naive
{
	pcre2_code *code;
	pcre2_match_data *match;
} Naive;

/* One thing to be measured: work does it once and returns something to be looked at. */
typedef struct Work
{
	size_t (*work)(struct Work *self);
	UeSlice text;
	UeArena *arena;
	const Naive *naive;
	const UePolicy *policy;
	char **keywords; /* those of the policy */
	UeFormat format;
	double ns[N_ROUNDS];
} Work;

static volatile size_t sink;

static double
read_clock_ns(void)
{
	struct timespec now;

	(void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double) now.tv_sec * 1e9 + (double) now.tv_nsec;
}

static int
compare_ns(const void *a, const void *b)
{
	double left = *(const double *) a;
	double right = *(const double *) b;

	return (left > right) - (left < right);
}

static double
find_median(Work *work)
{
	qsort(work->ns, N_ROUNDS, sizeof(work->ns[0]), compare_ns);
	return work->ns[N_ROUNDS / 2];
}

static void
measure_once(Work *work, int round)
{
	double start = read_clock_ns();
	double spent;
	int n = 0;

	do
	{
		sink += work->work(work);
		n++;
		spent = read_clock_ns() - start;
	} while (spent < ROUND_NS);
	work->ns[round] = spent / n;
}

static void
measure(Work *works, size_t n_works)
{
	for (int round = 0; round < N_ROUNDS; round++)
	{
		for (size_t i = 0; i < n_works; i++)
			measure_once(&works[i], round);
	}
}

static void
fail(const char *what)
{
	(void) fprintf(stderr, "bench_core: %s\n", what);
	exit(1);
}

static size_t
mask_once(Work *self)
{
	UeSlice masked;

	ue_arena_reset(self->arena);
	if (ue_mask_text(self->arena, NULL, self->text, &masked) != UE_OK)
		fail("out of memory");
	return masked.len;
}

/* Whether there is something to hide in it, or it only looks so. */
static const char *
name_kind(const Work *work)
{
	UeSlice masked;

	ue_arena_reset(work->arena);
	if (ue_mask_text(work->arena, NULL, work->text, &masked) != UE_OK)
		fail("out of memory");
	return ue_slice_is_equal(masked, work->text) ? "" : "hits";
}

static size_t
fingerprint_once(Work *self)
{
	return (size_t) ue_fingerprint_build(UE_SLICE("openai"), UE_SLICE("rate_limit"),
										 UE_SLICE("rate_limit_exceeded"), self->text);
}

/* Replaces every match by "***", into a buffer of the arena. */
static UeSlice
mask_naively(Work *self, UeSlice text)
{
	UeBuf buf;
	UeSlice masked;
	PCRE2_SPTR subject = (PCRE2_SPTR) text.ptr;
	PCRE2_SIZE *bounds = pcre2_get_ovector_pointer(self->naive->match);
	size_t done = 0;

	ue_buf_init(&buf, self->arena, CEILING);
	while (done < text.len && pcre2_jit_match(self->naive->code, subject, text.len, done,
											  0, self->naive->match, NULL) > 0)
	{
		ue_buf_append(&buf, ue_slice_sub(text, done, bounds[0] - done));
		ue_buf_append(&buf, UE_SLICE("***"));
		done = bounds[1];
	}
	ue_buf_append(&buf, ue_slice_sub(text, done, text.len));
	if (ue_buf_finish(&buf, &masked) != UE_OK)
		fail("out of memory");
	return masked;
}

static size_t
mask_naively_once(Work *self)
{
	ue_arena_reset(self->arena);
	return mask_naively(self, self->text).len;
}

static size_t
decide_once(Work *self)
{
	UeCase kase = {0};
	UeVerdict verdict;

	kase.response.platform = UE_SLICE("openai");
	kase.response.status = 429;
	kase.response.body = self->text;
	kase.format = self->format;
	kase.request_id = UE_SLICE("req_bench");
	ue_arena_reset(self->arena);
	if (ue_decide_case(self->arena, self->policy, &kase, &verdict) != UE_OK)
		fail("no verdict");
	return verdict.answer.body.len;
}

/* Parse, read what a fault is made of, mask message and body, write an answer. */
static size_t
decide_naively_once(Work *self)
{
	json_t *root = json_loadb(self->text.ptr, self->text.len, 0, NULL);
	json_t *error = json_object_get(root, "error");
	const char *message = json_string_value(json_object_get(error, "message"));
	const char *type = json_string_value(json_object_get(error, "type"));
	const char *code = json_string_value(json_object_get(error, "code"));
	json_t *answer;
	char *written;
	size_t len;
	UeSlice masked;

	ue_arena_reset(self->arena);
	masked = mask_naively(self, ue_slice_of(message));
	len = mask_naively(self, self->text).len;
	answer = json_pack("{s:{s:s%,s:s?,s:s?,s:n}}", "error", "message", masked.ptr,
					   masked.len, "type", type, "code", code, "param");
	written = json_dumps(answer, JSON_COMPACT);
	if (written == NULL)
		fail("jansson cannot write");
	len += strlen(written);
	free(written);
	json_decref(answer);
	json_decref(root);
	return len;
}

static UeSlice
make_text(const char *unit, size_t len)
{
	char *text = malloc(len);
	size_t unit_len = strlen(unit);

	if (text == NULL)
		fail("out of memory");
	for (size_t i = 0; i < len; i++)
		text[i] = unit[i % unit_len];
	return (UeSlice){text, len};
}

static double
get_mb_s(UeSlice text, double ns)
{
	return (double) text.len * 1e3 / ns;
}

/* Each subject masked, by us and naively; in turns, so that a busy spell hits all. */
static void
bench_mask(UeArena *arena, const Naive *naive, size_t len)
{
	static Work works[N_ROWS(subjects)];
	static Work naive_works[N_ROWS(subjects)];
	double clean_ns = 0;

	for (size_t i = 0; i < N_ROWS(subjects); i++)
	{
		UeSlice text = make_text(subjects[i].unit, len);
		UeSlice part = ue_slice_sub(text, 0, NAIVE_LEN);

		works[i] = (Work){.work = mask_once, .text = text, .arena = arena};
		naive_works[i] = (Work){.work = mask_naively_once,
								.text = part,
								.arena = arena,
								.naive = naive};
	}
	measure(works, N_ROWS(works));
	measure(naive_works, N_ROWS(naive_works));
	printf("\nmasking, %4zu KB        MB/s  cost per byte        PCRE2 MB/s\n",
		   len / 1024);
	for (size_t i = 0; i < N_ROWS(subjects); i++)
	{
		double ns = find_median(&works[i]);

		if (i == 0)
			clean_ns = ns;
		printf("%-20s %7.0f  %12.2fx %4s  %10.0f\n", subjects[i].name,
			   get_mb_s(works[i].text, ns), ns / clean_ns, name_kind(&works[i]),
			   get_mb_s(naive_works[i].text, find_median(&naive_works[i])));
		free((char *) works[i].text.ptr);
	}
}

/* An OpenAI error body of about so many bytes, with a key and a URL in it. */
static UeSlice
make_body(size_t len)
{
	static const char head[] =
		"{\"error\":{\"message\":\"Incorrect API key provided: sk-abc1****wxyz. You can find your "
		"API key at https://platform.openai.com/account/api-keys.";
	static const char tail[] =
		"\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":"
		"\"invalid_api_key\"}}";
	static const char filler[] =
		" The request was refused, see messages.0.content.1 of it.";
	char *text = malloc(len + sizeof(head) + sizeof(filler) + sizeof(tail));
	size_t at = sizeof(head) - 1;

	if (text == NULL)
		fail("out of memory");
	memcpy(text, head, at);
	while (at + sizeof(tail) < len)
	{
		memcpy(text + at, filler, sizeof(filler) - 1);
		at += sizeof(filler) - 1;
	}
	memcpy(text + at, tail, sizeof(tail) - 1);
	return (UeSlice){text, at + sizeof(tail) - 1};
}

static void
bench_core_path(UeArena *arena, const Naive *naive)
{
	static const size_t lens[] = {300, 2048, 16384};
	Work works[2 * N_ROWS(lens)];

	for (size_t i = 0; i < N_ROWS(lens); i++)
	{
		UeSlice text = make_body(lens[i]);

		works[2 * i] = (Work){.work = decide_once, .text = text, .arena = arena};
		works[2 * i + 1] = (Work){.work = decide_naively_once,
								  .text = text,
								  .arena = arena,
								  .naive = naive};
	}
	measure(works, N_ROWS(works));
	printf("\nparse, classify, mask, render     us  jansson and PCRE2 us\n");
	for (size_t i = 0; i < N_ROWS(lens); i++)
	{
		printf("%6.1f KB body             %10.2f  %20.2f\n",
			   (double) works[2 * i].text.len / 1024, find_median(&works[2 * i]) / 1e3,
			   find_median(&works[2 * i + 1]) / 1e3);
		free((char *) works[2 * i].text.ptr);
	}
	printf("must: 2 KB in %.0f us, with 1,000 rules matched\n", GOAL_CORE_US);
}

/* A part of what an event costs, beside the whole of what deciding it does. */
static void
bench_fingerprint(UeArena *arena)
{
	Work works[] = {
		{.work = fingerprint_once,
		 .text = make_text(subjects[0].unit, 300),
		 .arena = arena},
		{.work = fingerprint_once,
		 .text = make_text(subjects[0].unit, 2048),
		 .arena = arena},
	};

	measure(works, N_ROWS(works));
	printf("\nfingerprint                      us\n");
	for (size_t i = 0; i < N_ROWS(works); i++)
	{
		printf("%6.1f KB message          %10.2f\n", (double) works[i].text.len / 1024,
			   find_median(&works[i]) / 1e3);
		free((char *) works[i].text.ptr);
	}
}

static size_t
match_once(Work *self)
{
	UeRuleFacts facts = {.platform = UE_SLICE("openai"),
						 .status = 429,
						 .class = UE_CLASS_RATE_LIMIT,
						 .code = UE_SLICE("rate_limit_exceeded"),
						 .body = self->text,
						 .attempt = 1};
	const UeRule *rule;

	ue_arena_reset(self->arena);
	if (ue_rules_match(ue_policy_rules(self->policy), self->arena, &facts, &rule) !=
			UE_OK ||
		rule != NULL)
		fail("a rule fits");
	return self->text.len;
}

static size_t
match_naively_once(Work *self)
{
	size_t n_found = 0;

	for (size_t i = 0; i < N_RULES * N_KEYWORDS; i++)
		n_found += strcasestr(self->text.ptr, self->keywords[i]) != NULL;
	if (n_found > 0)
		fail("a keyword is found");
	return n_found;
}

/* A snapshot of N_RULES rules, and their keywords by themselves. */
static UePolicy *
make_policy(UeArena *arena, char **keywords)
{
	static const char *const forms[N_KEYWORDS] = {"the model gpt-%d is overloaded",
												  "quota of tenant %d exceeded",
												  "错误码 %d"};
	UePolicy *policy;
	UePolicyProblem problem;
	UeSlice text;
	UeBuf buf;

	ue_buf_init(&buf, arena, CEILING);
	ue_buf_append(&buf, UE_SLICE("{\"snapshot\":1,\"generation\":1}\n"));
	for (int i = 0; i < N_RULES; i++)
	{
		char line[512];

		for (int k = 0; k < N_KEYWORDS; k++)
		{
			keywords[i * N_KEYWORDS + k] = malloc(64);
			if (keywords[i * N_KEYWORDS + k] == NULL)
				fail("out of memory");
			(void) snprintf(keywords[i * N_KEYWORDS + k], 64, forms[k], i);
		}
		(void) snprintf(line, sizeof(line),
						"{\"rule\":{\"id\":%d,\"name\":\"rule %d\",\"error_codes\":"
						"[%d],\"keywords\":[\"%s\",\"%s\",\"%s\"],\"passthrough_body\":"
						"false,\"custom_message\":\"Please try again later.\"}}\n",
						i + 1, i, 500 + i % 100, keywords[i * N_KEYWORDS],
						keywords[i * N_KEYWORDS + 1], keywords[i * N_KEYWORDS + 2]);
		ue_buf_append(&buf, ue_slice_of(line));
	}
	ue_buf_append(&buf, UE_SLICE("{\"end\":1000}\n"));
	if (ue_buf_finish(&buf, &text) != UE_OK ||
		ue_policy_read(&libc_allocator, CEILING, arena, text, &policy, &problem) != UE_OK)
		fail("the policy is refused");
	return policy;
}

static void
bench_rules(UeArena *arena)
{
	static char *keywords[N_RULES * N_KEYWORDS];
	double start = read_clock_ns();
	UePolicy *policy = make_policy(arena, keywords);
	double read_ns = read_clock_ns() - start;
	UeSlice text = make_body(2048);
	char *copy = strndup(text.ptr, text.len);
	Work works[] = {
		{.work = match_once, .text = text, .arena = arena, .policy = policy},
		{.work = decide_once, .text = text, .arena = arena, .policy = policy},
		{.work = match_naively_once, .text = {copy, text.len}, .keywords = keywords},
	};

	measure(works, N_ROWS(works));
	printf("\n%d rules of %d keywords, %.1f KB body       us\n", N_RULES, N_KEYWORDS,
		   (double) text.len / 1024);
	printf("match alone                            %10.2f  must: %.0f\n",
		   find_median(&works[0]) / 1e3, GOAL_MATCH_US);
	printf("parse, classify, match, mask, render   %10.2f  must: %.0f\n",
		   find_median(&works[1]) / 1e3, GOAL_CORE_US);
	printf("strcasestr per keyword                 %10.2f\n",
		   find_median(&works[2]) / 1e3);
	printf("memory %.0f KB, must: 1024; read and compiled in %.1f ms\n",
		   (double) ue_policy_size(policy) / 1024, read_ns / 1e6);
	ue_policy_free(policy);
	for (size_t i = 0; i < N_RULES * N_KEYWORDS; i++)
		free(keywords[i]);
	free((char *) text.ptr);
	free(copy);
}

static void
compile_naive(Naive *naive)
{
	int code;
	PCRE2_SIZE at;

	naive->code = pcre2_compile((PCRE2_SPTR) naive_pattern, PCRE2_ZERO_TERMINATED, 0,
								&code, &at, NULL);
	if (naive->code == NULL || pcre2_jit_compile(naive->code, PCRE2_JIT_COMPLETE) != 0)
		fail("PCRE2 cannot compile");
	naive->match = pcre2_match_data_create_from_pattern(naive->code, NULL);
	if (naive->match == NULL)
		fail("out of memory");
}

int
main(void)
{
	UeArena arena;
	Naive naive;

	ue_arena_init(&arena, &libc_allocator, CEILING);
	compile_naive(&naive);
	bench_core_path(&arena, &naive);
	bench_rules(&arena);
	bench_fingerprint(&arena);
	bench_mask(&arena, &naive, 65536);
	bench_mask(&arena, &naive, 1048576);
	printf(
		"must: %.0f MB/s on bodies, %.0f times the clean cost per byte on the rest but "
		"hits\n",
		GOAL_MB_S, GOAL_HOSTILE);
	pcre2_match_data_free(naive.match);
	pcre2_code_free(naive.code);
	ue_arena_free(&arena);
	return 0;
}
