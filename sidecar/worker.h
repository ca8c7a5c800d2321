/* SPDX-License-Identifier: PostgreSQL */
/*
 * worker.h: one thread that serves: its loop, listener, upstreams, decider and exchanges.
 *
 * Workers share nothing but the configuration (read-only), the journal, and each its own
 * UeMetrics, which the caller owns.  All of them must outlive the worker.
 */
#ifndef UE_WORKER_H
#define UE_WORKER_H

#include "config.h"
#include "health_store.h"
#include "journal.h"
#include "metrics.h"

typedef struct UeWorker UeWorker;

/*
 * Opens the listener and starts the thread, which blocks all signals.  index counts from 0
 * to config->workers - 1; start 0 first.  ue_upstream_global_init must have been called.
 * NULL and a sentence in error (the address, why, what is accepted).
 */
extern UeWorker *ue_worker_start(const UeConfig *config, UeJournal *journal,
								 UeHealthStore *health, int index, UeMetrics *metrics,
								 char *error, size_t error_size);

/* Any thread, returns at once: no new connections; the thread ends when the requests in
 * progress have ended, at the latest after config->drain_timeout_ms. */
extern void ue_worker_drain(UeWorker *worker);

/* Waits for the thread's end and frees the worker.  Call ue_worker_drain first. */
extern void ue_worker_join(UeWorker *worker);

#endif
