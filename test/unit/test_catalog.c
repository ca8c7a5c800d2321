/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_catalog.c: the table of error codes is whole and consistent.
 */
#include <stdio.h>

#include "core/catalog.h"
#include "core/utf8.h"
#include "tap.h"

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

/* SPEC 3.4 */
static const char *const public_codes[] = {
	"invalid_request",		  "insufficient_quota",	 "access_denied",
	"model_not_found",		  "rate_limit_exceeded", "internal_service_error",
	"upstream_service_error", "database_error",		 "channel_error",
};

/* new-api's error codes; its operators look for them by name. */
static const char *const newapi_codes[] = {
	"invalid_request",
	"sensitive_words_detected",
	"violation_fee.grok.csam",
	"count_token_failed",
	"model_price_error",
	"invalid_api_type",
	"json_marshal_failed",
	"do_request_failed",
	"get_channel_failed",
	"gen_relay_info_failed",
	"channel:no_available_key",
	"channel:param_override_invalid",
	"channel:header_override_invalid",
	"channel:model_mapped_error",
	"channel:aws_client_error",
	"channel:invalid_key",
	"channel:response_time_exceeded",
	"read_request_body_failed",
	"convert_request_failed",
	"access_denied",
	"bad_request_body",
	"read_response_body_failed",
	"bad_response_status_code",
	"bad_response",
	"bad_response_body",
	"empty_response",
	"aws_invoke_error",
	"model_not_found",
	"prompt_blocked",
	"query_data_error",
	"update_data_error",
	"insufficient_user_quota",
	"pre_consume_token_quota_failed",
};

/* sub2api's codes and reasons, CLIProxyAPI's, and ours for what has no channel. */
static const char *const gateway_codes[] = {
	"INVALID_API_KEY",
	"API_KEY_REQUIRED",
	"API_KEY_EXPIRED",
	"API_KEY_DISABLED",
	"USER_NOT_FOUND",
	"USER_INACTIVE",
	"GROUP_DELETED",
	"GROUP_DISABLED",
	"API_KEY_QUOTA_EXHAUSTED",
	"api_key_in_query_deprecated",
	"INSUFFICIENT_BALANCE",
	"USAGE_LIMIT_EXCEEDED",
	"SUBSCRIPTION_NOT_FOUND",
	"SUBSCRIPTION_INVALID",
	"cyber_policy",
	"api_key_ip_restriction",
	"api_key_group_unavailable",
	"api_key_group_unassigned",
	"local_feature_gate",
	"local_policy_denied",
	"local_model_configuration",
	"client_rate_limit",
	"client_concurrency_limit",
	"client_queue_full",
	"model_cooldown",
	"auth_unavailable",
	"channels_cooling_down",
	"no_channel",
};

static bool
is_public(UeSlice name)
{
	for (size_t i = 0; i < N_ELEMENTS(public_codes); i++)
		if (ue_slice_is_equal(name, ue_slice_of(public_codes[i])))
			return true;
	return false;
}

static bool
is_readable(UeSlice text)
{
	return !ue_slice_is_empty(text) && ue_utf8_is_valid(text);
}

static bool
is_row_whole(const UeCode *code)
{
	return is_readable(code->name) && code->name.len <= 64 &&
		   is_public(code->public_code) && is_readable(code->message_en) &&
		   is_readable(code->message_zh) && is_readable(code->cause) &&
		   is_readable(code->remedy) &&
		   (code->client_status == 0 ||
			(code->client_status >= 400 && code->client_status <= 599));
}

static void
test_rows(void)
{
	size_t n_codes = ue_catalog_count();
	size_t n_broken = 0;
	size_t n_hidden = 0;

	for (size_t i = 0; i < n_codes; i++)
	{
		const UeCode *code = ue_catalog_at(i);

		if (!is_row_whole(code))
		{
			n_broken++;
			printf("# broken: %.*s\n", (int) code->name.len, code->name.ptr);
		}
		if (ue_catalog_find(code->name) != code)
			n_hidden++;
	}
	ok(n_codes >= 60, "the catalogue has its codes");
	ok(n_broken == 0, "every code has a public code, texts in both languages, a status");
	ok(n_hidden == 0, "no two codes share a name");
	ok(ue_catalog_at(n_codes) == NULL, "there is nothing beyond the end");
	ok(ue_catalog_find(UE_SLICE("no_such_code")) == NULL,
	   "an unknown name finds nothing");
	ok(ue_catalog_find(UE_SLICE("")) == NULL, "the empty name finds nothing");
}

static void
test_defaults(void)
{
	size_t n_wrong = 0;
	size_t n_missing = 0;

	for (UeClass class = UE_CLASS_AUTHENTICATION; class <= UE_CLASS_INTERNAL; class ++)
		if (ue_catalog_default(class)->class != class)
			n_wrong++;
	ok(n_wrong == 0, "every class has a code of its own");
	for (size_t i = 0; i < N_ELEMENTS(newapi_codes); i++)
		if (ue_catalog_find(ue_slice_of(newapi_codes[i])) == NULL)
			n_missing++;
	ok(n_missing == 0, "new-api's codes are all there");
	for (size_t i = 0; i < N_ELEMENTS(gateway_codes); i++)
		if (ue_catalog_find(ue_slice_of(gateway_codes[i])) == NULL)
			n_missing++;
	ok(n_missing == 0, "so are those of other gateways and of ours");
}

/* Whoever may retry is told when, and nobody else. */
static void
test_waits(void)
{
	size_t n_wrong = 0;

	for (size_t i = 0; i < ue_catalog_count(); i++)
	{
		const UeCode *code = ue_catalog_at(i);
		int wait = ue_catalog_retry_after(code);

		if (wait < 0 || wait > 60 || (code->is_skip_retry && code->retry_after_s != 0))
		{
			n_wrong++;
			printf("# %.*s\n", (int) code->name.len, code->name.ptr);
		}
	}
	ok(n_wrong == 0, "every wait is 0 to 60 s, and none is there where no retry helps");
	ok(ue_catalog_retry_after(ue_catalog_find(UE_SLICE("rate_limit_exceeded"))) == 5 &&
		   ue_catalog_retry_after(ue_catalog_find(UE_SLICE("client_rate_limit"))) == 5,
	   "a code without a wait has its class's");
	ok(ue_catalog_retry_after(ue_catalog_find(UE_SLICE("draining"))) == 1 &&
		   ue_catalog_default(UE_CLASS_INTERNAL)->retry_after_s == 0,
	   "a code may have one where its class has none");
}

int
main(void)
{
	test_rows();
	test_defaults();
	test_waits();
	return done_testing();
}
