/* SPDX-License-Identifier: PostgreSQL */
/*
 * exchange_private.h: what the files of the exchange share.
 *
 * exchange.c          the states, and what each does with what happens
 * exchange_data.c     what each state does with an answer's bytes, and with their end
 * exchange_start.c    a request on its way to an upstream
 * exchange_pool.c     where they come from and go to
 * exchange_judge.c    what a head says of the answer behind it
 * exchange_keep.c     a good answer, kept until it is whole
 * exchange_head.c     headers that pass from one side to the other
 * exchange_failure.c  a failed attempt into a case, a verdict and the decider's queue
 * exchange_record.c   its row
 * exchange_answer.c   the verdict to the client
 * exchange_attempts.h channels, retries and failover: exchange_{route,nobody,body,step,health}.c
 * exchange_traffic.c  counts of all requests into the journal
 */
#ifndef UE_EXCHANGE_PRIVATE_H
#define UE_EXCHANGE_PRIVATE_H

#include "body_scan.h"
#include "decider.h"
#include "exchange.h"
#include "health_store.h"
#include "ident.h"
#include "journal_batch.h"
#include "route.h"
#include "spool.h"
#include "stream.h"
#include "traffic.h"

/* Exchanges kept for the next request when idle. */
#define UE_IDLE_EXCHANGES 256

/* A JSON answer of which the first member is still open after so many bytes is good. */
#define UE_PEEK_BYTES 4096

/* Of a model's name, which is masked and then cut to what a row has. */
#define UE_MODEL_BYTES ((size_t) 4 * UE_LIMIT_TOKEN)

typedef enum UeExchangeState
{
	UE_EXCHANGE_BODY =
		0, /* the rest of a small request body, or the model, is waited for */
	UE_EXCHANGE_WAITING,	/* the upstream has the request, or is getting it */
	UE_EXCHANGE_PEEKING,	/* a good head is here; it waits for the body's first bytes */
	UE_EXCHANGE_KEEPING,	/* a good answer waits for its end; exchange_keep.c */
	UE_EXCHANGE_PASSING,	/* the answer goes through as it comes */
	UE_EXCHANGE_STREAMING,	/* an event stream goes through the scanner */
	UE_EXCHANGE_COLLECTING, /* a failed answer is being kept */
	UE_EXCHANGE_DECIDING,	/* the failure is in the journal, the verdict is to come */
	UE_EXCHANGE_RESTING,	/* another attempt will be made; nothing runs */
} UeExchangeState;

/*
 * From the head of a failed answer on, so long is waited for its body.  What explains a
 * failure comes with its head or at once behind it; a client that waits longer than this
 * for half a sentence would rather know.
 */
#define UE_COLLECT_MS 2000

/* A failed attempt; lives in the exchange's arena. */
typedef struct UeFailure
{
	UeCase kase;
	UeDecision decision;
	int64_t at_us;
	unsigned char event_id[16];
	bool is_recorded; /* its event is in the journal, and its completion is to follow */
} UeFailure;

typedef struct UeAttempts UeAttempts; /* exchange_attempts.h */

typedef struct UeExchange UeExchange;
struct UeExchange
{
	UeExchanges *owner;
	UeExchange *next; /* in the pool */
	UeExchangeState state;
	UeClient *client;
	bool is_client_gone; /* it still answers questions, until on_gone returns */
	const UeRequest *request;
	UeTransfer *transfer; /* NULL: none is running */
	bool is_body_lent;	  /* it reads the request's body where the client has it */
	UeRoute route;
	UeAttempts *attempts; /* NULL: the platform has no channels */
	bool is_routed;		  /* that was found out */
	bool is_refused;	  /* the request broke off: it cannot be sent again */
	int attempt;		  /* from 1 */
	int64_t start_ms;
	int64_t attempt_ms;		/* start of this attempt */
	int64_t first_byte_ms;	/* of the upstream's head; -1: none */
	int64_t received_bytes; /* of the request's body, sent on */

	/* from the request's body, as far as it was looked at */
	bool is_request_peeked;
	bool is_stream;				   /* an event stream was asked for */
	size_t model_start, model_end; /* in the body; both 0: it does not name one */
	size_t model_len;
	char *model;	  /* owned; NULL: none */
	UeBodyScan *scan; /* of a body that passes in pieces; owned, NULL: not looked at */
	UeSpool *spool;	  /* what has come of it before a channel could be chosen; owned */
	size_t path_model_len;
	char *path_model; /* owned; route.model decoded, NULL: it is that already */

