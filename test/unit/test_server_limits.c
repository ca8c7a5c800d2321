/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_server_limits.c: clients that leave, stall, flood or do not read; ceilings; draining.
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

#define H "Host: a\r\n"

static void
test_gone(void)
{
	static const char *const paths[] = {"/silent", "/stream", "/head"};
	char request[128];
	char text[1024];

	for (int i = 0; i < 3; i++)
	{
		int before = atomic_load(&probe.n_gone);
		int64_t start_ms;
		int fd = probe_connect_client();
		int n_seen = atomic_load(&probe.n_requests);

		snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\n" H "\r\n", paths[i]);
		probe_send_text(fd, request);
		probe_wait_for(&probe.n_requests, n_seen + 1);
		if (i > 0)
			ok(probe_receive_until(fd, i == 1 ? "data: 1" : "\r\n\r\n", text,
								   sizeof(text)),
			   "gone: the head goes out without waiting for a body");
		start_ms = probe_now_ms();
		if (i == 1)
			shutdown(fd, SHUT_WR);
		else
			close(fd);
		ok(probe_wait_for(&probe.n_gone, before + 1),
		   "gone: a client that leaves is noticed");
		printf("# noticed after %lld ms\n", (long long) (probe_now_ms() - start_ms));
		if (i == 1)
			close(fd);
	}
	ok(probe_wait_for_clients(0), "gone: nothing stays behind");
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
	int fd = probe_connect_client();
	int flood = probe_connect_client();
	int64_t used_ms;

	memset(filler, 'G', sizeof(filler));
	probe_send_text(fd, "GET /silent HTTP/1.1\r\n" H "\r\n");
	probe_send_all(fd, filler, sizeof(filler));
	probe_send_text(flood,
					"POST /slow HTTP/1.1\r\n" H "Content-Length: 10000000\r\n\r\n");
	probe_send_all(flood, filler, sizeof(filler));
	probe_send_all(flood, filler, sizeof(filler));
	shutdown(flood, SHUT_WR);
	usleep(20000);
	pthread_getcpuclockid(probe.thread, &clock);
	clock_gettime(clock, &before);
	usleep(200000);
	clock_gettime(clock, &after);
	used_ms = (after.tv_sec - before.tv_sec) * 1000 +
			  (after.tv_nsec - before.tv_nsec) / 1000000;
	ok(used_ms < 100,
	   "pausing: a client that goes on sending does not make the loop spin");
	close(fd);
	close(flood);
	atomic_store(&probe.may_consume, true); /* its end is behind what was not read */
	ok(probe_wait_for_clients(0), "pausing: both are noticed to have left");
}

static void
test_input_pressure(void)
{
	static char body[64 * 1024];
	char text[1024];
	int fd = probe_connect_client();
	size_t n_sent = 0;
	int64_t end_ms;

	memset(body, 'x', sizeof(body));
	atomic_store(&probe.may_consume, false);
	atomic_store(&probe.max_unread, 0);
	probe_send_text(fd, "POST /slow HTTP/1.1\r\n" H "Content-Length: 33554432\r\n\r\n");
	end_ms = probe_now_ms() + 300;
	while (probe_now_ms() < end_ms)
	{
		ssize_t n = send(fd, body, sizeof(body), MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0)
			n_sent += (size_t) n;
		else
			usleep(1000);
	}
	ok(n_sent < 33554432, "input: who does not consume stops the sender");
	ok(atomic_load(&probe.max_unread) > 0 &&
		   (size_t) atomic_load(&probe.max_unread) <= probe.limits.body_window_bytes,
	   "input: no more than the window is held");
	atomic_store(&probe.may_consume, true);
	while (n_sent < 33554432)
	{
		size_t length =
			33554432 - n_sent < sizeof(body) ? 33554432 - n_sent : sizeof(body);

		if (!probe_send_all(fd, body, length))
			break;
		n_sent += length;
	}
	ok(probe_receive_until(fd, "hello", text, sizeof(text)) &&
		   (size_t) atomic_load(&probe.max_unread) <= probe.limits.body_window_bytes,
	   "input: 32 MB pass through the window once it is consumed");
	close(fd);
}

