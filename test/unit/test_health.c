/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_health.c: the life of a channel.
 */
#include "core/health.h"
#include "tap.h"

#define NOW INT64_C(1795000000000)

/* CLIProxyAPI's pause for a 429: the hint, else 1 s * 2^level, at most 30 min. */
static const UeHealthRule limited = {.threshold = 1,
									 .is_hint_used = true,
									 .base_s = 1,
									 .max_s = 1800};
static const UeHealthRule three_in_ten_minutes = {.is_disabling = true,
												  .threshold = 3,
												  .window_s = 600,
												  .max_s = 86400};
static const UeHealthRule ten_minutes = {.threshold = 1,
										 .duration_s = 600,
										 .base_s = 1,
										 .max_s = 3600};

static void
test_exponential(void)
{
	UeHealth health = {UE_HEALTH_HEALTHY};
	int64_t now = NOW;
	int64_t expected = 1000;

	for (int i = 0; i < 14; i++)
	{
		ok(ue_health_fail(&health, &limited, now, -1) &&
			   health.state == UE_HEALTH_COOLING && health.until_ms == now + expected,
		   "pause %d lasts %lld s", i + 1, (long long) (expected / 1000));
		ok(!ue_health_is_usable(&health, health.until_ms - 1) &&
			   !ue_health_is_half_open(&health, health.until_ms - 1),
		   "until then nobody asks");
		ok(!ue_health_fail(&health, &limited, now + 1, -1) &&
			   health.until_ms == now + expected,
		   "a failure inside the pause is no further step");
		now = health.until_ms;
		ok(ue_health_is_usable(&health, now) && ue_health_is_half_open(&health, now),
		   "then one may try");
		expected = expected * 2 < 1800000 ? expected * 2 : 1800000;
	}
	ok(!ue_health_succeed(&health, now - 1) && health.state == UE_HEALTH_COOLING &&
		   health.until_ms == now && health.level > 1,
	   "a success of an attempt begun before the pause does not end it");
	ok(ue_health_succeed(&health, now) && health.state == UE_HEALTH_HEALTHY &&
		   ue_health_is_usable(&health, now),
	   "a success makes it healthy");
	ok(!ue_health_succeed(&health, now), "a further one changes nothing");
	ok(ue_health_fail(&health, &limited, now, -1) && health.until_ms == now + 1000,
	   "and the next pause is a short one again");
}

static void
test_hint(void)
{
	UeHealth health = {UE_HEALTH_HEALTHY};

	ok(ue_health_fail(&health, &limited, NOW, 90000) && health.until_ms == NOW + 90000,
	   "the upstream's own wait counts");
	ok(!ue_health_fail(&health, &limited, NOW + 10, 5000) &&
		   health.until_ms == NOW + 90000,
	   "a shorter one inside the pause does not shorten it");
	ok(ue_health_fail(&health, &limited, NOW + 20, 120000) &&
		   health.until_ms == NOW + 120020,
	   "a longer one extends it");
	ok(ue_health_fail(&health, &limited, NOW + 30, INT64_MAX / 2) &&
		   health.until_ms == NOW + 30 + 1800000,
	   "within the rule's bound");
	health = (UeHealth){UE_HEALTH_HEALTHY};
	ok(ue_health_fail(&health, &ten_minutes, NOW, 1000) &&
		   health.until_ms == NOW + 600000,
	   "a rule that does not ask for the hint has its own duration");
	ok(ue_health_fail(&health, &limited, NOW, 0) == false &&
		   health.until_ms == NOW + 600000,
	   "a hint of nothing does not end a pause");
}

static void
test_threshold(void)
{
	UeHealth health = {UE_HEALTH_HEALTHY};

	ok(!ue_health_fail(&health, &three_in_ten_minutes, NOW, -1) &&
		   !ue_health_fail(&health, &three_in_ten_minutes, NOW + 1000, -1) &&
		   ue_health_is_usable(&health, NOW + 1000),
	   "two failures of three are borne");
	ok(!ue_health_fail(&health, &three_in_ten_minutes, NOW + 601500, -1),
	   "a third, when the first two are too long ago, too");
	ok(!ue_health_fail(&health, &three_in_ten_minutes, NOW + 602000, -1), "and a fourth");
	ok(ue_health_fail(&health, &three_in_ten_minutes, NOW + 603000, -1) &&
		   health.state == UE_HEALTH_DISABLED && health.until_ms == 0,
	   "three within ten minutes disable it for good");
	ok(!ue_health_is_usable(&health, INT64_MAX) &&
		   !ue_health_is_half_open(&health, INT64_MAX),
	   "time does not heal that");
	ok(!ue_health_fail(&health, &limited, NOW + 604000, 10) &&
		   health.state == UE_HEALTH_DISABLED && health.until_ms == 0,
	   "nor does a cooldown that ends");
	ok(ue_health_clear(&health) && ue_health_is_usable(&health, NOW) &&
		   !ue_health_clear(&health),
	   "an operator does");
	for (int i = 0; i < 100; i++)
		(void) ue_health_fail(&health,
							  &(UeHealthRule){.threshold = UE_HEALTH_FAILURES_MAX,
											  .window_s = 1,
											  .duration_s = 1,
											  .max_s = 1},
							  NOW + i * 100, -1);
	ok(health.state == UE_HEALTH_HEALTHY && health.n_failures == UE_HEALTH_FAILURES_MAX,
	   "as many failures are remembered as a threshold can count");
}

