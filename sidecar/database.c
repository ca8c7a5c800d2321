/* SPDX-License-Identifier: PostgreSQL */
/*
 * database.c: libpq without blocking: pipeline, take results, lose, come back.
 *
 *     DOWN --due--> RESOLVING --> CONNECTING --polled--> SETUP --all prepared--> READY
 *      ^                |             |                    |                       |
 *      +----------------+-------------+----- lose() -------+-----------------------+
 *
 * The way to READY is in database_connect.c.
 */
#include "database.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "database_private.h"
#include "log.h"

#define MAX_RECONNECT_MS 5000

static void step_read(UeDatabase *database, int64_t now_ms);
static bool take_result(UeDatabase *database, PGresult *result, int64_t now_ms);
static void give_result(UeDatabase *database);
static bool give_notifications(UeDatabase *database);
static void report_down(UeDatabase *database, const char *reason);

UeDatabase *
ue_database_new(const UeDatabaseOptions *options, const UeDatabaseHandler *handler,
				void *context)
{
	UeDatabase *database = calloc(1, sizeof(*database));

	if (database == NULL)
		return NULL;
	database->conninfo = strdup(options->conninfo);
	if (database->conninfo == NULL)
	{
		free(database);
		return NULL;
	}
	database->options = *options;
	database->options.conninfo = database->conninfo;
	database->handler = handler;
	database->context = context;
	database->wait_ms = options->reconnect_ms;
	database->due_ms = INT64_MIN;
	return database;
}

void
ue_database_free(UeDatabase *database)
{
	if (database == NULL)
		return;
	ue_resolve_release(database->resolve);
	PQclear(database->result);
	PQfinish(database->connection);
	free(database->conninfo);
	free(database);
}

int
ue_database_fd(const UeDatabase *database)
{
	if (database->state == UE_DATABASE_RESOLVING)
		return ue_resolve_fd(database->resolve);
	return database->connection == NULL ? -1 : PQsocket(database->connection);
}

int
ue_database_events(const UeDatabase *database)
{
	return database->events;
}

int64_t
ue_database_due_ms(const UeDatabase *database)
{
	return database->due_ms;
}

bool
ue_database_is_ready(const UeDatabase *database)
{
	return database->state == UE_DATABASE_READY;
}

void
ue_database_step(UeDatabase *database, int64_t now_ms)
{
	switch (database->state)
	{
		case UE_DATABASE_DOWN:
			if (now_ms >= database->due_ms)
				ue_database_start(database, now_ms);
			break;
		case UE_DATABASE_RESOLVING:
			if (now_ms >= database->due_ms)
				ue_database_lose(database, now_ms, "no address of the host within 5 s");
			else
				ue_database_step_resolve(database, now_ms);
			break;
		case UE_DATABASE_CONNECTING:
			if (now_ms >= database->due_ms)
				ue_database_lose(database, now_ms, "no connection within 5 s");
			else
				ue_database_step_connect(database, now_ms);
			break;
		case UE_DATABASE_SETUP:
			if (now_ms >= database->due_ms)
				ue_database_lose(database, now_ms, "no answer within 5 s of connecting");
			else
				step_read(database, now_ms);
			break;
		case UE_DATABASE_READY:
			step_read(database, now_ms);
			break;
	}
}

void
ue_database_drop(UeDatabase *database, int64_t now_ms, const char *reason)
{
	if (database->state != UE_DATABASE_DOWN)
		ue_database_lose(database, now_ms, reason);
}

bool
ue_database_send(UeDatabase *database, int statement, const UeSlice *parameters,
				 void *query)
{
	const UeStatement *what = &database->options.statements[statement];
	const char **values;
	int *lengths;
	int *formats;
	bool is_sent = false;

	if (database->state != UE_DATABASE_READY ||
		database->n_queries == UE_DATABASE_MAX_QUERIES)
		return false;
	values = calloc((size_t) what->n_parameters + 1, sizeof(*values));
	lengths = calloc((size_t) what->n_parameters + 1, sizeof(*lengths));
	formats = calloc((size_t) what->n_parameters + 1, sizeof(*formats));
	if (values != NULL && lengths != NULL && formats != NULL)
	{
		for (int i = 0; i < what->n_parameters; i++)
		{
			values[i] = parameters[i].ptr;
			lengths[i] = (int) parameters[i].len;
			formats[i] = 1;
		}
		is_sent = PQsendQueryPrepared(database->connection, what->name,
									  what->n_parameters, values, lengths, formats, 1) &&
				  PQpipelineSync(database->connection);
	}
	free(formats);
	free(lengths);
	free(values);
	if (!is_sent)
		return false;
	database->queries[database->n_queries++] = query;
	ue_database_flush(database);
	return true;
}

UeSlice
ue_database_value(const UeDatabaseResult *result, int row, int column)
{
	const PGresult *rows = result->rows;

	if (PQgetisnull(rows, row, column))
		return (UeSlice){NULL, 0};
	return (UeSlice){PQgetvalue(rows, row, column),
					 (size_t) PQgetlength(rows, row, column)};
}

int64_t
ue_database_integer(UeSlice value)
{
	uint64_t number;

	if (value.len != 2 && value.len != 4 && value.len != 8)
		return 0;
	number = value.ptr[0] < 0 ? UINT64_MAX : 0;
	for (size_t i = 0; i < value.len; i++)
		number = number << 8 | (unsigned char) value.ptr[i];
	return (int64_t) number;
}

