/* SPDX-License-Identifier: PostgreSQL */
/*
 * policy_answer.c: listen, fetch, put in force, acknowledge, keep on disk.
 *
 * A few questions, each at most once in flight.  After connecting: who are you (identity),
 * how is it with you (status), who is well (health), what is the policy (snapshot).  A
 * primary is then listened to, and its status and health asked once more, for a change may
 * have been committed in between.  A notification of the policy asks for the snapshot; those
 * that come while one is on its way ask for one more behind it, so a burst costs few.  One
 * of health holds the state itself.
 *
 * The acknowledgement goes out before the copy is written: it says "in force", and a disk
 * may be slow.  What the database says holds, even when its generation is lower than the
 * one in force: it has been restored, or is another one.
 */
#include "policy_keeper_private.h"

#include <endian.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "log.h"

#define POLL_MS 5000 /* where nobody tells */
#define SAVE_MS 1000 /* in a burst of changes the copy is written so often */

static bool send_question(UePolicyKeeper *keeper, UeQuestion question);
static bool send_acknowledge(UePolicyKeeper *keeper);
static void on_ready(void *context);
static void on_result(void *context, void *query, const UeDatabaseResult *result);
static void on_lost(void *context);
static void on_notify(void *context, const char *channel, const char *payload);
static void take_identity(UePolicyKeeper *keeper, const UeDatabaseResult *result);
static void take_snapshot(UePolicyKeeper *keeper, const UeDatabaseResult *result);
static void take_status(UePolicyKeeper *keeper, const UeDatabaseResult *result);
static void take_listen(UePolicyKeeper *keeper, const UeDatabaseResult *result);
static void save(UePolicyKeeper *keeper, UeSlice snapshot);
static void report_refusal(UePolicyKeeper *keeper, const UeDatabaseResult *result);

const UeDatabaseHandler ue_policy_keeper_handler = {
	.on_ready = on_ready,
	.on_result = on_result,
	.on_lost = on_lost,
	.on_notify = on_notify,
};

void
ue_policy_keeper_ask(UePolicyKeeper *keeper, int64_t now_ms)
{
	bool is_listening = atomic_load(&keeper->is_listening);

	if (now_ms >= keeper->status_due_ms)
	{
		keeper->status_due_ms = now_ms + (is_listening ? UE_POLICY_CHECK_MS : POLL_MS);
		keeper->asked[UE_QUESTION_STATUS].is_wanted = true;
		if (keeper->is_unsaved)
			keeper->asked[UE_QUESTION_SNAPSHOT].is_wanted = true;
		if (keeper->options.health != NULL && !is_listening)
			keeper->asked[UE_QUESTION_HEALTH].is_wanted = true;
	}
	for (int i = 0; i < UE_QUESTIONS; i++)
	{
		Asked *asked = &keeper->asked[i];

		if (asked->is_in_flight && now_ms - asked->sent_ms >= UE_POLICY_ANSWER_MS)
		{
			ue_database_drop(keeper->database, now_ms, "no answer within 30 s");
			return;
		}
		if (!asked->is_wanted || asked->is_in_flight)
			continue;

		/* too many in flight: after the next answer */
		if (!send_question(keeper, (UeQuestion) i))
			return;
		asked->is_wanted = false;
		asked->is_in_flight = true;
		asked->sent_ms = now_ms;
	}
}

static bool
send_question(UePolicyKeeper *keeper, UeQuestion question)
{
	if (question == UE_QUESTION_ACKNOWLEDGE)
		return send_acknowledge(keeper);
	return ue_database_send(keeper->database, (int) question, NULL,
							&keeper->asked[question]);
}

static bool
send_acknowledge(UePolicyKeeper *keeper)
{
	uint64_t generation = htobe64((uint64_t) keeper->load.generation);
	UeSlice parameters[] = {
		ue_slice_of(keeper->options.instance),
		{NULL, 0},
		ue_slice_of(keeper->options.version),
		{(const char *) &generation, sizeof(generation)},
	};

	if (keeper->options.region != NULL)
		parameters[1] = ue_slice_of(keeper->options.region);
	keeper->acknowledged_ms = ue_policy_keeper_now_ms();
	return ue_database_send(keeper->database, UE_QUESTION_ACKNOWLEDGE, parameters,
							&keeper->asked[UE_QUESTION_ACKNOWLEDGE]);
}

static void
on_ready(void *context)
{
	UePolicyKeeper *keeper = context;

	keeper->asked[UE_QUESTION_IDENTITY].is_wanted = true;
	keeper->asked[UE_QUESTION_SNAPSHOT].is_wanted = true;
	keeper->asked[UE_QUESTION_HEALTH].is_wanted = keeper->options.health != NULL;
	keeper->status_due_ms = INT64_MIN;
	keeper->is_refusal_reported = false;
}

