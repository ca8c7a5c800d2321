/* SPDX-License-Identifier: PostgreSQL */
/*
 * server_probe.c: a server in a thread whose handler acts by path, and client sockets.
 */
#include "server_probe.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* One exchange, as the handler sees it. */
typedef struct Exchange
{
	UeClient *client;
	UeTimer timer;
	void (*run)(struct Exchange *exchange); /* more body, or the timer */
	int64_t n_left;
} Exchange;

Probe probe = {
	.limits =
		{
			.header_bytes = 32 * 1024,
			.body_window_bytes = 64 * 1024,
			.output_high_bytes = 256 * 1024,
			.output_low_bytes = 64 * 1024,
			.max_connections = 100,
			.header_timeout_ms = 300,
			.body_timeout_ms = 300,
			.keep_alive_timeout_ms = 300,
			.write_timeout_ms = 60000,
		},
};

static const UeHeader json_header[] = {
	{UE_SLICE_INIT("content-type"), UE_SLICE_INIT("application/json")},
	{UE_SLICE_INIT("x-evil"), UE_SLICE_INIT("a\r\nset-cookie: b")},
};

static void
copy_slice(char *out, size_t size, UeSlice slice)
{
	snprintf(out, size, "%.*s", (int) slice.len, slice.ptr);
}

static void
finish(Exchange *exchange)
{
	ue_loop_cancel_timer(probe.loop, &exchange->timer);
	ue_client_end(exchange->client);
	free(exchange);
}

/* Consumes what has come of the body and remembers the most that was there at once. */
static bool
take_body(Exchange *exchange)
{
	UeSlice body = ue_client_body(exchange->client);

	if ((long long) body.len > atomic_load(&probe.max_unread))
		atomic_store(&probe.max_unread, (long long) body.len);
	atomic_fetch_add(&probe.n_consumed, (long long) body.len);
	ue_client_consume_body(exchange->client, body.len);
	return ue_client_is_body_complete(exchange->client);
}

static void
answer_small(Exchange *exchange)
{
	if (!take_body(exchange))
		return;
	ue_client_send_head(exchange->client, 200, UE_SLICE("OK"), json_header, 2, 5);
	ue_client_send_body(exchange->client, UE_SLICE("hello"));
	finish(exchange);
}

static void
answer_late(Exchange *exchange)
{
	exchange->run = answer_small;
	ue_loop_set_timer(probe.loop, &exchange->timer, 20);
}

static void
answer_echo(Exchange *exchange)
{
	UeSlice body = ue_client_body(exchange->client);

	if (!ue_client_has_sent_head(exchange->client))
		ue_client_send_head(exchange->client, 200, UE_SLICE("OK"), NULL, 0, -1);
	ue_client_send_body(exchange->client, body);
	if (take_body(exchange))
		finish(exchange);
}

static void
answer_refusing(Exchange *exchange)
{
	ue_client_send_head(exchange->client, 413, UE_SLICE("Too Large"), NULL, 0, 3);
	ue_client_send_body(exchange->client, UE_SLICE("big"));
	finish(exchange);
}

static void
answer_empty(Exchange *exchange)
{
	ue_client_send_head(exchange->client, 204, UE_SLICE("No Content"), NULL, 0, 0);
	ue_client_send_body(exchange->client, UE_SLICE("not to be seen"));
	finish(exchange);
}

static void
answer_unchanged(Exchange *exchange)
{
	ue_client_send_head(exchange->client, 304, UE_SLICE("Not Modified"), NULL, 0, 0);
	finish(exchange);
}

static void
answer_short(Exchange *exchange)
{
	ue_client_send_head(exchange->client, 200, UE_SLICE("OK"), NULL, 0, 100);
	ue_client_send_body(exchange->client, UE_SLICE("only this"));
	finish(exchange);
}

static void
answer_cut(Exchange *exchange)
{
	ue_client_send_head(exchange->client, 200, UE_SLICE("OK"), NULL, 0, -1);
	ue_client_send_body(exchange->client, UE_SLICE("begun"));
	ue_client_abort(exchange->client);
	free(exchange);
}

static void
begin_stream(Exchange *exchange)
{
	take_body(exchange);
	ue_client_send_head(exchange->client, 200, UE_SLICE("OK"), NULL, 0, -1);
	ue_client_send_body(exchange->client, UE_SLICE("data: 1\n\n"));
}

static void
only_head(Exchange *exchange)
{
	ue_client_send_head(exchange->client, 200, UE_SLICE("OK"), NULL, 0, -1);
}

static void
stay_silent(Exchange *exchange)
{
	take_body(exchange);
}

