/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_policy_store.c: what was acquired stays whole while others are put in force, and
 * what cannot be used changes nothing.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "policy_load.h"
#include "policy_store.h"
#include "tap.h"

#define THREADS 4
#define SWAPS	400

static atomic_bool is_over;
static atomic_int n_wrong;

static UePolicyLoadResult
load(UePolicyLoad *state, int64_t generation)
{
	char text[128];
	int len = snprintf(text, sizeof(text),
					   "{\"snapshot\":1,\"generation\":%lld,\"mask_revision\":0}\n"
					   "{\"end\":0}\n",
					   (long long) generation);

	return ue_policy_load(state, (UeSlice){text, (size_t) len}, "test");
}

static void
check_load(void)
{
	UePolicyLoad state = {0};
	const UePolicy *before;

	ok(ue_policy_store_acquire() == NULL, "at first no policy is in force");
	ue_policy_store_release(NULL);
	ok(load(&state, 7) == UE_POLICY_LOADED && state.generation == 7, "one is loaded");
	ok(load(&state, 7) == UE_POLICY_SAME, "the same text again is the same policy");
	before = ue_policy_store_acquire();
	ok(ue_policy_generation(before) == 7, "it is in force");
	ok(ue_policy_load(&state, UE_SLICE("{\"snapshot\":1,\"gener"), "test") ==
			   UE_POLICY_REFUSED &&
		   ue_policy_load(&state,
						  UE_SLICE("{\"snapshot\":1,\"generation\":9,"
								   "\"mask_revision\":0}\n{\"moon\":1}\n{\"end\":1}\n"),
						  "test") == UE_POLICY_REFUSED &&
		   state.generation == 7,
	   "a torn one, or one with something unknown in it, is refused");
	ue_policy_store_release(before);
	before = ue_policy_store_acquire();
	ok(ue_policy_generation(before) == 7, "and the one before stays");
	ok(load(&state, 3) == UE_POLICY_LOADED && state.generation == 3,
	   "an earlier generation holds when the database says so");
	ok(ue_policy_generation(before) == 7, "what was acquired before is whole");
	ue_policy_store_release(before);
	ok(load(&state, 7) == UE_POLICY_LOADED, "and back");
	ue_policy_store_reset();
	ok(ue_policy_store_acquire() == NULL, "until it is taken out of force");
}

static void *
use(void *argument)
{
	int64_t last = 0;

	(void) argument;
	while (!atomic_load(&is_over))
	{
		const UePolicy *outer = ue_policy_store_acquire();
		const UePolicy *inner = ue_policy_store_acquire();
		int64_t generation = ue_policy_generation(outer);

		if (generation < last || ue_policy_generation(inner) < generation)
			atomic_fetch_add(&n_wrong, 1);
		last = generation;
		ue_policy_store_release(outer);
		if (inner != NULL && ue_policy_size(inner) == 0)
			atomic_fetch_add(&n_wrong, 1);
		ue_policy_store_release(inner);
	}
	return NULL;
}

static void
check_threads(void)
{
	pthread_t threads[THREADS];
	UePolicyLoad state = {0};

	for (int i = 0; i < THREADS; i++)
	{
		if (pthread_create(&threads[i], NULL, use, NULL) != 0)
			abort();
	}
	for (int i = 1; i <= SWAPS; i++)
	{
		if (load(&state, i) != UE_POLICY_LOADED)
			atomic_fetch_add(&n_wrong, 1);
	}
	atomic_store(&is_over, true);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ok(atomic_load(&n_wrong) == 0,
	   "while policies change, each thread sees them in order and whole");
	ue_policy_store_reset();
}

int
main(void)
{
	check_load();
	check_threads();
	return done_testing();
}
