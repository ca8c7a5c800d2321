/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_rules.c: which rule fits: the vectors of sub2api and CLIProxyAPI, order, filters,
 * and the whole matcher beside one that asks every rule everything, on random rules.
 */
#include <string.h>

#include "core/fold.h"
#include "core/limits.h"
#include "core/rules.h"
#include "core/rules_private.h"
#include "libc_allocator.h"
#include "tap.h"

#define MAX_RULES 130

static UeArena arena;

static UeRules *
build(const char *const *texts, size_t n)
{
	UeRule rules[MAX_RULES];
	UeRules *built = NULL;
	UeRuleProblem problem;

	for (size_t i = 0; i < n; i++)
	{
		const UeJson *root;

		if (ue_json_parse(&arena, ue_slice_of(texts[i]), &root) != UE_OK ||
			ue_rule_read(&arena, root, &rules[i], &problem) != UE_OK)
			abort();
	}
	if (ue_rules_build(&libc_allocator, UE_LIMIT_POLICY_MEMORY, &arena, rules, n, &built,
					   &problem) != UE_OK)
		abort();
	return built;
}

static int64_t
match(const UeRules *rules, const UeRuleFacts *facts)
{
	const UeRule *rule = NULL;

	if (ue_rules_match(rules, &arena, facts, &rule) != UE_OK)
		abort();
	return rule == NULL ? 0 : rule->id;
}

typedef struct Vector
{
	const char *members;
	int status;
	const char *body;
	bool is_match;
} Vector;

static const Vector vectors[] = {
	/* sub2api's table; " quota " is trimmed, [""] is refused (test_rules_read) */
	{"\"error_codes\":[422]", 422, "", true},
	{"\"error_codes\":[422],\"keywords\":[\"x\"]", 500, "aXb", true},
	{"\"error_codes\":[422],\"keywords\":[\"x\"],\"match_mode\":\"all\"", 422, "abc",
	 false},
	{"\"error_codes\":[422],\"keywords\":[\"x\"],\"match_mode\":\"all\"", 422, "aXc",
	 true},
	{"\"error_codes\":[422],\"match_mode\":\"all\"", 422, "abc", true},
	{"\"keywords\":[\"a1\",\"b1\"],\"match_mode\":\"all\"", 500, "only b1", true},
	{"\"keywords\":[\" quota \"]", 500, "quota", true},
	{"\"error_codes\":[422],\"platforms\":[\"OpenAI\"]", 422, "", true},
	{"\"error_codes\":[422],\"platforms\":[\"anthropic\"]", 422, "", false},
	{"\"error_codes\":[422]", 423, "", false},
	{"\"error_codes\":[422],\"enabled\":false", 422, "", false},
	/* CLIProxyAPI: a status and texts, all of which must fit; its case-sensitive texts are
	 * patterns here */
	{"\"error_codes\":[400],\"patterns\":[\"Banned\"],\"match_mode\":\"all\"", 400,
	 "account Banned", true},
	{"\"error_codes\":[400],\"patterns\":[\"Banned\"],\"match_mode\":\"all\"", 400,
	 "account banned", false},
	{"\"error_codes\":[400],\"patterns\":[\"(?i)Banned\"],\"match_mode\":\"all\"", 400,
	 "account banned", true},
	{"\"error_codes\":[400],\"patterns\":[\"Banned\"],\"match_mode\":\"all\"", 401,
	 "account Banned", false},
	{"\"patterns\":[\"no\",\"^acc.*ed$\"]", 400, "account Banned", true},
	/* other scripts, foldings longer than the letter, marks */
	{"\"keywords\":[\"配额\"]", 500, "您的配额已用完", true},
	{"\"keywords\":[\"ПРЕВЫШЕН\"]", 500, "лимит превышен", true},
	{"\"keywords\":[\"STRASSE\"]", 500, "die Straße", true},
	{"\"keywords\":[\"ΟΔΟΣ\"]", 500, "η οδος", true},
	{"\"keywords\":[\"制限\"]", 500, "レート制限", true},
	/* our words, the upstream's words */
	{"\"classes\":[\"rate_limit\"]", 500, "", true},
	{"\"classes\":[\"billing\"]", 500, "", false},
	{"\"codes\":[\"rate_limit_exceeded\"]", 500, "", true},
	{"\"error_types\":[\"Some_Type\"]", 500, "", true},
	{"\"error_types\":[\"some_typ\"]", 500, "", false},
	{"\"upstream_codes\":[\"E1\"]", 500, "", true},
	{"\"classes\":[\"rate_limit\"],\"upstream_codes\":[\"e2\"],\"match_mode\":\"all\"",
	 500, "", false},
	{"\"classes\":[\"rate_limit\"],\"upstream_codes\":[\"e1\"],\"match_mode\":\"all\"",
	 500, "", true},
	/* filters narrow whatever the mode */
	{"\"error_codes\":[500],\"models\":[\"GPT-*\"]", 500, "", true},
	{"\"error_codes\":[500],\"models\":[\"claude-*\"]", 500, "", false},
	{"\"error_codes\":[500],\"channels\":[\"*-eu-?\"]", 500, "", true},
	{"\"error_codes\":[500],\"routes\":[\"/v1/*\"]", 500, "", true},
	{"\"error_codes\":[500],\"routes\":[\"/v2/*\"]", 500, "", false},
	{"\"error_codes\":[500],\"formats\":[\"openai\"]", 500, "", true},
	{"\"error_codes\":[500],\"formats\":[\"gemini\"]", 500, "", false},
	{"\"error_codes\":[500],\"kinds\":[\"http_error\"]", 500, "", true},
	{"\"error_codes\":[500],\"kinds\":[\"failover\"]", 500, "", false},
	{"\"error_codes\":[500],\"tags\":{\"Team\":\"a*\"}", 500, "", true},
	{"\"error_codes\":[500],\"tags\":{\"team\":[\"b*\",\"al?ha\"]}", 500, "", true},
	{"\"error_codes\":[500],\"tags\":{\"team\":\"a*\",\"user\":\"x\"}", 500, "", false},
	{"\"error_codes\":[500],\"tags\":{\"user\":\"*\"}", 500, "", true},
	{"\"error_codes\":[500],\"min_attempt\":2", 500, "", true},
	{"\"error_codes\":[500],\"min_attempt\":3", 500, "", false},
	{"\"error_codes\":[500],\"max_attempt\":1", 500, "", false},
	{"\"error_codes\":[500],\"has_output\":false", 500, "", true},
	{"\"error_codes\":[500],\"has_output\":true", 500, "", false},
};

