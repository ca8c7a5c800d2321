/* SPDX-License-Identifier: PostgreSQL */
/*
 * database_connect.c: from nothing to a connection that is ready, and what a conninfo says.
 *
 * RESOLVING only when there are host names.  A resolver that takes longer than an attempt
 * may is kept for the next one: there is never more than one.
 *
 * SETUP asks for the extension's schema and sets the session up in one query, then
 * prepares every statement; a database without the extension is treated like one that is
 * away, and said so.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "database_private.h"
#include "log.h"

#define CONNECT_TIMEOUT_MS 5000
#define MAX_SQL			   4096

static const char setup_sql[] =
	"SELECT pg_catalog.quote_ident(n.nspname),"
	" pg_catalog.set_config('statement_timeout', $1, false),"
	" pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', false)"
	" FROM pg_catalog.pg_extension e"
	" JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace"
	" WHERE e.extname = 'upstream_errors'";

static void begin_connect(UeDatabase *database, int64_t now_ms);
static bool begin_setup(UeDatabase *database);
static bool prepare_statements(UeDatabase *database, const char *schema);
static void become_ready(UeDatabase *database);
static void take_notice(void *context, const char *message);
static void hide_quoted(char *error, size_t error_size);

void
ue_database_start(UeDatabase *database, int64_t now_ms)
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
		ue_database_lose(database, now_ms,
						 "could not start a thread to find the host's address");
		return;
	}
	database->state = UE_DATABASE_RESOLVING;
	database->events = POLLIN;
	ue_database_step_resolve(database, now_ms);
}

void
ue_database_step_resolve(UeDatabase *database, int64_t now_ms)
{
	if (!ue_resolve_is_done(database->resolve))
		return;
	if (ue_resolve_error(database->resolve) != NULL)
		ue_database_lose(database, now_ms, ue_resolve_error(database->resolve));
	else
		begin_connect(database, now_ms);
	ue_resolve_release(database->resolve);
	database->resolve = NULL;
}

void
ue_database_step_connect(UeDatabase *database, int64_t now_ms)
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
			ue_database_lose(database, now_ms, PQerrorMessage(database->connection));
			break;
		case PGRES_POLLING_OK:
			if (!begin_setup(database))
				ue_database_lose(database, now_ms, PQerrorMessage(database->connection));
			break;
	}
}

bool
ue_database_take_setup(UeDatabase *database, const PGresult *result, int64_t now_ms)
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
		ue_database_lose(database, now_ms, ue_database_find_refusal(result));
		return false;
	}
	if (database->n_prepared >= 0)
	{
		database->n_prepared++;
		return true;
	}
	if (PQntuples(result) == 0)
	{
		ue_database_lose(
			database, now_ms,
			"the database does not have the extension: CREATE EXTENSION upstream_errors");
		return false;
	}
	database->n_prepared = 0;
	if (!prepare_statements(database, PQgetvalue(result, 0, 0)))
	{
		ue_database_lose(database, now_ms, PQerrorMessage(database->connection));
		return false;
	}
	return true;
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
	database->state = UE_DATABASE_CONNECTING;
	database->events = POLLOUT;
	if (database->connection != NULL)
		PQsetNoticeProcessor(database->connection, take_notice, database);
	if (database->connection == NULL)
		ue_database_lose(database, now_ms, "out of memory");
	else if (PQstatus(database->connection) == CONNECTION_BAD)
		ue_database_lose(database, now_ms, PQerrorMessage(database->connection));
}

static bool
begin_setup(UeDatabase *database)
{
	char timeout[24];
	const char *const values[] = {timeout};

	snprintf(timeout, sizeof(timeout), "%lld",
			 (long long) database->options.statement_timeout_ms);
	database->state = UE_DATABASE_SETUP;
	database->events = POLLIN;
	database->n_prepared = -1;
	if (PQsetnonblocking(database->connection, 1) != 0 ||
		!PQenterPipelineMode(database->connection) ||
		!PQsendQueryParams(database->connection, setup_sql, 1, NULL, values, NULL, NULL,
						   0) ||
		!PQpipelineSync(database->connection))
		return false;
	ue_database_flush(database);
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

		if (place == NULL)
			snprintf(sql, sizeof(sql), "%s", statement->sql);
		else
			snprintf(sql, sizeof(sql), "%.*s%s%s", (int) (place - statement->sql),
					 statement->sql, schema, place + 2);
		if (!PQsendPrepare(database->connection, statement->name, sql,
						   statement->n_parameters, statement->types))
			return false;
	}
	if (!PQpipelineSync(database->connection))
		return false;
	ue_database_flush(database);
	return true;
}

static void
become_ready(UeDatabase *database)
{
	database->state = UE_DATABASE_READY;
	database->due_ms = UE_DATABASE_NEVER;
	database->wait_ms = database->options.reconnect_ms;
	if (!database->options.is_quiet || database->is_down_reported)
		ue_log_write(UE_LOG_INFO, "database_connected", "connected to the database",
					 "role", database->options.role, NULL);
	database->is_down_reported = false;
	database->handler->on_ready(database->context);
}

/* libpq would write it to stderr as it is. */
static void
take_notice(void *context, const char *message)
{
	const UeDatabase *database = context;
	char line[512];

	ue_database_write_line(line, sizeof(line), message);
	ue_log_write(UE_LOG_DEBUG, "database_notice", "the database said something", "role",
				 database->options.role, "notice", line, NULL);
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
