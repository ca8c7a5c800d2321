/* SPDX-License-Identifier: PostgreSQL */
/*
 * server_output.c: heads, framing, and bytes that the socket does not take.
 *
 * A head and small pieces of a body wait for more, for the answer's end or the end of the
 * turn, so a small answer is one sendmsg, and so are the events that one read of the
 * upstream brought.  Larger pieces go from the caller's memory to the socket; of them only
 * what the socket refuses is copied, into blocks, so a client that keeps up costs no memory.
 */
#include "server_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SPARE_BLOCKS 64
#define MAX_PARTS		 16
#define MAX_OWN_PARTS	 4 /* what a caller may pass */

/* Up to so much is cheaper to copy than to send by itself. */
#define SMALL_PIECE 2048

/* Small pieces that wait for the end of the turn are no more than this together. */
#define MAX_WAITING (UE_SERVER_BLOCK / 2)

/* The hexadecimal length of a piece, and CRLF. */
#define CHUNK_HEAD (2 * sizeof(size_t) + 2)

static UeBlock *take_block(UeServer *server);
static void give_block(UeServer *server, UeBlock *block);
static void break_connection(UeClient *client);
static void drop_written(UeClient *client, size_t n_bytes);
static void append_unwritten(UeClient *client, const struct iovec *parts, int n_parts,
							 size_t n_skipped);
static void move_write_deadline(UeClient *client, bool has_progress);
static void append_text(UeClient *client, UeSlice text);
static void append_header(UeClient *client, const UeHeader *header);
static char *put(char *out, UeSlice text);
static void append_number(UeClient *client, int64_t number); /* not negative */
static size_t write_chunk_head(char *out, size_t length);
static void send_piece(UeClient *client, UeSlice head, UeSlice bytes, UeSlice tail);
static void append_framing(UeClient *client, int status, int64_t content_length);

void
ue_output_append(UeClient *client, UeSlice bytes)
{
	while (bytes.len > 0 && !client->is_broken)
	{
		UeBlock *block = client->last_block;
		size_t room;

		if (block == NULL || block->end == sizeof(block->bytes))
		{
			block = take_block(client->server);
			if (block == NULL)
			{
				break_connection(client);
				return;
			}
			if (client->last_block == NULL)
				client->first_block = block;
			else
				client->last_block->next = block;
			client->last_block = block;
		}
		room = sizeof(block->bytes) - block->end;
		if (room > bytes.len)
			room = bytes.len;
		memcpy(block->bytes + block->end, bytes.ptr, room);
		block->end += room;
		client->n_output += room;
		bytes = ue_slice_sub(bytes, room, bytes.len - room);
	}
}

