/* SPDX-License-Identifier: PostgreSQL */
/*
 * database.c: libpq without blocking: connect, set up, pipeline, lose, come back.
 *
 *     DOWN --due--> RESOLVING --> CONNECTING --polled--> SETUP --all prepared--> READY
 *      ^                |             |                    |                       |
 *      +----------------+-------------+----- lose() -------+-----------------------+
 *
 * RESOLVING only when there are host names.  A resolver that takes longer than an attempt
 * may is kept for the next one: there is never more than one.
 *
 * SETUP asks for the extension's schema and sets the session up in one query, then
 * prepares every statement; a database without the extension is treated like one that is
 * away, and said so.
 */
#include "database.h"

#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "database_resolve.h"
#include "log.h"

#define CONNECT_TIMEOUT_MS 5000
#define MAX_RECONNECT_MS   5000
#define MAX_SQL			   4096

typedef enum State
{
	STATE_DOWN = 0,
	STATE_RESOLVING,
	STATE_CONNECTING,
	STATE_SETUP,
	STATE_READY,
} State;

struct UeDatabase
{
	UeDatabaseOptions options;
	char *conninfo; /* owned */
	const UeDatabaseHandler *handler;
	void *context;

	State state;
	UeResolve *resolve; /* owned; NULL: none is running */
	PGconn *connection; /* NULL when DOWN, RESOLVING */
	int events;			/* wanted: POLLIN, POLLOUT */
	int64_t due_ms;		/* DOWN: the next attempt; before READY: giving up */
	int64_t wait_ms;	/* before the attempt after the next failure */
	bool is_down_reported;
	int n_prepared; /* SETUP: results that came; -1: the schema is still to come */

	/* READY: what has been sent and not answered, oldest first */
	void *queries[UE_DATABASE_MAX_QUERIES];
	int n_queries;
	bool is_head_answered; /* the oldest one's result came, its sync did not yet */
};

static const char setup_sql[] =
	"SELECT pg_catalog.quote_ident(n.nspname),"
	" pg_catalog.set_config('statement_timeout', $1, false),"
	" pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', false)"
	" FROM pg_catalog.pg_extension e"
	" JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace"
	" WHERE e.extname = 'upstream_errors'";

static void hide_quoted(char *error, size_t error_size);
static void start(UeDatabase *database, int64_t now_ms);
static void step_resolve(UeDatabase *database, int64_t now_ms);
static void begin_connect(UeDatabase *database, int64_t now_ms);
static void step_connect(UeDatabase *database, int64_t now_ms);
static void step_read(UeDatabase *database, int64_t now_ms);
static bool begin_setup(UeDatabase *database);
static bool take_setup_result(UeDatabase *database, const PGresult *result,
							  int64_t now_ms);
static bool prepare_statements(UeDatabase *database, const char *schema);
static void become_ready(UeDatabase *database);
static bool take_result(UeDatabase *database, PGresult *result, int64_t now_ms);
static void give_result(UeDatabase *database, const PGresult *result);
static void flush(UeDatabase *database);
static void lose(UeDatabase *database, int64_t now_ms, const char *reason);
static void report_down(UeDatabase *database, const char *reason);
static void take_notice(void *context, const char *message);
static void write_one_line(char *out, size_t out_size, const char *text);
static const char *find_refusal(const PGresult *result);

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
	PQfinish(database->connection);
	free(database->conninfo);
	free(database);
}

int
ue_database_fd(const UeDatabase *database)
{
	if (database->state == STATE_RESOLVING)
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
	return database->state == STATE_READY;
}

void
ue_database_step(UeDatabase *database, int64_t now_ms)
{
	switch (database->state)
	{
		case STATE_DOWN:
			if (now_ms >= database->due_ms)
				start(database, now_ms);
			break;
		case STATE_RESOLVING:
			if (now_ms >= database->due_ms)
				lose(database, now_ms, "no address of the host within 5 s");
			else
				step_resolve(database, now_ms);
			break;
		case STATE_CONNECTING:
			if (now_ms >= database->due_ms)
				lose(database, now_ms, "no connection within 5 s");
			else
				step_connect(database, now_ms);
			break;
		case STATE_SETUP:
			if (now_ms >= database->due_ms)
				lose(database, now_ms, "no answer within 5 s of connecting");
			else
				step_read(database, now_ms);
			break;
		case STATE_READY:
			step_read(database, now_ms);
			break;
	}
}

