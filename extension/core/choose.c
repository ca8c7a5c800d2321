/* SPDX-License-Identifier: PostgreSQL */
/*
 * choose.c: chance by weight inside the first tier that has somebody left.
 */
#include "core/choose.h"

typedef enum Choice
{
	CHOICE_FRESH = 0, /* usable, not tried */
	CHOICE_REPEAT,	  /* usable, tried */
} Choice;

static bool
is_eligible(const UeCandidate *candidate, Choice choice)
{
	return candidate->is_usable && candidate->is_tried == (choice == CHOICE_REPEAT);
}

/* The lowest priority of those eligible; false: nobody is. */
static bool
find_tier(const UeCandidate *candidates, size_t n, Choice choice, int32_t *tier)
{
	bool is_found = false;

	for (size_t i = 0; i < n; i++)
		if (is_eligible(&candidates[i], choice) &&
			(!is_found || candidates[i].priority < *tier))
		{
			*tier = candidates[i].priority;
			is_found = true;
		}
	return is_found;
}

static size_t
choose_among(const UeCandidate *candidates, size_t n, Choice choice, uint64_t random)
{
	uint64_t total = 0;
	int32_t tier = 0;
	bool is_weightless;

	if (!find_tier(candidates, n, choice, &tier))
		return SIZE_MAX;
	for (size_t i = 0; i < n; i++)
		if (is_eligible(&candidates[i], choice) && candidates[i].priority == tier &&
			candidates[i].weight > 0)
			total += (uint64_t) candidates[i].weight;

	/* without any weight all have the same */
	is_weightless = total == 0;
	for (size_t i = 0; is_weightless && i < n; i++)
		total += is_eligible(&candidates[i], choice) && candidates[i].priority == tier;

	/* the remainder favours small numbers by less than 2^-32 */
	random %= total;
	for (size_t i = 0; i < n; i++)
	{
		uint64_t share = is_weightless ? 1 : (uint64_t) candidates[i].weight;

		if (!is_eligible(&candidates[i], choice) || candidates[i].priority != tier ||
			(!is_weightless && candidates[i].weight <= 0))
			continue;
		if (random < share)
			return i;
		random -= share;
	}
	return SIZE_MAX;
}

size_t
ue_choose(const UeCandidate *candidates, size_t n, bool may_repeat, uint64_t random)
{
	size_t chosen = choose_among(candidates, n, CHOICE_FRESH, random);

	if (chosen == SIZE_MAX && may_repeat)
		chosen = choose_among(candidates, n, CHOICE_REPEAT, random);
	return chosen;
}
