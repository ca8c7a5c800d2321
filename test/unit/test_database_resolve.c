/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_database_resolve.c: no step of the database waits for a name server.
 *
 * The resolver is ours: names end in .slow (until they are let go), .none, or are found.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "database.h"
#include "database_resolve.h"
#include "log.h"
#include "tap.h"

typedef int Getaddrinfo(const char *node, const char *service,
						const struct addrinfo *hints, struct addrinfo **result);

static atomic_bool may_answer;
static atomic_int n_slow;

/* In place of the C library's, for libpq too. */
int
getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
			struct addrinfo **result)
{
	static const char slow[] = ".slow";
	Getaddrinfo *real;
	size_t len = node == NULL ? 0 : strlen(node);

	*(void **) &real = dlsym(RTLD_NEXT, "getaddrinfo");
	if (len > 5 && strcmp(node + len - 5, ".none") == 0)
		return EAI_NONAME;
	if (len > 5 && strcmp(node + len - 5, slow) == 0)
	{
		atomic_fetch_add(&n_slow, 1);
		for (int i = 0; i < 5000 && !atomic_load(&may_answer); i++)
			usleep(1000);
		node = "127.0.0.1";
	}
	else if (len > 6 && strcmp(node + len - 6, ".found") == 0)
		node = "127.0.0.2";
	return real(node, service, hints, result);
}

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
do_nothing(void *context)
{
	(void) context;
}

static void
check_needed(void)
{
	ok(!ue_resolve_is_needed("host=127.0.0.1 dbname=x"), "an address needs none");
	ok(!ue_resolve_is_needed("host=::1"), "nor one of version 6");
	ok(!ue_resolve_is_needed("host=/run/postgresql"), "nor a directory");
	ok(!ue_resolve_is_needed("host=db.found hostaddr=127.0.0.1"), "nor a hostaddr");
	ok(!ue_resolve_is_needed("dbname=x"), "nor no host");
	ok(ue_resolve_is_needed("postgresql://a:b@db.found/x"), "a name does");
	ok(ue_resolve_is_needed("host=/run,db.found"), "also as the second");
	setenv("PGHOST", "db.found", 1);
	ok(ue_resolve_is_needed("dbname=x"), "and from the environment");
	unsetenv("PGHOST");
}

static UeResolve *
finish(const char *conninfo)
{
	UeResolve *resolve = ue_resolve_start(conninfo);
	struct pollfd polled = {.fd = ue_resolve_fd(resolve), .events = POLLIN};

	ok(poll(&polled, 1, 5000) == 1 && ue_resolve_is_done(resolve), "%s: done", conninfo);
	return resolve;
}

static void
check_lists(void)
{
	UeResolve *resolve = finish("host=/run,db.found,a.none,::1 port=1,2,3,4");

	ok(ue_resolve_error(resolve) == NULL, "one name that is none does no harm");
	ok(strcmp(ue_resolve_hosts(resolve), "/run,db.found,::1") == 0, "the hosts");
	ok(strcmp(ue_resolve_addresses(resolve), ",127.0.0.2,") == 0, "their addresses");
	ok(strcmp(ue_resolve_ports(resolve), "1,2,4") == 0, "their ports");
	ue_resolve_release(resolve);

	resolve = finish("host=a.none password=hunter2");
	ok(ue_resolve_error(resolve) != NULL &&
		   strstr(ue_resolve_error(resolve), "a.none") != NULL &&
		   strstr(ue_resolve_error(resolve), "hunter2") == NULL,
	   "a name that is none is said");
	ue_resolve_release(resolve);
}

static void
check_step(void)
{
	UeDatabaseHandler handler = {.on_ready = do_nothing, .on_lost = do_nothing};
	UeDatabaseOptions options = {.conninfo = "host=db.slow port=1 dbname=x",
								 .role = "test",
								 .reconnect_ms = 10,
								 .is_quiet = true};
	UeDatabase *database = ue_database_new(&options, &handler, NULL);
	int64_t start_ms = now_ms();
	struct pollfd polled = {.events = POLLIN};

	ue_database_step(database, start_ms);
	ue_database_step(database, start_ms + 1);
	ok(now_ms() - start_ms < 1000, "a step does not wait for the name server");
	ue_database_step(database, start_ms + 5000);
	ue_database_step(database, start_ms + 6000);
	ue_database_step(database, start_ms + 11000);
	ue_database_step(database, start_ms + 17000);
	ok(now_ms() - start_ms < 1000, "nor do later attempts");
	polled.fd = ue_database_fd(database);
	atomic_store(&may_answer, true);
	ok(polled.fd >= 0 && poll(&polled, 1, 5000) == 1, "when it comes the owner is woken");
	ue_database_step(database, start_ms + 17001);
	ok(atomic_load(&n_slow) == 1, "all attempts asked once, and libpq got the address");
	ue_database_free(database);

	atomic_store(&may_answer, false);
	start_ms = now_ms();
	database = ue_database_new(&options, &handler, NULL);
	ue_database_step(database, start_ms);
	ue_database_free(database);
	ok(now_ms() - start_ms < 1000, "nor does the end wait");
	atomic_store(&may_answer, true);
	usleep(100000);
}

int
main(void)
{
	alarm(60);
	ue_log_init(UE_LOG_ERROR);
	check_needed();
	check_lists();
	check_step();
	return done_testing();
}
