/* SPDX-License-Identifier: PostgreSQL */
/*
 * server_client.c: one connection, from request to request.
 *
 *   IDLE -> HEAD -> EXCHANGE -> FLUSH -> IDLE …
 *                                    -> LINGER -> CLOSED
 *
 * The socket is watched for input during the whole exchange, though nobody waits for any:
 * the end of input is how a client that leaves is noticed.  What it sends meanwhile
 * (pipelined requests) is kept, up to a bound; then only the hangup is watched for, so a
 * sender that does not stop cannot make the loop spin.
 */
#include "server_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Enough for the client to read an answer to an upload that we do not want. */
#define LINGER_MS	 1000
#define LINGER_BYTES (1024 * 1024)

#define CLIENT_OF(member_ptr, member)                                                    \
	((UeClient *) (void *) ((char *) (member_ptr) -offsetof(UeClient, member)))

static void on_ready(UeWatch *watch, uint32_t events);
static void on_read_deadline(UeTimer *timer);
static void on_write_deadline(UeTimer *timer);
static void run_later(UeDeferred *deferred);
static void write_more(UeClient *client);
static void note_hangup(UeClient *client);
static size_t find_rest_room(const UeClient *client);
static size_t find_read_size(const UeClient *client);
static void read_input(UeClient *client);
static void throw_away(UeClient *client, size_t n_bytes);
static void end_input(UeClient *client);
static void feed(UeClient *client, UeSlice bytes);
static void keep_rest(UeClient *client, UeSlice bytes);
static void begin_exchange(UeClient *client);
static void move_read_deadline(UeClient *client);
static void leave(UeClient *client);
static void refuse(UeClient *client, const UeRefusal *refusal);
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
	move_read_deadline(client);
}

void
ue_client_close(UeClient *client)
{
	UeServer *server = client->server;

	if (client->state == UE_CLIENT_CLOSED)
		return;
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
	if (find_read_size(client) > 0)
		events |= EPOLLIN;
	if (!client->is_half_closed)
		events |= EPOLLRDHUP;
	if (client->n_output > 0)
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
		read_input(client);
	if (client->state == UE_CLIENT_IDLE && client->rest == NULL)
		ue_client_close(client);
}

void
ue_client_set_context(UeClient *client, void *context)
{
	client->context = context;
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
	move_read_deadline(client);
}

bool
ue_client_is_body_complete(const UeClient *client)
{
	return ue_parser_is_whole(client->parser);
}

bool
ue_client_has_sent_head(const UeClient *client)
{
	return client->has_head;
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
	client->needs_linger = !ue_parser_is_whole(client->parser);

	/* an answer shorter than announced shows as such only when the connection ends */
	if (client->body_left > 0)
		client->is_last = true;
	if (client->is_chunked)
		ue_output_append(client, UE_SLICE("0\r\n\r\n"));
	flush_answer(client);
}

