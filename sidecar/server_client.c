/* SPDX-License-Identifier: PostgreSQL */
/*
 * server_client.c: one connection, from request to request.
 *
 *   IDLE -> HEAD -> EXCHANGE -> FLUSH -> IDLE …
 *                                    -> LINGER -> CLOSED
 *
 * The socket is watched for input during the whole exchange, though nobody waits for any:
 * the end of input is how a client that leaves is noticed.  What it sends meanwhile
 * (pipelined requests) is kept, up to a bound, and then dropped.
 */
#include "server_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Enough for the client to read an answer to an upload that we do not want. */
#define LINGER_MS 1000

#define CLIENT_OF(member_ptr, member)                                                    \
	((UeClient *) (void *) ((char *) (member_ptr) -offsetof(UeClient, member)))

static void on_ready(UeWatch *watch, uint32_t events);
static void on_read_deadline(UeTimer *timer);
static void on_write_deadline(UeTimer *timer);
static void run_later(UeDeferred *deferred);
static void write_more(UeClient *client);
static void tell_gone(UeClient *client);
static void flush_answer(UeClient *client);
static void begin_idle(UeClient *client);
static void begin_linger(UeClient *client);

void
ue_client_init(UeClient *client)
{
	client->watch.on_ready = on_ready;
	client->read_deadline.on_due = on_read_deadline;
	client->write_deadline.on_due = on_write_deadline;
	client->later.run = run_later;
	client->body_left = -1;
	ue_client_update_watch(client);
	ue_client_move_read_deadline(client);
}

