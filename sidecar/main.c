/* SPDX-License-Identifier: PostgreSQL */
/*
 * main.c: starts the parts in order, waits for a signal, stops them in reverse.
 *
 *     configuration, log, journal, policy, workers, shipper, admin, "ready"
 *
 * What fails before "ready" is said on stderr and ends the process with status 2.  SIGTERM
 * and SIGINT drain: no new connections, requests in progress end, what is in the journal is
 * shipped, all within drain_timeout; a second SIGINT ends at once.  SIGHUP reads the files
 * and variables behind the channels' credentials again.
 */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "admin.h"
#include "config.h"
#include "journal.h"
#include "log.h"
#include "policy_keeper.h"
#include "shipper.h"
#include "worker.h"

#define EXIT_START_FAILED 2
#define ERROR_SIZE		  512
#define RECONNECT_MS	  100

/* After the verdict's deadline what became of an attempt is known within this. */
#define COMPLETION_WAIT_MS 1000

typedef struct Sidecar
{
	UeConfig config;
	UeJournal *journal;
	UeHealthStore *health;
	UePolicyKeeper *policy;
	UeMetrics *metrics; /* config.workers of them */
	UeWorker **workers;
	int n_workers; /* started */
	UeShipper *shipper;
	UeAdmin *admin;
	UeAdminState admin_state;
	const char *platforms[UE_METRICS_PLATFORMS];
	char error[ERROR_SIZE];
} Sidecar;

static void raise_file_limit(void);
static bool start_all(Sidecar *sidecar);
static bool start_policy(Sidecar *sidecar);
static bool start_workers(Sidecar *sidecar);
static bool start_shipper(Sidecar *sidecar);
static bool start_admin(Sidecar *sidecar);
static void stop_all(Sidecar *sidecar);
static bool choose_port(char **address, char *error, size_t error_size);
static void wait_for_end(const Sidecar *sidecar, const sigset_t *signals);
static void exit_at_once(int signal_number);
static void notify(const char *state);
static void read_journal_stats(void *context, UeJournalStats *out);
static void read_shipper_stats(void *context, UeShipperStats *out);
static void read_policy_stats(void *context, UePolicyStats *out);
static int64_t read_monotonic_ms(void);

int
main(int argc, char **argv)
{
	static Sidecar sidecar;
	sigset_t signals;
	UeLogLevel level = UE_LOG_INFO;

	switch (ue_config_read(argc, argv, &sidecar.config))
	{
		case UE_CONFIG_RUN:
			break;
		case UE_CONFIG_EXIT_OK:
			return EXIT_SUCCESS;
		case UE_CONFIG_EXIT_ERROR:
			return EXIT_START_FAILED;
	}
	ue_log_find_level(sidecar.config.log_level, &level);
	ue_log_init(level);

	raise_file_limit();

	/* Blocked here, and so in every thread; taken by sigwait below. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, SIG_IGN); /* log rotation's, of servers that have log files */
	signal(SIGUSR2, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);

	if (!start_all(&sidecar))
	{
		fprintf(stderr, "upstream-errors-sidecar: %s\n", sidecar.error);
		stop_all(&sidecar);
		return EXIT_START_FAILED;
	}
	notify("READY=1");
	ue_log_write_listener("listening", "clients may connect", sidecar.config.listen);
	ue_log_write_listener("admin_listening", "health, readiness and metrics are served",
						  sidecar.config.admin_listen);

	wait_for_end(&sidecar, &signals);
	notify("STOPPING=1");
	ue_log_write(UE_LOG_INFO, "draining", "requests in progress may end", NULL);
	stop_all(&sidecar);
	ue_log_write(UE_LOG_INFO, "stopped", "everything has ended", NULL);
	return EXIT_SUCCESS;
}

/* The soft limit is for programs that use select(2), which we do not (setrlimit(2)). */
static void
raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void) setrlimit(RLIMIT_NOFILE, &limit);
}

