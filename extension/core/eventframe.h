/* SPDX-License-Identifier: PostgreSQL */
/*
 * eventframe.h: frames of application/vnd.amazon.eventstream, Bedrock's streams.
 *
 * A frame, numbers big-endian (smithy.io, "Amazon Event Stream Specification"):
 *
 *	4  length of the frame        4  length of its headers      4  CRC-32 of these eight
 *	   headers: 1 length, name, 1 type, value (strings, type 7: 2 length, bytes)
 *	   payload                    4  CRC-32 of all before
 *
 * The CRC of the first eight bytes tells a frame from other binary data; the last one is
 * not looked at, for the payload of a frame that was cut is of interest too.
 */
#ifndef UE_CORE_EVENTFRAME_H
#define UE_CORE_EVENTFRAME_H

#include "core/arena.h"

/* Bytes before the headers. */
#define UE_EVENTFRAME_PRELUDE 12

typedef struct UeEventFrame
{
	UeSlice exception; /* ":exception-type", or of an unmodelled error ":error-code" */
	UeSlice message;   /* ":error-message", which only the latter has */
	UeSlice payload;   /* as far as it is there */
	bool is_error;	   /* ":message-type" is exception or error */
	bool is_cut;
} UeEventFrame;

/* The bytes before a frame's headers are there and right. */
extern bool ue_eventframe_is_frame(UeSlice text);

/* Bytes of the frame that begins here, which is_frame has told to be one. */
extern size_t ue_eventframe_len(UeSlice text);

/* Takes a frame off *rest; false when its headers are not all there, or not readable. */
extern bool ue_eventframe_next(UeSlice *rest, UeEventFrame *out);

/* The first that is an error. */
extern bool ue_eventframe_find_error(UeSlice text, UeEventFrame *out);

/* An exception as a whole frame, its payload JSON; its name has at most 255 bytes. */
extern UeStatus ue_eventframe_build(UeArena *arena, UeSlice exception, UeSlice payload,
									UeSlice *out) UE_MUST_CHECK;

#endif
