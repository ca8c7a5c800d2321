/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_rules_read.c: what a rule may say, and the exact words of every refusal.
 */
#include <string.h>

#include "core/rules.h"
#include "libc_allocator.h"
#include "tap.h"

static UeArena arena;

typedef struct Refusal
{
	const char *members; /* in place of, or beside, a name and a condition */
	const char *words;	 /* field: why */
} Refusal;

#define CONDITION "\"name\":\"r\",\"error_codes\":[500],"

static const Refusal refusals[] = {
	{"\"error_codes\":[500]",
	 "name: a rule needs a name; accepted are 1 to 100 characters"},
	{"\"name\":\" \",\"error_codes\":[500]",
	 "name: a rule needs a name; accepted are 1 to 100 characters"},
	{"\"name\":\"r\"",
	 ": a rule needs a condition: at least one of error_codes, keywords, patterns, classes, "
	 "codes, error_types, upstream_codes"},
	{"\"name\":\"r\",\"keywords\":[\"\"]", "keywords: a blank text is not accepted"},
	{"\"name\":\"r\",\"keywords\":[\"\xE3\x80\x80\"]",
	 "keywords: a blank text is not accepted"},
	{"\"name\":\"r\",\"keywords\":\"x\"", "keywords: \"x\" is not a list of texts"},
	{"\"name\":\"r\",\"keywords\":[1]", "keywords: 1 is not a text"},
	{"\"name\":\"r\",\"error_codes\":[99]",
	 "error_codes: 99 is out of range; accepted are 100 to 599"},
	{"\"name\":\"r\",\"error_codes\":[600]",
	 "error_codes: 600 is out of range; accepted are 100 to 599"},
	{"\"name\":\"r\",\"error_codes\":[500.5]",
	 "error_codes: 500.5 is out of range; accepted are 100 to 599"},
	{"\"name\":\"r\",\"error_codes\":500", "error_codes: 500 is not a list of statuses"},
	{"\"name\":\"r\",\"patterns\":[\"a(\"]",
	 "patterns: \"a(\" is no pattern: missing closing parenthesis at byte 2; accepted is "
	 "PCRE2's syntax"},
	{"\"name\":\"r\",\"classes\":[\"rate\"]",
	 "classes: \"rate\" is not known; accepted are authentication, permission, billing, "
	 "rate_limit, overloaded, context_length, content_policy, invalid_request, "
	 "model_not_found, not_found, conflict, request_too_large, timeout, network, stream, "
	 "server_error, bad_response, client_gone, internal"},
	{"\"name\":\"r\",\"codes\":[\"nonsense\"]",
	 "codes: \"nonsense\" is not in the catalogue; accepted are the codes that "
	 "upstream_error_codes() lists"},
	{CONDITION "\"match_mode\":\"some\"",
	 "match_mode: \"some\" is not known; accepted are any, all"},
	{CONDITION "\"formats\":[\"soap\"]",
	 "formats: \"soap\" is not known; accepted are openai, openai_responses, anthropic, gemini"},
	{CONDITION "\"kinds\":[\"x\"]",
	 "kinds: \"x\" is not known; accepted are http_error, request_error, stream_error, "
	 "retry_exhausted, failover, client_gone, local_error"},
	{CONDITION "\"tags\":[]", "tags: [] is not an object of globs by name"},
	{CONDITION "\"tags\":{\"a\":1}",
	 "tags: 1 is not accepted; accepted are globs by name, as in "
	 "{\"team\":\"a*\",\"user\":[\"x\",\"y\"]}"},
	{CONDITION "\"tags\":{\"a\":[]}",
	 "tags: \"a\" has no glob, so that nothing could fit"},
	{CONDITION "\"min_attempt\":0",
	 "min_attempt: 0 is out of range; accepted are 1 to 1000"},
	{CONDITION "\"min_attempt\":3,\"max_attempt\":2",
	 "max_attempt: it is below min_attempt, so that nothing could fit; accepted are "
	 "min_attempt and more"},
	{CONDITION "\"has_output\":1",
	 "has_output: 1 is not a boolean; accepted are true and false"},
	{CONDITION "\"response_code\":9999",
	 "response_code: 9999 is out of range; accepted are 400 to 599"},
	{CONDITION "\"passthrough_code\":false",
	 "response_code: it is needed when passthrough_code is false; accepted are 400 to 599"},
	{CONDITION "\"passthrough_body\":false",
	 "custom_message: it is needed when passthrough_body is false; accepted is a text that "
	 "is not blank"},
	{CONDITION "\"passthrough_body\":false,\"custom_message\":\" \xC2\xA0\"",
	 "custom_message: it is needed when passthrough_body is false; accepted is a text that "
	 "is not blank"},
	{CONDITION "\"messages\":{\"z h\":\"x\"}",
	 "messages: \"z h\" is not a language; accepted are tags like zh and pt-BR"},
	{CONDITION "\"messages\":{\"zh\":\" \"}",
	 "messages: the one for \"zh\" is not a text or is blank"},
	{CONDITION "\"messages\":[]",
	 "messages: [] is not an object of messages by language"},
	{CONDITION "\"retry_after\":3601",
	 "retry_after: 3601 is out of range; accepted are 1 to 3600"},
	{CONDITION "\"action\":\"wait\"",
	 "action: \"wait\" is not known; accepted are answer, stop, retry, failover, cooldown, "
	 "disable"},
	{CONDITION "\"action\":\"cooldown\"",
	 "cooldown_s: it is needed with action cooldown; accepted are 1 to 86400"},
	{CONDITION "\"cooldown_s\":5",
	 "cooldown_s: it is accepted with action cooldown only"},
	{CONDITION "\"action\":\"cooldown\",\"cooldown_s\":86401",
	 "cooldown_s: 86401 is out of range; accepted are 1 to 86400"},
	{CONDITION "\"Priority\":1", "Priority: there is no such field"},
	{CONDITION "\"priority\":1,\"priority\":2", "priority: it is given twice"},
	{CONDITION "\"enabled\":\"yes\"",
	 "enabled: \"yes\" is not a boolean; accepted are true and false"},
	{CONDITION "\"custom_message\":\"\xFF\"", ": it is not valid UTF-8"},
};

