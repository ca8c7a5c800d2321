/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_policy.c: snapshots that are whole, torn, or of another version; messages by
 * language; verdicts that outlive their policy.
 */
#include <string.h>

#include "core/buf.h"
#include "core/decide.h"
#include "libc_allocator.h"
#include "tap.h"

#define HEAD "{\"snapshot\":1,\"generation\":42,\"mask_revision\":3}\n"
#define RULE1                                                                            \
	"{\"rule\":{\"id\":1,\"name\":\"a\",\"version\":4,\"error_codes\":[500],"            \
	"\"passthrough_body\":false,\"custom_message\":\"{model}/{channel}: "                \
	"{upstream_message} {status} {what}\",\"messages\":{\"zh\":\"中文\"},"             \
	"\"response_type\":\"t1\",\"response_error_code\":\"c1\",\"retry_after\":90,"        \
	"\"passthrough_code\":false,\"response_code\":503,\"action\":\"cooldown\","          \
	"\"cooldown_s\":5,\"skip_monitoring\":true}}\n"

static UeArena arena;

static UePolicy *
read_policy(const char *snapshot)
{
	UePolicy *policy = NULL;
	UePolicyProblem problem;

	if (ue_policy_read(&libc_allocator, UE_LIMIT_POLICY_MEMORY, &arena,
					   ue_slice_of(snapshot), &policy, &problem) != UE_OK)
		abort();
	return policy;
}

typedef struct Refusal
{
	const char *snapshot;
	UeStatus status;
	size_t line;
	const char *words;
} Refusal;

static const Refusal refusals[] = {
	{"", UE_MALFORMED, 0, ": the snapshot has no last line: it is torn"},
	{HEAD, UE_MALFORMED, 0, ": the snapshot has no last line: it is torn"},
	{HEAD RULE1, UE_MALFORMED, 0, ": the snapshot has no last line: it is torn"},
	{HEAD RULE1 "{\"end\":1", UE_MALFORMED, 3, ": the line is not one JSON object"},
	{HEAD "{\"end\":1}\n", UE_MALFORMED, 2,
	 ": the last line counts other lines than there are: the snapshot is torn"},
	{HEAD "{\"end\":0}\n{\"end\":1}\n", UE_MALFORMED, 3,
	 ": there is a line behind the end"},
	{HEAD "{\"mask_host\":\"x\\uFFFF\"}\n\xFF{\"end\":1}\n", UE_MALFORMED, 0,
	 ": the snapshot is not valid UTF-8"},
	{"{\"snapshot\":2,\"generation\":1}\n{\"end\":0}\n", UE_INVALID_ARGUMENT, 1,
	 "snapshot: 2 is out of range; accepted are 1 to 1"},
	{"{\"generation\":1}\n{\"end\":0}\n", UE_INVALID_ARGUMENT, 1,
	 "snapshot: the first line must say {\"snapshot\":1,…}"},
	{HEAD "{\"charm\":1}\n{\"end\":1}\n", UE_INVALID_ARGUMENT, 2,
	 "charm: this version knows no such line"},
	{HEAD "{\"rule\":{},\"x\":1}\n{\"end\":1}\n", UE_INVALID_ARGUMENT, 2,
	 ": the line must have one member"},
	{HEAD "{\"rule\":{\"id\":9,\"name\":\"x\",\"error_codes\":[1]}}\n{\"end\":1}\n",
	 UE_INVALID_ARGUMENT, 2, "error_codes: 1 is out of range; accepted are 100 to 599"},
	{HEAD "{\"rule\":{\"id\":9,\"name\":\"x\",\"moon\":1}}\n{\"end\":1}\n",
	 UE_INVALID_ARGUMENT, 2,
	 "moon: there is no such field; accepted are the names of the table's columns"},
	{HEAD RULE1 RULE1 "{\"end\":2}\n", UE_INVALID_ARGUMENT, 0,
	 "id: 1 is the id of two rules; each has its own"},
	{HEAD "{\"mask_host\":7}\n{\"end\":1}\n", UE_INVALID_ARGUMENT, 2,
	 "mask_host: it must be a host's name of at most 255 bytes"},
	{HEAD "{\"mask_pattern\":{\"pattern\":\"a*\"}}\n{\"end\":1}\n", UE_INVALID_ARGUMENT,
	 2,
	 "pattern: it matches the empty text, and so everywhere; accepted are patterns that "
	 "match something"},
	{HEAD "{\"mask_pattern\":{\"case_sensitive\":true}}\n{\"end\":1}\n",
	 UE_INVALID_ARGUMENT, 2, "pattern: a pattern is needed"},
	{HEAD "{\"mask_pattern\":{\"pattern\":\"a\",\"group\":1}}\n{\"end\":1}\n",
	 UE_INVALID_ARGUMENT, 2,
	 "group: there is no such field; accepted are the names of the table's columns"},
	{HEAD "{\"message\":{\"code\":\"x\",\"language\":\"de\"}}\n{\"end\":1}\n",
	 UE_INVALID_ARGUMENT, 2, "message: code, language and message are needed"},
	{HEAD "{\"setting\":{\"name\":\"colour\",\"value\":\"de\"}}\n{\"end\":1}\n",
	 UE_INVALID_ARGUMENT, 2,
	 "name: there is no such setting; accepted is default_language"},
	{HEAD "{\"setting\":{\"name\":\"default_language\"}}\n{\"end\":1}\n",
	 UE_INVALID_ARGUMENT, 2,
	 "value: it is no language; accepted are tags like zh and pt-BR"},
};

