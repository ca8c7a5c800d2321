/* SPDX-License-Identifier: PostgreSQL */
/*
 * traffic.h: counting requests that went well, and all others, without a row for each.
 *
 * One UeTraffic per worker and minute at a time.  A request is counted under platform,
 * channel, model and route of its own while there is room for so many, then under its
 * platform alone with UE_TRAFFIC_OTHER for a route.  Counting allocates nothing.
 */
#ifndef UE_TRAFFIC_H
#define UE_TRAFFIC_H

#include "metrics.h"
#include "traffic_row.h"

/* Kinds of request counted apart in one minute; the rest is counted by platform. */
#define UE_TRAFFIC_KEYS 256

/* Texts of one key; longer ones are not counted apart. */
#define UE_TRAFFIC_KEY_BYTES 512

#define UE_TRAFFIC_OTHER "(other)"

typedef struct UeTrafficKey
{
	int platform; /* as in UeMetrics */
	UeSlice channel;
	UeSlice model;
	UeSlice route; /* without ids: ue_traffic_cut_ids */
} UeTrafficKey;

typedef struct UeTrafficSample
{
	bool is_answer;		   /* a good one, whole */
	bool is_recovered;	   /* and not by the first attempt */
	int64_t first_byte_ms; /* -1: none */
	int64_t total_ms;
} UeTrafficSample;

typedef struct UeTrafficCounts
{
	uint32_t requests, answers, recovered;
	uint32_t first_byte[UE_TRAFFIC_BUCKETS];
	uint32_t total[UE_TRAFFIC_BUCKETS];
} UeTrafficCounts;

typedef struct UeTrafficEntry
{
	uint64_t hash;
	UeTrafficKey key; /* its texts are the table's */
	UeTrafficCounts counts;
	bool is_changed; /* since it was written last */
	bool has_id;
	unsigned char id[16]; /* the writer's to give */
} UeTrafficEntry;

typedef struct UeTraffic UeTraffic;

/* NULL on exhaustion. */
extern UeTraffic *ue_traffic_new(void);
extern void ue_traffic_free(UeTraffic *traffic); /* NULL is fine */

extern void ue_traffic_count(UeTraffic *traffic, const UeTrafficKey *key,
							 const UeTrafficSample *sample);

/*
 * Each entry that has changed goes to write, which says whether it was written; if not, the
 * next call tries again.
 */
typedef bool (*UeTrafficWriter)(void *context, UeTrafficEntry *entry);
extern void ue_traffic_write(UeTraffic *traffic, UeTrafficWriter write, void *context);

/* The minute is over: all entries are forgotten. */
extern void ue_traffic_reset(UeTraffic *traffic);

/*
 * Segments of a path that are ids ("resp_68af…", a UUID) become "{id}", else every request
 * would be of its own kind.  Returns path itself where it has none; otherwise, and only
 * then, buffer is used.  Too long a path is UE_TRAFFIC_OTHER.
 */
extern UeSlice ue_traffic_cut_ids(UeSlice path, char *buffer, size_t size);

/* {1,2,…}: what the database reads as an array. */
extern void ue_traffic_write_counts(UeBuf *buf, const uint32_t *counts);

#endif
