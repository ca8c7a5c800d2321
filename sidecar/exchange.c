/* SPDX-License-Identifier: PostgreSQL */
/*
 * exchange.c: the states of an exchange, and what each does with what happens.
 *
 * Policy: without rules, with rules of the last snapshot, and without a database the client
 * gets the verdict of the local core, the same bytes that Postgres would have given; of an
 * error body beyond the ceiling its beginning decides; and a body that is not what it says
 * (an error inside a 200, HTML for JSON, half an answer) is a failure like any other: before
 * the first byte the client gets an error answer in its format, inside an event stream an
 * error frame, and anywhere else a broken connection, never a good-looking half.
 *
 *   BODY -> WAITING -> PEEKING -> PASSING            -> (end)
 *                              -> KEEPING -> PASSING -> (end)
 *                   -> PASSING                          (end)
 *                   -> STREAMING                        (end)
 *                   -> COLLECTING
 *   any of them -> DECIDING -> (end)
 *                           -> RESTING -> WAITING
 *
 * An attempt is everything from WAITING on; trying again leads from DECIDING over RESTING
 * back there, as long as nothing was sent to the client (exchange_attempts.h).
 */
#include "exchange_attempts.h"

#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "peek.h"

static void keep_model(UeExchange *exchange, UeSlice model);
static UeSlice unescape(UeExchange *exchange, UeSlice text);
static void handle_request(void *server_context, UeClient *client,
						   const UeRequest *request);
static void handle_body(void *context, UeClient *client);
static void handle_writable(void *context, UeClient *client);
static void handle_gone(void *context, UeClient *client);
static void handle_refused(void *context, UeClient *client, int status,
						   const char *message);
static void handle_last_call(void *context, UeClient *client);
static int64_t handle_read(void *context, char *buffer, size_t size, bool *is_end);
static void handle_head(void *context, int status, UeSlice reason,
						const UeHeader *headers, size_t n_headers,
						int64_t content_length);
static bool handle_data(void *context, UeSlice bytes);
static bool handle_resend(void *context);
static void handle_end(void *context, const UeTransferEnd *end);

const UeHandler ue_exchange_handler = {
	.on_request = handle_request,
	.on_body = handle_body,
	.on_writable = handle_writable,
	.on_gone = handle_gone,
	.on_refused = handle_refused,
	.on_last_call = handle_last_call,
};

const UeTransferHandler ue_exchange_transfer_handler = {
	.read_body = handle_read,
	.on_head = handle_head,
	.on_data = handle_data,
	.may_resend = handle_resend,
	.on_end = handle_end,
};

UeOutcome
ue_exchange_find_gone(const UeExchange *exchange)
{
	return ue_client_is_cut_by_us(exchange->client) ? UE_OUTCOME_ABORTED
													: UE_OUTCOME_CLIENT_GONE;
}

/* Once, while the body's beginning is there; what it says is needed by failures only. */
void
ue_exchange_peek_request(UeExchange *exchange)
{
	UeSlice body = ue_client_body(exchange->client);
	UeSlice model = {NULL, 0};

	if (exchange->is_request_peeked)
		return;
	exchange->is_request_peeked = true;
	ue_peek_request(body, &model, &exchange->is_stream);
	if (model.len > 0)
	{
		exchange->model_start = (size_t) (model.ptr - body.ptr);
		exchange->model_end = exchange->model_start + model.len;
		keep_model(exchange, unescape(exchange, model));
	}
}

/* A body that is sent on in pieces may name its model in any of them. */
void
ue_exchange_scan_request(UeExchange *exchange, UeSlice bytes)
{
	UeSlice quoted;
	bool is_over;

	if (exchange->received_bytes == 0 && exchange->scan == NULL)
		exchange->scan = ue_body_scan_new();
	if (exchange->scan == NULL)
		return;
	is_over = !ue_body_scan_feed(exchange->scan, bytes);
	exchange->is_stream |= ue_body_scan_is_stream(exchange->scan);
	if (exchange->model_end == 0 &&
		ue_body_scan_model(exchange->scan, &quoted, &exchange->model_start,
						   &exchange->model_end))
		keep_model(exchange, unescape(exchange, ue_slice_sub(quoted, 1, quoted.len - 2)));
	if (!is_over)
		return;
	ue_body_scan_free(exchange->scan);
	exchange->scan = NULL;
}

