/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_stream_frames.c: streams of Amazon's binary frames, cut at every byte: good frames
 * pass as they are, an exception stays, what is no frame is let go.
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "core/decide.h"
#include "core/eventframe.h"
#include "guard.h"
#include "libc_allocator.h"
#include "stream.h"
#include "tap.h"

#define MOST_BYTES 400000
#define CEILING	   ((size_t) 16 * 1024 * 1024)

/* One header, ":message-type", makes these events; their CRCs are zlib's. */
#define MESSAGE_TYPE ":message-type"

typedef struct Sink
{
	char bytes[MOST_BYTES];
	size_t len;
} Sink;

static Sink sink;
static Guard guard;
static UeArena arena;

static void
take(void *context, UeSlice bytes)
{
	Sink *out = context;

	if (bytes.len > sizeof(out->bytes) - out->len)
		abort();
	memcpy(out->bytes + out->len, bytes.ptr, bytes.len);
	out->len += bytes.len;
}

static void
put_number(char *at, uint32_t number)
{
	for (int i = 0; i < 4; i++)
		at[i] = (char) (number >> (24 - 8 * i));
}

/* A frame written here, not by the code that is tested. */
static UeSlice
make_frame(const char *type, size_t payload_len)
{
	size_t headers_len = 1 + strlen(MESSAGE_TYPE) + 1 + 2 + strlen(type);
	size_t len = 12 + headers_len + payload_len + 4;
	char *bytes = ue_arena_allocate(&arena, len);
	char *at = bytes + 12;

	if (bytes == NULL)
		abort();
	put_number(bytes, (uint32_t) len);
	put_number(bytes + 4, (uint32_t) headers_len);
	put_number(bytes + 8, (uint32_t) crc32(0, (const unsigned char *) bytes, 8));
	*at++ = (char) strlen(MESSAGE_TYPE);
	memcpy(at, MESSAGE_TYPE, strlen(MESSAGE_TYPE));
	at += strlen(MESSAGE_TYPE);
	*at++ = 7;
	*at++ = 0;
	*at++ = (char) strlen(type);
	memcpy(at, type, strlen(type));
	at += strlen(type);
	memset(at, 'p', payload_len);
	put_number(bytes + len - 4,
			   (uint32_t) crc32(0, (const unsigned char *) bytes, (uInt) (len - 4)));
	return (UeSlice){bytes, len};
}

static UeSlice
join(UeSlice a, UeSlice b)
{
	char *bytes = ue_arena_allocate(&arena, a.len + b.len + 1);

	if (bytes == NULL)
		abort();
	if (a.len > 0)
		memcpy(bytes, a.ptr, a.len);
	if (b.len > 0)
		memcpy(bytes + a.len, b.ptr, b.len);
	return (UeSlice){bytes, a.len + b.len};
}

/* Fed in pieces of step bytes behind a first one; each ends where memory does. */
static UeStreamState
run(UeStream *stream, UeSlice text, size_t first, size_t step)
{
	sink.len = 0;
	ue_stream_init(stream, take, &sink);
	ue_stream_expect(stream, UE_STREAM_FRAMES);
	for (size_t at = 0, len = first; at < text.len; at += len, len = step)
	{
		UeSlice piece = guard_place(&guard, ue_slice_sub(text, at, len));

		if (len == 0)
			continue;
		ue_stream_feed(stream, piece);
		memset((char *) piece.ptr, 'X', piece.len);
	}
	return stream->state;
}

static bool
has_passed(UeSlice expected)
{
	return ue_slice_is_equal((UeSlice){sink.bytes, sink.len}, expected);
}

static void
test_good(void)
{
	UeSlice text = join(make_frame("event", 40), make_frame("event", 0));
	size_t n_wrong = 0;

	for (size_t first = 0; first < text.len; first++)
	{
		UeStream stream;
		bool is_right = run(&stream, text, first, first % 9 + 1) == UE_STREAM_GOOD &&
						has_passed(text) && !ue_stream_lacks_end(&stream) &&
						ue_stream_end(&stream) == UE_STREAM_GOOD &&
						ue_stream_takes_frame(&stream) &&
						ue_stream_separator(&stream).len == 0;

		n_wrong += !is_right;
		ue_stream_reset(&stream);
	}
	ok(n_wrong == 0, "frames: good ones pass byte for byte, however they are cut");
}

static void
test_exception(void)
{
	UeSlice event = make_frame("event", 30);
	UeSlice exception = make_frame("exception", 50);
	UeSlice text = join(join(event, exception), event);
	size_t n_wrong = 0;
	UeStream stream;

	for (size_t first = 1; first <= event.len; first++)
	{
		bool is_right =
			run(&stream, text, first, first < event.len ? 7 : 1) == UE_STREAM_ERROR &&
			has_passed(event) && ue_slice_is_equal(ue_stream_event(&stream), exception) &&
			ue_stream_takes_frame(&stream);

		n_wrong += !is_right;
		ue_stream_reset(&stream);
	}
	ok(n_wrong == 0,
	   "frames: an exception in the middle stays, what is before it passes");

	ok(run(&stream, text, text.len, 1) == UE_STREAM_ERROR && sink.len == 0 &&
		   ue_slice_is_equal(ue_stream_event(&stream), exception),
	   "frames: what comes in one piece with an exception does not begin an answer");
	ue_stream_reset(&stream);
	ok(run(&stream, make_frame("error", 0), 1, 1) == UE_STREAM_ERROR && sink.len == 0,
	   "frames: an unmodelled error is one too");
	ue_stream_reset(&stream);
}

