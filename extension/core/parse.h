/* SPDX-License-Identifier: PostgreSQL */
/*
 * parse.h: any upstream answer into a fault.
 *
 * Each dialect is a file parse_<dialect>.c with one function of the shape of
 * ue_parse_openai, tried in the order of the table in parse.c.  What no dialect claims is
 * read as general JSON, as HTML, or as text.
 */
#ifndef UE_CORE_PARSE_H
#define UE_CORE_PARSE_H

#include "core/arena.h"
#include "core/fault.h"
#include "core/json.h"

typedef struct UeResponse
{
	UeSlice platform; /* the vendor's name, lower case; may be empty */
	int status;		  /* HTTP; 0 when there was no answer */
	const UeHeader *headers;
	size_t n_headers; /* beyond UE_LIMIT_HEADERS they are not looked at */
	UeSlice body;	  /* raw; beyond UE_LIMIT_BODY it is not looked at */
	int64_t now_ms;	  /* Unix time of the answer: an HTTP-date is relative to it */
} UeResponse;

/*
 * Fills the first part of *out ("as the upstream said it") and leaves the second zeroed.
 * Never fails for what the upstream sent; only UE_NO_MEMORY.  Slices of *out point into
 * the response or the arena.  The body may also be one SSE event ("event: …\ndata: …").
 */
extern UeStatus ue_parse_response(UeArena *arena, const UeResponse *response,
								  UeFault *out) UE_MUST_CHECK;

/*
 * The same, and the tree that the fault was read from, for whoever masks the body:
 * *root is NULL when there was no JSON, *is_whole_body says that the tree is the whole
 * body (not the data of an event, nor a body cut at a ceiling).
 */
extern UeStatus ue_parse_response_tree(UeArena *arena, const UeResponse *response,
									   UeFault *out, const UeJson **root,
									   bool *is_whole_body) UE_MUST_CHECK;

/* First header of that name, any case; the empty slice when absent. */
extern UeSlice ue_parse_find_header(const UeResponse *response, UeSlice name);

/* True when the dialect recognises root and has filled *out from it. */
extern bool ue_parse_openai(const UeJson *root, UeFault *out);
extern bool ue_parse_anthropic(const UeJson *root, UeFault *out);
extern bool ue_parse_google(const UeJson *root, UeFault *out);
extern bool ue_parse_aws(const UeJson *root, UeFault *out);

/*
 * The wait that was asked for, or UE_RETRY_AFTER_NONE.  The most explicit source wins:
 * retry-after headers, then the body's fields, then its text, then the rate limit reset
 * headers, which are sent whatever the reason of the refusal; parse_retry.c.
 */
extern int64_t ue_parse_retry_after(const UeResponse *response, const UeJson *root,
									UeSlice message);

/* An HTTP-date (RFC 9110 5.6.7, the obsolete forms too) in Unix ms; false when it is not
 * one. */
extern bool ue_parse_http_date(UeSlice text, int64_t *out);

/*
 * Lines "name: value", separated by LF or CRLF, as an array in the arena; lines without a
 * colon are passed over.  The wire form of headers between the sidecar and SQL.
 */
extern UeStatus ue_parse_header_block(UeArena *arena, UeSlice block, UeHeader **out,
									  size_t *n_out) UE_MUST_CHECK;

#endif