static void
keep_model(UeExchange *exchange, UeSlice model)
{
	if (model.len > UE_MODEL_BYTES)
		model.len = UE_MODEL_BYTES;
	exchange->model = model.len > 0 ? malloc(model.len) : NULL;
	if (exchange->model != NULL)
	{
		memcpy(exchange->model, model.ptr, model.len);
		exchange->model_len = model.len;
	}
}

/* What stands between quotation marks, as it is meant: "\u0061" is "a". */
static UeSlice
unescape(UeExchange *exchange, UeSlice text)
{
	const UeJson *root;

	if (memchr(text.ptr, '\\', text.len) == NULL ||
		ue_json_parse(&exchange->arena, (UeSlice){text.ptr - 1, text.len + 2}, &root) !=
			UE_OK)
		return text;
	return ue_json_text(root);
}

static void
handle_request(void *server_context, UeClient *client, const UeRequest *request)
{
	UeExchanges *owner = server_context;
	UeExchange *exchange = ue_exchange_new(owner);

	if (exchange == NULL)
	{
		ue_client_abort(client);
		return;
	}
	exchange->client = client;
	exchange->request = request;
	ue_client_set_context(client, exchange);
	ue_route_find(owner->config, request, &exchange->route);
	ue_exchange_decode_model(exchange);
	if (!ue_exchange_refuse(exchange) && !ue_exchange_refuse_body(exchange))
		ue_exchange_begin(exchange);
}

static void
handle_body(void *context, UeClient *client)
{
	UeExchange *exchange = context;

	(void) client;
	if (ue_exchange_refuse_body(exchange))
		return;
	if (exchange->state == UE_EXCHANGE_BODY)
		ue_exchange_begin(exchange);
	else if (exchange->transfer != NULL)
		ue_transfer_resume_send(exchange->transfer);
}

static void
handle_writable(void *context, UeClient *client)
{
	UeExchange *exchange = context;

	(void) client;
	exchange->is_full = false;
	if (exchange->transfer != NULL)
		ue_transfer_resume_receive(exchange->transfer);
}

static void
handle_gone(void *context, UeClient *client)
{
	UeExchange *exchange = context;
	UeFailureCause cause = {.kind = UE_KIND_CLIENT_GONE};
	UeOutcome outcome = ue_exchange_find_gone(exchange);

	/* at the end of the drain timeout it is us who leave */
	if (ue_client_is_cut_by_us(client))
		cause = (UeFailureCause){.kind = UE_KIND_LOCAL_ERROR,
								 .local_code = UE_SLICE("draining")};
	switch (exchange->state)
	{
		case UE_EXCHANGE_BODY:
			/* no attempt was made, so there is nothing to record */
			ue_exchange_end(exchange, outcome);
			return;
		case UE_EXCHANGE_COLLECTING:
			/* the upstream had failed before */
			exchange->is_client_gone = true;
			ue_exchange_fail_with_body(exchange, UE_KIND_HTTP_ERROR, UE_NETWORK_NONE,
									   (UeSlice){exchange->held, exchange->held_len});
			return;
		case UE_EXCHANGE_WAITING:
		case UE_EXCHANGE_PEEKING:
		case UE_EXCHANGE_KEEPING:
		case UE_EXCHANGE_PASSING:
		case UE_EXCHANGE_STREAMING:
		case UE_EXCHANGE_RESTING:
			/* of one that left between two attempts the row of the second says so */
			exchange->is_client_gone = true;
			ue_exchange_fail(exchange, &cause);
			return;
		case UE_EXCHANGE_DECIDING:
			ue_decider_cancel(&exchange->failure->decision);
			ue_exchange_drop_answer(exchange);
			exchange->is_client_gone = true;
			if (exchange->attempts != NULL)
				ue_attempts_give_up(exchange->attempts, UE_STEP_CLIENT_GONE);
			ue_exchange_complete(exchange, outcome, UE_EVENT_NULL);
			ue_exchange_end(exchange, outcome);
			return;
	}
}