static const UeHeader fact_tags[] = {{UE_SLICE_INIT("team"), UE_SLICE_INIT("Alpha")}};

static UeRuleFacts
make_facts(int status, const char *body)
{
	return (UeRuleFacts){.platform = UE_SLICE("openai"),
						 .status = status,
						 .class = UE_CLASS_RATE_LIMIT,
						 .code = UE_SLICE("rate_limit_exceeded"),
						 .error_type = UE_SLICE("some_type"),
						 .error_code = UE_SLICE("e1"),
						 .body = ue_slice_of(body),
						 .model = UE_SLICE("gpt-4.1"),
						 .channel = UE_SLICE("azure-eu-1"),
						 .route = UE_SLICE("/v1/chat/completions"),
						 .tags = fact_tags,
						 .n_tags = 1,
						 .attempt = 2};
}

static void
test_vectors(void)
{
	char json[1024];
	const char *text = json;

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
	{
		UeRuleFacts facts = make_facts(vectors[i].status, vectors[i].body);
		UeRules *rules;

		ue_arena_reset(&arena);
		(void) snprintf(json, sizeof(json), "{\"id\":7,\"name\":\"r\",%s}",
						vectors[i].members);
		rules = build(&text, 1);
		ok((match(rules, &facts) == 7) == vectors[i].is_match, "%s %s %d \"%s\"",
		   vectors[i].members, vectors[i].is_match ? "fits" : "does not fit",
		   vectors[i].status, vectors[i].body);
		ue_rules_free(rules);
	}
}

