/* SPDX-License-Identifier: PostgreSQL */
/*
 * channel.h: one upstream endpoint with its credential and limits, as a row says it.
 *
 * A row of upstream_error_channels, read from its JSON.  The credential is a reference and
 * never the secret itself: what is in the database is in its dumps, replicas and logs.
 */
#ifndef UE_CORE_CHANNEL_H
#define UE_CORE_CHANNEL_H

#include "core/record.h"

/* A model by another name. */
typedef struct UeModelPair
{
	UeSlice from;
	UeSlice to;
} UeModelPair;

/* A status that the client gets in place of the upstream's. */
typedef struct UeStatusPair
{
	int from;
	int to;
} UeStatusPair;

/* Slices point into the JSON it was read from, or the arena. */
typedef struct UeChannel UeChannel;
struct UeChannel
{
	int64_t id;
	UeSlice name;
	UeSlice platform; /* lower case as SQL stores it */
	UeSlice base_url;
	bool is_enabled;
	int32_t priority; /* tier, lower first */
	int32_t weight;
	UeRecordList models; /* globs; empty: any */
	UeSlice credential;	 /* "env:NAME" or "file:/path"; empty: the client's own */
	UeSlice account_id;
	UeSlice proxy; /* URL without credentials, or a reference as above; empty: none */
	const UeModelPair *model_map;
	size_t n_model_map;
	const UeStatusPair *status_map;
	size_t n_status_map;
	int64_t connect_timeout_ms; /* 0, here and below: the sidecar's own setting */
	int64_t first_byte_timeout_ms;
	int64_t idle_timeout_ms;
};

/*
 * Checks everything but whether the base URL can be parsed, which is the sidecar's to say.
 * An unknown member is a problem.  What was found is in record.
 */
extern void ue_channel_read(UeRecord *record, UeChannel *out);

/* Whether requests of the platform for the model, which may be empty, may go to it. */
extern bool ue_channel_serves(const UeChannel *channel, UeSlice platform, UeSlice model);

/*
 * What the channel calls the model.  A name that is mapped to one that is mapped again
 * goes all the way, as in new-api; a circle ends where it would close.
 */
extern UeSlice ue_channel_map_model(const UeChannel *channel, UeSlice model);

/* new-api's ResetStatusCode; 200 is never mapped. */
extern int ue_channel_map_status(const UeChannel *channel, int status);

/* "env:NAME" or "file:/absolute/path" */
extern bool ue_channel_is_reference(UeSlice text);

#endif
