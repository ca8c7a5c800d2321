/* SPDX-License-Identifier: PostgreSQL */
/*
 * exchange_failure.c: a failed attempt into a case, a row, and the decider's queue.
 *
 * The row is in the journal before anybody is asked for a verdict.  Everything that the
 * case points to is copied into the exchange's arena or lives until the exchange ends, for
 * the transfer is given up here.
 */
#include <string.h>
#include <time.h>

#include "core/jsonout.h"
#include "core/mask.h"
#include "core/utf8.h"
#include "exchange_private.h"
#include "inflate.h"
#include "log.h"

/* A path in a row; longer ones are cut. */
#define ROUTE_BYTES 512

/* Keys and tokens are shorter, long JWTs included. */
#define SECRET_BYTES 2048

/* Browsers send fewer than 100 bytes of Accept-Language. */
#define LANGUAGE_BYTES 256

/* A header block in a row, when the operator asked for it. */
#define HEADERS_BYTES (4 * UE_LIMIT_DETAIL)

static UeStatus build_case(UeExchange *exchange, const UeFailureCause *cause,
						   int64_t now_ms, UeCase *kase);
static UeStatus copy_headers(UeExchange *exchange, UeResponse *response);
static UeSlice decode_body(UeExchange *exchange, UeSlice body);
static UeStatus copy_language(UeExchange *exchange, UeSlice *out);
static UeStatus find_request_id(UeExchange *exchange, int64_t now_ms, UeSlice *out);
static UeStatus fit_text(UeArena *arena, UeSlice text, size_t limit, UeSlice *out);
static void record(UeExchange *exchange, int64_t now_us);
static void fill_event(UeExchange *exchange, UeEvent *event);
static UeSlice find_client_address(const UeExchange *exchange);
static UeSlice write_headers(UeExchange *exchange, const UeHeader *headers,
							 size_t n_headers);
static void count(UeExchange *exchange);

