/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_server.c: the server on loopback, seen from real sockets.
 *
 * The server runs in a thread with a handler that acts by path; the claims are made from
 * blocking client sockets here.  Waiting is for a condition, bounded by PATIENCE_MS.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "server.h"
#include "tap.h"

#define PATIENCE_MS 10000
#define BIG_BYTES	(8 * 1024 * 1024)
#define MAX_ANSWER	(256 * 1024)

/* One exchange, as the handler sees it. */
typedef struct Exchange
{
	UeClient *client;
	UeTimer timer;
	void (*run)(struct Exchange *exchange); /* more body, or the timer */
	int64_t n_left;
} Exchange;

static UeServerLimits limits = {
	.header_bytes = 32 * 1024,
	.body_window_bytes = 64 * 1024,
	.output_high_bytes = 256 * 1024,
	.output_low_bytes = 64 * 1024,
	.max_connections = 100,
	.header_timeout_ms = 300,
	.body_timeout_ms = 300,
	.keep_alive_timeout_ms = 300,
	.write_timeout_ms = 60000,
};

static UeLoop *loop;
static UeServer *server;
static pthread_t thread;
static int port;
static atomic_int n_requests, n_gone, n_clients, n_stops;
static atomic_bool may_consume, wants_drain;
static atomic_llong n_consumed, max_unread;
static char seen_target[64], seen_value[64], seen_address[64];
static bool seen_upgrade;
static size_t seen_headers;

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
	ue_loop_cancel_timer(loop, &exchange->timer);
	ue_client_end(exchange->client);
	free(exchange);
}

/* Consumes what has come of the body and remembers the most that was there at once. */
static bool
take_body(Exchange *exchange)
{
	UeSlice body = ue_client_body(exchange->client);

	if ((long long) body.len > atomic_load(&max_unread))
		atomic_store(&max_unread, (long long) body.len);
	atomic_fetch_add(&n_consumed, (long long) body.len);
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
	ue_loop_set_timer(loop, &exchange->timer, 20);
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
	if (!atomic_load(&may_consume))
	{
		long long unread = (long long) ue_client_body(exchange->client).len;

		if (unread > atomic_load(&max_unread))
			atomic_store(&max_unread, unread);
		ue_loop_set_timer(loop, &exchange->timer, 5);
		return;
	}
	if (take_body(exchange))
		answer_small(exchange);
	else
		ue_loop_set_timer(loop, &exchange->timer, 1);
}

