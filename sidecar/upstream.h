/* SPDX-License-Identifier: PostgreSQL */
/*
 * upstream.h: HTTP towards upstreams, by libcurl's multi interface on our loop.
 *
 * One UeUpstream per worker: several CURLMs filled first fit with at most 128 transfers
 * each (one big multi walks all its connections for every new transfer), and a pool of
 * easy handles.  upstream.c is the only file that includes <curl/curl.h>.
 */
#ifndef UE_UPSTREAM_H
#define UE_UPSTREAM_H

#include "core/fault.h"
#include "loop.h"

typedef struct UeUpstream UeUpstream;
typedef struct UeTransfer UeTransfer;
typedef struct UeBaseUrl UeBaseUrl; /* a parsed "https://host:port/prefix", read-only */

typedef struct UeUpstreamLimits
{
	int64_t connect_timeout_ms;
	int64_t first_byte_timeout_ms; /* from the whole request sent to the answer's head */
	int64_t idle_timeout_ms;	   /* between two pieces of an answer, while not paused */
	size_t max_head_bytes;		   /* of the answer; as much again of 1xx and trailers */
} UeUpstreamLimits;

typedef struct UeTransferRequest
{
	const UeBaseUrl *base;
	UeSlice method;
	UeSlice target;			 /* path and query, appended to the base's path */
	const UeHeader *headers; /* end-to-end ones only; Host comes from the base */
	size_t n_headers;
	int64_t content_length; /* -1: unknown, sent chunked; 0: no body */
	UeSlice whole_body; /* when it is complete already; else empty: read_body is asked */
	bool
		is_stream; /* the answer is thought to last, in small pieces: less is read at once */
	int64_t connect_timeout_ms; /* 0, and of the next two: as the limits say */
	int64_t first_byte_timeout_ms;
	int64_t idle_timeout_ms;
	const char *proxy; /* URL of an outbound proxy; NULL: none; copied */
} UeTransferRequest;

/* Why a transfer ended.  network is UE_NETWORK_NONE when the answer was whole. */
typedef struct UeTransferEnd
{
	UeNetwork network;
	int status;			/* 0: no head arrived */
	const char *reason; /* libcurl's words, may name hosts: mask before use; NULL: none */
	int64_t total_ms;
	int64_t first_byte_ms; /* -1: none */
} UeTransferEnd;

/* All are called from the loop, never from inside a call of this header. */
typedef struct UeTransferHandler
{
	/* Copies up to size bytes of request body; 0: none now (call ue_transfer_resume_send
	 * later); *is_end when there will be no more.  Negative: abort. */
	int64_t (*read_body)(void *context, char *buffer, size_t size, bool *is_end);
	/* The final head (1xx passed over).  Slices valid until on_end returns or the cancel. */
	void (*on_head)(void *context, int status, UeSlice reason, const UeHeader *headers,
					size_t n_headers, int64_t content_length);
	/* Body bytes as they came (never decoded).  False: hold the rest back until
	 * ue_transfer_resume_receive; these bytes are taken in either case. */
	bool (*on_data)(void *context, UeSlice bytes);
	/* Exactly once unless cancelled; the transfer is gone after this returns. */
	void (*on_end)(void *context, const UeTransferEnd *end);
	/*
	 * Optional.  A kept connection has died under the request without a byte of an answer,
	 * at once, or the method only reads: whether it may be sent once more, over another.
	 * No further call from here; may come from inside ue_upstream_start.
	 */
	bool (*may_resend)(void *context);
} UeTransferHandler;

/* Once per process, before threads. */
extern bool ue_upstream_global_init(void);

/* NULL and a sentence in error when text is not an http or https URL with a host, or has
 * a query, fragment or credentials.  proxy may be NULL. */
extern UeBaseUrl *ue_base_url_parse(const char *text, char *error, size_t error_size);
extern const char *ue_base_url_host(const UeBaseUrl *base);
extern void ue_base_url_free(UeBaseUrl *base);

extern UeUpstream *ue_upstream_new(UeLoop *loop, const UeUpstreamLimits *limits,
								   const UeTransferHandler *handler);
extern void ue_upstream_free(UeUpstream *upstream);
extern int ue_upstream_count_transfers(const UeUpstream *upstream);

/* NULL on exhaustion.  The request's slices must stay valid until on_end or cancel. */
extern UeTransfer *ue_upstream_start(UeUpstream *upstream,
									 const UeTransferRequest *request, void *context);
extern void ue_transfer_resume_send(UeTransfer *transfer);
extern void ue_transfer_resume_receive(UeTransfer *transfer);

/* Of a whole_body, all has been handed to the system: it is not read again. */
extern bool ue_transfer_has_sent_body(const UeTransfer *transfer);

/* Closes the connection to the upstream at once (the vendor stops generating); may be
 * called from inside a handler.  on_end is not called. */
extern void ue_transfer_cancel(UeTransfer *transfer);

#endif