static void
test_probe(void)
{
	UeHealth health = {UE_HEALTH_HEALTHY};
	int64_t then = NOW + 600000;

	(void) ue_health_fail(&health, &ten_minutes, NOW, -1);
	ue_health_begin_probe(&health, then, 30000);
	ok(!ue_health_is_usable(&health, then) && ue_health_is_half_open(&health, then),
	   "half open: one request, not two");
	ok(ue_health_is_usable(&health, then + 30000),
	   "a probe of which nothing was heard makes room for another");
	ue_health_end_probe(&health);
	ok(ue_health_is_usable(&health, then + 1), "so does one that told nothing");
	ue_health_begin_probe(&health, then, 30000);
	ok(ue_health_fail(&health, &three_in_ten_minutes, then + 5, -1) &&
		   health.state == UE_HEALTH_DISABLED,
	   "a probe that fails needs no three failures");
	(void) ue_health_clear(&health);
	(void) ue_health_fail(&health, &ten_minutes, NOW, -1);
	ue_health_begin_probe(&health, then, 30000);
	ok(ue_health_succeed(&health, then) && ue_health_is_usable(&health, then),
	   "a probe that succeeds opens it");
}

static void
test_merge(void)
{
	UeHealth health = {UE_HEALTH_HEALTHY};

	ok(!ue_health_merge(&health, UE_HEALTH_HEALTHY, 0, 0, NOW),
	   "healthy elsewhere: nothing");
	ok(ue_health_merge(&health, UE_HEALTH_COOLING, NOW + 5000, 3, NOW) &&
		   health.until_ms == NOW + 5000 && health.level == 3,
	   "a pause that another saw holds here");
	ok(!ue_health_merge(&health, UE_HEALTH_COOLING, NOW + 4000, 9, NOW) &&
		   health.level == 3,
	   "a shorter one does not");
	ok(ue_health_merge(&health, UE_HEALTH_COOLING, NOW + 6000, 1, NOW) &&
		   health.level == 3,
	   "a longer one does, and no step is lost");
	ok(ue_health_merge(&health, UE_HEALTH_DISABLED, NOW + 10, 0, NOW) &&
		   health.state == UE_HEALTH_DISABLED,
	   "disabled is graver than cooling");
	ok(ue_health_merge(&health, UE_HEALTH_DISABLED, 0, 0, NOW) && health.until_ms == 0 &&
		   !ue_health_merge(&health, UE_HEALTH_DISABLED, INT64_MAX, 0, NOW) &&
		   !ue_health_merge(&health, UE_HEALTH_COOLING, INT64_MAX, 0, NOW),
	   "and for good is longest");

	health = (UeHealth){.state = UE_HEALTH_DISABLED, .until_ms = NOW + 1000, .level = 2};
	ok(!ue_health_merge(&health, UE_HEALTH_COOLING, NOW + 3000, 1, NOW + 999),
	   "while it lasts the graver one stands");
	ok(ue_health_merge(&health, UE_HEALTH_COOLING, NOW + 3000, 1, NOW + 1000) &&
		   health.state == UE_HEALTH_COOLING && health.until_ms == NOW + 3000 &&
		   health.level == 2,
	   "one that has ended weighs nothing against a later one");
	ok(!ue_health_merge(&health, UE_HEALTH_COOLING, NOW + 2000, 1, NOW + 4000),
	   "of two that have ended the later stands");
}

int
main(void)
{
	test_exponential();
	test_hint();
	test_threshold();
	test_probe();
	test_merge();
	for (int state = UE_HEALTH_HEALTHY; state <= UE_HEALTH_DISABLED; state++)
		ok(ue_health_state_name((UeHealthState) state)[0] != '\0', "state %d has a name",
		   state);
	return done_testing();
}
