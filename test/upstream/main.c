/* SPDX-License-Identifier: PostgreSQL */
/*
 * main.c: an upstream that fails on demand.
 *
 * It stands in for OpenAI, Anthropic and Google in tests, in the benchmark and in
 * quickstart --demo: plain HTTP on loopback, a thread per connection.  GET /_counts tells
 * what was asked for, DELETE /_counts starts again.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "counts.h"
#include "play.h"

#define THREAD_STACK 262144 /* thousands of open streams, each a thread */

typedef struct Peer
{
	UeWire wire;
	const UeScenarioOptions *options;
} Peer;

static int open_listener(const char *address);
static void accept_peers(int listen_fd, const UeScenarioOptions *options);
static void *serve_peer(void *context);
static bool answer_counts(UeWire *wire, UeWireRequest *request);
static void print_usage(FILE *out);


int
main(int argc, char **argv)
{
	static const struct option names[] = {
		{"listen", required_argument, NULL, 'l'},
		{"bodies", required_argument, NULL, 'b'},
		{"demo", no_argument, NULL, 'd'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	UeScenarioOptions options = {NULL, false};
	const char *address = "127.0.0.1:0";
	int option, listen_fd;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
	{
		switch (option)
		{
			case 'l':
				address = optarg;
				break;
			case 'b':
				options.bodies = optarg;
				break;
			case 'd':
				options.is_demo = true;
				break;
			case 'h':
				print_usage(stdout);
				return 0;
			default:
				print_usage(stderr);
				return 2;
		}
	}
	(void) signal(SIGPIPE, SIG_IGN);
	ue_wire_global_init();
	listen_fd = open_listener(address);
	if (listen_fd < 0)
	{
		fprintf(stderr, "could not listen on \"%s\": %s (accepted: IPV4:PORT)\n", address,
				strerror(errno));
		return 2;
	}
	accept_peers(listen_fd, &options);
	return 1;
}

static int
open_listener(const char *address)
{
	struct sockaddr_in name = {.sin_family = AF_INET};
	socklen_t name_len = sizeof(name);
	char host[64];
	const char *colon = strrchr(address, ':');
	int fd, on = 1;

	errno = EINVAL;
	if (colon == NULL || (size_t) (colon - address) >= sizeof(host))
		return -1;
	memcpy(host, address, (size_t) (colon - address));
	host[colon - address] = '\0';
	name.sin_port = htons((uint16_t) strtol(colon + 1, NULL, 10));
	if (inet_pton(AF_INET, host, &name.sin_addr) != 1)
		return -1;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	(void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *) &name, sizeof(name)) != 0 || listen(fd, 4096) != 0 ||
		getsockname(fd, (struct sockaddr *) &name, &name_len) != 0)
	{
		close(fd);
		return -1;
	}
	printf("listening on %s:%d\n", host, (int) ntohs(name.sin_port));
	fflush(stdout);
	return fd;
}

static void
accept_peers(int listen_fd, const UeScenarioOptions *options)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int on = 1;

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, THREAD_STACK);
	for (;;)
	{
		Peer *peer;
		int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
		{
			if (errno == EBADF || errno == EINVAL)
				return;
			/* out of descriptors: those that close make room */
			(void) usleep(errno == EMFILE || errno == ENFILE ? 10000 : 0);
			continue;
		}
		(void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		peer = malloc(sizeof(*peer));
		if (peer == NULL)
		{
			close(fd);
			continue;
		}
		peer->wire.fd = fd;
		peer->wire.begin = peer->wire.end = 0;
		peer->options = options;
		if (pthread_create(&thread, &attributes, serve_peer, peer) != 0)
		{
			close(fd);
			free(peer);
		}
	}
}

static void *
serve_peer(void *context)
{
	Peer *peer = context;
	UeWireRequest request;

	while (ue_wire_read_head(&peer->wire, &request))
	{
		bool is_reusable;

		if (strcmp(request.target, "/_counts") == 0)
			is_reusable = answer_counts(&peer->wire, &request);
		else
			is_reusable = ue_scenario_answer(&peer->wire, &request, peer->options);
		if (!is_reusable)
			break;
	}
	close(peer->wire.fd);
	free(peer);
	return NULL;
}

static bool
answer_counts(UeWire *wire, UeWireRequest *request)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out;
	bool is_good;

	if (strcmp(request->method, "DELETE") == 0)
		ue_counts_reset();
	out = open_memstream(&text, &len);
	ue_counts_write(out);
	fclose(out);
	is_good =
		ue_wire_send_answer(wire, 200, "content-type: application/json\r\n", text, len);
	free(text);
	return is_good && request->is_kept_alive;
}

static void
print_usage(FILE *out)
{
	fputs(
		"usage: scripted-upstream [--listen 127.0.0.1:PORT] [--bodies DIR] [--demo]\n"
		"The scenario is the header x-scenario, the request's model or the last part of its "
		"path:\n",
		out);
	if (out == stdout)
		ue_play_print_names();
}
