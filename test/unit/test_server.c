/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_server.c: what the server takes, what it refuses, and how it answers.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "server_probe.h"
#include "tap.h"

typedef struct Malformed
{
	const char *name;
	int status;
	UeSlice request;
} Malformed;

#define H "Host: a\r\n"

/* clang-format off */
static const Malformed malformed[] = {
	{"Content-Length with Transfer-Encoding", 400,
	 UE_SLICE_INIT("POST /small HTTP/1.1\r\n" H
	 "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")},
	{"Transfer-Encoding with Content-Length", 400,
	 UE_SLICE_INIT("POST /small HTTP/1.1\r\n" H
	 "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n")},
	{"two different Content-Lengths", 400,
	 UE_SLICE_INIT("POST /small HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello")},
	{"two equal Content-Lengths", 400,
	 UE_SLICE_INIT("POST /small HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello")},
	{"a list of Content-Lengths", 400,
	 UE_SLICE_INIT("POST /small HTTP/1.1\r\n" H "Content-Length: 5, 5\r\n\r\nhello")},
	{"a negative Content-Length", 400,
	 UE_SLICE_INIT("POST /small HTTP/1.1\r\n" H "Content-Length: -1\r\n\r\n")},
	{"a signed Content-Length", 400,
	 UE_SLICE_INIT("POST /small HTTP/1.1\r\n" H "Content-Length: +5\r\n\r\nhello")},
	{"a Content-Length beyond 63 bits", 400,
	 UE_SLICE_INIT("POST /small HTTP/1.1\r\n" H "Content-Length: 18446744073709551615\r\n\r\n")},
	{"a Content-Length beyond 64 bits", 400,
	 UE_SLICE_INIT("POST /small HTTP/1.1\r\n" H "Content-Length: 99999999999999999999\r\n\r\n")},
	{"bare LF", 400,
	 UE_SLICE_INIT("GET /small HTTP/1.1\nHost: a\n\n")},
	{"bare LF after a header", 400,
	 UE_SLICE_INIT("GET /small HTTP/1.1\r\nHost: a\nX: b\r\n\r\n")},
	{"bare CR in a value", 400,
	 UE_SLICE_INIT("GET /small HTTP/1.1\r\n" H "X: a\rb\r\n\r\n")},
	{"NUL in a value", 400,
	 UE_SLICE_INIT("GET /small HTTP/1.1\r\n" H
	 "X: a\0b\r\n\r\n")},
	{"a control character in a value", 400,
	 UE_SLICE_INIT("GET /small HTTP/1.1\r\n" H "X: a\001b\r\n\r\n")},
	{"a folded value", 400,
	 UE_SLICE_INIT("GET /small HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n")},
	{"a value folded by a tab", 400,
	 UE_SLICE_INIT("GET /small HTTP/1.1\r\n" H "X: a\r\n\tb\r\n\r\n")},
	{"a value that begins in a fold", 400,
	 UE_SLICE_INIT("GET /small HTTP/1.1\r\n" H "X:\r\n b\r\n\r\n")},
	{"an unknown transfer coding", 501,
	 UE_SLICE_INIT("POST /small HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n")},
	{"a transfer coding besides chunked", 501,
	 UE_SLICE_INIT("POST /small HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")},
	{"chunked twice", 400,
	 UE_SLICE_INIT("POST /small HTTP/1.1\r\n" H
	 "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")},
	{"chunked in HTTP/1.0", 400,
	 UE_SLICE_INIT("POST /small HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")},
	{"a chunk size that is none", 400,
	 UE_SLICE_INIT("POST /small HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n")},
	{"a chunk size too large", 400,
	 UE_SLICE_INIT("POST /small HTTP/1.1\r\n" H
	 "Transfer-Encoding: chunked\r\n\r\n11111111111111111\r\n\r\n")},
	{"a blank before the colon", 400,
	 UE_SLICE_INIT("GET /small HTTP/1.1\r\nHost : a\r\n\r\n")},
	{"a blank before the first header", 400,
	 UE_SLICE_INIT("GET /small HTTP/1.1\r\n Host: a\r\n\r\n")},
	{"a header without a name", 400,
	 UE_SLICE_INIT("GET /small HTTP/1.1\r\n" H ": b\r\n\r\n")},
	{"a header without a colon", 400,
	 UE_SLICE_INIT("GET /small HTTP/1.1\r\n" H "Xb\r\n\r\n")},
	{"no Host", 400,
	 UE_SLICE_INIT("GET /small HTTP/1.1\r\nX: b\r\n\r\n")},
	{"two Hosts", 400,
	 UE_SLICE_INIT("GET /small HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n")},
	{"a target that is no path", 400,
	 UE_SLICE_INIT("GET small HTTP/1.1\r\n" H "\r\n")},
	{"a target with a fragment", 400,
	 UE_SLICE_INIT("GET /small#x HTTP/1.1\r\n" H "\r\n")},
	{"a target of another scheme", 400,
	 UE_SLICE_INIT("GET ftp://a/small HTTP/1.1\r\n" H "\r\n")},
	{"an asterisk without OPTIONS", 400,
	 UE_SLICE_INIT("GET * HTTP/1.1\r\n" H "\r\n")},
	{"CONNECT", 501,
	 UE_SLICE_INIT("CONNECT a:443 HTTP/1.1\r\n" H "\r\n")},
	{"a method that is none", 400,
	 UE_SLICE_INIT("G@T /small HTTP/1.1\r\n" H "\r\n")},
	{"HTTP/0.9", 505,
	 UE_SLICE_INIT("GET /small\r\n\r\n")},
	{"HTTP/2.0", 505,
	 UE_SLICE_INIT("GET /small HTTP/2.0\r\n" H "\r\n")},
	{"the preface of HTTP/2", 505,
	 UE_SLICE_INIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")},
	{"a TLS handshake", 400,
	 UE_SLICE_INIT("\x16\x03\x01\x02\x01\x01\xfc\x03")},
	{"a bare CR after a header", 400,
	 UE_SLICE_INIT("POST /small HTTP/1.1\r\n" H "X:\rContent-Length: 5\r\n\r\nhello")},
	{"a bare CR that hides a coding", 400,
	 UE_SLICE_INIT("POST /small HTTP/1.1\r\n" H
	 "X:\rxTransfer-Encoding: chunked\r\n\r\n1\r\nA\r\n0\r\n\r\n")},
	{"a bare CR in place of the empty line", 400,
	 UE_SLICE_INIT("POST /small HTTP/1.1\r\n" H "Content-Length: 5\r\n\rXhello")},
	{"a bare LF in place of the empty line", 400,
	 UE_SLICE_INIT("POST /small HTTP/1.1\r\n" H "Content-Length: 5\r\n\nhello")},
	{"a blank inside a name", 400,
	 UE_SLICE_INIT("GET /small HTTP/1.1\r\n" H "X Y: z\r\n\r\n")},
	{"a name that is no token", 400,
	 UE_SLICE_INIT("GET /small HTTP/1.1\r\n" H "X(: z\r\n\r\n")},
	{"a chunk size ended by CR and any byte", 400,
	 UE_SLICE_INIT("POST /small HTTP/1.1\r\n" H
	 "Transfer-Encoding: chunked\r\n\r\n5\rXhello\r\n0\r\n\r\n")},
	{"a chunk size ended by LF", 400,
	 UE_SLICE_INIT("POST /small HTTP/1.1\r\n" H
	 "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n")},
	{"a chunk ended by any two bytes", 400,
	 UE_SLICE_INIT("POST /small HTTP/1.1\r\n" H
	 "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n")},
	{"trailers ended by CR and any byte", 400,
	 UE_SLICE_INIT("POST /small HTTP/1.1\r\n" H
	 "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\rX")},
	{"a bare LF in a chunk extension", 400,
	 UE_SLICE_INIT("POST /small HTTP/1.1\r\n" H
	 "Transfer-Encoding: chunked\r\n\r\n5;\nxx\r\nhello\r\n0\r\n\r\n")},
	{"two blanks before the version", 400,
	 UE_SLICE_INIT("GET /small  HTTP/1.1\r\n" H "\r\n")},
	{"RTSP", 400,
	 UE_SLICE_INIT("SETUP /small RTSP/1.0\r\n" H "\r\n")},
};
/* clang-format on */

static void
test_malformed(void)
{
	char text[4096];

	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
	{
		const Malformed *one = &malformed[i];
		char status[32];
		int before = atomic_load(&probe.n_requests);

		snprintf(status, sizeof(status), "HTTP/1.1 %d ", one->status);
		probe_ask(one->request.ptr, one->request.len, text, sizeof(text));
		if (!ok(strncmp(text, status, strlen(status)) == 0 &&
					strstr(text, "{\"error\":{\"message\":\"") != NULL &&
					strstr(text, "connection: close\r\n") != NULL &&
					probe_count_text(text, "\r\nHTTP/1.1") == 0 &&
					atomic_load(&probe.n_requests) == before,
				"malformed: %s is refused with %d", one->name, one->status))
			printf("# %.60s, %d requests seen\n", text,
				   atomic_load(&probe.n_requests) - before);
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
	int fd = probe_connect_client();
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, 1, &one, sizeof(one)); /* TCP_NODELAY */
	probe.seen_value[0] = '\0';
	for (size_t i = 0; i + 1 < sizeof(request); i++)
	{
		probe_send_all(fd, request + i, 1);
		if (i % 8 == 0)
			usleep(500);
	}
	ok(probe_receive_until(fd, "\r\n0\r\n\r\n", text, sizeof(text)),
	   "split: a request byte by byte is answered");
	ok(strcmp(probe.seen_value, "value") == 0 && probe.seen_headers == 4,
	   "split: header values are whole and trimmed, trailers are none");
	close(fd);

	fd = probe_connect_client();
	for (size_t i = 0; i + 1 < sizeof(fold); i++)
	{
		probe_send_all(fd, fold + i, 1);
		usleep(500);
	}
	probe_receive_all(fd, text, sizeof(text));
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
	probe_ask(request, length + 40 * 1024, text, sizeof(text));
	ok(strncmp(text, "HTTP/1.1 431", 12) == 0,
	   "head: 40 kB of headers are refused with 431");

	memset(request + length, ' ', 70 * 1024);
	probe_ask(request, length + 70 * 1024, text, sizeof(text));
	ok(strncmp(text, "HTTP/1.1 431", 12) == 0, "head: blanks count");

	length = (size_t) snprintf(request, sizeof(request), "GET /small HTTP/1.1\r\n" H);
	for (int i = 0; i < 300; i++)
		length += (size_t) snprintf(request + length, sizeof(request) - length,
									"X%d: y\r\n", i);
	probe_ask(request, length, text, sizeof(text));
	ok(strncmp(text, "HTTP/1.1 431", 12) == 0, "head: 300 headers are refused with 431");

	length = (size_t) snprintf(request, sizeof(request), "GET /small HTTP/1.1\r\n" H);
	for (int i = 0; i < 200; i++)
		length += (size_t) snprintf(request + length, sizeof(request) - length,
									"X%d: %080d\r\n", i, i);
	length += (size_t) snprintf(request + length, sizeof(request) - length,
								"X-Value: last\r\nConnection: close\r\n\r\n");
	probe_ask(request, length, text, sizeof(text));
	ok(strncmp(text, "HTTP/1.1 200", 12) == 0 && strcmp(probe.seen_value, "last") == 0,
	   "head: 200 headers of 18 kB are taken");
}

static void
test_requests(void)
{
	char text[8192];
	int fd = probe_connect_client();

	probe_send_text(fd, "GET /small HTTP/1.1\r\n" H "\r\n");
	ok(probe_receive_until(fd, "hello", text, sizeof(text)), "request: is answered");
	ok(strstr(text, "content-length: 5\r\n") != NULL &&
		   strstr(text, "connection:") == NULL,
	   "request: with its length, and the connection stays");
	ok(strstr(text, "\r\nset-cookie") == NULL &&
		   strstr(text, "x-evil: a  set-cookie") != NULL,
	   "answer: a line end in a value makes no header");
	ok(strncmp(probe.seen_address, "127.0.0.1:", 10) == 0,
	   "request: the client's address is known");
	probe_send_text(fd, "GET http://b/small?q=1 HTTP/1.1\r\n" H "\r\n");
	ok(probe_receive_until(fd, "hello", text, sizeof(text)) &&
		   strcmp(probe.seen_target, "/small?q=1") == 0,
	   "request: of a URL in place of the path the path is taken");
	probe_send_text(fd, "OPTIONS * HTTP/1.1\r\n" H "\r\n");
	ok(probe_receive_until(fd, "hello", text, sizeof(text)) &&
		   strcmp(probe.seen_target, "*") == 0,
	   "request: OPTIONS * is taken");
	probe_send_text(fd,
					"HEAD /small HTTP/1.1\r\n" H "\r\nGET /204 HTTP/1.1\r\n" H "\r\n");
	ok(probe_receive_until(fd, "204 No Content\r\n", text, sizeof(text)) &&
		   strstr(text, "content-length: 5\r\n") != NULL && strstr(text, "hello") == NULL,
	   "request: HEAD has the length and no body");
	probe_send_text(fd, "GET /304 HTTP/1.1\r\n" H "\r\n");
	ok(probe_receive_until(fd, "304 Not Modified\r\n\r\n", text, sizeof(text)) &&
		   strstr(text, "not to be seen") == NULL,
	   "request: 204 and 304 have neither body nor length");
	probe_send_text(fd, "GET /small HTTP/1.1\r\n" H
						"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
	ok(probe_receive_until(fd, "hello", text, sizeof(text)) && probe.seen_upgrade,
	   "request: an upgrade is told, and may be answered as any request");
	probe_send_text(
		fd, "POST /echo HTTP/1.1\r\n" H
			"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: \r\n"
			"Content-Length: 3\r\n\r\nabc");
	ok(probe_receive_until(fd, "3\r\nabc\r\n0\r\n\r\n", text, sizeof(text)) &&
		   !probe.seen_upgrade,
	   "request: an offer of h2c is passed over");
	probe_send_text(fd, "GET /small HTTP/1.1\r\n" H "Connection: close\r\n\r\n");
	ok(probe_receive_all(fd, text, sizeof(text)) &&
		   strstr(text, "connection: close\r\n") != NULL,
	   "request: Connection: close closes");
	close(fd);
}

static void
test_http_1_0(void)
{
	char text[4096];
	int fd;

	probe_ask_text("GET /small HTTP/1.0\r\n\r\n", text, sizeof(text));
	ok(strstr(text, "connection: close\r\n") != NULL && strstr(text, "hello") != NULL,
	   "HTTP/1.0: closes by default, and needs no Host");
	fd = probe_connect_client();
	probe_send_text(fd, "GET /small HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	ok(probe_receive_until(fd, "hello", text, sizeof(text)) &&
		   strstr(text, "connection: keep-alive\r\n") != NULL,
	   "HTTP/1.0: stays when asked to");
	probe_send_text(
		fd,
		"POST /echo HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc");
	ok(probe_receive_all(fd, text, sizeof(text)) && strstr(text, "chunked") == NULL &&
		   strstr(text, "\r\n\r\nabc") != NULL,
	   "HTTP/1.0: an answer of unknown length ends with the connection");
	close(fd);
}

static void
test_pipelining(void)
{
	static const char *const paths[] = {"/small", "/late"};
	static char request[60000];
	static char text[PROBE_ANSWER];
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

		probe_ask(three, (size_t) length, text, sizeof(text));
		ok(probe_count_text(text, "HTTP/1.1 200 OK") == 3 &&
			   probe_count_text(text, "hello") == 3,
		   i == 0 ? "pipelining: three requests, three answers"
				  : "pipelining: the same when each answer comes later");
	}

	/* nearly as much as is kept while the first is unanswered */
	memset(request, 0, sizeof(request));
	for (int i = 0; i < 250; i++)
		strcat(request, "GET /small HTTP/1.1\r\n" H "X-Value: pipelined\r\n\r\n");
	fd = probe_connect_client();
	before = atomic_load(&probe.n_requests);
	probe_send_text(fd, "GET /late HTTP/1.1\r\n" H "\r\n");
	probe_send_all(fd, request, strlen(request));
	probe_send_text(fd, "GET /small HTTP/1.1\r\n" H "Connection: close\r\n\r\n");
	probe_receive_all(fd, text, sizeof(text));
	ok(probe_count_text(text, "hello") == 252 &&
		   atomic_load(&probe.n_requests) - before == 252,
	   "pipelining: 250 requests behind a late one are all answered");
	close(fd);
}

static void
test_expect(void)
{
	char text[4096];
	int fd = probe_connect_client();

	probe_send_text(fd, "POST /small HTTP/1.1\r\n" H
						"Expect: 100-continue\r\nContent-Length: 4\r\n\r\n");
	ok(probe_receive_until(fd, "\r\n\r\n", text, sizeof(text)) &&
		   strcmp(text, "HTTP/1.1 100 Continue\r\n\r\n") == 0,
	   "expect: 100 when the body is waited for");
	probe_send_text(fd, "body");
	ok(probe_receive_until(fd, "hello", text, sizeof(text)),
	   "expect: and the answer after it");
	probe_send_text(fd, "POST /small HTTP/1.1\r\n" H
						"Expect: 100-continue\r\nContent-Length: 4\r\n\r\nbody");
	ok(probe_receive_until(fd, "hello", text, sizeof(text)) &&
		   strstr(text, "100 Con") == NULL,
	   "expect: no 100 when the body is there");
	probe_send_text(fd, "POST /413 HTTP/1.1\r\n" H
						"Expect: 100-continue\r\nContent-Length: 4\r\n\r\n");
	ok(probe_receive_all(fd, text, sizeof(text)) &&
		   strncmp(text, "HTTP/1.1 413", 12) == 0 &&
		   strstr(text, "connection: close\r\n") != NULL,
	   "expect: a refusal without 100 closes, for the body may come or not");
	close(fd);
}

static void
test_bodies(void)
{
	static char body[100000];
	static char text[PROBE_ANSWER];
	int fd = probe_connect_client();

	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (char) ('a' + i % 23);
	probe_send_text(fd, "POST /echo HTTP/1.1\r\n" H
						"Content-Length: 100000\r\nConnection: close\r\n\r\n");
	for (size_t i = 0; i < sizeof(body); i += 10000)
	{
		probe_send_all(fd, body + i, 10000);
		usleep(1000);
	}
	ok(probe_receive_all(fd, text, sizeof(text)) &&
		   strstr(text, "\r\n0\r\n\r\n") != NULL && strlen(text) > sizeof(body),
	   "body: 100 kB with a length come and go");
	close(fd);

	fd = probe_connect_client();
	probe_send_text(fd, "POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n");
	probe_send_text(fd, "3\r\nabc\r\n");
	ok(probe_receive_until(fd, "3\r\nabc\r\n", text, sizeof(text)),
	   "body: a chunk is handed on before the next comes");
	probe_send_text(fd, "A;ext=\"1\"\r\n0123456789\r\n");
	ok(probe_receive_until(fd, "a\r\n0123456789\r\n", text, sizeof(text)),
	   "body: and so is that");
	probe_send_text(fd, "0\r\nX-Trailer: 1\r\n\r\n");
	ok(probe_receive_until(fd, "0\r\n\r\n", text, sizeof(text)), "body: trailers end it");
	close(fd);

	fd = probe_connect_client();
	probe_send_text(fd, "POST /silent HTTP/1.1\r\n" H
						"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
	usleep(20000);
	probe_send_text(fd, "zz\r\n");
	ok(probe_receive_all(fd, text, sizeof(text)) &&
		   strncmp(text, "HTTP/1.1 400", 12) == 0,
	   "body: a bad chunk in the middle is refused while nothing is answered");
	ok(probe_wait_for(&probe.n_gone, 1), "body: and the handler loses the client");
	close(fd);

	fd = probe_connect_client();
	probe_send_text(fd, "POST /silent HTTP/1.1\r\n" H
						"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
	memset(body, 'x', sizeof(body));
	probe_send_text(fd, "1;");
	for (int i = 0; i < 3; i++)
		probe_send_all(fd, body, sizeof(body));
	ok(probe_receive_all(fd, text, sizeof(text)) &&
		   strncmp(text, "HTTP/1.1 400", 12) == 0,
	   "body: chunk extensions without end are refused");
	close(fd);
}

static void
test_early_answer(void)
{
	static char body[600 * 1024];
	char text[4096];
	int fd = probe_connect_client();

	memset(body, 'x', sizeof(body));
	probe_send_text(fd, "POST /413 HTTP/1.1\r\n" H "Content-Length: 614400\r\n\r\n");
	probe_send_all(fd, body, sizeof(body));
	ok(probe_receive_all(fd, text, sizeof(text)) &&
		   strncmp(text, "HTTP/1.1 413", 12) == 0 && strstr(text, "big") != NULL,
	   "early answer: is readable though 600 kB of the body were sent after it");
	close(fd);
	ok(probe_wait_for_clients(0), "early answer: the connection does not stay");
}

static void
test_broken_answers(void)
{
	char text[4096];

	probe_ask_text("GET /short HTTP/1.1\r\n" H "\r\n", text, sizeof(text));
	ok(strstr(text, "content-length: 100\r\n") != NULL &&
		   strstr(text, "only this") != NULL,
	   "answer: one shorter than announced ends with the connection");
	probe_ask_text("GET /cut HTTP/1.1\r\n" H "\r\n", text, sizeof(text));
	ok(strstr(text, "begun") != NULL && strstr(text, "\r\n0\r\n") == NULL,
	   "answer: one that is cut has no end");
}

int
main(void)
{
	alarm(120);
	probe.limits.keep_alive_timeout_ms = 60000;
	probe.limits.header_timeout_ms = 10000;
	probe.limits.body_timeout_ms = 10000;
	probe_start_server();
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
	probe_stop_server();
	return done_testing();
}