	/* the upstream's head; slices live as long as the transfer */
	int status; /* 0: none */
	UeSlice reason;
	const UeHeader *headers;
	size_t n_headers;
	int64_t content_length;

	UeBodyScan *answer_scan; /* of one whose end HTTP does not tell; owned, NULL: other */
	const char *end_reason;	 /* libcurl's words for how the transfer ended; NULL: none */
	UeTimer collecting;		 /* the end of UE_EXCHANGE_COLLECTING at the latest */
	char *held;				 /* body bytes that must not pass yet; owned */
	size_t held_len, held_size;
	UeStream stream;
	bool is_full; /* the client takes no more for now */

	UeArena arena; /* used by failures only */
	UeFailure *failure;
	bool is_answer_due; /* the verdict is there: it is among the owner's answers */
	UeExchange *next_answer;
};

struct UeExchanges
{
	UeLoop *loop;
	const UeConfig *config;
	UeJournal *journal;
	UeJournalBatch *records; /* owned; of this turn, not in the journal yet */
	UeTurn recording;		 /* events, before anybody is asked about them */
	UeTurn answering;		 /* completions, and the answers behind them */
	UeExchange *first_answer, *last_answer;
	UeHealthStore *health; /* may be NULL */
	UeMetrics *metrics;
	UeUpstream *upstream;
	UeDecider *decider;
	UeIdent ident;
	int64_t unkept_due_ms; /* when it may be said again that bodies cannot be kept */
	UeExchange *idle;
	int n_idle;
	UeHeader *headers; /* scratch of one call */
	size_t headers_size;
	UeTraffic *traffic;		/* owned */
	int64_t traffic_minute; /* Unix, that it counts */
	UeTimer traffic_due;	/* set while something is to be written */
	bool is_traffic_due;
};

/* exchange.c */
extern const UeTransferHandler ue_exchange_transfer_handler;
/* Of a client that is gone: it left, or we cut it at the end of the drain timeout. */
extern UeOutcome ue_exchange_find_gone(const UeExchange *exchange);
extern void ue_exchange_peek_request(UeExchange *exchange);

/* Bytes of the body that are about to be taken from the client, in their order. */
extern void ue_exchange_scan_request(UeExchange *exchange, UeSlice bytes);

/* Once the route is found. */
extern void ue_exchange_decode_model(UeExchange *exchange);

/* What the client asks for: named in the path, else by the body as far as it was peeked. */
extern UeSlice ue_exchange_model(const UeExchange *exchange);

/* The transfer has ended, or is given up for what network says. */
extern void ue_exchange_end_attempt(UeExchange *exchange, UeNetwork network);

/* The answer has reached the client whole, or the verdict's work begins. */
extern void ue_exchange_end_good(UeExchange *exchange);
extern void ue_exchange_fail_with_body(UeExchange *exchange, UeKind kind,
									   UeNetwork network, UeSlice body);

/* exchange_data.c */

/* By status and content type. */
extern void ue_exchange_choose_state(UeExchange *exchange);

/* As on_data of a transfer, and as its on_end, in the state of that name. */
extern bool ue_exchange_peek_data(UeExchange *exchange, UeSlice bytes);
extern bool ue_exchange_stream_data(UeExchange *exchange, UeSlice bytes);
extern bool ue_exchange_collect_data(UeExchange *exchange, UeSlice bytes);
extern void ue_exchange_end_peeking(UeExchange *exchange, UeNetwork network);
extern void ue_exchange_end_streaming(UeExchange *exchange, UeNetwork network);
extern void ue_exchange_pass_stream(UeExchange *exchange, UeSlice bytes);

/* False: no memory, and the bytes are not held. */
extern bool ue_exchange_hold_bytes(UeExchange *exchange, UeSlice bytes);

/* The head of a good answer, and what is held of its body; from here on it passes.  False:
 * the client has enough for now. */
extern bool ue_exchange_pass_held(UeExchange *exchange);

/* exchange_start.c */

/* True when no upstream can be asked; then the answer is on its way. */
extern bool ue_exchange_refuse(UeExchange *exchange);

/* More of the body has come than may; then the answer is on its way, or the request ends. */
extern bool ue_exchange_refuse_body(UeExchange *exchange);