static void
on_lost(void *context)
{
	UePolicyKeeper *keeper = context;

	memset(keeper->asked, 0, sizeof(keeper->asked));
	keeper->identity[0] = '\0';
	atomic_store(&keeper->is_listening, false);
}

static void
on_notify(void *context, const char *channel, const char *payload)
{
	UePolicyKeeper *keeper = context;

	if (strcmp(channel, UE_QUESTION_HEALTH_CHANNEL) == 0)
	{
		atomic_fetch_add(&keeper->health_messages, 1);

		/* of a later version, or somebody's own: the table has what counts */
		if (!ue_health_merge_line(keeper->options.health, ue_slice_of(payload)))
			keeper->asked[UE_QUESTION_HEALTH].is_wanted = true;
		return;
	}
	keeper->asked[UE_QUESTION_SNAPSHOT].is_wanted = true;
}

static void
on_result(void *context, void *query, const UeDatabaseResult *result)
{
	UePolicyKeeper *keeper = context;
	Asked *asked = query;

	asked->is_in_flight = false;
	switch ((UeQuestion) (asked - keeper->asked))
	{
		case UE_QUESTION_LISTEN:
			take_listen(keeper, result);
			break;
		case UE_QUESTION_LISTEN_HEALTH:
			if (result->is_ok)
				keeper->asked[UE_QUESTION_HEALTH].is_wanted = true;
			else
				report_refusal(keeper, result);
			break;
		case UE_QUESTION_IDENTITY:
			take_identity(keeper, result);
			break;
		case UE_QUESTION_SNAPSHOT:
			take_snapshot(keeper, result);
			ue_policy_keeper_settle(keeper);
			break;
		case UE_QUESTION_STATUS:
			take_status(keeper, result);
			break;
		case UE_QUESTION_HEALTH:
			if (result->is_ok)
				ue_health_merge_rows(keeper->options.health, result);
			else
				report_refusal(keeper, result);
			break;
		case UE_QUESTION_ACKNOWLEDGE:
			if (!result->is_ok)
				report_refusal(keeper, result);
			break;
	}
}

/* A service that hides pg_control_system() has no identity; nothing depends on one. */
static void
take_identity(UePolicyKeeper *keeper, const UeDatabaseResult *result)
{
	UeSlice identity = {"", 0};

	if (result->is_ok && result->n_rows == 1)
		identity = ue_database_value(result, 0, 0);
	snprintf(keeper->identity, sizeof(keeper->identity), "%.*s", (int) identity.len,
			 identity.ptr == NULL ? "" : identity.ptr);
	if (keeper->identity[0] == '\0' || keeper->file_identity[0] == '\0' ||
		strcmp(keeper->file_identity, "-") == 0 ||
		strcmp(keeper->identity, keeper->file_identity) == 0)
		return;
	keeper->is_unsaved = true;
	ue_log_write(UE_LOG_WARNING, "policy_database_changed",
				 "the policy so far is of another database; from now on this one's holds",
				 "before", keeper->file_identity, "now", keeper->identity, NULL);
	memcpy(keeper->file_identity, keeper->identity, sizeof(keeper->file_identity));
	keeper->is_other_database = true;
}

static void
take_snapshot(UePolicyKeeper *keeper, const UeDatabaseResult *result)
{
	int64_t before = keeper->load.generation;
	UeSlice snapshot;
	UePolicyLoadResult loaded;

	if (!result->is_ok || result->n_rows != 1)
	{
		report_refusal(keeper, result);
		return;
	}
	snapshot = ue_database_value(result, 0, 0);
	loaded = ue_policy_keeper_load(keeper, snapshot, "database");
	if (!keeper->is_standby)
	{
		keeper->asked[UE_QUESTION_ACKNOWLEDGE].is_wanted = true;
		ue_policy_keeper_ask(keeper, ue_policy_keeper_now_ms());
	}
	if (loaded == UE_POLICY_REFUSED)
		return;
	keeper->seen_generation = keeper->load.generation;
	if (keeper->load.generation < before && !keeper->is_other_database)
	{
		char numbers[2][24];

		snprintf(numbers[0], sizeof(numbers[0]), "%lld", (long long) before);
		snprintf(numbers[1], sizeof(numbers[1]), "%lld",
				 (long long) keeper->load.generation);
		ue_log_write(UE_LOG_WARNING, "policy_generation_back",
					 "the database has an earlier policy than before: was it restored?",
					 "before", numbers[0], "now", numbers[1], NULL);
	}
	keeper->is_other_database = false;
	if (loaded == UE_POLICY_LOADED)
		keeper->is_unsaved = true;
	if (keeper->is_unsaved)
		save(keeper, snapshot);
}