static void
send_big(Exchange *exchange)
{
	static char piece[10000];

	if (!ue_client_has_sent_head(exchange->client))
	{
		memset(piece, 'x', sizeof(piece));
		exchange->n_left = BIG_BYTES;
		ue_client_send_head(exchange->client, 200, UE_SLICE("OK"), NULL, 0, BIG_BYTES);
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
			atomic_fetch_add(&n_stops, 1);
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
	{"/big", send_big},
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
	copy_slice(seen_target, sizeof(seen_target), request->target);
	copy_slice(seen_address, sizeof(seen_address), ue_client_address(client));
	seen_upgrade = request->is_upgrade;
	seen_headers = request->n_headers;
	for (size_t i = 0; i < request->n_headers; i++)
	{
		if (ue_slice_is_equal_fold(request->headers[i].name, UE_SLICE("x-value")))
			copy_slice(seen_value, sizeof(seen_value), request->headers[i].value);
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
	atomic_fetch_add(&n_requests, 1);
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

	(void) client;
	ue_loop_cancel_timer(loop, &exchange->timer);
	free(exchange);
	atomic_fetch_add(&n_gone, 1);
}

static const UeHandler handler = {on_request, on_body, on_body, on_gone};

static void
on_turn(UeTurn *turn)
{
	(void) turn;
	if (atomic_exchange(&wants_drain, false))
		ue_server_stop_accepting(server);
	atomic_store(&n_clients, ue_server_count_clients(server));
}

static void *
run_server(void *arg)
{
	(void) arg;
	ue_loop_run(loop);
	return NULL;
}

static void
start_server_at(const char *address)
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
	port = ntohs(bound.sin_port);
	loop = ue_loop_new();
	server = ue_server_new(loop, fd, &limits, &handler, NULL);
	turn.on_turn = on_turn;
	ue_loop_add_turn(loop, &turn);
	atomic_store(&n_gone, 0);
	atomic_store(&n_requests, 0);
	atomic_store(&n_stops, 0);
	atomic_store(&n_consumed, 0);
	atomic_store(&max_unread, 0);
	pthread_create(&thread, NULL, run_server, NULL);
}

static void
start_server(void)
{
	start_server_at("127.0.0.1:0");
}

static void
stop_server(void)
{
	ue_loop_stop(loop);
	pthread_join(thread, NULL);
	ue_server_free(server);
	ue_loop_free(loop);
}

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Until the number reaches at least what is wanted. */
static bool
wait_for(atomic_int *number, int wanted)
{
	int64_t end_ms = now_ms() + PATIENCE_MS;

	while (atomic_load(number) < wanted && now_ms() < end_ms)
		usleep(1000);
	return atomic_load(number) >= wanted;
}

static bool
wait_for_clients(int wanted)
{
	int64_t end_ms = now_ms() + PATIENCE_MS;

	while (atomic_load(&n_clients) != wanted && now_ms() < end_ms)
	{
		ue_loop_wake(loop);
		usleep(1000);
	}
	return atomic_load(&n_clients) == wanted;
}

static int
connect_client(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
								  .sin_port = htons((uint16_t) port),
								  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (connect(fd, (struct sockaddr *) &address, sizeof(address)) != 0)
	{
		close(fd);
		return -1;
	}
	return fd;
}

static bool
send_all(int fd, const char *bytes, size_t length)
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

static bool
send_text(int fd, const char *text)
{
	return send_all(fd, text, strlen(text));
}

static ssize_t
receive_some(int fd, char *bytes, size_t size)
{
	struct pollfd waiting = {.fd = fd, .events = POLLIN};

	if (poll(&waiting, 1, PATIENCE_MS) != 1)
		return -2;
	return recv(fd, bytes, size, 0);
}

/* Until the text has wanted in it, the connection ends, or patience does. */
static bool
receive_until(int fd, const char *wanted, char *text, size_t size)
{
	size_t length = 0;

	text[0] = '\0';
	while (length + 1 < size && strstr(text, wanted) == NULL)
	{
		ssize_t n_read = receive_some(fd, text + length, size - 1 - length);

		if (n_read <= 0)
			break;
		length += (size_t) n_read;
		text[length] = '\0';
	}
	return strstr(text, wanted) != NULL;
}

/* All until the connection ends; false when it does not in time. */
static bool
receive_all(int fd, char *text, size_t size)
{
	size_t length = 0;
	ssize_t n_read = 1;

	while (length + 1 < size &&
		   (n_read = receive_some(fd, text + length, size - 1 - length)) > 0)
		length += (size_t) n_read;
	text[length] = '\0';
	return n_read != -2;
}

static int
count_text(const char *text, const char *wanted)
{
	int count = 0;

	for (const char *at = text; (at = strstr(at, wanted)) != NULL; at++)
		count++;
	return count;
}

/* One request on a connection of its own; the whole answer in text. */
static void
ask(const char *request, size_t length, char *text, size_t size)
{
	int fd = connect_client();

	send_all(fd, request, length);
	receive_all(fd, text, size);
	close(fd);
}

static void
ask_text(const char *request, char *text, size_t size)
{
	ask(request, strlen(request), text, size);
}

typedef struct Malformed
{
	const char *name;
	const char *request;
	size_t length; /* 0: up to the NUL */
	int status;
} Malformed;

#define H "Host: a\r\n"

static const Malformed malformed[] = {
	{"Content-Length with Transfer-Encoding",
	 "POST /small HTTP/1.1\r\n" H
	 "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
	 "0\r\n\r\n",
	 0, 400},
	{"Transfer-Encoding with Content-Length",
	 "POST /small HTTP/1.1\r\n" H
	 "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"
	 "0\r\n\r\n",
	 0, 400},
	{"two different Content-Lengths",
	 "POST /small HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
	 0, 400},
	{"two equal Content-Lengths",
	 "POST /small HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
	 0, 400},
	{"a list of Content-Lengths",
	 "POST /small HTTP/1.1\r\n" H "Content-Length: 5, 5\r\n\r\nhello", 0, 400},
	{"a negative Content-Length",
	 "POST /small HTTP/1.1\r\n" H "Content-Length: -1\r\n\r\n", 0, 400},
	{"a signed Content-Length",
	 "POST /small HTTP/1.1\r\n" H "Content-Length: +5\r\n\r\nhello", 0, 400},
	{"a Content-Length beyond 63 bits",
	 "POST /small HTTP/1.1\r\n" H "Content-Length: 18446744073709551615\r\n\r\n", 0, 400},
	{"a Content-Length beyond 64 bits",
	 "POST /small HTTP/1.1\r\n" H "Content-Length: 99999999999999999999\r\n\r\n", 0, 400},
	{"bare LF", "GET /small HTTP/1.1\nHost: a\n\n", 0, 400},
	{"bare LF after a header", "GET /small HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 0, 400},
	{"bare CR in a value", "GET /small HTTP/1.1\r\n" H "X: a\rb\r\n\r\n", 0, 400},
	{"NUL in a value", "GET /small HTTP/1.1\r\n" H "X: a\0b\r\n\r\n",
	 sizeof("GET /small HTTP/1.1\r\n" H "X: a\0b\r\n\r\n") - 1, 400},
	{"a control character in a value", "GET /small HTTP/1.1\r\n" H "X: a\001b\r\n\r\n", 0,
	 400},
	{"a folded value", "GET /small HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n", 0, 400},
	{"a value folded by a tab", "GET /small HTTP/1.1\r\n" H "X: a\r\n\tb\r\n\r\n", 0,
	 400},
	{"a value that begins in a fold", "GET /small HTTP/1.1\r\n" H "X:\r\n b\r\n\r\n", 0,
	 400},
	{"an unknown transfer coding",
	 "POST /small HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 0, 501},
	{"a transfer coding besides chunked",
	 "POST /small HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 0,
	 501},
	{"chunked twice",
	 "POST /small HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n"
	 "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	 0, 400},
	{"chunked in HTTP/1.0",
	 "POST /small HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0, 400},
	{"a chunk size that is none",
	 "POST /small HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n", 0, 400},
	{"a chunk size too large",
	 "POST /small HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
	 "11111111111111111\r\n\r\n",
	 0, 400},
	{"a blank before the colon", "GET /small HTTP/1.1\r\nHost : a\r\n\r\n", 0, 400},
	{"a blank before the first header", "GET /small HTTP/1.1\r\n Host: a\r\n\r\n", 0,
	 400},
	{"a header without a name", "GET /small HTTP/1.1\r\n" H ": b\r\n\r\n", 0, 400},
	{"a header without a colon", "GET /small HTTP/1.1\r\n" H "Xb\r\n\r\n", 0, 400},
	{"no Host", "GET /small HTTP/1.1\r\nX: b\r\n\r\n", 0, 400},
	{"two Hosts", "GET /small HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", 0, 400},
	{"a target that is no path", "GET small HTTP/1.1\r\n" H "\r\n", 0, 400},
	{"a target with a fragment", "GET /small#x HTTP/1.1\r\n" H "\r\n", 0, 400},
	{"a target of another scheme", "GET ftp://a/small HTTP/1.1\r\n" H "\r\n", 0, 400},
	{"an asterisk without OPTIONS", "GET * HTTP/1.1\r\n" H "\r\n", 0, 400},
	{"CONNECT", "CONNECT a:443 HTTP/1.1\r\n" H "\r\n", 0, 501},
	{"a method that is none", "G@T /small HTTP/1.1\r\n" H "\r\n", 0, 400},
	{"HTTP/0.9", "GET /small\r\n\r\n", 0, 505},
	{"HTTP/2.0", "GET /small HTTP/2.0\r\n" H "\r\n", 0, 505},
	{"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0, 505},
	{"a TLS handshake", "\x16\x03\x01\x02\x01\x01\xfc\x03", 0, 400},
};

static void
test_malformed(void)
{
	char text[4096];
	char name[128];

	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
	{
		const Malformed *one = &malformed[i];
		size_t length = one->length > 0 ? one->length : strlen(one->request);
		char status[32];
		int before = atomic_load(&n_requests);

		snprintf(status, sizeof(status), "HTTP/1.1 %d ", one->status);
		snprintf(name, sizeof(name), "malformed: %s is refused with %d", one->name,
				 one->status);
		ask(one->request, length, text, sizeof(text));
		if (!ok(strncmp(text, status, strlen(status)) == 0 &&
					strstr(text, "{\"error\":{\"message\":\"") != NULL &&
					strstr(text, "connection: close\r\n") != NULL &&
					count_text(text, "\r\nHTTP/1.1") == 0 &&
					atomic_load(&n_requests) == before,
				name))
			printf("# %.60s, %d requests seen\n", text,
				   atomic_load(&n_requests) - before);
	}
}

/* The same must come out when every byte arrives alone. */
static void
test_split(void)
{
	static const char request[] =
		"POST /echo HTTP/1.1\r\nHost: a\r\nX-Empty:\r\nX-Value:  va"
		"lue \r\nTransfer-Encoding: chunked\r\n\r\n"
		"5;a=b\r\nhello\r\n1\r\n!\r\n0\r\nTrailer: x\r\n\r\n";
	static const char fold[] = "GET /small HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n";
	char text[4096];
	int fd = connect_client();
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, 1, &one, sizeof(one)); /* TCP_NODELAY */
	seen_value[0] = '\0';
	for (size_t i = 0; i + 1 < sizeof(request); i++)
	{
		send_all(fd, request + i, 1);
		if (i % 8 == 0)
			usleep(500);
	}
	ok(receive_until(fd, "\r\n0\r\n\r\n", text, sizeof(text)),
	   "split: a request byte by byte is answered");
	ok(strcmp(seen_value, "value") == 0 && seen_headers == 4,
	   "split: header values are whole and trimmed, trailers are none");
	close(fd);

	fd = connect_client();
	for (size_t i = 0; i + 1 < sizeof(fold); i++)
	{
		send_all(fd, fold + i, 1);
		usleep(500);
	}
	receive_all(fd, text, sizeof(text));
	ok(strncmp(text, "HTTP/1.1 400", 12) == 0, "split: a fold is seen over reads, too");
	close(fd);
}

static void
test_head_limits(void)
{
	static char request[80 * 1024];
	char text[4096];
	size_t length;

	length =
		(size_t) snprintf(request, sizeof(request), "GET /small HTTP/1.1\r\n" H "X: ");
	memset(request + length, 'x', 40 * 1024);
	ask(request, length + 40 * 1024, text, sizeof(text));
	ok(strncmp(text, "HTTP/1.1 431", 12) == 0,
	   "head: 40 kB of headers are refused with 431");

	memset(request + length, ' ', 70 * 1024);
	ask(request, length + 70 * 1024, text, sizeof(text));
	ok(strncmp(text, "HTTP/1.1 431", 12) == 0, "head: blanks count");

	length = (size_t) snprintf(request, sizeof(request), "GET /small HTTP/1.1\r\n" H);
	for (int i = 0; i < 300; i++)
		length += (size_t) snprintf(request + length, sizeof(request) - length,
									"X%d: y\r\n", i);
	ask(request, length, text, sizeof(text));
	ok(strncmp(text, "HTTP/1.1 431", 12) == 0, "head: 300 headers are refused with 431");

	length = (size_t) snprintf(request, sizeof(request), "GET /small HTTP/1.1\r\n" H);
	for (int i = 0; i < 200; i++)
		length += (size_t) snprintf(request + length, sizeof(request) - length,
									"X%d: %080d\r\n", i, i);
	length += (size_t) snprintf(request + length, sizeof(request) - length,
								"X-Value: last\r\nConnection: close\r\n\r\n");
	ask(request, length, text, sizeof(text));
	ok(strncmp(text, "HTTP/1.1 200", 12) == 0 && strcmp(seen_value, "last") == 0,
	   "head: 200 headers of 18 kB are taken");
}

static void
test_requests(void)
{
	char text[8192];
	int fd = connect_client();

	send_text(fd, "GET /small HTTP/1.1\r\n" H "\r\n");
	ok(receive_until(fd, "hello", text, sizeof(text)), "request: is answered");
	ok(strstr(text, "content-length: 5\r\n") != NULL &&
		   strstr(text, "connection:") == NULL,
	   "request: with its length, and the connection stays");
	ok(strstr(text, "\r\nset-cookie") == NULL &&
		   strstr(text, "x-evil: a  set-cookie") != NULL,
	   "answer: a line end in a value makes no header");
	ok(strncmp(seen_address, "127.0.0.1:", 10) == 0,
	   "request: the client's address is known");
	send_text(fd, "GET http://b/small?q=1 HTTP/1.1\r\n" H "\r\n");
	ok(receive_until(fd, "hello", text, sizeof(text)) &&
		   strcmp(seen_target, "/small?q=1") == 0,
	   "request: of a URL in place of the path the path is taken");
	send_text(fd, "OPTIONS * HTTP/1.1\r\n" H "\r\n");
	ok(receive_until(fd, "hello", text, sizeof(text)) && strcmp(seen_target, "*") == 0,
	   "request: OPTIONS * is taken");
	send_text(fd, "HEAD /small HTTP/1.1\r\n" H "\r\nGET /204 HTTP/1.1\r\n" H "\r\n");
	ok(receive_until(fd, "204 No Content\r\n", text, sizeof(text)) &&
		   strstr(text, "content-length: 5\r\n") != NULL && strstr(text, "hello") == NULL,
	   "request: HEAD has the length and no body");
	send_text(fd, "GET /304 HTTP/1.1\r\n" H "\r\n");
	ok(receive_until(fd, "304 Not Modified\r\n\r\n", text, sizeof(text)) &&
		   strstr(text, "not to be seen") == NULL,
	   "request: 204 and 304 have neither body nor length");
	send_text(fd, "GET /small HTTP/1.1\r\n" H
				  "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
	ok(receive_until(fd, "hello", text, sizeof(text)) && seen_upgrade,
	   "request: an upgrade is told, and may be answered as any request");
	send_text(
		fd, "POST /echo HTTP/1.1\r\n" H
			"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: \r\n"
			"Content-Length: 3\r\n\r\nabc");
	ok(receive_until(fd, "3\r\nabc\r\n0\r\n\r\n", text, sizeof(text)) && !seen_upgrade,
	   "request: an offer of h2c is passed over");
	send_text(fd, "GET /small HTTP/1.1\r\n" H "Connection: close\r\n\r\n");
	ok(receive_all(fd, text, sizeof(text)) &&
		   strstr(text, "connection: close\r\n") != NULL,
	   "request: Connection: close closes");
	close(fd);
}

static void
test_http_1_0(void)
{
	char text[4096];
	int fd;

	ask_text("GET /small HTTP/1.0\r\n\r\n", text, sizeof(text));
	ok(strstr(text, "connection: close\r\n") != NULL && strstr(text, "hello") != NULL,
	   "HTTP/1.0: closes by default, and needs no Host");
	fd = connect_client();
	send_text(fd, "GET /small HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	ok(receive_until(fd, "hello", text, sizeof(text)) &&
		   strstr(text, "connection: keep-alive\r\n") != NULL,
	   "HTTP/1.0: stays when asked to");
	send_text(
		fd,
		"POST /echo HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc");
	ok(receive_all(fd, text, sizeof(text)) && strstr(text, "chunked") == NULL &&
		   strstr(text, "\r\n\r\nabc") != NULL,
	   "HTTP/1.0: an answer of unknown length ends with the connection");
	close(fd);
}

static void
test_pipelining(void)
{
	static const char *const paths[] = {"/small", "/late"};
	static char request[60000];
	static char text[MAX_ANSWER];
	int before;
	int fd;

	for (int i = 0; i < 2; i++)
	{
		char three[512];
		int length = snprintf(three, sizeof(three),
							  "GET %s HTTP/1.1\r\n" H "X-Value: 1\r\n\r\n"
							  "POST %s HTTP/1.1\r\n" H "Content-Length: 4\r\n\r\nbody"
							  "GET %s HTTP/1.1\r\n" H "Connection: close\r\n\r\n",
							  paths[i], paths[i], paths[i]);

		ask(three, (size_t) length, text, sizeof(text));
		ok(count_text(text, "HTTP/1.1 200 OK") == 3 && count_text(text, "hello") == 3,
		   i == 0 ? "pipelining: three requests, three answers"
				  : "pipelining: the same when each answer comes later");
	}

	/* far more than is kept, while the first is unanswered */
	memset(request, 0, sizeof(request));
	for (int i = 0; i < 1000; i++)
		strcat(request, "GET /small HTTP/1.1\r\n" H "X-Value: pipelined\r\n\r\n");
	fd = connect_client();
	before = atomic_load(&n_requests);
	send_text(fd, "GET /late HTTP/1.1\r\n" H "\r\n");
	send_all(fd, request, strlen(request));
	send_text(fd, "GET /small HTTP/1.1\r\n" H "Connection: close\r\n\r\n");
	receive_all(fd, text, sizeof(text));
	ok(count_text(text, "hello") == 1002 && atomic_load(&n_requests) - before == 1002,
	   "pipelining: a thousand requests behind a late one are all answered");
	close(fd);
}

/*
 * A paused client must not make the loop spin.  What is sent fits the sockets' buffers, so
 * the end of each connection is seen behind it.
 */
static void
test_no_spin(void)
{
	static char filler[50 * 1024];
	struct timespec before, after;
	clockid_t clock;
	int fd = connect_client();
	int flood = connect_client();
	int64_t used_ms;

	memset(filler, 'G', sizeof(filler));
	send_text(fd, "GET /silent HTTP/1.1\r\n" H "\r\n");
	send_all(fd, filler, sizeof(filler));
	send_text(flood, "POST /slow HTTP/1.1\r\n" H "Content-Length: 10000000\r\n\r\n");
	send_all(flood, filler, sizeof(filler));
	send_all(flood, filler, sizeof(filler));
	shutdown(flood, SHUT_WR);
	usleep(20000);
	pthread_getcpuclockid(thread, &clock);
	clock_gettime(clock, &before);
	usleep(200000);
	clock_gettime(clock, &after);
	used_ms = (after.tv_sec - before.tv_sec) * 1000 +
			  (after.tv_nsec - before.tv_nsec) / 1000000;
	ok(used_ms < 100,
	   "pausing: a client that goes on sending does not make the loop spin");
	close(fd);
	close(flood);
	atomic_store(&may_consume, true); /* its end is behind what was not read */
	ok(wait_for_clients(0), "pausing: both are noticed to have left");
}

static void
test_expect(void)
{
	char text[4096];
	int fd = connect_client();

	send_text(fd, "POST /small HTTP/1.1\r\n" H
				  "Expect: 100-continue\r\nContent-Length: 4\r\n\r\n");
	ok(receive_until(fd, "\r\n\r\n", text, sizeof(text)) &&
		   strcmp(text, "HTTP/1.1 100 Continue\r\n\r\n") == 0,
	   "expect: 100 when the body is waited for");
	send_text(fd, "body");
	ok(receive_until(fd, "hello", text, sizeof(text)), "expect: and the answer after it");
	send_text(fd, "POST /small HTTP/1.1\r\n" H
				  "Expect: 100-continue\r\nContent-Length: 4\r\n\r\nbody");
	ok(receive_until(fd, "hello", text, sizeof(text)) && strstr(text, "100 Con") == NULL,
	   "expect: no 100 when the body is there");
	send_text(fd, "POST /413 HTTP/1.1\r\n" H
				  "Expect: 100-continue\r\nContent-Length: 4\r\n\r\n");
	ok(receive_all(fd, text, sizeof(text)) && strncmp(text, "HTTP/1.1 413", 12) == 0 &&
		   strstr(text, "connection: close\r\n") != NULL,
	   "expect: a refusal without 100 closes, for the body may come or not");
	close(fd);
}

static void
test_bodies(void)
{
	static char body[100000];
	static char text[MAX_ANSWER];
	int fd = connect_client();

	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (char) ('a' + i % 23);
	send_text(fd, "POST /echo HTTP/1.1\r\n" H
				  "Content-Length: 100000\r\nConnection: close\r\n\r\n");
	for (size_t i = 0; i < sizeof(body); i += 10000)
	{
		send_all(fd, body + i, 10000);
		usleep(1000);
	}
	ok(receive_all(fd, text, sizeof(text)) && strstr(text, "\r\n0\r\n\r\n") != NULL &&
		   strlen(text) > sizeof(body),
	   "body: 100 kB with a length come and go");
	close(fd);

	fd = connect_client();
	send_text(fd, "POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n");
	send_text(fd, "3\r\nabc\r\n");
	ok(receive_until(fd, "3\r\nabc\r\n", text, sizeof(text)),
	   "body: a chunk is handed on before the next comes");
	send_text(fd, "A;ext=\"1\"\r\n0123456789\r\n");
	ok(receive_until(fd, "a\r\n0123456789\r\n", text, sizeof(text)),
	   "body: and so is that");
	send_text(fd, "0\r\nX-Trailer: 1\r\n\r\n");
	ok(receive_until(fd, "0\r\n\r\n", text, sizeof(text)), "body: trailers end it");
	close(fd);

	fd = connect_client();
	send_text(fd, "POST /silent HTTP/1.1\r\n" H
				  "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
	usleep(20000);
	send_text(fd, "zz\r\n");
	ok(receive_all(fd, text, sizeof(text)) && strncmp(text, "HTTP/1.1 400", 12) == 0,
	   "body: a bad chunk in the middle is refused while nothing is answered");
	ok(wait_for(&n_gone, 1), "body: and the handler loses the client");
	close(fd);

	fd = connect_client();
	send_text(fd, "POST /silent HTTP/1.1\r\n" H
				  "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
	memset(body, 'x', sizeof(body));
	send_text(fd, "1;");
	for (int i = 0; i < 3; i++)
		send_all(fd, body, sizeof(body));
	ok(receive_all(fd, text, sizeof(text)) && strncmp(text, "HTTP/1.1 400", 12) == 0,
	   "body: chunk extensions without end are refused");
	close(fd);
}

static void
test_early_answer(void)
{
	static char body[600 * 1024];
	char text[4096];
	int fd = connect_client();

	memset(body, 'x', sizeof(body));
	send_text(fd, "POST /413 HTTP/1.1\r\n" H "Content-Length: 614400\r\n\r\n");
	send_all(fd, body, sizeof(body));
	ok(receive_all(fd, text, sizeof(text)) && strncmp(text, "HTTP/1.1 413", 12) == 0 &&
		   strstr(text, "big") != NULL,
	   "early answer: is readable though 600 kB of the body were sent after it");
	close(fd);
	ok(wait_for_clients(0), "early answer: the connection does not stay");
}

static void
test_broken_answers(void)
{
	char text[4096];

	ask_text("GET /short HTTP/1.1\r\n" H "\r\n", text, sizeof(text));
	ok(strstr(text, "content-length: 100\r\n") != NULL &&
		   strstr(text, "only this") != NULL,
	   "answer: one shorter than announced ends with the connection");
	ask_text("GET /cut HTTP/1.1\r\n" H "\r\n", text, sizeof(text));
	ok(strstr(text, "begun") != NULL && strstr(text, "\r\n0\r\n") == NULL,
	   "answer: one that is cut has no end");
}

static void
test_gone(void)
{
	static const char *const paths[] = {"/silent", "/stream", "/head"};
	char request[128];
	char text[1024];

	for (int i = 0; i < 3; i++)
	{
		int before = atomic_load(&n_gone);
		int64_t start_ms;
		int fd = connect_client();
		int n_seen = atomic_load(&n_requests);

		snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\n" H "\r\n", paths[i]);
		send_text(fd, request);
		wait_for(&n_requests, n_seen + 1);
		if (i > 0)
			ok(receive_until(fd, i == 1 ? "data: 1" : "\r\n\r\n", text, sizeof(text)),
			   "gone: the head goes out without waiting for a body");
		start_ms = now_ms();
		if (i == 1)
			shutdown(fd, SHUT_WR);
		else
			close(fd);
		ok(wait_for(&n_gone, before + 1), "gone: a client that leaves is noticed");
		printf("# noticed after %lld ms\n", (long long) (now_ms() - start_ms));
		if (i == 1)
			close(fd);
	}
	ok(wait_for_clients(0), "gone: nothing stays behind");
}

static void
test_input_pressure(void)
{
	static char body[64 * 1024];
	char text[1024];
	int fd = connect_client();
	size_t n_sent = 0;
	int64_t end_ms;

	memset(body, 'x', sizeof(body));
	atomic_store(&may_consume, false);
	atomic_store(&max_unread, 0);
	send_text(fd, "POST /slow HTTP/1.1\r\n" H "Content-Length: 33554432\r\n\r\n");
	end_ms = now_ms() + 300;
	while (now_ms() < end_ms)
	{
		ssize_t n = send(fd, body, sizeof(body), MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0)
			n_sent += (size_t) n;
		else
			usleep(1000);
	}
	ok(n_sent < 33554432, "input: who does not consume stops the sender");
	ok(atomic_load(&max_unread) > 0 &&
		   (size_t) atomic_load(&max_unread) <= limits.body_window_bytes,
	   "input: no more than the window is held");
	atomic_store(&may_consume, true);
	while (n_sent < 33554432)
	{
		size_t length =
			33554432 - n_sent < sizeof(body) ? 33554432 - n_sent : sizeof(body);

		if (!send_all(fd, body, length))
			break;
		n_sent += length;
	}
	ok(receive_until(fd, "hello", text, sizeof(text)) &&
		   (size_t) atomic_load(&max_unread) <= limits.body_window_bytes,
	   "input: 32 MB pass through the window once it is consumed");
	close(fd);
}

static void
test_output_pressure(void)
{
	static char piece[65536];
	int64_t n_received = 0;
	char text[128];
	int fd = connect_client();
	int other = connect_client();
	int64_t head = 0;

	send_text(fd, "GET /big HTTP/1.1\r\n" H "\r\n");
	ok(wait_for(&n_stops, 1), "output: send_body says stop to who does not read");
	send_text(other, "GET /small HTTP/1.1\r\n" H "\r\n");
	ok(receive_until(other, "hello", text, sizeof(text)),
	   "output: others are served meanwhile");
	close(other);
	for (;;)
	{
		ssize_t n_read = receive_some(fd, piece, sizeof(piece));

		if (n_read <= 0)
			break;
		if (head == 0)
			head = (char *) memmem(piece, (size_t) n_read, "\r\n\r\n", 4) - piece + 4;
		n_received += n_read;
		if (n_received - head >= BIG_BYTES)
			break;
	}
	printf("# %lld bytes, %d stops\n", (long long) (n_received - head),
		   atomic_load(&n_stops));
	ok(n_received - head == BIG_BYTES && atomic_load(&n_stops) > 1,
	   "output: all of it arrives, in several waits");
	close(fd);
}

static void
test_deadlines(void)
{
	char text[4096];
	int fd = connect_client();
	int64_t start_ms = now_ms();
	int before = atomic_load(&n_gone);
	bool is_open = true;

	/* a byte now and then: the deadline is for the whole head */
	for (int i = 0; i < 200 && is_open; i++)
	{
		is_open =
			send_all(fd, "GET /small HTTP/1.1\r\n" H "X: abc" + (i < 20 ? i : 20), 1) &&
			recv(fd, text, 1, MSG_DONTWAIT | MSG_PEEK) < 0;
		usleep(20000);
	}
	ok(receive_all(fd, text, sizeof(text)) && strncmp(text, "HTTP/1.1 408", 12) == 0,
	   "deadline: a head that drips in is refused with 408");
	ok(now_ms() - start_ms >= 290, "deadline: not before its time");
	close(fd);

	fd = connect_client();
	send_text(fd, "POST /silent HTTP/1.1\r\n" H "Content-Length: 10\r\n\r\nabc");
	ok(receive_all(fd, text, sizeof(text)) && strncmp(text, "HTTP/1.1 408", 12) == 0,
	   "deadline: a body that stalls is refused with 408");
	ok(wait_for(&n_gone, before + 1), "deadline: and the handler loses the client");
	close(fd);

	fd = connect_client();
	send_text(fd, "GET /small HTTP/1.1\r\n" H "\r\n");
	ok(receive_all(fd, text, sizeof(text)) && count_text(text, "HTTP/1.1") == 1,
	   "deadline: an idle connection is closed without a word");
	close(fd);

	fd = connect_client();
	send_text(fd, "GET /silent HTTP/1.1\r\n" H "\r\n");
	usleep(500000);
	ok(recv(fd, text, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN,
	   "deadline: none while the handler takes its time");
	close(fd);
}

static void
test_write_deadline(void)
{
	int fd;

	limits.write_timeout_ms = 200;
	start_server();
	fd = connect_client();
	send_text(fd, "GET /big HTTP/1.1\r\n" H "\r\n");
	ok(wait_for(&n_gone, 1), "deadline: a client that takes nothing is dropped");
	close(fd);
	stop_server();
	limits.write_timeout_ms = 60000;
}

static void
test_ceiling(void)
{
	int fds[5];
	char text[1024];

	limits.max_connections = 3;
	limits.keep_alive_timeout_ms = 60000;
	start_server();
	for (int i = 0; i < 5; i++)
	{
		fds[i] = connect_client();
		send_text(fds[i], "GET /small HTTP/1.1\r\n" H "\r\n");
	}
	ok(receive_until(fds[2], "hello", text, sizeof(text)), "ceiling: three are served");
	usleep(50000);
	ok(recv(fds[3], text, 1, MSG_DONTWAIT) < 0 && atomic_load(&n_requests) == 3,
	   "ceiling: the fourth waits");
	close(fds[0]);
	ok(receive_until(fds[3], "hello", text, sizeof(text)), "ceiling: until one leaves");
	close(fds[1]);
	ok(receive_until(fds[4], "hello", text, sizeof(text)), "ceiling: and so the fifth");
	for (int i = 2; i < 5; i++)
		close(fds[i]);
	stop_server();
	limits.max_connections = 100;
}

/* Without descriptors accepting fails; it must go on once there are some. */
static void
test_no_descriptors(void)
{
	struct rlimit before, few;
	char text[1024];
	int n_held = 0;
	int held[64];
	int fd;

	start_server();
	getrlimit(RLIMIT_NOFILE, &before);
	fd = connect_client();
	send_text(fd, "GET /small HTTP/1.1\r\n" H "\r\n");
	receive_until(fd, "hello", text, sizeof(text));
	close(fd);
	ok(wait_for_clients(0), "descriptors: one is served before");

	fd = socket(AF_INET, SOCK_STREAM, 0);
	few = before;
	few.rlim_cur = (rlim_t) fd + 20;
	setrlimit(RLIMIT_NOFILE, &few);
	while (n_held < 64 && (held[n_held] = dup(0)) >= 0)
		n_held++;
	{
		struct sockaddr_in address = {.sin_family = AF_INET,
									  .sin_port = htons((uint16_t) port),
									  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

		connect(fd, (struct sockaddr *) &address, sizeof(address));
	}
	send_text(fd, "GET /small HTTP/1.1\r\n" H "\r\n");
	usleep(150000);
	ok(atomic_load(&n_requests) == 1, "descriptors: with none left nobody is accepted");
	for (int i = 0; i < n_held; i++)
		close(held[i]);
	setrlimit(RLIMIT_NOFILE, &before);
	ok(receive_until(fd, "hello", text, sizeof(text)),
	   "descriptors: who waited is served when there are some again");
	close(fd);
	stop_server();
}

static void
test_drain(void)
{
	char text[4096];
	int idle, late, stream;

	limits.keep_alive_timeout_ms = 60000;
	start_server();
	idle = connect_client();
	send_text(idle, "GET /small HTTP/1.1\r\n" H "\r\n");
	receive_until(idle, "hello", text, sizeof(text));
	late = connect_client();
	stream = connect_client();
	send_text(stream, "GET /stream HTTP/1.1\r\n" H "\r\n");
	receive_until(stream, "data: 1", text, sizeof(text));
	send_text(late, "GET /late HTTP/1.1\r\n" H "\r\n");
	wait_for(&n_requests, 3);
	atomic_store(&wants_drain, true);
	ue_loop_wake(loop);
	ok(receive_all(idle, text, sizeof(text)) && text[0] == '\0',
	   "drain: idle ones are closed");
	ok(receive_all(late, text, sizeof(text)) && strstr(text, "hello") != NULL &&
		   strstr(text, "connection: close\r\n") != NULL,
	   "drain: one in progress is answered, then closed");
	ok(connect_client() < 0, "drain: nobody is accepted");
	ok(wait_for_clients(1), "drain: who streams stays");
	close(idle);
	close(late);
	stop_server();
	ok(atomic_load(&n_gone) == 1, "free: cuts who is left, and says so");
	close(stream);
}

static void
test_listen(void)
{
	char directory[] = "/tmp/ue_test_server_XXXXXX";
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char path[200], error[256] = "", text[1024];
	int fd, second;

	snprintf(path, sizeof(path), "unix:%s/socket", mkdtemp(directory));
	start_server_at(path);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", directory);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	ok(connect(fd, (struct sockaddr *) &address, sizeof(address)) == 0,
	   "listen: a unix socket");
	send_text(fd, "GET /small HTTP/1.1\r\n" H "\r\n");
	ok(receive_until(fd, "hello", text, sizeof(text)) &&
		   strcmp(seen_address, "unix") == 0,
	   "listen: serves over it");
	close(fd);
	ok(ue_server_listen(path, false, error, sizeof(error)) < 0 &&
		   strstr(error, "in use") != NULL,
	   "listen: a unix socket that answers is not replaced");
	stop_server();
	fd = ue_server_listen(path, false, error, sizeof(error));
	ok(fd >= 0, "listen: one left behind is replaced");
	close(fd);
	unlink(address.sun_path);
	rmdir(directory);

	start_server_at("[::1]:0");
	stop_server();
	fd = ue_server_listen(":0", true, error, sizeof(error));
	ok(fd >= 0, "listen: every address");
	close(fd);

	fd = ue_server_listen("127.0.0.1:0", true, error, sizeof(error));
	{
		struct sockaddr_in bound;
		socklen_t length = sizeof(bound);
		char same[64];

		getsockname(fd, (struct sockaddr *) &bound, &length);
		snprintf(same, sizeof(same), "127.0.0.1:%d", ntohs(bound.sin_port));
		second = ue_server_listen(same, true, error, sizeof(error));
		ok(second >= 0, "listen: a shared port is taken twice");
		ok(ue_server_listen(same, false, error, sizeof(error)) < 0 &&
			   strstr(error, same) != NULL && strstr(error, "in use") != NULL,
		   "listen: one that is not shared says that it is in use");
		close(second);
	}
	close(fd);
}

static void
test_bad_addresses(void)
{
	static const char *const bad[] = {
		"",		   "localhost",		"127.0.0.1:",	"127.0.0.1:x", "::1:80",
		"a:70000", "unix:relative", "127.0.0.1:-1", "[::1]80",	   "a:123456789"};
	char error[256];
	bool is_told = true;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		error[0] = '\0';
		is_told = is_told &&
				  ue_server_listen(bad[i], false, error, sizeof(error)) == -1 &&
				  strstr(error, bad[i]) != NULL;
		if (!is_told)
		{
			printf("# %s: %s\n", bad[i], error);
			break;
		}
	}
	ok(is_told, "listen: what is no address is refused and quoted");
}

int
main(void)
{
	alarm(120);
	start_server();
	limits.keep_alive_timeout_ms = 60000;
	test_malformed();
	test_split();
	test_head_limits();
	test_requests();
	test_http_1_0();
	test_pipelining();
	test_expect();
	test_bodies();
	test_early_answer();
	test_broken_answers();
	test_gone();
	limits.body_timeout_ms = 60000;
	test_no_spin();
	test_input_pressure();
	test_output_pressure();
	stop_server();

	limits.body_timeout_ms = 300;
	limits.keep_alive_timeout_ms = 300;
	start_server();
	test_deadlines();
	stop_server();
	test_write_deadline();
	test_ceiling();
	test_no_descriptors();
	test_drain();
	test_listen();
	test_bad_addresses();
	return done_testing();
}
