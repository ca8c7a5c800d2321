/* SPDX-License-Identifier: PostgreSQL */
/*
 * stream_private.h: what the readers of lines and of frames share.
 */
#ifndef UE_STREAM_PRIVATE_H
#define UE_STREAM_PRIVATE_H

#include "stream.h"

/* stream.c: bytes behind what is held; false when there is no memory. */
extern bool ue_stream_hold(UeStream *stream, UeSlice bytes);

/* What has not passed moves to the beginning of held; of an error, up to line_start. */
extern void ue_stream_keep_rest(UeStream *stream, UeSlice text);

/* stream_frames.c */
extern UeStreamState ue_stream_feed_frames(UeStream *stream, UeSlice bytes);
extern bool ue_stream_is_inside_frame(const UeStream *stream);

#endif
