/* SPDX-License-Identifier: PostgreSQL */
/*
 * fuzz_policy.c: any text as a snapshot: it is refused with a reason, or it decides.
 *
 * Input: four bytes that choose status, kind, format and language, and the allocation that
 * fails (255: none); then a body up to the first NUL; then the snapshot.  Match and
 * explain must agree, and the policy is freed before the verdict is read.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/decide.h"
#include "core/utf8.h"
#include "libc_allocator.h"

#define NEVER	  255
#define N_CHOICES 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const int statuses[] = {0, 200, 400, 401, 404, 422, 429, 500, 503, 529};
static const UeSlice languages[] = {UE_SLICE_INIT(""), UE_SLICE_INIT("zh"),
									UE_SLICE_INIT("pt, de;q=0.4"),
									UE_SLICE_INIT("*;q=0.1")};

static UeCase
make_case(const uint8_t *data, UeSlice body)
{
	static const UeHeader tags[] = {{UE_SLICE_INIT("team"), UE_SLICE_INIT("a1")}};
	UeCase kase = {.kind = (UeKind) (data[1] % (UE_KIND_LOCAL_ERROR + 1)),
				   .format = (UeFormat) (data[2] % (UE_FORMAT_GEMINI + 1)),
				   .accept_language = languages[data[2] / 4 % 4],
				   .request_id = UE_SLICE("req_fuzz"),
				   .model = UE_SLICE("gpt-4.1"),
				   .channel = UE_SLICE("azure-eu-1"),
				   .route = UE_SLICE("/v1/chat/completions"),
				   .local_code = UE_SLICE("channel:no_available_key"),
				   .tags = tags,
				   .n_tags = 1,
				   .attempt = data[1] / 16,
				   .has_output = data[2] >= 128};

	kase.response.platform = UE_SLICE("openai");
	kase.response.status = statuses[data[0] % (sizeof(statuses) / sizeof(statuses[0]))];
	kase.response.body = body;
	return kase;
}

static void
check_verdict(const UeVerdict *verdict)
{
	json_error_t error;
	json_t *root = json_loadb(verdict->answer.body.ptr, verdict->answer.body.len,
							  JSON_ALLOW_NUL, &error);

	if (!json_is_object(root) || verdict->answer.status < 400 ||
		verdict->answer.status > 599 || !ue_utf8_is_valid(verdict->answer.frame) ||
		!ue_utf8_is_valid(verdict->message) || !ue_utf8_is_valid(verdict->detail) ||
		(verdict->action == UE_ACTION_COOLDOWN) != (verdict->cooldown_s > 0))
		abort();
	json_decref(root);
}

/* The rule that the verdict names is the one that explain finds by asking each. */
static void
check_explain(UeArena *arena, const UePolicy *policy, const UeCase *kase,
			  const UeVerdict *verdict)
{
	const UeRules *rules = ue_policy_rules(policy);
	const UeRule *winner = NULL;
	const UeRule *first = NULL;
	UeRuleFacts facts;
	UeRuleTrace *traces;

	if (ue_decide_facts(arena, kase, &facts) != UE_OK ||
		ue_rules_explain(rules, arena, &facts, &traces) != UE_OK ||
		ue_rules_match(rules, arena, &facts, &first) != UE_OK)
		return;
	for (size_t i = 0; i < ue_rules_count(rules); i++)
	{
		if (traces[i].outcome == UE_RULE_MATCHED)
			winner = traces[i].rule;
		if (traces[i].end < traces[i].start ||
			traces[i].end > (traces[i].is_in_body ? facts.body.len : facts.message.len))
			abort();
	}
	if (winner != first || (first != NULL && first->id != verdict->rule_id))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	LibcAllocation allocation = {0, 0, 0};
	UeAllocator allocator = {libc_allocate, libc_release, &allocation};
	UeArena arena;
	UePolicy *policy = NULL;
	UePolicyProblem problem = {.line = 0};
	UeVerdict verdict;
	UeStatus status;
	UeSlice text;
	UeCase kase;
	size_t at;

	if (size < N_CHOICES)
		return 0;
	text = (UeSlice){(const char *) data + N_CHOICES, size - N_CHOICES};
	if (!ue_slice_find(text, (UeSlice){"", 1}, &at))
		at = 0;
	allocation.fail_from = data[3] == NEVER ? 0 : data[3] + 1;
	ue_arena_init(&arena, &allocator, UE_LIMIT_POLICY_MEMORY);
	kase = make_case(data, ue_slice_sub(text, 0, at));
	status =
		ue_policy_read(&allocator, UE_LIMIT_POLICY_MEMORY, &arena,
					   ue_slice_sub(text, at + (at > 0), text.len), &policy, &problem);
	if ((status == UE_OK) != (policy != NULL) ||
		((status == UE_INVALID_ARGUMENT || status == UE_MALFORMED) &&
		 (problem.rule.text.len == 0 || !ue_utf8_is_valid(problem.rule.text))))
		abort();
	status = ue_decide_case(&arena, policy, &kase, &verdict);
	if (status == UE_OK)
		check_explain(&arena, policy, &kase, &verdict);
	ue_policy_free(policy);
	if (status == UE_OK)
		check_verdict(&verdict);
	else if (status != UE_NO_MEMORY || allocation.fail_from == 0)
		abort();
	ue_arena_free(&arena);
	if (allocation.n_blocks != 0)
		abort();
	return 0;
}
