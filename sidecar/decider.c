/* SPDX-License-Identifier: PostgreSQL */
/*
 * decider.c: decisions wait in a queue until the end of the turn, travel in a batch, and
 * come back with an answer or run into their deadline.
 *
 * A decision is QUEUED (in the list), SENT (in a batch's slot) or done.  A batch whose
 * decisions have all left it (late, cancelled) stays until its result comes, because the
 * connection answers in order; while such a batch is overdue the database is known to be
 * slow, and new decisions do not wait for it: they get the local verdict at once.
 *
 * When Postgres refuses a batch for the data in it, its decisions go out again singly, once;
 * the one that is refused again keeps the local verdict.
 */
#include "decider.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "database.h"
#include "decider_wire.h"
#include "log.h"

#define MAX_BATCHES 2
#define MAX_ROWS	512

/* A batch unanswered for so long means a dead peer or a hung server. */
#define GIVE_UP_MS			 10000
#define STATEMENT_TIMEOUT_MS 5000
#define REPORT_INTERVAL_MS	 10000

typedef enum State
{
	STATE_DONE = 0,
	STATE_QUEUED,
	STATE_QUEUED_ALONE, /* after a refusal: to be sent singly */
	STATE_SENT,			/* from here on: STATE_SENT + batch * MAX_ROWS + row */
} State;

typedef struct Batch
{
	bool is_in_flight;
	int64_t sent_ms;
	size_t n_rows;
	size_t n_waiting;				 /* decisions still in it */
	UeDecision *decisions[MAX_ROWS]; /* NULL: left */
} Batch;

struct UeDecider
{
	UeLoop *loop;
	UeDatabase *database; /* NULL: without one */
	int64_t deadline_ms;
	UeDecision *first, *last; /* queued */
	Batch batches[MAX_BATCHES];
	UeTurn turn;
	UeDeferred wake; /* keeps the loop from sleeping on a queue that came after on_turn */
	UeWatch watch;
	UeTimer step_timer; /* the database's due time, and GIVE_UP_MS */
	uint64_t n_late;
	int64_t next_report_ms; /* a refusal of every batch would fill the log */
};

static void on_turn(UeTurn *turn);
static void on_wake(UeDeferred *wake);
static void on_readable(UeWatch *watch, uint32_t events);
static void on_step_due(UeTimer *timer);
static void on_deadline(UeTimer *timer);
static void on_ready(void *context);
static void on_result(void *context, void *query, const UeDatabaseResult *result);
static void on_lost(void *context);
static void step(UeDecider *decider);
static void watch_database(UeDecider *decider);
static bool has_overdue_batch(const UeDecider *decider);
static Batch *find_free_batch(UeDecider *decider);
static void send_batch(UeDecider *decider, Batch *batch);
static size_t fill_batch(UeDecider *decider, Batch *batch);
static void take_answers(UeDecider *decider, Batch *batch,
						 const UeDatabaseResult *result);
static void take_refusal(UeDecider *decider, Batch *batch,
						 const UeDatabaseResult *result);
static void report_refusal(UeDecider *decider, const UeDatabaseResult *result);
static void append_decision(UeDecider *decider, UeDecision *decision, State state);
static void remove_decision(UeDecision *decision);
static void finish_decision(UeDecision *decision, bool is_from_postgres);
static void finish_queue(UeDecider *decider);
static void finish_batch(Batch *batch);

static const UeDatabaseHandler handler = {
	.on_ready = on_ready,
	.on_result = on_result,
	.on_lost = on_lost,
};

UeDecider *
ue_decider_new(UeLoop *loop, const UeDeciderOptions *options)
{
	UeDecider *decider = calloc(1, sizeof(*decider));

	if (decider == NULL)
		return NULL;
	decider->loop = loop;
	decider->deadline_ms = options->deadline_ms;
	decider->watch = (UeWatch){.fd = -1, .on_ready = on_readable};
	decider->step_timer.on_due = on_step_due;
	decider->turn.on_turn = on_turn;
	decider->wake.run = on_wake;
	if (options->conninfo != NULL && options->conninfo[0] != '\0')
	{
		UeDatabaseOptions database = {
			.conninfo = options->conninfo,
			.role = "decider",
			.reconnect_ms = options->reconnect_ms,
			.statement_timeout_ms = STATEMENT_TIMEOUT_MS,
			.is_quiet = true,
			.statements = &ue_decider_statement,
			.n_statements = 1,
		};

		decider->database = ue_database_new(&database, &handler, decider);
		if (decider->database == NULL)
		{
			free(decider);
			return NULL;
		}
		ue_loop_set_timer(loop, &decider->step_timer, 0);
	}
	ue_loop_add_turn(loop, &decider->turn);
	return decider;
}

