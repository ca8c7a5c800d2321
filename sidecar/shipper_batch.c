/* SPDX-License-Identifier: PostgreSQL */
/*
 * shipper_batch.c: records as the arrays of the functions that take them.
 */
#include "shipper_batch.h"

#include <string.h>

#include "heap.h"

/* UE_BATCH_MAX_BYTES in arrays, and the copies that growing buffers leave. */
#define MAX_MEMORY ((size_t) 64 * 1024 * 1024)

/* timestamptz[], uuid[], text[], int4[], int8[], bool[], jsonb[], inet[]: the numbers of
 * database_array.c in the order of the columns. */
static const uint32_t event_types[UE_EVENT_COLUMNS] = {
	1185, 2951, 1009, 1007, 1009, 1009, 1009, 1009, 1009, 1009, /* at … model */
	1009, 1000, 1009, 1009, 1009, 1009, 1009, 1009, 1009, 1000, /* upstream_model … */
	1000, 1000, 1009, 1009, 1009, 1007, 1009, 1009, 1009, 1000, /* request_fault … */
	1016, 3807, 3807, 1016, 1007, 1007, 1016, 1007, 1009, 1009, /* original_bytes … */
	1016, 1007, 1016, 1007, 1007, 1009, 3807, 1041, 1009, 1009, /* rule_id … instance */
	1009, 1009, 1007, 3807,										/* step … passed_over */
};

static const uint32_t transition_types[UE_TRANSITION_COLUMNS] = {
	1185, 2951, 1016, 1009, 1009, 1009, 1009, 1185, /* at … until */
	1007, 1009, 1009, 1007, 1016, 2951, 1009, 1009, /* level … instance */
};

static const uint32_t recovery_types[UE_RECOVERY_COLUMNS] = {
	1185, 2951, 1009, 1007, 1007, 1009,
};

static const UeStatement record_events = {
	.name = "upstream_error_record",
	.sql = "SELECT %s.upstream_error_record("
		   "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,"
		   " $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32,"
		   " $33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43, $44, $45, $46, $47,"
		   " $48, $49, $50, $51, $52, $53, $54)",
	.n_parameters = UE_EVENT_COLUMNS,
	.types = event_types,
};

static const UeStatement record_transitions = {
	.name = "upstream_error_record_transitions",
	.sql = "SELECT %s.upstream_error_record_transitions("
		   "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
	.n_parameters = UE_TRANSITION_COLUMNS,
	.types = transition_types,
};

static const UeStatement record_recoveries = {
	.name = "upstream_error_record_recoveries",
	.sql = "SELECT %s.upstream_error_record_recoveries($1, $2, $3, $4, $5, $6)",
	.n_parameters = UE_RECOVERY_COLUMNS,
	.types = recovery_types,
};

_Static_assert(UE_BATCH_MAX_EVENTS <= 1 << (UE_BATCH_MAX_RANGES - 2),
			   "halving must not outgrow the ranges");

static const UeColumn *find_columns(UeRecordKind kind);
static bool is_refusal_of_data(const char *sqlstate);

const UeStatement *
ue_batch_statement(UeRecordKind kind)
{
	switch (kind)
	{
		case UE_RECORD_TRANSITION:
			return &record_transitions;
		case UE_RECORD_RECOVERY:
			return &record_recoveries;
		case UE_RECORD_EVENT:
		case UE_RECORD_COMPLETION:
		case UE_RECORD_TRAFFIC:
			break;
	}
	return &record_events;
}

void
ue_batch_init(UeBatch *batch, UeRecordKind kind)
{
	batch->kind = kind;
	batch->n_ranges = 0;
}

bool
ue_batch_is_empty(const UeBatch *batch)
{
	return batch->n_ranges == 0;
}

bool
ue_batch_take(UeBatch *batch, UeQueue *queue)
{
	size_t n_entries;

	if (batch->kind == UE_RECORD_EVENT)
		n_entries =
			ue_queue_take(queue, batch->entries, UE_BATCH_MAX_EVENTS, UE_BATCH_MAX_BYTES);
	else
		n_entries = ue_queue_take_follow_ups(queue, batch->kind, batch->entries,
											 UE_BATCH_MAX_EVENTS, UE_BATCH_MAX_BYTES);
	if (n_entries == 0)
		return false;
	batch->ranges[0] = (UeRange){0, n_entries};
	batch->n_ranges = 1;
	return true;
}

bool
ue_batch_send(const UeBatch *batch, UeDatabase *database, int statement, void *query)
{
	UeRange range = ue_batch_range(batch);
	const UeColumn *columns = find_columns(batch->kind);
	int n_columns = ue_batch_statement(batch->kind)->n_parameters;
	const void *records[UE_BATCH_MAX_EVENTS];
	UeSlice parameters[UE_EVENT_COLUMNS];
	UeArena arena;
	bool is_sent = true;

	for (size_t i = range.from; i < range.to; i++)
		records[i - range.from] = &batch->entries[i]->event; /* of the union, any */
	ue_arena_init(&arena, &ue_heap_allocator, MAX_MEMORY);
	for (int i = 0; i < n_columns && is_sent; i++)
	{
		UeBuf buf;

		ue_buf_init(&buf, &arena, MAX_MEMORY);
		ue_database_write_column(&buf, &columns[i], records, range.to - range.from);
		is_sent = ue_buf_finish(&buf, &parameters[i]) == UE_OK;
	}
	is_sent = is_sent && ue_database_send(database, statement, parameters, query);
	ue_arena_free(&arena);
	return is_sent;
}

UeBatchResult
ue_batch_apply_result(UeBatch *batch, const UeDatabaseResult *result)
{
	UeRange *range = &batch->ranges[batch->n_ranges - 1];
	size_t middle = range->from + (range->to - range->from) / 2;
	size_t from = range->from;

	if (result->is_ok)
		return UE_BATCH_SHIPPED;
	if (!is_refusal_of_data(result->sqlstate))
		return UE_BATCH_LATER;
	if (range->to - range->from == 1)
		return UE_BATCH_POISON;

	range->from = middle;
	batch->ranges[batch->n_ranges++] = (UeRange){from, middle};
	return UE_BATCH_SPLIT;
}

UeRange
ue_batch_range(const UeBatch *batch)
{
	return batch->ranges[batch->n_ranges - 1];
}

void
ue_batch_finish_range(UeBatch *batch, UeJournal *journal)
{
	UeRange range = ue_batch_range(batch);

	for (size_t i = range.from; i < range.to; i++)
	{
		batch->entries[i]->state = UE_PENDING_DONE;
		if (batch->kind == UE_RECORD_EVENT)
			ue_journal_count_shipped(journal, batch->entries[i]->position.seq, 1);
	}
	batch->n_ranges--;
}

static const UeColumn *
find_columns(UeRecordKind kind)
{
	switch (kind)
	{
		case UE_RECORD_TRANSITION:
			return ue_transition_columns;
		case UE_RECORD_RECOVERY:
			return ue_recovery_columns;
		case UE_RECORD_EVENT:
		case UE_RECORD_COMPLETION:
		case UE_RECORD_TRAFFIC:
			break;
	}
	return ue_event_columns;
}

/*
 * Data exceptions, constraints, and a row that is too large for an index: the same event
 * will be refused again.  Everything else (connection, locks, disk, permissions, a function
 * that is missing) is the server's state, which changes.
 */
static bool
is_refusal_of_data(const char *sqlstate)
{
	static const char *const classes[] = {"22", "23", "54"};

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
	{
		if (strncmp(sqlstate, classes[i], 2) == 0)
			return true;
	}
	return false;
}