static void
test_cut(void)
{
	UeSlice event = make_frame("event", 30);
	UeSlice exception = make_frame("exception", 50);
	UeSlice cut_event = join(event, ue_slice_sub(event, 0, event.len - 5));
	UeSlice cut_exception = join(event, ue_slice_sub(exception, 0, exception.len - 20));
	UeStream stream;

	ok(run(&stream, cut_event, 10, 10) == UE_STREAM_GOOD && has_passed(event) &&
		   ue_stream_lacks_end(&stream) && ue_stream_is_cut(&stream) &&
		   ue_stream_takes_frame(&stream),
	   "frames: half a frame at the end is no end, and ours can follow the last whole one");
	ue_stream_reset(&stream);
	ok(run(&stream, cut_exception, 10, 10) == UE_STREAM_SUSPECT && has_passed(event) &&
		   ue_stream_end(&stream) == UE_STREAM_ERROR &&
		   ue_stream_event(&stream).len == exception.len - 20,
	   "frames: half an exception at the end is one");
	ue_stream_reset(&stream);
}

static void
test_large(void)
{
	UeSlice large = make_frame("event", UE_STREAM_HELD + 100);
	UeSlice exception = make_frame("exception", 9);
	UeSlice large_exception = make_frame("exception", 2 * UE_STREAM_HELD);
	UeStream stream;

	ok(run(&stream, join(large, exception), 1000, 1000) == UE_STREAM_ERROR &&
		   has_passed(large) && ue_slice_is_equal(ue_stream_event(&stream), exception),
	   "frames: one too large to be held passes, and the next is looked at");
	ue_stream_reset(&stream);
	ok(run(&stream, ue_slice_sub(large, 0, 5000), 1000, 1000) == UE_STREAM_GOOD &&
		   sink.len == 5000 && !ue_stream_takes_frame(&stream) &&
		   ue_stream_lacks_end(&stream),
	   "frames: inside of it nothing of ours can follow");
	ue_stream_reset(&stream);
	ok(run(&stream, large_exception, 1000, 1000) == UE_STREAM_ERROR && sink.len == 0 &&
		   ue_stream_event(&stream).len > UE_STREAM_HELD &&
		   ue_stream_event(&stream).len <= UE_STREAM_HELD + 1000,
	   "frames: of a large exception the beginning is enough");
	ue_stream_reset(&stream);
}

static void
test_no_frame(void)
{
	UeSlice event = make_frame("event", 5);
	UeSlice text = join(event, UE_SLICE("this is no frame, whatever was announced"));
	UeSlice broken = join(make_frame("event", 5), (UeSlice){NULL, 0});
	UeStream stream;

	ok(run(&stream, text, 3, 3) == UE_STREAM_GOOD && has_passed(text) &&
		   !ue_stream_takes_frame(&stream) && !ue_stream_lacks_end(&stream),
	   "frames: other bytes pass as they are");
	ue_stream_reset(&stream);
	/* the length of the header's name leads beyond the headers */
	((char *) broken.ptr)[12] = (char) 0xff;
	ok(run(&stream, join(broken, event), 4, 4) == UE_STREAM_GOOD &&
		   has_passed(join(broken, event)),
	   "frames: one whose headers cannot be read passes, and all behind it");
	ue_stream_reset(&stream);
}

static void
test_build(void)
{
	UeSlice payload = UE_SLICE("{\"message\":\"Slow down.\"}");
	UeSlice built;
	UeSlice rest;
	UeEventFrame frame;
	uint32_t crc;

	ok(ue_eventframe_build(&arena, UE_SLICE("throttlingException"), payload, &built) ==
		   UE_OK,
	   "frames: an exception is built");
	rest = built;
	ok(ue_eventframe_next(&rest, &frame) && rest.len == 0 && frame.is_error &&
		   !frame.is_cut &&
		   ue_slice_is_equal(frame.exception, UE_SLICE("throttlingException")) &&
		   ue_slice_is_equal(frame.payload, payload),
	   "frames: and read again");
	crc = (uint32_t) crc32(0, (const unsigned char *) built.ptr, (uInt) (built.len - 4));
	for (int i = 0; i < 4; i++)
		crc ^= (uint32_t) (unsigned char) built.ptr[built.len - 4 + (size_t) i]
			   << (24 - 8 * i);
	ok(crc == 0, "frames: zlib computes the same CRC at its end");
}

/* What a row shows of a binary exception: its words. */
static void
test_detail(void)
{
	UeSlice payload =
		UE_SLICE("{\"message\":\"Bad key sk-proj-abcdefghijklmnop0123 was sent\"}");
	UeCase kase = {.kind = UE_KIND_STREAM_ERROR, .has_output = true};
	UeVerdict verdict;
	UeSlice built;
	size_t at;

	if (ue_eventframe_build(&arena, UE_SLICE("validationException"), payload, &built) !=
		UE_OK)
		abort();
	kase.response.platform = UE_SLICE("bedrock");
	kase.response.status = 200;
	kase.response.body = built;
	ok(ue_decide_case(&arena, NULL, &kase, &verdict) == UE_OK &&
		   ue_slice_has_prefix(verdict.detail, UE_SLICE("{\"message\":\"Bad key ")) &&
		   ue_slice_has_suffix_fold(verdict.detail, UE_SLICE("was sent\"}")) &&
		   !ue_slice_find(verdict.detail, UE_SLICE("abcdefgh"), &at) &&
		   verdict.original_bytes == (int64_t) built.len,
	   "frames: the detail is the payload, masked");
}

int
main(void)
{
	guard_init(&guard, MOST_BYTES);
	ue_arena_init(&arena, &libc_allocator, CEILING);
	test_good();
	test_exception();
	test_cut();
	test_large();
	test_no_frame();
	test_build();
	test_detail();
	ue_arena_free(&arena);
	guard_free(&guard);
	return done_testing();
}
