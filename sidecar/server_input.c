/* SPDX-License-Identifier: PostgreSQL */
/*
 * server_input.c: how much is read when, and what becomes of it.
 *
 * A request in progress takes no more than its window of body, and beside it a bounded
 * piece of the requests that follow.  When the body may not grow, the socket is not watched
 * for input, so who does not stop sending is stopped by TCP.  When the requests behind it
 * may not, they are read and dropped, and the connection ends after the answer: what is not
 * read would hide the end of a client that left.
 */
#include "server_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static size_t find_rest_room(const UeClient *client);
static void throw_away(UeClient *client, size_t n_bytes);
static void end_input(UeClient *client);
static void discard_rest(UeClient *client);
static void keep_rest(UeClient *client, UeSlice bytes);

void
ue_input_read(UeClient *client)
{
	size_t size = ue_input_find_size(client);
	UeSlice bytes = {client->server->input, 0};
	ssize_t n_read;

	if (size == 0)
		return;
	n_read = recv(client->watch.fd, client->server->input, size, MSG_DONTWAIT);
	if (n_read < 0)
	{
		if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
			ue_client_leave(client);
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
		ue_input_feed(client, bytes);
}

void
ue_input_feed(UeClient *client, UeSlice bytes)
{
	UeParser *parser = client->parser;
	bool had_head = ue_parser_request(parser) != NULL;
	size_t n_used;
	UeParse parse;

	if (client->state == UE_CLIENT_FLUSH || ue_parser_is_whole(parser))
	{
		if (client->is_discarding || client->rest_len >= UE_SERVER_REST)
			discard_rest(client);
		else
			keep_rest(client, bytes);
		ue_client_update_watch(client);
		return;
	}

	parse = ue_parser_read(parser, bytes, &n_used);
	if (parse == UE_PARSE_REFUSED)
	{
		/* the head may have come in one piece with what is wrong behind it */
		if (!had_head && client->server->handler->on_refused != NULL &&
			ue_parser_is_body_refused(parser))
			ue_client_begin_exchange(client);
		ue_client_refuse(client, ue_parser_refusal(parser));
		return;
	}
	keep_rest(client, ue_slice_sub(bytes, n_used, bytes.len - n_used));

	if (ue_parser_request(parser) == NULL)
	{
		if (client->state == UE_CLIENT_IDLE)
		{
			client->state = UE_CLIENT_HEAD;
			ue_client_move_read_deadline(client);
			ue_client_update_watch(client); /* what was kept is used up: read on */
		}
		return;
	}
	if (!had_head)
		ue_client_begin_exchange(client);
	else
		client->server->handler->on_body(client->context, client);

	if (client->state == UE_CLIENT_EXCHANGE)
	{
		ue_client_update_watch(client);
		ue_client_move_read_deadline(client);
	}
}

void
ue_input_note_hangup(UeClient *client)
{
	if (client->state == UE_CLIENT_EXCHANGE && ue_parser_is_whole(client->parser))
	{
		ue_client_leave(client);
		return;
	}
	client->is_half_closed = true;
	ue_client_update_watch(client);
}

size_t
ue_input_find_size(const UeClient *client)
{
	size_t window = client->server->limits->body_window_bytes;
	size_t unread;

	switch (client->state)
	{
		case UE_CLIENT_IDLE:
			/* what is there comes first */
			return client->rest == NULL ? UE_SERVER_READ : 0;
		case UE_CLIENT_HEAD:
			return UE_SERVER_READ;
		case UE_CLIENT_LINGER:
			return client->n_lingered < UE_SERVER_LINGER_BYTES ? UE_SERVER_READ : 0;
		case UE_CLIENT_EXCHANGE:
			if (ue_parser_is_whole(client->parser))
			{
				size_t room = find_rest_room(client);

				return room > 0 ? room : UE_SERVER_READ;
			}
			unread = ue_parser_body(client->parser).len;
			if (client->is_refused || unread >= window)
				return 0;
			return window - unread < UE_SERVER_READ ? window - unread : UE_SERVER_READ;
		case UE_CLIENT_FLUSH:
			if (client->is_half_closed)
				return 0;
			if (client->needs_linger)
				return client->n_lingered < UE_SERVER_LINGER_BYTES ? UE_SERVER_READ : 0;
			return client->is_last ? 0 : find_rest_room(client);
		case UE_CLIENT_CLOSED:
			break;
	}
	return 0;
}

/* For pipelined requests.  More than the bound may have come with the present one. */
static size_t
find_rest_room(const UeClient *client)
{
	return client->rest_len < UE_SERVER_REST ? UE_SERVER_REST - client->rest_len : 0;
}

/*
 * Input that nobody wants any more; it is read so that the answer is.  Above the bound the
 * client is stopped by TCP and not by closing, which would reset the connection before a
 * busy sender has looked at the answer; the deadline of the linger closes it.
 */
static void
throw_away(UeClient *client, size_t n_bytes)
{
	client->n_lingered += n_bytes;
	if (client->n_lingered >= UE_SERVER_LINGER_BYTES)
		ue_client_update_watch(client);
}

static void
end_input(UeClient *client)
{
	if (client->state != UE_CLIENT_FLUSH)
	{
		ue_client_leave(client);
		return;
	}

	/* the answer is whole; the client may well be reading it */
	client->is_last = true;
	client->is_half_closed = true;
	client->needs_linger = false;
	ue_client_update_watch(client);
}

static void
discard_rest(UeClient *client)
{
	free(client->rest);
	client->rest = NULL;
	client->rest_len = 0;
	client->is_discarding = true;
	client->is_last = true;
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