static void
test_order(void)
{
	static const char *const texts[] = {
		"{\"id\":9,\"name\":\"a\",\"priority\":1,\"error_codes\":[500]}",
		"{\"id\":8,\"name\":\"b\",\"priority\":1,\"error_codes\":[500,501]}",
		"{\"id\":3,\"name\":\"c\",\"priority\":-1,\"error_codes\":[502]}",
		"{\"id\":1,\"name\":\"d\",\"priority\":-2,\"error_codes\":[500],\"enabled\":false}",
	};
	UeRules *rules = build(texts, 4);
	UeRuleFacts facts = make_facts(500, "");
	UeRuleTrace *traces = NULL;

	ok(match(rules, &facts) == 8, "of the same priority the lower id is tried first");
	ok(ue_rules_explain(rules, &arena, &facts, &traces) == UE_OK &&
		   traces[0].outcome == UE_RULE_DISABLED && traces[1].outcome == UE_RULE_MISSED &&
		   traces[2].outcome == UE_RULE_MATCHED && traces[3].outcome == UE_RULE_SHADOWED,
	   "and explain says how each fared");
	is_text(traces[2].value, UE_SLICE("500"), "and by what");
	is_text(traces[1].field, UE_SLICE("error_codes"), "and what was missed");
	facts.status = 502;
	ok(match(rules, &facts) == 3, "a negative priority is before");
	facts.status = 0;
	ok(match(rules, &facts) == 0, "no status, no rule");
	ue_rules_free(rules);
	rules = build(texts, 0);
	ok(match(rules, &facts) == 0 && match(NULL, &facts) == 0, "no rules, no rule");
	ue_rules_free(rules);
}

/* --- beside a naive matcher --- */

static uint32_t seed = 12345;

