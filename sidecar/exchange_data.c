/* SPDX-License-Identifier: PostgreSQL */
/*
 * exchange_data.c: what each state does with an answer's bytes, and with their end.
 */
#include "exchange_attempts.h"

#include <stdlib.h>
#include <string.h>

#include "peek.h"

static void watch_end(UeExchange *exchange);
static void begin_events(UeExchange *exchange);
static void drop_request_body(UeExchange *exchange);
static void begin_collecting(UeExchange *exchange);
static void handle_collected(UeTimer *timer);
static bool send_head(UeExchange *exchange, int64_t content_length);
static void pass_stream(void *context, UeSlice bytes);
static bool is_empty(const UeExchange *exchange);

/* By status and content type.  What is compressed is not looked into: it must pass as it
 * came, and error objects inside of compressed good answers have not been seen. */
void
ue_exchange_choose_state(UeExchange *exchange)
{
	const UeHeader *headers = exchange->headers;
	size_t n_headers = exchange->n_headers;
	UeSlice type = ue_exchange_find_header(headers, n_headers, UE_SLICE("content-type"));
	bool has_body = exchange->status >= 200 && exchange->status < 300 &&
					exchange->content_length != 0 &&
					!ue_slice_is_equal(exchange->request->method, UE_SLICE("HEAD"));
	bool is_readable = has_body && !ue_exchange_is_encoded(exchange);

	if (exchange->status >= 400 || ue_exchange_is_misplaced(exchange, type))
		begin_collecting(exchange);
	else if (is_readable && ue_slice_has_prefix_fold(type, UE_SLICE("text/event-stream")))
		begin_events(exchange);
	else if (is_readable &&
			 ue_slice_has_prefix_fold(type,
									  UE_SLICE("application/vnd.amazon.eventstream")))
	{
		/* what opens such a stream is not told from output: its first frame is sent on */
		if (exchange->attempts == NULL)
			drop_request_body(exchange);
		ue_stream_init(&exchange->stream, pass_stream, exchange);
		ue_stream_expect(&exchange->stream, UE_STREAM_FRAMES);
		exchange->state = UE_EXCHANGE_STREAMING;
	}
	else if (is_readable && ue_exchange_is_worth_a_look(exchange, type))
	{
		exchange->state = UE_EXCHANGE_PEEKING;
		watch_end(exchange);
	}
	else if (has_body && type.len > 0 && ue_exchange_may_be_json(type) &&
			 ue_exchange_may_keep(exchange))
		ue_exchange_begin_keeping(exchange);
	else
	{
		exchange->state = UE_EXCHANGE_PASSING;
		if (is_readable && type.len > 0 && ue_exchange_may_be_json(type))
			watch_end(exchange);
		send_head(exchange, exchange->content_length);
	}
}

/* Where HTTP does not tell it, JSON does. */
static void
watch_end(UeExchange *exchange)
{
	if (ue_exchange_is_close_delimited(exchange))
		exchange->answer_scan = ue_body_scan_new();
}

static void
begin_events(UeExchange *exchange)
{
	if (exchange->attempts == NULL)
		drop_request_body(exchange);
	else
		ue_attempts_begin_stream(exchange->attempts);
	ue_stream_init(&exchange->stream, pass_stream, exchange);
	ue_stream_expect(&exchange->stream, ue_exchange_find_dialect(exchange));
	exchange->state = UE_EXCHANGE_STREAMING;
}

/* Streams are long: the request's body is not kept meanwhile, unless the upstream answers
 * before it has read all of it. */
static void
drop_request_body(UeExchange *exchange)
{
	ue_exchange_peek_request(exchange);
	if (exchange->is_body_lent && ue_transfer_has_sent_body(exchange->transfer))
		ue_client_consume_body(exchange->client, ue_client_body(exchange->client).len);
}

static void
begin_collecting(UeExchange *exchange)
{
	exchange->state = UE_EXCHANGE_COLLECTING;
	exchange->collecting.on_due = handle_collected;
	ue_loop_set_timer(exchange->owner->loop, &exchange->collecting, UE_COLLECT_MS);
}

