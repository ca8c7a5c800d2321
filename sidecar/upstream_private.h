/* SPDX-License-Identifier: PostgreSQL */
/*
 * upstream_private.h: what the halves of the upstream share; the one include of curl.h.
 *
 * upstream.c         the multis and their timers on our loop, the order of things
 * upstream_socket.c  their sockets
 * upstream_easy.c    one transfer, and its options
 * upstream_answer.c  curl's callbacks, its answer's head
 * upstream_end.c     libcurl's result codes in our words
 *
 * libcurl must not be entered from its own callbacks, and our handler must not be called
 * from inside a call of upstream.h.  So every way in counts as busy; what arrives too early
 * or must wait (a resume, a cancel) puts its transfer on the pending list, which is worked
 * off when the outermost way in is left, or by the loop at the end of the turn.
 */
#ifndef UE_UPSTREAM_PRIVATE_H
#define UE_UPSTREAM_PRIVATE_H

#include <curl/curl.h>

#include "base_url.h"
#include "upstream.h"

/* One more than this in a multi, and each new transfer walks a longer list of connections:
 * one multi with 2,000 open streams was 4.5 times slower than several of 128. */
#define UE_MULTI_TRANSFERS 128

/* With fewer connections kept than transfers, they are closed and opened all the time. */
#define UE_MULTI_CONNECTIONS (2 * UE_MULTI_TRANSFERS)

/* Easy handles kept when idle; each is about 6 KB. */
#define UE_IDLE_TRANSFERS 256

/* Of an answer that is there before the start of its transfer has returned (an upstream on
 * the same machine is that fast) so much is kept until the handler may be called. */
#define UE_EARLY_BYTES 32768

/* CURLOPT_BUFFERSIZE.  libcurl keeps the buffer until the transfer ends: of a stream, which
 * may be open for minutes and brings a few hundred bytes at a time, a small one.  With 1024
 * a burst of 20 events costs a twentieth more, with 1280 nothing (in instructions). */
#define UE_READ_BYTES		 16384L
#define UE_STREAM_READ_BYTES 1280L

/*
 * A kept connection that the upstream closed before it saw the request ends within one round
 * trip of it.  After this long the request may have been worked on, and paid for.
 */
#define UE_RESEND_MS 1000

/* A transfer's buffers above this are given back when it ends. */
#define UE_IDLE_BUFFER_BYTES 8192

typedef struct UeMulti
{
	UeTimer timer; /* curl's, one per multi */
	UeUpstream *upstream;
	CURLM *curlm;
	int n_transfers;
} UeMulti;

/* A connection of libcurl's.  Registered with epoll longer than curl wants it: taking it
 * out and putting it back for each request cost a sixth of all CPU. */
typedef struct UeSocket
{
	UeWatch watch;
	UeMulti *multi;
	uint32_t wanted;	   /* by curl now; watch.events may be more */
	bool is_connection;	   /* established: its end is reported */
	bool is_unwanted;	   /* had an event that nobody wanted */
	struct UeSocket *next; /* in graves */
} UeSocket;

/* A base URL as libcurl wants it, parsed once per thread. */
typedef struct UeParsedBase
{
	const UeBaseUrl *base;
	CURLU *curlu;
} UeParsedBase;

struct UeTransfer
{
	UeTimer timer; /* first byte, then idle */
	UeUpstream *upstream;
	UeMulti *multi; /* NULL: in the pool */
	CURL *easy;
	void *context;
	UeTransfer *next;		  /* in the pool */
	UeTransfer *next_pending; /* in the pending list */

	/* the request; libcurl reads the lines until the transfer ends, or a stream begins */
	const UeBaseUrl *base;	 /* CURLOPT_CURLU is this one's */
	long read_bytes;		 /* CURLOPT_BUFFERSIZE; 0: not set yet */
	long connect_timeout_ms; /* CURLOPT_CONNECTTIMEOUT_MS */
	bool has_proxy;			 /* CURLOPT_PROXY is another than none */
	int64_t first_byte_timeout_ms, idle_timeout_ms;
	char method[24]; /* CURLOPT_CUSTOMREQUEST; empty: not set */
	struct curl_slist *lines;
	size_t lines_size;
	char *text;
	size_t text_size;

	/* the answer's head, as received, then in pieces */
	char *head;
	size_t head_len, head_size;
	size_t extra_len; /* of interim heads and trailers, which libcurl keeps */
	int64_t body_len; /* of a whole body */
	UeHeader *headers;
	size_t n_headers, headers_size;
	int status;
	UeSlice reason;
	int64_t content_length;

