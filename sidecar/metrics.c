/* SPDX-License-Identifier: PostgreSQL */
/*
 * metrics.c: counting, by the one worker that owns the counters.
 */
#include "metrics.h"

static void add(atomic_ullong *counter, unsigned long long n);
static int find_bucket(int64_t ms);
static int clamp_platform(int platform);

const char *
ue_outcome_name(UeOutcome outcome)
{
	switch (outcome)
	{
		case UE_OUTCOME_OK:
			return "ok";
		case UE_OUTCOME_ANSWERED:
			return "answered";
		case UE_OUTCOME_ERROR_FRAME:
			return "error_frame";
		case UE_OUTCOME_ABORTED:
			return "aborted";
		case UE_OUTCOME_CLIENT_GONE:
			return "client_gone";
		case UE_OUTCOME_RETRIED:
			return "retried";
	}
	return "unknown";
}

void
ue_metrics_count_request(UeMetrics *metrics, int platform, UeOutcome outcome,
						 int64_t first_byte_ms, int64_t total_ms)
{
	platform = clamp_platform(platform);
	add(&metrics->requests[platform][outcome], 1);
	if (first_byte_ms >= 0)
	{
		add(&metrics->first_byte[platform][find_bucket(first_byte_ms)], 1);
		add(&metrics->first_byte_ms[platform], (unsigned long long) first_byte_ms);
	}
	if (total_ms >= 0)
	{
		add(&metrics->total[platform][find_bucket(total_ms)], 1);
		add(&metrics->total_ms[platform], (unsigned long long) total_ms);
	}
}

void
ue_metrics_count_failure(UeMetrics *metrics, int platform, UeClass class)
{
	add(&metrics->failures[clamp_platform(platform)][class], 1);
}

/* Relaxed: a counter orders nothing, and nobody else writes it. */
static void
add(atomic_ullong *counter, unsigned long long n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* The first whose bound is not below ms: 1, 2, 4, … ms; the last has none. */
static int
find_bucket(int64_t ms)
{
	int bucket = 0;

	while (bucket < UE_METRICS_BUCKETS - 1 && ms > (INT64_C(1) << bucket))
		bucket++;
	return bucket;
}

static int
clamp_platform(int platform)
{
	if (platform < 0 || platform >= UE_METRICS_PLATFORMS)
		return UE_METRICS_PLATFORMS - 1;
	return platform;
}