static void
handle_collected(UeTimer *timer)
{
	UeExchange *exchange =
		(UeExchange *) ((char *) timer - offsetof(UeExchange, collecting));

	ue_exchange_fail_with_body(exchange, UE_KIND_HTTP_ERROR, UE_NETWORK_NONE,
							   (UeSlice){exchange->held, exchange->held_len});
}

static bool
send_head(UeExchange *exchange, int64_t content_length)
{
	size_t n_headers;
	const UeHeader *headers = ue_exchange_filter_answer(exchange, &n_headers);

	if (headers == NULL)
		return false;
	if (exchange->attempts != NULL)
		ue_attempts_note_output(exchange->attempts);
	ue_client_send_head(exchange->client, exchange->status, exchange->reason, headers,
						n_headers, content_length);
	return true;
}

bool
ue_exchange_peek_data(UeExchange *exchange, UeSlice bytes)
{
	UeSlice beginning = bytes;
	UePeek peek;

	if (exchange->held_len > 0)
	{
		if (!ue_exchange_hold_bytes(exchange, bytes))
			return ue_exchange_pass_held(exchange) &&
				   ue_client_send_body(exchange->client, bytes);
		beginning = (UeSlice){exchange->held, exchange->held_len};
	}
	else if (ue_exchange_is_misnamed_stream(exchange, bytes))
	{
		begin_events(exchange);
		return ue_exchange_stream_data(exchange, bytes);
	}
	peek = ue_peek_answer(ue_slice_sub(beginning, 0, UE_PEEK_BYTES), false);
	if (peek == UE_PEEK_MORE && beginning.len >= UE_PEEK_BYTES)
		peek = UE_PEEK_GOOD;
	switch (peek)
	{
		case UE_PEEK_MORE:
			if (exchange->held_len == 0)
				ue_exchange_hold_bytes(exchange, bytes);
			return true;
		case UE_PEEK_ERROR:
			begin_collecting(exchange);
			return exchange->held_len > 0 || ue_exchange_collect_data(exchange, bytes);
		case UE_PEEK_GOOD:
			break;
	}
	if (ue_exchange_may_keep(exchange))
	{
		ue_exchange_begin_keeping(exchange);
		return ue_exchange_keep_data(
			exchange, ue_slice_sub(bytes, 0, exchange->held_len > 0 ? 0 : bytes.len));
	}
	if (exchange->held_len > 0)
		return ue_exchange_pass_held(exchange);
	exchange->state = UE_EXCHANGE_PASSING;
	send_head(exchange, exchange->content_length);
	return ue_client_send_body(exchange->client, bytes);
}

bool
ue_exchange_pass_held(UeExchange *exchange)
{
	bool may_go_on;

	exchange->state = UE_EXCHANGE_PASSING;
	send_head(exchange, exchange->content_length);
	may_go_on = ue_client_send_body(exchange->client,
									(UeSlice){exchange->held, exchange->held_len});
	free(exchange->held);
	exchange->held = NULL;
	exchange->held_len = 0;
	exchange->held_size = 0;
	return may_go_on;
}

bool
ue_exchange_stream_data(UeExchange *exchange, UeSlice bytes)
{
	switch (ue_stream_feed(&exchange->stream, bytes))
	{
		case UE_STREAM_GOOD:
		case UE_STREAM_SUSPECT:
			return !exchange->is_full;
		case UE_STREAM_ERROR:
			break;
	}
	ue_exchange_fail_with_body(exchange, UE_KIND_STREAM_ERROR, UE_NETWORK_NONE,
							   ue_stream_event(&exchange->stream));
	return true;
}

/* Output begins with the first bytes that may pass.  Its length is not announced, for a
 * frame of ours may have to follow. */
static void
pass_stream(void *context, UeSlice bytes)
{
	UeExchange *exchange = context;

	if (exchange->attempts != NULL && exchange->attempts->is_holding &&
		ue_attempts_hold(exchange->attempts, &bytes))
		return;
	ue_exchange_pass_stream(exchange, bytes);
}

void
ue_exchange_pass_stream(UeExchange *exchange, UeSlice bytes)
{
	if (!ue_client_has_sent_head(exchange->client))
	{
		send_head(exchange, -1);
		if (exchange->attempts != NULL && exchange->transfer != NULL)
			ue_attempts_drop_body(exchange->attempts);
	}
	if (bytes.len > 0 && !ue_client_send_body(exchange->client, bytes))
		exchange->is_full = true;
}

