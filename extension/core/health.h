/* SPDX-License-Identifier: PostgreSQL */
/*
 * health.h: whether a channel may be asked, for one model or at all.
 *
 * A healthy one that fails as a health rule says cools down until a moment, or is disabled.
 * When the moment has come it is half open: one request may try it; its success makes it
 * healthy, its failure cools it down again, for longer.  A pause is only ever extended.
 * What an operator has disabled by hand is no matter of this file.
 *
 * Pure: time comes in, and what has changed goes out for a row and for other sidecars.
 */
#ifndef UE_CORE_HEALTH_H
#define UE_CORE_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

/* Failures that a threshold can count. */
#define UE_HEALTH_FAILURES_MAX 32

typedef enum UeHealthState
{
	UE_HEALTH_HEALTHY = 0,
	UE_HEALTH_COOLING,	/* until until_ms, then half open */
	UE_HEALTH_DISABLED, /* until until_ms, then half open; 0: until somebody clears it */
} UeHealthState;

/* What a failure does; the one that a health rule in SQL describes. */
typedef struct UeHealthRule
{
	bool is_disabling;	/* else cooling down */
	int32_t threshold;	/* so many failures, 1 to UE_HEALTH_FAILURES_MAX, */
	int32_t window_s;	/* within so long; with threshold 1 of no meaning */
	bool is_hint_used;	/* the upstream's own wait, where it named one, at most max_s */
	int32_t duration_s; /* without a hint; 0: base_s * 2^level, at most max_s; and when
						 * disabling: for good */
	int32_t base_s;
	int32_t max_s;
} UeHealthRule;

/* All zeros: healthy.  One per channel and model, and one per channel. */
typedef struct UeHealth
{
	UeHealthState state;
	int64_t until_ms;		/* Unix */
	int32_t level;			/* pauses in a row, for the exponent */
	int64_t probe_until_ms; /* a request is trying it, and has so long to tell */
	int32_t n_failures;		/* in failures, newest last */
	int64_t failures_ms[UE_HEALTH_FAILURES_MAX];
} UeHealth;

/* "healthy", "cooling", "disabled" */
extern const char *ue_health_state_name(UeHealthState state);

/* An attempt has failed that the rule fits.  hint_ms: the wait the upstream asked for,
 * below 0: none.  True: state or until_ms is another now. */
extern bool ue_health_fail(UeHealth *health, const UeHealthRule *rule, int64_t now_ms,
						   int64_t hint_ms);

/* An attempt has succeeded.  True as above.  During a pause it changes nothing: that attempt
 * was begun before it, and knows no more than the failure that came later. */
extern bool ue_health_succeed(UeHealth *health, int64_t now_ms);

/* Whether a request may ask it now.  Of one that is half open: whether this request may be
 * the probe; who takes it calls ue_health_begin_probe. */
extern bool ue_health_is_usable(const UeHealth *health, int64_t now_ms);
extern bool ue_health_is_half_open(const UeHealth *health, int64_t now_ms);
extern void ue_health_begin_probe(UeHealth *health, int64_t now_ms, int64_t patience_ms);

/* The probe ended without a word on the channel: the client left, or the request was at
 * fault.  Another may try. */
extern void ue_health_end_probe(UeHealth *health);

/* What another sidecar saw, or the database remembers: the later pause counts, and one that
 * has ended weighs nothing against one that has not.  True as above. */
extern bool ue_health_merge(UeHealth *health, UeHealthState state, int64_t until_ms,
							int32_t level, int64_t now_ms);

/* An operator clears it: healthy, whatever it was.  True as above. */
extern bool ue_health_clear(UeHealth *health);

#endif
