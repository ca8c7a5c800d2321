/* SPDX-License-Identifier: PostgreSQL */
/*
 * policy_keeper.c: listen, fetch, put in force, acknowledge, keep on disk.
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
#include "policy_keeper.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "database.h"
#include "log.h"
#include "policy_file.h"
#include "policy_health.h"
#include "policy_load.h"
#include "policy_question.h"
#include "policy_store.h"

#define START_WAIT_MS		 1000
#define POLL_MS				 5000  /* where nobody tells */
#define CHECK_MS			 60000 /* where somebody does: it also shows that we live */
#define ANSWER_MS			 30000 /* beyond: the server hangs */
#define STATEMENT_TIMEOUT_MS 20000
#define SAVE_MS				 1000 /* in a burst of changes the copy is written so often */

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

static void load_file(UePolicyKeeper *keeper);
static void wake(UePolicyKeeper *keeper);
static bool start_thread(UePolicyKeeper *keeper);
static void wait_until_settled(UePolicyKeeper *keeper);
static void settle(UePolicyKeeper *keeper);
static void *run(void *argument);
static void step_database(UePolicyKeeper *keeper, int64_t now_ms);
static void wait_for_work(UePolicyKeeper *keeper, int64_t now_ms);
static int64_t find_due(const UePolicyKeeper *keeper);
static void ask(UePolicyKeeper *keeper, int64_t now_ms);
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
static UePolicyLoadResult load_snapshot(UePolicyKeeper *keeper, UeSlice snapshot,
										const char *source);
static void save(UePolicyKeeper *keeper, UeSlice snapshot);
static void report_refusal(UePolicyKeeper *keeper, const UeDatabaseResult *result);
static int64_t read_monotonic_ms(void);

static const UeDatabaseHandler handler = {
	.on_ready = on_ready,
	.on_result = on_result,
	.on_lost = on_lost,
	.on_notify = on_notify,
};

UePolicyKeeper *
ue_policy_keeper_start(const UePolicyKeeperOptions *options)
{
	UePolicyKeeper *keeper = calloc(1, sizeof(*keeper));
	UeDatabaseOptions database = {
		.conninfo = options->conninfo,
		.role = "policy",
		.reconnect_ms = options->reconnect_ms,
		.statement_timeout_ms = STATEMENT_TIMEOUT_MS,
		.is_quiet = true,
		.statements = ue_question_statements,
		.n_statements = UE_QUESTIONS,
	};

	if (keeper == NULL)
		return NULL;
	keeper->options = *options;
	keeper->seen_generation = -1;
	keeper->stop_fd = -1;
	pthread_mutex_init(&keeper->lock, NULL);
	pthread_cond_init(&keeper->settled, NULL);
	load_file(keeper);
	ue_health_copy_init(&keeper->health_copy, options->health, options->directory);

	/* without a database there are still health and credentials to look after */
	keeper->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (options->conninfo != NULL)
		keeper->database = ue_database_new(&database, &handler, keeper);
	if (keeper->stop_fd < 0 || (options->conninfo != NULL && keeper->database == NULL) ||
		!start_thread(keeper))
	{
		ue_policy_keeper_stop(keeper);
		return NULL;
	}
	if (options->conninfo != NULL)
		wait_until_settled(keeper);
	return keeper;
}

void
ue_policy_keeper_reload(UePolicyKeeper *keeper)
{
	atomic_store(&keeper->must_reload, true);
	wake(keeper);
}

void
ue_policy_keeper_stop(UePolicyKeeper *keeper)
{
	int saved_errno = errno;

	if (keeper == NULL)
		return;
	if (keeper->has_thread)
	{
		atomic_store(&keeper->is_stopping, true);
		wake(keeper);
		pthread_join(keeper->thread, NULL);
	}
	ue_database_free(keeper->database);
	if (keeper->stop_fd >= 0)
		close(keeper->stop_fd);
	pthread_cond_destroy(&keeper->settled);
	pthread_mutex_destroy(&keeper->lock);
	free(keeper);
	ue_policy_store_reset();
	ue_policy_update_channels();
	errno = saved_errno;
}

void
ue_policy_keeper_read_stats(const UePolicyKeeper *keeper, UePolicyStats *out)
{
	out->generation = atomic_load(&keeper->generation);
	out->n_rules = atomic_load(&keeper->n_rules);
	out->n_bytes = atomic_load(&keeper->n_bytes);
	out->loads = atomic_load(&keeper->loads);
	out->refusals = atomic_load(&keeper->refusals);
	out->file_failures = atomic_load(&keeper->file_failures);
	out->is_listening = atomic_load(&keeper->is_listening);
	out->loaded_at_s = atomic_load(&keeper->loaded_at_s);
	out->health_messages = atomic_load(&keeper->health_messages);
	out->health_file_failures = atomic_load(&keeper->health_copy.failures);
}

/* A copy that is no good is said and passed over: the next one replaces it. */
static void
load_file(UePolicyKeeper *keeper)
{
	UePolicyFile file;
	const char *reason = "";

	switch (ue_policy_file_read(keeper->options.directory, UE_POLICY_FILE_NAME, &file,
								&reason))
	{
		case UE_POLICY_FILE_READ:
			if (load_snapshot(keeper, file.snapshot, "disk") == UE_POLICY_LOADED)
				memcpy(keeper->file_identity, file.identity, sizeof(file.identity));
			else
				keeper->is_unsaved = true;
			free(file.bytes);
			break;
		case UE_POLICY_FILE_MISSING:
			keeper->is_unsaved = true;
			break;
		case UE_POLICY_FILE_BAD:
			keeper->is_unsaved = true;
			atomic_fetch_add(&keeper->file_failures, 1);
			ue_log_write(UE_LOG_WARNING, "policy_file_bad",
						 "the copy of the policy on disk cannot be used", "file",
						 UE_POLICY_FILE_NAME, "reason", reason, NULL);
			break;
	}
}

