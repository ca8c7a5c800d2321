/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_health_store.c: the health of many channels, from many threads.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "health_store.h"
#include "tap.h"

#define NOW		INT64_C(1795000000000)
#define THREADS 8

static const UeHealthRule minute = {.threshold = 1,
									.duration_s = 60,
									.base_s = 1,
									.max_s = 3600};
static const UeHealthRule for_good = {.threshold = 1,
									  .is_disabling = true,
									  .max_s = 3600};
static const UeSlice none = {NULL, 0};

static void
test_scopes(void)
{
	UeHealthStore *store = ue_health_store_new();
	UeHealthChange change;
	UeHealthChange changes[2];
	UeHealthPause pause;

	ok(ue_health_store_is_usable(store, 1, UE_SLICE("gpt"), NOW) &&
		   !ue_health_store_find_pause(store, 1, UE_SLICE("gpt"), NOW, &pause),
	   "what never failed is usable");
	ok(ue_health_store_fail(store, 1, UE_SLICE("gpt"), &minute, NOW, -1,
							UE_SLICE("slow down"), &change) &&
		   change.channel_id == 1 && strcmp(change.model, "gpt") == 0 &&
		   change.from == UE_HEALTH_HEALTHY && change.to == UE_HEALTH_COOLING &&
		   change.until_ms == NOW + 60000 && change.level == 1,
	   "a failure is told");
	ok(!ue_health_store_is_usable(store, 1, UE_SLICE("gpt"), NOW) &&
		   ue_health_store_is_usable(store, 1, UE_SLICE("o4"), NOW) &&
		   ue_health_store_is_usable(store, 2, UE_SLICE("gpt"), NOW) &&
		   ue_health_store_is_usable(store, 1, none, NOW),
	   "no other model, no other channel");
	(void) ue_health_store_fail(store, 1, none, &for_good, NOW, -1, UE_SLICE("no credit"),
								&change);
	ok(!ue_health_store_is_usable(store, 1, UE_SLICE("o4"), NOW) &&
		   change.model[0] == '\0',
	   "a channel takes its models along");
	ok(ue_health_store_find_pause(store, 1, UE_SLICE("gpt"), NOW, &pause) &&
		   pause.state == UE_HEALTH_DISABLED && pause.until_ms == 0 &&
		   strcmp(pause.reason, "no credit") == 0,
	   "the graver pause is told, and why");
	ok(ue_health_store_succeed(store, 1, UE_SLICE("gpt"), NOW + 59999, changes) == 0 &&
		   !ue_health_store_is_usable(store, 1, UE_SLICE("gpt"), NOW + 59999),
	   "a success inside the pause was begun before it");
	ue_health_store_clear(store, 1, none);
	(void) ue_health_store_fail(store, 1, UE_SLICE("gpt"), &minute, NOW, -1, none,
								&change);
	(void) ue_health_store_fail(store, 1, none, &minute, NOW, -1, none, &change);
	ok(ue_health_store_succeed(store, 1, UE_SLICE("gpt"), NOW + 60000, changes) == 2 &&
		   changes[0].to == UE_HEALTH_HEALTHY && changes[1].from == UE_HEALTH_COOLING &&
		   ue_health_store_is_usable(store, 1, UE_SLICE("gpt"), NOW),
	   "a success behind it heals both");
	ok(ue_health_store_succeed(store, 1, UE_SLICE("gpt"), NOW + 60000, changes) == 0 &&
		   ue_health_store_succeed(store, 7, none, NOW, changes) == 0,
	   "once");
	ue_health_store_free(store);
	ue_health_store_free(NULL);
}