static bool
start_all(Sidecar *sidecar)
{
	const UeConfig *config = &sidecar->config;
	UeJournalOptions journal = {
		.directory = config->journal,
		.segment_bytes = config->journal_segment_bytes,
		.budget_bytes = config->journal_budget_bytes,
		.fsync = config->journal_fsync,
	};

	if (!ue_upstream_global_init())
	{
		snprintf(sidecar->error, ERROR_SIZE, "could not initialise libcurl");
		return false;
	}
	sidecar->journal = ue_journal_open(&journal, sidecar->error, ERROR_SIZE);
	if (sidecar->journal == NULL)
		return false;
	sidecar->health = ue_health_store_new();
	if (sidecar->health == NULL)
	{
		snprintf(sidecar->error, ERROR_SIZE, "out of memory");
		return false;
	}
	return start_policy(sidecar) && start_workers(sidecar) && start_shipper(sidecar) &&
		   start_admin(sidecar);
}

/* Before the listeners: the first failure obeys the rules already. */
static bool
start_policy(Sidecar *sidecar)
{
	UePolicyKeeperOptions options = {
		.conninfo = sidecar->config.database,
		.directory = sidecar->config.journal,
		.instance = sidecar->config.instance,
		.region = sidecar->config.region,
		.version = UE_VERSION,
		.reconnect_ms = RECONNECT_MS,
		.health = sidecar->health,
	};

	sidecar->policy = ue_policy_keeper_start(&options);
	if (sidecar->policy == NULL)
		snprintf(sidecar->error, ERROR_SIZE, "could not start the policy keeper: %s",
				 strerror(errno));
	return sidecar->policy != NULL;
}

static bool
start_workers(Sidecar *sidecar)
{
	UeConfig *config = &sidecar->config;

	sidecar->metrics = calloc((size_t) config->workers, sizeof(*sidecar->metrics));
	sidecar->workers = calloc((size_t) config->workers, sizeof(*sidecar->workers));
	if (sidecar->metrics == NULL || sidecar->workers == NULL)
	{
		snprintf(sidecar->error, ERROR_SIZE, "out of memory");
		return false;
	}
	if (!choose_port(&config->listen, sidecar->error, ERROR_SIZE))
		return false;
	while (sidecar->n_workers < config->workers)
	{
		int index = sidecar->n_workers;

		sidecar->workers[index] =
			ue_worker_start(config, sidecar->journal, sidecar->health, index,
							&sidecar->metrics[index], sidecar->error, ERROR_SIZE);
		if (sidecar->workers[index] == NULL)
			return false;
		sidecar->n_workers++;
	}
	return true;
}

static bool
start_shipper(Sidecar *sidecar)
{
	UeShipperOptions options = {
		.conninfo = sidecar->config.database,
		.completion_wait_ms = COMPLETION_WAIT_MS + sidecar->config.verdict_deadline_ms,
		.reconnect_ms = RECONNECT_MS,
		.instance = sidecar->config.instance,
		.region = sidecar->config.region,
	};

	if (options.conninfo == NULL)
	{
		ue_log_write(UE_LOG_WARNING, "no_database",
					 "no database is set: verdicts are local, events stay in the journal",
					 "journal", sidecar->config.journal, NULL);
		return true;
	}
	sidecar->shipper = ue_shipper_start(sidecar->journal, &options);
	if (sidecar->shipper == NULL)
		snprintf(sidecar->error, ERROR_SIZE, "could not start the shipper: %s",
				 strerror(errno));
	return sidecar->shipper != NULL;
}

static bool
start_admin(Sidecar *sidecar)
{
	UeConfig *config = &sidecar->config;
	UeAdminState *state = &sidecar->admin_state;

	for (size_t i = 0; i < config->n_upstreams && i < UE_METRICS_PLATFORMS; i++)
		sidecar->platforms[i] = config->upstreams[i].platform;
	state->version = UE_VERSION;
	state->instance = config->instance;
	state->started_at_s = time(NULL);
	state->workers = sidecar->metrics;
	state->n_workers = sidecar->n_workers;
	state->platforms = sidecar->platforms;
	state->n_platforms = (int) config->n_upstreams;
	state->has_database = config->database != NULL;
	state->journal_directory = config->journal;
	state->health = sidecar->health;
	state->token = config->admin_token;
	state->read_journal_stats = read_journal_stats;
	state->read_shipper_stats = sidecar->shipper == NULL ? NULL : read_shipper_stats;
	state->read_policy_stats = read_policy_stats;
	state->context = sidecar;
	atomic_store(&state->is_listening, true);

	if (!choose_port(&config->admin_listen, sidecar->error, ERROR_SIZE))
		return false;
	sidecar->admin =
		ue_admin_start(config->admin_listen, state, sidecar->error, ERROR_SIZE);
	return sidecar->admin != NULL;
}

