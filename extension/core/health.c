/* SPDX-License-Identifier: PostgreSQL */
/*
 * health.c: cooling down, disabling, half open.
 */
#include "core/health.h"

#include <string.h>

/* 2^20 seconds are twelve days; no base needs more. */
#define LEVEL_MAX 20

const char *
ue_health_state_name(UeHealthState state)
{
	switch (state)
	{
		case UE_HEALTH_HEALTHY:
			return "healthy";
		case UE_HEALTH_COOLING:
			return "cooling";
		case UE_HEALTH_DISABLED:
			return "disabled";
	}
	return "healthy";
}

/* Failures of the last window_s, this one counted. */
static int32_t
count_failure(UeHealth *health, const UeHealthRule *rule, int64_t now_ms)
{
	int64_t since_ms = now_ms - (int64_t) rule->window_s * 1000;
	int32_t n = 0;

	if (health->n_failures == UE_HEALTH_FAILURES_MAX)
	{
		memmove(health->failures_ms, health->failures_ms + 1,
				sizeof(health->failures_ms) - sizeof(health->failures_ms[0]));
		health->n_failures--;
	}
	health->failures_ms[health->n_failures++] = now_ms;
	for (int32_t i = 0; i < health->n_failures; i++)
		n += health->failures_ms[i] >= since_ms;
	return n;
}

/* base_s * 2^level, at most max_s. */
static int64_t
find_exponential_s(const UeHealthRule *rule, int32_t level)
{
	int64_t seconds = (int64_t) rule->base_s << (level < LEVEL_MAX ? level : LEVEL_MAX);

	return seconds < rule->max_s ? seconds : rule->max_s;
}

/* Of the pause that begins now, in Unix ms; 0: it has none. */
static int64_t
find_end(const UeHealth *health, const UeHealthRule *rule, int64_t now_ms,
		 int64_t hint_ms)
{
	int64_t longest_ms = (int64_t) rule->max_s * 1000;

	if (rule->is_hint_used && hint_ms >= 0)
		return now_ms + (hint_ms < longest_ms ? hint_ms : longest_ms);
	if (rule->duration_s > 0)
		return now_ms + (int64_t) rule->duration_s * 1000;
	if (rule->is_disabling)
		return 0;
	return now_ms + find_exponential_s(rule, health->level) * 1000;
}

static bool
is_paused(const UeHealth *health, int64_t now_ms)
{
	return health->state != UE_HEALTH_HEALTHY &&
		   (health->until_ms == 0 || now_ms < health->until_ms);
}

/* Whether a pause until a is longer than one until b; 0 has no end. */
static bool
is_longer(int64_t a, int64_t b)
{
	return b != 0 && (a == 0 || a > b);
}

bool
ue_health_fail(UeHealth *health, const UeHealthRule *rule, int64_t now_ms,
			   int64_t hint_ms)
{
	bool is_first = !is_paused(health, now_ms);
	/* one that was on probation does not get so many chances again */
	bool is_relapse = health->state != UE_HEALTH_HEALTHY && is_first;
	int32_t n = count_failure(health, rule, now_ms);
	UeHealthState state = rule->is_disabling ? UE_HEALTH_DISABLED : UE_HEALTH_COOLING;
	int64_t until_ms;

	if (n < rule->threshold && !is_relapse)
		return false;
	until_ms = find_end(health, rule, now_ms, hint_ms);
	health->probe_until_ms = 0;
	if (!is_first)
	{
		/* requests that were under way when the pause began: no further step, and no word
		 * but the upstream's own makes it longer; the graver state holds */
		bool is_told = rule->is_hint_used && hint_ms >= 0;

		if (state < health->state ||
			(state == health->state &&
			 (!is_told || !is_longer(until_ms, health->until_ms))))
			return false;
		if (!is_longer(until_ms, health->until_ms))
			until_ms = health->until_ms;
	}
	else if (health->level < LEVEL_MAX)
		health->level++;
	health->state = state;
	health->until_ms = until_ms;
	return true;
}

bool
ue_health_succeed(UeHealth *health, int64_t now_ms)
{
	bool is_change = health->state != UE_HEALTH_HEALTHY;

	if (is_paused(health, now_ms))
		return false;
	if (is_change)
		memset(health, 0, sizeof(*health));
	health->level = 0;
	return is_change;
}

bool
ue_health_is_half_open(const UeHealth *health, int64_t now_ms)
{
	return health->state != UE_HEALTH_HEALTHY && !is_paused(health, now_ms);
}

bool
ue_health_is_usable(const UeHealth *health, int64_t now_ms)
{
	if (health->state == UE_HEALTH_HEALTHY)
		return true;
	return !is_paused(health, now_ms) && now_ms >= health->probe_until_ms;
}

void
ue_health_begin_probe(UeHealth *health, int64_t now_ms, int64_t patience_ms)
{
	health->probe_until_ms = now_ms + patience_ms;
}

void
ue_health_end_probe(UeHealth *health)
{
	health->probe_until_ms = 0;
}

bool
ue_health_merge(UeHealth *health, UeHealthState state, int64_t until_ms, int32_t level,
				int64_t now_ms)
{
	bool is_newer = !is_paused(health, now_ms) && (until_ms == 0 || now_ms < until_ms);

	if (state == UE_HEALTH_HEALTHY)
		return false;
	if (health->state != UE_HEALTH_HEALTHY && !is_newer &&
		(state < health->state ||
		 (state == health->state && !is_longer(until_ms, health->until_ms))))
		return false;
	health->state = state;
	health->until_ms = until_ms;
	health->probe_until_ms = 0;
	if (level > health->level)
		health->level = level < LEVEL_MAX ? level : LEVEL_MAX;
	return true;
}

bool
ue_health_clear(UeHealth *health)
{
	bool is_change = health->state != UE_HEALTH_HEALTHY;

	memset(health, 0, sizeof(*health));
	return is_change;
}