static void
test_refusals(void)
{
	char words[512];

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
	{
		UePolicy *policy = NULL;
		UePolicyProblem problem = {.line = 99};
		UeStatus status;

		ue_arena_reset(&arena);
		status = ue_policy_read(&libc_allocator, UE_LIMIT_POLICY_MEMORY, &arena,
								ue_slice_of(refusals[i].snapshot), &policy, &problem);
		ok(status == refusals[i].status && policy == NULL &&
			   problem.line == refusals[i].line,
		   "snapshot %zu is refused at line %zu", i, refusals[i].line);
		(void) snprintf(words, sizeof(words), "%.*s: %.*s", (int) problem.rule.field.len,
						problem.rule.field.ptr, (int) problem.rule.text.len,
						problem.rule.text.ptr);
		is_text(ue_slice_of(words), ue_slice_of(refusals[i].words), "in these words");
	}
}

/* Cut at every byte: nothing but the whole is a policy. */
static void
test_torn(void)
{
	static const char whole[] = HEAD RULE1 "{\"mask_host\":\"a.example\"}\n{\"end\":2}\n";
	size_t n_accepted = 0;

	for (size_t len = 0; len < sizeof(whole) - 1; len++)
	{
		UePolicy *policy = NULL;
		UePolicyProblem problem;

		ue_arena_reset(&arena);
		if (ue_policy_read(&libc_allocator, UE_LIMIT_POLICY_MEMORY, &arena,
						   (UeSlice){whole, len}, &policy, &problem) == UE_OK)
			n_accepted++;
		ue_policy_free(policy);
	}
	ok(n_accepted == 1, "only the last line break may be missing");
}

static void
test_nobody(void)
{
	UeSlice language;
	const UeCode *code = ue_catalog_find(UE_SLICE("rate_limit_exceeded"));

	ok(ue_policy_generation(NULL) == 0 && ue_policy_rules(NULL) == NULL &&
		   ue_policy_mask(NULL) == NULL && ue_policy_size(NULL) == 0,
	   "nobody's policy says nothing");
	is_text(ue_policy_message(NULL, code, UE_SLICE("zh"), &language), code->message_zh,
			"but the catalogue speaks");
	is_text(language, UE_SLICE("zh"), "and says in which language");
	ue_policy_free(NULL);
}

