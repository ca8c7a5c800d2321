/* SPDX-License-Identifier: PostgreSQL */
/*
 * policy_keeper.c: a thread that keeps the policy in force what the database says it is.
 *
 * It starts with the copy on disk, gives the database a moment to say something newer, and
 * waits for work: notifications, answers, and what is due.  What it asks and what becomes of
 * the answers is policy_answer.c.
 */
#include "policy_keeper_private.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "channel_table.h"
#include "log.h"
#include "policy_store.h"

#define START_WAIT_MS		 1000
#define STATEMENT_TIMEOUT_MS 20000
#define NEWS_MS				 2000 /* to look for credentials that were not there */

static void load_file(UePolicyKeeper *keeper);
static void wake(UePolicyKeeper *keeper);
static bool start_thread(UePolicyKeeper *keeper);
static void wait_until_settled(UePolicyKeeper *keeper);
static void *run(void *argument);
static bool is_news_due(UePolicyKeeper *keeper, int64_t now_ms);
static void step_database(UePolicyKeeper *keeper, int64_t now_ms);
static void wait_for_work(UePolicyKeeper *keeper, int64_t now_ms);
static int64_t find_due(const UePolicyKeeper *keeper);

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
		keeper->database = ue_database_new(&database, &ue_policy_keeper_handler, keeper);
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
			if (ue_policy_keeper_load(keeper, file.snapshot, "disk") == UE_POLICY_LOADED)
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

void
ue_policy_keeper_settle(UePolicyKeeper *keeper)
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
		int64_t now_ms = ue_policy_keeper_now_ms();

		if (atomic_exchange(&keeper->must_reload, false) || is_news_due(keeper, now_ms))
			ue_policy_update_channels();
		if (keeper->database != NULL)
			step_database(keeper, now_ms);
		ue_health_copy_save(&keeper->health_copy, keeper->identity, now_ms);
		wait_for_work(keeper, now_ms);
	}
	ue_health_copy_save(&keeper->health_copy, keeper->identity, INT64_MAX);
	return NULL;
}

/* Files with credentials are replaced, and nobody may be there to send a signal. */
static bool
is_news_due(UePolicyKeeper *keeper, int64_t now_ms)
{
	if (now_ms < keeper->news_due_ms)
		return false;
	keeper->news_due_ms = now_ms + NEWS_MS;
	return ue_channel_table_has_news();
}

static void
step_database(UePolicyKeeper *keeper, int64_t now_ms)
{
	ue_database_step(keeper->database, now_ms);
	if (ue_database_is_ready(keeper->database))
		ue_policy_keeper_ask(keeper, now_ms);
	else if (ue_database_fd(keeper->database) < 0)
		ue_policy_keeper_settle(keeper); /* the attempt has failed */
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
	if (due_ms > now_ms + UE_POLICY_CHECK_MS)
		due_ms = now_ms + UE_POLICY_CHECK_MS;
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

			if (asked->is_in_flight && asked->sent_ms + UE_POLICY_ANSWER_MS < due_ms)
				due_ms = asked->sent_ms + UE_POLICY_ANSWER_MS;
		}
	}
	return due_ms;
}

int64_t
ue_policy_keeper_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
