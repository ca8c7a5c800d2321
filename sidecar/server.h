/* SPDX-License-Identifier: PostgreSQL */
/*
 * server.h: HTTP/1.1 towards clients: parsing, framing, backpressure, deadlines.
 *
 * One UeServer per loop and listener.  A UeClient is one connection with at most one
 * request in progress; pipelined requests wait.  The handler gets the head as soon as it
 * is whole, the body as it comes.  The server refuses what HTTP forbids by itself (400,
 * 431, 408, 501, 505) before the handler hears of it.  server_parse.c is the
 * only file that includes <llhttp.h>.
 *
 * A client that closes its sending side after its request is taken for one that left, as
 * most proxies do: nothing else tells at once that nobody waits for the answer.
 */
#ifndef UE_SERVER_H
#define UE_SERVER_H

#include "core/fault.h"
#include "loop.h"

typedef struct UeServer UeServer;
typedef struct UeClient UeClient;

typedef struct UeServerLimits
{
	size_t header_bytes;	   /* request line and headers; above: 431 */
	size_t body_window_bytes;  /* unread body held; above: reading stops */
	size_t output_high_bytes;  /* unsent answer; above: ue_client_send_body says stop */
	size_t output_low_bytes;   /* on_writable below this */
	int max_connections;	   /* per server; above: accept stops */
	int64_t header_timeout_ms; /* from the first byte of a request to its last header */
	int64_t body_timeout_ms;   /* between two reads of a body that we wait for */
	int64_t keep_alive_timeout_ms;
	int64_t write_timeout_ms; /* a client that takes nothing for so long is dropped */
} UeServerLimits;

/* The head of a request; slices are valid until ue_client_end or on_gone. */
typedef struct UeRequest
{
	UeSlice method;
	UeSlice target;			 /* as sent: path and query */
	const UeHeader *headers; /* in the order sent, names as sent, values trimmed */
	size_t n_headers;
	int64_t content_length; /* -1: chunked; 0: no body */
	bool is_upgrade;
} UeRequest;

/* All are called from the loop; context is what ue_client_set_context gave, NULL before. */
typedef struct UeHandler
{
	/* The head is whole.  context here is ue_server_new's.  What has come of the body is
	 * there already (often all of it): on_body is called only for what comes later. */
	void (*on_request)(void *server_context, UeClient *client, const UeRequest *request);
	/* More body may be read, or it is complete. */
	void (*on_body)(void *context, UeClient *client);
	/* Unsent output fell below the low mark after send_body said stop. */
	void (*on_writable)(void *context, UeClient *client);
	/* The client left, broke the protocol or a deadline: it is gone after this returns. */
	void (*on_gone)(void *context, UeClient *client);
	/*
	 * Optional.  The request broke the protocol (400) or a deadline (408) after its head,
	 * or there is no memory for it (503), and nothing of an answer was sent: the handler
	 * gives the answer, now or later; the connection ends after it.  No more of the body
	 * comes.  Without it the server answers, and on_gone is called.
	 */
	void (*on_refused)(void *context, UeClient *client, int status, const char *message);
	/* Optional.  The server is about to be freed, and who has no answer then is cut. */
	void (*on_last_call)(void *context, UeClient *client);
} UeHandler;

/* Owns listen_fd (non-blocking, listening).  NULL on exhaustion.  limits and handler are
 * not owned and must outlive it. */
extern UeServer *ue_server_new(UeLoop *loop, int listen_fd, const UeServerLimits *limits,
							   const UeHandler *handler, void *server_context);
extern void
ue_server_stop_accepting(UeServer *server); /* drain: closes idle connections too */
extern int ue_server_count_clients(const UeServer *server);
extern void ue_server_last_call(UeServer *server); /* calls on_last_call for all */
extern void ue_server_free(UeServer *server); /* cuts what is left; on_gone is called */

/* Whether it is written as an address to listen on; false and a sentence: it is not. */
extern bool ue_server_check_address(const char *address, char *error, size_t error_size);

/*
 * A listening socket for "host:port", "[v6]:port", ":port" or "unix:/path"; SO_REUSEPORT
 * when shared (a unix socket: within the process only).  On failure -1 and a sentence in
 * error (the address, why, what is accepted).
 */
extern int ue_server_listen(const char *address, bool is_shared, char *error,
							size_t error_size);

extern void ue_client_set_context(UeClient *client, void *context);
extern void *ue_client_context(const UeClient *client); /* NULL: its answer has ended */

/* "127.0.0.1:1234", or "unix"; valid as long as the client. */
extern UeSlice ue_client_address(const UeClient *client);

/* Body bytes received and not consumed yet; they move when on_body is called next. */
extern UeSlice ue_client_body(const UeClient *client);
extern void ue_client_consume_body(UeClient *client, size_t n_bytes);
extern bool ue_client_is_body_complete(const UeClient *client); /* all received */

/* The rest of the body is not wanted: no more of it comes, a client that waits for 100 is
 * not told to go on, and the connection ends after the answer, unless all has come. */
extern void ue_client_refuse_body(UeClient *client);

/*
 * The answer: one head, then bytes, then end.  content_length -1 when unknown: chunked
 * towards HTTP/1.1, until close towards 1.0.  Headers must not hold hop-by-hop ones,
 * content-length or transfer-encoding; Date is not added.  No body for HEAD, 204, 304.
 * An interim answer (100) is sent by the server when the body is first waited for.
 */
extern void ue_client_send_head(UeClient *client, int status, UeSlice reason,
								const UeHeader *headers, size_t n_headers,
								int64_t content_length);

/* Writes at once what is large; small pieces wait for each other, at most to the end of the
 * turn.  False: above the high mark, send no more before on_writable.  The bytes are taken
 * in either case. */
extern bool ue_client_send_body(UeClient *client, UeSlice bytes);

/* The answer is whole; the request's slices are gone.  A body not read to its end is
 * drained within bounds or the connection is closed after the answer. */
extern void ue_client_end(UeClient *client);

/* Cuts the connection without an end: the client sees a broken answer.  on_gone is not
 * called. */
extern void ue_client_abort(UeClient *client);

/* Within on_gone: the server is being freed, the client has not left. */
extern bool ue_client_is_cut_by_us(const UeClient *client);

extern bool ue_client_has_sent_head(const UeClient *client);
extern int64_t ue_client_sent_bytes(const UeClient *client); /* body bytes given so far */

#endif
