/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_policy_routing.c: channels, retry policies and health rules of a snapshot.
 */
#include "core/breaker.h"
#include "core/channel.h"
#include "core/decide.h"
#include "core/limits.h"
#include "core/policy.h"
#include "core/routing.h"
#include "libc_allocator.h"
#include "tap.h"

#define HEAD "{\"snapshot\":1,\"generation\":9,\"mask_revision\":0}\n"
#define CHANNEL                                                                           \
	"{\"channel\":{\"id\":1,\"name\":\"main\",\"platform\":\"openai\",\"base_url\":"      \
	"\"https://a.example\",\"models\":[\"gpt-*\"],\"status_code_mapping\":{\"429\":503}," \
	"\"description\":null,\"version\":1,\"generation\":3}}\n"
#define SPARE                                                                            \
	"{\"channel\":{\"id\":2,\"name\":\"spare\",\"platform\":\"openai\",\"base_url\":"    \
	"\"https://b.example\"}}\n"
#define RETRY                                                                            \
	"{\"retry_policy\":{\"id\":1,\"name\":\"patient\",\"max_attempts\":7,"               \
	"\"stop_codes\":[\"rate_limit_exceeded\"]}}\n"
#define HEALTH                                                                               \
	"{\"health_rule\":{\"id\":4,\"scope\":\"channel\",\"duration_s\":5,\"match\":{\"id\":4," \
	"\"name\":\"any 5xx\",\"error_codes\":[500,503],\"keywords\":[\"oops\"]}}}\n"

static UeArena arena;

static UeStatus
read_snapshot(const char *text, UePolicy **policy, UePolicyProblem *problem)
{
	return ue_policy_read(&libc_allocator, UE_LIMIT_POLICY_MEMORY, &arena,
						  ue_slice_of(text), policy, problem);
}

static void
test_all(void)
{
	UePolicyProblem problem;
	UePolicy *policy = NULL;
	size_t n;
	const UeBreaker **found;
	UeRuleFacts facts = {.status = 503, .attempt = 1};

	ok(read_snapshot(HEAD CHANNEL RETRY HEALTH SPARE "{\"end\":4}\n", &policy,
					 &problem) == UE_OK,
	   "a snapshot with channels is read");
	ok(ue_policy_channels(policy, &n) != NULL && n == 2, "both channels are there");
	is_text(ue_policy_channels(policy, &n)[1].base_url, UE_SLICE("https://b.example"),
			"in their order");
	ok(ue_policy_find_channel(policy, UE_SLICE("main")) ==
			   ue_policy_channels(policy, &n) &&
		   ue_policy_find_channel(policy, UE_SLICE("Main")) == NULL,
	   "a channel is found by its name");
	ok(ue_channel_map_status(ue_policy_find_channel(policy, UE_SLICE("main")), 429) ==
		   503,
	   "with its maps");
	ok(ue_policy_retry_policies(policy, &n)[0].max_attempts == 7 && n == 1,
	   "so is the retry policy");
	is_text(ue_policy_retry_policies(policy, &n)[0].stop_codes.items[0],
			UE_SLICE("rate_limit_exceeded"), "with its lists");
	ok(ue_breakers_find(ue_policy_breakers(policy), &arena, &facts, &found, &n) ==
			   UE_OK &&
		   n == 1 && found[0]->id == 4 && found[0]->effect.duration_s == 5,
	   "and the health rule");
	ue_policy_free(policy);
}

