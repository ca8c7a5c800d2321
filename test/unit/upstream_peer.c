/* SPDX-License-Identifier: PostgreSQL */
/*
 * upstream_peer.c: a thread per connection with blocking reads; it knows nothing of libcurl.
 */
#include "upstream_peer.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

atomic_int upstream_peer_accepted, upstream_peer_closed;

static int listen_fd;

static void
send_text(int fd, const char *text)
{
	(void) send(fd, text, strlen(text), MSG_NOSIGNAL);
}

/* The head into buffer; the length of what came behind it, -1 at the end. */
static ssize_t
read_head(int fd, char *buffer, size_t size)
{
	size_t len = 0;

	while (len < size - 1)
	{
		ssize_t n_read = recv(fd, buffer + len, size - 1 - len, 0);
		char *end;

		if (n_read <= 0)
			return -1;
		len += (size_t) n_read;
		buffer[len] = '\0';
		end = strstr(buffer, "\r\n\r\n");
		if (end != NULL)
			return (ssize_t) (len - (size_t) (end + 4 - buffer));
	}
	return -1;
}

/* The rest of a small body, so that nothing unread makes the close a reset. */
static bool
read_rest(int fd, char *request, size_t size, size_t n_behind)
{
	const char *length = strstr(request, "Content-Length: ");
	size_t wanted = length == NULL ? 0 : strtoul(length + 16, NULL, 10);
	size_t len = strlen(request);

	while (n_behind < wanted && len < size - 1)
	{
		ssize_t n_read = recv(fd, request + len, size - 1 - len, 0);

		if (n_read <= 0)
			return false;
		len += (size_t) n_read;
		n_behind += (size_t) n_read;
		request[len] = '\0';
	}
	return true;
}

static void
send_echo(int fd, const char *request)
{
	char head[128];

	snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n",
			 strlen(request));
	send_text(fd, head);
	if (strncmp(request, "HEAD ", 5) != 0)
		send_text(fd, request);
}

static void
send_large(int fd)
{
	static char block[65536];

	send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 3145728\r\n\r\n");
	for (size_t sent = 0; sent < LARGE_BYTES; sent += sizeof(block))
	{
		if (send(fd, block, sizeof(block), MSG_NOSIGNAL) != (ssize_t) sizeof(block))
			return;
	}
}

static void
reset(int fd)
{
	struct linger linger = {.l_onoff = 1, .l_linger = 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static void
count_body(int fd, const char *request, size_t n_bytes)
{
	const char *length = strstr(request, "Content-Length: ");
	size_t wanted = length == NULL ? 0 : strtoul(length + 16, NULL, 10);
	static _Thread_local char block[65536];
	char answer[128];

	while (length == NULL ? memcmp(block, "DONE", 4) != 0 : n_bytes < wanted)
	{
		ssize_t n_read = recv(fd, block, sizeof(block), 0);

		if (n_read <= 0)
			return;
		n_bytes += (size_t) n_read;
		/* chunked: the end is seen as such, which is enough here */
		if (length == NULL && n_read >= 5 &&
			memcmp(block + n_read - 5, "0\r\n\r\n", 5) == 0)
			memcpy(block, "DONE", 4);
	}
	snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n%07zu",
			 length == NULL ? 0 : n_bytes);
	send_text(fd, answer);
}

/* True: the connection may be used again. */
static bool
answer(int fd, char *request, size_t n_behind)
{
	char waste[64];

	if (strstr(request, " /echo") != NULL)
		return send_echo(fd, request), true;
	if (strncmp(request, "CONNECT host.invalid:80 ", 24) == 0)
		return send_text(fd, "HTTP/1.1 200 OK\r\n\r\n"), true;
	if (strncmp(request, "CONNECT ", 8) == 0)
		return send_text(fd, "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"), true;
	if (strstr(request, " /late") != NULL)
	{
		usleep(600000);
		return send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), true;
	}
	if (strstr(request, " /count") != NULL)
		return count_body(fd, request, n_behind), true;
	if (strstr(request, " /large") != NULL)
		return send_large(fd), true;
	if (strstr(request, " /once") != NULL)
		return send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), false;
	if (strstr(request, " /interim") != NULL)
		return send_text(fd, "HTTP/1.1 103 Early\r\nX: 1\r\n\r\nHTTP/1.1 404 Not Here\r\n"
							 "A: b\r\n folded\r\nEmpty:\r\nContent-Length: 0\r\n\r\n"),
			   true;
	if (strstr(request, " /last") != NULL)
	{
		usleep(1050000);
		return shutdown(listen_fd, SHUT_RDWR), false;
	}
	if (strstr(request, " /reset") != NULL)
		return reset(fd), false;
	if (strstr(request, " /cut") != NULL)
		return send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf"), false;
	if (strstr(request, " /chunkcut") != NULL)
		return send_text(
				   fd,
				   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
			   false;
	if (strstr(request, " /badchunk") != NULL)
		return send_text(fd,
						 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"),
			   false;
	if (strstr(request, " /garbage") != NULL)
		return send_text(fd, "hello\r\n\r\n"), false;
	if (strstr(request, " /hugetrailer") != NULL)
	{
		send_text(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n");
		for (int i = 0; i < 1000; i++)
			send_text(fd, "X-Filler: 0123456789012345678901234567890123456789\r\n");
		return send_text(fd, "\r\n"), false;
	}
	if (strstr(request, " /hugeinterim") != NULL)
	{
		for (int i = 0; i < 1000; i++)
			send_text(fd, "HTTP/1.1 103 Early\r\nX-Filler: 01234567890123456\r\n\r\n");
		return send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), false;
	}
	if (strstr(request, " /hugehead") != NULL)
	{
		send_text(fd, "HTTP/1.1 200 OK\r\n");
		for (int i = 0; i < 1000; i++)
			send_text(fd, "X-Filler: 0123456789012345678901234567890123456789\r\n");
		return send_text(fd, "\r\n"), false;
	}
	if (strstr(request, " /stall") != NULL)
		send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf");
	/* "/silent" and the stall: until the other side goes */
	if (strstr(request, " /silent") != NULL || strstr(request, " /stall") != NULL)
		(void) recv(fd, waste, sizeof(waste), 0);
	return false;
}

static void *
serve(void *argument)
{
	int fd = (int) (intptr_t) argument;
	char request[8192];
	ssize_t n_behind;

	while ((n_behind = read_head(fd, request, sizeof(request))) >= 0)
	{
		if (strstr(request, " /count") == NULL &&
			!read_rest(fd, request, sizeof(request), (size_t) n_behind))
			break;
		if (!answer(fd, request, (size_t) n_behind))
			break;
	}
	close(fd);
	upstream_peer_closed++;
	return NULL;
}

static void *
accept_all(void *argument)
{
	(void) argument;
	for (;;)
	{
		int fd = accept(listen_fd, NULL, NULL);
		pthread_t thread;

		if (fd < 0)
			return NULL;
		upstream_peer_accepted++;
		if (pthread_create(&thread, NULL, serve, (void *) (intptr_t) fd) == 0)
			pthread_detach(thread);
	}
}

void
upstream_peer_start(char *url, size_t size)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t len = sizeof(address);
	pthread_t thread;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listen_fd = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listen_fd, (struct sockaddr *) &address, len) != 0 ||
		listen(listen_fd, 1024) != 0 ||
		getsockname(listen_fd, (struct sockaddr *) &address, &len) != 0 ||
		pthread_create(&thread, NULL, accept_all, NULL) != 0)
		abort();
	pthread_detach(thread);
	snprintf(url, size, "http://127.0.0.1:%d", ntohs(address.sin_port));
}