	char *early; /* body bytes that came before the handler could take them */
	size_t early_len, early_size;

	int64_t start_ms, first_byte_ms;
	int64_t sent_ms;	   /* when it was first handed to a connection */
	int64_t died_ms;	   /* and that was known to be dead; 0: not yet */
	CURLcode result;	   /* when has_result */
	UeNetwork network;	   /* why we ended it ourselves; NONE: curl says */
	bool is_body_streamed; /* by read_body */
	bool is_connected;	   /* from here on its socket is an established one */
	bool is_worn;		   /* not to be pooled: see handle_connected */
	bool is_idempotent;	   /* the method promises that a second time does no harm */
	bool is_sent;		   /* a connection has had it */
	bool is_resent;		   /* a second one too */
	bool is_head_complete; /* status, headers are set */
	bool is_head_delivered;
	bool is_receive_held;	/* the handler wants no more for now */
	bool is_receive_paused; /* and curl was told so */
	bool is_send_paused;
	bool must_unpause_send, must_unpause_receive;
	bool must_start; /* started from inside a callback */
	bool is_pending;
	bool is_cancelled;
	bool is_ended; /* released once it is off the pending list */
	bool has_result;
	char error_text[CURL_ERROR_SIZE];
};

struct UeUpstream
{
	UeLoop *loop;
	const UeUpstreamLimits *limits;
	const UeTransferHandler *handler;
	UeMulti **multis;
	size_t n_multis;
	UeSocket **sockets; /* by file descriptor */
	size_t sockets_size;
	UeSocket *graves; /* closed in this turn */
	UeTransfer *idle;
	int n_idle;
	int n_transfers;
	UeParsedBase *bases;
	size_t n_bases;
	UeTransfer *pending, **pending_end;
	UeDeferred deferred;
	int busy;		  /* ways in that we are inside of */
	bool is_starting; /* inside ue_upstream_start: the handler is not called */
};

/* upstream.c; leave is the end of what began with upstream->busy++ */
extern void ue_upstream_add_pending(UeTransfer *transfer);
extern void ue_upstream_drive(UeMulti *multi, curl_socket_t fd, int flags);
extern void ue_upstream_leave(UeUpstream *upstream);

/* upstream_socket.c: three callbacks of libcurl's, and the end of things */
extern curl_socket_t ue_upstream_open_socket(void *transfer, curlsocktype purpose,
											 struct curl_sockaddr *address);
extern int ue_upstream_close_socket(void *upstream, curl_socket_t fd);
extern int ue_upstream_handle_socket(CURL *easy, curl_socket_t fd, int what, void *multi,
									 void *socket_context);
extern void ue_upstream_free_sockets(UeUpstream *upstream);
extern void ue_upstream_free_graves(UeUpstream *upstream); /* at the end of a turn */

/* upstream_easy.c */
extern UeTransfer *ue_transfer_new(UeUpstream *upstream); /* NULL on exhaustion */
extern void ue_transfer_free(UeTransfer *transfer);
extern bool ue_transfer_prepare(UeTransfer *transfer, const UeTransferRequest *request,
								CURLU *curlu);
extern void ue_transfer_reset(UeTransfer *transfer); /* fit for the pool */

/* Room for so many bytes in a buffer of the transfer's; false: no memory. */
extern bool ue_transfer_reserve(char **buffer, size_t *size, size_t needed);

/* upstream_answer.c: callbacks of libcurl's */
extern int ue_transfer_handle_connected(void *transfer, char *primary_ip, char *local_ip,
										int primary_port, int local_port);
extern size_t ue_transfer_handle_header(char *ptr, size_t size, size_t count,
										void *transfer);
extern size_t ue_transfer_handle_data(char *ptr, size_t size, size_t count,
									  void *transfer);
extern size_t ue_transfer_handle_read(char *buffer, size_t size, size_t count,
									  void *transfer);
extern void ue_transfer_deliver(UeTransfer *transfer, UeSlice bytes); /* to on_data */

/* After the connection that had the request has died: a second time does no harm. */
extern bool ue_transfer_is_repeatable(const UeTransfer *transfer);

/* upstream_end.c */
extern UeNetwork ue_transfer_find_network(const UeTransfer *transfer, CURLcode result);

#endif
