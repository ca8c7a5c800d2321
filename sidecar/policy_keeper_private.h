/* SPDX-License-Identifier: PostgreSQL */
/*
 * policy_keeper_private.h: what the files of the policy keeper share.
 *
 * policy_keeper.c   its thread, from start to stop, and what it waits for
 * policy_answer.c   what it asks the database, and what becomes of the answers
 */
#ifndef UE_POLICY_KEEPER_PRIVATE_H
#define UE_POLICY_KEEPER_PRIVATE_H

#include "policy_keeper.h"

#include <pthread.h>
#include <stdatomic.h>

#include "database.h"
#include "policy_file.h"
#include "policy_health.h"
#include "policy_load.h"
#include "policy_question.h"

#define UE_POLICY_CHECK_MS	60000 /* where somebody tells: it also shows that we live */
#define UE_POLICY_ANSWER_MS 30000 /* beyond: the server hangs */

typedef struct Asked
{
	bool is_wanted;
	bool is_in_flight;
	int64_t sent_ms;
} Asked;

struct UePolicyKeeper
{
	UePolicyKeeperOptions options;
	UeDatabase *database; /* NULL: without one */
	UePolicyLoad load;
	Asked asked[UE_QUESTIONS];
	char identity[UE_POLICY_IDENTITY];		/* of the database; "": not known */
	char file_identity[UE_POLICY_IDENTITY]; /* of the one that the copy on disk is of */
	int64_t seen_generation; /* the last one that was asked for or fetched */
	int64_t status_due_ms;
	int64_t news_due_ms;
	int64_t acknowledged_ms;
	int64_t saved_ms;
	bool is_standby;
	bool is_other_database; /* than that of the policy in force */
	bool is_unsaved;		/* the copy on disk is not what is in force */
	bool is_save_reported, is_refusal_reported;
	UeHealthCopy health_copy;

	pthread_t thread;
	bool has_thread;
	int stop_fd;
	atomic_bool is_stopping;
	atomic_bool must_reload;
	pthread_mutex_t lock;
	pthread_cond_t settled;
	bool is_settled; /* under lock: the start need not wait */

	atomic_llong generation, loaded_at_s;
	atomic_ullong n_rules, n_bytes, loads, refusals, file_failures;
	atomic_ullong health_messages;
	atomic_bool is_listening;
};

/* policy_keeper.c */
extern void ue_policy_keeper_settle(UePolicyKeeper *keeper); /* the start need not wait */
extern int64_t ue_policy_keeper_now_ms(void);

/* policy_answer.c */
extern const UeDatabaseHandler ue_policy_keeper_handler;

/* Sends what is wanted and not on its way. */
extern void ue_policy_keeper_ask(UePolicyKeeper *keeper, int64_t now_ms);
extern UePolicyLoadResult ue_policy_keeper_load(UePolicyKeeper *keeper, UeSlice snapshot,
												const char *source);

#endif
