/* SPDX-License-Identifier: PostgreSQL */
/*
 * buf.h: a growing buffer with a ceiling, in an arena.
 *
 * The first failure sticks: later appends do nothing, ue_buf_finish reports it.  So a
 * writer appends freely and checks once.
 */
#ifndef UE_CORE_BUF_H
#define UE_CORE_BUF_H

#include "core/arena.h"

typedef struct UeBuf
{
	UeArena *arena;  /* not owned */
	char *ptr;       /* lives in the arena */
	size_t len;      /* bytes written */
	size_t size;     /* bytes reserved */
	size_t ceiling;  /* len never exceeds this */
	UeStatus status; /* the first failure */
} UeBuf;

extern void ue_buf_init(UeBuf *buf, UeArena *arena, size_t ceiling);
extern void ue_buf_append(UeBuf *buf, UeSlice slice);
extern void ue_buf_append_byte(UeBuf *buf, char byte);
extern void ue_buf_append_int64(UeBuf *buf, int64_t value);

/* What was written, followed by a NUL that is not counted; or the first failure. */
extern UeStatus ue_buf_finish(UeBuf *buf, UeSlice *out) UE_MUST_CHECK;

#endif
