/* SPDX-License-Identifier: PostgreSQL */
/*
 * main.c: an upstream that fails on demand.
 *
 * It stands in for OpenAI, Anthropic and Google in tests, in the benchmark and in
 * quickstart --demo: plain HTTP on loopback, a thread per connection.  GET /_counts tells
 * what was asked for, DELETE /_counts starts again.  With --channels it is several upstreams
 * that fail by script; cluster.h.
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
#define MAX_CHANNELS 16

typedef struct Peer
{
	UeWire wire;
	const UeScenarioOptions *options;
} Peer;

typedef struct Listener
{
	int fd;
	UeScenarioOptions options;
} Listener;

static int open_listener(const char *address, int *port);
static bool open_channels(char *names, const UeScenarioOptions *options);
static void *accept_peers(void *context);
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
		{"channels", required_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	static Listener listener;
	UeScenarioOptions *options = &listener.options;
	const char *address = "127.0.0.1:0";
	char *channels = NULL;
	int option, port;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
	{
		switch (option)
		{
			case 'l':
				address = optarg;
				break;
			case 'b':
				options->bodies = optarg;
				break;
			case 'd':
				options->is_demo = true;
				break;
			case 'c':
				channels = optarg;
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
	listener.fd = open_listener(address, &port);
	if (listener.fd < 0)
	{
		fprintf(stderr, "could not listen on \"%s\": %s (accepted: IPV4:PORT)\n", address,
				strerror(errno));
		return 2;
	}
	if (channels != NULL && !open_channels(channels, options))
		return 2;
	printf("listening on %.*s:%d\n", (int) (strrchr(address, ':') - address), address,
		   port);
	fflush(stdout);
	(void) accept_peers(&listener);
	return 1;
}

/* "a,b,c": a listener of its own for each, on a free port. */
static bool
open_channels(char *names, const UeScenarioOptions *options)
{
	static Listener listeners[MAX_CHANNELS];
	pthread_t thread;
	char *rest = NULL;
	int n = 0;

	for (char *name = strtok_r(names, ",", &rest); name != NULL;
		 name = strtok_r(NULL, ",", &rest), n++)
	{
		int port;

		if (n == MAX_CHANNELS ||
			(listeners[n].options.channel = ue_cluster_add(name)) == NULL)
		{
			fprintf(stderr,
					"\"%s\" cannot be a channel: names are short, and at most %d\n", name,
					MAX_CHANNELS);
			return false;
		}
		listeners[n].options.bodies = options->bodies;
		listeners[n].fd = open_listener("127.0.0.1:0", &port);
		if (listeners[n].fd < 0 ||
			pthread_create(&thread, NULL, accept_peers, &listeners[n]) != 0)
		{
			fprintf(stderr, "could not listen for channel \"%s\": %s\n", name,
					strerror(errno));
			return false;
		}
		pthread_detach(thread);
		ue_cluster_set_port(listeners[n].options.channel, port);
		printf("channel %s on 127.0.0.1:%d\n", name, port);
	}
	return true;
}

static int
open_listener(const char *address, int *port)
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
	*port = ntohs(name.sin_port);
	return fd;
}

static void *
accept_peers(void *context)
{
	Listener *listener = context;
	pthread_attr_t attributes;
	pthread_t thread;
	int on = 1;

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, THREAD_STACK);
	for (;;)
	{
		Peer *peer;
		int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
		{
			if (errno == EBADF || errno == EINVAL)
				return NULL;
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
		peer->options = &listener->options;
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
		else if (peer->options->channel == NULL && strncmp(request.target, "/_", 2) == 0)
			is_reusable = ue_wire_read_body(&peer->wire, &request) &&
						  ue_cluster_control(&peer->wire, &request) &&
						  request.is_kept_alive;
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
		"       [--channels NAME,NAME,...]  each a listener with a script: PUT /_script/NAME\n"
		"The scenario is the header x-scenario, the request's model or the last part of its "
		"path:\n",
		out);
	if (out == stdout)
		ue_play_print_names();
}
