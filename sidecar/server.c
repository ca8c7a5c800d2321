/* SPDX-License-Identifier: PostgreSQL */
/*
 * server.c: accepts connections and owns the clients.
 *
 * Accepting stops at the ceiling and goes on when a client leaves.  When the process has
 * no descriptors left it pauses, for epoll would report the waiting connection for ever.
 */
#include "server_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"

/* Between two visits to the clients that are there. */
#define ACCEPT_BATCH 64

#define EXHAUSTED_PAUSE_MS 100

/* TCP's keep-alive, not HTTP's. */
#define KEEP_ALIVE_IDLE_S	  30
#define KEEP_ALIVE_INTERVAL_S 10

#define SERVER_OF(member_ptr, member)                                                    \
	((UeServer *) (void *) ((char *) (member_ptr) -offsetof(UeServer, member)))

static void set_options(int listen_fd, const UeServerLimits *limits);
static void on_listener_ready(UeWatch *watch, uint32_t events);
static void on_accept_again(UeTimer *timer);
static void update_listener(UeServer *server);
static void accept_batch(UeServer *server);
static void pause_accepting(UeServer *server, int error);
static void write_address(const struct sockaddr_storage *address, char *out, size_t size);

UeServer *
ue_server_new(UeLoop *loop, int listen_fd, const UeServerLimits *limits,
			  const UeHandler *handler, void *server_context)
{
	UeServer *server = calloc(1, sizeof(*server));

	if (server == NULL)
		return NULL;
	server->loop = loop;
	server->limits = limits;
	server->handler = handler;
	server->context = server_context;
	server->listener.fd = listen_fd;
	server->listener.on_ready = on_listener_ready;
	server->accept_again.on_due = on_accept_again;
	set_options(listen_fd, limits);
	if (!ue_loop_watch(loop, &server->listener, EPOLLIN))
	{
		free(server);
		return NULL;
	}
	return server;
}

/*
 * Connections that the kernel has taken for us are taken over first: closing the listener
 * would reset them.
 */
void
ue_server_stop_accepting(UeServer *server)
{
	UeClient *next;

	if (server->is_draining)
		return;
	ue_loop_cancel_timer(server->loop, &server->accept_again);
	accept_batch(server);
	server->is_draining = true;
	ue_loop_cancel_timer(server->loop, &server->accept_again);
	ue_loop_watch(server->loop, &server->listener, 0);
	close(server->listener.fd);
	server->listener.fd = -1;

	for (UeClient *client = server->clients; client != NULL; client = next)
	{
		next = client->next;
		ue_client_drop_idle(client);
	}
}

int
ue_server_count_clients(const UeServer *server)
{
	return server->n_open;
}

/* Answers that end meanwhile leave as far as their sockets take them. */
void
ue_server_last_call(UeServer *server)
{
	server->is_draining = true;
	for (UeClient *client = server->clients; client != NULL; client = client->next)
		if (client->state == UE_CLIENT_EXCHANGE && server->handler->on_last_call != NULL)
			server->handler->on_last_call(client->context, client);
}

void
ue_server_free(UeServer *server)
{
	if (server == NULL)
		return;
	ue_loop_cancel_timer(server->loop, &server->accept_again);
	if (server->listener.fd >= 0)
	{
		ue_loop_watch(server->loop, &server->listener, 0);
		close(server->listener.fd);
		server->listener.fd = -1;
	}
	server->is_draining = true;
	while (server->clients != NULL)
	{
		UeClient *client = server->clients;

		if (client->state == UE_CLIENT_EXCHANGE)
		{
			void *context = client->context;

			client->state = UE_CLIENT_FLUSH;
			client->is_cut = true;
			server->handler->on_gone(context, client);
		}
		ue_client_close(client);
		ue_server_remove_client(client);
	}
	while (server->spare_blocks != NULL)
	{
		UeBlock *block = server->spare_blocks;

		server->spare_blocks = block->next;
		free(block);
	}
	free(server);
}

UeClient *
ue_server_add_client(UeServer *server, int fd, const struct sockaddr_storage *address)
{
	UeClient *client = calloc(1, sizeof(*client));

	if (client == NULL)
		return NULL;
	client->parser = ue_parser_new(server->limits);
	if (client->parser == NULL)
	{
		free(client);
		return NULL;
	}
	client->server = server;
	client->watch.fd = fd;
	write_address(address, client->address, sizeof(client->address));
	client->next = server->clients;
	if (server->clients != NULL)
		server->clients->prev = client;
	server->clients = client;
	server->n_open++;
	ue_client_init(client);
	return client;
}

