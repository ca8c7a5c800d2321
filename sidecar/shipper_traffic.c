/* SPDX-License-Identifier: PostgreSQL */
/*
 * shipper_traffic.c: rows that replace one another, in the order of the journal.
 *
 * There are as many as kinds of request in a minute, hundreds at most, and after a time
 * without a database some more: looking for one from the front is quick enough for records
 * that come once a second.
 */
#include "shipper_traffic.h"

#include <stdlib.h>
#include <string.h>

#include "heap.h"
#include "log.h"

#define MINUTE_US  (60 * INT64_C(1000000))
#define SECOND_US  INT64_C(1000000)
#define MAX_MEMORY ((size_t) 16 * 1024 * 1024)

/* timestamptz[], uuid[], text[], int8[] as in database_array.c. */
static const uint32_t parameter_types[UE_TRAFFIC_COLUMNS] = {
	1185, 2951, 1009, 1009, 1009, 1009, 1009, 1009, 1016, 1016, 1016, 1009, 1009,
};

const UeStatement ue_counts_statement = {
	.name = "upstream_error_record_traffic",
	.sql = "SELECT %s.upstream_error_record_traffic("
		   "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
	.n_parameters = UE_TRAFFIC_COLUMNS,
	.types = parameter_types,
};

static UeCount *read_count(const UeJournalEntry *entry, bool *is_no_memory);
static int64_t find_row_due(const UeTrafficRow *row, int64_t now_us);
static void replace_older(UeCounts *counts, UeCount *count);
static void finish_taken(UeCounts *counts);
static void report_refused(const UeCounts *counts, const UeDatabaseResult *result);
static bool is_refusal_of_data(const char *sqlstate);
static void free_count(UeCount *count);

void
ue_counts_init(UeCounts *counts)
{
	memset(counts, 0, sizeof(*counts));
}

void
ue_counts_reset(UeCounts *counts)
{
	while (counts->first != NULL)
	{
		UeCount *count = counts->first;

		counts->first = count->next;
		free_count(count);
	}
	ue_counts_init(counts);
}

bool
ue_counts_is_full(const UeCounts *counts)
{
	return counts->n_rows >= UE_COUNTS_MAX_ROWS && !counts->is_refused;
}

bool
ue_counts_append(UeCounts *counts, const UeJournalEntry *entry, int64_t now_us)
{
	bool is_no_memory = false;
	UeCount *count = read_count(entry, &is_no_memory);

	if (count == NULL)
		return !is_no_memory;
	count->due_us = find_row_due(&count->row, now_us);
	replace_older(counts, count);
	if (counts->n_rows >= UE_COUNTS_MAX_ROWS && counts->n_taken == 0)
	{
		UeCount *oldest = counts->first;

		counts->first = oldest->next;
		counts->n_rows--;
		free_count(oldest);
	}
	if (counts->first == NULL)
		counts->first = count;
	else
		counts->last->next = count;
	counts->last = count;
	counts->n_rows++;
	return true;
}

int64_t
ue_counts_find_due(const UeCounts *counts)
{
	int64_t due_us = INT64_MAX;

	if (counts->n_taken > 0)
		return INT64_MAX;
	for (const UeCount *count = counts->first; count != NULL; count = count->next)
		if (count->due_us < due_us)
			due_us = count->due_us;
	return due_us < counts->retry_at_us ? counts->retry_at_us : due_us;
}

bool
ue_counts_send(UeCounts *counts, UeDatabase *database, int statement, void *query)
{
	size_t n_rows = counts->n_rows;
	const void *rows[UE_COUNTS_MAX_ROWS];
	UeSlice parameters[UE_TRAFFIC_COLUMNS];
	UeCount *count = counts->first;
	UeArena arena;
	bool is_sent = true;

	if (counts->n_singly > 0)
		n_rows = 1;
	else if (n_rows > UE_COUNTS_MAX_ROWS)
		n_rows = UE_COUNTS_MAX_ROWS;
	for (size_t i = 0; i < n_rows; i++, count = count->next)
		rows[i] = &count->row;
	ue_arena_init(&arena, &ue_heap_allocator, MAX_MEMORY);
	for (int i = 0; i < UE_TRAFFIC_COLUMNS && is_sent; i++)
	{
		UeBuf buf;

		ue_buf_init(&buf, &arena, MAX_MEMORY);
		ue_database_write_column(&buf, &ue_traffic_columns[i], rows, n_rows);
		is_sent = ue_buf_finish(&buf, &parameters[i]) == UE_OK;
	}
	is_sent = is_sent && ue_database_send(database, statement, parameters, query);
	ue_arena_free(&arena);
	if (!is_sent)
		return false;
	counts->n_taken = n_rows;
	count = counts->first;
	for (size_t i = 0; i < n_rows; i++, count = count->next)
		count->is_taken = true;
	return true;
}

