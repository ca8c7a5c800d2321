/* SPDX-License-Identifier: PostgreSQL */
/*
 * shipper.h: the thread that brings the journal's events into Postgres.
 *
 * It reads the journal, puts completions to their events, sends batches to
 * upstream_error_record, transitions at once to upstream_error_record_transitions and
 * recoveries behind their events to upstream_error_record_recoveries, and moves the
 * journal's position once Postgres has committed.  Workers never wait for it.
 */
#ifndef UE_SHIPPER_H
#define UE_SHIPPER_H

#include "journal.h"

typedef struct UeShipper UeShipper;

typedef struct UeShipperOptions
{
	const char *conninfo;		/* must outlive the shipper */
	int64_t completion_wait_ms; /* so long an event waits for what became of it */
	int64_t reconnect_ms;
	const char *instance; /* for the row that tells a loss; NULL: none */
	const char *region;
} UeShipperOptions;

/* For metrics. */
typedef struct UeShipperStats
{
	uint64_t shipped_events;	 /* committed */
	uint64_t replayed_events;	 /* of these, the table had them already */
	uint64_t quarantined_events; /* refused for what is in them; in quarantine.jsonl */
	uint64_t shipped_transitions;
	uint64_t shipped_recoveries;
	uint64_t quarantined_follow_ups; /* of those two */
	uint64_t batches;
	uint64_t failed_batches;  /* refused, or lost with the connection: sent again */
	uint64_t corrupt_records; /* places in the journal that could not be read */
	int64_t lag_ms;			  /* age of the oldest event not shipped; 0: none */
	bool is_connected;
} UeShipperStats;

/* The journal must outlive it.  NULL on exhaustion. */
extern UeShipper *ue_shipper_start(UeJournal *journal, const UeShipperOptions *options);

/* Ships what is there, for drain_ms at most, then ends the thread; the rest stays in the
 * journal for the next start.  Frees the shipper. */
extern void ue_shipper_stop(UeShipper *shipper, int64_t drain_ms);

/* Any thread, until ue_shipper_stop. */
extern void ue_shipper_read_stats(const UeShipper *shipper, UeShipperStats *out);

#endif
