/* SPDX-License-Identifier: PostgreSQL */
/*
 * database_resolve.c: getaddrinfo in a detached thread.
 *
 * It cannot be interrupted, so the thread and the one who waits share the result, and the
 * last of them frees it.
 */
#include "database_resolve.h"

#include <arpa/inet.h>
#include <libpq-fe.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* All the lists: more addresses than that are not tried. */
#define LIST_SIZE 4096

/* As the conninfo, or else the environment, has them: comma-separated. */
typedef struct Lists
{
	char hosts[LIST_SIZE];
	char addresses[LIST_SIZE];
	char ports[LIST_SIZE];
} Lists;

struct UeResolve
{
	atomic_int n_users;
	atomic_bool is_done;
	int fd;
	Lists in;
	Lists out;
	size_t n_out;
	char error[512]; /* empty: none */
};

static bool read_lists(const char *conninfo, Lists *out);
static void take_option(const PQconninfoOption *option, Lists *out);
static const char *find_item(const char *list, int index, char *out, size_t out_size);
static bool is_name(const char *host, const char *address);
static void *run(void *argument);
static void resolve_host(UeResolve *resolve, const char *host, const char *port);
static bool append_host(UeResolve *resolve, const char *host, const char *address,
						const char *port);

bool
ue_resolve_is_needed(const char *conninfo)
{
	Lists lists;
	char host[LIST_SIZE];
	char address[LIST_SIZE];

	if (!read_lists(conninfo, &lists))
		return false;
	for (int i = 0; find_item(lists.hosts, i, host, sizeof(host)) != NULL; i++)
	{
		if (find_item(lists.addresses, i, address, sizeof(address)) == NULL)
			address[0] = '\0';
		if (is_name(host, address))
			return true;
	}
	return false;
}

UeResolve *
ue_resolve_start(const char *conninfo)
{
	UeResolve *resolve = calloc(1, sizeof(*resolve));
	pthread_attr_t attributes;
	pthread_t thread;
	bool is_started;

	if (resolve == NULL)
		return NULL;
	resolve->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	atomic_init(&resolve->n_users, 2);
	if (resolve->fd < 0 || !read_lists(conninfo, &resolve->in) ||
		pthread_attr_init(&attributes) != 0)
	{
		if (resolve->fd >= 0)
			close(resolve->fd);
		free(resolve);
		return NULL;
	}
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	is_started = pthread_create(&thread, &attributes, run, resolve) == 0;
	pthread_attr_destroy(&attributes);
	if (is_started)
		return resolve;
	close(resolve->fd);
	free(resolve);
	return NULL;
}

int
ue_resolve_fd(const UeResolve *resolve)
{
	return resolve->fd;
}

bool
ue_resolve_is_done(const UeResolve *resolve)
{
	return atomic_load(&resolve->is_done);
}

const char *
ue_resolve_error(const UeResolve *resolve)
{
	return resolve->n_out > 0 ? NULL : resolve->error;
}

const char *
ue_resolve_hosts(const UeResolve *resolve)
{
	return resolve->out.hosts;
}

const char *
ue_resolve_addresses(const UeResolve *resolve)
{
	return resolve->out.addresses;
}

const char *
ue_resolve_ports(const UeResolve *resolve)
{
	return resolve->out.ports;
}

void
ue_resolve_release(UeResolve *resolve)
{
	if (resolve == NULL || atomic_fetch_sub(&resolve->n_users, 1) > 1)
		return;
	close(resolve->fd);
	free(resolve);
}

/* The defaults hold what the environment says; the conninfo overrides them. */
static bool
read_lists(const char *conninfo, Lists *out)
{
	PQconninfoOption *defaults = PQconndefaults();
	PQconninfoOption *options = PQconninfoParse(conninfo, NULL);

	memset(out, 0, sizeof(*out));
	for (const PQconninfoOption *option = defaults;
		 option != NULL && option->keyword != NULL; option++)
		take_option(option, out);
	for (const PQconninfoOption *option = options;
		 option != NULL && option->keyword != NULL; option++)
		take_option(option, out);
	PQconninfoFree(defaults);
	if (options == NULL)
		return false;
	PQconninfoFree(options);
	return true;
}