/* Consumes nothing until the test lets it. */
static void
consume_late(Exchange *exchange)
{
	if (!atomic_load(&probe.may_consume))
	{
		long long unread = (long long) ue_client_body(exchange->client).len;

		if (unread > atomic_load(&probe.max_unread))
			atomic_store(&probe.max_unread, unread);
		ue_loop_set_timer(probe.loop, &exchange->timer, 5);
		return;
	}
	if (take_body(exchange))
		answer_small(exchange);
	else
		ue_loop_set_timer(probe.loop, &exchange->timer, 1);
}

static void
send_big(Exchange *exchange)
{
	static char piece[10000];

	if (!ue_client_has_sent_head(exchange->client))
	{
		memset(piece, 'x', sizeof(piece));
		exchange->n_left = PROBE_BIG_BYTES;
		ue_client_send_head(exchange->client, 200, UE_SLICE("OK"), NULL, 0,
							PROBE_BIG_BYTES);
	}
	while (exchange->n_left > 0)
	{
		size_t length = sizeof(piece);

		if ((int64_t) length > exchange->n_left)
			length = (size_t) exchange->n_left;
		exchange->n_left -= (int64_t) length;
		if (!ue_client_send_body(exchange->client, (UeSlice){piece, length}) &&
			exchange->n_left > 0)
		{
			atomic_fetch_add(&probe.n_stops, 1);
			return;
		}
	}
	finish(exchange);
}

/* As many as do not bring a stop, of a size that waits for the end of the turn. */
static void
send_pieces(Exchange *exchange)
{
	static char piece[1000];

	if (!ue_client_has_sent_head(exchange->client))
	{
		memset(piece, 'x', sizeof(piece));
		exchange->n_left = PROBE_PIECES;
		ue_client_send_head(exchange->client, 200, UE_SLICE("OK"), NULL, 0, -1);
	}
	while (exchange->n_left > 0)
	{
		exchange->n_left--;
		if (!ue_client_send_body(exchange->client, (UeSlice){piece, sizeof(piece)}) &&
			exchange->n_left > 0)
		{
			atomic_fetch_add(&probe.n_stops, 1);
			return;
		}
	}
	finish(exchange);
}

typedef struct Action
{
	const char *path;
	void (*run)(Exchange *exchange);
} Action;

static const Action actions[] = {
	{"/small", answer_small},  {"/late", answer_late},	 {"/echo", answer_echo},
	{"/413", answer_refusing}, {"/204", answer_empty},	 {"/304", answer_unchanged},
	{"/short", answer_short},  {"/cut", answer_cut},	 {"/stream", begin_stream},
	{"/head", only_head},	   {"/silent", stay_silent}, {"/slow", consume_late},
	{"/big", send_big},		   {"/pieces", send_pieces},
};

static void
on_timer(UeTimer *timer)
{
	Exchange *exchange =
		(Exchange *) (void *) ((char *) timer - offsetof(Exchange, timer));

	exchange->run(exchange);
}

static void
on_request(void *server_context, UeClient *client, const UeRequest *request)
{
	Exchange *exchange = calloc(1, sizeof(*exchange));

	(void) server_context;
	copy_slice(probe.seen_target, sizeof(probe.seen_target), request->target);
	copy_slice(probe.seen_address, sizeof(probe.seen_address), ue_client_address(client));
	probe.seen_upgrade = request->is_upgrade;
	probe.seen_headers = request->n_headers;
	for (size_t i = 0; i < request->n_headers; i++)
	{
		if (ue_slice_is_equal_fold(request->headers[i].name, UE_SLICE("x-value")))
			copy_slice(probe.seen_value, sizeof(probe.seen_value),
					   request->headers[i].value);
	}
	exchange->client = client;
	exchange->timer.on_due = on_timer;
	exchange->run = answer_small;
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
	{
		if (ue_slice_is_equal(request->target, ue_slice_of(actions[i].path)))
			exchange->run = actions[i].run;
	}
	ue_client_set_context(client, exchange);
	atomic_fetch_add(&probe.n_requests, 1);
	exchange->run(exchange);
}

static void
on_body(void *context, UeClient *client)
{
	Exchange *exchange = context;

	(void) client;
	exchange->run(exchange);
}

static void
on_gone(void *context, UeClient *client)
{
	Exchange *exchange = context;

	if (ue_client_is_cut_by_us(client))
		atomic_fetch_add(&probe.n_cut, 1);
	ue_loop_cancel_timer(probe.loop, &exchange->timer);
	free(exchange);
	atomic_fetch_add(&probe.n_gone, 1);
}

static void
on_refused(void *context, UeClient *client, int status, const char *message)
{
	Exchange *exchange = context;
	UeSlice text = ue_slice_of(message);

	ue_client_send_head(client, status, UE_SLICE("Handled"), NULL, 0, (int64_t) text.len);
	ue_client_send_body(client, text);
	finish(exchange);
}

static const UeHandler handler = {on_request, on_body, on_body, on_gone, NULL, NULL};
static const UeHandler refusing_handler = {on_request, on_body,	   on_body,
										   on_gone,	   on_refused, NULL};

