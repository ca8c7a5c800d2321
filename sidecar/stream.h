/* SPDX-License-Identifier: PostgreSQL */
/*
 * stream.h: finds the error in an event stream, and lets everything else through.
 *
 * Pure and incremental.  A line passes once it is whole and is known to be no part of an
 * error; until then it is held, at most 64 KB, above which it passes unseen.  Nobody waits
 * for that: a client cannot act on half a line, and lines that only prepare an event
 * (event:, id:) pass with its data.  So what has passed always ends with a whole line, and
 * a stream that is cut can be ended with a frame of ours that the client can read.
 *
 * Amazon's binary streams are read frame by frame in the same way (stream_frames.c): a frame
 * of at most 64 KB passes once it is whole, of a larger one its headers are judged.
 *
 * An error is an event named "error" or "response.failed", or one whose data is an error
 * object (peek.h).
 */
#ifndef UE_STREAM_H
#define UE_STREAM_H

#include "core/slice.h"

/* Above this a line or an event is not held. */
#define UE_STREAM_HELD 65536

typedef enum UeStreamState
{
	UE_STREAM_GOOD = 0,
	UE_STREAM_SUSPECT, /* in an error event, of which the end is not there yet */
	UE_STREAM_ERROR,   /* ue_stream_event has it; feed nothing more */
} UeStreamState;

/* Whose events these are; of those that end with a certain event it is known when it is
 * missing. */
typedef enum UeStreamDialect
{
	UE_STREAM_ANY = 0,
	UE_STREAM_OPENAI_CHAT,
	UE_STREAM_OPENAI_RESPONSES,
	UE_STREAM_ANTHROPIC,
	UE_STREAM_GEMINI,
	UE_STREAM_FRAMES, /* no lines: application/vnd.amazon.eventstream */
} UeStreamDialect;

/* Fields are private to stream.c. */
typedef struct UeStream
{
	/* Called by feed with bytes that may go to the client, in order. */
	void (*pass)(void *context, UeSlice bytes);
	void *context;
	UeStreamState state;
	UeStreamDialect dialect;
	bool has_begun;	 /* an event of the dialect was seen */
	bool has_ended;	 /* and one that may be its last */
	bool was_unseen; /* something passed without being looked at */
	bool has_field;	 /* there was more than comments */
	char *held;		 /* owned; NULL while nothing is held */
	size_t held_len, held_size;
	size_t line_start; /* in held and the bytes fed, where the current line begins */
	size_t pass_end;   /* up to here all may pass */
	size_t data_start; /* of data that goes on over several lines; 0 with !is_data_open */
	bool is_data_open;
	bool is_after_cr;	/* a LF now belongs to the line end before */
	bool is_begun;		/* the byte order mark, if any, is behind */
	bool is_overlong;	/* the current line was too long to hold: it passes as it comes */
	bool is_line_open;	/* what has passed ends inside a line */
	bool is_event_open; /* what has passed ends inside an event */
	bool has_passed;	/* frames: something has */
	size_t frame_left;	/* of a frame that passes as it comes */
} UeStream;

extern void ue_stream_init(UeStream *stream, void (*pass)(void *context, UeSlice bytes),
						   void *context);
extern void ue_stream_expect(UeStream *stream, UeStreamDialect dialect); /* after init */
extern void ue_stream_reset(UeStream *stream); /* frees what is held */

/* Memory that runs out lets bytes pass unseen. */
extern UeStreamState ue_stream_feed(UeStream *stream, UeSlice bytes);

/* Before the end: what is there ends inside an event, which an upstream that closes its
 * connection instead of announcing a length cannot say otherwise. */
extern bool ue_stream_is_cut(const UeStream *stream);

/* Before the end: events of the dialect have come, and the last one is not among them. */
extern bool ue_stream_lacks_end(UeStream *stream);

/* The upstream has ended: an unfinished error event counts, anything else held passes. */
extern UeStreamState ue_stream_end(UeStream *stream);

/* The error event's text, "event: …\ndata: …", valid until reset. */
extern UeSlice ue_stream_event(const UeStream *stream);

/* A frame of ours can follow what has passed; never inside a binary frame. */
extern bool ue_stream_takes_frame(const UeStream *stream);

/* What has to be sent before a frame of ours, so that it begins a new event: an empty
 * slice, a line end, or two. */
extern UeSlice ue_stream_separator(const UeStream *stream);

#endif