void
ue_counts_apply_result(UeCounts *counts, const UeDatabaseResult *result, int64_t now_us)
{
	if (result->is_ok)
	{
		counts->is_refused = false;
		finish_taken(counts);
		return;
	}
	if (!counts->is_refused || counts->n_singly > 0)
		report_refused(counts, result);
	if (is_refusal_of_data(result->sqlstate))
	{
		if (counts->n_taken > 1)
			counts->n_singly = counts->n_taken;
		else
		{
			finish_taken(counts);
			return;
		}
	}
	else
	{
		counts->is_refused = true;
		counts->retry_at_us = now_us + UE_COUNTS_WAIT_US;
	}
	ue_counts_give_back(counts);
}

void
ue_counts_give_back(UeCounts *counts)
{
	for (UeCount *count = counts->first; count != NULL; count = count->next)
		count->is_taken = false;
	counts->n_taken = 0;
}

bool
ue_counts_find_oldest(const UeCounts *counts, UeJournalPosition *oldest)
{
	if (counts->first == NULL)
		return false;
	*oldest = counts->first->position;
	return true;
}

/* NULL: no memory, or a version of ours wrote it that we do not know. */
static UeCount *
read_count(const UeJournalEntry *entry, bool *is_no_memory)
{
	UeSlice payload = entry->record.payload;
	UeCount *count = calloc(1, sizeof(*count));

	if (count != NULL)
		count->payload = malloc(payload.len + 1);
	if (count == NULL || count->payload == NULL)
	{
		*is_no_memory = true;
		free(count);
		return NULL;
	}
	memcpy(count->payload, payload.ptr, payload.len);
	if (ue_traffic_row_read((UeSlice){count->payload, payload.len}, &count->row) != UE_OK)
	{
		free_count(count);
		return NULL;
	}
	count->position = entry->position;
	return count;
}

/* The times of the journal may be anything; a row of an earlier or a later day goes now. */
static int64_t
find_row_due(const UeTrafficRow *row, int64_t now_us)
{
	int64_t age_us;

	if (row->minute_us < 0 || row->minute_us > now_us)
		return now_us;
	age_us = now_us - row->minute_us;
	if (age_us >= MINUTE_US + SECOND_US)
		return now_us;
	if (MINUTE_US + SECOND_US - age_us < UE_COUNTS_WAIT_US)
		return now_us + MINUTE_US + SECOND_US - age_us;
	return now_us + UE_COUNTS_WAIT_US;
}

/* Does not wait anew.  What is on its way is left: Postgres keeps the larger. */
static void
replace_older(UeCounts *counts, UeCount *count)
{
	UeCount *previous = NULL;
	UeCount *older = counts->first;

	while (older != NULL &&
		   (older->is_taken || memcmp(older->row.entry_id, count->row.entry_id, 16) != 0))
	{
		previous = older;
		older = older->next;
	}
	if (older == NULL)
		return;
	if (older->due_us < count->due_us)
		count->due_us = older->due_us;
	if (previous == NULL)
		counts->first = older->next;
	else
		previous->next = older->next;
	if (counts->last == older)
		counts->last = previous;
	counts->n_rows--;
	free_count(older);
}

/* They are the first ones. */
static void
finish_taken(UeCounts *counts)
{
	for (; counts->n_taken > 0; counts->n_taken--)
	{
		UeCount *count = counts->first;

		counts->first = count->next;
		counts->n_rows--;
		if (counts->n_singly > 0)
			counts->n_singly--;
		free_count(count);
	}
	if (counts->first == NULL)
		counts->last = NULL;
}

static void
report_refused(const UeCounts *counts, const UeDatabaseResult *result)
{
	bool is_lost = counts->n_taken == 1 && is_refusal_of_data(result->sqlstate);

	ue_log_write(UE_LOG_WARNING, "traffic_refused",
				 is_lost ? "the database refuses a minute's counts for what is in them: "
						   "they are dropped"
						 : "counts of traffic wait in the journal and are sent again",
				 "sqlstate", result->sqlstate, "reason", result->message, NULL);
}

/* The same row would be refused again. */
static bool
is_refusal_of_data(const char *sqlstate)
{
	return strncmp(sqlstate, "22", 2) == 0 || strncmp(sqlstate, "23", 2) == 0 ||
		   strncmp(sqlstate, "54", 2) == 0;
}

static void
free_count(UeCount *count)
{
	free(count->payload);
	free(count);
}
