/* SPDX-License-Identifier: PostgreSQL */
/*
 * shipper.c: the thread from the journal to Postgres.
 *
 * One batch is in flight at a time: while it commits the next one gathers, so batches grow
 * with the load by themselves.  upstream_error_maintain goes first, so that the partitions are
 * there, and then every hour.  What follows events goes another way, shipper_follow.h; the
 * journal's position waits for both.
 */
#include "shipper_private.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define POSITION_MS			 50	  /* between two writings of the position */
#define POSITION_BACKLOG_MS	 1000 /* the same while there is more to ship */
#define LOOK_MS				 1000 /* the journal is looked at without being woken */
#define STATEMENT_TIMEOUT_MS 30000

static void *run(void *argument);
static void read_journal(UeShipper *shipper);
static void drop_unmonitored(UeShipper *shipper);
static void advance_queue(UeShipper *shipper, int64_t now_ms);
static bool take_record(UeShipper *shipper);
static void keep_position(UeShipper *shipper, int64_t now_ms);
static bool is_over(UeShipper *shipper, int64_t now_ms);
static void wait_for_work(UeShipper *shipper, int64_t now_ms);
static int64_t find_due(const UeShipper *shipper, int64_t now_ms);

UeShipper *
ue_shipper_start(UeJournal *journal, const UeShipperOptions *options)
{
	UeShipper *shipper = calloc(1, sizeof(*shipper));
	UeDatabaseOptions database = {
		.conninfo = options->conninfo,
		.role = "shipper",
		.reconnect_ms = options->reconnect_ms,
		.statement_timeout_ms = STATEMENT_TIMEOUT_MS,
		.n_statements = UE_SHIPPER_STATEMENTS,
	};
	sigset_t all, old;
	bool is_started;

	if (shipper == NULL)
		return NULL;
	shipper->journal = journal;
	shipper->options = *options;
	shipper->retry_wait_ms = options->reconnect_ms;
	shipper->is_maintain_due = true;
	shipper->released = ue_journal_position(journal);
	shipper->statements[UE_SHIPPER_RECORD] = *ue_batch_statement(UE_RECORD_EVENT);
	shipper->statements[UE_SHIPPER_MAINTAIN] = ue_shipper_maintain_statement;
	shipper->statements[UE_SHIPPER_TRAFFIC] = ue_counts_statement;
	database.statements = shipper->statements;
	ue_queue_init(&shipper->queue);
	ue_counts_init(&shipper->counts);
	ue_batch_init(&shipper->batch, UE_RECORD_EVENT);
	shipper->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	shipper->reader = ue_journal_reader_new(journal);
	shipper->database = ue_database_new(&database, &ue_shipper_handler, shipper);
	shipper->follower = ue_follower_new(options->conninfo, options->reconnect_ms, journal,
										&shipper->queue, &shipper->followed);

	/* Signals are for the main thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	is_started = shipper->stop_fd >= 0 && shipper->reader != NULL &&
				 shipper->database != NULL && shipper->follower != NULL &&
				 pthread_create(&shipper->thread, NULL, run, shipper) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (is_started)
		return shipper;

	ue_follower_free(shipper->follower);
	ue_database_free(shipper->database);
	ue_journal_reader_free(shipper->reader);
	if (shipper->stop_fd >= 0)
		close(shipper->stop_fd);
	free(shipper);
	return NULL;
}

void
ue_shipper_stop(UeShipper *shipper, int64_t drain_ms)
{
	static const uint64_t one = 1;

	if (shipper == NULL)
		return;
	shipper->drain_ms = drain_ms;
	atomic_store(&shipper->is_stopping, true);
	while (write(shipper->stop_fd, &one, sizeof(one)) < 0)
		;
	pthread_join(shipper->thread, NULL);
	ue_follower_free(shipper->follower);
	ue_database_free(shipper->database);
	ue_journal_reader_free(shipper->reader);
	ue_queue_reset(&shipper->queue);
	ue_counts_reset(&shipper->counts);
	close(shipper->stop_fd);
	free(shipper);
}

void
ue_shipper_read_stats(const UeShipper *shipper, UeShipperStats *out)
{
	int64_t oldest_us = atomic_load(&shipper->oldest_us);

	out->shipped_events = atomic_load(&shipper->shipped_events);
	out->replayed_events = atomic_load(&shipper->replayed_events);
	out->quarantined_events = atomic_load(&shipper->quarantined_events);
	out->batches = atomic_load(&shipper->batches);
	out->failed_batches = atomic_load(&shipper->failed_batches);
	out->shipped_transitions = atomic_load(&shipper->followed.transitions);
	out->shipped_recoveries = atomic_load(&shipper->followed.recoveries);
	out->quarantined_follow_ups = atomic_load(&shipper->followed.quarantined);
	out->failed_batches += atomic_load(&shipper->followed.failures);
	out->corrupt_records = atomic_load(&shipper->corrupt_records);
	out->is_connected = atomic_load(&shipper->is_connected);
	out->lag_ms = oldest_us == 0 ? 0 : (ue_shipper_read_clock_us() - oldest_us) / 1000;
	if (out->lag_ms < 0)
		out->lag_ms = 0;
}

static void *
run(void *argument)
{
	UeShipper *shipper = argument;

	for (;;)
	{
		int64_t now_ms = ue_shipper_read_monotonic_ms();

		read_journal(shipper);
		drop_unmonitored(shipper);
		advance_queue(shipper, now_ms);
		ue_shipper_send_due(shipper, now_ms);
		ue_shipper_send_traffic(shipper, now_ms);
		ue_follower_send(shipper->follower, now_ms);
		keep_position(shipper, now_ms);
		atomic_store(&shipper->oldest_us, shipper->queue.first == NULL
											  ? 0
											  : shipper->queue.first->appended_us);
		if (is_over(shipper, now_ms))
			return NULL;
		wait_for_work(shipper, now_ms);
		ue_database_step(shipper->database, ue_shipper_read_monotonic_ms());
		ue_follower_step(shipper->follower, ue_shipper_read_monotonic_ms());
		atomic_store(&shipper->is_connected, ue_database_is_ready(shipper->database));
	}
}

static void
read_journal(UeShipper *shipper)
{
	shipper->is_caught_up = false;
	while (!ue_queue_is_full(&shipper->queue) && !ue_counts_is_full(&shipper->counts))
	{
		if (!shipper->has_held)
			shipper->has_held = ue_journal_reader_next(shipper->reader, &shipper->held);
		if (!shipper->has_held)
		{
			shipper->is_caught_up = true;
			break;
		}
		if (!take_record(shipper))
			break;
		shipper->has_held = false;
	}
	atomic_store(&shipper->corrupt_records,
				 ue_journal_reader_count_corrupt(shipper->reader));
}

static bool
take_record(UeShipper *shipper)
{
	if (shipper->held.record.kind == UE_RECORD_TRAFFIC)
		return ue_counts_append(&shipper->counts, &shipper->held,
								ue_shipper_read_clock_us());
	return ue_queue_append(&shipper->queue, &shipper->held);
}

/* What a rule wants no row of goes no further; it is not lost either. */
static void
drop_unmonitored(UeShipper *shipper)
{
	UePending *pending;

	while ((pending = ue_queue_take_unmonitored(&shipper->queue)) != NULL)
	{
		pending->state = UE_PENDING_DONE;
		ue_journal_count_shipped(shipper->journal, pending->position.seq, 1);
	}
}

static void
advance_queue(UeShipper *shipper, int64_t now_ms)
{
	UeQueueTime when = {
		.now_us = ue_shipper_read_clock_us(),
		.wait_us = shipper->options.completion_wait_ms * 1000,
		.is_caught_up = shipper->is_caught_up,
		.is_past_earlier_runs = ue_journal_reader_is_past_earlier_runs(shipper->reader),
		.is_stopping = atomic_load(&shipper->is_stopping),
	};

	ue_queue_advance(&shipper->queue, &when);
	if (shipper->queue.n_ready == 0)
		shipper->ready_since_ms = 0;
	else if (shipper->ready_since_ms == 0)
		shipper->ready_since_ms = now_ms;
}

/*
 * What is shipped may go from the journal.  Each time costs an fsync on what may be the
 * database's own disk; while there is a backlog it is done more rarely, for all that a
 * crash then costs is that more is sent twice.
 */
static void
keep_position(UeShipper *shipper, int64_t now_ms)
{
	int64_t interval_ms = shipper->is_caught_up ? POSITION_MS : POSITION_BACKLOG_MS;
	UeJournalPosition position;
	UeJournalPosition counted;

	if (!ue_queue_pop(&shipper->queue, &position))
	{
		/* A record that is held has been passed by the reader, but not taken. */
		position = shipper->has_held ? shipper->held.position
									 : ue_journal_reader_position(shipper->reader);
	}
	if (ue_counts_find_oldest(&shipper->counts, &counted) &&
		(counted.seq < position.seq ||
		 (counted.seq == position.seq && counted.offset < position.offset)))
		position = counted;
	if (position.seq == shipper->released.seq &&
		position.offset == shipper->released.offset)
		return;
	if (now_ms - shipper->released_ms < interval_ms && shipper->stop_due_ms == 0)
		return;
	shipper->released_ms = now_ms;
	if (ue_journal_release(shipper->journal, position))
		shipper->released = position;
}

static bool
is_over(UeShipper *shipper, int64_t now_ms)
{
	if (!atomic_load(&shipper->is_stopping))
		return false;
	if (shipper->stop_due_ms == 0)
	{
		shipper->stop_due_ms = now_ms + shipper->drain_ms;

		/* Once more round, with everything ready and the position not held back. */
		return false;
	}
	if (now_ms >= shipper->stop_due_ms || !ue_database_is_ready(shipper->database))
		return true;

	/* What only follows events cannot be brought while its own connection is away. */
	return shipper->is_caught_up && shipper->counts.first == NULL &&
		   (shipper->queue.first == NULL ||
			(shipper->queue.n_events == 0 && !ue_follower_is_ready(shipper->follower)));
}

static void
wait_for_work(UeShipper *shipper, int64_t now_ms)
{
	struct pollfd polled[5] = {
		{.fd = ue_database_fd(shipper->database),
		 .events = (short) ue_database_events(shipper->database)},
		{.fd = shipper->stop_due_ms == 0 ? shipper->stop_fd : -1, .events = POLLIN},
		{.fd = -1, .events = POLLIN},
		{.fd = ue_follower_fd(shipper->follower),
		 .events = (short) ue_follower_events(shipper->follower)},
		{.fd = ue_journal_urgent_fd(shipper->journal), .events = POLLIN},
	};
	int64_t due_ms = find_due(shipper, now_ms);
	int64_t wait_ms = due_ms > now_ms ? due_ms - now_ms : 0;

	/* Woken by transitions and the first event only: those after it are looked for when it is due. */
	if (shipper->queue.first == NULL && shipper->is_caught_up)
	{
		polled[2].fd = ue_journal_arm(shipper->journal);
		shipper->has_held = ue_journal_reader_next(shipper->reader, &shipper->held);
		if (shipper->has_held)
			wait_ms = 0;
	}
	poll(polled, sizeof(polled) / sizeof(polled[0]), (int) wait_ms);
	if (polled[2].fd >= 0)
		ue_journal_disarm(shipper->journal);
	if (polled[4].revents != 0)
		ue_journal_calm(shipper->journal);
}

static int64_t
find_due(const UeShipper *shipper, int64_t now_ms)
{
	int64_t due_ms = ue_database_due_ms(shipper->database);

	if (ue_follower_due_ms(shipper->follower) < due_ms)
		due_ms = ue_follower_due_ms(shipper->follower);
	if (due_ms > now_ms + LOOK_MS)
		due_ms = now_ms + LOOK_MS;
	if (shipper->released_ms + POSITION_MS > now_ms &&
		shipper->released_ms + POSITION_MS < due_ms)
		due_ms = shipper->released_ms + POSITION_MS;
	if (shipper->stop_due_ms != 0 && shipper->stop_due_ms < due_ms)
		due_ms = shipper->stop_due_ms;
	if (!ue_database_is_ready(shipper->database) || shipper->in_flight != NULL)
		return due_ms;

	if (!ue_batch_is_empty(&shipper->batch))
	{
		if (shipper->retry_at_ms < due_ms)
			due_ms = shipper->retry_at_ms;
	}
	else if (shipper->queue.n_ready > 0 &&
			 shipper->ready_since_ms + UE_SHIPPER_GATHER_MS < due_ms)
		due_ms = shipper->ready_since_ms + UE_SHIPPER_GATHER_MS;
	else if (shipper->queue.n_waiting > 0 && now_ms + UE_SHIPPER_GATHER_MS < due_ms)
		due_ms = now_ms + UE_SHIPPER_GATHER_MS;
	return due_ms;
}


int64_t
ue_shipper_read_monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t
ue_shipper_read_clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}
