/* SPDX-License-Identifier: PostgreSQL */
/*
 * shipper_follow.h: transitions and recoveries on their way to Postgres.
 *
 * On a connection of their own, so that a change of a channel's health, which other sidecars
 * wait for, is never behind a batch of a thousand events or behind maintenance.  Used by the
 * shipper's thread alone.
 */
#ifndef UE_SHIPPER_FOLLOW_H
#define UE_SHIPPER_FOLLOW_H

#include <stdatomic.h>

#include "shipper_batch.h"

typedef struct UeFollower UeFollower;

/* Counted by the follower, read by any thread. */
typedef struct UeFollowerCounters
{
	atomic_ullong transitions; /* committed */
	atomic_ullong recoveries;
	atomic_ullong quarantined; /* refused for what is in them; in quarantine.jsonl */
	atomic_ullong failures;	   /* batches that are sent again */
} UeFollowerCounters;

/* All must outlive it.  NULL on exhaustion. */
extern UeFollower *ue_follower_new(const char *conninfo, int64_t reconnect_ms,
								   UeJournal *journal, UeQueue *queue,
								   UeFollowerCounters *counters);
extern void ue_follower_free(UeFollower *follower);

/* Sends what is ready. */
extern void ue_follower_send(UeFollower *follower, int64_t now_ms);

/* As of database.h, with the pauses before something is sent again in due_ms. */
extern int ue_follower_fd(const UeFollower *follower);
extern int ue_follower_events(const UeFollower *follower);
extern int64_t ue_follower_due_ms(const UeFollower *follower);
extern void ue_follower_step(UeFollower *follower, int64_t now_ms);
extern bool ue_follower_is_ready(const UeFollower *follower);

#endif
