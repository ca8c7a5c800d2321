/* SPDX-License-Identifier: PostgreSQL */
/*
 * metrics.h: counters that workers own and the admin listener reads.
 *
 * Each worker writes its own UeMetrics with relaxed atomics; /metrics adds them up.
 * Platforms are counted by their index in the configuration; one more index is "unknown".
 */
#ifndef UE_METRICS_H
#define UE_METRICS_H

#include <stdatomic.h>

#include "core/buf.h"
#include "core/fault.h"

#define UE_METRICS_PLATFORMS 33 /* 32 configured ones and "unknown", the last */
#define UE_METRICS_CLASSES	 24
#define UE_METRICS_BUCKETS	 16 /* latency: 1 ms · 2^i, the last is +Inf */

typedef enum UeOutcome
{
	UE_OUTCOME_OK = 0,		/* a good answer, whole */
	UE_OUTCOME_ANSWERED,	/* an error answer before the first byte */
	UE_OUTCOME_ERROR_FRAME, /* an error inside a stream */
	UE_OUTCOME_ABORTED,		/* the client's connection had to be cut */
	UE_OUTCOME_CLIENT_GONE,
	UE_OUTCOME_RETRIED, /* of an attempt: another one followed; no request ends so */
} UeOutcome;

#define UE_METRICS_OUTCOMES 5 /* of requests */

typedef struct UeMetrics
{
	atomic_ullong requests[UE_METRICS_PLATFORMS][UE_METRICS_OUTCOMES];
	atomic_ullong failures[UE_METRICS_PLATFORMS][UE_METRICS_CLASSES]; /* attempts */
	atomic_ullong first_byte[UE_METRICS_PLATFORMS][UE_METRICS_BUCKETS];
	atomic_ullong total[UE_METRICS_PLATFORMS][UE_METRICS_BUCKETS];
	atomic_ullong first_byte_ms[UE_METRICS_PLATFORMS]; /* sums, for the histograms */
	atomic_ullong total_ms[UE_METRICS_PLATFORMS];
	atomic_ullong verdicts_postgres, verdicts_local, verdicts_late;
	atomic_ullong unmonitored; /* failures that a rule keeps from becoming rows */
	atomic_ullong excluded;	   /* and the configuration */
	atomic_ullong retries;	   /* attempts after the first of a request */
	atomic_ullong resends;	   /* of a request, when a kept connection was dead */
	atomic_ullong recovered;   /* requests that failed first and ended well */
	atomic_ullong client_bytes_in, client_bytes_out;
	atomic_llong open_clients, open_transfers;
	atomic_llong database_connected; /* 0 or 1 */
} UeMetrics;

extern const char *ue_outcome_name(UeOutcome outcome);
extern void ue_metrics_count_request(UeMetrics *metrics, int platform, UeOutcome outcome,
									 int64_t first_byte_ms, int64_t total_ms);
extern void ue_metrics_count_failure(UeMetrics *metrics, int platform, UeClass class);

#endif
