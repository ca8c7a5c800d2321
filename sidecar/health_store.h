/* SPDX-License-Identifier: PostgreSQL */
/*
 * health_store.h: the health of all channels, one for the process.
 *
 * Workers ask and tell; the policy keeper merges what other sidecars and the database say.
 * There is an entry for each channel and model that ever failed, and one, with an empty
 * model, for the channel as a whole.  Any thread.
 */
#ifndef UE_HEALTH_STORE_H
#define UE_HEALTH_STORE_H

#include "core/health.h"
#include "core/limits.h"
#include "core/slice.h"

typedef struct UeHealthStore UeHealthStore;

/* A change of state, for a row and for the other sidecars. */
typedef struct UeHealthChange
{
	int64_t channel_id;
	char model[UE_LIMIT_TOKEN + 1]; /* empty: the channel as a whole */
	UeHealthState from;
	UeHealthState to;
	int64_t until_ms; /* Unix; 0: none */
	int32_t level;
} UeHealthChange;

/* Why nobody can be asked, for the client. */
typedef struct UeHealthPause
{
	UeHealthState state;
	int64_t until_ms; /* 0: no end */
	char reason[256]; /* the last fault's message, masked; may be empty */
} UeHealthPause;

/* Until when a request is the probe of a channel, and of its model; 0: it is not. */
typedef struct UeHealthProbe
{
	int64_t channel_ms;
	int64_t model_ms;
} UeHealthProbe;

extern UeHealthStore *ue_health_store_new(void); /* NULL on exhaustion */
extern void ue_health_store_free(UeHealthStore *store);

/* Whether a request for the model may go to the channel now. */
extern bool ue_health_store_is_usable(UeHealthStore *store, int64_t channel_id,
									  UeSlice model, int64_t now_ms);

/*
 * The same, and the request goes there: of one that is half open it is the probe.  False:
 * another request was quicker.
 */
extern bool ue_health_store_take(UeHealthStore *store, int64_t channel_id, UeSlice model,
								 int64_t now_ms, int64_t patience_ms,
								 UeHealthProbe *probe);

/*
 * What became of a request that was sent there.  An empty model: the channel as a whole.
 * reason is kept for UeHealthPause.  True and *change: there is one to tell.
 */
extern bool ue_health_store_fail(UeHealthStore *store, int64_t channel_id, UeSlice model,
								 const UeHealthRule *rule, int64_t now_ms,
								 int64_t hint_ms, UeSlice reason, UeHealthChange *change);

/* Both of the channel and of its model; returns how many of changes[2] there are. */
extern int ue_health_store_succeed(UeHealthStore *store, int64_t channel_id,
								   UeSlice model, int64_t now_ms,
								   UeHealthChange *changes);

/* A probe told nothing about the channel: it makes room for another, unless its time is
 * over and another has begun. */
extern void ue_health_store_abandon(UeHealthStore *store, int64_t channel_id,
									UeSlice model, const UeHealthProbe *probe);

/* From the database, or from what it said before; no change to tell. */
extern void ue_health_store_merge(UeHealthStore *store, const UeHealthChange *change,
								  UeSlice reason, int64_t now_ms);

/* An operator cleared it: the model, or with an empty one the channel and all its models. */
extern void ue_health_store_clear(UeHealthStore *store, int64_t channel_id,
								  UeSlice model);

/*
 * Around the merges of all that the database knows: what it told before and does not know
 * any more is over.  What happened here and it has not told yet stays.
 */
extern void ue_health_store_begin_sync(UeHealthStore *store);
extern void ue_health_store_end_sync(UeHealthStore *store);

/* The graver pause of the channel and of its model; false: usable. */
extern bool ue_health_store_find_pause(UeHealthStore *store, int64_t channel_id,
									   UeSlice model, int64_t now_ms, UeHealthPause *out);

/* Every channel and model that is not healthy.  change->from is its state, too. */
typedef void (*UeHealthVisit)(void *context, const UeHealthChange *change,
							  const char *reason);
extern void ue_health_store_list(UeHealthStore *store, UeHealthVisit visit,
								 void *context); /* visit must not call the store */

typedef struct UeHealthStats
{
	uint64_t version; /* another one whenever a state has changed, whoever did it */
	uint64_t transitions[UE_HEALTH_DISABLED + 1]; /* that were to be told, by new state */
} UeHealthStats;

extern void ue_health_store_read_stats(UeHealthStore *store, UeHealthStats *out);

#endif