/* Wherever the exchange is, for a cause that is not the upstream's; but one that had failed
 * before is what the client hears of. */
static void
fail_locally(UeExchange *exchange, const UeFailureCause *cause)
{
	switch (exchange->state)
	{
		case UE_EXCHANGE_DECIDING:
			/* an answer is on its way */
			return;
		case UE_EXCHANGE_COLLECTING:
			ue_exchange_fail_with_body(exchange, UE_KIND_HTTP_ERROR, UE_NETWORK_NONE,
									   (UeSlice){exchange->held, exchange->held_len});
			return;
		case UE_EXCHANGE_BODY:
		case UE_EXCHANGE_WAITING:
		case UE_EXCHANGE_PEEKING:
		case UE_EXCHANGE_KEEPING:
		case UE_EXCHANGE_PASSING:
		case UE_EXCHANGE_STREAMING:
		case UE_EXCHANGE_RESTING:
			ue_exchange_fail(exchange, cause);
			return;
	}
}

/* The request went wrong after its head, by the client's fault. */
static void
handle_refused(void *context, UeClient *client, int status, const char *message)
{
	UeExchange *exchange = context;
	UeFailureCause cause = {
		.kind = UE_KIND_LOCAL_ERROR,
		.local_code = UE_SLICE("read_request_body_failed"),
		.local_message = ue_slice_of(message),
	};

	(void) client;
	exchange->is_refused = true;
	if (status == 408)
	{
		cause.local_code = UE_SLICE("request_timeout");
		cause.local_message = (UeSlice){NULL, 0}; /* the code says the same */
	}
	else if (status >= 500)
		cause.local_code = UE_SLICE("internal_error");
	fail_locally(exchange, &cause);
}

/* The drain timeout is over: an answer as of any failure, and no other attempt. */
static void
handle_last_call(void *context, UeClient *client)
{
	UeExchange *exchange = context;
	UeFailureCause cause = {.kind = UE_KIND_LOCAL_ERROR,
							.local_code = UE_SLICE("draining")};

	/* who still sends would not read it */
	if (exchange->state == UE_EXCHANGE_BODY)
		return;
	fail_locally(exchange, &cause);
	/* without memory for a verdict it is answered, or cut, by now */
	if (ue_client_context(client) != NULL)
		ue_exchange_stop_deciding(exchange);
}

static int64_t
handle_read(void *context, char *buffer, size_t size, bool *is_end)
{
	UeExchange *exchange = context;
	UeSlice body = ue_client_body(exchange->client);
	size_t n_bytes = body.len < size ? body.len : size;

	ue_exchange_peek_request(exchange);
	if (exchange->attempts != NULL)
		return ue_attempts_read_body(exchange->attempts, buffer, size, is_end);
	if (n_bytes > 0)
	{
		memcpy(buffer, body.ptr, n_bytes);
		ue_exchange_scan_request(exchange, ue_slice_sub(body, 0, n_bytes));
		ue_client_consume_body(exchange->client, n_bytes);
		exchange->received_bytes += (int64_t) n_bytes;
	}
	*is_end = n_bytes == body.len && ue_client_is_body_complete(exchange->client);
	return (int64_t) n_bytes;
}

static void
handle_head(void *context, int status, UeSlice reason, const UeHeader *headers,
			size_t n_headers, int64_t content_length)
{
	UeExchange *exchange = context;

	exchange->first_byte_ms =
		ue_loop_now_ms(exchange->owner->loop) - exchange->attempt_ms;
	exchange->status = status;
	exchange->reason = reason;
	exchange->headers = headers;
	exchange->n_headers = n_headers;
	exchange->content_length = content_length;
	ue_exchange_choose_state(exchange);
}

