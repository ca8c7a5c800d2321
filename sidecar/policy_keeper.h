/* SPDX-License-Identifier: PostgreSQL */
/*
 * policy_keeper.h: the thread that keeps this process at the policy of the database.
 *
 * At start the copy on disk is put in force; then whatever the database says, as soon as
 * it is committed there: the keeper listens on the channel upstream_errors, and where that
 * is not possible (a standby) it asks every 5 s.  What is in force is kept on disk and
 * acknowledged in SQL.  Nobody waits for it but the start, and that for a second at most.
 *
 * It does the same for the health of channels: upstream_error_health() after connecting,
 * the channel upstream_errors_health from then on, and health.jsonl on disk.
 */
#ifndef UE_POLICY_KEEPER_H
#define UE_POLICY_KEEPER_H

#include <stdbool.h>
#include <stdint.h>

#include "health_store.h"

typedef struct UePolicyKeeper UePolicyKeeper;

/* All must outlive the keeper. */
typedef struct UePolicyKeeperOptions
{
	const char *conninfo;  /* NULL: what is on disk holds, for ever */
	const char *directory; /* exists; policy.jsonl is kept in it */
	const char *instance;
	const char *region; /* NULL: none */
	const char *version;
	int64_t reconnect_ms;
	UeHealthStore *health; /* NULL: nobody's health is kept */
} UePolicyKeeperOptions;

/* For metrics. */
typedef struct UePolicyStats
{
	int64_t generation; /* in force; 0: none, or of a database without rules */
	uint64_t n_rules;
	uint64_t n_bytes;		/* compiled */
	uint64_t loads;			/* put in force */
	uint64_t refusals;		/* snapshots that could not be used */
	uint64_t file_failures; /* the copy on disk could not be written, or read */
	uint64_t is_listening;	/* 1: changes come by themselves */
	int64_t loaded_at_s;	/* Unix time; 0: never */
	uint64_t health_messages;	   /* states told by the database */
	uint64_t health_file_failures; /* as file_failures, of the states */
} UePolicyStats;

/*
 * Puts the copy on disk in force, then starts the thread and waits until it has asked the
 * database once, or has found none: what a restart serves first obeys the rules.  NULL with
 * errno set.
 */
extern UePolicyKeeper *ue_policy_keeper_start(const UePolicyKeeperOptions *options);

/* Any thread, until ue_policy_keeper_stop: the files and variables behind credentials may
 * have changed. */
extern void ue_policy_keeper_reload(UePolicyKeeper *keeper);

/* Ends the thread and takes the policy out of force; NULL is fine. */
extern void ue_policy_keeper_stop(UePolicyKeeper *keeper);

/* Any thread, until ue_policy_keeper_stop. */
extern void ue_policy_keeper_read_stats(const UePolicyKeeper *keeper, UePolicyStats *out);

#endif
