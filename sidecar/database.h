/* SPDX-License-Identifier: PostgreSQL */
/*
 * database.h: one connection to Postgres that never blocks and always comes back.
 *
 * Serves a worker's epoll loop and the shipper's poll() alike: the owner waits for fd,
 * events and due time, and calls ue_database_step when any of them is there.  Only
 * database*.c include <libpq-fe.h>.
 *
 * A connection is ready once the extension's schema is known and all statements are
 * prepared.  Queries go out in pipeline mode, each with a sync of its own, so that one that
 * fails takes no other with it.  After a loss it is tried again by itself, first after
 * reconnect_ms, then twice as long each time up to 5 s.
 *
 * Host names in conninfo are resolved in a thread beside, so that no step ever waits for
 * a name server.
 */
#ifndef UE_DATABASE_H
#define UE_DATABASE_H

#include <stdint.h>

#include "columns.h"

typedef struct UeDatabase UeDatabase;

/* sql may hold one %s for the extension's schema, quoted.  types are array OIDs, see
 * ue_database_array_oid. */
typedef struct UeStatement
{
	const char *name;
	const char *sql;
	int n_parameters;
	const uint32_t *types;
} UeStatement;

typedef struct UeDatabaseResult
{
	bool is_ok;
	const char *sqlstate; /* when not ok: five characters, or empty; never NULL */
	const char *message;  /* when not ok: not masked; never NULL */
	int n_rows;
	int n_columns;
	const void *rows; /* private */
} UeDatabaseResult;

/* Called from ue_database_step only. */
typedef struct UeDatabaseHandler
{
	void (*on_ready)(void *context);
	/* query is what ue_database_send was given.  Valid during the call. */
	void (*on_result)(void *context, void *query, const UeDatabaseResult *result);
	/* Before the descriptor is closed.  Queries without a result will get none. */
	void (*on_lost)(void *context);
	/* What another session said on a channel that this one listens to; may be NULL. */
	void (*on_notify)(void *context, const char *channel, const char *payload);
} UeDatabaseHandler;

typedef struct UeDatabaseOptions
{
	const char *conninfo;
	const char *role; /* for log lines: "shipper", "decider" */
	int64_t reconnect_ms;
	int64_t statement_timeout_ms;
	bool is_quiet;				   /* connecting and losing is another's to report */
	const UeStatement *statements; /* must outlive the database */
	int n_statements;
} UeDatabaseOptions;

#define UE_DATABASE_NEVER		INT64_MAX
#define UE_DATABASE_MAX_QUERIES 4 /* in flight */

/* conninfo is copied.  Connects with the first step.  NULL on exhaustion. */
extern UeDatabase *ue_database_new(const UeDatabaseOptions *options,
								   const UeDatabaseHandler *handler, void *context);
extern void ue_database_free(UeDatabase *database); /* on_lost is not called */

extern int ue_database_fd(const UeDatabase *database);	   /* -1: none */
extern int ue_database_events(const UeDatabase *database); /* POLLIN, POLLOUT */
extern int64_t ue_database_due_ms(const UeDatabase *database);

/* now_ms and due_ms are on one monotonic clock of the owner's choice.  While the database
 * is not ready the descriptor may be another one after each step. */
extern void ue_database_step(UeDatabase *database, int64_t now_ms);

extern bool ue_database_is_ready(const UeDatabase *database);

/* Gives the connection up, as if it had been lost, with the reason for the log. */
extern void ue_database_drop(UeDatabase *database, int64_t now_ms, const char *reason);

/*
 * Sends statements[statement] with binary parameters and asks for a binary result.  False:
 * not ready, too many in flight, or the connection is broken (the next step notices).
 */
extern bool ue_database_send(UeDatabase *database, int statement,
							 const UeSlice *parameters, void *query);

/* A value in binary form; the empty slice with ptr NULL when it is null. */
extern UeSlice ue_database_value(const UeDatabaseResult *result, int row, int column);
extern int64_t ue_database_integer(UeSlice value); /* int2, int4, int8; 0 otherwise */

/* Checks the conninfo's syntax.  False and libpq's words in error. */
extern bool ue_database_check_conninfo(const char *conninfo, char *error,
									   size_t error_size);

/* The conninfo without its password, for --check; false when it has a syntax error. */
extern bool ue_database_mask_conninfo(const char *conninfo, char *out, size_t out_size);

/*
 * Arrays in PostgreSQL's binary form (array_recv of src/backend/utils/adt/arrayfuncs.c):
 * begin, then n elements.
 */
typedef enum UeElement
{
	UE_ELEMENT_TIMESTAMPTZ = 0,
	UE_ELEMENT_UUID,
	UE_ELEMENT_TEXT,
	UE_ELEMENT_INT4,
	UE_ELEMENT_INT8,
	UE_ELEMENT_BOOL,
	UE_ELEMENT_JSONB,
	UE_ELEMENT_INET,
	UE_ELEMENT_BYTEA,
} UeElement;

extern uint32_t ue_database_array_oid(UeElement element);
extern void ue_database_write_array(UeBuf *buf, UeElement element, size_t n_elements);
extern void ue_database_write_null(UeBuf *buf);
extern void ue_database_write_bytes(UeBuf *buf, UeSlice bytes); /* text, bytea, uuid */
extern void ue_database_write_int4(UeBuf *buf, int64_t value);	/* clamped */
extern void ue_database_write_int8(UeBuf *buf, int64_t value);
extern void ue_database_write_bool(UeBuf *buf, bool value);
extern void ue_database_write_time(UeBuf *buf, int64_t unix_us);
extern void ue_database_write_jsonb(UeBuf *buf, UeSlice text);
extern void ue_database_write_inet(UeBuf *buf,
								   UeSlice text); /* null when it is no address */

/* One column of some records, all of the structure that it is a column of, as an array. */
extern void ue_database_write_column(UeBuf *buf, const UeColumn *column,
									 const void *const *records, size_t n_records);

#endif