void
ue_client_abort(UeClient *client)
{
	struct linger reset = {.l_onoff = 1, .l_linger = 0};

	if (client->state != UE_CLIENT_EXCHANGE)
		return;
	client->context = NULL;

	/* where the end of the connection is the end of the body, only a reset tells */
	if (client->has_head && client->is_until_close)
		setsockopt(client->watch.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	ue_client_close(client);
}

static void
on_ready(UeWatch *watch, uint32_t events)
{
	UeClient *client = CLIENT_OF(watch, watch);

	if (events & (EPOLLERR | EPOLLHUP))
	{
		leave(client);
		return;
	}
	if (events & EPOLLOUT)
		write_more(client);
	if (client->state == UE_CLIENT_CLOSED || client->is_broken)
		return;
	if (events & EPOLLIN)
		read_input(client);
	else if (events & EPOLLRDHUP)
		note_hangup(client);
}

static void
on_read_deadline(UeTimer *timer)
{
	UeClient *client = CLIENT_OF(timer, read_deadline);

	switch (client->state)
	{
		case UE_CLIENT_HEAD:
		case UE_CLIENT_EXCHANGE:
			refuse(client, &ue_refusal_timeout);
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
	leave(CLIENT_OF(timer, write_deadline));
}

static void
run_later(UeDeferred *deferred)
{
	UeClient *client = CLIENT_OF(deferred, later);

	if (client->state == UE_CLIENT_CLOSED)
		ue_server_remove_client(client);
	else if (client->is_broken)
		leave(client);
	else if (client->state == UE_CLIENT_IDLE && client->rest != NULL)
	{
		UeSlice rest = {client->rest, client->rest_len};

		client->rest = NULL;
		client->rest_len = 0;
		feed(client, rest);
		free((char *) rest.ptr);
	}
	else if (client->n_output > 0 && !client->is_stalled)
		ue_output_write(client, NULL, 0); /* a head without a body as yet */
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

/*
 * The client's side is shut while we do not read.  With a whole request that means it has
 * left.  Else bytes of the request may still be in the socket: the end shows when they
 * have been read; a client that is gone altogether shows as an error when we write.
 */
static void
note_hangup(UeClient *client)
{
	if (client->state == UE_CLIENT_EXCHANGE && ue_parser_is_whole(client->parser))
	{
		leave(client);
		return;
	}
	client->is_half_closed = true;
	ue_client_update_watch(client);
}

/* For pipelined requests.  More than the bound may have come with the present one. */
static size_t
find_rest_room(const UeClient *client)
{
	return client->rest_len < UE_SERVER_REST ? UE_SERVER_REST - client->rest_len : 0;
}

/* How much may be read now; 0: nothing. */
static size_t
find_read_size(const UeClient *client)
{
	size_t window = client->server->limits->body_window_bytes;
	size_t unread;

	switch (client->state)
	{
		case UE_CLIENT_IDLE:
			/* what is there comes first */
			return client->rest == NULL ? UE_SERVER_READ : 0;
		case UE_CLIENT_HEAD:
		case UE_CLIENT_LINGER:
			return UE_SERVER_READ;
		case UE_CLIENT_EXCHANGE:
			if (ue_parser_is_whole(client->parser))
				return find_rest_room(client);
			unread = ue_parser_body(client->parser).len;
			if (unread >= window)
				return 0;
			return window - unread < UE_SERVER_READ ? window - unread : UE_SERVER_READ;
		case UE_CLIENT_FLUSH:
			if (client->is_half_closed)
				return 0;
			if (client->needs_linger)
				return client->n_lingered < LINGER_BYTES ? UE_SERVER_READ : 0;
			return client->is_last ? 0 : find_rest_room(client);
		case UE_CLIENT_CLOSED:
			break;
	}
	return 0;
}

static void
read_input(UeClient *client)
{
	size_t size = find_read_size(client);
	UeSlice bytes = {client->server->input, 0};
	ssize_t n_read;

	if (size == 0)
		return;
	n_read = recv(client->watch.fd, client->server->input, size, MSG_DONTWAIT);
	if (n_read < 0)
	{
		if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
			leave(client);
		return;
	}
	if (n_read == 0)
	{
		end_input(client);
		return;
	}
	bytes.len = (size_t) n_read;
	if (client->state == UE_CLIENT_LINGER ||
		(client->state == UE_CLIENT_FLUSH && client->needs_linger))
		throw_away(client, bytes.len);
	else
		feed(client, bytes);
}

/* Input that nobody wants any more; it is read so that the answer is. */
static void
throw_away(UeClient *client, size_t n_bytes)
{
	client->n_lingered += n_bytes;
	if (client->n_lingered < LINGER_BYTES)
		return;
	if (client->state == UE_CLIENT_LINGER)
		ue_client_close(client);
	else
		ue_client_update_watch(client);
}

static void
end_input(UeClient *client)
{
	if (client->state != UE_CLIENT_FLUSH)
	{
		leave(client);
		return;
	}

	/* the answer is whole; the client may well be reading it */
	client->is_last = true;
	client->is_half_closed = true;
	client->needs_linger = false;
	ue_client_update_watch(client);
}

static void
feed(UeClient *client, UeSlice bytes)
{
	UeParser *parser = client->parser;
	bool had_head = ue_parser_request(parser) != NULL;
	size_t n_used;
	UeParse parse;

	if (client->state == UE_CLIENT_FLUSH || ue_parser_is_whole(parser))
	{
		keep_rest(client, bytes);
		ue_client_update_watch(client);
		return;
	}

	parse = ue_parser_read(parser, bytes, &n_used);
	if (parse == UE_PARSE_REFUSED)
	{
		refuse(client, ue_parser_refusal(parser));
		return;
	}
	keep_rest(client, ue_slice_sub(bytes, n_used, bytes.len - n_used));

	if (ue_parser_request(parser) == NULL)
	{
		if (client->state == UE_CLIENT_IDLE)
		{
			client->state = UE_CLIENT_HEAD;
			move_read_deadline(client);
			ue_client_update_watch(client); /* what was kept is used up: read on */
		}
		return;
	}
	if (!had_head)
		begin_exchange(client);
	else
		client->server->handler->on_body(client->context, client);

	if (client->state == UE_CLIENT_EXCHANGE)
	{
		ue_client_update_watch(client);
		move_read_deadline(client);
	}
}

static void
keep_rest(UeClient *client, UeSlice bytes)
{
	char *rest;

	if (bytes.len == 0)
		return;
	rest = realloc(client->rest, client->rest_len + bytes.len);
	if (rest == NULL)
	{
		client->is_last = true; /* the next request cannot be whole */
		return;
	}
	memcpy(rest + client->rest_len, bytes.ptr, bytes.len);
	client->rest = rest;
	client->rest_len += bytes.len;
}

static void
begin_exchange(UeClient *client)
{
	UeParser *parser = client->parser;
	bool may_wait;

	client->state = UE_CLIENT_EXCHANGE;
	client->server->handler->on_request(client->server->context, client,
										ue_parser_request(parser));

	/* with bytes of the body in hand the client does not wait for a word */
	may_wait = client->state == UE_CLIENT_EXCHANGE && !client->has_head &&
			   !ue_parser_is_whole(parser) && ue_parser_body(parser).len == 0;
	if (may_wait && ue_parser_has_expect(parser))
	{
		ue_output_append(client, UE_SLICE("HTTP/1.1 100 Continue\r\n\r\n"));
		ue_output_write(client, NULL, 0);
	}
}

static void
move_read_deadline(UeClient *client)
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
			if (!ue_parser_is_whole(client->parser) && find_read_size(client) > 0)
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

/* The client is gone.  Called from the loop only, never below a call of the handler. */
static void
leave(UeClient *client)
{
	if (client->state == UE_CLIENT_EXCHANGE)
	{
		void *context = client->context;

		/* so that what the handler may still call does nothing */
		client->context = NULL;
		client->state = UE_CLIENT_FLUSH;
		client->server->handler->on_gone(context, client);
	}
	ue_client_close(client);
}

/* The client broke a rule or a deadline.  It is told so when nothing else was said yet. */
static void
refuse(UeClient *client, const UeRefusal *refusal)
{
	if (client->state == UE_CLIENT_EXCHANGE)
	{
		void *context = client->context;

		/* so that what the handler may still call does nothing */
		client->context = NULL;
		client->state = UE_CLIENT_FLUSH;
		client->server->handler->on_gone(context, client);
	}
	if (client->has_head || client->state == UE_CLIENT_CLOSED)
	{
		ue_client_close(client);
		return;
	}
	client->state = UE_CLIENT_EXCHANGE;
	ue_output_refuse(client, refusal);
	flush_answer(client);
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
	client->needs_linger = false;
	client->wants_writable = false;
	client->body_left = -1;
	client->sent_bytes = 0;
	if (client->rest != NULL)
		ue_loop_defer(client->server->loop, &client->later);
	ue_client_update_watch(client);
	move_read_deadline(client);
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
	move_read_deadline(client);
}
