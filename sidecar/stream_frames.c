/* SPDX-License-Identifier: PostgreSQL */
/*
 * stream_frames.c: the frames of application/vnd.amazon.eventstream, Bedrock's streams.
 *
 * As in stream.c the text under work is what is held plus the bytes fed.  Frames pass whole,
 * so that a frame of ours can follow when the upstream breaks off; one that is too large to
 * be held passes as it comes once its headers are there.  What came in one piece with an
 * exception and has nothing before it stays here: then the client can still be given an
 * error instead of a beginning.
 *
 * What is no frame passes unseen from there on (is_overlong).
 */
#include "core/eventframe.h"
#include "stream_private.h"

static void
pass_bytes(UeStream *stream, UeSlice bytes)
{
	if (bytes.len == 0)
		return;
	stream->has_passed = true;
	stream->pass(stream->context, bytes);
}

/* More of a frame that was let go. */
static UeSlice
pass_large(UeStream *stream, UeSlice bytes)
{
	UeSlice part = ue_slice_sub(bytes, 0, stream->frame_left);

	pass_bytes(stream, part);
	stream->frame_left -= part.len;
	return ue_slice_sub(bytes, part.len, bytes.len);
}

/* From here on nothing is looked at. */
static void
give_up(UeStream *stream, UeSlice text)
{
	stream->is_overlong = true;
	stream->pass_end = text.len;
}

/* Judges the frame at pass_end; true: it may pass and there may be another. */
static bool
scan_frame(UeStream *stream, UeSlice text)
{
	UeSlice rest = ue_slice_sub(text, stream->pass_end, text.len);
	UeSlice behind = rest;
	UeEventFrame frame;
	size_t len;

	if (rest.len < UE_EVENTFRAME_PRELUDE)
		return false;
	if (!ue_eventframe_is_frame(rest))
	{
		give_up(stream, text);
		return false;
	}
	len = ue_eventframe_len(rest);
	if (!ue_eventframe_next(&behind, &frame))
	{
		/* its headers are not all there, or not to be read */
		if (rest.len >= len || rest.len > UE_STREAM_HELD)
			give_up(stream, text);
		return false;
	}
	if (frame.is_error)
	{
		bool is_there = rest.len >= len || rest.len > UE_STREAM_HELD;

		stream->state = is_there ? UE_STREAM_ERROR : UE_STREAM_SUSPECT;
		stream->line_start = stream->pass_end + (rest.len < len ? rest.len : len);
		return false;
	}
	if (rest.len >= len)
	{
		stream->pass_end += len;
		return true;
	}
	if (len > UE_STREAM_HELD)
	{
		stream->frame_left = len - rest.len;
		stream->pass_end = text.len;
	}
	return false;
}

UeStreamState
ue_stream_feed_frames(UeStream *stream, UeSlice bytes)
{
	UeSlice text;

	if (stream->frame_left > 0)
		bytes = pass_large(stream, bytes);
	if (stream->is_overlong)
		pass_bytes(stream, bytes);
	if (stream->is_overlong || bytes.len == 0)
		return stream->state;
	text = bytes;
	if (stream->held_len > 0)
	{
		if (!ue_stream_hold(stream, bytes))
		{
			pass_bytes(stream, (UeSlice){stream->held, stream->held_len});
			pass_bytes(stream, bytes);
			ue_stream_reset(stream);
			stream->state = UE_STREAM_GOOD;
			stream->is_overlong = true;
			return stream->state;
		}
		text = (UeSlice){stream->held, stream->held_len};
	}
	stream->pass_end = 0;
	while (scan_frame(stream, text))
		;
	if (stream->state != UE_STREAM_ERROR || stream->has_passed)
		pass_bytes(stream, ue_slice_sub(text, 0, stream->pass_end));
	ue_stream_keep_rest(stream, text);
	return stream->state;
}

bool
ue_stream_is_inside_frame(const UeStream *stream)
{
	return stream->state == UE_STREAM_GOOD && !stream->is_overlong &&
		   (stream->held_len > 0 || stream->frame_left > 0);
}
