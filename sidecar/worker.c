/* SPDX-License-Identifier: PostgreSQL */
/*
 * worker.c: a thread with its loop, listener and exchanges.
 *
 * Everything is made by the thread that starts the worker, so that what fails is said at
 * start; then only the worker's own thread touches it, until it has been joined.
 */
#include "worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exchange.h"
#include "log.h"
#include "loop.h"
#include "server.h"

struct UeWorker
{
	const UeConfig *config;
	UeMetrics *metrics;
	UeLoop *loop;
	UeServer *server;
	UeExchanges *exchanges;
	UeTurn turn;
	UeTimer drain_deadline;
	atomic_bool must_drain; /* set by any thread */
	bool is_draining;
	pthread_t thread;
};

static int open_listener(const UeConfig *config, int index, char *error,
						 size_t error_size);
static bool start_thread(UeWorker *worker);
static void *run(void *argument);
static void handle_turn(UeTurn *turn);
static void handle_drain_deadline(UeTimer *timer);
static void free_worker(UeWorker *worker);

UeWorker *
ue_worker_start(const UeConfig *config, UeJournal *journal, UeHealthStore *health,
				int index, UeMetrics *metrics, char *error, size_t error_size)
{
	int listen_fd = open_listener(config, index, error, error_size);
	UeWorker *worker;

	if (listen_fd < 0)
		return NULL;
	worker = calloc(1, sizeof(*worker));
	if (worker == NULL)
		goto failed;
	worker->config = config;
	worker->metrics = metrics;
	worker->turn.on_turn = handle_turn;
	worker->drain_deadline.on_due = handle_drain_deadline;
	worker->loop = ue_loop_new();
	if (worker->loop == NULL)
		goto failed;
	worker->exchanges = ue_exchanges_new(worker->loop, config, journal, health, metrics);
	if (worker->exchanges == NULL)
		goto failed;
	worker->server = ue_server_new(worker->loop, listen_fd, &config->server,
								   &ue_exchange_handler, worker->exchanges);
	if (worker->server == NULL)
		goto failed;
	listen_fd = -1;
	ue_loop_add_turn(worker->loop, &worker->turn);
	if (!start_thread(worker))
		goto failed;
	return worker;

failed:
	snprintf(error, error_size, "could not start worker %d: %s", index, strerror(errno));
	if (listen_fd >= 0)
		close(listen_fd);
	free_worker(worker);
	return NULL;
}

void
ue_worker_drain(UeWorker *worker)
{
	atomic_store(&worker->must_drain, true);
	ue_loop_wake(worker->loop);
}

void
ue_worker_join(UeWorker *worker)
{
	if (worker == NULL)
		return;
	pthread_join(worker->thread, NULL);
	free_worker(worker);
}

/*
 * With several workers the address is shared between their sockets, and the system would
 * share it with another sidecar of the same user just as well.  So the first worker takes
 * it for itself for a moment: that fails when somebody else has it.
 */
static int
open_listener(const UeConfig *config, int index, char *error, size_t error_size)
{
	bool is_shared = config->workers > 1;

	if (is_shared && index == 0)
	{
		int probe_fd = ue_server_listen(config->listen, false, error, error_size);

		if (probe_fd < 0)
			return -1;
		close(probe_fd);
	}
	return ue_server_listen(config->listen, is_shared, error, error_size);
}

/* Signals are main's: a worker that took one would have to pass it on. */
static bool
start_thread(UeWorker *worker)
{
	sigset_t all;
	sigset_t saved;
	int result;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &saved);
	result = pthread_create(&worker->thread, NULL, run, worker);
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	errno = result;
	return result == 0;
}

static void *
run(void *argument)
{
	UeWorker *worker = argument;

	ue_loop_run(worker->loop);
	return NULL;
}

static void
handle_turn(UeTurn *turn)
{
	UeWorker *worker = (UeWorker *) ((char *) turn - offsetof(UeWorker, turn));
	int n_clients = ue_server_count_clients(worker->server);

	atomic_store_explicit(&worker->metrics->open_clients, n_clients,
						  memory_order_relaxed);
	ue_exchanges_update_metrics(worker->exchanges);
	if (!atomic_load_explicit(&worker->must_drain, memory_order_relaxed))
		return;
	if (!worker->is_draining)
	{
		worker->is_draining = true;
		ue_server_stop_accepting(worker->server);
		ue_loop_set_timer(worker->loop, &worker->drain_deadline,
						  worker->config->drain_timeout_ms);
		n_clients = ue_server_count_clients(worker->server);
	}
	if (n_clients == 0)
		ue_loop_stop(worker->loop);
}

static void
handle_drain_deadline(UeTimer *timer)
{
	UeWorker *worker = (UeWorker *) ((char *) timer - offsetof(UeWorker, drain_deadline));
	char n_clients[16];

	snprintf(n_clients, sizeof(n_clients), "%d", ue_server_count_clients(worker->server));
	ue_log_write(UE_LOG_WARNING, "drain_timeout",
				 "requests still in progress were ended by the drain timeout", "clients",
				 n_clients, NULL);
	ue_loop_stop(worker->loop);
}

/* The server first: cutting its clients ends their exchanges, which use all the rest. */
static void
free_worker(UeWorker *worker)
{
	if (worker == NULL)
		return;
	if (worker->server != NULL)
	{
		ue_loop_cancel_timer(worker->loop, &worker->drain_deadline);
		ue_server_last_call(worker->server);
		ue_exchanges_send_answers(worker->exchanges);
		ue_server_free(worker->server);
	}
	ue_exchanges_free(worker->exchanges);
	ue_loop_free(worker->loop);
	free(worker);
}