void
ue_exchange_fail(UeExchange *exchange, const UeFailureCause *cause)
{
	UeFailure *failure = ue_arena_allocate_zero(&exchange->arena, sizeof(*failure));
	struct timespec now;
	int64_t now_us;
	UeStatus status = UE_NO_MEMORY;

	clock_gettime(CLOCK_REALTIME, &now);
	now_us = (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
	ue_exchange_peek_request(exchange);
	if (failure != NULL)
		status = build_case(exchange, cause, now_us / 1000, &failure->kase);
	if (exchange->transfer != NULL)
		ue_transfer_cancel(exchange->transfer);
	exchange->transfer = NULL;
	ue_loop_cancel_timer(exchange->owner->loop, &exchange->collecting);
	exchange->state = UE_EXCHANGE_DECIDING;
	if (status == UE_OK)
		status = ue_decide_case(&exchange->arena, NULL, &failure->kase,
								&failure->decision.verdict);
	if (status != UE_OK)
	{
		ue_log_write(UE_LOG_ERROR, "verdict_failed",
					 "a failed request could not be decided", "reason",
					 ue_status_name(status), NULL);
		ue_exchange_answer_bare(exchange);
		return;
	}
	exchange->failure = failure;
	record(exchange, now_us);
	count(exchange);
	if (exchange->is_client_gone)
	{
		UeOutcome outcome = ue_exchange_find_gone(exchange);

		ue_exchange_complete(exchange, outcome, UE_EVENT_NULL);
		ue_exchange_end(exchange, outcome);
		return;
	}
	failure->decision.kase = &failure->kase;
	failure->decision.arena = &exchange->arena;
	failure->decision.done = ue_exchange_answer;
	ue_decider_submit(exchange->owner->decider, &failure->decision);
}

static UeStatus
build_case(UeExchange *exchange, const UeFailureCause *cause, int64_t now_ms,
		   UeCase *kase)
{
	UeArena *arena = &exchange->arena;
	UeSlice model = exchange->route.model;
	UeStatus status;

	if (exchange->route.upstream != NULL)
		kase->response.platform = ue_slice_of(exchange->route.upstream->platform);
	else
		kase->response.platform = UE_SLICE("unknown");
	kase->response.status = exchange->status;
	kase->response.now_ms = now_ms;
	kase->response.body = cause->kind == UE_KIND_HTTP_ERROR
							  ? decode_body(exchange, cause->body)
							  : cause->body;
	kase->kind = cause->kind;
	kase->network = cause->network;
	kase->format = exchange->route.format;
	/* without channels there is no credential but the client's */
	kase->credential = UE_CREDENTIAL_CLIENT;
	kase->is_stream =
		exchange->is_stream || exchange->route.is_stream || exchange->stream.pass != NULL;
	kase->local_code = cause->local_code;
	if (model.len == 0)
		model = (UeSlice){exchange->model, exchange->model_len};
	status = copy_headers(exchange, &kase->response);
	if (status == UE_OK)
		status = find_request_id(exchange, now_ms, &kase->request_id);
	if (status == UE_OK)
		status = copy_language(exchange, &kase->accept_language);
	if (status == UE_OK)
		status = fit_text(arena, model, UE_LIMIT_TOKEN, &kase->model);
	if (status == UE_OK)
		status =
			fit_text(arena, cause->local_message, UE_LIMIT_MESSAGE, &kase->local_message);
	return status;
}

/* The upstream's, in one piece of the arena. */
static UeStatus
copy_headers(UeExchange *exchange, UeResponse *response)
{
	size_t n_headers =
		exchange->n_headers < UE_LIMIT_HEADERS ? exchange->n_headers : UE_LIMIT_HEADERS;
	size_t n_bytes = 0;
	UeHeader *headers;
	char *out;

	for (size_t i = 0; i < n_headers; i++)
		n_bytes += exchange->headers[i].name.len + exchange->headers[i].value.len;
	headers =
		ue_arena_allocate(&exchange->arena, n_headers * sizeof(*headers) + n_bytes + 1);
	if (headers == NULL)
		return UE_NO_MEMORY;
	out = (char *) (headers + n_headers);
	for (size_t i = 0; i < n_headers; i++)
	{
		UeSlice name = exchange->headers[i].name;
		UeSlice value = exchange->headers[i].value;

		memcpy(out, name.ptr, name.len);
		headers[i].name = (UeSlice){out, name.len};
		out += name.len;
		if (value.len > 0)
			memcpy(out, value.ptr, value.len);
		headers[i].value = (UeSlice){out, value.len};
		out += value.len;
	}
	/* the transfer's own go with it */
	exchange->headers = headers;
	exchange->n_headers = n_headers;
	response->headers = headers;
	response->n_headers = n_headers;
	return UE_OK;
}

/* Compressed error bodies are readable for us; what is not is as good as empty. */
static UeSlice
decode_body(UeExchange *exchange, UeSlice body)
{
	UeSlice encoding = ue_exchange_find_header(exchange->headers, exchange->n_headers,
											   UE_SLICE("content-encoding"));
	UeSlice decoded;

	ue_inflate_body(&exchange->arena, encoding, body,
					exchange->owner->config->error_body_bytes, &decoded);
	return decoded;
}

static UeStatus
copy_language(UeExchange *exchange, UeSlice *out)
{
	UeSlice header =
		ue_exchange_find_header(exchange->request->headers, exchange->request->n_headers,
								UE_SLICE("accept-language"));

	return ue_arena_copy(&exchange->arena, ue_slice_sub(header, 0, LANGUAGE_BYTES), out);
}

/* The client's own, when it is fit to be shown; else a new one. */
static UeStatus
find_request_id(UeExchange *exchange, int64_t now_ms, UeSlice *out)
{
	UeSlice given =
		ue_exchange_find_header(exchange->request->headers, exchange->request->n_headers,
								UE_SLICE("x-request-id"));
	char *made;

	if (ue_ident_is_request_id(given))
		return ue_arena_copy(&exchange->arena, given, out);
	made = ue_arena_allocate(&exchange->arena, UE_IDENT_REQUEST_ID);
	if (made == NULL)
		return UE_NO_MEMORY;
	ue_ident_build_request_id(&exchange->owner->ident, now_ms, made);
	*out = (UeSlice){made, UE_IDENT_REQUEST_ID};
	return UE_OK;
}

/*
 * Text from the client into a row: UTF-8, without secrets, and within a limit, in this
 * order, for half a secret is not known as one.  Of what is too long to be looked at as a
 * whole the end goes, where the cut may have gone through a secret.
 */
static UeStatus
fit_text(UeArena *arena, UeSlice text, size_t limit, UeSlice *out)
{
	size_t window = limit + 2 * SECRET_BYTES;
	UeStatus status;

	*out = (UeSlice){NULL, 0};
	if (text.len == 0)
		return UE_OK;
	status = ue_utf8_clean(arena, ue_slice_sub(text, 0, window), out);
	if (status == UE_OK)
		status = ue_mask_text(arena, NULL, *out, out);
	if (status != UE_OK)
		return status;
	if (text.len > window)
		*out =
			ue_slice_sub(*out, 0, out->len > SECRET_BYTES ? out->len - SECRET_BYTES : 0);
	*out = ue_slice_sub(*out, 0, ue_utf8_cut(*out, limit));
	return UE_OK;
}

static void
record(UeExchange *exchange, int64_t now_us)
{
	UeFailure *failure = exchange->failure;
	UeEvent event;

	ue_event_init(&event);
	event.at_us = now_us;
	ue_ident_build_uuid(&exchange->owner->ident, now_us / 1000, failure->event_id);
	memcpy(event.event_id, failure->event_id, sizeof(event.event_id));
	ue_event_apply_verdict(&event, &failure->kase, &failure->decision.verdict);
	fill_event(exchange, &event);
	failure->is_recorded = ue_journal_append_event(exchange->owner->journal, &event);
}

static void
fill_event(UeExchange *exchange, UeEvent *event)
{
	const UeConfig *config = exchange->owner->config;
	const UeRequest *request = exchange->request;

	event->attempt = exchange->attempt;
	event->upstream_model = event->model;
	if (fit_text(&exchange->arena, exchange->route.path, ROUTE_BYTES, &event->route) !=
		UE_OK)
		event->route = (UeSlice){NULL, 0};
	if (exchange->first_byte_ms >= 0)
		event->first_byte_ms = exchange->first_byte_ms;
	event->total_ms = ue_loop_now_ms(exchange->owner->loop) - exchange->start_ms;
	event->sent_bytes = ue_client_sent_bytes(exchange->client);
	event->trace_id = ue_ident_find_trace_id(
		ue_exchange_find_header(request->headers, request->n_headers,
								UE_SLICE("traceparent")));
	event->region = ue_slice_of(config->region);
	event->instance = ue_slice_of(config->instance);
	if (config->record_client_address)
		event->client_address = find_client_address(exchange);
	if (config->record_headers)
	{
		event->request_headers =
			write_headers(exchange, request->headers, request->n_headers);
		event->response_headers =
			write_headers(exchange, exchange->headers, exchange->n_headers);
	}
}

/* Without the port; empty when the client came over a unix socket. */
static UeSlice
find_client_address(const UeExchange *exchange)
{
	UeSlice none = {NULL, 0};
	UeSlice address;
	size_t end;

	address = ue_client_address(exchange->client);
	end = address.len;
	while (end > 0 && address.ptr[end - 1] != ':')
		end--;
	if (end == 0)
		return none;
	address = ue_slice_sub(address, 0, end - 1);
	if (address.len > 2 && address.ptr[0] == '[')
		address = ue_slice_sub(address, 1, address.len - 2);
	return address;
}

/* As a JSON object, masked: by names that say secret, and by what values look like. */
static UeSlice
write_headers(UeExchange *exchange, const UeHeader *headers, size_t n_headers)
{
	UeArena *arena = &exchange->arena;
	UeSlice none = {NULL, 0};
	UeSlice text;
	UeSlice masked;
	UeBuf buf;
	UeJsonOut out;
	const UeJson *root;

	if (n_headers == 0)
		return none;
	ue_buf_init(&buf, arena, HEADERS_BYTES);
	ue_jsonout_init(&out, &buf);
	ue_jsonout_append_begin(&out, '{');
	for (size_t i = 0; i < n_headers; i++)
	{
		ue_jsonout_append_key(&out, headers[i].name);
		ue_jsonout_append_string(&out, headers[i].value);
	}
	ue_jsonout_append_end(&out, '}');
	if (ue_buf_finish(&buf, &text) != UE_OK ||
		ue_json_parse(arena, text, &root) != UE_OK ||
		ue_mask_json(arena, NULL, root, &masked) != UE_OK)
		return none;
	return masked;
}

static void
count(UeExchange *exchange)
{
	int platform = exchange->route.platform;

	if (platform < 0 || platform >= UE_METRICS_PLATFORMS - 1)
		platform = UE_METRICS_PLATFORMS - 1;
	ue_metrics_count_failure(exchange->owner->metrics, platform,
							 exchange->failure->decision.verdict.fault.class);
}
