/* SPDX-License-Identifier: PostgreSQL */
/*
 * policy_health.h: the health of channels between the store, the database and the disk.
 *
 * A state is the same line of JSON in a notification and in health.jsonl:
 *
 *     {"channel_id": 3, "model": "gpt-5", "state": "cooling", "until_ms": 1760000000000,
 *      "level": 2, "reason": "…"}
 *
 * with until_ms in Unix time, 0 for no end, and an empty model for the channel as a whole.
 * Used by the policy keeper's thread.
 */
#ifndef UE_POLICY_HEALTH_H
#define UE_POLICY_HEALTH_H

#include <stdatomic.h>

#include "database.h"
#include "health_store.h"

/* The rows of UE_QUESTION_HEALTH: all that the database knows. */
extern void ue_health_merge_rows(UeHealthStore *store, const UeDatabaseResult *result);

/* False: it is no state, and nothing has changed. */
extern bool ue_health_merge_line(UeHealthStore *store, UeSlice line);

/*
 * health.jsonl in the directory: read once, written when a state has changed, at most every
 * UE_HEALTH_SAVE_MS.  A pause that is over is not read.  What cannot be used, or written, is
 * counted and said once.
 */
#define UE_HEALTH_SAVE_MS 1000

typedef struct UeHealthCopy
{
	UeHealthStore *store;  /* NULL: nothing is kept */
	const char *directory; /* must outlive it */
	uint64_t saved_version;
	int64_t saved_ms;
	bool is_reported;
	atomic_ullong failures; /* read by any thread */
} UeHealthCopy;

extern void ue_health_copy_init(UeHealthCopy *copy, UeHealthStore *store,
								const char *directory);

/* now_ms: of any monotonic clock; INT64_MAX: do not wait.  identity: of the database. */
extern void ue_health_copy_save(UeHealthCopy *copy, const char *identity, int64_t now_ms);

#endif
