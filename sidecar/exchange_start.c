/* SPDX-License-Identifier: PostgreSQL */
/*
 * exchange_start.c: a request on its way to an upstream.
 */
#include <stdlib.h>
#include <string.h>

#include "exchange_attempts.h"

static bool fill_request(UeExchange *exchange, UeTransferRequest *request,
						 UeFailureCause *cause);
static bool wants_stream(UeExchange *exchange, UeSlice body);

/* True when no upstream can be asked; then the answer is on its way. */
bool
ue_exchange_refuse(UeExchange *exchange)
{
	UeFailureCause cause = {.kind = UE_KIND_LOCAL_ERROR};

	if (exchange->route.upstream == NULL)
	{
		cause.local_code = UE_SLICE("unknown_route");
		cause.local_message = exchange->route.path;
	}
	else if (exchange->request->is_upgrade)
	{
		cause.local_code = UE_SLICE("not_implemented");
		cause.local_message = UE_SLICE("protocol upgrade");
	}
	else if (exchange->route.is_climbing)
	{
		cause.local_code = UE_SLICE("bad_request");
		cause.local_message = UE_SLICE("a path with the segment \".\" or \"..\"");
	}
	else
		return false;
	ue_exchange_fail(exchange, &cause);
	return true;
}

/* Where there is no memory it stays as it is written. */
void
ue_exchange_decode_model(UeExchange *exchange)
{
	UeSlice written = exchange->route.model;

	if (written.len == 0 || memchr(written.ptr, '%', written.len) == NULL)
		return;
	exchange->path_model = malloc(written.len);
	if (exchange->path_model != NULL)
		exchange->path_model_len = ue_route_decode(written, exchange->path_model);
}

UeSlice
ue_exchange_model(const UeExchange *exchange)
{
	if (exchange->path_model != NULL)
		return (UeSlice){exchange->path_model, exchange->path_model_len};
	if (exchange->route.model.len > 0)
		return exchange->route.model;
	return (UeSlice){exchange->model, exchange->model_len};
}

bool
ue_exchange_refuse_body(UeExchange *exchange)
{
	UeFailureCause cause = {
		.kind = UE_KIND_LOCAL_ERROR,
		.local_code = UE_SLICE("request_body_too_large"),
	};
	size_t max_bytes = exchange->owner->config->max_body_bytes;
	int64_t n_bytes = exchange->request->content_length;
	UeBuf buf;

	if (max_bytes == 0 || exchange->is_refused || exchange->state == UE_EXCHANGE_DECIDING)
		return false;
	/* of unknown length: what was taken from the client, and what waits */
	if (n_bytes < 0)
		n_bytes = (exchange->is_body_lent ? 0 : exchange->received_bytes) +
				  (int64_t) ue_client_body(exchange->client).len;
	if (n_bytes <= (int64_t) max_bytes)
		return false;
	exchange->is_refused = true;
	ue_client_refuse_body(exchange->client);
	if (exchange->state == UE_EXCHANGE_COLLECTING)
	{
		/* the upstream had failed before, and says why */
		ue_exchange_fail_with_body(exchange, UE_KIND_HTTP_ERROR, UE_NETWORK_NONE,
								   (UeSlice){exchange->held, exchange->held_len});
		return true;
	}
	/* without memory for it the code says enough */
	ue_buf_init(&buf, &exchange->arena, UE_LIMIT_TOKEN);
	ue_buf_append(&buf, UE_SLICE("more than "));
	ue_buf_append_int64(&buf, (int64_t) max_bytes);
	ue_buf_append(&buf, UE_SLICE(" bytes"));
	if (ue_buf_finish(&buf, &cause.local_message) != UE_OK)
		cause.local_message = (UeSlice){NULL, 0};
	ue_exchange_fail(exchange, &cause);
	return true;
}

/*
 * A body that is whole goes in one piece; one that will soon be is waited for; a larger
 * one, or one of unknown length, is sent on as it comes, once a channel can be chosen.
 */
void
ue_exchange_begin(UeExchange *exchange)
{
	const UeServerLimits *limits = &exchange->owner->config->server;
	int64_t content_length = exchange->request->content_length;
	bool is_whole = ue_client_is_body_complete(exchange->client);
	bool is_awaited = !is_whole && content_length > 0 &&
					  content_length <= (int64_t) limits->body_window_bytes;

	/* also of one that has just become whole: what was set aside lacks its end */
	if (!is_awaited && (!is_whole || exchange->spool != NULL))
		is_awaited = ue_attempts_wants_more(exchange);
	if (is_awaited)
		exchange->state = UE_EXCHANGE_BODY;
	else
		ue_exchange_start_attempt(exchange);
}

void
ue_exchange_start_attempt(UeExchange *exchange)
{
	UeTransferRequest request = {
		.base = exchange->route.upstream->base,
		.method = exchange->request->method,
		.target = exchange->route.target,
		.content_length = exchange->request->content_length,
	};
	UeFailureCause cause = {
		.kind = UE_KIND_LOCAL_ERROR,
		.local_code = UE_SLICE("internal_error"),
	};

	exchange->state = UE_EXCHANGE_WAITING;
	exchange->attempt_ms = ue_loop_now_ms(exchange->owner->loop);
	if (fill_request(exchange, &request, &cause))
		exchange->transfer =
			ue_upstream_start(exchange->owner->upstream, &request, exchange);
	if (exchange->transfer == NULL)
		ue_exchange_fail(exchange, &cause);
	else if (exchange->attempts != NULL)
	{
		exchange->attempts->has_retry = false;
		ue_attempts_start_clock(exchange->attempts);
	}
}

/* What the upstream is asked; false: it cannot be, *cause says why. */
static bool
fill_request(UeExchange *exchange, UeTransferRequest *request, UeFailureCause *cause)
{
	if (!exchange->is_routed && !ue_attempts_begin(exchange))
		return false;
	exchange->is_routed = true;
	if (exchange->attempts == NULL && (request->base == NULL || exchange->spool != NULL))
	{
		/* the platform's last channel has just gone, when it was to be chosen */
		cause->local_code = UE_SLICE("unknown_route");
		cause->local_message = exchange->route.path;
		return false;
	}
	if (exchange->attempts != NULL)
	{
		if (!ue_attempts_choose(exchange->attempts, request, cause))
			return false;
		request->headers =
			ue_attempts_filter_request(exchange->attempts, &request->n_headers);
	}
	else
	{
		if (ue_client_is_body_complete(exchange->client))
		{
			request->whole_body = ue_client_body(exchange->client);
			request->content_length = (int64_t) request->whole_body.len;
			exchange->received_bytes = request->content_length;
			exchange->is_body_lent = true;
		}
		request->headers = ue_exchange_filter_request(exchange, &request->n_headers);
	}
	request->is_stream = wants_stream(exchange, request->whole_body);
	return request->headers != NULL;
}

/* A whole body is looked into once, for this and for the model that traffic counts by. */
static bool
wants_stream(UeExchange *exchange, UeSlice body)
{
	if (body.len > 0)
		ue_exchange_peek_request(exchange);
	return exchange->is_stream || exchange->route.is_stream;
}