void
ue_server_count_closed(UeServer *server)
{
	server->n_open--;
	update_listener(server);
}

void
ue_server_remove_client(UeClient *client)
{
	UeServer *server = client->server;

	ue_loop_cancel_deferred(server->loop, &client->later);
	if (client->prev != NULL)
		client->prev->next = client->next;
	else
		server->clients = client->next;
	if (client->next != NULL)
		client->next->prev = client->prev;
	ue_parser_free(client->parser);
	free(client->rest);
	free(client);
}

/*
 * Accepted sockets take these over from the listener (tcp(7)), which saves calls for each.
 * A client that vanishes without a word (its power is off) shows only by not
 * acknowledging: what we send, within the write timeout, and keep-alive probes when we
 * have nothing to send.  On a unix socket all this fails, and is not needed.
 */
static void
set_options(int listen_fd, const UeServerLimits *limits)
{
	unsigned int unacknowledged_ms = (unsigned int) limits->write_timeout_ms;
	int one = 1;
	int idle_s = KEEP_ALIVE_IDLE_S;
	int interval_s = KEEP_ALIVE_INTERVAL_S;

	setsockopt(listen_fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(listen_fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms,
			   sizeof(unacknowledged_ms));
	setsockopt(listen_fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	setsockopt(listen_fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s));
	setsockopt(listen_fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
}

static void
on_listener_ready(UeWatch *watch, uint32_t events)
{
	(void) events;
	accept_batch(SERVER_OF(watch, listener));
}

static void
on_accept_again(UeTimer *timer)
{
	update_listener(SERVER_OF(timer, accept_again));
}

/* Listens when it may: not above the ceiling, not during the pause, not when draining. */
static void
update_listener(UeServer *server)
{
	bool is_pausing = server->accept_again.next != NULL;
	bool has_room = server->n_open < server->limits->max_connections;

	if (server->listener.fd < 0 || server->is_draining)
		return;
	ue_loop_watch(server->loop, &server->listener, has_room && !is_pausing ? EPOLLIN : 0);
}

static void
accept_batch(UeServer *server)
{
	for (int i = 0; i < ACCEPT_BATCH; i++)
	{
		struct sockaddr_storage address;
		socklen_t length = sizeof(address);
		int fd;

		if (server->n_open >= server->limits->max_connections)
			break;
		memset(&address, 0, sizeof(address));
		fd = accept4(server->listener.fd, (struct sockaddr *) &address, &length,
					 SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (fd < 0 &&
			(errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
		{
			pause_accepting(server, errno);
			break;
		}
		if (fd < 0)
			continue; /* that one connection went wrong: ECONNABORTED and its like */

		server->has_complained = false;
		if (ue_server_add_client(server, fd, &address) == NULL)
			close(fd);
	}
	update_listener(server);
}

/* Said once, until a connection is taken again: it would fill the log. */
static void
pause_accepting(UeServer *server, int error)
{
	if (!server->has_complained)
		ue_log_write(UE_LOG_ERROR, "accept_failed",
					 "could not accept a connection, trying again every 100 ms", "reason",
					 strerror(error), NULL);
	server->has_complained = true;
	ue_loop_set_timer(server->loop, &server->accept_again, EXHAUSTED_PAUSE_MS);
}

static void
write_address(const struct sockaddr_storage *address, char *out, size_t size)
{
	char host[INET6_ADDRSTRLEN] = "";

	if (address->ss_family == AF_INET)
	{
		const struct sockaddr_in *v4 = (const struct sockaddr_in *) address;

		inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
		snprintf(out, size, "%s:%u", host, (unsigned) ntohs(v4->sin_port));
	}
	else if (address->ss_family == AF_INET6)
	{
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *) address;
		if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		{
			inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], host, sizeof(host));
			snprintf(out, size, "%s:%u", host, (unsigned) ntohs(v6->sin6_port));
			return;
		}
		inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
		snprintf(out, size, "[%s]:%u", host, (unsigned) ntohs(v6->sin6_port));
	}
	else
		snprintf(out, size, "unix");
}