static uint32_t
pick(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

static const char *const words[] = {"quota",	  "QUOTA", "配额",	"Straße",
									"strasse",	  "лимит", "ЛИМИТ", "a",
									"rate limit", "σ",	   "Σ",		"限"};
static const char *const statuses[] = {"400", "429", "500", "503"};
static const char *const globs[] = {"gpt*", "*-4.1", "claude*", "?", "*"};

static size_t
add_list(char *at, const char *name, const char *const *values, uint32_t n_values,
		 bool is_text_list)
{
	size_t len = (size_t) sprintf(at, ",\"%s\":[", name);
	uint32_t n = pick(3);

	for (uint32_t i = 0; i <= n; i++)
		len += (size_t) sprintf(at + len, is_text_list ? "%s\"%s\"" : "%s%s",
								i > 0 ? "," : "", values[pick(n_values)]);
	return len + (size_t) sprintf(at + len, "]");
}

static void
make_rule(char *json, int id)
{
	static const char *const classes[] = {"rate_limit", "billing", "timeout"};
	static const char *const patterns[] = {"quo.a", "限$", "(?i)RATE", "^a"};
	static const char *const platforms[] = {"OpenAI", "azure", "groq"};
	size_t at = (size_t) sprintf(json,
								 "{\"id\":%d,\"name\":\"r\",\"priority\":%u,"
								 "\"match_mode\":\"%s\",\"enabled\":%s",
								 id, pick(4), pick(2) ? "any" : "all",
								 pick(8) ? "true" : "false");
	uint32_t which = 1 + pick(15);

	if (which & 1)
		at += add_list(json + at, "error_codes", statuses, 4, false);
	if (which & 2)
		at += add_list(json + at, "keywords", words, 12, true);
	if (which & 4)
		at += add_list(json + at, "classes", classes, 3, true);
	if (which & 8)
		at += add_list(json + at, "patterns", patterns, 4, true);
	if (pick(4) == 0)
		at += add_list(json + at, "platforms", platforms, 3, true);
	if (pick(4) == 0)
		at += add_list(json + at, "models", globs, 5, true);
	if (pick(6) == 0)
		at +=
			(size_t) sprintf(json + at, ",\"has_output\":%s", pick(2) ? "true" : "false");
	(void) sprintf(json + at, "}");
}

static bool
has_keyword(UeSlice text, UeSlice keyword)
{
	UeSlice folded_text, folded;
	size_t at;

	if (ue_fold_text(&arena, text, &folded_text) != UE_OK ||
		ue_fold_text(&arena, keyword, &folded) != UE_OK)
		abort();
	return ue_slice_find(folded_text, folded, &at);
}

static bool
has_pattern(UeSlice text, UeSlice source)
{
	UePattern *pattern;
	UePatternResult result;
	UePatternSpan span;

	if (ue_pattern_compile(&libc_allocator, source, false, &pattern, NULL) != UE_OK ||
		ue_pattern_find(pattern, &arena, text, 0, &result, &span) != UE_OK)
		abort();
	ue_pattern_free(pattern);
	return result == UE_PATTERN_HIT;
}

static bool
is_naive_fit(const UeRule *rule, const UeRuleFacts *facts)
{
	bool hits[4] = {false, false, false, false};
	bool configured[4] = {rule->n_error_codes > 0, rule->keywords.n > 0,
						  rule->classes.n > 0, rule->patterns.n > 0};
	bool any = false, all = true, platform = rule->platforms.n == 0,
		 model = rule->models.n == 0;

	for (size_t i = 0; i < rule->n_error_codes; i++)
		hits[0] |= rule->error_codes[i] == facts->status;
	for (size_t i = 0; i < rule->keywords.n; i++)
		hits[1] |= has_keyword(facts->message, rule->keywords.items[i]) ||
				   has_keyword(facts->body, rule->keywords.items[i]);
	for (size_t i = 0; i < rule->classes.n; i++)
		hits[2] |= ue_slice_is_equal(rule->classes.items[i],
									 ue_slice_of(ue_class_name(facts->class)));
	for (size_t i = 0; i < rule->patterns.n; i++)
		hits[3] |= has_pattern(facts->message, rule->patterns.items[i]) ||
				   has_pattern(facts->body, rule->patterns.items[i]);
	for (int i = 0; i < 4; i++)
	{
		any = any || hits[i];
		all = all && (hits[i] || !configured[i]);
	}
	for (size_t i = 0; i < rule->platforms.n; i++)
		platform |= ue_slice_is_equal_fold(rule->platforms.items[i], facts->platform);
	for (size_t i = 0; i < rule->models.n; i++)
		model |= ue_fold_is_glob_match(rule->models.items[i], facts->model);
	return rule->is_enabled && platform && model && (rule->is_all ? all : any) &&
		   (rule->has_output < 0 || (rule->has_output == 1) == facts->has_output);
}

static int64_t
match_naively(const UeRules *rules, const UeRuleFacts *facts)
{
	const UeRule *best = NULL;

	for (size_t i = 0; i < rules->n; i++)
	{
		const UeRule *rule = &rules->rules[i];

		if (is_naive_fit(rule, facts) &&
			(best == NULL || rule->priority < best->priority ||
			 (rule->priority == best->priority && rule->id < best->id)))
			best = rule;
	}
	return best == NULL ? 0 : best->id;
}

static void
make_random_facts(UeRuleFacts *facts, char *body, char *message)
{
	static const char *const platforms[] = {"openai", "AZURE", "", "other"};
	static const char *const models[] = {"gpt-4.1", "claude-3", "", "x"};
	static const int codes[] = {400, 429, 500, 503, 418};

	(void) sprintf(body, "zz %s %s", pick(3) ? "nothing" : words[pick(12)],
				   pick(3) ? "" : words[pick(12)]);
	(void) sprintf(message, "%s", pick(2) ? words[pick(12)] : "");
	*facts = make_facts(codes[pick(5)], body);
	facts->message = ue_slice_of(message);
	facts->class = (UeClass) pick(UE_CLASS_INTERNAL + 1);
	facts->platform = ue_slice_of(platforms[pick(4)]);
	facts->model = ue_slice_of(models[pick(4)]);
	facts->has_output = pick(2) == 1;
}

static void
test_property(void)
{
	static char json[MAX_RULES][1024];
	const char *texts[MAX_RULES];
	char body[256], message[64];
	int n_wrong = 0, n_unlike = 0, n_matches = 0;

	for (int round = 0; round < 60; round++)
	{
		uint32_t n = 1 + pick(round % 3 == 0 ? MAX_RULES - 1 : 6);
		UeRules *rules;

		ue_arena_reset(&arena);
		for (uint32_t i = 0; i < n; i++)
		{
			make_rule(json[i], (int) (n - i));
			texts[i] = json[i];
		}
		rules = build(texts, n);
		for (int i = 0; i < 25; i++)
		{
			UeRuleFacts facts;
			UeRuleTrace *traces;
			int64_t id, winner = 0;

			make_random_facts(&facts, body, message);
			id = match(rules, &facts);
			n_matches += id != 0;
			n_wrong += id != match_naively(rules, &facts);
			if (ue_rules_explain(rules, &arena, &facts, &traces) != UE_OK)
				abort();
			for (uint32_t k = 0; k < n; k++)
			{
				if (traces[k].outcome == UE_RULE_MATCHED)
					winner = traces[k].rule->id;
				n_unlike += is_naive_fit(traces[k].rule, &facts) !=
							(traces[k].outcome == UE_RULE_MATCHED ||
							 traces[k].outcome == UE_RULE_SHADOWED);
			}
			n_unlike += winner != id;
		}
		ue_rules_free(rules);
	}
	ok(n_matches > 300 && n_matches < 1400, "random rules fit often, not always: %d",
	   n_matches);
	ok(n_wrong == 0, "the first that fits is the one that asking every rule finds");
	ok(n_unlike == 0, "and so is explain's");
}

static void
test_memory(void)
{
	static const char *const texts[] = {
		"{\"id\":1,\"name\":\"a\",\"error_codes\":[500],\"keywords\":[\"x\",\"y\"],"
		"\"patterns\":[\"z+\"],\"tags\":{\"t\":\"v\"},\"messages\":{\"zh\":\"m\"}}",
	};
	LibcAllocation allocation = {0, 0, 0};
	UeAllocator allocator = {libc_allocate, libc_release, &allocation};
	const UeJson *root;
	UeRule rule;
	UeRuleProblem problem;
	UeRules *rules = NULL;
	UeStatus status = UE_NO_MEMORY;
	long n = 0;
	bool is_clean = true;

	if (ue_json_parse(&arena, ue_slice_of(texts[0]), &root) != UE_OK ||
		ue_rule_read(&arena, root, &rule, &problem) != UE_OK)
		abort();
	while (status == UE_NO_MEMORY && n < 1000)
	{
		allocation = (LibcAllocation){0, ++n, 0};
		status = ue_rules_build(&allocator, UE_LIMIT_POLICY_MEMORY, &arena, &rule, 1,
								&rules, &problem);
		is_clean = is_clean && (status == UE_OK || allocation.n_blocks == 0);
	}
	ok(status == UE_OK && n > 3 && is_clean,
	   "each of %ld allocations may fail, and nothing is left behind", n - 1);
	ue_rules_free(rules);
	ok(allocation.n_blocks == 0, "all memory is given back");
	ok(ue_rules_build(&libc_allocator, 100, &arena, &rule, 1, &rules, &problem) ==
		   UE_TOO_LARGE,
	   "a ceiling is kept");
	{
		UeRule twice[2] = {rule, rule};

		ok(ue_rules_build(&libc_allocator, UE_LIMIT_POLICY_MEMORY, &arena, twice, 2,
						  &rules, &problem) == UE_INVALID_ARGUMENT &&
			   problem.rule_id == 1,
		   "an id is given once");
		is_text(problem.text, UE_SLICE("1 is the id of two rules; each has its own"),
				"and the problem says which is not");
	}
}

int
main(void)
{
	ue_arena_init(&arena, &libc_allocator, (size_t) 256 * 1024 * 1024);
	test_vectors();
	test_order();
	test_property();
	ue_arena_reset(&arena);
	test_memory();
	ue_arena_free(&arena);
	return done_testing();
}