static void
test_output_pressure(void)
{
	static char piece[65536];
	int64_t n_received = 0;
	char text[128];
	int fd = probe_connect_client();
	int other = probe_connect_client();
	int64_t head = 0;

	probe_send_text(fd, "GET /big HTTP/1.1\r\n" H "\r\n");
	ok(probe_wait_for(&probe.n_stops, 1),
	   "output: send_body says stop to who does not read");
	probe_send_text(other, "GET /small HTTP/1.1\r\n" H "\r\n");
	ok(probe_receive_until(other, "hello", text, sizeof(text)),
	   "output: others are served meanwhile");
	close(other);
	for (;;)
	{
		ssize_t n_read = probe_receive_some(fd, piece, sizeof(piece));

		if (n_read <= 0)
			break;
		if (head == 0)
			head = (char *) memmem(piece, (size_t) n_read, "\r\n\r\n", 4) - piece + 4;
		n_received += n_read;
		if (n_received - head >= PROBE_BIG_BYTES)
			break;
	}
	printf("# %lld bytes, %d stops\n", (long long) (n_received - head),
		   atomic_load(&probe.n_stops));
	ok(n_received - head == PROBE_BIG_BYTES, "output: all of it arrives once it is read");
	close(fd);
}

/* A mark below what may wait for the end of the turn: a stop must be followed by a go. */
static void
test_low_marks(void)
{
	static char text[PROBE_ANSWER];

	probe.limits.output_high_bytes = 4096;
	probe.limits.output_low_bytes = 1024;
	probe_start_server();
	probe_ask_text("GET /pieces HTTP/1.1\r\nConnection: close\r\n" H "\r\n", text,
				   sizeof(text));
	ok(probe_count_text(text, "\r\n3e8\r\nx") == PROBE_PIECES &&
		   strstr(text, "x\r\n0\r\n\r\n") != NULL,
	   "output: small pieces all arrive with marks as low as can be set");
	probe_stop_server();
	probe.limits.output_high_bytes = 256 * 1024;
	probe.limits.output_low_bytes = 64 * 1024;
}

