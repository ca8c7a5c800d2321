/* SPDX-License-Identifier: PostgreSQL */
/*
 * wire.h: HTTP/1.1 as an upstream speaks it, on a blocking socket, one thread each.
 *
 * Only what the scripted upstream needs: it trusts its clients (our tests), but reads
 * bodies of any size and answers with every framing, the broken ones too.
 */
#ifndef UE_TEST_WIRE_H
#define UE_TEST_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UE_WIRE_HEAD 65536 /* request line and headers */
#define UE_WIRE_BODY 65536 /* beginning of a body that is kept; the rest is only summed */
#define UE_WIRE_TAIL 256   /* but for its end, which is kept behind the beginning */

typedef struct UeWireRequest
{
	char *method; /* all point into the wire's head buffer, ended by NUL */
	char *target;
	char *headers;			/* "name: value\r\n" lines */
	int64_t content_length; /* -1: chunked */
	int64_t body_bytes;		/* received */
	uint32_t body_crc;		/* of all of them, as zlib's crc32 */
	size_t kept;			/* bytes of the beginning in UeWire.body */
	size_t tail;			/* bytes of the end behind them */
	bool is_kept_alive;
} UeWireRequest;

typedef struct UeWire
{
	int fd;
	size_t begin, end; /* unread bytes in input */
	char input[32768];
	char head[UE_WIRE_HEAD + 1];
	char body[UE_WIRE_BODY + UE_WIRE_TAIL + 1];
} UeWire;

/* The head of the next request; false when there is none.  Answers Expect by itself. */
extern bool ue_wire_read_head(UeWire *wire, UeWireRequest *out);
extern bool ue_wire_read_body(UeWire *wire, UeWireRequest *request);

/* Copies a header's value, "" when absent; true when present. */
extern bool ue_wire_find_header(const UeWireRequest *request, const char *name, char *out,
								size_t size);

/* headers: lines ended by "\r\n", or "".  All return false when the peer is gone. */
extern bool ue_wire_send_answer(UeWire *wire, int status, const char *headers,
								const char *body, size_t len);
/* content_length -1: chunked. */
extern bool ue_wire_send_head(UeWire *wire, int status, const char *headers,
							  int64_t content_length);
extern bool ue_wire_send_raw(UeWire *wire, const char *bytes, size_t len);
extern bool ue_wire_send_chunk(UeWire *wire, const char *bytes, size_t len);
extern bool ue_wire_end_chunks(UeWire *wire);

/* Waits until the peer has gone (true) or the time is over (false). */
extern bool ue_wire_wait_gone(UeWire *wire, int ms);

/* The next close sends RST instead of FIN. */
extern void ue_wire_make_reset(UeWire *wire);

extern uint32_t ue_wire_sum(uint32_t crc, const char *bytes, size_t len);
extern void ue_wire_global_init(void); /* before threads */

#endif
