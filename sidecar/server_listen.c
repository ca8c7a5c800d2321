/* SPDX-License-Identifier: PostgreSQL */
/*
 * server_listen.c: a listening socket from the text that an operator wrote.
 */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define ACCEPTED "accepted are host:port, [v6]:port, :port and unix:/path"

/* A DNS name has at most 253 bytes, a port five. */
#define MAX_HOST 256
#define MAX_PORT 8

/* Listeners are opened first, so their descriptors are small. */
#define MAX_OWN_FD 1024

static bool is_unix(const char *address);
static int listen_unix(const char *path, bool is_shared, char *error, size_t error_size);
static int find_own_listener(const struct sockaddr_un *wanted);
static bool is_stale(const struct sockaddr_un *address);
static bool split_address(const char *address, char *host, char *port);
static bool is_port(const char *port);
static int listen_first(const struct addrinfo *list, bool is_shared);
static int listen_address(const struct addrinfo *one, bool is_shared);

bool
ue_server_check_address(const char *address, char *error, size_t error_size)
{
	char host[MAX_HOST];
	char port[MAX_PORT];

	if (is_unix(address))
	{
		size_t max = sizeof(((struct sockaddr_un *) NULL)->sun_path);

		if (address[5] == '/' && strlen(address + 5) < max)
			return true;
		snprintf(error, error_size,
				 "\"%s\" is not an address to listen on; the path must be absolute and "
				 "shorter than %zu bytes",
				 address, max);
		return false;
	}
	if (split_address(address, host, port))
		return true;
	snprintf(error, error_size, "\"%s\" is not an address to listen on; " ACCEPTED,
			 address);
	return false;
}

int
ue_server_listen(const char *address, bool is_shared, char *error, size_t error_size)
{
	struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
							 .ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;
	char host[MAX_HOST];
	char port[MAX_PORT];
	int fd;
	int code;

	if (!ue_server_check_address(address, error, error_size))
		return -1;
	if (is_unix(address))
		return listen_unix(address + 5, is_shared, error, error_size);
	(void) split_address(address, host, port);
	code = getaddrinfo(host[0] == '\0' ? NULL : host, port, &hints, &list);
	if (code != 0)
	{
		snprintf(error, error_size, "could not find the host of \"%s\": %s", address,
				 gai_strerror(code));
		return -1;
	}

	/* every address of this machine: one IPv6 socket takes IPv4, too, where there is IPv6 */
	fd = -1;
	if (host[0] == '\0')
	{
		for (const struct addrinfo *one = list; one != NULL && fd < 0; one = one->ai_next)
		{
			if (one->ai_family == AF_INET6)
				fd = listen_address(one, is_shared);
		}
	}
	if (fd < 0)
		fd = listen_first(list, is_shared);
	if (fd < 0)
		snprintf(error, error_size, "could not listen on \"%s\": %s", address,
				 strerror(errno));
	freeaddrinfo(list);
	return fd;
}

static bool
is_unix(const char *address)
{
	return strncmp(address, "unix:", 5) == 0;
}

/* A socket that a dead process left behind is replaced; one that answers is not. */
static int
listen_unix(const char *path, bool is_shared, char *error, size_t error_size)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	memcpy(address.sun_path, path, strlen(path) + 1);
	if (is_shared)
	{
		fd = find_own_listener(&address);
		if (fd >= 0)
			return fd;
	}
	if (is_stale(&address))
		unlink(path);

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && bind(fd, (struct sockaddr *) &address, sizeof(address)) == 0 &&
		listen(fd, SOMAXCONN) == 0)
		return fd;
	snprintf(error, error_size, "could not listen on \"unix:%s\": %s", path,
			 strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/*
 * There is no SO_REUSEPORT for unix sockets.  Who shares one are threads of this process,
 * so the socket is among our own descriptors, and another for it is as good.
 */
static int
find_own_listener(const struct sockaddr_un *wanted)
{
	for (int fd = 0; fd < MAX_OWN_FD; fd++)
	{
		struct sockaddr_un bound = {.sun_family = AF_UNSPEC};
		socklen_t length = sizeof(bound);
		int is_listening = 0;
		socklen_t flag_length = sizeof(is_listening);

		if (getsockname(fd, (struct sockaddr *) &bound, &length) == 0 &&
			bound.sun_family == AF_UNIX &&
			strncmp(bound.sun_path, wanted->sun_path, sizeof(bound.sun_path)) == 0 &&
			getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &flag_length) == 0 &&
			is_listening)
			return fcntl(fd, F_DUPFD_CLOEXEC, 0);
	}
	return -1;
}

static bool
is_stale(const struct sockaddr_un *address)
{
	struct stat status;
	bool is_refused;
	int fd;

	if (lstat(address->sun_path, &status) != 0 || !S_ISSOCK(status.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	is_refused = connect(fd, (const struct sockaddr *) address, sizeof(*address)) != 0 &&
				 errno == ECONNREFUSED;
	close(fd);
	return is_refused;
}

/* "[v6]:port" needs its brackets: an address with colons in it is ambiguous without. */
static bool
split_address(const char *address, char *host, char *port)
{
	const char *colon = strrchr(address, ':');
	size_t host_len;

	if (colon == NULL || strlen(colon + 1) >= MAX_PORT || !is_port(colon + 1))
		return false;
	memcpy(port, colon + 1, strlen(colon + 1) + 1);

	host_len = (size_t) (colon - address);
	if (host_len >= 2 && address[0] == '[' && address[host_len - 1] == ']')
	{
		address++;
		host_len -= 2;
	}
	else if (memchr(address, ':', host_len) != NULL)
		return false;
	if (host_len >= MAX_HOST)
		return false;
	memcpy(host, address, host_len);
	host[host_len] = '\0';
	return true;
}

static bool
is_port(const char *port)
{
	int64_t number;

	return ue_slice_parse_int64(ue_slice_of(port), &number) && number >= 0 &&
		   number <= 65535;
}

static int
listen_first(const struct addrinfo *list, bool is_shared)
{
	for (const struct addrinfo *one = list; one != NULL; one = one->ai_next)
	{
		int fd = listen_address(one, is_shared);

		if (fd >= 0)
			return fd;
	}
	return -1;
}

/* errno says why not. */
static int
listen_address(const struct addrinfo *one, bool is_shared)
{
	int on = 1;
	int off = 0;
	int fd = socket(one->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int saved_errno;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (one->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if ((!is_shared || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0) &&
		bind(fd, one->ai_addr, one->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0)
		return fd;
	saved_errno = errno;
	close(fd);
	errno = saved_errno;
	return -1;
}
