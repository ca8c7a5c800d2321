/* SPDX-License-Identifier: PostgreSQL */
/*
 * server_parse.h: one HTTP/1 request from bytes, in pieces of any size.
 *
 * Private to the server.  Copies what must last (the head, the unread body) into memory
 * of its own, so the caller may read into one buffer for all connections.  Stricter than
 * its library: what two parsers could understand differently is refused.
 */
#ifndef UE_SERVER_PARSE_H
#define UE_SERVER_PARSE_H

#include "server.h"

typedef struct UeParser UeParser;

typedef enum UeParse
{
	UE_PARSE_MORE = 0, /* all bytes used, the request goes on */
	UE_PARSE_WHOLE,	   /* the request has ended; bytes may be left */
	UE_PARSE_REFUSED,  /* ue_parser_refusal says why; only reset or free may follow */
} UeParse;

/* What the client is told. */
typedef struct UeRefusal
{
	int status;
	const char *reason;
	const char *code;
	const char *message; /* needs no escaping in JSON */
} UeRefusal;

extern const UeRefusal ue_refusal_timeout; /* 408 */

extern UeParser *ue_parser_new(const UeServerLimits *limits); /* NULL on exhaustion */
extern void ue_parser_free(UeParser *parser);

/* Ready for the next request; gives back the memory of the last. */
extern void ue_parser_reset(UeParser *parser);

extern UeParse ue_parser_read(UeParser *parser, UeSlice bytes, size_t *n_used);
extern const UeRefusal *ue_parser_refusal(const UeParser *parser);

/* The head is good; what was refused is the framing of the body. */
extern bool ue_parser_is_body_refused(const UeParser *parser);

/* NULL while the head is not whole.  Valid until reset. */
extern const UeRequest *ue_parser_request(const UeParser *parser);
extern bool ue_parser_is_whole(const UeParser *parser);

/* Of the head. */
extern bool ue_parser_is_http_1_0(const UeParser *parser);
extern bool ue_parser_is_head_method(const UeParser *parser);
extern bool ue_parser_has_expect(const UeParser *parser);	  /* 100-continue */
extern bool ue_parser_has_keep_alive(const UeParser *parser); /* asked for or implied */

/* Body bytes, framing removed, received and not consumed. */
extern UeSlice ue_parser_body(const UeParser *parser);
extern void ue_parser_consume(UeParser *parser, size_t n_bytes);

#endif