void
ue_decider_free(UeDecider *decider)
{
	if (decider == NULL)
		return;
	ue_loop_cancel_timer(decider->loop, &decider->step_timer);
	ue_loop_cancel_deferred(decider->loop, &decider->wake);
	if (decider->watch.fd >= 0)
		ue_loop_watch(decider->loop, &decider->watch, 0);
	ue_database_free(decider->database);
	free(decider);
}

bool
ue_decider_is_connected(const UeDecider *decider)
{
	return decider->database != NULL && ue_database_is_ready(decider->database);
}

uint64_t
ue_decider_count_late(const UeDecider *decider)
{
	return decider->n_late;
}

void
ue_decider_submit(UeDecider *decider, UeDecision *decision)
{
	decision->decider = decider;
	decision->is_from_postgres = false;
	memset(&decision->deadline, 0, sizeof(decision->deadline));
	decision->deadline.on_due = on_deadline;
	if (ue_decider_is_connected(decider))
		ue_loop_set_timer(decider->loop, &decision->deadline, decider->deadline_ms);
	append_decision(decider, decision, STATE_QUEUED);
	ue_loop_defer(decider->loop, &decider->wake);
}

void
ue_decider_cancel(UeDecision *decision)
{
	if (decision->state == STATE_DONE)
		return;
	ue_loop_cancel_timer(decision->decider->loop, &decision->deadline);
	remove_decision(decision);
}

static void
on_turn(UeTurn *turn)
{
	UeDecider *decider = (UeDecider *) ((char *) turn - offsetof(UeDecider, turn));

	if (decider->first == NULL)
		return;
	if (!ue_decider_is_connected(decider) || has_overdue_batch(decider))
		finish_queue(decider);
	while (decider->first != NULL)
	{
		Batch *batch = find_free_batch(decider);

		if (batch == NULL)
			break;
		send_batch(decider, batch);
	}
	if (decider->database != NULL)
		watch_database(decider);
}

/* The turn that it is run in has an end. */
static void
on_wake(UeDeferred *wake)
{
	(void) wake;
}

static void
on_readable(UeWatch *watch, uint32_t events)
{
	(void) events;
	step((UeDecider *) ((char *) watch - offsetof(UeDecider, watch)));
}

static void
on_step_due(UeTimer *timer)
{
	step((UeDecider *) ((char *) timer - offsetof(UeDecider, step_timer)));
}

static void
on_deadline(UeTimer *timer)
{
	UeDecision *decision =
		(UeDecision *) ((char *) timer - offsetof(UeDecision, deadline));

	remove_decision(decision);
	finish_decision(decision, false);
}

static void
on_ready(void *context)
{
	UeDecider *decider = context;

	decider->next_report_ms = INT64_MIN;
}

static void
on_result(void *context, void *query, const UeDatabaseResult *result)
{
	UeDecider *decider = context;
	Batch *batch = query;

	decider->n_late += batch->n_rows - batch->n_waiting;
	if (result->is_ok)
		take_answers(decider, batch, result);
	else
		take_refusal(decider, batch, result);
	finish_batch(batch);
}

static void
on_lost(void *context)
{
	UeDecider *decider = context;

	/* While the descriptor is still ours. */
	if (decider->watch.fd >= 0)
		ue_loop_watch(decider->loop, &decider->watch, 0);
	decider->watch.fd = -1;
	for (int i = 0; i < MAX_BATCHES; i++)
	{
		if (decider->batches[i].is_in_flight)
			finish_batch(&decider->batches[i]);
	}
	finish_queue(decider);
}