/* Also after a start that failed half-way. */
static void
stop_all(Sidecar *sidecar)
{
	int64_t begin_ms = read_monotonic_ms();
	int64_t left_ms;

	atomic_store(&sidecar->admin_state.is_draining, true);
	for (int i = 0; i < sidecar->n_workers; i++)
		ue_worker_drain(sidecar->workers[i]);
	for (int i = 0; i < sidecar->n_workers; i++)
		ue_worker_join(sidecar->workers[i]);

	/* The last events want a moment even when the requests took all of the time. */
	left_ms = sidecar->config.drain_timeout_ms - (read_monotonic_ms() - begin_ms);

	/* The admin first: it reads the others' counters. */
	ue_admin_stop(sidecar->admin);
	ue_shipper_stop(sidecar->shipper, left_ms > 1000 ? left_ms : 1000);
	ue_policy_keeper_stop(sidecar->policy);
	ue_health_store_free(sidecar->health);
	ue_journal_close(sidecar->journal);
	free(sidecar->workers);
	free(sidecar->metrics);
	ue_config_free(&sidecar->config);
}

/*
 * Port 0 asks for a free one.  Each worker binds for itself, so they must all be told the
 * same; it is found by binding once.
 */
static bool
choose_port(char **address, char *error, size_t error_size)
{
	size_t len = strlen(*address);
	struct sockaddr_storage bound;
	socklen_t bound_size = sizeof(bound);
	char *chosen;
	uint16_t port;
	int fd;

	if (len < 2 || strcmp(*address + len - 2, ":0") != 0 ||
		strncmp(*address, "unix:", 5) == 0)
		return true;
	fd = ue_server_listen(*address, false, error, error_size);
	if (fd < 0)
		return false;
	if (getsockname(fd, (struct sockaddr *) &bound, &bound_size) != 0)
	{
		snprintf(error, error_size, "could not find a free port: %s", strerror(errno));
		close(fd);
		return false;
	}
	close(fd);
	port = bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *) &bound)->sin6_port
									   : ((struct sockaddr_in *) &bound)->sin_port;
	if (asprintf(&chosen, "%.*s%u", (int) len - 1, *address, ntohs(port)) < 0)
	{
		snprintf(error, error_size, "out of memory");
		return false;
	}
	free(*address);
	*address = chosen;
	return true;
}

static void
wait_for_end(const Sidecar *sidecar, const sigset_t *signals)
{
	struct sigaction at_once = {.sa_handler = exit_at_once};
	sigset_t interrupt;
	int number = 0;

	do
	{
		sigwait(signals, &number);
		if (number == SIGHUP)
		{
			ue_policy_keeper_reload(sidecar->policy);
			ue_log_write(UE_LOG_INFO, "reloaded",
						 "credentials of channels are read again", NULL);
		}
	} while (number != SIGTERM && number != SIGINT);

	/* From here on an impatient Ctrl-C gets through. */
	sigaction(SIGINT, &at_once, NULL);
	sigemptyset(&interrupt);
	sigaddset(&interrupt, SIGINT);
	pthread_sigmask(SIG_UNBLOCK, &interrupt, NULL);
}

static void
exit_at_once(int signal_number)
{
	_exit(128 + signal_number);
}

/* sd_notify(3)'s protocol: a datagram to the socket that systemd names. */
static void
notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t len = path == NULL ? 0 : strlen(path);
	int fd;

	if (len == 0 || len >= sizeof(address.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(address.sun_path, path, len);
	if (path[0] == '@') /* the abstract namespace */
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *) &address,
			   (socklen_t) (offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		ue_log_write(UE_LOG_WARNING, "notify_failed", "could not tell systemd", "state",
					 state, "reason", strerror(errno), NULL);
	close(fd);
}

static void
read_journal_stats(void *context, UeJournalStats *out)
{
	ue_journal_read_stats(((Sidecar *) context)->journal, out);
}

static void
read_shipper_stats(void *context, UeShipperStats *out)
{
	ue_shipper_read_stats(((Sidecar *) context)->shipper, out);
}

static void
read_policy_stats(void *context, UePolicyStats *out)
{
	ue_policy_keeper_read_stats(((Sidecar *) context)->policy, out);
}

static int64_t
read_monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
