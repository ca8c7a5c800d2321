/* SPDX-License-Identifier: PostgreSQL */
/*
 * render.h: an answer in the dialect that the client's SDK understands.
 *
 * Each format is a file render_<format>.c.  Before the first byte the client gets status,
 * headers and body; inside a stream the frame that makes that SDK raise.
 */
#ifndef UE_CORE_RENDER_H
#define UE_CORE_RENDER_H

#include "core/arena.h"
#include "core/buf.h"
#include "core/fault.h"
#include "core/limits.h"

/* What is to be said, already masked and in the client's words. */
typedef struct UeAnswer
{
	int status;			/* 400 to 599 */
	UeClass class;		/* chooses the dialect's own type word when type is empty */
	UeSlice type;		/* the format's own word for it, or empty */
	UeSlice code;		/* empty: null where the dialect has the field */
	UeSlice param;		/* empty: null */
	UeSlice message;	/* never empty */
	UeSlice request_id; /* ours */
	UeSlice upstream_request_id; /* empty: ours is used in its place */
	int retry_after_s;			 /* 1 to 60, or 0: no header */
	bool is_retry_useless;		 /* sends x-should-retry: false */
	UeSlice
		passed_body; /* not empty: a masked body of this very format to send as it is */
	bool is_aws;	 /* for an SDK of AWS too; no body is passed then */
} UeAnswer;

typedef struct UeRendered
{
	int status;
	UeHeader headers[UE_LIMIT_ANSWER_HEADERS]; /* lower-case names, content-type first */
	size_t n_headers;
	UeSlice body;  /* one JSON object */
	UeSlice frame; /* the same inside an event stream, blank line included */
} UeRendered;

extern UeStatus ue_render_answer(UeArena *arena, UeFormat format, const UeAnswer *answer,
								 UeRendered *out) UE_MUST_CHECK;

/* The body and the frame of one format. */
extern UeStatus ue_render_openai(UeArena *arena, const UeAnswer *answer,
								 UeRendered *out) UE_MUST_CHECK;
extern UeStatus ue_render_openai_responses(UeArena *arena, const UeAnswer *answer,
										   UeRendered *out) UE_MUST_CHECK;
extern UeStatus ue_render_anthropic(UeArena *arena, const UeAnswer *answer,
									UeRendered *out) UE_MUST_CHECK;
extern UeStatus ue_render_gemini(UeArena *arena, const UeAnswer *answer,
								 UeRendered *out) UE_MUST_CHECK;

/* Puts what AWS's SDKs read before the rendered body, and into headers. */
extern UeStatus ue_render_aws(UeArena *arena, const UeAnswer *answer,
							  UeRendered *rendered) UE_MUST_CHECK;

/* Without room, which is for all that we send, it is left out. */
extern void ue_render_add_header(UeRendered *out, UeSlice name, UeSlice value);

/* Appends body, which is JSON, in one line: an event's data ends where its line does. */
extern void ue_render_append_line(UeBuf *buf, UeSlice body);

/* Headers as lines "name: value\n": the wire form between SQL and the sidecar. */
extern UeStatus ue_render_header_block(UeArena *arena, const UeHeader *headers,
									   size_t n_headers, UeSlice *out) UE_MUST_CHECK;

#endif
