/* SPDX-License-Identifier: PostgreSQL */
/*
 * routing.c: a retry policy's row, and the default one.
 */
#include "core/routing.h"

#include "core/fold.h"
#include "core/limits.h"

/* The longest wait and deadline, in ms: a day. */
#define DURATION_MAX INT64_C(86400000)

#define BIT(n)	   (UINT32_C(1) << (n))
#define N_NETWORKS (UE_NETWORK_PROXY + 1)
#define N_CLASSES  (UE_CLASS_INTERNAL + 1)

/* All that may pass by itself; after a total timeout there is no time left. */
#define DEFAULT_NETWORKS                                                                 \
	(BIT(UE_NETWORK_DNS) | BIT(UE_NETWORK_CONNECT) | BIT(UE_NETWORK_CONNECT_TIMEOUT) |   \
	 BIT(UE_NETWORK_TLS) | BIT(UE_NETWORK_RESET) | BIT(UE_NETWORK_SEND) |                \
	 BIT(UE_NETWORK_FIRST_BYTE_TIMEOUT) | BIT(UE_NETWORK_IDLE_TIMEOUT) |                 \
	 BIT(UE_NETWORK_TRUNCATED) | BIT(UE_NETWORK_PROTOCOL) | BIT(UE_NETWORK_PROXY))

static const UeSlice default_stop_codes[] = {
	UE_SLICE_INIT("bad_response_body"), /* new-api: check 9 of shouldRetry */
};

const UeRetryPolicy ue_retry_default = {
	.is_enabled = true,
	.max_attempts = 3,
	.max_channel_attempts = 2,
	/* 100-199,300-399,401-407,409-499,500-503,505-523,525-599: new-api's
	 * AutomaticRetryStatusCodes as bits; a test holds them against the text */
	.retry_statuses = {{UINT64_C(0xffffffffffffffff), UINT64_C(0x0000000fffffffff),
						UINT64_C(0x0000000000000000), UINT64_C(0xffffffffffffff00),
						UINT64_C(0xffefefffffffffff), UINT64_C(0xffffffffffffffff),
						UINT64_C(0xfffffeffffefffff), UINT64_C(0x000fffffffffffff)}},
	.retry_networks = DEFAULT_NETWORKS,
	.stop_codes = {default_stop_codes, 1},
	/* sub2api: 500 ms between tries of one account, a hint of at most 8 s */
	.backoff_ms = 500,
	.backoff_max_ms = 8000,
	.hint_max_ms = 8000,
	/* Envoy's retry budgets and Finagle's: a fifth of the traffic */
	.budget_percent = 20,
	.budget_burst = 10,
	/* bifrost's bounds for the start-up events of a stream */
	.hold_events = 64,
	.hold_bytes = 256 * 1024,
	.hold_ms = 10000,
};

static const UeSlice members[] = {
	UE_SLICE_INIT("id"),
	UE_SLICE_INIT("name"),
	UE_SLICE_INIT("enabled"),
	UE_SLICE_INIT("priority"),
	UE_SLICE_INIT("platforms"),
	UE_SLICE_INIT("models"),
	UE_SLICE_INIT("routes"),
	UE_SLICE_INIT("max_attempts"),
	UE_SLICE_INIT("max_channel_attempts"),
	UE_SLICE_INIT("retry_statuses"),
	UE_SLICE_INIT("retry_networks"),
	UE_SLICE_INIT("retry_classes"),
	UE_SLICE_INIT("stop_classes"),
	UE_SLICE_INIT("stop_codes"),
	UE_SLICE_INIT("retry_request_faults"),
	UE_SLICE_INIT("backoff_ms"),
	UE_SLICE_INIT("backoff_max_ms"),
	UE_SLICE_INIT("failover_wait_ms"),
	UE_SLICE_INIT("hint_max_ms"),
	UE_SLICE_INIT("total_timeout_ms"),
	UE_SLICE_INIT("attempt_timeout_ms"),
	UE_SLICE_INIT("first_byte_timeout_ms"),
	UE_SLICE_INIT("idle_timeout_ms"),
	UE_SLICE_INIT("budget_percent"),
	UE_SLICE_INIT("budget_burst"),
	UE_SLICE_INIT("hold_events"),
	UE_SLICE_INIT("hold_bytes"),
	UE_SLICE_INIT("hold_ms"),
	/* of the row, and nothing to us */
	UE_SLICE_INIT("description"),
	UE_SLICE_INIT("version"),
	UE_SLICE_INIT("generation"),
	UE_SLICE_INIT("created_at"),
	UE_SLICE_INIT("updated_at"),
};

