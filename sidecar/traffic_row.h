/* SPDX-License-Identifier: PostgreSQL */
/*
 * traffic_row.h: what was counted of one kind of request in one minute, as a row.
 *
 * The counts go on growing while the minute lasts, and each row that is written says how
 * far they have come: of several with the same entry id the one with the most requests
 * holds, and the others may be forgotten.  So it does not matter how often one is sent.
 */
#ifndef UE_TRAFFIC_ROW_H
#define UE_TRAFFIC_ROW_H

#include "columns.h"

/* upstream_error_latency_bounds() in the database says the same. */
#define UE_TRAFFIC_BUCKETS 16
extern const int ue_traffic_bounds[UE_TRAFFIC_BUCKETS - 1]; /* ms, inclusive */

typedef struct UeTrafficRow
{
	int64_t minute_us; /* its beginning, Unix microseconds */
	unsigned char entry_id[16];
	UeSlice platform;
	UeSlice channel;
	UeSlice model;
	UeSlice route;
	UeSlice region;
	UeSlice instance;
	int64_t requests;
	int64_t answers;
	int64_t recovered;
	UeSlice first_byte_counts; /* {1,2,…}, UE_TRAFFIC_BUCKETS of them */
	UeSlice total_counts;
} UeTrafficRow;

/* The parameters of upstream_error_record_traffic, in their order. */
#define UE_TRAFFIC_COLUMNS 13
extern const UeColumn ue_traffic_columns[UE_TRAFFIC_COLUMNS];

/* Journal payloads.  What is read points into bytes.  UE_MALFORMED: not one of ours. */
extern UeStatus ue_traffic_row_write(UeBuf *buf, const UeTrafficRow *row) UE_MUST_CHECK;
extern UeStatus ue_traffic_row_read(UeSlice bytes, UeTrafficRow *out) UE_MUST_CHECK;

#endif