static void
test_languages(void)
{
	static const struct
	{
		const char *accepted, *language, *text;
	} cases[] = {
		{"", "de", "D"},
		{"de-AT", "de", "D"},
		{"pt-BR", "pt-BR", "P"},
		{"pt", "pt-BR", "P"},
		{"pt-PT", "de", "D"},
		{"en", "en", NULL},
		{"zh-CN,de;q=0.5", "zh", "Z"},
		{"fr;q=1, de;q=0.4, zh;q=0.6", "zh", "Z"},
		{"zh;q=0", "de", "D"},
		{"*", "de", "D"},
		{"ZH-hant", "zh", "Z"},
		{"fr, en;q=0.1", "en", NULL},
	};
	const UeCode *code = ue_catalog_find(UE_SLICE("rate_limit_exceeded"));
	const UeCode *other = ue_catalog_default(UE_CLASS_SERVER_ERROR);
	UeSlice language;
	UePolicy *policy = read_policy(
		HEAD
		"{\"message\":{\"code\":\"rate_limit_exceeded\",\"language\":\"zh\",\"message\":"
		"\"Z\"}}\n{\"message\":{\"code\":\"rate_limit_exceeded\",\"language\":\"pt-BR\","
		"\"message\":\"P\"}}\n{\"message\":{\"code\":\"rate_limit_exceeded\",\"language\":"
		"\"de\",\"message\":\"D\"}}\n{\"setting\":{\"name\":\"default_language\","
		"\"value\":\"de\"}}\n{\"end\":4}\n");

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		UeSlice text =
			ue_policy_message(policy, code, ue_slice_of(cases[i].accepted), &language);

		is_text(text,
				cases[i].text == NULL ? code->message_en : ue_slice_of(cases[i].text),
				"\"%s\" reads", cases[i].accepted);
		is_text(language, ue_slice_of(cases[i].language), "in %s", cases[i].language);
	}
	is_text(ue_policy_message(policy, other, UE_SLICE("fr"), &language),
			other->message_en, "without a text in the default language it is English");
	ok(ue_policy_generation(policy) == 42 && ue_policy_mask(policy)->revision == 3,
	   "generation and revision are the snapshot's");
	ue_policy_free(policy);
}

static UeSlice
find_header(const UeRendered *rendered, UeSlice name)
{
	for (size_t i = 0; i < rendered->n_headers; i++)
		if (ue_slice_is_equal(rendered->headers[i].name, name))
			return rendered->headers[i].value;
	return UE_SLICE("(none)");
}

/* Every field of the answer, in every format, read after the policy is gone. */
static void
test_verdict(void)
{
	static const char *const bodies[] = {
		"{\"error\":{\"message\":\"m1/ch: their words 500 {what}\",\"type\":\"t1\",\"param\":"
		"null,\"code\":\"c1\"}}",
		NULL,
		"{\"type\":\"error\",\"error\":{\"type\":\"t1\",\"message\":\"m1/ch: their words 500 "
		"{what}\"},\"request_id\":\"r\"}",
		NULL,
	};
	UeCase kase = {.response = {.status = 500,
								.platform = UE_SLICE("openai"),
								.body = UE_SLICE(
									"{\"error\":{\"message\":\"their words\"}}")},
				   .request_id = UE_SLICE("r"),
				   .model = UE_SLICE("m1"),
				   .channel = UE_SLICE("ch")};
	UeSlice at = {NULL, 0};
	UeVerdict verdict;

	for (int format = 0; format <= UE_FORMAT_GEMINI; format++)
	{
		UePolicy *policy = read_policy(HEAD RULE1 "{\"end\":1}\n");
		size_t found;

		kase.format = (UeFormat) format;
		ok(ue_decide_case(&arena, policy, &kase, &verdict) == UE_OK, "a verdict");
		ue_policy_free(policy);
		ok(verdict.rule_id == 1 && verdict.rule_version == 4 &&
			   verdict.action == UE_ACTION_COOLDOWN && verdict.cooldown_s == 5 &&
			   verdict.is_unmonitored && verdict.answer.status == 503,
		   "%s: the rule's id, version, action, status", ue_format_name(kase.format));
		is_text(find_header(&verdict.answer, UE_SLICE("retry-after")), UE_SLICE("60"),
				"its wait, as long as an SDK bears");
		ok(ue_slice_find(verdict.answer.body, UE_SLICE("m1/ch: their words 500 {what}"),
						 &found) &&
			   ue_slice_find(verdict.answer.frame, UE_SLICE("m1/ch: their words 500"),
							 &found),
		   "its message, in body and frame");
		if (bodies[format] != NULL)
			is_text(verdict.answer.body, ue_slice_of(bodies[format]), "the whole body");
		is_text(verdict.message, UE_SLICE("their words"), "the row keeps theirs");
		at = verdict.answer.body;
	}
	ok(at.len > 0, "answers outlive their policies");
}