/* Sends the request on, or waits for the rest of a body that will soon be whole. */
extern void ue_exchange_begin(UeExchange *exchange);
extern void ue_exchange_start_attempt(UeExchange *exchange);

/* exchange_pool.c */
extern UeExchange *ue_exchange_new(UeExchanges *owner); /* NULL on exhaustion */
extern void ue_exchange_end(UeExchange *exchange,
							UeOutcome outcome); /* counts, releases */

/* Gives back what the attempt that has failed leaves behind; its verdict too. */
extern void ue_exchange_reset_attempt(UeExchange *exchange);

/* exchange_keep.c */
extern bool ue_exchange_may_keep(const UeExchange *exchange);
extern void ue_exchange_begin_keeping(UeExchange *exchange);
extern bool ue_exchange_keep_data(UeExchange *exchange, UeSlice bytes); /* as on_data */

/* Why it failed, or NONE: then it has been sent. */
extern UeNetwork ue_exchange_end_keeping(UeExchange *exchange, UeNetwork network);

/* exchange_judge.c */
extern bool ue_exchange_is_misplaced(const UeExchange *exchange, UeSlice type);
extern bool ue_exchange_may_be_json(UeSlice type);
extern bool ue_exchange_is_worth_a_look(const UeExchange *exchange, UeSlice type);
extern bool ue_exchange_is_misnamed_stream(const UeExchange *exchange, UeSlice beginning);
extern bool ue_exchange_is_encoded(const UeExchange *exchange); /* compressed */
extern bool ue_exchange_is_close_delimited(const UeExchange *exchange);
extern UeStreamDialect ue_exchange_find_dialect(const UeExchange *exchange);

/* exchange_head.c: end-to-end headers only, in the owner's scratch; NULL on exhaustion. */
extern const UeHeader *ue_exchange_filter_request(UeExchange *exchange, size_t *n_out);
/* The scratch with room for n headers, what is in it kept; NULL on exhaustion. */
extern UeHeader *ue_exchange_reserve_headers(UeExchanges *owner, size_t n);
extern const UeHeader *ue_exchange_filter_answer(UeExchange *exchange, size_t *n_out);
extern UeSlice ue_exchange_find_header(const UeHeader *headers, size_t n_headers,
									   UeSlice name);

/* exchange_failure.c */
typedef struct UeFailureCause
{
	UeKind kind;
	UeNetwork network;
	UeSlice body;
	UeSlice local_code;
	UeSlice local_message;
} UeFailureCause;

/* The attempt has failed: journal, then the decider; ends a running transfer.  Of a client
 * that is gone the exchange ends here. */
extern void ue_exchange_fail(UeExchange *exchange, const UeFailureCause *cause);
extern int64_t ue_exchange_read_unix_us(void);

/* exchange_record.c: the failure's event into the journal, unless its kind is not wanted. */
extern void ue_exchange_record(UeExchange *exchange, const UeMaskSettings *mask,
							   int64_t now_us);

/* The configured request headers, masked. */
extern UeStatus ue_exchange_copy_tags(UeExchange *exchange, const UeMaskSettings *mask,
									  UeCase *kase) UE_MUST_CHECK;

/*
 * Text from the client into a row: UTF-8, without secrets, and within a limit, in this
 * order, for half a secret is not known as one.  Of what is too long to be looked at as a
 * whole the end goes, where the cut may have gone through a secret.
 */
extern UeStatus ue_exchange_fit_text(UeArena *arena, const UeMaskSettings *mask,
									 UeSlice text, size_t limit,
									 UeSlice *out) UE_MUST_CHECK;

/* exchange_traffic.c: at the end of a request; and everything that is not written yet. */
extern void ue_exchange_count_traffic(UeExchange *exchange, UeOutcome outcome);
extern void ue_exchange_write_traffic(UeExchanges *owner);

/* exchange_answer.c */
extern void ue_exchange_answer(UeDecision *decision); /* UeDecision.done */

/* No other verdict is waited for, and no other attempt made: its answer is due. */
extern void ue_exchange_stop_deciding(UeExchange *exchange);

/* The client is gone before its answer left. */
extern void ue_exchange_drop_answer(UeExchange *exchange);
extern void ue_exchange_complete(UeExchange *exchange, UeOutcome outcome, int64_t status);
extern void ue_exchange_answer_bare(UeExchange *exchange); /* when there is no verdict */

#endif
