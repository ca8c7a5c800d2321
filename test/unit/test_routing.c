/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_routing.c: a retry policy's row.
 */
#include "core/routing.h"
#include "libc_allocator.h"
#include "tap.h"

static UeRecord
read_row(UeArena *arena, const char *text, UeRetryPolicy *policy)
{
	UeRecord record;
	const UeJson *root = NULL;

	if (ue_json_parse(arena, ue_slice_of(text), &root) != UE_OK)
		root = NULL;
	ue_record_init(&record, arena, root);
	ue_retry_policy_read(&record, policy);
	return record;
}

static void
test_defaults(UeArena *arena)
{
	UeSlice text = UE_SLICE("100-199,300-399,401-407,409-499,500-503,505-523,525-599");
	UeRetryPolicy policy;
	UeStatuses set;
	UeSlice bad;

	ok(ue_statuses_parse(arena, text, &set, &bad) == UE_OK, "new-api's default is read");
	for (int status = 90; status <= 610; status++)
		if (ue_statuses_has(&set, status) !=
			ue_statuses_has(&ue_retry_default.retry_statuses, status))
			ok(false, "the default statuses are new-api's: %d", status);
	ok(read_row(arena, "{}", &policy).status == UE_OK && policy.is_enabled &&
		   policy.max_attempts == ue_retry_default.max_attempts &&
		   policy.stop_codes.n == 1 && policy.hold_events == 64,
	   "a row that says nothing is the default policy");
}

static void
test_row(UeArena *arena)
{
	UeRetryPolicy policy;
	UeRecord record = read_row(
		arena,
		"{\"id\":3,\"name\":\"images\",\"platforms\":[\"OpenAI\"],\"models\":[\"dall-e-*\"],"
		"\"routes\":[\"/v1/images/*\"],\"max_attempts\":5,\"retry_statuses\":\"429,500-599\","
		"\"retry_networks\":[\"reset\",\"connect\"],\"retry_classes\":[\"overloaded\"],"
		"\"stop_classes\":[\"billing\"],\"stop_codes\":[],\"budget_percent\":0}",
		&policy);

	ok(record.status == UE_OK && policy.id == 3 && policy.max_attempts == 5 &&
		   policy.stop_codes.n == 0 && policy.budget_percent == 0,
	   "a row is read");
	ok(policy.retry_networks == ((UINT32_C(1) << UE_NETWORK_RESET) |
								 (UINT32_C(1) << UE_NETWORK_CONNECT)) &&
		   policy.retry_classes == UINT32_C(1) << UE_CLASS_OVERLOADED &&
		   policy.stop_classes == UINT32_C(1) << UE_CLASS_BILLING,
	   "words become bits");
	ok(ue_retry_policy_fits(&policy, UE_SLICE("openai"), UE_SLICE("DALL-E-3"),
							UE_SLICE("/v1/images/generations")),
	   "it fits what its filters name");
	ok(!ue_retry_policy_fits(&policy, UE_SLICE("azure"), UE_SLICE("dall-e-3"),
							 UE_SLICE("/v1/images/generations")) &&
		   !ue_retry_policy_fits(&policy, UE_SLICE("openai"), UE_SLICE("gpt-5"),
								 UE_SLICE("/v1/images/generations")) &&
		   !ue_retry_policy_fits(&policy, UE_SLICE("openai"), UE_SLICE("dall-e-3"),
								 UE_SLICE("/v1/chat/completions")),
	   "and nothing else");
	policy.is_enabled = false;
	ok(!ue_retry_policy_fits(&policy, UE_SLICE("openai"), UE_SLICE("dall-e-3"),
							 UE_SLICE("/v1/images/generations")),
	   "one that is not enabled fits nothing");
	ok(ue_retry_policy_fits(&ue_retry_default, UE_SLICE("any"), (UeSlice){NULL, 0},
							(UeSlice){NULL, 0}),
	   "the default one fits everything");
}

static void
test_refusals(UeArena *arena)
{
	UeRetryPolicy policy;
	UeRecord record =
		read_row(arena, "{\"retry_networks\":[\"reset\",\"thunder\"]}", &policy);

	is_text(record.problem,
			UE_SLICE(
				"\"thunder\" is not known; accepted are none, dns, connect, "
				"connect_timeout, tls, reset, send, first_byte_timeout, idle_timeout, "
				"total_timeout, truncated, protocol, proxy"),
			"what is accepted is told");
	record = read_row(arena, "{\"max_attempts\":0}", &policy);
	is_text(record.problem, UE_SLICE("0 is out of range; accepted are 1 to 100"),
			"no attempt at all is not accepted");
	record = read_row(arena, "{\"retries\":3}", &policy);
	is_text(record.field, UE_SLICE("retries"), "nor is a field that does not exist");
}

int
main(void)
{
	UeArena arena;

	ue_arena_init(&arena, &libc_allocator, SIZE_MAX);
	test_defaults(&arena);
	test_row(&arena);
	test_refusals(&arena);
	ue_arena_free(&arena);
	return done_testing();
}
