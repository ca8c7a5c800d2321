/* SPDX-License-Identifier: PostgreSQL */
/*
 * shipper_traffic.h: counts of traffic between the journal and Postgres.
 *
 * A minute's counts come once a second, each time as far as they have come, so a row waits
 * a while for the one that replaces it.  The journal's position is that of the oldest row
 * that is neither replaced nor in Postgres; rows that are sent twice do no harm.  One
 * thread.
 */
#ifndef UE_SHIPPER_TRAFFIC_H
#define UE_SHIPPER_TRAFFIC_H

#include "database.h"
#include "journal_reader.h"

/* A row goes out this long after the first one of its entry that has not, or a second after
 * its minute. */
#define UE_COUNTS_WAIT_US  (10 * INT64_C(1000000))
#define UE_COUNTS_MAX_ROWS 2000

typedef struct UeCount
{
	struct UeCount *next; /* later in the journal */
	UeJournalPosition position;
	int64_t due_us;
	bool is_taken; /* on its way */
	UeTrafficRow row;
	char *payload; /* owned; row points into it */
} UeCount;

typedef struct UeCounts
{
	UeCount *first, *last; /* owned */
	size_t n_rows;
	size_t n_taken;	 /* on their way */
	size_t n_singly; /* so many are sent one by one, to find the one that is refused */
	bool is_refused; /* the last answer was no */
	int64_t retry_at_us; /* not before */
} UeCounts;

extern const UeStatement ue_counts_statement;

extern void ue_counts_init(UeCounts *counts);
extern void ue_counts_reset(UeCounts *counts); /* frees all */

/* While Postgres refuses them, the oldest make room for new ones. */
extern bool ue_counts_is_full(const UeCounts *counts);

/* False: no memory, and the record was not taken. */
extern bool ue_counts_append(UeCounts *counts, const UeJournalEntry *entry,
							 int64_t now_us);

/* When the next row is to be sent, Unix microseconds; INT64_MAX: there is none, or some are
 * on their way. */
extern int64_t ue_counts_find_due(const UeCounts *counts);

/* Sends what there is, due or not, as statements[statement].  False: could not be sent. */
extern bool ue_counts_send(UeCounts *counts, UeDatabase *database, int statement,
						   void *query);

/* What was sent is in Postgres, or is sent again later, or can never be. */
extern void ue_counts_apply_result(UeCounts *counts, const UeDatabaseResult *result,
								   int64_t now_us);
extern void ue_counts_give_back(UeCounts *counts); /* there will be no result */

/* False: there is none. */
extern bool ue_counts_find_oldest(const UeCounts *counts, UeJournalPosition *oldest);

#endif