static void
on_turn(UeTurn *turn)
{
	(void) turn;
	if (atomic_exchange(&probe.wants_drain, false))
		ue_server_stop_accepting(probe.server);
	atomic_store(&probe.n_clients, ue_server_count_clients(probe.server));
}

static void *
run_server(void *arg)
{
	(void) arg;
	ue_loop_run(probe.loop);
	return NULL;
}

void
probe_start_server_at(const char *address)
{
	static UeTurn turn;
	char error[256] = "";
	struct sockaddr_in bound;
	socklen_t length = sizeof(bound);
	int fd = ue_server_listen(address, false, error, sizeof(error));

	if (fd < 0)
	{
		printf("Bail out! %s\n", error);
		exit(2);
	}
	memset(&bound, 0, sizeof(bound));
	getsockname(fd, (struct sockaddr *) &bound, &length);
	probe.port = ntohs(bound.sin_port);
	probe.loop = ue_loop_new();
	probe.server =
		ue_server_new(probe.loop, fd, &probe.limits,
					  probe.answers_refusals ? &refusing_handler : &handler, NULL);
	turn.on_turn = on_turn;
	ue_loop_add_turn(probe.loop, &turn);
	atomic_store(&probe.n_gone, 0);
	atomic_store(&probe.n_cut, 0);
	atomic_store(&probe.n_requests, 0);
	atomic_store(&probe.n_stops, 0);
	atomic_store(&probe.n_consumed, 0);
	atomic_store(&probe.max_unread, 0);
	pthread_create(&probe.thread, NULL, run_server, NULL);
}

void
probe_start_server(void)
{
	probe_start_server_at("127.0.0.1:0");
}

void
probe_stop_server(void)
{
	ue_loop_stop(probe.loop);
	pthread_join(probe.thread, NULL);
	ue_server_free(probe.server);
	ue_loop_free(probe.loop);
}

int64_t
probe_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool
probe_wait_for(atomic_int *number, int wanted)
{
	int64_t end_ms = probe_now_ms() + PROBE_PATIENCE_MS;

	while (atomic_load(number) < wanted && probe_now_ms() < end_ms)
		usleep(1000);
	return atomic_load(number) >= wanted;
}

bool
probe_wait_for_clients(int wanted)
{
	int64_t end_ms = probe_now_ms() + PROBE_PATIENCE_MS;

	while (atomic_load(&probe.n_clients) != wanted && probe_now_ms() < end_ms)
	{
		ue_loop_wake(probe.loop);
		usleep(1000);
	}
	return atomic_load(&probe.n_clients) == wanted;
}

int
probe_connect_client(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
								  .sin_port = htons((uint16_t) probe.port),
								  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (connect(fd, (struct sockaddr *) &address, sizeof(address)) != 0)
	{
		close(fd);
		return -1;
	}
	return fd;
}

bool
probe_send_all(int fd, const char *bytes, size_t length)
{
	while (length > 0)
	{
		ssize_t n_sent = send(fd, bytes, length, MSG_NOSIGNAL);

		if (n_sent <= 0)
			return false;
		bytes += n_sent;
		length -= (size_t) n_sent;
	}
	return true;
}

bool
probe_send_text(int fd, const char *text)
{
	return probe_send_all(fd, text, strlen(text));
}

ssize_t
probe_receive_some(int fd, char *bytes, size_t size)
{
	struct pollfd waiting = {.fd = fd, .events = POLLIN};

	if (poll(&waiting, 1, PROBE_PATIENCE_MS) != 1)
		return -2;
	return recv(fd, bytes, size, 0);
}

bool
probe_receive_until(int fd, const char *wanted, char *text, size_t size)
{
	size_t length = 0;

	text[0] = '\0';
	while (length + 1 < size && strstr(text, wanted) == NULL)
	{
		ssize_t n_read = probe_receive_some(fd, text + length, size - 1 - length);

		if (n_read <= 0)
			break;
		length += (size_t) n_read;
		text[length] = '\0';
	}
	return strstr(text, wanted) != NULL;
}

bool
probe_receive_all(int fd, char *text, size_t size)
{
	size_t length = 0;
	ssize_t n_read = 1;

	while (length + 1 < size &&
		   (n_read = probe_receive_some(fd, text + length, size - 1 - length)) > 0)
		length += (size_t) n_read;
	text[length] = '\0';
	return n_read != -2;
}

int
probe_count_text(const char *text, const char *wanted)
{
	int count = 0;

	for (const char *at = text; (at = strstr(at, wanted)) != NULL; at++)
		count++;
	return count;
}

void
probe_ask(const char *request, size_t length, char *text, size_t size)
{
	int fd = probe_connect_client();

	probe_send_all(fd, request, length);
	probe_receive_all(fd, text, size);
	close(fd);
}

void
probe_ask_text(const char *request, char *text, size_t size)
{
	probe_ask(request, strlen(request), text, size);
}
