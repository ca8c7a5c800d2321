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

#define TEXT_16	  "0123456789abcdef"
#define TEXT_128  TEXT_16 TEXT_16 TEXT_16 TEXT_16 TEXT_16 TEXT_16 TEXT_16 TEXT_16
#define CONDITION "\"name\":\"r\",\"error_codes\":[500],"

static const Refusal refusals[] = {
	{"\"error_codes\":[500]",
	 "name: a rule needs a name; accepted are 1 to 100 characters"},
	{"\"name\":\" \",\"error_codes\":[500]",
	 "name: a rule needs a name; accepted are 1 to 100 characters"},
	{"\"name\":\"r\"",
	 ": a rule needs a condition: at least one of error_codes, keywords, patterns, classes, "
	 "codes, error_types, upstream_codes"},
	{"\"name\":\"r\",\"keywords\":[\"\"]",
	 "keywords: a text is blank; accepted are texts that are not"},
	{"\"name\":\"r\",\"keywords\":[\"\xE3\x80\x80\"]",
	 "keywords: a text is blank; accepted are texts that are not"},
	{"\"name\":\"r\",\"keywords\":\"x\"",
	 "keywords: \"x\" is not a list of texts; accepted is one such as [\"a\", \"b\"]"},
	{"\"name\":\"r\",\"keywords\":[1]", "keywords: 1 is not a text; accepted are texts"},
	{"\"name\":\"r\",\"error_codes\":[99]",
	 "error_codes: 99 is out of range; accepted are 100 to 599"},
	{"\"name\":\"r\",\"error_codes\":[600]",
	 "error_codes: 600 is out of range; accepted are 100 to 599"},
	{"\"name\":\"r\",\"error_codes\":[500.5]",
	 "error_codes: 500.5 is out of range; accepted are 100 to 599"},
	{"\"name\":\"r\",\"error_codes\":500",
	 "error_codes: 500 is not a list of statuses; accepted is one such as [429, 529]"},
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
	{CONDITION "\"tags\":[]",
	 "tags: [] is not an object; accepted are globs by name, as in {\"team\":\"a*\",\"user\":[\"x\",\"y\"]}"},
	{CONDITION "\"tags\":{\"a\":1}",
	 "tags: 1 is not accepted; accepted are globs by name, as in "
	 "{\"team\":\"a*\",\"user\":[\"x\",\"y\"]}"},
	{CONDITION "\"tags\":{\"a\":[]}",
	 "tags: \"a\" has no glob, so that nothing could fit; accepted is at least one"},
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
	 "messages: the one for \"zh\" is not a text or is blank; accepted are texts that are not"},
	{CONDITION "\"messages\":[]",
	 "messages: [] is not an object; accepted are messages by language, as in {\"zh\":\"…\"}"},
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
	{CONDITION "\"Priority\":1",
	 "Priority: there is no such field; accepted are the names of the table's columns"},
	{CONDITION "\"priority\":1,\"priority\":2",
	 "priority: it is given twice; accepted is one value"},
	{CONDITION "\"enabled\":\"yes\"",
	 "enabled: \"yes\" is not a boolean; accepted are true and false"},
	{CONDITION "\"custom_message\":\"\xFF\"",
	 ": it is not valid UTF-8; accepted is what is"},
	/* each column of a wrong type, out of range, or too long */
	{CONDITION "\"version\":-1",
	 "version: -1 is out of range; accepted are 0 to 2147483647"},
	{"\"name\":5,\"error_codes\":[500]", "name: 5 is not a text; accepted are texts"},
	{"\"name\":\"" TEXT_128 "\",\"error_codes\":[500]",
	 "name: it is too long; accepted are 1 to 100 characters"},
	{CONDITION "\"enabled\":0",
	 "enabled: 0 is not a boolean; accepted are true and false"},
	{CONDITION "\"priority\":1.5",
	 "priority: 1.5 is out of range; accepted are -2147483648 to 2147483647"},
	{CONDITION "\"priority\":2147483648",
	 "priority: 2147483648 is out of range; accepted are -2147483648 to 2147483647"},
	{CONDITION "\"priority\":\"low\"",
	 "priority: \"low\" is out of range; accepted are -2147483648 to 2147483647"},
	{CONDITION "\"match_mode\":\"\"",
	 "match_mode: \"\" is not known; accepted are any, all"},
	{CONDITION "\"match_mode\":1", "match_mode: 1 is not a text; accepted are texts"},
	{CONDITION "\"match_mode\":\"ANY\"",
	 "match_mode: \"ANY\" is not known; accepted are any, all"},
	{CONDITION "\"platforms\":\"openai\"",
	 "platforms: \"openai\" is not a list of texts; accepted is one such as [\"a\", \"b\"]"},
	{CONDITION "\"platforms\":[\"\"]",
	 "platforms: a text is blank; accepted are texts that are not"},
	{CONDITION "\"passthrough_code\":1",
	 "passthrough_code: 1 is not a boolean; accepted are true and false"},
	{CONDITION "\"response_code\":399",
	 "response_code: 399 is out of range; accepted are 400 to 599"},
	{CONDITION "\"response_code\":600",
	 "response_code: 600 is out of range; accepted are 400 to 599"},
	{CONDITION "\"response_code\":\"503\"",
	 "response_code: \"503\" is out of range; accepted are 400 to 599"},
	{CONDITION "\"passthrough_body\":null,\"passthrough_code\":\"no\"",
	 "passthrough_code: \"no\" is not a boolean; accepted are true and false"},
	{CONDITION "\"passthrough_body\":\"yes\"",
	 "passthrough_body: \"yes\" is not a boolean; accepted are true and false"},
	{CONDITION "\"custom_message\":{}",
	 "custom_message: {} is not a text; accepted are texts"},
	{CONDITION "\"skip_monitoring\":\"t\"",
	 "skip_monitoring: \"t\" is not a boolean; accepted are true and false"},
	{CONDITION "\"description\":[]", "description: [] is not a text; accepted are texts"},
	{CONDITION "\"patterns\":\"x\"",
	 "patterns: \"x\" is not a list of texts; accepted is one such as [\"a\", \"b\"]"},
	{CONDITION "\"patterns\":[1]", "patterns: 1 is not a text; accepted are texts"},
	{CONDITION "\"patterns\":[\" \"]",
	 "patterns: a text is blank; accepted are texts that are not"},
	{CONDITION "\"classes\":\"rate_limit\"",
	 "classes: \"rate_limit\" is not a list of texts; accepted is one such as [\"a\", "
	 "\"b\"]"},
	{CONDITION "\"classes\":[3]", "classes: 3 is not a text; accepted are texts"},
	{CONDITION "\"codes\":{}",
	 "codes: {} is not a list of texts; accepted is one such as [\"a\", \"b\"]"},
	{CONDITION "\"error_types\":true",
	 "error_types: true is not a list of texts; accepted is one such as [\"a\", \"b\"]"},
	{CONDITION "\"upstream_codes\":[429]",
	 "upstream_codes: 429 is not a text; accepted are texts"},
	{CONDITION "\"upstream_codes\":[\"\xC2\xA0\"]",
	 "upstream_codes: a text is blank; accepted are texts that are not"},
	{CONDITION "\"models\":\"gpt-*\"",
	 "models: \"gpt-*\" is not a list of texts; accepted is one such as [\"a\", \"b\"]"},
	{CONDITION "\"models\":[null]", "models: null is not a text; accepted are texts"},
	{CONDITION "\"channels\":7",
	 "channels: 7 is not a list of texts; accepted is one such as [\"a\", \"b\"]"},
	{CONDITION "\"channels\":[\"\"]",
	 "channels: a text is blank; accepted are texts that are not"},
	{CONDITION "\"routes\":\"/v1/*\"",
	 "routes: \"/v1/*\" is not a list of texts; accepted is one such as [\"a\", \"b\"]"},
	{CONDITION "\"routes\":[[]]", "routes: [] is not a text; accepted are texts"},
	{CONDITION "\"formats\":\"openai\"",
	 "formats: \"openai\" is not a list of texts; accepted is one such as [\"a\", \"b\"]"},
	{CONDITION "\"kinds\":{}",
	 "kinds: {} is not a list of texts; accepted is one such as [\"a\", \"b\"]"},
	{CONDITION "\"tags\":\"team\"",
	 "tags: \"team\" is not an object; accepted are globs by name, as in "
	 "{\"team\":\"a*\",\"user\":[\"x\",\"y\"]}"},
	{CONDITION "\"tags\":{\"\":\"x\"}",
	 "tags: \"x\" is not accepted; accepted are globs by name, as in "
	 "{\"team\":\"a*\",\"user\":[\"x\",\"y\"]}"},
	{CONDITION "\"tags\":{\"a\":[\" \"]}",
	 "tags: \" \" is not accepted; accepted are globs by name, as in "
	 "{\"team\":\"a*\",\"user\":[\"x\",\"y\"]}"},
	{CONDITION "\"min_attempt\":1001",
	 "min_attempt: 1001 is out of range; accepted are 1 to 1000"},
	{CONDITION "\"min_attempt\":\"1\"",
	 "min_attempt: \"1\" is out of range; accepted are 1 to 1000"},
	{CONDITION "\"max_attempt\":0",
	 "max_attempt: 0 is out of range; accepted are 1 to 1000"},
	{CONDITION "\"has_output\":\"\"",
	 "has_output: \"\" is not a boolean; accepted are true and false"},
	{CONDITION "\"response_type\":1",
	 "response_type: 1 is not a text; accepted are texts"},
	{CONDITION "\"response_type\":\"" TEXT_128 "x\"",
	 "response_type: a text is too long; accepted are at most 128 bytes"},
	{CONDITION "\"response_error_code\":[]",
	 "response_error_code: [] is not a text; accepted are texts"},
	{CONDITION "\"response_error_code\":\"" TEXT_128 "x\"",
	 "response_error_code: a text is too long; accepted are at most 128 bytes"},
	{CONDITION "\"fingerprint\":42", "fingerprint: 42 is not a text; accepted are texts"},
	{CONDITION "\"fingerprint\":\"" TEXT_128 "x\"",
	 "fingerprint: a text is too long; accepted are at most 128 bytes"},
	{CONDITION "\"retry_after\":0",
	 "retry_after: 0 is out of range; accepted are 1 to 3600"},
	{CONDITION "\"retry_after\":\"5s\"",
	 "retry_after: \"5s\" is out of range; accepted are 1 to 3600"},
	{CONDITION "\"messages\":{\"zh\":5}",
	 "messages: the one for \"zh\" is not a text or is blank; accepted are texts that are not"},
	{CONDITION "\"messages\":{\"pt-BR\":\"a\",\"pt-br\":\"b\"}",
	 "messages: \"pt-br\" is given twice; accepted is one message for a language, however it "
	 "is written"},
	{CONDITION "\"messages\":{\"\":\"x\"}",
	 "messages: \"\" is not a language; accepted are tags like zh and pt-BR"},
	{CONDITION "\"action\":\"\"",
	 "action: \"\" is not known; accepted are answer, stop, retry, failover, cooldown, "
	 "disable"},
	{CONDITION "\"action\":2", "action: 2 is not a text; accepted are texts"},
	{CONDITION "\"action\":\"cooldown\",\"cooldown_s\":0",
	 "cooldown_s: 0 is out of range; accepted are 1 to 86400"},
	{CONDITION "\"action\":\"cooldown\",\"cooldown_s\":\"1m\"",
	 "cooldown_s: \"1m\" is out of range; accepted are 1 to 86400"},
	{CONDITION "\"\":1",
	 ": there is no such field; accepted are the names of the table's columns"},
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