static void
read_what_is_retried(UeRecord *record, UeRetryPolicy *out)
{
	const char *networks[N_NETWORKS];
	const char *classes[N_CLASSES];

	for (int i = 0; i < N_NETWORKS; i++)
		networks[i] = ue_network_name((UeNetwork) i);
	for (int i = 0; i < N_CLASSES; i++)
		classes[i] = ue_class_name((UeClass) i);
	ue_record_read_statuses(record, "retry_statuses", &out->retry_statuses);
	ue_record_read_words(record, "retry_networks", networks, N_NETWORKS,
						 &out->retry_networks);
	ue_record_read_words(record, "retry_classes", classes, N_CLASSES,
						 &out->retry_classes);
	ue_record_read_words(record, "stop_classes", classes, N_CLASSES, &out->stop_classes);
	ue_record_read_list(record, "stop_codes", UE_LIMIT_TOKEN, &out->stop_codes);
	ue_record_read_bool(record, "retry_request_faults", &out->is_request_fault_retried);
}

void
ue_retry_policy_read(UeRecord *record, UeRetryPolicy *out)
{
	*out = ue_retry_default;
	ue_record_allow(record, members, sizeof(members) / sizeof(members[0]));
	ue_record_read_int64(record, "id", 1, INT64_MAX, &out->id);
	ue_record_read_text(record, "name", UE_LIMIT_TOKEN, &out->name);
	ue_record_read_bool(record, "enabled", &out->is_enabled);
	ue_record_read_int32(record, "priority", INT32_MIN, INT32_MAX, &out->priority);
	ue_record_read_list(record, "platforms", UE_LIMIT_TOKEN, &out->platforms);
	ue_record_read_list(record, "models", UE_LIMIT_TOKEN, &out->models);
	ue_record_read_list(record, "routes", UE_LIMIT_MESSAGE, &out->routes);
	ue_record_read_int32(record, "max_attempts", 1, 100, &out->max_attempts);
	ue_record_read_int32(record, "max_channel_attempts", 1, 100,
						 &out->max_channel_attempts);
	read_what_is_retried(record, out);
	ue_record_read_int64(record, "backoff_ms", 0, DURATION_MAX, &out->backoff_ms);
	ue_record_read_int64(record, "backoff_max_ms", 0, DURATION_MAX, &out->backoff_max_ms);
	ue_record_read_int64(record, "failover_wait_ms", 0, DURATION_MAX,
						 &out->failover_wait_ms);
	ue_record_read_int64(record, "hint_max_ms", 0, DURATION_MAX, &out->hint_max_ms);
	ue_record_read_int64(record, "total_timeout_ms", 0, DURATION_MAX,
						 &out->total_timeout_ms);
	ue_record_read_int64(record, "attempt_timeout_ms", 0, DURATION_MAX,
						 &out->attempt_timeout_ms);
	ue_record_read_int64(record, "first_byte_timeout_ms", 0, DURATION_MAX,
						 &out->first_byte_timeout_ms);
	ue_record_read_int64(record, "idle_timeout_ms", 0, DURATION_MAX,
						 &out->idle_timeout_ms);
	ue_record_read_int32(record, "budget_percent", 0, 10000, &out->budget_percent);
	ue_record_read_int32(record, "budget_burst", 0, 1000000, &out->budget_burst);
	ue_record_read_int32(record, "hold_events", 0, 10000, &out->hold_events);
	ue_record_read_int32(record, "hold_bytes", 0, 16 * 1024 * 1024, &out->hold_bytes);
	ue_record_read_int64(record, "hold_ms", 0, DURATION_MAX, &out->hold_ms);
}

static bool
fits(UeRecordList globs, UeSlice text)
{
	for (size_t i = 0; i < globs.n; i++)
		if (ue_fold_is_glob_match(globs.items[i], text))
			return true;
	return globs.n == 0;
}

bool
ue_retry_policy_fits(const UeRetryPolicy *policy, UeSlice platform, UeSlice model,
					 UeSlice route)
{
	bool is_fit = policy->platforms.n == 0;

	for (size_t i = 0; i < policy->platforms.n && !is_fit; i++)
		is_fit = ue_slice_is_equal_fold(policy->platforms.items[i], platform);
	return policy->is_enabled && is_fit && fits(policy->models, model) &&
		   fits(policy->routes, route);
}
