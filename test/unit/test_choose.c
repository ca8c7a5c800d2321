/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_choose.c: tiers, weights, and who was tried.
 */
#include "core/choose.h"
#include "tap.h"

#define DRAWS 10000

/* xorshift64*, Marsaglia and Vigna; chance that is the same in every run */
static uint64_t
draw(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(2685821657736338717);
}

static void
test_weights(void)
{
	UeCandidate candidates[] = {
		{.weight = 5, .is_usable = true},
		{.weight = 3, .is_usable = true},
		{.weight = 2, .is_usable = true},
		{.weight = 0, .is_usable = true},
		{.priority = 1, .weight = 100, .is_usable = true},
		{.weight = 90, .is_usable = false},
	};
	int n[6] = {0};
	uint64_t state = 20261121;

	for (int i = 0; i < DRAWS; i++)
		n[ue_choose(candidates, 6, false, draw(&state))]++;
	ok(n[0] > DRAWS * 47 / 100 && n[0] < DRAWS * 53 / 100, "weight 5 of 10: %d", n[0]);
	ok(n[1] > DRAWS * 27 / 100 && n[1] < DRAWS * 33 / 100, "weight 3 of 10: %d", n[1]);
	ok(n[2] > DRAWS * 17 / 100 && n[2] < DRAWS * 23 / 100, "weight 2 of 10: %d", n[2]);
	ok(n[3] == 0 && n[4] == 0 && n[5] == 0,
	   "no weight, a later tier, not usable: never while others are there");
}

static void
test_order(void)
{
	UeCandidate candidates[] = {
		{.priority = 0, .weight = 1, .is_usable = true},
		{.priority = 0, .weight = 0, .is_usable = true},
		{.priority = 7, .weight = 1, .is_usable = true},
	};

	ok(ue_choose(candidates, 3, false, 12345) == 0, "the first tier's weight");
	candidates[0].is_tried = true;
	ok(ue_choose(candidates, 3, false, 12345) == 1,
	   "then the one without weight, before a later tier");
	candidates[1].is_tried = true;
	ok(ue_choose(candidates, 3, false, 12345) == 2, "then the later tier");
	candidates[2].is_tried = true;
	ok(ue_choose(candidates, 3, false, 12345) == SIZE_MAX, "then nobody");
	ok(ue_choose(candidates, 3, true, 12345) == 0,
	   "or the first tier again, if it may be");
	candidates[0].is_usable = candidates[1].is_usable = false;
	ok(ue_choose(candidates, 3, true, 12345) == 2, "or whoever is usable");
	candidates[2].is_usable = false;
	ok(ue_choose(candidates, 3, true, 12345) == SIZE_MAX, "nobody is usable");
	ok(ue_choose(NULL, 0, true, 12345) == SIZE_MAX, "nobody is there");
}

static void
test_extremes(void)
{
	UeCandidate candidates[] = {
		{.priority = INT32_MIN, .weight = INT32_MAX, .is_usable = true},
		{.priority = INT32_MIN, .weight = INT32_MAX, .is_usable = true},
		{.priority = INT32_MAX, .weight = -1, .is_usable = true},
	};

	ok(ue_choose(candidates, 3, false, 0) == 0 &&
		   ue_choose(candidates, 3, false, INT32_MAX) == 1 &&
		   ue_choose(candidates, 3, false, UINT64_MAX) < 2,
	   "the largest weights do not overflow");
	candidates[0].is_usable = candidates[1].is_usable = false;
	ok(ue_choose(candidates, 3, false, UINT64_MAX) == 2, "a weight below 0 counts as 0");
}

int
main(void)
{
	test_weights();
	test_order();
	test_extremes();
	return done_testing();
}
