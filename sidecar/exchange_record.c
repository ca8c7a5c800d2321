/* SPDX-License-Identifier: PostgreSQL */
/*
 * exchange_record.c: a failed attempt into a row: what of it is kept, and how it is masked.
 */
#include <string.h>

#include "core/jsonout.h"
#include "core/utf8.h"
#include "exchange_attempts.h"

/* Keys and tokens are shorter, long JWTs included. */
#define SECRET_BYTES 2048

/* A header block in a row, when the operator asked for it. */
#define HEADERS_BYTES (4 * UE_LIMIT_DETAIL)

static bool is_excluded(const UeExchange *exchange);
static void fill_event(UeExchange *exchange, const UeMaskSettings *mask, UeEvent *event);
static UeSlice find_reason(UeExchange *exchange, const UeMaskSettings *mask);
static UeSlice find_upstream_model(const UeExchange *exchange, const UeEvent *event);
static UeSlice find_client_address(const UeExchange *exchange);
static UeSlice write_headers(UeExchange *exchange, const UeMaskSettings *mask,
							 const UeHeader *headers, size_t n_headers);
static UeSlice write_tags(UeExchange *exchange);
static UeStatus mask_header(UeArena *arena, const UeMaskSettings *mask, UeSlice name,
							UeSlice value, UeSlice *out);
static UeStatus write_object(UeArena *arena, const UeHeader *members, size_t n_members,
							 UeSlice *out);

void
ue_exchange_record(UeExchange *exchange, const UeMaskSettings *mask, int64_t now_us)
{
	UeFailure *failure = exchange->failure;
	UeEvent event;

	if (is_excluded(exchange))
	{
		atomic_fetch_add_explicit(&exchange->owner->metrics->excluded, 1,
								  memory_order_relaxed);
		return;
	}
	ue_event_init(&event);
	event.at_us = now_us;
	ue_ident_build_uuid(&exchange->owner->ident, now_us / 1000, failure->event_id);
	memcpy(event.event_id, failure->event_id, sizeof(event.event_id));
	failure->at_us = now_us;
	ue_event_apply_verdict(&event, &failure->kase, &failure->decision.verdict);
	fill_event(exchange, mask, &event);
	failure->is_recorded =
		ue_journal_batch_append_event(exchange->owner->records, &event);
}

UeStatus
ue_exchange_copy_tags(UeExchange *exchange, const UeMaskSettings *mask, UeCase *kase)
{
	const UeConfig *config = exchange->owner->config;
	const UeRequest *request = exchange->request;
	UeHeader *tags;

	if (config->n_tags == 0)
		return UE_OK;
	tags = ue_arena_allocate(&exchange->arena, config->n_tags * sizeof(*tags));
	if (tags == NULL)
		return UE_NO_MEMORY;
	for (size_t i = 0; i < config->n_tags; i++)
	{
		UeSlice header = ue_slice_of(config->tags[i].header);
		UeSlice value = ue_slice_trim(
			ue_exchange_find_header(request->headers, request->n_headers, header));
		UeStatus status;

		if (value.len == 0)
			continue;
		status =
			mask_header(&exchange->arena, mask, header, value, &tags[kase->n_tags].value);
		if (status != UE_OK)
			return status;
		tags[kase->n_tags++].name = ue_slice_of(config->tags[i].name);
	}
	kase->tags = tags;
	return UE_OK;
}

UeStatus
ue_exchange_fit_text(UeArena *arena, const UeMaskSettings *mask, UeSlice text,
					 size_t limit, UeSlice *out)
{
	size_t window = limit + 2 * SECRET_BYTES;
	UeStatus status;

	*out = (UeSlice){NULL, 0};
	if (text.len == 0)
		return UE_OK;
	status = ue_utf8_clean(arena, ue_slice_sub(text, 0, window), out);
	if (status == UE_OK)
		status = ue_mask_text(arena, mask, *out, out);
	if (status != UE_OK)
		return status;
	if (text.len > window)
		*out =
			ue_slice_sub(*out, 0, out->len > SECRET_BYTES ? out->len - SECRET_BYTES : 0);
	*out = ue_slice_sub(*out, 0, ue_utf8_cut(*out, limit));
	return UE_OK;
}

/* What the operator does not want to see as rows. */
static bool
is_excluded(const UeExchange *exchange)
{
	const UeConfig *config = exchange->owner->config;
	const UeFault *fault = &exchange->failure->decision.verdict.fault;
	int status = fault->effective_status;

	if (config->record_exclude.is_counting && exchange->route.is_counting)
		return true;
	if (config->record_exclude.kinds >> exchange->failure->kase.kind & 1 ||
		config->record_exclude.classes >> fault->class & 1)
		return true;
	return status >= UE_STATUSES_MIN && status <= UE_STATUSES_MAX &&
		   !ue_statuses_has(&config->record_statuses, status);
}

