/* SPDX-License-Identifier: PostgreSQL */
/*
 * admin.h: health, readiness and metrics, on a listener and a thread of their own.
 *
 * A thread of its own, because a probe must be answered when the workers are busy: that is
 * when it is asked.
 *
 *   GET /healthz  200 while the process runs
 *   GET /readyz   200 or 503, and why, as JSON
 *   GET /metrics  text for Prometheus
 */
#ifndef UE_ADMIN_H
#define UE_ADMIN_H

#include <stdatomic.h>

#include "metrics_text.h"

typedef struct UeAdmin UeAdmin;

/* What there is to tell.  Owned by the caller, must outlive the admin. */
typedef struct UeAdminState
{
	const char *version;
	const char *instance;	  /* NULL: not told */
	int64_t started_at_s;	  /* Unix time */
	const UeMetrics *workers; /* n_workers of them */
	int n_workers;
	const char *const *platforms; /* names, by UeMetrics index */
	int n_platforms;
	bool has_database; /* one is configured */
	const char *journal_directory;
	UeHealthStore *health; /* NULL: none */
	const char *token; /* NULL: none is asked for; else "Authorization: Bearer <token>" */

	/* Called from the admin's thread; any of them may be NULL. */
	void (*read_journal_stats)(void *context, UeJournalStats *out);
	void (*read_shipper_stats)(void *context, UeShipperStats *out);
	void (*read_policy_stats)(void *context, UePolicyStats *out);
	void *context;

	/* set by any thread */
	atomic_bool is_listening; /* the workers accept connections */
	atomic_bool is_draining;
} UeAdminState;

/*
 * Opens the listener and starts the thread, which blocks all signals.  NULL and a sentence
 * in error (the address, why, what is accepted).
 */
extern UeAdmin *ue_admin_start(const char *address, const UeAdminState *state,
							   char *error, size_t error_size);

/* Ends the thread and frees the admin; NULL is fine. */
extern void ue_admin_stop(UeAdmin *admin);

#endif
