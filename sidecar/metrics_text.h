/* SPDX-License-Identifier: PostgreSQL */
/*
 * metrics_text.h: the counters of all workers as text for Prometheus.
 *
 * Format 0.0.4.  Names begin with upstream_errors_, end in their unit, and in _total when
 * they only grow.
 */
#ifndef UE_METRICS_TEXT_H
#define UE_METRICS_TEXT_H

#include "health_store.h"
#include "journal.h"
#include "metrics.h"
#include "policy_keeper.h"
#include "shipper.h"

typedef struct UeMetricsSource
{
	const char *version;
	int64_t started_at_s;	  /* Unix time */
	const UeMetrics *workers; /* n_workers of them */
	int n_workers;
	const char *const *platforms; /* names, by index; others are "unknown" */
	int n_platforms;
	UeJournalStats journal;
	UeShipperStats shipper;
	UePolicyStats policy;
	UeHealthStore *health; /* NULL: no channels */
	int64_t now_ms;		   /* Unix; for the states of channels */
} UeMetricsSource;

extern void ue_metrics_append_text(UeBuf *buf, const UeMetricsSource *source);

/* Whether a worker or the shipper has a connection to Postgres. */
extern bool ue_metrics_has_database(const UeMetricsSource *source);

#endif
