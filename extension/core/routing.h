/* SPDX-License-Identifier: PostgreSQL */
/*
 * routing.h: what operators say about retries, as rows of upstream_error_retry_policies.
 *
 * The first enabled policy by (priority, id) whose filters fit a request is the one for all
 * its attempts; without any row the default one.
 */
#ifndef UE_CORE_ROUTING_H
#define UE_CORE_ROUTING_H

#include "core/fault.h"
#include "core/record.h"

typedef struct UeRetryPolicy UeRetryPolicy;
struct UeRetryPolicy
{
	int64_t id; /* 0: the default one */
	UeSlice name;
	bool is_enabled;
	int32_t priority;

	/* filters; empty: any */
	UeRecordList platforms;
	UeRecordList models; /* globs; so are the routes */
	UeRecordList routes;

	int32_t max_attempts;		  /* of a request altogether, the first counted */
	int32_t max_channel_attempts; /* on one channel, when no other is left */
	UeStatuses retry_statuses;	  /* of HTTP answers */
	uint32_t retry_networks;	  /* bits by UeNetwork */
	uint32_t retry_classes;		  /* bits by UeClass: again, whatever the status */
	uint32_t stop_classes;		  /* never again, whatever the status */
	UeRecordList stop_codes;	  /* of our catalogue: never again */
	bool is_request_fault_retried;
	int64_t
		backoff_ms; /* full jitter: 0 to backoff_ms * 2^(n-1) before attempt n+1 on the
						 * same channel */
	int64_t backoff_max_ms;
	int64_t failover_wait_ms; /* before another channel is asked; jittered */
	int64_t hint_max_ms;	  /* a longer hint for the channel that we would ask again:
							   * answer now */

	/* deadlines; 0: none, or the sidecar's own setting */
	int64_t total_timeout_ms; /* from the request on, all attempts */
	int64_t attempt_timeout_ms;
	int64_t first_byte_timeout_ms;
	int64_t idle_timeout_ms;

	int32_t budget_percent; /* retries for 100 requests, */
	int32_t budget_burst;	/* and so many saved up */

	/* start-up events of a stream, held until one that the client could use */
	int32_t hold_events;
	int32_t hold_bytes;
	int64_t hold_ms;
};

/* new-api's checks and statuses; routing.c has the source of each. */
extern const UeRetryPolicy ue_retry_default;

/* A row; what it does not say is the default's.  Problems are in record. */
extern void ue_retry_policy_read(UeRecord *record, UeRetryPolicy *out);

extern bool ue_retry_policy_fits(const UeRetryPolicy *policy, UeSlice platform,
								 UeSlice model, UeSlice route);

#endif