void
ue_client_close(UeClient *client)
{
	UeServer *server = client->server;

	struct linger reset = {.l_onoff = 1, .l_linger = 0};

	if (client->state == UE_CLIENT_CLOSED)
		return;

	/* where the end of the connection is the end of the body, only a reset tells */
	if (client->has_head && client->is_until_close &&
		(!client->is_whole || client->n_output > 0))
		setsockopt(client->watch.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	client->state = UE_CLIENT_CLOSED;
	ue_output_reset(client);
	ue_loop_cancel_timer(server->loop, &client->read_deadline);
	ue_loop_watch(server->loop, &client->watch, 0);
	close(client->watch.fd);
	client->watch.fd = -1;
	ue_server_count_closed(server);
	ue_loop_defer(server->loop, &client->later);
}

void
ue_client_update_watch(UeClient *client)
{
	/* EPOLLERR is always reported; naming it keeps the descriptor registered */
	uint32_t events = EPOLLERR;

	if (client->state == UE_CLIENT_CLOSED)
		return;
	if (ue_input_find_size(client) > 0)
		events |= EPOLLIN;
	if (!client->is_half_closed)
		events |= EPOLLRDHUP;
	if (client->is_stalled)
		events |= EPOLLOUT;
	if (!ue_loop_watch(client->server->loop, &client->watch, events))
	{
		client->is_broken = true;
		ue_loop_defer(client->server->loop, &client->later);
	}
}

void
ue_client_finish_answer(UeClient *client)
{
	if (client->is_last && client->needs_linger)
		begin_linger(client);
	else if (client->is_last || client->server->is_draining)
		ue_client_close(client);
	else
		begin_idle(client);
}

/* A request may be in the socket's buffer, not yet seen: it is still served. */
void
ue_client_drop_idle(UeClient *client)
{
	if (client->state == UE_CLIENT_IDLE && client->rest == NULL)
		ue_input_read(client);
	if (client->state == UE_CLIENT_IDLE && client->rest == NULL)
		ue_client_close(client);
}

void
ue_client_set_context(UeClient *client, void *context)
{
	client->context = context;
}

void *
ue_client_context(const UeClient *client)
{
	return client->context;
}

UeSlice
ue_client_address(const UeClient *client)
{
	return ue_slice_of(client->address);
}

UeSlice
ue_client_body(const UeClient *client)
{
	return ue_parser_body(client->parser);
}

void
ue_client_consume_body(UeClient *client, size_t n_bytes)
{
	ue_parser_consume(client->parser, n_bytes);
	if (client->state != UE_CLIENT_EXCHANGE || ue_parser_is_whole(client->parser))
		return;
	ue_client_update_watch(client);
	ue_client_move_read_deadline(client);
}

bool
ue_client_is_body_complete(const UeClient *client)
{
	return ue_parser_is_whole(client->parser);
}

void
ue_client_refuse_body(UeClient *client)
{
	if (client->state != UE_CLIENT_EXCHANGE || ue_parser_is_whole(client->parser))
		return;
	client->is_refused = true;
	client->is_last = true;
	ue_client_update_watch(client);
	ue_client_move_read_deadline(client);
}

bool
ue_client_has_sent_head(const UeClient *client)
{
	return client->has_head;
}

bool
ue_client_is_cut_by_us(const UeClient *client)
{
	return client->is_cut;
}

int64_t
ue_client_sent_bytes(const UeClient *client)
{
	return client->sent_bytes;
}

void
ue_client_end(UeClient *client)
{
	if (client->state != UE_CLIENT_EXCHANGE)
		return;
	client->context = NULL;
	if (client->is_broken || !client->has_head)
	{
		ue_client_close(client);
		return;
	}

	/* the rest of the body may have come while the answer was given */
	client->needs_linger = client->is_discarding || !ue_parser_is_whole(client->parser);

	/* an answer shorter than announced shows as such only when the connection ends */
	if (client->body_left > 0)
		client->is_last = true;
	client->is_whole = true;
	if (client->is_chunked)
		ue_output_append(client, UE_SLICE("0\r\n\r\n"));
	flush_answer(client);
}

void
ue_client_abort(UeClient *client)
{
	if (client->state != UE_CLIENT_EXCHANGE)
		return;
	client->context = NULL;
	if (client->n_output > 0 && !client->is_stalled)
		ue_output_write(client, NULL, 0); /* what was given before the cut */
	ue_client_close(client);
}

static void
on_ready(UeWatch *watch, uint32_t events)
{
	UeClient *client = CLIENT_OF(watch, watch);

	if (events & (EPOLLERR | EPOLLHUP))
	{
		ue_client_leave(client);
		return;
	}
	if (events & EPOLLOUT)
		write_more(client);
	if (client->state == UE_CLIENT_CLOSED || client->is_broken)
		return;
	if (events & EPOLLIN)
		ue_input_read(client);
	else if (events & EPOLLRDHUP)
		ue_input_note_hangup(client);
}

static void
on_read_deadline(UeTimer *timer)
{
	UeClient *client = CLIENT_OF(timer, read_deadline);

	switch (client->state)
	{
		case UE_CLIENT_HEAD:
		case UE_CLIENT_EXCHANGE:
			ue_client_refuse(client, &ue_refusal_timeout);
			break;
		case UE_CLIENT_IDLE:
		case UE_CLIENT_LINGER:
			ue_client_close(client);
			break;
		case UE_CLIENT_FLUSH:
		case UE_CLIENT_CLOSED:
			break;
	}
}

static void
on_write_deadline(UeTimer *timer)
{
	ue_client_leave(CLIENT_OF(timer, write_deadline));
}

static void
run_later(UeDeferred *deferred)
{
	UeClient *client = CLIENT_OF(deferred, later);

	if (client->state == UE_CLIENT_CLOSED)
		ue_server_remove_client(client);
	else if (client->is_broken)
		ue_client_leave(client);
	else if (client->state == UE_CLIENT_IDLE && client->rest != NULL)
	{
		UeSlice rest = {client->rest, client->rest_len};

		client->rest = NULL;
		client->rest_len = 0;
		ue_input_feed(client, rest);
		free((char *) rest.ptr);
	}
	else if (client->n_output > 0 && !client->is_stalled)
		ue_output_write(client, NULL, 0); /* a head, small pieces of a body */
}

/* The socket takes bytes again. */
static void
write_more(UeClient *client)
{
	ue_output_write(client, NULL, 0);
	if (client->is_broken)
		return;
	if (client->state == UE_CLIENT_FLUSH && client->n_output == 0)
		ue_client_finish_answer(client);
	else if (client->state == UE_CLIENT_EXCHANGE && client->wants_writable &&
			 client->n_output < client->server->limits->output_low_bytes)
	{
		client->wants_writable = false;
		client->server->handler->on_writable(client->context, client);
	}
}

void
ue_client_begin_exchange(UeClient *client)
{
	UeParser *parser = client->parser;
	bool may_wait;

	client->state = UE_CLIENT_EXCHANGE;
	client->server->handler->on_request(client->server->context, client,
										ue_parser_request(parser));

	/* with bytes of the body in hand the client does not wait for a word */
	may_wait = client->state == UE_CLIENT_EXCHANGE && !client->has_head &&
			   !client->is_refused && !ue_parser_is_whole(parser) &&
			   ue_parser_body(parser).len == 0;
	if (may_wait && ue_parser_has_expect(parser))
	{
		ue_output_append(client, UE_SLICE("HTTP/1.1 100 Continue\r\n\r\n"));
		ue_output_write(client, NULL, 0);
	}
}

void
ue_client_move_read_deadline(UeClient *client)
{
	const UeServerLimits *limits = client->server->limits;
	int64_t delay_ms = -1;

	switch (client->state)
	{
		case UE_CLIENT_IDLE:
			delay_ms = limits->keep_alive_timeout_ms;
			break;
		case UE_CLIENT_HEAD:
			delay_ms = limits->header_timeout_ms;
			break;
		case UE_CLIENT_EXCHANGE:
			if (!ue_parser_is_whole(client->parser) && ue_input_find_size(client) > 0)
				delay_ms = limits->body_timeout_ms;
			break;
		case UE_CLIENT_LINGER:
			delay_ms = LINGER_MS;
			break;
		case UE_CLIENT_FLUSH:
		case UE_CLIENT_CLOSED:
			break;
	}
	if (delay_ms >= 0)
		ue_loop_set_timer(client->server->loop, &client->read_deadline, delay_ms);
	else
		ue_loop_cancel_timer(client->server->loop, &client->read_deadline);
}

void
ue_client_leave(UeClient *client)
{
	tell_gone(client);
	ue_client_close(client);
}

void
ue_client_refuse(UeClient *client, const UeRefusal *refusal)
{
	const UeHandler *handler = client->server->handler;

	if (client->state == UE_CLIENT_EXCHANGE && handler->on_refused != NULL &&
		!client->has_head)
	{
		client->is_refused = true;
		client->is_last = true;
		ue_client_update_watch(client);
		ue_client_move_read_deadline(client);
		handler->on_refused(client->context, client, refusal->status, refusal->message);
		return;
	}
	tell_gone(client);
	if (client->has_head || client->state == UE_CLIENT_CLOSED)
	{
		ue_client_close(client);
		return;
	}
	client->state = UE_CLIENT_EXCHANGE;
	ue_output_refuse(client, refusal);
	client->is_whole = true;
	flush_answer(client);
}

/* The state is changed first, so that end and abort from inside on_gone do nothing. */
static void
tell_gone(UeClient *client)
{
	void *context = client->context;

	if (client->state != UE_CLIENT_EXCHANGE)
		return;
	client->context = NULL;
	client->state = UE_CLIENT_FLUSH;
	client->server->handler->on_gone(context, client);
}

static void
flush_answer(UeClient *client)
{
	client->state = UE_CLIENT_FLUSH;
	ue_loop_cancel_timer(client->server->loop, &client->read_deadline);
	if (client->n_output > 0)
		ue_output_write(client, NULL, 0);
	if (client->is_broken)
		return; /* later closes it */
	if (client->n_output == 0)
		ue_client_finish_answer(client);
	else
		ue_client_update_watch(client);
}

static void
begin_idle(UeClient *client)
{
	ue_parser_reset(client->parser);
	client->state = UE_CLIENT_IDLE;
	client->has_head = false;
	client->has_body = false;
	client->is_chunked = false;
	client->is_until_close = false;
	client->is_whole = false;
	client->needs_linger = false;
	client->wants_writable = false;
	client->body_left = -1;
	client->sent_bytes = 0;
	if (client->rest != NULL)
		ue_loop_defer(client->server->loop, &client->later);
	ue_client_update_watch(client);
	ue_client_move_read_deadline(client);
}

static void
begin_linger(UeClient *client)
{
	ue_parser_reset(client->parser);
	free(client->rest);
	client->rest = NULL;
	client->rest_len = 0;
	client->state = UE_CLIENT_LINGER;
	shutdown(client->watch.fd, SHUT_WR);
	ue_client_update_watch(client);
	ue_client_move_read_deadline(client);
}