static void
take_option(const PQconninfoOption *option, Lists *out)
{
	if (option->val == NULL)
		return;
	if (strcmp(option->keyword, "host") == 0)
		snprintf(out->hosts, LIST_SIZE, "%s", option->val);
	else if (strcmp(option->keyword, "hostaddr") == 0)
		snprintf(out->addresses, LIST_SIZE, "%s", option->val);
	else if (strcmp(option->keyword, "port") == 0)
		snprintf(out->ports, LIST_SIZE, "%s", option->val);
}

/* NULL: the list ends before. */
static const char *
find_item(const char *list, int index, char *out, size_t out_size)
{
	size_t len;

	for (; index > 0; index--)
	{
		list = strchr(list, ',');
		if (list == NULL)
			return NULL;
		list++;
	}
	len = strcspn(list, ",");
	if (len >= out_size)
		len = out_size - 1;
	memcpy(out, list, len);
	out[len] = '\0';
	return out;
}

/* Not an address, nor the directory of a socket ('@': an abstract one). */
static bool
is_name(const char *host, const char *address)
{
	struct in6_addr binary;

	return address[0] == '\0' && host[0] != '\0' && host[0] != '/' && host[0] != '@' &&
		   inet_pton(AF_INET, host, &binary) != 1 && strchr(host, ':') == NULL;
}

static void *
run(void *argument)
{
	static const uint64_t one = 1;
	UeResolve *resolve = argument;
	char host[LIST_SIZE];
	char address[LIST_SIZE];
	char port[LIST_SIZE];

	for (int i = 0; find_item(resolve->in.hosts, i, host, sizeof(host)) != NULL; i++)
	{
		if (find_item(resolve->in.addresses, i, address, sizeof(address)) == NULL)
			address[0] = '\0';

		/* one port is that of all hosts */
		if (strchr(resolve->in.ports, ',') == NULL ||
			find_item(resolve->in.ports, i, port, sizeof(port)) == NULL)
			find_item(resolve->in.ports, 0, port, sizeof(port));
		if (is_name(host, address))
			resolve_host(resolve, host, port);
		else
			append_host(resolve, host, address, port);
	}
	atomic_store(&resolve->is_done, true);
	if (write(resolve->fd, &one, sizeof(one)) < 0)
		resolve->error[0] = '\0'; /* cannot be: the counter was zero */
	ue_resolve_release(resolve);
	return NULL;
}

static void
resolve_host(UeResolve *resolve, const char *host, const char *port)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	int error = getaddrinfo(host, NULL, &hints, &found);

	if (error != 0)
	{
		snprintf(resolve->error, sizeof(resolve->error),
				 "could not find the address of host \"%.200s\": %s", host,
				 gai_strerror(error));
		return;
	}
	for (const struct addrinfo *at = found; at != NULL; at = at->ai_next)
	{
		char address[INET6_ADDRSTRLEN + 32];

		if (getnameinfo(at->ai_addr, at->ai_addrlen, address, sizeof(address), NULL, 0,
						NI_NUMERICHOST) == 0 &&
			!append_host(resolve, host, address, port))
			break;
	}
	freeaddrinfo(found);
}

static bool
append_host(UeResolve *resolve, const char *host, const char *address, const char *port)
{
	size_t host_len = strlen(resolve->out.hosts);
	size_t address_len = strlen(resolve->out.addresses);
	size_t port_len = strlen(resolve->out.ports);
	const char *comma = resolve->n_out > 0 ? "," : "";

	if (host_len + strlen(host) + 2 > LIST_SIZE ||
		address_len + strlen(address) + 2 > LIST_SIZE ||
		port_len + strlen(port) + 2 > LIST_SIZE)
		return false;
	snprintf(resolve->out.hosts + host_len, LIST_SIZE - host_len, "%s%s", comma, host);
	snprintf(resolve->out.addresses + address_len, LIST_SIZE - address_len, "%s%s", comma,
			 address);
	snprintf(resolve->out.ports + port_len, LIST_SIZE - port_len, "%s%s", comma, port);
	resolve->n_out++;
	return true;
}
