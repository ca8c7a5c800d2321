/* SPDX-License-Identifier: PostgreSQL */
/*
 * event.h: one failed attempt as it goes into the journal and into a row.
 *
 * The columns of upstream_error_events, in the order of upstream_error_record's
 * parameters.  ue_event_columns is the one table from which the journal's encoding and the
 * SQL parameters are made; a test holds it against the function in the database.
 */
#ifndef UE_EVENT_H
#define UE_EVENT_H

#include "columns.h"
#include "core/decide.h"

typedef struct UeEvent
{
	int64_t at_us; /* Unix microseconds: when the attempt failed */
	unsigned char event_id[16];
	UeSlice request_id;
	int64_t attempt; /* from 1 */
	UeSlice platform;
	UeSlice channel;
	UeSlice account_id;
	UeSlice route;  /* the client's path, without its query */
	UeSlice format;
	UeSlice model;          /* as the client asked */
	UeSlice upstream_model; /* as it was sent */
	bool stream;
	UeSlice kind;
	UeSlice network_error;
	UeSlice class;
	UeSlice phase;
	UeSlice owner;
	UeSlice source;
	UeSlice severity;
	bool retryable;
	bool request_fault;
	bool business_limited;
	UeSlice error_type; /* the upstream's words */
	UeSlice error_code;
	UeSlice code;       /* ours, from the catalogue */
	int64_t status_code; /* the upstream's; NULL without an answer */
	UeSlice upstream_request_id;
	UeSlice message; /* masked */
	UeSlice detail;  /* masked beginning of the body, or libcurl's words */
	bool truncated;
	int64_t original_bytes;
	UeSlice request_headers;  /* jsonb text, masked; off by default */
	UeSlice response_headers; /* jsonb text, masked; off by default */
	int64_t retry_after_ms;
	int64_t first_byte_ms;
	int64_t total_ms;
	int64_t sent_bytes;      /* to the client before the failure */
	int64_t response_status; /* what the client got; from the completion */
	UeSlice outcome;         /* answered, error_frame, aborted, client_gone; from the completion */
	UeSlice decided_by;      /* postgres, local; from the completion */
	int64_t rule_id;
	int64_t rule_version;
	int64_t fingerprint;
	int64_t fingerprint_version;
	int64_t mask_version;
	UeSlice trace_id; /* 32 hex digits of traceparent */
	UeSlice tags;     /* jsonb text */
	UeSlice client_address; /* inet text; off by default */
	UeSlice region;
	UeSlice instance;
	UeSlice step;		 /* answer, retry, failover */
	UeSlice step_reason; /* this and the next two with the step */
	int64_t wait_ms;	 /* before the next attempt */
	UeSlice passed_over; /* jsonb text: channels that could not be asked instead */
} UeEvent;

/* What became of the attempt, known a little later; completes the event in the journal. */
typedef struct UeCompletion
{
	unsigned char event_id[16];
	int64_t response_status; /* UE_EVENT_NULL: none was sent */
	UeSlice outcome;
	UeSlice decided_by;
	int64_t rule_id;		 /* 0: none; NULL: as the event says */
	int64_t rule_version;
	int64_t sent_bytes;
	int64_t total_ms;
	bool is_unmonitored; /* there is to be no row */
	UeSlice step;		 /* answer, retry, failover; empty: as the event says, with all below */
	UeSlice step_reason;
	int64_t wait_ms;
	UeSlice passed_over; /* jsonb text */
} UeCompletion;

#define UE_EVENT_COLUMNS 54
extern const UeColumn ue_event_columns[UE_EVENT_COLUMNS];

/* All numbers NULL, all texts empty. */
extern void ue_event_init(UeEvent *event);

/* The verdict's part of a row. */
extern void ue_event_apply_verdict(UeEvent *event, const UeCase *kase, const UeVerdict *verdict);

/* Journal payloads.  Decoded slices point into bytes.  UE_MALFORMED: not one of ours. */
extern UeStatus ue_event_write(UeBuf *buf, const UeEvent *event) UE_MUST_CHECK;
extern UeStatus ue_event_read(UeSlice bytes, UeEvent *out) UE_MUST_CHECK;
extern UeStatus ue_completion_write(UeBuf *buf, const UeCompletion *completion) UE_MUST_CHECK;
extern UeStatus ue_completion_read(UeSlice bytes, UeCompletion *out) UE_MUST_CHECK;

#endif