static void
test_others(void)
{
	UeHealthStore *store = ue_health_store_new();
	UeHealthChange told = {.channel_id = 5,
						   .model = "gpt",
						   .to = UE_HEALTH_COOLING,
						   .until_ms = NOW + 1000,
						   .level = 2};
	UeHealthPause pause;
	UeHealthProbe probe;
	UeHealthProbe second;

	ue_health_store_merge(store, &told, UE_SLICE("seen elsewhere"), NOW);
	ok(ue_health_store_find_pause(store, 5, UE_SLICE("gpt"), NOW, &pause) &&
		   strcmp(pause.reason, "seen elsewhere") == 0,
	   "what another sidecar saw holds here");
	ok(ue_health_store_take(store, 5, UE_SLICE("gpt"), NOW + 1000, 500, &probe) &&
		   !ue_health_store_take(store, 5, UE_SLICE("gpt"), NOW + 1000, 500, &second) &&
		   ue_health_store_take(store, 5, UE_SLICE("gpt"), NOW + 1500, 500, &second),
	   "half open: one probe at a time");
	ue_health_store_abandon(store, 5, UE_SLICE("gpt"), &probe);
	ok(!ue_health_store_is_usable(store, 5, UE_SLICE("gpt"), NOW + 1501),
	   "one that was too late ends no other's");
	ue_health_store_abandon(store, 5, UE_SLICE("gpt"), &second);
	ok(ue_health_store_take(store, 5, UE_SLICE("gpt"), NOW + 1501, 500, &probe),
	   "one that told nothing makes room");
	told.to = UE_HEALTH_HEALTHY;
	ue_health_store_merge(store, &told, none, NOW);
	ok(probe.model_ms != 0 && probe.channel_ms == 0 &&
		   ue_health_store_take(store, 5, UE_SLICE("gpt"), NOW, 500, &probe) &&
		   probe.model_ms == 0,
	   "healed elsewhere too");
	told.to = UE_HEALTH_DISABLED;
	told.until_ms = 0;
	ue_health_store_merge(store, &told, none, NOW);
	ue_health_store_clear(store, 5, UE_SLICE("o4"));
	ok(!ue_health_store_is_usable(store, 5, UE_SLICE("gpt"), NOW),
	   "clearing another model is no help");
	ue_health_store_clear(store, 5, none);
	ok(ue_health_store_is_usable(store, 5, UE_SLICE("gpt"), NOW),
	   "clearing the channel is");
	ue_health_store_free(store);
}

static void
test_long_texts(void)
{
	UeHealthStore *store = ue_health_store_new();
	char model[4096];
	char reason[1024];
	UeHealthChange change;
	UeHealthPause pause;

	memset(model, 'm', sizeof(model));
	for (size_t i = 0; i + 1 < sizeof(reason); i += 2)
		memcpy(reason + i, "\xc3\xa9", 2);
	ok(ue_health_store_fail(store, 1, (UeSlice){model, sizeof(model)}, &minute, NOW, -1,
							(UeSlice){reason, sizeof(reason)}, &change) &&
		   strlen(change.model) == UE_LIMIT_TOKEN,
	   "a long name is cut");
	ok(ue_health_store_find_pause(store, 1, (UeSlice){model, sizeof(model)}, NOW,
								  &pause) &&
		   strlen(pause.reason) == 254,
	   "a long reason is cut between two characters");
	/* a path may end in "%00": the row of such a name would be another model's */
	ok(!ue_health_store_fail(store, 1, UE_SLICE("gpt\0x"), &minute, NOW, -1, none,
							 &change) &&
		   !ue_health_store_fail(store, 1, UE_SLICE("\0"), &minute, NOW, -1, none,
								 &change) &&
		   ue_health_store_is_usable(store, 1, UE_SLICE("gpt"), NOW),
	   "a name with a NUL is not remembered as what stands before it");
	ue_health_store_free(store);
}

typedef struct Work
{
	UeHealthStore *store;
	int n_taken;
} Work;

/* A request probes what it found half open, and gives back nothing else. */
static void
test_two_probes(void)
{
	UeHealthStore *store = ue_health_store_new();
	UeHealthChange channel = {.channel_id = 6,
							  .to = UE_HEALTH_COOLING,
							  .until_ms = NOW + 9000,
							  .level = 1};
	UeHealthChange model = {.channel_id = 6,
							.model = "gpt",
							.to = UE_HEALTH_COOLING,
							.until_ms = NOW + 1000,
							.level = 1};
	UeHealthProbe of_model;
	UeHealthProbe of_channel;

	ue_health_store_merge(store, &model, none, NOW);
	ok(ue_health_store_take(store, 6, UE_SLICE("gpt"), NOW + 1000, 60000, &of_model) &&
		   of_model.model_ms != 0 && of_model.channel_ms == 0,
	   "a request is the probe of its model");
	ue_health_store_merge(store, &channel, none, NOW);
	ok(ue_health_store_take(store, 6, UE_SLICE("o4"), NOW + 9000, 60000, &of_channel) &&
		   of_channel.channel_ms != 0 && of_channel.model_ms == 0,
	   "another that of the channel, which paused meanwhile");
	ue_health_store_abandon(store, 6, UE_SLICE("gpt"), &of_model);
	ok(!ue_health_store_is_usable(store, 6, UE_SLICE("o3"), NOW + 9001),
	   "the end of the first is not that of the second");
	ue_health_store_abandon(store, 6, UE_SLICE("o4"), &of_channel);
	ok(ue_health_store_is_usable(store, 6, UE_SLICE("gpt"), NOW + 9001),
	   "whose own end is");
	ue_health_store_free(store);
}

