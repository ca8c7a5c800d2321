/* SPDX-License-Identifier: PostgreSQL */
/*
 * record.c: record CONNINFO BATCH ROUNDS
 *
 * What recording costs beside COPY BINARY: the same number of like events, into the same
 * table, in transactions of the same size, by turns, so that noise hits both.  Both are
 * encoded before the clock starts, by the sidecar's own code; what is timed is from the
 * first byte sent to the commit known.  Prints both rates, the median of the turns' ratios,
 * and the WAL that a row costs.
 */
#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "database.h"
#include "event.h"
#include "heap.h"

#define MAX_BATCH  10000
#define MAX_ROUNDS 10000
#define MAX_MEMORY ((size_t) 512 * 1024 * 1024)

/* What stands before the first element of an array: ndim, flag, type, length, bound. */
#define ARRAY_HEADER 20

/* The signature, flags and an empty extension: sql-copy.html, "Binary Format". */
static const char copy_header[19] = "PGCOPY\n\377\r\n";

typedef struct Way
{
	double seconds[MAX_ROUNDS];
	double total_seconds;
	int64_t wal_bytes;
} Way;

static PGconn *connection;
static uint32_t n_made;

static void
give_up(const char *what)
{
	fprintf(stderr, "record: %s: %s\n", what, PQerrorMessage(connection));
	exit(1);
}

static void
check(bool is_ok, const char *what)
{
	if (!is_ok)
		give_up(what);
}

static double
read_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

