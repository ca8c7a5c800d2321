/* SPDX-License-Identifier: PostgreSQL */
/*
 * shipper_batch.h: up to a thousand records of one kind on their way, cut in half as often
 * as it takes to find the one that Postgres refuses.
 */
#ifndef UE_SHIPPER_BATCH_H
#define UE_SHIPPER_BATCH_H

#include "database.h"
#include "shipper_queue.h"

#define UE_BATCH_MAX_EVENTS 1000
#define UE_BATCH_MAX_BYTES	(4 * 1024 * 1024)

/* Halving a thousand leaves one range per level, and one more. */
#define UE_BATCH_MAX_RANGES 12

typedef struct UeRange
{
	size_t from, to;
} UeRange;

typedef struct UeBatch
{
	UeRecordKind kind; /* of all of them; UE_RECORD_COMPLETION has no batches */
	UePending *entries[UE_BATCH_MAX_EVENTS]; /* of the queue */
	UeRange ranges[UE_BATCH_MAX_RANGES];	 /* still to be sent, the next one last */
	size_t n_ranges;						 /* 0: empty */
} UeBatch;

/* How one range fared. */
typedef enum UeBatchResult
{
	UE_BATCH_SHIPPED = 0,
	UE_BATCH_SPLIT,	 /* refused for its data: its halves are next */
	UE_BATCH_POISON, /* a single record, refused for its data */
	UE_BATCH_LATER,	 /* not its fault: send it again after a while */
} UeBatchResult;

/* The function that takes records of a kind. */
extern const UeStatement *ue_batch_statement(UeRecordKind kind);

extern void ue_batch_init(UeBatch *batch, UeRecordKind kind);
extern bool ue_batch_is_empty(const UeBatch *batch);

/* Fills an empty batch.  False: nothing was ready. */
extern bool ue_batch_take(UeBatch *batch, UeQueue *queue);

/* Sends the next range as statements[statement]. */
extern bool ue_batch_send(const UeBatch *batch, UeDatabase *database, int statement,
						  void *query);

/* What a result means for the range that was sent.  UE_BATCH_SPLIT has been done. */
extern UeBatchResult ue_batch_apply_result(UeBatch *batch,
										   const UeDatabaseResult *result);

/* The range that is next, or was sent. */
extern UeRange ue_batch_range(const UeBatch *batch);

/* Its records are in Postgres or in quarantine: on to the next range. */
extern void ue_batch_finish_range(UeBatch *batch, UeJournal *journal);

#endif