static void *
take_many(void *context)
{
	Work *work = context;

	for (int i = 0; i < 20000; i++)
	{
		char model[16];
		UeHealthChange changes[2];
		UeHealthProbe probe;

		snprintf(model, sizeof(model), "m%d", i % 50);
		if (ue_health_store_take(work->store, 9, UE_SLICE("probe"), NOW + 60000, 1000000,
								 &probe))
			work->n_taken++;
		(void) ue_health_store_fail(work->store, i % 20, ue_slice_of(model), &minute,
									NOW + i, -1, none, changes);
		(void) ue_health_store_succeed(work->store, i % 20, ue_slice_of(model), NOW,
									   changes);
	}
	return NULL;
}

static void
test_threads(void)
{
	UeHealthStore *store = ue_health_store_new();
	Work works[THREADS];
	pthread_t threads[THREADS];
	UeHealthChange change;
	int n_taken = 0;

	(void) ue_health_store_fail(store, 9, UE_SLICE("probe"), &minute, NOW, -1, none,
								&change);
	for (int i = 0; i < THREADS; i++)
	{
		works[i] = (Work){store, 0};
		pthread_create(&threads[i], NULL, take_many, &works[i]);
	}
	for (int i = 0; i < THREADS; i++)
	{
		pthread_join(threads[i], NULL);
		n_taken += works[i].n_taken;
	}
	ok(n_taken == 1, "of %d threads one has the probe", THREADS);
	ue_health_store_free(store);
}

static void
count_state(void *context, const UeHealthChange *change, const char *reason)
{
	int *n_states = context;

	*n_states += change->to != UE_HEALTH_HEALTHY && reason != NULL;
}

static int
count_states(UeHealthStore *store)
{
	int n_states = 0;

	ue_health_store_list(store, count_state, &n_states);
	return n_states;
}

static void
test_sync(void)
{
	UeHealthStore *store = ue_health_store_new();
	UeHealthChange told = {.channel_id = 1,
						   .model = "gpt",
						   .to = UE_HEALTH_COOLING,
						   .until_ms = NOW + 60000,
						   .level = 2};
	UeHealthChange own;
	UeHealthStats before;
	UeHealthStats after;

	ue_health_store_merge(store, &told, UE_SLICE("told"), NOW);
	(void) ue_health_store_fail(store, 2, none, &minute, NOW, -1, UE_SLICE("own"), &own);
	ok(count_states(store) == 2, "what is not healthy is listed");
	ue_health_store_read_stats(store, &before);
	ok(before.transitions[UE_HEALTH_COOLING] == 1, "what is to be told is counted alone");
	ue_health_store_begin_sync(store);
	ue_health_store_end_sync(store);
	ok(ue_health_store_is_usable(store, 1, UE_SLICE("gpt"), NOW) &&
		   !ue_health_store_is_usable(store, 2, none, NOW),
	   "what the database told and knows no more is over; what it was not told stays");
	ue_health_store_read_stats(store, &after);
	ok(after.version > before.version, "which is a change");
	ue_health_store_merge(store, &own, UE_SLICE("own"), NOW);
	ue_health_store_read_stats(store, &before);
	ok(before.version == after.version, "one's own news is none");
	ue_health_store_begin_sync(store);
	ue_health_store_merge(store, &own, UE_SLICE("own"), NOW);
	ue_health_store_end_sync(store);
	ok(!ue_health_store_is_usable(store, 2, none, NOW), "what it still knows stays");
	ue_health_store_begin_sync(store);
	ue_health_store_end_sync(store);
	ok(count_states(store) == 0, "and is over when it does not");
	ue_health_store_free(store);
}

int
main(void)
{
	test_scopes();
	test_sync();
	test_others();
	test_long_texts();
	test_two_probes();
	test_threads();
	return done_testing();
}