/* Up to the ceiling; then the rest is not waited for. */
bool
ue_exchange_collect_data(UeExchange *exchange, UeSlice bytes)
{
	size_t ceiling = exchange->owner->config->error_body_bytes;
	size_t room = ceiling > exchange->held_len ? ceiling - exchange->held_len : 0;

	if (bytes.len <= room && ue_exchange_hold_bytes(exchange, bytes))
		return true;
	if (bytes.len > room)
		ue_exchange_hold_bytes(exchange, ue_slice_sub(bytes, 0, room));
	ue_exchange_fail_with_body(exchange, UE_KIND_HTTP_ERROR, UE_NETWORK_NONE,
							   (UeSlice){exchange->held, exchange->held_len});
	return true;
}

bool
ue_exchange_hold_bytes(UeExchange *exchange, UeSlice bytes)
{
	size_t needed = exchange->held_len + bytes.len;

	if (bytes.len == 0)
		return true;
	if (needed > exchange->held_size)
	{
		size_t size = needed < 1024 ? 1024 : needed + needed / 2;
		char *held = realloc(exchange->held, size);

		if (held == NULL)
			return false;
		exchange->held = held;
		exchange->held_size = size;
	}
	memcpy(exchange->held + exchange->held_len, bytes.ptr, bytes.len);
	exchange->held_len = needed;
	return true;
}

/* Nothing was sent yet, so half an answer can still become an error answer. */
void
ue_exchange_end_peeking(UeExchange *exchange, UeNetwork network)
{
	UeSlice held = {exchange->held, exchange->held_len};

	if (network != UE_NETWORK_NONE)
		ue_exchange_fail_with_body(exchange, UE_KIND_STREAM_ERROR, network, held);
	else if (ue_peek_answer(held, true) == UE_PEEK_ERROR ||
			 (ue_slice_trim(held).len == 0 && exchange->route.has_answer))
		ue_exchange_fail_with_body(exchange, UE_KIND_HTTP_ERROR, network, held);
	else
	{
		ue_exchange_pass_held(exchange);
		ue_exchange_end_good(exchange);
	}
}

/* Of a stream, at its end: comments at most, where there is always something to say. */
static bool
is_empty(const UeExchange *exchange)
{
	const UeStream *stream = &exchange->stream;

	if (!exchange->route.has_answer)
		return false;
	if (stream->dialect != UE_STREAM_FRAMES)
		return !stream->has_field && !stream->is_overlong && !stream->was_unseen;
	return stream->held_len == 0 && !ue_client_has_sent_head(exchange->client);
}

/* Of a stream that was cut, half a line is worth nothing to the client, unless it is half
 * of an error event, which says why. */
void
ue_exchange_end_streaming(UeExchange *exchange, UeNetwork network)
{
	UeSlice event = {NULL, 0};
	bool is_error = false;

	if (network == UE_NETWORK_NONE && exchange->stream.state == UE_STREAM_GOOD &&
		((ue_exchange_is_close_delimited(exchange) &&
		  ue_stream_is_cut(&exchange->stream)) ||
		 ue_stream_lacks_end(&exchange->stream)))
		network = UE_NETWORK_TRUNCATED;
	if (network == UE_NETWORK_NONE)
		is_error = ue_stream_end(&exchange->stream) == UE_STREAM_ERROR;
	if (network == UE_NETWORK_NONE && !is_error && is_empty(exchange))
		network = UE_NETWORK_TRUNCATED;
	if (is_error || exchange->stream.state == UE_STREAM_SUSPECT)
		event = ue_stream_event(&exchange->stream);
	if (is_error || network != UE_NETWORK_NONE)
	{
		ue_exchange_fail_with_body(exchange, UE_KIND_STREAM_ERROR, network, event);
		return;
	}
	if (exchange->attempts != NULL)
		ue_attempts_let_go(exchange->attempts);
	if (!ue_client_has_sent_head(exchange->client))
		send_head(exchange, exchange->content_length);
	ue_exchange_end_good(exchange);
}