void
ue_database_drop(UeDatabase *database, int64_t now_ms, const char *reason)
{
	if (database->state != STATE_DOWN)
		lose(database, now_ms, reason);
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

	if (database->state != STATE_READY || database->n_queries == UE_DATABASE_MAX_QUERIES)
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
	flush(database);
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

bool
ue_database_check_conninfo(const char *conninfo, char *error, size_t error_size)
{
	char *reason = NULL;
	PQconninfoOption *options = PQconninfoParse(conninfo, &reason);
	bool is_valid = options != NULL;

	if (!is_valid)
	{
		snprintf(error, error_size, "%s", reason == NULL ? "out of memory" : reason);
		error[strcspn(error, "\n")] = '\0';
		hide_quoted(error, error_size);
	}
	PQconninfoFree(options);
	PQfreemem(reason);
	return is_valid;
}

bool
ue_database_mask_conninfo(const char *conninfo, char *out, size_t out_size)
{
	PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
	size_t len = 0;

	if (options == NULL)
		return false;
	out[0] = '\0';
	for (const PQconninfoOption *option = options; option->keyword != NULL; option++)
	{
		/* libpq marks with '*' what a dialog would not show */
		const char *value = option->dispchar[0] == '*' ? "***" : option->val;

		if (option->val == NULL || len >= out_size)
			continue;
		len += (size_t) snprintf(out + len, out_size - len, "%s%s=%s", len > 0 ? " " : "",
								 option->keyword, value);
	}
	PQconninfoFree(options);
	return true;
}

/* libpq quotes what it does not understand, up to the whole URI, and a password may be in
 * it (fe-connect.c, conninfo_parse and conninfo_uri_parse_options).  A name stays. */
static void
hide_quoted(char *error, size_t error_size)
{
	static const char hidden[] = "\"***\"";
	char *quoted = strstr(error, "after \"");

	if (strncmp(error, "invalid connection option \"", 27) == 0)
		return;
	if (quoted == NULL)
		quoted = strstr(error, ": \"");
	if (quoted == NULL)
		return;
	quoted = strchr(quoted, '"');
	snprintf(quoted, error_size - (size_t) (quoted - error), "%s", hidden);
}

static void
start(UeDatabase *database, int64_t now_ms)
{
	database->due_ms = now_ms + CONNECT_TIMEOUT_MS;
	if (database->resolve == NULL && !ue_resolve_is_needed(database->conninfo))
	{
		begin_connect(database, now_ms);
		return;
	}
	if (database->resolve == NULL)
		database->resolve = ue_resolve_start(database->conninfo);
	if (database->resolve == NULL)
	{
		lose(database, now_ms, "could not start a thread to find the host's address");
		return;
	}
	database->state = STATE_RESOLVING;
	database->events = POLLIN;
	step_resolve(database, now_ms);
}

static void
step_resolve(UeDatabase *database, int64_t now_ms)
{
	if (!ue_resolve_is_done(database->resolve))
		return;
	if (ue_resolve_error(database->resolve) != NULL)
		lose(database, now_ms, ue_resolve_error(database->resolve));
	else
		begin_connect(database, now_ms);
	ue_resolve_release(database->resolve);
	database->resolve = NULL;
}

static void
begin_connect(UeDatabase *database, int64_t now_ms)
{
	/* What stands before dbname is a default that the conninfo may override; what stands
	 * behind it, overrides the conninfo. */
	const char *keywords[] = {"tcp_user_timeout",
							  "keepalives_idle",
							  "fallback_application_name",
							  "dbname",
							  "client_encoding",
							  NULL,
							  NULL,
							  NULL,
							  NULL};
	const char *values[] = {
		"10000", "30", "upstream-errors-sidecar", database->conninfo, "UTF8", NULL, NULL,
		NULL,	 NULL};

	if (database->resolve != NULL)
	{
		keywords[5] = "host";
		values[5] = ue_resolve_hosts(database->resolve);
		keywords[6] = "hostaddr";
		values[6] = ue_resolve_addresses(database->resolve);
		keywords[7] = "port";
		values[7] = ue_resolve_ports(database->resolve);
	}
	database->connection = PQconnectStartParams(keywords, values, 1);
	database->state = STATE_CONNECTING;
	database->events = POLLOUT;
	if (database->connection != NULL)
		PQsetNoticeProcessor(database->connection, take_notice, database);
	if (database->connection == NULL)
		lose(database, now_ms, "out of memory");
	else if (PQstatus(database->connection) == CONNECTION_BAD)
		lose(database, now_ms, PQerrorMessage(database->connection));
}

static void
step_connect(UeDatabase *database, int64_t now_ms)
{
	struct pollfd polled = {.fd = PQsocket(database->connection),
							.events = (short) database->events};

	/* Called too early, PQconnectPoll takes a connect in progress for a finished one. */
	if (polled.fd >= 0 && poll(&polled, 1, 0) == 0)
		return;
	switch (PQconnectPoll(database->connection))
	{
		case PGRES_POLLING_READING:
			database->events = POLLIN;
			break;
		case PGRES_POLLING_WRITING:
		case PGRES_POLLING_ACTIVE:
			database->events = POLLOUT;
			break;
		case PGRES_POLLING_FAILED:
			lose(database, now_ms, PQerrorMessage(database->connection));
			break;
		case PGRES_POLLING_OK:
			if (!begin_setup(database))
				lose(database, now_ms, PQerrorMessage(database->connection));
			break;
	}
}

static void
step_read(UeDatabase *database, int64_t now_ms)
{
	int n_nulls = 0;

	flush(database);
	if (!PQconsumeInput(database->connection))
	{
		lose(database, now_ms, PQerrorMessage(database->connection));
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
	if (PQstatus(database->connection) == CONNECTION_BAD)
		lose(database, now_ms, PQerrorMessage(database->connection));
}

static bool
begin_setup(UeDatabase *database)
{
	char timeout[24];
	const char *const values[] = {timeout};

	snprintf(timeout, sizeof(timeout), "%lld",
			 (long long) database->options.statement_timeout_ms);
	database->state = STATE_SETUP;
	database->events = POLLIN;
	database->n_prepared = -1;
	if (PQsetnonblocking(database->connection, 1) != 0 ||
		!PQenterPipelineMode(database->connection) ||
		!PQsendQueryParams(database->connection, setup_sql, 1, NULL, values, NULL, NULL,
						   0) ||
		!PQpipelineSync(database->connection))
		return false;
	flush(database);
	return true;
}

/* Owns result.  False when the connection has been given up. */
static bool
take_result(UeDatabase *database, PGresult *result, int64_t now_ms)
{
	bool goes_on = true;

	if (database->state == STATE_SETUP)
		goes_on = take_setup_result(database, result, now_ms);
	else if (PQresultStatus(result) != PGRES_PIPELINE_SYNC)
		give_result(database, result);
	else if (database->n_queries > 0)
	{
		database->n_queries--;
		memmove(database->queries, database->queries + 1,
				(size_t) database->n_queries * sizeof(database->queries[0]));
		database->is_head_answered = false;
	}
	PQclear(result);
	return goes_on && database->connection != NULL;
}

static bool
take_setup_result(UeDatabase *database, const PGresult *result, int64_t now_ms)
{
	ExecStatusType status = PQresultStatus(result);

	if (status == PGRES_PIPELINE_SYNC)
	{
		if (database->n_prepared == database->options.n_statements)
			become_ready(database);
		return true;
	}
	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
	{
		lose(database, now_ms, find_refusal(result));
		return false;
	}
	if (database->n_prepared >= 0)
	{
		database->n_prepared++;
		return true;
	}
	if (PQntuples(result) == 0)
	{
		lose(
			database, now_ms,
			"the database does not have the extension: CREATE EXTENSION upstream_errors");
		return false;
	}
	database->n_prepared = 0;
	if (!prepare_statements(database, PQgetvalue(result, 0, 0)))
	{
		lose(database, now_ms, PQerrorMessage(database->connection));
		return false;
	}
	return true;
}

static bool
prepare_statements(UeDatabase *database, const char *schema)
{
	for (int i = 0; i < database->options.n_statements; i++)
	{
		const UeStatement *statement = &database->options.statements[i];
		const char *place = strstr(statement->sql, "%s");
		char sql[MAX_SQL];

		snprintf(sql, sizeof(sql), "%.*s%s%s", (int) (place - statement->sql),
				 statement->sql, schema, place + 2);
		if (!PQsendPrepare(database->connection, statement->name, sql,
						   statement->n_parameters, statement->types))
			return false;
	}
	if (!PQpipelineSync(database->connection))
		return false;
	flush(database);
	return true;
}

static void
become_ready(UeDatabase *database)
{
	database->state = STATE_READY;
	database->due_ms = UE_DATABASE_NEVER;
	database->wait_ms = database->options.reconnect_ms;
	if (!database->options.is_quiet || database->is_down_reported)
		ue_log_write(UE_LOG_INFO, "database_connected", "connected to the database",
					 "role", database->options.role, NULL);
	database->is_down_reported = false;
	database->handler->on_ready(database->context);
}

static void
give_result(UeDatabase *database, const PGresult *result)
{
	UeDatabaseResult out = {.sqlstate = "", .message = "", .rows = result};
	const char *sqlstate;

	if (database->n_queries == 0 || database->is_head_answered)
		return;
	database->is_head_answered = true;
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
			out.message = find_refusal(result);
			break;
	}
	database->handler->on_result(database->context, database->queries[0], &out);
}

static void
flush(UeDatabase *database)
{
	/* A broken connection shows when it is read from. */
	database->events = PQflush(database->connection) == 1 ? POLLIN | POLLOUT : POLLIN;
}

static void
lose(UeDatabase *database, int64_t now_ms, const char *reason)
{
	State state = database->state;

	report_down(database, reason);
	database->state = STATE_DOWN;
	database->n_queries = 0;
	database->is_head_answered = false;
	database->events = 0;
	database->due_ms = now_ms + database->wait_ms;
	database->wait_ms *= 2;
	if (database->wait_ms > MAX_RECONNECT_MS)
		database->wait_ms = MAX_RECONNECT_MS;
	if (state == STATE_READY)
		database->handler->on_lost(database->context);
	PQfinish(database->connection);
	database->connection = NULL;
}

/* Once for each time it goes away.  What the setup refuses is said in any case: nobody
 * else may have heard of it. */
static void
report_down(UeDatabase *database, const char *reason)
{
	char line[512];

	if (database->is_down_reported ||
		(database->options.is_quiet && database->state != STATE_SETUP))
		return;
	database->is_down_reported = true;
	write_one_line(line, sizeof(line), reason);
	ue_log_write(UE_LOG_WARNING,
				 database->state == STATE_READY ? "database_lost"
												: "database_unavailable",
				 "no database: verdicts are local, events wait in the journal", "role",
				 database->options.role, "reason", line, NULL);
}

/* libpq would write it to stderr as it is. */
static void
take_notice(void *context, const char *message)
{
	const UeDatabase *database = context;
	char line[512];

	write_one_line(line, sizeof(line), message);
	ue_log_write(UE_LOG_DEBUG, "database_notice", "the database said something", "role",
				 database->options.role, "notice", line, NULL);
}

/* Runs of white space as one blank, none at the end. */
static void
write_one_line(char *out, size_t out_size, const char *text)
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

static const char *
find_refusal(const PGresult *result)
{
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	if (message == NULL)
		message = PQresultErrorMessage(result);
	return message;
}