static void
fill_event(UeExchange *exchange, const UeMaskSettings *mask, UeEvent *event)
{
	const UeConfig *config = exchange->owner->config;
	const UeRequest *request = exchange->request;

	event->upstream_model = find_upstream_model(exchange, event);
	if (event->detail.len == 0)
		event->detail = find_reason(exchange, mask);
	if (exchange->attempts != NULL && ue_attempts_channel(exchange->attempts) != NULL)
		event->account_id = ue_attempts_channel(exchange->attempts)->channel->account_id;
	event->tags = write_tags(exchange);
	if (exchange->first_byte_ms >= 0)
		event->first_byte_ms = exchange->first_byte_ms;
	event->total_ms = ue_loop_now_ms(exchange->owner->loop) - exchange->attempt_ms;
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
			write_headers(exchange, mask, request->headers, request->n_headers);
		event->response_headers =
			write_headers(exchange, mask, exchange->headers, exchange->n_headers);
	}
}

/* Of a failure without a body: an expired certificate and an unknown issuer are both "tls",
 * and libcurl can tell them apart. */
static UeSlice
find_reason(UeExchange *exchange, const UeMaskSettings *mask)
{
	UeSlice none = {NULL, 0};
	UeSlice reason;

	if (exchange->failure->kase.network == UE_NETWORK_NONE ||
		exchange->end_reason == NULL ||
		ue_exchange_fit_text(&exchange->arena, mask, ue_slice_of(exchange->end_reason),
							 UE_LIMIT_MESSAGE, &reason) != UE_OK)
		return none;
	return reason;
}

/* What the channel calls the model; masked like the client's word for it, which is the same
 * unless an operator has said otherwise. */
static UeSlice
find_upstream_model(const UeExchange *exchange, const UeEvent *event)
{
	const UeAttempts *attempts = exchange->attempts;
	UeSlice mapped;

	if (attempts == NULL || ue_attempts_channel(attempts) == NULL)
		return event->model;
	mapped =
		ue_channel_map_model(ue_attempts_channel(attempts)->channel, attempts->model);
	return ue_slice_is_equal(mapped, attempts->model) ? event->model : mapped;
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
write_headers(UeExchange *exchange, const UeMaskSettings *mask, const UeHeader *headers,
			  size_t n_headers)
{
	UeSlice none = {NULL, 0};
	UeSlice text;
	UeSlice masked;
	const UeJson *root;

	if (n_headers == 0 ||
		write_object(&exchange->arena, headers, n_headers, &text) != UE_OK ||
		ue_json_parse(&exchange->arena, text, &root) != UE_OK ||
		ue_mask_json(&exchange->arena, mask, root, &masked) != UE_OK)
		return none;
	return masked;
}

/* They have been masked for the case. */
static UeSlice
write_tags(UeExchange *exchange)
{
	const UeCase *kase = &exchange->failure->kase;
	UeSlice none = {NULL, 0};
	UeSlice text;

	if (kase->n_tags == 0 ||
		write_object(&exchange->arena, kase->tags, kase->n_tags, &text) != UE_OK)
		return none;
	return text;
}

/* As write_headers does: by the header's name, and by what its value looks like. */
static UeStatus
mask_header(UeArena *arena, const UeMaskSettings *mask, UeSlice name, UeSlice value,
			UeSlice *out)
{
	UeHeader member = {name, value};
	UeSlice text;
	const UeJson *root;
	UeStatus status;

	status = write_object(arena, &member, 1, &text);
	if (status == UE_OK)
		status = ue_json_parse(arena, text, &root);
	if (status == UE_OK)
		status = ue_mask_json(arena, mask, root, &text);
	if (status == UE_OK)
		status = ue_json_parse(arena, text, &root);
	if (status != UE_OK)
		return status;
	value = ue_json_text(root->child);
	*out = ue_slice_trim(ue_slice_sub(value, 0, ue_utf8_cut(value, UE_LIMIT_TOKEN)));
	return UE_OK;
}

static UeStatus
write_object(UeArena *arena, const UeHeader *members, size_t n_members, UeSlice *out)
{
	UeBuf buf;
	UeJsonOut json;

	ue_buf_init(&buf, arena, HEADERS_BYTES);
	ue_jsonout_init(&json, &buf);
	ue_jsonout_append_begin(&json, '{');
	for (size_t i = 0; i < n_members; i++)
	{
		ue_jsonout_append_key(&json, members[i].name);
		ue_jsonout_append_string(&json, members[i].value);
	}
	ue_jsonout_append_end(&json, '}');
	return ue_buf_finish(&buf, out);
}