void
ue_output_write(UeClient *client, struct iovec *parts, int n_parts)
{
	struct iovec all[MAX_PARTS];
	struct msghdr message = {.msg_iov = all};
	size_t n_waiting = 0;
	ssize_t n_written;
	int n_all = 0;

	if (client->is_broken || client->state == UE_CLIENT_CLOSED)
		return;
	for (UeBlock *block = client->first_block;
		 block != NULL && n_all < MAX_PARTS - MAX_OWN_PARTS; block = block->next)
	{
		all[n_all].iov_base = block->bytes + block->at;
		all[n_all].iov_len = block->end - block->at;
		n_waiting += all[n_all++].iov_len;
	}
	if (n_waiting == client->n_output)
	{
		for (int i = 0; i < n_parts; i++)
			all[n_all++] = parts[i];
	}
	if (n_all == 0)
		return;

	message.msg_iovlen = (size_t) n_all;
	do
		n_written = sendmsg(client->watch.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n_written < 0 && errno == EINTR);
	if (n_written < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
	{
		break_connection(client);
		return;
	}
	if (n_written < 0)
		n_written = 0;

	if ((size_t) n_written <= n_waiting)
	{
		drop_written(client, (size_t) n_written);
		append_unwritten(client, parts, n_parts, 0);
	}
	else
	{
		drop_written(client, n_waiting);
		append_unwritten(client, parts, n_parts, (size_t) n_written - n_waiting);
	}
	move_write_deadline(client, n_written > 0);
	ue_client_update_watch(client);
}

void
ue_output_reset(UeClient *client)
{
	drop_written(client, client->n_output);
	ue_loop_cancel_timer(client->server->loop, &client->write_deadline);
}

void
ue_output_refuse(UeClient *client, const UeRefusal *refusal)
{
	static const UeHeader headers[] = {
		{UE_SLICE_INIT("content-type"), UE_SLICE_INIT("application/json")},
	};
	char body[512];
	int length;

	length = snprintf(body, sizeof(body),
					  "{\"error\":{\"message\":\"%s\",\"type\":\"invalid_request_error\","
					  "\"param\":null,\"code\":\"%s\"}}",
					  refusal->message, refusal->code);
	client->is_last = true;
	client->needs_linger = true;
	ue_client_send_head(client, refusal->status, ue_slice_of(refusal->reason), headers, 1,
						length);
	ue_client_send_body(client, (UeSlice){body, (size_t) length});
}

void
ue_client_send_head(UeClient *client, int status, UeSlice reason, const UeHeader *headers,
					size_t n_headers, int64_t content_length)
{
	const UeParser *parser = client->parser;

	if (client->is_broken || client->state == UE_CLIENT_CLOSED || client->has_head)
		return;
	client->has_head = true;
	client->has_body =
		!ue_parser_is_head_method(parser) && status != 204 && status != 304;
	if (!ue_parser_is_whole(parser))
	{
		client->is_last = true;
		client->needs_linger = true;
	}
	if (!ue_parser_has_keep_alive(parser) || client->server->is_draining)
		client->is_last = true;

	ue_output_append(client, UE_SLICE("HTTP/1.1 "));
	append_number(client, status);
	ue_output_append(client, UE_SLICE(" "));
	append_text(client, reason);
	ue_output_append(client, UE_SLICE("\r\n"));
	for (size_t i = 0; i < n_headers; i++)
		append_header(client, &headers[i]);
	append_framing(client, status, content_length);
	ue_output_append(client, UE_SLICE("\r\n"));
	ue_loop_defer(client->server->loop, &client->later);
}

bool
ue_client_send_body(UeClient *client, UeSlice bytes)
{
	UeSlice head = {NULL, 0};
	UeSlice tail = {NULL, 0};
	char chunk_head[CHUNK_HEAD];

	if (client->is_broken || client->state == UE_CLIENT_CLOSED || !client->has_head)
		return true;
	if (client->body_left >= 0 && (int64_t) bytes.len > client->body_left)
		bytes.len = (size_t) client->body_left;
	if (bytes.len == 0 || !client->has_body)
		return true;
	client->sent_bytes += (int64_t) bytes.len;
	if (client->body_left >= 0)
		client->body_left -= (int64_t) bytes.len;

	if (client->is_chunked)
	{
		head = (UeSlice){chunk_head, write_chunk_head(chunk_head, bytes.len)};
		tail = UE_SLICE("\r\n");
	}
	/* when the socket has taken less than all, its readiness is waited for */
	if (client->is_stalled ||
		(bytes.len <= SMALL_PIECE && client->n_output + bytes.len <= MAX_WAITING))
	{
		ue_output_append(client, head);
		ue_output_append(client, bytes);
		ue_output_append(client, tail);
		if (!client->is_stalled)
			ue_loop_defer(client->server->loop, &client->later);
	}
	else
		send_piece(client, head, bytes, tail);

	/* what only waits for the end of the turn is no reason to stop */
	if (client->n_output > client->server->limits->output_high_bytes &&
		!client->is_stalled)
		ue_output_write(client, NULL, 0);
	if (client->n_output <= client->server->limits->output_high_bytes)
		return true;
	client->wants_writable = true;
	return false;
}

/* The length in hexadecimal and a line end (RFC 9112, 7.1). */
static size_t
write_chunk_head(char *out, size_t length)
{
	static const char digits[] = "0123456789abcdef";
	size_t n_digits = 1;

	for (size_t rest = length >> 4; rest > 0; rest >>= 4)
		n_digits++;
	for (size_t i = n_digits; i > 0; i--)
	{
		out[i - 1] = digits[length & 15];
		length >>= 4;
	}
	out[n_digits] = '\r';
	out[n_digits + 1] = '\n';
	return n_digits + 2;
}

static void
send_piece(UeClient *client, UeSlice head, UeSlice bytes, UeSlice tail)
{
	const UeSlice all[] = {head, bytes, tail};
	struct iovec parts[sizeof(all) / sizeof(all[0])];
	int n_parts = 0;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
	{
		if (all[i].len == 0)
			continue;
		parts[n_parts].iov_base = (char *) all[i].ptr;
		parts[n_parts++].iov_len = all[i].len;
	}
	ue_output_write(client, parts, n_parts);
}

static UeBlock *
take_block(UeServer *server)
{
	UeBlock *block = server->spare_blocks;

	if (block != NULL)
	{
		server->spare_blocks = block->next;
		server->n_spare_blocks--;
	}
	else
	{
		block = malloc(sizeof(*block));
		if (block == NULL)
			return NULL;
	}
	block->next = NULL;
	block->at = 0;
	block->end = 0;
	return block;
}

static void
give_block(UeServer *server, UeBlock *block)
{
	if (server->n_spare_blocks == MAX_SPARE_BLOCKS)
	{
		free(block);
		return;
	}
	block->next = server->spare_blocks;
	server->spare_blocks = block;
	server->n_spare_blocks++;
}

/* The handler may be on the stack, so it hears of it at the end of the turn. */
static void
break_connection(UeClient *client)
{
	client->is_broken = true;
	ue_output_reset(client);
	ue_loop_defer(client->server->loop, &client->later);
}

static void
drop_written(UeClient *client, size_t n_bytes)
{
	client->n_output -= n_bytes;
	while (n_bytes > 0 || (client->first_block != NULL &&
						   client->first_block->at == client->first_block->end))
	{
		UeBlock *block = client->first_block;
		size_t n_here = block->end - block->at;

		if (n_bytes < n_here)
		{
			block->at += n_bytes;
			return;
		}
		n_bytes -= n_here;
		client->first_block = block->next;
		if (client->first_block == NULL)
			client->last_block = NULL;
		give_block(client->server, block);
	}
}

static void
append_unwritten(UeClient *client, const struct iovec *parts, int n_parts,
				 size_t n_skipped)
{
	for (int i = 0; i < n_parts; i++)
	{
		UeSlice part = {parts[i].iov_base, parts[i].iov_len};

		if (n_skipped >= part.len)
		{
			n_skipped -= part.len;
			continue;
		}
		ue_output_append(client, ue_slice_sub(part, n_skipped, part.len - n_skipped));
		n_skipped = 0;
	}
}

static void
move_write_deadline(UeClient *client, bool has_progress)
{
	UeServer *server = client->server;

	if (client->n_output == 0 && client->is_stalled)
		ue_loop_cancel_timer(server->loop, &client->write_deadline);
	else if (client->n_output > 0 && (has_progress || !client->is_stalled))
		ue_loop_set_timer(server->loop, &client->write_deadline,
						  server->limits->write_timeout_ms);
	client->is_stalled = client->n_output > 0;
}

/*
 * For a head.  Names, values and reasons come from an upstream: a line end in one would be
 * a header of its making, so control bytes become blanks.
 */
static void
append_text(UeClient *client, UeSlice text)
{
	if (!ue_slice_has_control(text))
	{
		ue_output_append(client, text);
		return;
	}
	for (size_t i = 0; i < text.len; i++)
	{
		unsigned char byte = (unsigned char) text.ptr[i];

		if (byte < 0x20 && byte != '\t')
			ue_output_append(client, UE_SLICE(" "));
		else
			ue_output_append(client, ue_slice_sub(text, i, 1));
	}
}

/* Nearly always at once: behind the status line there is room. */
static void
append_header(UeClient *client, const UeHeader *header)
{
	UeSlice name = header->name;
	UeSlice value = header->value;
	size_t len = name.len + value.len + 4;
	UeBlock *block = client->last_block;
	char *out;

	if (block != NULL && sizeof(block->bytes) - block->end >= len &&
		!ue_slice_has_control(name) && !ue_slice_has_control(value))
	{
		out = put(block->bytes + block->end, name);
		out = put(out, UE_SLICE(": "));
		out = put(out, value);
		put(out, UE_SLICE("\r\n"));
		block->end += len;
		client->n_output += len;
		return;
	}
	append_text(client, name);
	ue_output_append(client, UE_SLICE(": "));
	append_text(client, value);
	ue_output_append(client, UE_SLICE("\r\n"));
}

static char *
put(char *out, UeSlice text)
{
	if (text.len > 0)
		memcpy(out, text.ptr, text.len);
	return out + text.len;
}

static void
append_number(UeClient *client, int64_t number)
{
	char text[24];
	size_t at = sizeof(text);

	do
		text[--at] = (char) ('0' + number % 10);
	while ((number /= 10) > 0);
	ue_output_append(client, (UeSlice){text + at, sizeof(text) - at});
}

/* RFC 9112, 6: who knows where the body ends, and what becomes of the connection. */
static void
append_framing(UeClient *client, int status, int64_t content_length)
{
	bool is_http_1_0 = ue_parser_is_http_1_0(client->parser);
	bool has_length = content_length >= 0 && status != 204;

	/* 0 would be untrue for the 200 that a 304 stands for */
	if (status == 304 && content_length == 0)
		has_length = false;

	client->is_chunked = client->has_body && content_length < 0 && !is_http_1_0;
	client->is_until_close = client->has_body && content_length < 0 && is_http_1_0;
	client->body_left = client->has_body ? content_length : 0;
	if (client->is_until_close)
		client->is_last = true;

	if (has_length)
	{
		ue_output_append(client, UE_SLICE("content-length: "));
		append_number(client, content_length);
		ue_output_append(client, UE_SLICE("\r\n"));
	}
	else if (client->is_chunked)
		ue_output_append(client, UE_SLICE("transfer-encoding: chunked\r\n"));
	if (client->is_last)
		ue_output_append(client, UE_SLICE("connection: close\r\n"));
	else if (is_http_1_0)
		ue_output_append(client, UE_SLICE("connection: keep-alive\r\n"));
}
