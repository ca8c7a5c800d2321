/* SPDX-License-Identifier: PostgreSQL */
/*
 * transition.h: what the journal carries besides failures.
 *
 * A transition is a change of a channel's health, for a row and for the other sidecars.  A
 * recovery tells of a request that ended well after all: the row of its last failed attempt
 * is to say so.
 */
#ifndef UE_TRANSITION_H
#define UE_TRANSITION_H

#include "columns.h"
#include "health_store.h"

typedef struct UeTransition
{
	int64_t at_us; /* Unix microseconds */
	unsigned char transition_id[16];
	UeHealthChange change;
	UeSlice channel; /* its name */
	UeSlice reason;	 /* masked */
	UeSlice class;
	int64_t status_code; /* the upstream's; 0 or UE_EVENT_NULL: none */
	int64_t rule_id;	 /* of the health rule; 0 or UE_EVENT_NULL: none */
	bool has_event;		 /* the failure that was the cause */
	unsigned char event_id[16];
	UeSlice request_id;
	UeSlice instance;
} UeTransition;

typedef struct UeRecovery
{
	int64_t at_us; /* with event_id the key of the event */
	unsigned char event_id[16];
	UeSlice request_id;
	int64_t response_status; /* of the good answer */
	int64_t total_ms;		 /* of the request */
	UeSlice channel;		 /* that answered */
} UeRecovery;

/* A transition as the parameters of upstream_error_record_transitions, in their order. */
typedef struct UeTransitionRow
{
	int64_t at_us;
	unsigned char transition_id[16];
	int64_t channel_id;
	UeSlice channel;
	UeSlice model; /* NULL: the channel as a whole */
	UeSlice from_state;
	UeSlice to_state;
	int64_t until_us;
	int64_t level;
	UeSlice reason;
	UeSlice class;
	int64_t status_code;
	int64_t rule_id;
	unsigned char event_id[16];
	UeSlice request_id;
	UeSlice instance;
} UeTransitionRow;

#define UE_TRANSITION_COLUMNS 16
extern const UeColumn ue_transition_columns[UE_TRANSITION_COLUMNS]; /* UeTransitionRow */

/* The parameters of upstream_error_record_recoveries, in their order. */
#define UE_RECOVERY_COLUMNS 6
extern const UeColumn ue_recovery_columns[UE_RECOVERY_COLUMNS]; /* UeRecovery */

/*
 * Journal payloads.  What is read points into bytes.  UE_MALFORMED: not one of ours.
 */
extern UeStatus ue_transition_write(UeBuf *buf,
									const UeTransition *transition) UE_MUST_CHECK;
extern UeStatus ue_transition_read(UeSlice bytes, UeTransitionRow *out) UE_MUST_CHECK;
extern UeStatus ue_recovery_write(UeBuf *buf, const UeRecovery *recovery) UE_MUST_CHECK;
extern UeStatus ue_recovery_read(UeSlice bytes, UeRecovery *out) UE_MUST_CHECK;

#endif
