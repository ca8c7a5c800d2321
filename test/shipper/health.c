/* SPDX-License-Identifier: PostgreSQL */
/*
 * health.c: health-peer DIRECTORY CONNINFO INSTANCE
 *
 * A sidecar of which only the health of channels is left: journal, shipper, keeper, store.
 * Commands are lines on stdin:
 *
 *     fail CHANNEL_ID MODEL SECONDS   a failure that pauses for so long; 0: disables for an hour
 *     heal CHANNEL_ID MODEL           a success, as if the pause were over
 *
 * Each answers "told TIME CHANNEL_ID MODEL STATE" once its transition is in the journal, and
 * whatever becomes of a state is said within a millisecond or two as
 * "seen TIME CHANNEL_ID MODEL STATE".  TIME is in Unix microseconds, a model "-" is the
 * channel as a whole.  CONNINFO "-": no database.  SIGTERM, or the end of stdin, ends it.
 */
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ident.h"
#include "journal.h"
#include "log.h"
#include "policy_keeper.h"
#include "shipper.h"

#define CHANNELS	 8 /* channel ids 1 to 8 are watched, */
#define MODELS		 3 /* with no model, "gpt-5" and "o4" */
#define RECONNECT_MS 50

static const char *const models[MODELS] = {"", "gpt-5", "o4"};

static UeJournal *journal;
static UeHealthStore *store;
static const char *instance;
static volatile sig_atomic_t is_stopping;

static int64_t
read_clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void
say(const char *what, int64_t channel_id, const char *model, const char *state)
{
	char line[160];
	int len =
		snprintf(line, sizeof(line), "%s %" PRId64 " %" PRId64 " %s %s\n", what,
				 read_clock_us(), channel_id, model[0] == '\0' ? "-" : model, state);

	if (write(STDOUT_FILENO, line, (size_t) len) != len)
		_exit(3);
}

static void
tell(const UeHealthChange *change, UeSlice reason)
{
	static UeIdent ident;
	UeTransition transition = {.at_us = read_clock_us(),
							   .change = *change,
							   .channel = UE_SLICE_INIT("main"),
							   .reason = reason,
							   .class = UE_SLICE_INIT("rate_limit"),
							   .status_code = 429,
							   .rule_id = UE_EVENT_NULL,
							   .instance = ue_slice_of(instance)};

	ue_ident_build_uuid(&ident, transition.at_us / 1000, transition.transition_id);
	if (!ue_journal_append_transition(journal, &transition))
		_exit(3);
	say("told", change->channel_id, change->model, ue_health_state_name(change->to));
}

static void
obey(const char *line)
{
	UeHealthChange changes[2];
	UeSlice reason = UE_SLICE("Rate limit reached for requests");
	UeHealthRule rule = {.threshold = 1, .base_s = 1, .max_s = 3600};
	long long channel_id;
	char name[64];
	int seconds;
	UeSlice model;
	int64_t now_ms = read_clock_us() / 1000;

	if (sscanf(line, "fail %lld %63s %d", &channel_id, name, &seconds) == 3)
	{
		model = ue_slice_of(strcmp(name, "-") == 0 ? "" : name);
		rule.duration_s = seconds == 0 ? 3600 : seconds;
		rule.is_disabling = seconds == 0;
		if (ue_health_store_fail(store, channel_id, model, &rule, now_ms, -1, reason,
								 changes))
			tell(changes, reason);
	}
	else if (sscanf(line, "heal %lld %63s", &channel_id, name) == 2)
	{
		int n_changes;

		model = ue_slice_of(strcmp(name, "-") == 0 ? "" : name);
		n_changes =
			ue_health_store_succeed(store, channel_id, model, now_ms + 7200000, changes);
		for (int i = 0; i < n_changes; i++)
			tell(&changes[i], (UeSlice){NULL, 0});
	}
	else
		_exit(2);
}

typedef struct Seen
{
	UeHealthState states[CHANNELS + 1][MODELS];
} Seen;

static void
note_state(void *context, const UeHealthChange *change, const char *reason)
{
	Seen *seen = context;

	(void) reason;
	for (int i = 0; i < MODELS; i++)
		if (change->channel_id >= 1 && change->channel_id <= CHANNELS &&
			strcmp(change->model, models[i]) == 0)
			seen->states[change->channel_id][i] = change->to;
}

static void *
watch(void *argument)
{
	Seen before = {0};

	(void) argument;
	while (!is_stopping)
	{
		Seen seen = {0};

		ue_health_store_list(store, note_state, &seen);
		for (int channel_id = 1; channel_id <= CHANNELS; channel_id++)
			for (int i = 0; i < MODELS; i++)
				if (seen.states[channel_id][i] != before.states[channel_id][i])
					say("seen", channel_id, models[i],
						ue_health_state_name(seen.states[channel_id][i]));
		before = seen;
		usleep(1000);
	}
	return NULL;
}

static void
stop(int number)
{
	(void) number;
	is_stopping = 1;
}

int
main(int argc, char **argv)
{
	UeJournalOptions journaling = {NULL, 262144, 64 << 20, UE_FSYNC_INTERVAL};
	UeShipperOptions shipping = {.completion_wait_ms = 1000,
								 .reconnect_ms = RECONNECT_MS};
	UePolicyKeeperOptions keeping = {.version = "test", .reconnect_ms = RECONNECT_MS};
	struct sigaction action = {.sa_handler = stop};
	UeShipper *shipper = NULL;
	UePolicyKeeper *keeper;
	pthread_t watcher;
	sigset_t term;
	char error[256];
	char line[256];

	if (argc != 4)
		return 2;
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	ue_log_init(UE_LOG_INFO);
	journaling.directory = keeping.directory = argv[1];
	if (strcmp(argv[2], "-") != 0)
		shipping.conninfo = keeping.conninfo = argv[2];
	instance = keeping.instance = argv[3];
	store = keeping.health = ue_health_store_new();
	journal = ue_journal_open(&journaling, error, sizeof(error));
	if (journal == NULL || store == NULL)
	{
		fprintf(stderr, "%s\n", error);
		return 2;
	}
	keeper = ue_policy_keeper_start(&keeping);
	if (keeper == NULL)
		return 2;
	if (shipping.conninfo != NULL &&
		(shipper = ue_shipper_start(journal, &shipping)) == NULL)
		return 2;

	/* the signal must interrupt the reading of commands */
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &term, NULL);
	pthread_create(&watcher, NULL, watch, NULL);
	pthread_sigmask(SIG_UNBLOCK, &term, NULL);
	say("ready", 0, "-", "-");
	while (!is_stopping && fgets(line, sizeof(line), stdin) != NULL)
		obey(line);

	is_stopping = 1;
	pthread_join(watcher, NULL);
	ue_shipper_stop(shipper, 10000);
	ue_policy_keeper_stop(keeper);
	ue_health_store_free(store);
	ue_journal_close(journal);
	return 0;
}