static bool
handle_data(void *context, UeSlice bytes)
{
	UeExchange *exchange = context;

	if (exchange->answer_scan != NULL)
		ue_body_scan_feed(exchange->answer_scan, bytes);
	switch (exchange->state)
	{
		case UE_EXCHANGE_PEEKING:
			return ue_exchange_peek_data(exchange, bytes);
		case UE_EXCHANGE_KEEPING:
			return ue_exchange_keep_data(exchange, bytes);
		case UE_EXCHANGE_PASSING:
			return ue_client_send_body(exchange->client, bytes);
		case UE_EXCHANGE_STREAMING:
			return ue_exchange_stream_data(exchange, bytes);
		case UE_EXCHANGE_COLLECTING:
			return ue_exchange_collect_data(exchange, bytes);
		case UE_EXCHANGE_BODY:
		case UE_EXCHANGE_WAITING:
		case UE_EXCHANGE_DECIDING:
		case UE_EXCHANGE_RESTING:
			break;
	}
	return true;
}

/* No failure of the channel's, but a request more for the upstream: it costs the same. */
static bool
handle_resend(void *context)
{
	UeExchange *exchange = context;

	if (exchange->attempts != NULL && !ue_retry_budget_take(exchange->attempts->budget))
		return false;
	atomic_fetch_add_explicit(&exchange->owner->metrics->resends, 1,
							  memory_order_relaxed);
	return true;
}

static void
handle_end(void *context, const UeTransferEnd *end)
{
	UeExchange *exchange = context;

	exchange->transfer = NULL;
	exchange->end_reason = end->reason;
	ue_exchange_end_attempt(exchange, end->network);
}

void
ue_exchange_end_attempt(UeExchange *exchange, UeNetwork network)
{
	UeSlice none = {NULL, 0};

	/* where the connection's end is the answer's, HTTP cannot tell the half of one */
	if (network == UE_NETWORK_NONE && exchange->answer_scan != NULL &&
		ue_body_scan_is_open(exchange->answer_scan))
		network = UE_NETWORK_TRUNCATED;
	switch (exchange->state)
	{
		case UE_EXCHANGE_WAITING:
			ue_exchange_fail_with_body(exchange, UE_KIND_REQUEST_ERROR, network, none);
			break;
		case UE_EXCHANGE_PEEKING:
			ue_exchange_end_peeking(exchange, network);
			break;
		case UE_EXCHANGE_KEEPING:
			network = ue_exchange_end_keeping(exchange, network);
			if (network == UE_NETWORK_NONE)
				ue_exchange_end_good(exchange);
			else
				ue_exchange_fail_with_body(exchange, UE_KIND_STREAM_ERROR, network, none);
			break;
		case UE_EXCHANGE_PASSING:
			if (network == UE_NETWORK_NONE)
				ue_exchange_end_good(exchange);
			else
				ue_exchange_fail_with_body(exchange, UE_KIND_STREAM_ERROR, network, none);
			break;
		case UE_EXCHANGE_STREAMING:
			ue_exchange_end_streaming(exchange, network);
			break;
		case UE_EXCHANGE_COLLECTING:
			/* what was seen of a failed answer counts, also when it was cut */
			ue_exchange_fail_with_body(exchange, UE_KIND_HTTP_ERROR, UE_NETWORK_NONE,
									   (UeSlice){exchange->held, exchange->held_len});
			break;
		case UE_EXCHANGE_BODY:
		case UE_EXCHANGE_DECIDING:
		case UE_EXCHANGE_RESTING:
			break;
	}
}

void
ue_exchange_end_good(UeExchange *exchange)
{
	UeClient *client = exchange->client;

	ue_exchange_end(exchange, UE_OUTCOME_OK);
	ue_client_end(client);
}

void
ue_exchange_fail_with_body(UeExchange *exchange, UeKind kind, UeNetwork network,
						   UeSlice body)
{
	UeFailureCause cause = {.kind = kind, .network = network, .body = body};

	ue_exchange_fail(exchange, &cause);
}
