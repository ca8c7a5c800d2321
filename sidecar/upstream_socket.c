/* SPDX-License-Identifier: PostgreSQL */
/*
 * upstream_socket.c: libcurl's sockets in our epoll set.
 *
 * A socket stays registered for reading after libcurl has let go of it (CURL_POLL_REMOVE
 * between two requests on a kept connection), and leaves the epoll set when events come
 * that nobody wants, or when it is closed.  That holds for established connections only:
 * libcurl 7.88.1 calls CLOSESOCKETFUNCTION for them alone.  A socket that is still
 * connecting or shaking hands, and the resolver's, it closes behind our back, so they leave
 * the epoll set at once: their number may be a client's in the next moment.
 */
#include "upstream_private.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static void handle_ready(UeWatch *watch, uint32_t events);
static UeSocket *add_socket(UeUpstream *upstream, int fd);
static void bury_socket(UeUpstream *upstream, UeSocket *socket);

curl_socket_t
ue_upstream_open_socket(void *context, curlsocktype purpose,
						struct curl_sockaddr *address)
{
	UeTransfer *transfer = context;
	UeUpstream *upstream = transfer->upstream;
	int fd = socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
					address->protocol);
	UeSocket *stale;

	(void) purpose;
	/* after a kept connection that has died */
	if (transfer->is_connected)
		transfer->died_ms = ue_loop_now_ms(upstream->loop);
	transfer->is_connected = false;
	if (fd < 0 || (size_t) fd >= upstream->sockets_size || upstream->sockets[fd] == NULL)
		return fd < 0 ? CURL_SOCKET_BAD : fd;
	/*
	 * The last one of this number was closed behind our back, and with it went its place in
	 * the epoll set.  When it was the same transfer's (the next address of a host), libcurl
	 * believes that what it asked for then still holds.
	 */
	stale = upstream->sockets[fd];
	stale->is_connection = false;
	ue_loop_watch(upstream->loop, &stale->watch, 0);
	if (stale->wanted != 0)
		ue_loop_watch(upstream->loop, &stale->watch, stale->wanted);
	return fd;
}

int
ue_upstream_close_socket(void *context, curl_socket_t fd)
{
	UeUpstream *upstream = context;

	if ((size_t) fd < upstream->sockets_size && upstream->sockets[fd] != NULL)
		bury_socket(upstream, upstream->sockets[fd]);
	return close(fd);
}

int
ue_upstream_handle_socket(CURL *easy, curl_socket_t fd, int what, void *context,
						  void *socket_context)
{
	UeMulti *multi = context;
	UeUpstream *upstream = multi->upstream;
	UeSocket *found = NULL;

	if ((size_t) fd < upstream->sockets_size)
		found = upstream->sockets[fd];
	if (found == NULL)
	{
		if (what == CURL_POLL_REMOVE)
			return 0;
		found = add_socket(upstream, fd);
		if (found == NULL)
			return -1;
	}
	else if (socket_context == NULL && !found->is_connection)
	{
		/* new to libcurl: what we know is of an earlier one */
		ue_loop_watch(upstream->loop, &found->watch, 0);
	}
	if (!found->is_connection)
	{
		char *transfer;

		curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
		found->is_connection = ((UeTransfer *) transfer)->is_connected;
		curl_multi_assign(multi->curlm, fd, found);
	}
	found->multi = multi;
	found->wanted = ((what & CURL_POLL_IN) != 0 ? (uint32_t) EPOLLIN : 0) |
					((what & CURL_POLL_OUT) != 0 ? (uint32_t) EPOLLOUT : 0);
	if (what == CURL_POLL_REMOVE)
	{
		found->wanted = 0;
		if (!found->is_connection)
			bury_socket(upstream, found);
		else if ((found->watch.events & EPOLLOUT) != 0)
			ue_loop_watch(upstream->loop, &found->watch, EPOLLIN);
	}
	else if (found->wanted != found->watch.events)
		ue_loop_watch(upstream->loop, &found->watch, found->wanted);
	return 0;
}

void
ue_upstream_free_sockets(UeUpstream *upstream)
{
	for (size_t i = 0; i < upstream->sockets_size; i++)
	{
		if (upstream->sockets[i] != NULL)
			bury_socket(upstream, upstream->sockets[i]);
	}
	ue_upstream_free_graves(upstream);
	free(upstream->sockets);
}

void
ue_upstream_free_graves(UeUpstream *upstream)
{
	while (upstream->graves != NULL)
	{
		UeSocket *socket = upstream->graves;

		upstream->graves = socket->next;
		free(socket);
	}
}

static void
handle_ready(UeWatch *watch, uint32_t events)
{
	UeSocket *found = (UeSocket *) ((char *) watch - offsetof(UeSocket, watch));
	UeUpstream *upstream = found->multi->upstream;
	int flags = 0;

	if (found->wanted == 0)
	{
		/* The first may be of bytes that were read since this turn's epoll_wait, when the
		 * multi was driven for another transfer. */
		if (found->is_unwanted)
			ue_loop_watch(upstream->loop, watch, 0);
		found->is_unwanted = true;
		return;
	}
	found->is_unwanted = false;
	/* an error is learnt by reading or writing, whichever is waited for: told of it,
	 * libcurl would forget which error it was */
	if ((events & (EPOLLERR | EPOLLHUP)) != 0)
		events |= found->wanted;
	if ((events & EPOLLIN) != 0)
		flags |= CURL_CSELECT_IN;
	if ((events & EPOLLOUT) != 0)
		flags |= CURL_CSELECT_OUT;
	upstream->busy++;
	ue_upstream_drive(found->multi, watch->fd, flags);
	ue_upstream_leave(upstream);
}

static UeSocket *
add_socket(UeUpstream *upstream, int fd)
{
	UeSocket *added;

	if ((size_t) fd >= upstream->sockets_size)
	{
		size_t size = upstream->sockets_size < 64 ? 64 : upstream->sockets_size;
		UeSocket **sockets;

		while (size <= (size_t) fd)
			size *= 2;
		sockets = realloc(upstream->sockets, size * sizeof(UeSocket *));
		if (sockets == NULL)
			return NULL;
		memset(sockets + upstream->sockets_size, 0,
			   (size - upstream->sockets_size) * sizeof(UeSocket *));
		upstream->sockets = sockets;
		upstream->sockets_size = size;
	}
	added = calloc(1, sizeof(*added));
	if (added == NULL)
		return NULL;
	added->watch.fd = fd;
	added->watch.on_ready = handle_ready;
	upstream->sockets[fd] = added;
	return added;
}

/* Out of the epoll set now; its memory goes at the end of the turn, for an event of this
 * turn may still name it. */
static void
bury_socket(UeUpstream *upstream, UeSocket *socket)
{
	if (socket->watch.events != 0)
		ue_loop_watch(upstream->loop, &socket->watch, 0);
	upstream->sockets[socket->watch.fd] = NULL;
	socket->next = upstream->graves;
	upstream->graves = socket;
	ue_loop_defer(upstream->loop, &upstream->deferred);
}
