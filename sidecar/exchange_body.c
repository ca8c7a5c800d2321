/* SPDX-License-Identifier: PostgreSQL */
/*
 * exchange_body.c: a request's body, as often as there are attempts.
 *
 * A body that is whole before the first attempt stays with the client's connection, and is
 * lent to each attempt.  A larger one is sent on as it comes; what has been taken from the
 * connection is kept in the spool, from which the next attempt begins.  When the channel
 * calls the model by another name that is put in its place on the way.
 */
#include <stdlib.h>
#include <string.h>

#include "exchange_attempts.h"
#include "peek.h"

static bool find_model_place(UeAttempts *attempts);
static bool write_whole(UeAttempts *attempts, UeSlice body, UeTransferRequest *request);
static int64_t read_original(UeAttempts *attempts, char *buffer, size_t size);
static bool is_read_up(const UeAttempts *attempts);

bool
ue_attempts_prepare_body(UeAttempts *attempts, UeTransferRequest *request, bool is_whole,
						 UeSlice other_model)
{
	UeExchange *exchange = attempts->exchange;
	const UeConfig *config = exchange->owner->config;
	UeSpoolOptions options = {
		.memory_bytes = config->retry_body_memory_bytes,
		.max_bytes = config->retry_body_max_bytes,
		.directory = config->journal,
	};

	attempts->read_at = 0;
	attempts->n_other_sent = 0;
	attempts->other_model = (UeSlice){NULL, 0};
	if (other_model.len > 0 && exchange->route.model.len == 0 &&
		find_model_place(attempts))
		attempts->other_model = other_model;
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
			(int64_t) (attempts->model_end - attempts->model_start);
	if (attempts->spool == NULL && request->content_length != 0)
	{
		attempts->spool = ue_spool_new(&options);
		return attempts->spool != NULL;
	}
	return true;
}

bool
ue_attempts_is_body_kept(const UeAttempts *attempts)
{
	return attempts->spool == NULL || ue_spool_state(attempts->spool) == UE_SPOOL_WHOLE;
}

/* Known once the beginning was there; a body that names it later keeps its name. */
static bool
find_model_place(UeAttempts *attempts)
{
	UeSlice body = ue_client_body(attempts->exchange->client);
	UeSlice model = {NULL, 0};
	bool is_stream;

	if (attempts->model_end > 0)
		return true;
	ue_peek_request(body, &model, &is_stream);
	if (model.len == 0)
		return false;
	attempts->model_start = (size_t) (model.ptr - body.ptr);
	attempts->model_end = attempts->model_start + model.len;
	return true;
}

static bool
write_whole(UeAttempts *attempts, UeSlice body, UeTransferRequest *request)
{
	UeSlice other = attempts->other_model;
	size_t behind = body.len - attempts->model_end;

	attempts->body = malloc(attempts->model_start + other.len + behind + 1);
	if (attempts->body == NULL)
		return false;
	memcpy(attempts->body, body.ptr, attempts->model_start);
	memcpy(attempts->body + attempts->model_start, other.ptr, other.len);
	memcpy(attempts->body + attempts->model_start + other.len,
		   body.ptr + attempts->model_end, behind);
	request->whole_body =
		(UeSlice){attempts->body, attempts->model_start + other.len + behind};
	request->content_length = (int64_t) request->whole_body.len;
	return true;
}

int64_t
ue_attempts_read_body(UeAttempts *attempts, char *buffer, size_t size, bool *is_end)
{
	UeSlice other = attempts->other_model;
	int64_t n_bytes;

	*is_end = false;
	if (other.len > 0 && attempts->read_at == attempts->model_start &&
		attempts->n_other_sent < other.len)
	{
		UeSlice left = ue_slice_sub(other, attempts->n_other_sent, size);

		memcpy(buffer, left.ptr, left.len);
		attempts->n_other_sent += left.len;
		return (int64_t) left.len;
	}
	if (other.len > 0 && attempts->read_at >= attempts->model_start &&
		attempts->read_at < attempts->model_end)
	{
		/* the name in the client's words: read, and not sent */
		char passed[256];
		size_t left = attempts->model_end - attempts->read_at;

		n_bytes = read_original(attempts, passed,
								left < sizeof(passed) ? left : sizeof(passed));
		if (n_bytes <= 0 || attempts->read_at < attempts->model_end)
			return n_bytes < 0 ? -1
							   : ue_attempts_read_body(attempts, buffer,
													   n_bytes == 0 ? 0 : size, is_end);
	}
	if (size == 0)
		return 0;
	if (other.len > 0 && attempts->read_at < attempts->model_start &&
		attempts->model_start - attempts->read_at < size)
		size = attempts->model_start - attempts->read_at;
	n_bytes = read_original(attempts, buffer, size);
	*is_end = n_bytes >= 0 && is_read_up(attempts);
	return n_bytes;
}

/* From what was kept, then from the client, which is kept. */
static int64_t
read_original(UeAttempts *attempts, char *buffer, size_t size)
{
	UeExchange *exchange = attempts->exchange;
	size_t n_kept = ue_spool_size(attempts->spool);
	UeSlice body;
	size_t n_bytes;

	if (attempts->read_at < n_kept && ue_attempts_is_body_kept(attempts))
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
		/* one that cannot be kept is sent once */
		(void) ue_spool_append(attempts->spool, ue_slice_sub(body, 0, n_bytes));
		ue_client_consume_body(exchange->client, n_bytes);
		exchange->received_bytes += (int64_t) n_bytes;
		attempts->read_at += n_bytes;
	}
	return (int64_t) n_bytes;
}

static bool
is_read_up(const UeAttempts *attempts)
{
	const UeExchange *exchange = attempts->exchange;

	return ue_client_body(exchange->client).len == 0 &&
		   ue_client_is_body_complete(exchange->client) &&
		   (!ue_attempts_is_body_kept(attempts) ||
			attempts->read_at == ue_spool_size(attempts->spool)) &&
		   attempts->n_other_sent == attempts->other_model.len;
}
