/* SPDX-License-Identifier: PostgreSQL */
/*
 * exchange_body.c: a request's body, as often as there are attempts.
 *
 * A body that is whole before the first attempt stays with the client's connection, and is
 * lent to each attempt.  A larger one is sent on as it comes; what has been taken from the
 * connection is kept in the spool, from which the next attempt begins.  A body that has not
 * named its model in the window is set aside there before the first attempt, until it has:
 * without it no channel can be chosen.  When the channel calls the model by another name that
 * is put in its place on the way.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/jsonout.h"
#include "exchange_attempts.h"
#include "log.h"
#include "peek.h"

/* Between two lines of the log about the same disk. */
#define UNKEPT_MS 60000

static UeSpool *new_spool(const UeExchange *exchange);
static bool set_aside(UeExchange *exchange);
static bool has_channels(const UeExchange *exchange);
static bool write_model(UeArena *arena, UeSlice model, UeSlice *out);
static bool write_whole(UeAttempts *attempts, UeSlice body, UeTransferRequest *request);
static int64_t read_original(UeAttempts *attempts, char *buffer, size_t size);
static int64_t skip_model(UeAttempts *attempts);
static void keep(UeAttempts *attempts, UeSlice bytes);
static bool is_read_up(const UeAttempts *attempts);

bool
ue_attempts_prepare_body(UeAttempts *attempts, UeTransferRequest *request, bool is_whole,
						 UeSlice other_model)
{
	UeExchange *exchange = attempts->exchange;

	attempts->read_at = 0;
	attempts->n_other_sent = 0;
	attempts->other_model = (UeSlice){NULL, 0};
	if (other_model.len > 0 && exchange->route.model.len == 0 &&
		exchange->model_end > 0 &&
		!write_model(&exchange->arena, other_model, &attempts->other_model))
		return false;
	if (is_whole)
	{
		request->whole_body = ue_client_body(exchange->client);
		request->content_length = (int64_t) request->whole_body.len;
		exchange->received_bytes = request->content_length;
		exchange->is_body_lent = true;
		return attempts->other_model.len == 0 ||
			   write_whole(attempts, request->whole_body, request);
	}
	exchange->is_body_lent = false;
	if (request->content_length > 0 && attempts->other_model.len > 0)
		request->content_length +=
			(int64_t) attempts->other_model.len -
			(int64_t) (exchange->model_end - exchange->model_start);
	if (attempts->spool == NULL && request->content_length != 0)
	{
		attempts->spool = new_spool(exchange);
		return attempts->spool != NULL;
	}
	return true;
}

bool
ue_attempts_is_body_kept(const UeAttempts *attempts)
{
	return attempts->spool == NULL || ue_spool_state(attempts->spool) == UE_SPOOL_WHOLE;
}

static UeSpool *
new_spool(const UeExchange *exchange)
{
	const UeConfig *config = exchange->owner->config;
	UeSpoolOptions options = {
		.memory_bytes = config->retry_body_memory_bytes,
		.max_bytes = config->retry_body_max_bytes,
		.directory = config->journal,
	};

	return ue_spool_new(&options);
}

bool
ue_attempts_wants_more(UeExchange *exchange)
{
	size_t window = exchange->owner->config->server.body_window_bytes;
	UeSlice body = ue_client_body(exchange->client);
	UeSlice model = {NULL, 0};
	bool is_stream;

	if (exchange->spool != NULL)
		return set_aside(exchange);
	if (exchange->is_routed || exchange->route.model.len > 0 || !has_channels(exchange))
		return false;
	ue_peek_request(body, &model, &is_stream);
	if (model.len > 0)
		return false;
	if (body.len >= window)
	{
		exchange->spool = new_spool(exchange);
		return exchange->spool != NULL && set_aside(exchange);
	}
	/* what is no object names no model */
	body = ue_slice_trim(body);
	return body.len == 0 || body.ptr[0] == '{';
}

/* True: the model has not come, but it may; a body beyond the bound goes on without. */
static bool
set_aside(UeExchange *exchange)
{
	UeSlice body = ue_client_body(exchange->client);

	if (!ue_spool_extend(exchange->spool, body))
		return false;
	exchange->is_request_peeked = true;
	ue_exchange_scan_request(exchange, body);
	exchange->received_bytes += (int64_t) body.len;
	ue_client_consume_body(exchange->client, body.len);
	return exchange->model_end == 0 && exchange->scan != NULL &&
		   !ue_client_is_body_complete(exchange->client);
}

static bool
has_channels(const UeExchange *exchange)
{
	const UeChannelTable *table = ue_channel_table_acquire();
	UeSlice platform = ue_slice_of(exchange->route.upstream->platform);
	bool is_found = false;

	for (size_t i = 0; table != NULL && i < table->n && !is_found; i++)
		is_found = ue_slice_is_equal_fold(table->channels[i].channel->platform, platform);
	ue_channel_table_release(table);
	return is_found;
}

/* As it stands between quotation marks. */
static bool
write_model(UeArena *arena, UeSlice model, UeSlice *out)
{
	bool is_plain = true;
	UeBuf buf;
	UeJsonOut json;

	for (size_t i = 0; i < model.len; i++)
		is_plain &= model.ptr[i] != '"' && model.ptr[i] != '\\' &&
					(unsigned char) model.ptr[i] >= ' ';
	*out = model;
	if (is_plain)
		return true;
	ue_buf_init(&buf, arena, UE_LIMIT_BODY);
	ue_jsonout_init(&json, &buf);
	ue_jsonout_append_string(&json, model);
	if (ue_buf_finish(&buf, out) != UE_OK)
		return false;
	*out = ue_slice_sub(*out, 1, out->len - 2);
	return true;
}