void
ue_database_flush(UeDatabase *database)
{
	/* A broken connection shows when it is read from. */
	database->events = PQflush(database->connection) == 1 ? POLLIN | POLLOUT : POLLIN;
}

void
ue_database_lose(UeDatabase *database, int64_t now_ms, const char *reason)
{
	UeDatabaseState state = database->state;

	report_down(database, reason);
	database->state = UE_DATABASE_DOWN;
	database->n_queries = 0;
	PQclear(database->result);
	database->result = NULL;
	database->events = 0;
	database->due_ms = now_ms + database->wait_ms;
	database->wait_ms *= 2;
	if (database->wait_ms > MAX_RECONNECT_MS)
		database->wait_ms = MAX_RECONNECT_MS;
	if (state == UE_DATABASE_READY)
		database->handler->on_lost(database->context);
	PQfinish(database->connection);
	database->connection = NULL;
}

void
ue_database_write_line(char *out, size_t out_size, const char *text)
{
	size_t len = 0;

	for (; *text != '\0' && len + 1 < out_size; text++)
	{
		bool is_blank = *text == '\n' || *text == '\t' || *text == ' ';

		if (!is_blank)
			out[len++] = *text;
		else if (len > 0 && out[len - 1] != ' ')
			out[len++] = ' ';
	}
	if (len > 0 && out[len - 1] == ' ')
		len--;
	out[len] = '\0';
}

const char *
ue_database_find_refusal(const PGresult *result)
{
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	if (message == NULL)
		message = PQresultErrorMessage(result);
	return message;
}

static void
step_read(UeDatabase *database, int64_t now_ms)
{
	int n_nulls = 0;

	ue_database_flush(database);
	if (!PQconsumeInput(database->connection))
	{
		ue_database_lose(database, now_ms, PQerrorMessage(database->connection));
		return;
	}

	/* NULL ends each query's results; two in a row, and there is nothing left. */
	while (n_nulls < 2 && !PQisBusy(database->connection))
	{
		PGresult *result = PQgetResult(database->connection);

		n_nulls = result == NULL ? n_nulls + 1 : 0;
		if (result != NULL && !take_result(database, result, now_ms))
			return;
	}
	if (!give_notifications(database))
		return;
	if (PQstatus(database->connection) == CONNECTION_BAD)
		ue_database_lose(database, now_ms, PQerrorMessage(database->connection));
}

/*
 * Owns result.  False when the connection has been given up.
 *
 * A result is only given out with the sync behind it: that is when the server has committed.
 * A server that is shut down at once flushes what it was going to say, the result too, and
 * does not commit.
 */
static bool
take_result(UeDatabase *database, PGresult *result, int64_t now_ms)
{
	bool goes_on = true;

	if (database->state == UE_DATABASE_SETUP)
		goes_on = ue_database_take_setup(database, result, now_ms);
	else if (PQresultStatus(result) != PGRES_PIPELINE_SYNC)
	{
		if (database->n_queries > 0 && database->result == NULL)
		{
			database->result = result;
			return true;
		}
	}
	else if (database->n_queries > 0)
		give_result(database);
	PQclear(result);
	return goes_on && database->connection != NULL;
}

/* The oldest query is over. */
static void
give_result(UeDatabase *database)
{
	PGresult *result = database->result;
	void *query = database->queries[0];
	UeDatabaseResult out = {.sqlstate = "", .message = "", .rows = result};
	const char *sqlstate;

	database->result = NULL;
	database->n_queries--;
	memmove(database->queries, database->queries + 1,
			(size_t) database->n_queries * sizeof(database->queries[0]));
	switch (PQresultStatus(result))
	{
		case PGRES_TUPLES_OK:
		case PGRES_COMMAND_OK:
			out.is_ok = true;
			out.n_rows = PQntuples(result);
			out.n_columns = PQnfields(result);
			break;
		default:
			sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
			out.sqlstate = sqlstate == NULL ? "" : sqlstate;
			out.message = ue_database_find_refusal(result);
			break;
	}
	database->handler->on_result(database->context, query, &out);
	PQclear(result);
}

/* False when the handler has given the connection up. */
static bool
give_notifications(UeDatabase *database)
{
	PGnotify *notification;

	while (database->connection != NULL &&
		   (notification = PQnotifies(database->connection)) != NULL)
	{
		if (database->state == UE_DATABASE_READY && database->handler->on_notify != NULL)
			database->handler->on_notify(database->context, notification->relname,
										 notification->extra);
		PQfreemem(notification);
	}
	return database->connection != NULL;
}

/* Once for each time it goes away.  What the setup refuses is said in any case: nobody
 * else may have heard of it. */
static void
report_down(UeDatabase *database, const char *reason)
{
	char line[512];

	if (database->is_down_reported ||
		(database->options.is_quiet && database->state != UE_DATABASE_SETUP))
		return;
	database->is_down_reported = true;
	ue_database_write_line(line, sizeof(line), reason);
	ue_log_write(UE_LOG_WARNING,
				 database->state == UE_DATABASE_READY ? "database_lost"
													  : "database_unavailable",
				 "no database: verdicts are local, events wait in the journal", "role",
				 database->options.role, "reason", line, NULL);
}
