/* SPDX-License-Identifier: PostgreSQL */
/*
 * ident.h: ids of events and requests, and those that clients bring along.
 *
 * One UeIdent per worker: random bytes are fetched from the kernel in bulk.
 */
#ifndef UE_IDENT_H
#define UE_IDENT_H

#include "core/slice.h"

#define UE_IDENT_POOL		640 /* 64 ids a system call */
#define UE_IDENT_REQUEST_ID 36	/* bytes of "req_" and 32 hex digits */

typedef struct UeIdent
{
	unsigned char pool[UE_IDENT_POOL];
	size_t n_left; /* 0 at first */
} UeIdent;

/* RFC 9562 version 7: ordered by time, 74 random bits. */
extern void ue_ident_build_uuid(UeIdent *ident, int64_t unix_ms, unsigned char out[16]);

/* Writes UE_IDENT_REQUEST_ID bytes, no NUL. */
extern void ue_ident_build_request_id(UeIdent *ident, int64_t unix_ms, char *out);

/* 64 random bits. */
extern uint64_t ue_ident_random(UeIdent *ident);

/* 1 to 128 bytes of [A-Za-z0-9._:-]: fit for a header, a row and a log line as it is. */
extern bool ue_ident_is_request_id(UeSlice text);

/* The 32 hex digits of a W3C traceparent; the empty slice when it is not one. */
extern UeSlice ue_ident_find_trace_id(UeSlice traceparent);

#endif
