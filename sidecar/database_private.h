/* SPDX-License-Identifier: PostgreSQL */
/*
 * database_private.h: what the files of the connection share.
 *
 * database.c          sending, results, notifications, losing
 * database_connect.c  from nothing to ready, and what a conninfo says
 */
#ifndef UE_DATABASE_PRIVATE_H
#define UE_DATABASE_PRIVATE_H

#include <libpq-fe.h>

#include "database.h"
#include "database_resolve.h"

typedef enum UeDatabaseState
{
	UE_DATABASE_DOWN = 0,
	UE_DATABASE_RESOLVING,
	UE_DATABASE_CONNECTING,
	UE_DATABASE_SETUP,
	UE_DATABASE_READY,
} UeDatabaseState;

struct UeDatabase
{
	UeDatabaseOptions options;
	char *conninfo; /* owned */
	const UeDatabaseHandler *handler;
	void *context;

	UeDatabaseState state;
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
	PGresult *result; /* of the oldest one, owned, while its sync is to come */
};

/* database_connect.c: one step each; what fails ends in ue_database_lose. */
extern void ue_database_start(UeDatabase *database, int64_t now_ms);
extern void ue_database_step_resolve(UeDatabase *database, int64_t now_ms);
extern void ue_database_step_connect(UeDatabase *database, int64_t now_ms);
/* False when the connection has been given up. */
extern bool ue_database_take_setup(UeDatabase *database, const PGresult *result,
								   int64_t now_ms);

/* database.c */
extern void ue_database_flush(UeDatabase *database);
extern void ue_database_lose(UeDatabase *database, int64_t now_ms, const char *reason);
extern const char *ue_database_find_refusal(const PGresult *result);
/* Runs of white space as one blank, none at the end. */
extern void ue_database_write_line(char *out, size_t out_size, const char *text);

#endif