static void
test_deadlines(void)
{
	char text[4096];
	int fd = probe_connect_client();
	int64_t start_ms = probe_now_ms();
	int before = atomic_load(&probe.n_gone);
	bool is_open = true;

	/* a byte now and then: the deadline is for the whole head */
	for (int i = 0; i < 200 && is_open; i++)
	{
		is_open =
			probe_send_all(fd, "GET /small HTTP/1.1\r\n" H "X: abc" + (i < 20 ? i : 20),
						   1) &&
			recv(fd, text, 1, MSG_DONTWAIT | MSG_PEEK) < 0;
		usleep(20000);
	}
	ok(probe_receive_all(fd, text, sizeof(text)) &&
		   strncmp(text, "HTTP/1.1 408", 12) == 0,
	   "deadline: a head that drips in is refused with 408");
	ok(probe_now_ms() - start_ms >= 290, "deadline: not before its time");
	close(fd);

	fd = probe_connect_client();
	probe_send_text(fd, "POST /silent HTTP/1.1\r\n" H "Content-Length: 10\r\n\r\nabc");
	ok(probe_receive_all(fd, text, sizeof(text)) &&
		   strncmp(text, "HTTP/1.1 408", 12) == 0,
	   "deadline: a body that stalls is refused with 408");
	ok(probe_wait_for(&probe.n_gone, before + 1),
	   "deadline: and the handler loses the client");
	close(fd);

	fd = probe_connect_client();
	probe_send_text(fd, "GET /small HTTP/1.1\r\n" H "\r\n");
	ok(probe_receive_all(fd, text, sizeof(text)) &&
		   probe_count_text(text, "HTTP/1.1") == 1,
	   "deadline: an idle connection is closed without a word");
	close(fd);

	fd = probe_connect_client();
	probe_send_text(fd, "GET /silent HTTP/1.1\r\n" H "\r\n");
	usleep(500000);
	ok(recv(fd, text, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN,
	   "deadline: none while the handler takes its time");
	close(fd);
}

static void
test_write_deadline(void)
{
	int fd;

	probe.limits.write_timeout_ms = 200;
	probe_start_server();
	fd = probe_connect_client();
	probe_send_text(fd, "GET /big HTTP/1.1\r\n" H "\r\n");
	ok(probe_wait_for(&probe.n_gone, 1),
	   "deadline: a client that takes nothing is dropped");
	close(fd);
	probe_stop_server();
	probe.limits.write_timeout_ms = 60000;
}

static void
test_ceiling(void)
{
	int fds[5];
	char text[1024];

	probe.limits.max_connections = 3;
	probe.limits.keep_alive_timeout_ms = 60000;
	probe_start_server();
	for (int i = 0; i < 5; i++)
	{
		fds[i] = probe_connect_client();
		probe_send_text(fds[i], "GET /small HTTP/1.1\r\n" H "\r\n");
	}
	ok(probe_receive_until(fds[2], "hello", text, sizeof(text)),
	   "ceiling: three are served");
	usleep(50000);
	ok(recv(fds[3], text, 1, MSG_DONTWAIT) < 0 && atomic_load(&probe.n_requests) == 3,
	   "ceiling: the fourth waits");
	close(fds[0]);
	ok(probe_receive_until(fds[3], "hello", text, sizeof(text)),
	   "ceiling: until one leaves");
	close(fds[1]);
	ok(probe_receive_until(fds[4], "hello", text, sizeof(text)),
	   "ceiling: and so the fifth");
	for (int i = 2; i < 5; i++)
		close(fds[i]);
	probe_stop_server();
	probe.limits.max_connections = 100;
}

/* Its end stands behind more than is kept of the requests that follow. */
static void
test_gone_behind_pipeline(void)
{
	static char flood[4 * 1024 * 1024];
	char text[1024];
	int before = atomic_load(&probe.n_gone);
	int n_seen = atomic_load(&probe.n_requests);
	int fd = probe_connect_client();

	memset(flood, 'x', sizeof(flood));
	probe_send_text(fd, "GET /silent HTTP/1.1\r\n" H "\r\n");
	probe_wait_for(&probe.n_requests, n_seen + 1);
	ok(probe_send_all(fd, flood, sizeof(flood)), "gone: what is pipelined is read");
	close(fd);
	ok(probe_wait_for(&probe.n_gone, before + 1),
	   "gone: a client that leaves behind it is noticed");

	fd = probe_connect_client();
	probe_send_text(fd, "GET /late HTTP/1.1\r\n" H "\r\n");
	probe_send_all(fd, flood, 256 * 1024);
	ok(probe_receive_all(fd, text, sizeof(text)) && strstr(text, "hello") != NULL &&
		   probe_count_text(text, "HTTP/1.1") == 1,
	   "pipeline: too much of it ends the connection, after the answer");
	close(fd);
	ok(probe_wait_for_clients(0), "pipeline: nothing stays behind");
}

/* What goes wrong behind the head is the handler's to answer, when it wants to. */
static void
test_refused(void)
{
	static const char *const stalled[] = {
		"POST /small HTTP/1.1\r\n" H "Content-Length: 9\r\n\r\n1",
		"POST /silent HTTP/1.1\r\n" H "Content-Length: 900000\r\n\r\n1",
	};
	char text[1024];
	int fd;

	probe.answers_refusals = true;
	probe.limits.body_timeout_ms = 200;
	probe_start_server();
	for (int i = 0; i < 2; i++)
	{
		probe_ask_text(stalled[i], text, sizeof(text));
		ok(strncmp(text, "HTTP/1.1 408 Handled\r\n", 22) == 0 &&
			   strstr(text, "connection: close\r\n") != NULL,
		   "refused: a body that stalls is answered by the handler, then it is over");
	}
	fd = probe_connect_client();
	probe_send_text(fd,
					"POST /silent HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n");
	probe_wait_for(&probe.n_requests, 3);
	probe_send_text(fd, "5\r\nhello\r\nZZ\r\n");
	ok(probe_receive_all(fd, text, sizeof(text)) &&
		   strncmp(text, "HTTP/1.1 400 Handled\r\n", 22) == 0,
	   "refused: so is a broken chunk");
	close(fd);
	probe_ask_text("POST /silent HTTP/1.1\r\n" H
				   "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nZZ\r\n",
				   text, sizeof(text));
	ok(strncmp(text, "HTTP/1.1 400 Handled\r\n", 22) == 0,
	   "refused: also when it came in one piece with the head");
	probe_ask_text("POST /silent HTTP/1.1\r\nContent-Length: x\r\n\r\n", text,
				   sizeof(text));
	ok(strncmp(text, "HTTP/1.1 400 Bad Request\r\n", 26) == 0,
	   "refused: a broken head stays the server's");
	ok(atomic_load(&probe.n_gone) == 0 && probe_wait_for_clients(0),
	   "refused: nobody is said to have left, nothing stays behind");
	probe_stop_server();
	probe.answers_refusals = false;
	probe.limits.body_timeout_ms = 60000;
}

/* Where the end of the connection is the end of the answer, a cut must not look like it. */
static void
test_cut_at_end(void)
{
	char text[1024];
	int fd;

	probe_start_server();
	fd = probe_connect_client();
	probe_send_text(fd, "GET /stream HTTP/1.0\r\n" H "\r\n");
	probe_receive_until(fd, "data: 1", text, sizeof(text));
	probe_stop_server();
	ok(recv(fd, text, sizeof(text), 0) < 0 && errno == ECONNRESET,
	   "cut: an HTTP/1.0 client is reset");
	ok(atomic_load(&probe.n_gone) == 1 && atomic_load(&probe.n_cut) == 1,
	   "cut: the handler can tell that it was us");
	close(fd);
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

	probe_start_server();
	getrlimit(RLIMIT_NOFILE, &before);
	fd = probe_connect_client();
	probe_send_text(fd, "GET /small HTTP/1.1\r\n" H "\r\n");
	probe_receive_until(fd, "hello", text, sizeof(text));
	close(fd);
	ok(probe_wait_for_clients(0), "descriptors: one is served before");

	fd = socket(AF_INET, SOCK_STREAM, 0);
	few = before;
	few.rlim_cur = (rlim_t) fd + 20;
	setrlimit(RLIMIT_NOFILE, &few);
	while (n_held < 64 && (held[n_held] = dup(0)) >= 0)
		n_held++;
	{
		struct sockaddr_in address = {.sin_family = AF_INET,
									  .sin_port = htons((uint16_t) probe.port),
									  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

		connect(fd, (struct sockaddr *) &address, sizeof(address));
	}
	probe_send_text(fd, "GET /small HTTP/1.1\r\n" H "\r\n");
	usleep(150000);
	ok(atomic_load(&probe.n_requests) == 1,
	   "descriptors: with none left nobody is accepted");
	for (int i = 0; i < n_held; i++)
		close(held[i]);
	setrlimit(RLIMIT_NOFILE, &before);
	ok(probe_receive_until(fd, "hello", text, sizeof(text)),
	   "descriptors: who waited is served when there are some again");
	close(fd);
	probe_stop_server();
}

static void
test_drain(void)
{
	char text[4096];
	int idle, late, stream;

	probe.limits.keep_alive_timeout_ms = 60000;
	probe_start_server();
	idle = probe_connect_client();
	probe_send_text(idle, "GET /small HTTP/1.1\r\n" H "\r\n");
	probe_receive_until(idle, "hello", text, sizeof(text));
	late = probe_connect_client();
	stream = probe_connect_client();
	probe_send_text(stream, "GET /stream HTTP/1.1\r\n" H "\r\n");
	probe_receive_until(stream, "data: 1", text, sizeof(text));
	probe_send_text(late, "GET /late HTTP/1.1\r\n" H "\r\n");
	probe_wait_for(&probe.n_requests, 3);
	atomic_store(&probe.wants_drain, true);
	ue_loop_wake(probe.loop);
	ok(probe_receive_all(idle, text, sizeof(text)) && text[0] == '\0',
	   "drain: idle ones are closed");
	ok(probe_receive_all(late, text, sizeof(text)) && strstr(text, "hello") != NULL &&
		   strstr(text, "connection: close\r\n") != NULL,
	   "drain: one in progress is answered, then closed");
	ok(probe_connect_client() < 0, "drain: nobody is accepted");
	ok(probe_wait_for_clients(1), "drain: who streams stays");
	close(idle);
	close(late);
	probe_stop_server();
	ok(atomic_load(&probe.n_gone) == 1, "free: cuts who is left, and says so");
	close(stream);
}

int
main(void)
{
	alarm(120);
	probe_start_server();
	test_deadlines();
	probe_stop_server();

	probe.limits.body_timeout_ms = 60000;
	probe.limits.header_timeout_ms = 60000;
	probe.limits.keep_alive_timeout_ms = 60000;
	probe_start_server();
	test_gone();
	test_no_spin();
	test_input_pressure();
	test_output_pressure();
	test_gone_behind_pipeline();
	probe_stop_server();
	test_write_deadline();
	test_refused();
	test_cut_at_end();
	test_low_marks();
	test_ceiling();
	test_no_descriptors();
	test_drain();
	return done_testing();
}