/* The mapping of a channel is about what the client gets, after the rules. */
static void
test_status(void)
{
	UePolicyProblem problem;
	UePolicy *policy = NULL;
	UeCase kase = {.response = {.platform = UE_SLICE("openai"),
								.status = 429,
								.body = UE_SLICE("{\"error\":{\"message\":\"slow "
												 "down\",\"type\":\"requests\"}}")},
				   .request_id = UE_SLICE("req_1"),
				   .channel = UE_SLICE("main")};
	UeVerdict verdict;

	ok(read_snapshot(HEAD CHANNEL
					 "{\"rule\":{\"id\":1,\"name\":\"a\",\"keywords\":[\"special\"],"
					 "\"passthrough_code\":false,\"response_code\":418}}\n{\"end\":2}\n",
					 &policy, &problem) == UE_OK,
	   "a channel and a rule");
	ok(ue_decide_case(&arena, policy, &kase, &verdict) == UE_OK &&
		   verdict.answer.status == 503 && verdict.fault.effective_status == 429 &&
		   verdict.fault.class == UE_CLASS_RATE_LIMIT,
	   "429 of this channel is told as 503, and stays a rate limit");
	kase.channel = UE_SLICE("another");
	ok(ue_decide_case(&arena, policy, &kase, &verdict) == UE_OK &&
		   verdict.answer.status == 429,
	   "another channel's is not");
	kase.channel = UE_SLICE("main");
	kase.response.status = 400;
	ok(ue_decide_case(&arena, policy, &kase, &verdict) == UE_OK &&
		   verdict.answer.status == 400,
	   "nor is another status");
	kase.response.status = 429;
	kase.response.body = UE_SLICE("{\"error\":{\"message\":\"special\"}}");
	ok(ue_decide_case(&arena, policy, &kase, &verdict) == UE_OK &&
		   verdict.answer.status == 418,
	   "a rule's status stands");
	ue_policy_free(policy);
}

static void
test_none(void)
{
	UePolicyProblem problem;
	UePolicy *policy = NULL;
	size_t n = 9;

	ok(read_snapshot(HEAD "{\"end\":0}\n", &policy, &problem) == UE_OK &&
		   ue_policy_channels(policy, &n) == NULL && n == 0 &&
		   ue_policy_retry_policies(policy, &n) == NULL &&
		   ue_policy_breakers(policy) == NULL &&
		   ue_policy_find_channel(policy, UE_SLICE("main")) == NULL,
	   "without lines there is none of it");
	ue_policy_free(policy);
	ok(ue_policy_channels(NULL, &n) == NULL && n == 0 &&
		   ue_policy_breakers(NULL) == NULL &&
		   ue_policy_find_channel(NULL, UE_SLICE("main")) == NULL,
	   "nor in no policy");
}

static void
test_refusals(void)
{
	static const struct
	{
		const char *text;
		const char *field;
	} refused[] = {
		{HEAD
		 "{\"channel\":{\"id\":1,\"name\":\"a\",\"platform\":\"openai\"}}\n{\"end\":1}\n",
		 "base_url"},
		{HEAD "{\"retry_policy\":{\"max_attempts\":0}}\n{\"end\":1}\n", "max_attempts"},
		{HEAD "{\"health_rule\":{\"id\":1,\"scope\":\"x\"}}\n{\"end\":1}\n", "scope"},
		{HEAD
		 "{\"health_rule\":{\"id\":1,\"match\":{\"id\":1,\"name\":\"a\",\"priority\":"
		 "\"x\",\"error_codes\":[500]}}}\n{\"end\":1}\n",
		 "priority"},
	};

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
	{
		UePolicyProblem problem;
		UePolicy *policy;

		ok(read_snapshot(refused[i].text, &policy, &problem) == UE_INVALID_ARGUMENT &&
			   problem.line == 2,
		   "line 2 is refused");
		is_text(problem.rule.field, ue_slice_of(refused[i].field), "its field");
	}
}

static void
test_memory(void)
{
	int n = 1;

	for (;; n++)
	{
		LibcAllocation allocation = {.fail_from = n};
		UeAllocator allocator = libc_allocator;
		UePolicyProblem problem;
		UePolicy *policy = NULL;
		UeStatus status;

		allocator.context = &allocation;
		status = ue_policy_read(&allocator, UE_LIMIT_POLICY_MEMORY, &arena,
								UE_SLICE(HEAD CHANNEL RETRY HEALTH SPARE "{\"end\":4}\n"),
								&policy, &problem);
		if (status == UE_OK)
			ue_policy_free(policy);
		if (allocation.n_blocks != 0)
			ok(false, "allocation %d fails: something is lost", n);
		if (status == UE_OK)
			break;
		if (status != UE_NO_MEMORY)
			ok(false, "allocation %d fails: %s", n, ue_status_name(status));
	}
	ok(n > 3, "%d allocations can fail, and nothing is lost", n);
}

int
main(void)
{
	ue_arena_init(&arena, &libc_allocator, SIZE_MAX);
	test_all();
	test_status();
	test_none();
	test_refusals();
	test_memory();
	ue_arena_free(&arena);
	return done_testing();
}