static void
wake(UePolicyKeeper *keeper)
{
	static const uint64_t one = 1;

	while (write(keeper->stop_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

/* Signals are for the main thread. */
static bool
start_thread(UePolicyKeeper *keeper)
{
	sigset_t all, old;
	int result;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	result = pthread_create(&keeper->thread, NULL, run, keeper);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	keeper->has_thread = result == 0;
	errno = result;
	return keeper->has_thread;
}

static void
wait_until_settled(UePolicyKeeper *keeper)
{
	struct timespec until;
	int result = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += START_WAIT_MS / 1000;
	pthread_mutex_lock(&keeper->lock);
	while (!keeper->is_settled && result == 0)
		result = pthread_cond_timedwait(&keeper->settled, &keeper->lock, &until);
	pthread_mutex_unlock(&keeper->lock);
}

static void
settle(UePolicyKeeper *keeper)
{
	pthread_mutex_lock(&keeper->lock);
	keeper->is_settled = true;
	pthread_cond_signal(&keeper->settled);
	pthread_mutex_unlock(&keeper->lock);
}

static void *
run(void *argument)
{
	UePolicyKeeper *keeper = argument;

	while (!atomic_load(&keeper->is_stopping))
	{
		int64_t now_ms = read_monotonic_ms();

		if (atomic_exchange(&keeper->must_reload, false))
			ue_policy_update_channels();
		if (keeper->database != NULL)
			step_database(keeper, now_ms);
		ue_health_copy_save(&keeper->health_copy, keeper->identity, now_ms);
		wait_for_work(keeper, now_ms);
	}
	ue_health_copy_save(&keeper->health_copy, keeper->identity, INT64_MAX);
	return NULL;
}

static void
step_database(UePolicyKeeper *keeper, int64_t now_ms)
{
	ue_database_step(keeper->database, now_ms);
	if (ue_database_is_ready(keeper->database))
		ask(keeper, now_ms);
	else if (ue_database_fd(keeper->database) < 0)
		settle(keeper); /* the attempt has failed */
}

static void
wait_for_work(UePolicyKeeper *keeper, int64_t now_ms)
{
	struct pollfd polled[2] = {
		{.fd = keeper->stop_fd, .events = POLLIN},
		{.fd = -1},
	};
	int64_t due_ms = find_due(keeper);
	uint64_t count;

	if (keeper->database != NULL)
	{
		polled[1].fd = ue_database_fd(keeper->database);
		polled[1].events = (short) ue_database_events(keeper->database);
	}

	/* workers change states without waking us for the copy on disk */
	if (keeper->options.health != NULL && due_ms > now_ms + UE_HEALTH_SAVE_MS)
		due_ms = now_ms + UE_HEALTH_SAVE_MS;
	if (due_ms > now_ms + CHECK_MS)
		due_ms = now_ms + CHECK_MS;
	poll(polled, 2, due_ms > now_ms ? (int) (due_ms - now_ms) : 0);
	if (polled[0].revents != 0 && read(keeper->stop_fd, &count, sizeof(count)) < 0)
		return; /* somebody will wake us again */
}

static int64_t
find_due(const UePolicyKeeper *keeper)
{
	int64_t due_ms;

	if (keeper->database == NULL)
		return UE_DATABASE_NEVER;
	due_ms = ue_database_due_ms(keeper->database);
	if (ue_database_is_ready(keeper->database))
	{
		due_ms = keeper->status_due_ms;
		for (int i = 0; i < UE_QUESTIONS; i++)
		{
			const Asked *asked = &keeper->asked[i];

			if (asked->is_in_flight && asked->sent_ms + ANSWER_MS < due_ms)
				due_ms = asked->sent_ms + ANSWER_MS;
		}
	}
	return due_ms;
}

/* Sends what is wanted and not on its way. */
static void
ask(UePolicyKeeper *keeper, int64_t now_ms)
{
	bool is_listening = atomic_load(&keeper->is_listening);

	if (now_ms >= keeper->status_due_ms)
	{
		keeper->status_due_ms = now_ms + (is_listening ? CHECK_MS : POLL_MS);
		keeper->asked[UE_QUESTION_STATUS].is_wanted = true;
		if (keeper->is_unsaved)
			keeper->asked[UE_QUESTION_SNAPSHOT].is_wanted = true;
		if (keeper->options.health != NULL && !is_listening)
			keeper->asked[UE_QUESTION_HEALTH].is_wanted = true;
	}
	for (int i = 0; i < UE_QUESTIONS; i++)
	{
		Asked *asked = &keeper->asked[i];

		if (asked->is_in_flight && now_ms - asked->sent_ms >= ANSWER_MS)
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
	keeper->acknowledged_ms = read_monotonic_ms();
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
			settle(keeper);
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
	loaded = load_snapshot(keeper, snapshot, "database");
	if (!keeper->is_standby)
	{
		keeper->asked[UE_QUESTION_ACKNOWLEDGE].is_wanted = true;
		ask(keeper, read_monotonic_ms());
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
	int64_t now_ms = read_monotonic_ms();
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
	if (now_ms - keeper->acknowledged_ms >= CHECK_MS)
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
	keeper->status_due_ms = read_monotonic_ms() + CHECK_MS;
}

static UePolicyLoadResult
load_snapshot(UePolicyKeeper *keeper, UeSlice snapshot, const char *source)
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
	int64_t now_ms = read_monotonic_ms();
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

static int64_t
read_monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