static void
test_language_of_rule(void)
{
	UeCase kase = {.response = {.status = 500}, .accept_language = UE_SLICE("zh-CN")};
	UePolicy *policy = read_policy(HEAD RULE1 "{\"end\":1}\n");
	UeVerdict verdict;
	size_t found;

	ok(ue_decide_case(&arena, policy, &kase, &verdict) == UE_OK &&
		   ue_slice_find(verdict.answer.body, UE_SLICE("\"中文\""), &found),
	   "a rule's message in the client's language");
	ue_policy_free(policy);
	is_text(verdict.message, UE_SLICE("中文"),
			"a row without the upstream's words has the answer's, which is a copy");
}

/* A whole object passes while the rule touches nothing of it. */
static void
test_passing(void)
{
	static const UeSlice body = UE_SLICE_INIT(
		"{\"error\":{\"message\":\"m\",\"type\":\"server_error\",\"param\":null,\"code\":null,"
		"\"extra\":1}}");
	UeCase kase = {.response = {.status = 500, .body = body}};
	UePolicy *policy = read_policy(
		HEAD
		"{\"rule\":{\"id\":5,\"name\":\"n\",\"error_codes\":[500],\"skip_monitoring\":true}}"
		"\n{\"end\":1}\n");
	UeVerdict verdict;
	size_t found;

	ok(ue_decide_case(&arena, policy, &kase, &verdict) == UE_OK && verdict.rule_id == 5,
	   "a rule that changes nothing of the answer fits");
	is_text(verdict.answer.body, body, "and the body passes whole");
	ue_policy_free(policy);
	policy = read_policy(
		HEAD "{\"rule\":{\"id\":5,\"name\":\"n\",\"error_codes\":[500],"
			 "\"passthrough_code\":false,\"response_code\":502}}\n{\"end\":1}\n");
	ok(ue_decide_case(&arena, policy, &kase, &verdict) == UE_OK &&
		   verdict.answer.status == 502 &&
		   !ue_slice_find(verdict.answer.body, UE_SLICE("extra"), &found) &&
		   ue_slice_find(verdict.answer.body, UE_SLICE("\"message\":\"m\""), &found),
	   "with another status it is made anew");
	ue_policy_free(policy);
	policy =
		read_policy(HEAD "{\"rule\":{\"id\":6,\"name\":\"n\",\"codes\":["
						 "\"channel:no_available_key\"],\"action\":\"stop\"}}\n"
						 "{\"mask_pattern\":{\"pattern\":\"no(.)e\"}}\n{\"end\":2}\n");
	kase = (UeCase){.kind = UE_KIND_LOCAL_ERROR,
					.local_code = UE_SLICE("channel:no_available_key")};
	ok(ue_decide_case(&arena, policy, &kase, &verdict) == UE_OK && verdict.rule_id == 6 &&
		   verdict.action == UE_ACTION_STOP,
	   "rules are asked about our own errors too");
	ok(verdict.mask_version == ue_mask_version(ue_policy_mask(policy)) &&
		   verdict.mask_version != ue_mask_version(NULL),
	   "the row says which masks it has seen");
	ue_policy_free(policy);
}

