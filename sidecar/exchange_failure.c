/* SPDX-License-Identifier: PostgreSQL */
/*
 * exchange_failure.c: a failed attempt into a case, a verdict, and the decider's queue.
 *
 * The row is in the journal before anybody is asked for a verdict.  Everything that the
 * case points to is copied into the exchange's arena or lives until the exchange ends, for
 * the transfer is given up here.  One policy serves for all of it: the verdict, and what is
 * masked in the row.
 */
#include <string.h>
#include <time.h>

#include "exchange_attempts.h"
#include "inflate.h"
#include "log.h"
#include "policy_store.h"

/* A path in a row; longer ones are cut. */
#define ROUTE_BYTES 512

/* Browsers send fewer than 100 bytes of Accept-Language. */
#define LANGUAGE_BYTES 256

static UeStatus build_case(UeExchange *exchange, const UeFailureCause *cause,
						   int64_t now_ms, const UeMaskSettings *mask, UeCase *kase);
static UeStatus copy_headers(UeExchange *exchange, UeResponse *response);
static UeSlice decode_body(UeExchange *exchange, UeSlice body);
static UeStatus copy_language(UeExchange *exchange, UeSlice *out);
static UeStatus find_request_id(UeExchange *exchange, int64_t now_ms, UeSlice *out);
static void keep_request_id(UeExchange *exchange);
static void count(UeExchange *exchange);

void
ue_exchange_fail(UeExchange *exchange, const UeFailureCause *cause)
{
	UeFailure *failure = ue_arena_allocate_zero(&exchange->arena, sizeof(*failure));
	const UePolicy *policy = ue_policy_store_acquire();
	const UeMaskSettings *mask = ue_policy_mask(policy);
	int64_t now_us = ue_exchange_read_unix_us();
	UeStatus status = UE_NO_MEMORY;

	ue_exchange_peek_request(exchange);
	if (exchange->state == UE_EXCHANGE_RESTING)
		exchange->attempts->current = SIZE_MAX; /* nobody has been asked again */
	if (failure != NULL)
		status = build_case(exchange, cause, now_us / 1000, mask, &failure->kase);
	if (exchange->transfer != NULL)
		ue_transfer_cancel(exchange->transfer);
	exchange->transfer = NULL;
	ue_loop_cancel_timer(exchange->owner->loop, &exchange->collecting);
	if (exchange->attempts != NULL)
		ue_attempts_stop_clocks(exchange->attempts);
	exchange->state = UE_EXCHANGE_DECIDING;
	if (status == UE_OK)
		status = ue_decide_case(&exchange->arena, policy, &failure->kase,
								&failure->decision.verdict);
	if (status == UE_OK)
	{
		exchange->failure = failure;
		ue_exchange_record(exchange, mask, now_us);
	}
	ue_policy_store_release(policy);
	exchange->end_reason = NULL; /* goes with the transfer */
	if (status != UE_OK)
	{
		ue_log_write(UE_LOG_ERROR, "verdict_failed",
					 "a failed request could not be decided", "reason",
					 ue_status_name(status), NULL);
		ue_exchange_answer_bare(exchange);
		return;
	}
	count(exchange);
	keep_request_id(exchange);
	if (exchange->is_client_gone)
	{
		UeOutcome outcome = ue_exchange_find_gone(exchange);

		if (exchange->attempts != NULL)
			ue_attempts_give_up(exchange->attempts, UE_STEP_CLIENT_GONE);
		ue_exchange_complete(exchange, outcome, UE_EVENT_NULL);
		ue_exchange_end(exchange, outcome);
		return;
	}
	failure->decision.kase = &failure->kase;
	failure->decision.arena = &exchange->arena;
	failure->decision.done = ue_exchange_answer;
	ue_decider_submit(exchange->owner->decider, &failure->decision);
}

int64_t
ue_exchange_read_unix_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static UeStatus
build_case(UeExchange *exchange, const UeFailureCause *cause, int64_t now_ms,
		   const UeMaskSettings *mask, UeCase *kase)
{
	UeArena *arena = &exchange->arena;
	const UeTableChannel *channel =
		exchange->attempts == NULL ? NULL : ue_attempts_channel(exchange->attempts);
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
	kase->credential = UE_CREDENTIAL_CLIENT;
	if (channel != NULL)
	{
		kase->channel = channel->channel->name;
		if (channel->credential != NULL)
			kase->credential = UE_CREDENTIAL_OURS;
	}
	kase->is_stream =
		exchange->is_stream || exchange->route.is_stream || exchange->stream.pass != NULL;
	kase->local_code = cause->local_code;
	kase->attempt = exchange->attempt;
	kase->has_output = ue_client_has_sent_head(exchange->client);
	status = copy_headers(exchange, &kase->response);
	if (status == UE_OK)
		status = find_request_id(exchange, now_ms, &kase->request_id);
	if (status == UE_OK)
		status = copy_language(exchange, &kase->accept_language);
	if (status == UE_OK)
		status = ue_exchange_fit_text(arena, mask, ue_exchange_model(exchange),
									  UE_LIMIT_TOKEN, &kase->model);
	if (status == UE_OK)
		status = ue_exchange_fit_text(arena, mask, cause->local_message, UE_LIMIT_MESSAGE,
									  &kase->local_message);
	if (status == UE_OK)
		status = ue_exchange_fit_text(arena, mask, exchange->route.path, ROUTE_BYTES,
									  &kase->route);
	if (status == UE_OK)
		status = ue_exchange_copy_tags(exchange, mask, kase);
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
	UeAttempts *attempts = exchange->attempts;
	char *made;

	if (ue_ident_is_request_id(given))
		return ue_arena_copy(&exchange->arena, given, out);
	if (attempts != NULL && attempts->request_id_len > 0)
		return ue_arena_copy(&exchange->arena,
							 (UeSlice){attempts->request_id, attempts->request_id_len},
							 out);
	made = ue_arena_allocate(&exchange->arena, UE_IDENT_REQUEST_ID);
	if (made == NULL)
		return UE_NO_MEMORY;
	ue_ident_build_request_id(&exchange->owner->ident, now_ms, made);
	*out = (UeSlice){made, UE_IDENT_REQUEST_ID};
	return UE_OK;
}

/* All attempts of a request are told by one id. */
static void
keep_request_id(UeExchange *exchange)
{
	UeAttempts *attempts = exchange->attempts;
	UeSlice request_id = exchange->failure->kase.request_id;

	if (attempts == NULL || request_id.len > sizeof(attempts->request_id))
		return;
	memcpy(attempts->request_id, request_id.ptr, request_id.len);
	attempts->request_id_len = request_id.len;
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
