/* SPDX-License-Identifier: PostgreSQL */
/*
 * exchange_attempts.h: the attempts of a request whose platform has channels.
 *
 * Requests of a platform without channels have none of this: one attempt, at the
 * platform's own base URL.
 *
 * exchange_route.c   which channel, and the request as that channel wants it
 * exchange_nobody.c  which channels are not, and why
 * exchange_body.c    the request's body, sent again
 * exchange_step.c    what follows a failure: another attempt, or the answer
 * exchange_health.c  what the channels' health learns from it
 */
#ifndef UE_EXCHANGE_ATTEMPTS_H
#define UE_EXCHANGE_ATTEMPTS_H

#include "channel_table.h"
#include "core/choose.h"
#include "core/retry.h"
#include "exchange_private.h"
#include "health_store.h"
#include "hold.h"
#include "spool.h"

struct UeAttempts
{
	UeExchange *exchange;
	const UeChannelTable *table;
	const UeRetryPolicy *policy;
	UeRetryBudget *budget; /* the policy's; the table's */
	bool has_retry;		   /* taken from it, for an attempt that has not been made yet */
	UeSlice model;		   /* as the client asked; in the exchange, or its request */

	/* channels of the platform that serve the model, by their place in the table */
	uint16_t *serving; /* behind this struct, and so are the next two */
	uint8_t *n_tries;
	UeCandidate *candidates; /* scratch of one call */
	size_t n_serving;
	size_t current;		 /* in serving; SIZE_MAX: none was chosen */
	bool is_taken;		 /* the current one's health waits for our word */
	UeHealthProbe probe; /* nobody else may ask it meanwhile */

	/* the request as the current channel wants it; owned */
	char *target; /* NULL: as it came */
	char *body;	  /* a whole body with another model; NULL: as it came */

	/* a body that is not whole when it is sent, or was not the first time */
	UeSpool *spool;
	size_t read_at;		 /* next byte, in the body as the client sent it */
	UeSlice other_model; /* in place of the client's, as JSON has it; empty: as it came */
	size_t n_other_sent;
	bool is_body_final; /* no further attempt will want it */

	UeHold hold;
	bool is_holding;
	UeTimer hold_end;

	UeTimer wait;			   /* before the next attempt */
	UeTimer deadline;		   /* of this one, up to its first output */
	UeNetwork overdue;		   /* what it means when that has come */
	int64_t client_timeout_ms; /* from the request on; 0: not known */

	size_t request_id_len; /* the same for all attempts; 0: none failed yet */
	char request_id[UE_LIMIT_TOKEN];

	/* the last failure, and what was decided */
	UeStep step;
	bool has_failure; /* it has a row */
	int64_t failed_at_us;
	unsigned char failed_event[16];
};

/* exchange_route.c */

/* Once the request's beginning is there: whether its platform has channels, and which
 * serve it.  False: no memory. */
extern bool ue_attempts_begin(UeExchange *exchange);
extern void ue_attempts_free(UeAttempts *attempts); /* NULL is fine */

/*
 * Chooses a channel and fills in what it changes of the request.  False: there is none, or
 * no memory; *cause is filled.
 */
extern bool ue_attempts_choose(UeAttempts *attempts, UeTransferRequest *request,
							   UeFailureCause *cause);

/* Whether a usable channel is left that was not tried, and whether the current one is. */
extern void ue_attempts_look_around(const UeAttempts *attempts, bool *has_other,
									bool *is_usable);

/* The channel of this attempt; NULL: none was chosen. */
extern const UeTableChannel *ue_attempts_channel(const UeAttempts *attempts);

/* Headers as the channel wants them, in the owner's scratch; NULL on exhaustion. */
extern const UeHeader *ue_attempts_filter_request(UeAttempts *attempts, size_t *n_out);

/* exchange_nobody.c */

/* [{"channel":"b","why":"cooling","until":"…"}, …] of those passed over; empty: none. */
extern UeSlice ue_attempts_write_passed_over(UeAttempts *attempts);

/* No channel can be asked: fills *cause with why, and until when. */
extern void ue_attempts_explain_nobody(UeAttempts *attempts, int64_t now_ms,
									   UeFailureCause *cause);

/* exchange_body.c */

/* The body for this attempt: whole, or to be asked for by read. */
extern bool ue_attempts_prepare_body(UeAttempts *attempts, UeTransferRequest *request,
									 bool is_whole, UeSlice other_model);
extern int64_t ue_attempts_read_body(UeAttempts *attempts, char *buffer, size_t size,
									 bool *is_end);
extern bool ue_attempts_is_body_kept(const UeAttempts *attempts);

/* Of a body that is not whole: whether more of it must be there to choose a channel.  What
 * is there may be set aside for that. */
extern bool ue_attempts_wants_more(UeExchange *exchange);

/* Output has begun, so it will not be sent again: gives back what can be. */
extern void ue_attempts_drop_body(UeAttempts *attempts);

/* exchange_step.c */

/* Decides what follows the verdict; true: another attempt will be made. */
extern bool ue_attempts_go_on(UeAttempts *attempts);

/* An event stream has begun: its opening is held. */
extern void ue_attempts_begin_stream(UeAttempts *attempts);

/* True: the bytes are held.  False: they may pass, behind those that were held, which have
 * been sent; *bytes is what is left to send. */
extern bool ue_attempts_hold(UeAttempts *attempts, UeSlice *bytes);

/* Sends what is held. */
extern void ue_attempts_let_go(UeAttempts *attempts);

/* Starts the clock of an attempt that has been sent. */
extern void ue_attempts_start_clock(UeAttempts *attempts);

/* An attempt is over, or none will follow: nothing of it may happen any more. */
extern void ue_attempts_stop_clocks(UeAttempts *attempts);

/* The retry that was taken from the budget will not be made. */
extern void ue_attempts_give_back(UeAttempts *attempts);

/* The last attempt had failed: the channel's health learns of it, and nothing follows, for
 * the client is gone or there is no time. */
extern void ue_attempts_give_up(UeAttempts *attempts, UeStepReason reason);

/* A good answer has begun to reach the client. */
extern void ue_attempts_note_output(UeAttempts *attempts);

/* The request has ended well. */
extern void ue_attempts_note_end(UeAttempts *attempts);

/* exchange_health.c */
extern void ue_attempts_note_failure(UeAttempts *attempts);
extern void ue_attempts_note_success(UeAttempts *attempts);
extern void ue_attempts_abandon(UeAttempts *attempts); /* nothing was learnt */

#endif