static void
check_refused(const char *json, const char *expected)
{
	char words[256];
	UeRule rule;
	UeRuleProblem problem;

	ue_arena_reset(&arena);
	if (read_rule(json, &rule, &problem) != UE_INVALID_ARGUMENT)
		problem = (UeRuleProblem){0, UE_SLICE("it is accepted"), UE_SLICE("")};
	(void) snprintf(words, sizeof(words), "%.*s: %.*s", (int) problem.field.len,
					problem.field.len > 0 ? problem.field.ptr : "",
					(int) problem.text.len, problem.text.ptr);
	is_text(ue_slice_of(words), ue_slice_of(expected), "refused: %s", expected);
}

static void
test_ids(void)
{
	check_refused("{\"id\":-1," CONDITION "\"version\":1}",
				  "id: -1 is out of range; accepted are 0 to 9223372036854775807");
	check_refused("{\"id\":\"1\"," CONDITION "\"version\":1}",
				  "id: \"1\" is out of range; accepted are 0 to 9223372036854775807");
}

/* One byte, or one member, too many: before, n times unit, after. */
static void
test_too_long(void)
{
	static const struct
	{
		const char *before, *unit, *after;
		int n;
		const char *words;
	} cases[] = {
		{"{\"name\":\"", "x", "\",\"error_codes\":[500]}", 101,
		 "name: it is too long; accepted are 1 to 100 characters"},
		{"{\"name\":\"", "额", "\",\"error_codes\":[500]}", 101,
		 "name: it is too long; accepted are 1 to 100 characters"},
		{"{\"name\":\"", "x", "\",\"error_codes\":[500]}", 70000,
		 "name: it is too long; accepted are 1 to 100 characters"},
		{"{" CONDITION "\"description\":\"", "x", "\"}", 65537,
		 "description: a text is too long; accepted are at most 65536 bytes"},
		{"{" CONDITION "\"custom_message\":\"", "x", "\"}", 8193,
		 "custom_message: a text is too long; accepted are at most 8192 bytes"},
		{"{" CONDITION "\"custom_message\":\"x", " ", "\"}", 8192,
		 "custom_message: a text is too long; accepted are at most 8192 bytes"},
		{"{" CONDITION "\"messages\":{\"zh\":\"", "x", "\"}}", 8193,
		 "messages: the one for \"zh\" is too long; accepted are at most 8192 bytes"},
		{"{" CONDITION "\"messages\":{\"a", "-b", "\":\"x\"}}", 18,
		 "messages: \"a-b-b-b-b-b-b-b-b-b-b-b-b-b-b-b-b-b-b\" is not a language; accepted "
		 "are tags like zh and pt-BR"},
		{"{" CONDITION "\"tags\":{\"team\":\"", "x", "\"}}", 1025,
		 "tags: a text is too long; accepted are at most 1024 bytes"},
		{"{" CONDITION "\"tags\":{\"", "x", "\":\"a\"}}", 1025,
		 "tags: a text is too long; accepted are at most 1024 bytes"},
		{"{" CONDITION "\"tags\":{\"team\":[\"x\"", ",\"x\"", "]}}", 1000,
		 "tags: it is too long; accepted are at most 1000 globs"},
		{"{\"name\":\"r\",\"error_codes\":[500", ",500", "]}", 1000,
		 "error_codes: the list is too long; accepted are at most 1000 statuses"},
		{"{" CONDITION "\"platforms\":[\"x\"", ",\"x\"", "]}", 1000,
		 "platforms: the list is too long; accepted are at most 1000 texts"},
		{"{" CONDITION "\"routes\":[\"", "x", "\"]}", 1025,
		 "routes: a text is too long; accepted are at most 1024 bytes"},
	};
	char *json = malloc(300000);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		size_t at = (size_t) sprintf(json, "%s", cases[i].before);

		for (int k = 0; k < cases[i].n; k++)
			at += (size_t) sprintf(json + at, "%s", cases[i].unit);
		(void) sprintf(json + at, "%s", cases[i].after);
		check_refused(json, cases[i].words);
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
	test_ids();
	test_too_long();
	ue_arena_free(&arena);
	return done_testing();
}