/* An answer of 429 as the sidecar records it, each with ids of its own. */
static void
make_event(UeArena *arena, UeEvent *event)
{
	static const char *const platforms[] = {"openai", "anthropic", "gemini", "azure"};
	struct timespec now;
	char text[64];
	uint32_t n = ++n_made; /* an id of zeros only is none */

	clock_gettime(CLOCK_REALTIME, &now);
	ue_event_init(event);
	event->at_us = (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
	for (int i = 0; i < 16; i++)
		event->event_id[i] =
			(unsigned char) (i < 6 ? n >> (i * 5) : (n * 2654435761U) >> i);
	snprintf(text, sizeof(text), "req_%010" PRIu32 "%08" PRIx32, n, n * 2654435761U);
	check(ue_arena_copy(arena, ue_slice_of(text), &event->request_id) == UE_OK, "memory");
	event->attempt = 1;
	event->platform = ue_slice_of(platforms[n % 4]);
	event->route = UE_SLICE("/v1/chat/completions");
	event->format = UE_SLICE("openai");
	event->model = UE_SLICE("gpt-4o");
	event->upstream_model = event->model;
	event->kind = UE_SLICE("http_error");
	event->class = UE_SLICE("rate_limit");
	event->phase = UE_SLICE("upstream");
	event->owner = UE_SLICE("provider");
	event->source = UE_SLICE("upstream_http");
	event->severity = UE_SLICE("P1");
	event->retryable = true;
	event->error_type = UE_SLICE("tokens");
	event->error_code = UE_SLICE("rate_limit_exceeded");
	event->code = event->error_code;
	event->status_code = 429;
	event->upstream_request_id = event->request_id;
	event->message = UE_SLICE("Rate limit reached for gpt-4o in organization org-*** on "
							  "tokens per min (TPM): Limit 30000, Used 29500. Please try "
							  "again in 7s.");
	event->detail = UE_SLICE(
		"{\"error\":{\"message\":\"Rate limit reached for gpt-4o in organization org-*** "
		"on tokens per min (TPM): Limit 30000, Used 29500. Please try again in 7s.\","
		"\"type\":\"tokens\",\"param\":null,\"code\":\"rate_limit_exceeded\"}}");
	event->original_bytes = (int64_t) event->detail.len;
	event->retry_after_ms = 7000;
	event->first_byte_ms = 180;
	event->total_ms = 182;
	event->sent_bytes = 0;
	event->response_status = 429;
	event->outcome = UE_SLICE("answered");
	event->decided_by = UE_SLICE("postgres");
	event->mask_version = 1;
	event->trace_id = UE_SLICE("0af7651916cd43dd8448eb211c80319c");
	event->instance = UE_SLICE("gateway-1");
}

static UeSlice
write_column(UeArena *arena, int column, const void *const *events, size_t n_events)
{
	UeBuf buf;
	UeSlice array;

	ue_buf_init(&buf, arena, MAX_MEMORY);
	ue_database_write_column(&buf, &ue_event_columns[column], events, n_events);
	check(ue_buf_finish(&buf, &array) == UE_OK, "memory");
	return array;
}

/* A field of COPY BINARY is what an element of an array is: its length and its bytes. */
static UeSlice
write_copy(UeArena *arena, const void *const *events, size_t n_events)
{
	static const char n_columns[2] = {0, UE_EVENT_COLUMNS};
	UeBuf buf;
	UeSlice text;

	ue_buf_init(&buf, arena, MAX_MEMORY);
	ue_buf_append(&buf, (UeSlice){copy_header, sizeof(copy_header)});
	for (size_t row = 0; row < n_events; row++)
	{
		ue_buf_append(&buf, (UeSlice){n_columns, sizeof(n_columns)});
		for (int column = 0; column < UE_EVENT_COLUMNS; column++)
		{
			UeSlice one = write_column(arena, column, events + row, 1);

			ue_buf_append(&buf, ue_slice_sub(one, ARRAY_HEADER, one.len));
		}
	}
	ue_buf_append(&buf, (UeSlice){"\377\377", 2});
	check(ue_buf_finish(&buf, &text) == UE_OK, "memory");
	return text;
}

static double
run_record(UeArena *arena, const void *const *events, size_t n_events)
{
	const char *values[UE_EVENT_COLUMNS];
	int lengths[UE_EVENT_COLUMNS];
	int formats[UE_EVENT_COLUMNS];
	PGresult *result;
	double start;

	for (int column = 0; column < UE_EVENT_COLUMNS; column++)
	{
		UeSlice array = write_column(arena, column, events, n_events);

		values[column] = array.ptr;
		lengths[column] = (int) array.len;
		formats[column] = 1;
	}
	start = read_clock();
	result = PQexecPrepared(connection, "record", UE_EVENT_COLUMNS, values, lengths,
							formats, 0);
	start = read_clock() - start;
	check(PQresultStatus(result) == PGRES_TUPLES_OK, "upstream_error_record");
	check((size_t) atol(PQgetvalue(result, 0, 0)) == n_events, "not all were new");
	PQclear(result);
	return start;
}

static double
run_copy(UeArena *arena, const void *const *events, size_t n_events)
{
	UeSlice text = write_copy(arena, events, n_events);
	char sql[2048] = "COPY upstream_error_events (";
	PGresult *result;
	double start;

	for (int i = 0; i < UE_EVENT_COLUMNS; i++)
		snprintf(sql + strlen(sql), sizeof(sql) - strlen(sql), "%s%s", i > 0 ? ", " : "",
				 ue_event_columns[i].name);
	strcat(sql, ") FROM STDIN (FORMAT binary)");
	start = read_clock();
	result = PQexec(connection, sql);
	check(PQresultStatus(result) == PGRES_COPY_IN, "COPY");
	PQclear(result);
	check(PQputCopyData(connection, text.ptr, (int) text.len) == 1, "COPY");
	check(PQputCopyEnd(connection, NULL) == 1, "COPY");
	result = PQgetResult(connection);
	check(PQresultStatus(result) == PGRES_COMMAND_OK, "COPY");
	check((size_t) atol(PQcmdTuples(result)) == n_events, "not all were copied");
	PQclear(result);
	check(PQgetResult(connection) == NULL, "COPY");
	return read_clock() - start;
}

static int64_t
read_wal_position(void)
{
	PGresult *result =
		PQexec(connection, "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn");
	int64_t position;

	check(PQresultStatus(result) == PGRES_TUPLES_OK, "WAL position");
	position = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
	PQclear(result);
	return position;
}

static void
run_turn(Way *way, int round, size_t n_events,
		 double (*run)(UeArena *arena, const void *const *events, size_t n_events))
{
	static UeEvent events[MAX_BATCH];
	static const void *pointers[MAX_BATCH];
	UeArena arena;
	int64_t position;

	ue_arena_init(&arena, &ue_heap_allocator, MAX_MEMORY);
	for (size_t i = 0; i < n_events; i++)
	{
		make_event(&arena, &events[i]);
		pointers[i] = &events[i];
	}
	position = read_wal_position();
	way->seconds[round] = run(&arena, pointers, n_events);
	way->total_seconds += way->seconds[round];
	way->wal_bytes += read_wal_position() - position;
	ue_arena_free(&arena);
}

static void
prepare(void)
{
	char sql[512] = "SELECT upstream_error_record(";
	PGresult *result;

	for (int i = 1; i <= UE_EVENT_COLUMNS; i++)
		snprintf(sql + strlen(sql), sizeof(sql) - strlen(sql), "%s$%d", i > 1 ? ", " : "",
				 i);
	strcat(sql, ")");
	result = PQprepare(connection, "record", sql, 0, NULL);
	check(PQresultStatus(result) == PGRES_COMMAND_OK, "prepare");
	PQclear(result);
}

static int
compare(const void *left, const void *right)
{
	double a = *(const double *) left;
	double b = *(const double *) right;

	return (a > b) - (a < b);
}

int
main(int argc, char **argv)
{
	static Way record, copy;
	static double ratios[MAX_ROUNDS];
	size_t batch = argc == 4 ? strtoul(argv[2], NULL, 10) : 0;
	int rounds = argc == 4 ? atoi(argv[3]) : 0;
	double n_rows = (double) batch * rounds;

	if (batch < 1 || batch > MAX_BATCH || rounds < 1 || rounds > MAX_ROUNDS)
	{
		fprintf(stderr, "usage: record CONNINFO BATCH ROUNDS\n");
		return 2;
	}
	connection = PQconnectdb(argv[1]);
	check(PQstatus(connection) == CONNECTION_OK, "connection");
	prepare();
	for (int round = -2; round < rounds; round++)
	{
		/* two turns to warm up; and who goes first changes */
		if (round == 0)
		{
			memset(&record, 0, sizeof(record));
			memset(&copy, 0, sizeof(copy));
		}
		if (round % 2 == 0)
			run_turn(&record, round < 0 ? 0 : round, batch, run_record);
		run_turn(&copy, round < 0 ? 0 : round, batch, run_copy);
		if (round % 2 != 0)
			run_turn(&record, round < 0 ? 0 : round, batch, run_record);
		if (round >= 0)
			ratios[round] = copy.seconds[round] / record.seconds[round];
	}
	qsort(ratios, (size_t) rounds, sizeof(ratios[0]), compare);
	printf("%6zu %12.0f %12.0f %8.2f %12.0f %12.0f\n", batch,
		   n_rows / record.total_seconds, n_rows / copy.total_seconds, ratios[rounds / 2],
		   (double) record.wal_bytes / n_rows, (double) copy.wal_bytes / n_rows);
	PQfinish(connection);
	return 0;
}