static void
step(UeDecider *decider)
{
	int64_t now_ms = ue_loop_now_ms(decider->loop);

	/* libpq may close and open descriptors while it connects. */
	if (!ue_database_is_ready(decider->database) && decider->watch.fd >= 0)
	{
		ue_loop_watch(decider->loop, &decider->watch, 0);
		decider->watch.fd = -1;
	}
	for (int i = 0; i < MAX_BATCHES; i++)
	{
		if (decider->batches[i].is_in_flight &&
			now_ms - decider->batches[i].sent_ms >= GIVE_UP_MS)
		{
			ue_database_drop(decider->database, now_ms, "no answer within 10 s");
			break;
		}
	}
	ue_database_step(decider->database, now_ms);
	watch_database(decider);
}

/* Registers what the connection wants, and the time of the next step. */
static void
watch_database(UeDecider *decider)
{
	int fd = ue_database_fd(decider->database);
	int wanted = ue_database_events(decider->database);
	int64_t now_ms = ue_loop_now_ms(decider->loop);
	int64_t due_ms = ue_database_due_ms(decider->database);
	uint32_t events = 0;

	if (wanted & POLLIN)
		events |= EPOLLIN;
	if (wanted & POLLOUT)
		events |= EPOLLOUT;
	if (fd >= 0 && (fd != decider->watch.fd || events != decider->watch.events))
	{
		decider->watch.fd = fd;
		if (!ue_loop_watch(decider->loop, &decider->watch, events))
		{
			decider->watch.fd = -1;
			ue_database_drop(decider->database, now_ms, "could not watch the connection");
			due_ms = ue_database_due_ms(decider->database);
		}
	}
	for (int i = 0; i < MAX_BATCHES; i++)
	{
		const Batch *batch = &decider->batches[i];

		if (batch->is_in_flight && batch->sent_ms + GIVE_UP_MS < due_ms)
			due_ms = batch->sent_ms + GIVE_UP_MS;
	}
	if (due_ms == UE_DATABASE_NEVER)
		ue_loop_cancel_timer(decider->loop, &decider->step_timer);
	else
		ue_loop_set_timer(decider->loop, &decider->step_timer,
						  due_ms > now_ms ? due_ms - now_ms : 0);
}

static bool
has_overdue_batch(const UeDecider *decider)
{
	int64_t now_ms = ue_loop_now_ms(decider->loop);

	for (int i = 0; i < MAX_BATCHES; i++)
	{
		if (decider->batches[i].is_in_flight &&
			now_ms - decider->batches[i].sent_ms >= decider->deadline_ms)
			return true;
	}
	return false;
}

static Batch *
find_free_batch(UeDecider *decider)
{
	for (int i = 0; i < MAX_BATCHES; i++)
	{
		if (!decider->batches[i].is_in_flight)
			return &decider->batches[i];
	}
	return NULL;
}

static void
send_batch(UeDecider *decider, Batch *batch)
{
	UeArena arena;
	UeSlice parameters[UE_DECIDER_PARAMETERS];
	size_t n_rows = fill_batch(decider, batch);
	bool is_sent;

	ue_decider_init_arena(&arena);
	is_sent =
		ue_decider_write_batch(&arena, batch->decisions, n_rows, parameters) == UE_OK &&
		ue_database_send(decider->database, 0, parameters, batch);
	ue_arena_free(&arena);
	if (is_sent)
	{
		batch->is_in_flight = true;
		batch->sent_ms = ue_loop_now_ms(decider->loop);
		return;
	}
	finish_batch(batch);
}

/* Moves decisions from the queue into the batch; one that must travel alone does. */
static size_t
fill_batch(UeDecider *decider, Batch *batch)
{
	size_t first_slot = (size_t) (batch - decider->batches) * MAX_ROWS;

	batch->n_rows = 0;
	while (decider->first != NULL && batch->n_rows < MAX_ROWS)
	{
		UeDecision *decision = decider->first;
		bool is_alone = decision->state == STATE_QUEUED_ALONE;

		if (is_alone && batch->n_rows > 0)
			break;
		remove_decision(decision);
		decision->state = STATE_SENT + (int) (first_slot + batch->n_rows);
		batch->decisions[batch->n_rows++] = decision;
		if (is_alone)
			break;
	}
	batch->n_waiting = batch->n_rows;
	return batch->n_rows;
}