static void
test_memory(void)
{
	static const char snapshot[] = HEAD RULE1
		"{\"mask_pattern\":{\"pattern\":\"a+\"}}\n{\"mask_host\":\"h\"}\n{\"message\":{"
		"\"code\":\"c\",\"language\":\"de\",\"message\":\"m\"}}\n{\"end\":4}\n";
	LibcAllocation allocation = {0, 0, 0};
	UeAllocator allocator = {libc_allocate, libc_release, &allocation};
	UeStatus status = UE_NO_MEMORY;
	UePolicy *policy = NULL;
	UePolicyProblem problem;
	bool is_clean = true;
	long n = 0;

	while (status == UE_NO_MEMORY && n < 1000)
	{
		UeArena scratch;

		allocation = (LibcAllocation){0, ++n, 0};
		ue_arena_init(&scratch, &allocator, UE_LIMIT_POLICY_MEMORY);
		status = ue_policy_read(&allocator, UE_LIMIT_POLICY_MEMORY, &scratch,
								ue_slice_of(snapshot), &policy, &problem);
		ue_arena_free(&scratch);
		is_clean = is_clean && (status == UE_OK || allocation.n_blocks == 0);
	}
	ok(status == UE_OK && n > 5 && is_clean,
	   "each of %ld allocations may fail, and nothing is left behind", n - 1);
	ue_policy_free(policy);
	ok(allocation.n_blocks == 0, "all memory is given back");
	for (size_t ceiling = 0; ceiling < 40000; ceiling += 777)
	{
		policy = NULL;
		ue_arena_reset(&arena);
		status = ue_policy_read(&libc_allocator, ceiling, &arena, ue_slice_of(snapshot),
								&policy, &problem);
		is_clean = is_clean &&
				   (status == UE_OK ? ue_policy_size(policy) <= ceiling : policy == NULL);
		ue_policy_free(policy);
	}
	ok(is_clean, "no policy is larger than its ceiling");
}

/*
 * Operators' keywords, not patterns, make a policy large: whatever the ceiling, they are
 * told that it is too large, and not that the machine has no memory.
 */
static void
test_too_many_keywords(const char *line_format, const char *what)
{
	enum
	{
		N_LINES = 300,
		LINE_MAX_BYTES = 512
	};
	UePolicyProblem problem;
	UePolicy *policy = NULL;
	size_t n_refused = 0;
	size_t size;
	bool is_told = true;
	UeBuf buf;
	UeSlice snapshot;
	UeArena scratch;

	ue_arena_init(&scratch, &libc_allocator, UE_LIMIT_POLICY_MEMORY);
	ue_buf_init(&buf, &scratch, UE_LIMIT_POLICY_MEMORY);
	ue_buf_append(&buf, UE_SLICE(HEAD));
	for (int i = 0; i < N_LINES; i++)
	{
		char line[LINE_MAX_BYTES];

		(void) snprintf(line, sizeof(line), line_format, i + 1, i, i * 7919, i, i);
		ue_buf_append(&buf, ue_slice_of(line));
	}
	ue_buf_append(&buf, UE_SLICE("{\"end\":300}\n"));
	if (ue_buf_finish(&buf, &snapshot) != UE_OK ||
		ue_policy_read(&libc_allocator, UE_LIMIT_POLICY_MEMORY, &arena, snapshot, &policy,
					   &problem) != UE_OK)
		abort();
	size = ue_policy_size(policy);
	ue_policy_free(policy);
	for (size_t ceiling = 0; ceiling < 2 * size; ceiling += size / 64)
	{
		UeStatus status;

		policy = NULL;
		ue_arena_reset(&arena);
		status =
			ue_policy_read(&libc_allocator, ceiling, &arena, snapshot, &policy, &problem);
		n_refused += status == UE_TOO_LARGE;
		if (status != UE_TOO_LARGE && status != UE_OK)
			is_told = false;
		if (status == UE_OK && ue_policy_size(policy) > ceiling)
			is_told = false;
		ue_policy_free(policy);
	}
	ok(is_told && n_refused >= 60,
	   "%s of many keywords are too large for %zu ceilings below their size", what,
	   n_refused);
	ue_arena_free(&scratch);
}

int
main(void)
{
	ue_arena_init(&arena, &libc_allocator, UE_LIMIT_POLICY_MEMORY);
	test_refusals();
	test_torn();
	test_nobody();
	test_languages();
	test_verdict();
	test_language_of_rule();
	test_passing();
	test_memory();
	test_too_many_keywords(
		"{\"rule\":{\"id\":%d,\"name\":\"r%d\",\"keywords\":[\"%d is one of many words "
		"that have nothing in common\",\"quota %d\",\"配额 %d\"]}}\n",
		"rules");
	test_too_many_keywords(
		"{\"health_rule\":{\"id\":%1$d,\"duration_s\":9,\"match\":{\"id\":%1$d,\"name\":"
		"\"h%2$d\",\"keywords\":[\"%3$d is one of many words that have nothing in "
		"common\",\"quota %4$d\",\"配额 %5$d\"]}}}\n",
		"health rules");
	ue_arena_free(&arena);
	return done_testing();
}
