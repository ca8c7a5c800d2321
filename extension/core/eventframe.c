/* SPDX-License-Identifier: PostgreSQL */
/*
 * eventframe.c: reading the frames of Amazon's event streams.
 */
#include "core/eventframe.h"

#include "core/buf.h"
#include "core/limits.h"

#define TRAILER		4
#define SHORTEST	(UE_EVENTFRAME_PRELUDE + TRAILER)
#define TYPE_STRING 7
#define MAX_HEADERS (128 * 1024) /* the specification's ceilings */
#define MAX_FRAME	(16 * 1024 * 1024 + MAX_HEADERS + SHORTEST)
#define N_TYPES		10

static uint32_t
read_number(UeSlice text, size_t at, size_t n_bytes)
{
	uint32_t number = 0;

	for (size_t i = at; i < at + n_bytes; i++)
		number = number << 8 | (unsigned char) text.ptr[i];
	return number;
}

/* CRC-32 of IEEE 802.3, bit by bit: of preludes, and of the few frames that are ours. */
static uint32_t
compute_crc(UeSlice bytes)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < bytes.len; i++)
	{
		crc ^= (unsigned char) bytes.ptr[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0xEDB88320) : 0);
	}
	return ~crc;
}

bool
ue_eventframe_is_frame(UeSlice text)
{
	uint32_t frame_len;
	uint32_t headers_len;

	if (text.len < UE_EVENTFRAME_PRELUDE)
		return false;
	frame_len = read_number(text, 0, 4);
	headers_len = read_number(text, 4, 4);
	return frame_len >= SHORTEST && frame_len <= MAX_FRAME &&
		   headers_len <= MAX_HEADERS && headers_len <= frame_len - SHORTEST &&
		   compute_crc(ue_slice_sub(text, 0, 8)) == read_number(text, 8, 4);
}

size_t
ue_eventframe_len(UeSlice text)
{
	return read_number(text, 0, 4);
}

/* Length of a header's value with what announces it; 0 when it is not to be read. */
static size_t
measure_value(UeSlice headers, size_t at, uint32_t type)
{
	/* true, false, byte, short, integer, long, bytes, string, timestamp, uuid */
	static const size_t sizes[N_TYPES] = {0, 0, 1, 2, 4, 8, 0, 0, 8, 16};

	if (type >= N_TYPES)
		return SIZE_MAX;
	if (type != TYPE_STRING && type != TYPE_STRING - 1)
		return sizes[type];
	if (headers.len - at < 2)
		return SIZE_MAX;
	return 2 + read_number(headers, at, 2);
}

static void
take_header(UeSlice name, UeSlice value, UeEventFrame *out)
{
	if (ue_slice_is_equal(name, UE_SLICE(":message-type")))
		out->is_error = ue_slice_is_equal(value, UE_SLICE("exception")) ||
						ue_slice_is_equal(value, UE_SLICE("error"));
	else if (ue_slice_is_equal(name, UE_SLICE(":exception-type")) ||
			 ue_slice_is_equal(name, UE_SLICE(":error-code")))
		out->exception = value;
	else if (ue_slice_is_equal(name, UE_SLICE(":error-message")))
		out->message = value;
}

static bool
read_headers(UeSlice headers, UeEventFrame *out)
{
	size_t at = 0;

	while (at < headers.len)
	{
		size_t name_len = (unsigned char) headers.ptr[at++];
		UeSlice name = ue_slice_sub(headers, at, name_len);
		uint32_t type;
		size_t len;

		at += name_len;
		if (name_len == 0 || at >= headers.len)
			return false;
		type = (unsigned char) headers.ptr[at++];
		len = measure_value(headers, at, type);
		if (len > headers.len - at)
			return false;
		if (type == TYPE_STRING)
			take_header(name, ue_slice_sub(headers, at + 2, len - 2), out);
		at += len;
	}
	return true;
}

bool
ue_eventframe_next(UeSlice *rest, UeEventFrame *out)
{
	UeEventFrame frame = {.is_error = false};
	size_t frame_len;
	size_t headers_len;

	if (!ue_eventframe_is_frame(*rest))
		return false;
	frame_len = read_number(*rest, 0, 4);
	headers_len = read_number(*rest, 4, 4);
	if (rest->len - UE_EVENTFRAME_PRELUDE < headers_len ||
		!read_headers(ue_slice_sub(*rest, UE_EVENTFRAME_PRELUDE, headers_len), &frame))
		return false;
	frame.payload =
		ue_slice_sub(*rest, UE_EVENTFRAME_PRELUDE + headers_len,
					 frame_len - UE_EVENTFRAME_PRELUDE - headers_len - TRAILER);
	frame.is_cut = rest->len < frame_len;
	*rest = ue_slice_sub(*rest, frame_len, rest->len);
	*out = frame;
	return true;
}

bool
ue_eventframe_find_error(UeSlice text, UeEventFrame *out)
{
	UeEventFrame frame;

	while (ue_eventframe_next(&text, &frame))
		if (frame.is_error)
		{
			*out = frame;
			return true;
		}
	return false;
}

static void
append_number(UeBuf *buf, size_t number, int n_bytes)
{
	for (int shift = 8 * (n_bytes - 1); shift >= 0; shift -= 8)
		ue_buf_append_byte(buf, (char) (number >> shift & 0xff));
}

static void
append_header(UeBuf *buf, UeSlice name, UeSlice value)
{
	append_number(buf, name.len, 1);
	ue_buf_append(buf, name);
	append_number(buf, TYPE_STRING, 1);
	append_number(buf, value.len, 2);
	ue_buf_append(buf, value);
}

static void
append_crc(UeBuf *buf)
{
	if (buf->status == UE_OK)
		append_number(buf, compute_crc((UeSlice){buf->ptr, buf->len}), 4);
}

UeStatus
ue_eventframe_build(UeArena *arena, UeSlice exception, UeSlice payload, UeSlice *out)
{
	UeBuf headers;
	UeBuf frame;
	UeSlice block;
	UeStatus status;

	ue_buf_init(&headers, arena, UE_LIMIT_ANSWER);
	append_header(&headers, UE_SLICE(":exception-type"), ue_slice_sub(exception, 0, 255));
	append_header(&headers, UE_SLICE(":content-type"), UE_SLICE("application/json"));
	append_header(&headers, UE_SLICE(":message-type"), UE_SLICE("exception"));
	status = ue_buf_finish(&headers, &block);
	if (status != UE_OK)
		return status;
	ue_buf_init(&frame, arena, 2 * UE_LIMIT_ANSWER);
	append_number(&frame, SHORTEST + block.len + payload.len, 4);
	append_number(&frame, block.len, 4);
	append_crc(&frame);
	ue_buf_append(&frame, block);
	ue_buf_append(&frame, payload);
	append_crc(&frame);
	return ue_buf_finish(&frame, out);
}