static void
take_answers(UeDecider *decider, Batch *batch, const UeDatabaseResult *result)
{
	for (int row = 0; row < result->n_rows; row++)
	{
		size_t index;
		UeDecision *decision;
		bool is_taken;

		if (!ue_decider_find_row(result, row, batch->n_rows, &index))
			continue;
		decision = batch->decisions[index];
		if (decision == NULL)
			continue;
		is_taken =
			ue_decider_read_answer(result, row, decision->arena, &decision->verdict);
		if (!is_taken)
			report_refusal(decider, result);
		remove_decision(decision);
		finish_decision(decision, is_taken);
	}
}

static void
take_refusal(UeDecider *decider, Batch *batch, const UeDatabaseResult *result)
{
	/* Classes of SQLSTATE that one case in the batch can be the cause of: data exception,
	 * constraint, syntax of a value, a limit. */
	bool is_data = strncmp(result->sqlstate, "22", 2) == 0 ||
				   strncmp(result->sqlstate, "23", 2) == 0 ||
				   strncmp(result->sqlstate, "54", 2) == 0;

	if (!is_data || batch->n_rows == 1)
	{
		report_refusal(decider, result);
		return;
	}
	for (size_t i = 0; i < batch->n_rows; i++)
	{
		UeDecision *decision = batch->decisions[i];

		if (decision == NULL)
			continue;
		remove_decision(decision);
		append_decision(decider, decision, STATE_QUEUED_ALONE);
	}
}

static void
report_refusal(UeDecider *decider, const UeDatabaseResult *result)
{
	int64_t now_ms = ue_loop_now_ms(decider->loop);

	if (now_ms < decider->next_report_ms)
		return;
	decider->next_report_ms = now_ms + REPORT_INTERVAL_MS;
	ue_log_write(UE_LOG_WARNING, "decision_refused",
				 result->is_ok
					 ? "the database gave an answer that cannot be sent: the local "
					   "verdict was used"
					 : "the database refused to decide: the local verdict was used",
				 "sqlstate", result->is_ok ? NULL : result->sqlstate, "reason",
				 result->is_ok ? NULL : result->message, NULL);
}

static void
append_decision(UeDecider *decider, UeDecision *decision, State state)
{
	decision->state = (int) state;
	decision->next = NULL;
	decision->prev = decider->last;
	if (decider->last != NULL)
		decider->last->next = decision;
	else
		decider->first = decision;
	decider->last = decision;
}

/* From the queue or its batch. */
static void
remove_decision(UeDecision *decision)
{
	UeDecider *decider = decision->decider;

	if (decision->state >= STATE_SENT)
	{
		int slot = decision->state - STATE_SENT;
		Batch *batch = &decider->batches[slot / MAX_ROWS];

		batch->decisions[slot % MAX_ROWS] = NULL;
		batch->n_waiting--;
	}
	else
	{
		if (decision->prev != NULL)
			decision->prev->next = decision->next;
		else
			decider->first = decision->next;
		if (decision->next != NULL)
			decision->next->prev = decision->prev;
		else
			decider->last = decision->prev;
	}
	decision->state = STATE_DONE;
}

/* It has been removed before; the owner may free it in done. */
static void
finish_decision(UeDecision *decision, bool is_from_postgres)
{
	ue_loop_cancel_timer(decision->decider->loop, &decision->deadline);
	decision->is_from_postgres = is_from_postgres;
	decision->done(decision);
}

/* Local verdicts for all that wait, also for those that are submitted meanwhile. */
static void
finish_queue(UeDecider *decider)
{
	while (decider->first != NULL)
	{
		UeDecision *decision = decider->first;

		remove_decision(decision);
		finish_decision(decision, false);
	}
}

/* Local verdicts for what is still in it; then it is free. */
static void
finish_batch(Batch *batch)
{
	for (size_t i = 0; i < batch->n_rows && batch->n_waiting > 0; i++)
	{
		UeDecision *decision = batch->decisions[i];

		if (decision == NULL)
			continue;
		remove_decision(decision);
		finish_decision(decision, false);
	}
	batch->is_in_flight = false;
	batch->n_rows = batch->n_waiting = 0;
}