static void
take_status(UePolicyKeeper *keeper, const UeDatabaseResult *result)
{
	int64_t now_ms = ue_policy_keeper_now_ms();
	int64_t generation;
	UeSlice recovery;

	if (!result->is_ok || result->n_rows != 1)
	{
		report_refusal(keeper, result);
		return;
	}
	generation = ue_database_integer(ue_database_value(result, 0, 0));
	recovery = ue_database_value(result, 0, 1);
	keeper->is_standby = recovery.len == 1 && recovery.ptr[0] != 0;
	if (generation != keeper->seen_generation)
	{
		/* answers come in order: a snapshot still on its way is younger than this */
		if (!keeper->asked[UE_QUESTION_SNAPSHOT].is_in_flight)
			keeper->asked[UE_QUESTION_SNAPSHOT].is_wanted = true;
		keeper->seen_generation = generation;
	}
	if (keeper->is_standby)
		return;
	if (!atomic_load(&keeper->is_listening))
	{
		keeper->asked[UE_QUESTION_LISTEN].is_wanted = true;
		keeper->asked[UE_QUESTION_LISTEN_HEALTH].is_wanted =
			keeper->options.health != NULL;
	}
	if (now_ms - keeper->acknowledged_ms >= UE_POLICY_CHECK_MS)
		keeper->asked[UE_QUESTION_ACKNOWLEDGE].is_wanted = true;
}

static void
take_listen(UePolicyKeeper *keeper, const UeDatabaseResult *result)
{
	if (!result->is_ok)
	{
		report_refusal(keeper, result);
		return;
	}
	atomic_store(&keeper->is_listening, true);

	/* what was committed between the snapshot and now */
	keeper->asked[UE_QUESTION_STATUS].is_wanted = true;
	keeper->status_due_ms = ue_policy_keeper_now_ms() + UE_POLICY_CHECK_MS;
}

UePolicyLoadResult
ue_policy_keeper_load(UePolicyKeeper *keeper, UeSlice snapshot, const char *source)
{
	UePolicyLoadResult result = ue_policy_load(&keeper->load, snapshot, source);

	switch (result)
	{
		case UE_POLICY_LOADED:
			atomic_store(&keeper->generation, keeper->load.generation);
			atomic_store(&keeper->n_rules, keeper->load.n_rules);
			atomic_store(&keeper->n_bytes, keeper->load.n_bytes);
			atomic_store(&keeper->loaded_at_s, time(NULL));
			atomic_fetch_add(&keeper->loads, 1);
			break;
		case UE_POLICY_SAME:
			break;
		case UE_POLICY_REFUSED:
			atomic_fetch_add(&keeper->refusals, 1);
			break;
	}
	return result;
}

/* A disk that is full or read-only is said once, and tried again with the next status. */
static void
save(UePolicyKeeper *keeper, UeSlice snapshot)
{
	int64_t now_ms = ue_policy_keeper_now_ms();
	const char *reason = "";

	if (keeper->asked[UE_QUESTION_SNAPSHOT].is_wanted &&
		now_ms - keeper->saved_ms < SAVE_MS)
		return;
	keeper->saved_ms = now_ms;
	if (ue_policy_file_write(keeper->options.directory, UE_POLICY_FILE_NAME,
							 keeper->identity, snapshot, &reason))
	{
		keeper->is_unsaved = keeper->is_save_reported = false;
		memcpy(keeper->file_identity, keeper->identity, sizeof(keeper->identity));
		return;
	}
	atomic_fetch_add(&keeper->file_failures, 1);
	if (keeper->is_save_reported)
		return;
	keeper->is_save_reported = true;
	ue_log_write(
		UE_LOG_WARNING, "policy_file_failed",
		"the policy could not be kept on disk: a start without the database would "
		"find the one before",
		"directory", keeper->options.directory, "reason", reason, NULL);
}

/* Once for each connection: the policy is as it was, and it will be asked for again. */
static void
report_refusal(UePolicyKeeper *keeper, const UeDatabaseResult *result)
{
	if (keeper->is_refusal_reported)
		return;
	keeper->is_refusal_reported = true;
	ue_log_write(
		UE_LOG_WARNING, "policy_question_refused",
		"the database refused to tell its policy, or to take note of ours: the one "
		"in force stays",
		"sqlstate", result->sqlstate, "reason", result->message, NULL);
}