static UeStatus
read_rule(const char *json, UeRule *rule, UeRuleProblem *problem)
{
	const UeJson *root;

	if (ue_json_parse(&arena, ue_slice_of(json), &root) != UE_OK)
		abort();
	return ue_rule_read(&arena, root, rule, problem);
}

static void
test_refusals(void)
{
	char json[1024];
	char words[1024];

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
	{
		UeRule rule = {.id = -1};
		UeRuleProblem problem = {.rule_id = -1};
		UeStatus status;

		ue_arena_reset(&arena);
		(void) snprintf(json, sizeof(json), "{\"id\":7,%s}", refusals[i].members);
		status = read_rule(json, &rule, &problem);
		ok(status == UE_INVALID_ARGUMENT && rule.id == -1, "refused: %s",
		   refusals[i].members);
		(void) snprintf(words, sizeof(words), "%.*s: %.*s", (int) problem.field.len,
						problem.field.len > 0 ? problem.field.ptr : "",
						(int) problem.text.len,
						problem.text.len > 0 ? problem.text.ptr : "");
		is_text(ue_slice_of(words), ue_slice_of(refusals[i].words), "in these words");
	}
}

static void
test_defaults(void)
{
	UeRule rule;
	UeRuleProblem problem;

	ue_arena_reset(&arena);
	ok(read_rule("{\"name\":\" r \",\"error_codes\":[422],\"keywords\":[\" quota \"],"
				 "\"response_code\":null,\"created_at\":\"x\",\"generation\":3,"
				 "\"patterns\":[\" a \"],\"custom_message\":\" x \"}",
				 &rule, &problem) == UE_OK,
	   "a rule of a few members");
	ok(rule.id == 0 && rule.version == 1 && rule.is_enabled && rule.priority == 0 &&
		   !rule.is_all && rule.is_code_passed && rule.is_body_passed &&
		   rule.has_output == -1 && rule.action == UE_ACTION_ANSWER &&
		   !rule.is_unmonitored && rule.retry_after_s == 0,
	   "the others have their columns' defaults");
	is_text(rule.name, UE_SLICE("r"), "a name is trimmed");
	is_text(rule.keywords.items[0], UE_SLICE("quota"), "and so is a keyword");
	is_text(rule.patterns.items[0], UE_SLICE(" a "), "a pattern is not");
	is_text(rule.custom_message, UE_SLICE(" x "), "nor a message");
	ok(read_rule("[]", &rule, &problem) == UE_INVALID_ARGUMENT, "a list is no rule");
}

/* Lists and texts at their ceilings and one above. */
static void
test_ceilings(void)
{
	static const struct
	{
		const char *column;
		int n, len;
		bool is_fine;
	} cases[] = {
		{"keywords", 1000, 1, true},  {"keywords", 1001, 1, false},
		{"keywords", 1, 1024, true},  {"keywords", 1, 1025, false},
		{"patterns", 50, 1, true},	  {"patterns", 51, 1, false},
		{"patterns", 1, 4096, true},  {"patterns", 1, 4097, false},
		{"models", 1000, 1024, true}, {"error_types", 1, 1025, false},
	};
	char *json = malloc(2000000);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		UeRule rule;
		UeRuleProblem problem;
		size_t at = (size_t) sprintf(json, "{" CONDITION "\"%s\":[", cases[i].column);

		for (int k = 0; k < cases[i].n; k++)
		{
			at += (size_t) sprintf(json + at, "%s\"", k > 0 ? "," : "");
			memset(json + at, 'x', (size_t) cases[i].len);
			at += (size_t) cases[i].len;
			at += (size_t) sprintf(json + at, "\"");
		}
		(void) sprintf(json + at, "]}");
		ue_arena_reset(&arena);
		ok((read_rule(json, &rule, &problem) == UE_OK) == cases[i].is_fine,
		   "%s: %d of %d bytes: %s", cases[i].column, cases[i].n, cases[i].len,
		   cases[i].is_fine ? "accepted" : "refused");
	}
	free(json);
}

int
main(void)
{
	ue_arena_init(&arena, &libc_allocator, (size_t) 64 * 1024 * 1024);
	test_refusals();
	test_defaults();
	test_ceilings();
	ue_arena_free(&arena);
	return done_testing();
}