static bool
write_whole(UeAttempts *attempts, UeSlice body, UeTransferRequest *request)
{
	const UeExchange *exchange = attempts->exchange;
	UeSlice other = attempts->other_model;
	size_t behind = body.len - exchange->model_end;

	attempts->body = malloc(exchange->model_start + other.len + behind + 1);
	if (attempts->body == NULL)
		return false;
	memcpy(attempts->body, body.ptr, exchange->model_start);
	memcpy(attempts->body + exchange->model_start, other.ptr, other.len);
	memcpy(attempts->body + exchange->model_start + other.len,
		   body.ptr + exchange->model_end, behind);
	request->whole_body =
		(UeSlice){attempts->body, exchange->model_start + other.len + behind};
	request->content_length = (int64_t) request->whole_body.len;
	return true;
}

int64_t
ue_attempts_read_body(UeAttempts *attempts, char *buffer, size_t size, bool *is_end)
{
	const UeExchange *exchange = attempts->exchange;
	UeSlice other = attempts->other_model;
	int64_t n_bytes;

	*is_end = false;
	if (other.len > 0 && attempts->read_at < exchange->model_start)
	{
		if (size > exchange->model_start - attempts->read_at)
			size = exchange->model_start - attempts->read_at;
	}
	else if (attempts->n_other_sent < other.len)
	{
		UeSlice left = ue_slice_sub(other, attempts->n_other_sent, size);

		memcpy(buffer, left.ptr, left.len);
		attempts->n_other_sent += left.len;
		return (int64_t) left.len;
	}
	else if (other.len > 0 && attempts->read_at < exchange->model_end)
	{
		n_bytes = skip_model(attempts);
		if (n_bytes < 0 || attempts->read_at < exchange->model_end)
			return n_bytes < 0 ? -1 : 0;
	}
	n_bytes = read_original(attempts, buffer, size);
	*is_end = n_bytes >= 0 && is_read_up(attempts);
	return n_bytes;
}

/* The client's name for the model: read, kept, and not sent. */
static int64_t
skip_model(UeAttempts *attempts)
{
	size_t end = attempts->exchange->model_end;
	int64_t n_bytes = 0;

	do
	{
		char passed[256];
		size_t left = end - attempts->read_at;

		n_bytes = read_original(attempts, passed,
								left < sizeof(passed) ? left : sizeof(passed));
	} while (n_bytes > 0 && attempts->read_at < end);
	return n_bytes;
}

void
ue_attempts_drop_body(UeAttempts *attempts)
{
	UeExchange *exchange = attempts->exchange;

	attempts->is_body_final = true;
	if (exchange->is_body_lent)
	{
		if (!ue_transfer_has_sent_body(exchange->transfer))
			return;
		ue_client_consume_body(exchange->client, ue_client_body(exchange->client).len);
		free(attempts->body);
		attempts->body = NULL;
	}
	else if (attempts->spool != NULL &&
			 attempts->read_at >= ue_spool_size(attempts->spool))
	{
		ue_spool_free(attempts->spool);
		attempts->spool = NULL;
	}
}

/* From what was kept, then from the client, which is kept. */
static int64_t
read_original(UeAttempts *attempts, char *buffer, size_t size)
{
	UeExchange *exchange = attempts->exchange;
	UeSlice body;
	size_t n_bytes;

	if (attempts->spool != NULL && ue_attempts_is_body_kept(attempts) &&
		attempts->read_at < ue_spool_size(attempts->spool))
	{
		int64_t n_read = ue_spool_read(attempts->spool, attempts->read_at, buffer, size);

		if (n_read > 0)
			attempts->read_at += (size_t) n_read;
		return n_read;
	}
	body = ue_client_body(exchange->client);
	n_bytes = body.len < size ? body.len : size;
	if (n_bytes > 0)
	{
		memcpy(buffer, body.ptr, n_bytes);
		if (!attempts->is_body_final)
			keep(attempts, ue_slice_sub(body, 0, n_bytes));
		ue_exchange_scan_request(exchange, ue_slice_sub(body, 0, n_bytes));
		ue_client_consume_body(exchange->client, n_bytes);
		exchange->received_bytes += (int64_t) n_bytes;
		attempts->read_at += n_bytes;
	}
	return (int64_t) n_bytes;
}

/* One that cannot be kept is sent once.  Of a disk that is full the log says so each minute. */
static void
keep(UeAttempts *attempts, UeSlice bytes)
{
	UeExchanges *owner = attempts->exchange->owner;
	int64_t now_ms = ue_loop_now_ms(owner->loop);
	UeSpoolState before = ue_spool_state(attempts->spool);

	if (ue_spool_append(attempts->spool, bytes) != UE_SPOOL_FAILED ||
		before == UE_SPOOL_FAILED || now_ms < owner->unkept_due_ms)
		return;
	owner->unkept_due_ms = now_ms + UNKEPT_MS;
	ue_log_write(UE_LOG_ERROR, "body_not_kept",
				 "large requests cannot be kept for another attempt, and are made once",
				 "directory", owner->config->journal, "reason", strerror(errno), NULL);
}

static bool
is_read_up(const UeAttempts *attempts)
{
	const UeExchange *exchange = attempts->exchange;

	return ue_client_body(exchange->client).len == 0 &&
		   ue_client_is_body_complete(exchange->client) &&
		   (attempts->spool == NULL || !ue_attempts_is_body_kept(attempts) ||
			attempts->read_at == ue_spool_size(attempts->spool)) &&
		   attempts->n_other_sent == attempts->other_model.len;
}
