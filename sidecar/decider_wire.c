/* SPDX-License-Identifier: PostgreSQL */
/*
 * decider_wire.c: between UeCase and the arrays of upstream_error_decide_batch.
 *
 * One function per parameter, in the order of the SQL function's.
 */
#include "decider_wire.h"

#include <string.h>

#include "core/parse.h"
#include "core/utf8.h"
#include "heap.h"

/* 512 cases of a 64 KiB body, headers, and the copies that growing buffers leave. */
#define MAX_BATCH_MEMORY ((size_t) 256 * 1024 * 1024)
#define MAX_PARAMETER	 ((size_t) 64 * 1024 * 1024)

/* The columns of a row. */
enum
{
	ROW_ORDINAL = 0,
	ROW_ACTION,
	ROW_STATUS,
	ROW_HEADERS,
	ROW_BODY,
	ROW_FRAME,
	ROW_CLASS,
	ROW_CODE,
	ROW_RULE_ID,
	ROW_RULE_VERSION,
	ROW_COOLDOWN,
	ROW_UNMONITORED,
	ROW_COLUMNS,
};

/* One element of one parameter. */
typedef UeStatus (*WriteElement)(UeBuf *buf, const UeCase *kase);

typedef bool (*IsDefault)(const UeCase *kase);

typedef struct Parameter
{
	UeElement element;
	WriteElement write;
	/* what the function takes a null array for; NULL: it wants one */
	IsDefault is_default;
} Parameter;

static UeStatus write_platform(UeBuf *buf, const UeCase *kase);
static UeStatus write_kind(UeBuf *buf, const UeCase *kase);
static UeStatus write_network(UeBuf *buf, const UeCase *kase);
static UeStatus write_status(UeBuf *buf, const UeCase *kase);
static UeStatus write_headers(UeBuf *buf, const UeCase *kase);
static UeStatus write_body(UeBuf *buf, const UeCase *kase);
static UeStatus write_format(UeBuf *buf, const UeCase *kase);
static UeStatus write_credential(UeBuf *buf, const UeCase *kase);
static UeStatus write_stream(UeBuf *buf, const UeCase *kase);
static UeStatus write_request_id(UeBuf *buf, const UeCase *kase);
static UeStatus write_model(UeBuf *buf, const UeCase *kase);
static UeStatus write_local_code(UeBuf *buf, const UeCase *kase);
static UeStatus write_local_message(UeBuf *buf, const UeCase *kase);
static UeStatus write_at(UeBuf *buf, const UeCase *kase);
static UeStatus write_language(UeBuf *buf, const UeCase *kase);
static UeStatus write_channel(UeBuf *buf, const UeCase *kase);
static UeStatus write_route(UeBuf *buf, const UeCase *kase);
static UeStatus write_attempt(UeBuf *buf, const UeCase *kase);
static UeStatus write_output(UeBuf *buf, const UeCase *kase);
static UeStatus write_tags(UeBuf *buf, const UeCase *kase);

static bool has_no_channel(const UeCase *kase);
static bool has_no_route(const UeCase *kase);
static bool is_first_attempt(const UeCase *kase);
static bool has_no_output(const UeCase *kase);
static bool has_no_tags(const UeCase *kase);

static const Parameter parameters_table[UE_DECIDER_PARAMETERS] = {
	{UE_ELEMENT_TEXT, write_platform, NULL},
	{UE_ELEMENT_TEXT, write_kind, NULL},
	{UE_ELEMENT_TEXT, write_network, NULL},
	{UE_ELEMENT_INT4, write_status, NULL},
	{UE_ELEMENT_TEXT, write_headers, NULL},
	{UE_ELEMENT_BYTEA, write_body, NULL},
	{UE_ELEMENT_TEXT, write_format, NULL},
	{UE_ELEMENT_TEXT, write_credential, NULL},
	{UE_ELEMENT_BOOL, write_stream, NULL},
	{UE_ELEMENT_TEXT, write_request_id, NULL},
	{UE_ELEMENT_TEXT, write_model, NULL},
	{UE_ELEMENT_TEXT, write_local_code, NULL},
	{UE_ELEMENT_TEXT, write_local_message, NULL},
	{UE_ELEMENT_TIMESTAMPTZ, write_at, NULL},
	{UE_ELEMENT_TEXT, write_language, NULL},
	{UE_ELEMENT_TEXT, write_channel, has_no_channel},
	{UE_ELEMENT_TEXT, write_route, has_no_route},
	{UE_ELEMENT_INT4, write_attempt, is_first_attempt},
	{UE_ELEMENT_BOOL, write_output, has_no_output},
	{UE_ELEMENT_TEXT, write_tags, has_no_tags},
};

/* text[], bool[], int4[], bytea[] and timestamptz[] as in database_array.c's table. */
static const uint32_t parameter_types[UE_DECIDER_PARAMETERS] = {
	1009, 1009, 1009, 1007, 1009, 1001, 1009, 1009, 1000, 1009,
	1009, 1009, 1009, 1185, 1009, 1009, 1009, 1007, 1000, 1009,
};

const UeStatement ue_decider_statement = {
	.name = "upstream_error_decide_batch",
	.sql = "SELECT ordinal, action, response_status, response_headers, response_body,"
		   " response_frame, class, code, rule_id, rule_version, cooldown_s,"
		   " skip_monitoring"
		   " FROM %s.upstream_error_decide_batch"
		   "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,"
		   " $17, $18, $19, $20)",
	.n_parameters = UE_DECIDER_PARAMETERS,
	.types = parameter_types,
};

static bool is_all_default(const Parameter *parameter, UeDecision *const *decisions,
						   size_t n_decisions);
static UeStatus write_text(UeBuf *buf, UeSlice text);
static UeStatus copy_value(UeArena *arena, const UeDatabaseResult *result, int row,
						   int column, UeSlice *out) UE_MUST_CHECK;

void
ue_decider_init_arena(UeArena *arena)
{
	ue_arena_init(arena, &ue_heap_allocator, MAX_BATCH_MEMORY);
}

UeStatus
ue_decider_write_batch(UeArena *arena, UeDecision *const *decisions, size_t n_decisions,
					   UeSlice *parameters)
{
	for (int i = 0; i < UE_DECIDER_PARAMETERS; i++)
	{
		const Parameter *parameter = &parameters_table[i];
		UeBuf buf;
		UeStatus status = UE_OK;

		if (is_all_default(parameter, decisions, n_decisions))
		{
			parameters[i] = (UeSlice){NULL, 0};
			continue;
		}
		ue_buf_init(&buf, arena, MAX_PARAMETER);
		ue_database_write_array(&buf, parameter->element, n_decisions);
		for (size_t row = 0; row < n_decisions && status == UE_OK; row++)
			status = parameter->write(&buf, decisions[row]->kase);
		if (status == UE_OK)
			status = ue_buf_finish(&buf, &parameters[i]);
		if (status != UE_OK)
			return status;
	}
	return UE_OK;
}

/* Then the array is left out: each costs the server as much as a short value in it does. */
static bool
is_all_default(const Parameter *parameter, UeDecision *const *decisions,
			   size_t n_decisions)
{
	if (parameter->is_default == NULL)
		return false;
	for (size_t row = 0; row < n_decisions; row++)
	{
		if (!parameter->is_default(decisions[row]->kase))
			return false;
	}
	return true;
}

bool
ue_decider_find_row(const UeDatabaseResult *result, int row, size_t n_rows, size_t *out)
{
	int64_t ordinal;

	if (result->n_columns != ROW_COLUMNS)
		return false;
	ordinal = ue_database_integer(ue_database_value(result, row, ROW_ORDINAL));
	if (ordinal < 1 || (uint64_t) ordinal > n_rows)
		return false;
	*out = (size_t) ordinal - 1;
	return true;
}

bool
ue_decider_read_answer(const UeDatabaseResult *result, int row, UeArena *arena,
					   UeVerdict *verdict)
{
	UeSlice is_unmonitored = ue_database_value(result, row, ROW_UNMONITORED);
	UeAction action;
	int64_t status = ue_database_integer(ue_database_value(result, row, ROW_STATUS));
	UeSlice rule_id = ue_database_value(result, row, ROW_RULE_ID);
	UeRendered answer = {.status = (int) status};
	UeSlice block;
	UeHeader *headers;
	size_t n_headers;

	if (!ue_action_find(ue_database_value(result, row, ROW_ACTION), &action) ||
		status < 400 || status > 599)
		return false;
	if (copy_value(arena, result, row, ROW_HEADERS, &block) != UE_OK ||
		copy_value(arena, result, row, ROW_BODY, &answer.body) != UE_OK ||
		copy_value(arena, result, row, ROW_FRAME, &answer.frame) != UE_OK ||
		ue_parse_header_block(arena, block, &headers, &n_headers) != UE_OK ||
		n_headers > UE_LIMIT_ANSWER_HEADERS)
		return false;
	if (n_headers > 0)
		memcpy(answer.headers, headers, n_headers * sizeof(*headers));
	answer.n_headers = n_headers;

	verdict->action = action;
	verdict->answer = answer;
	verdict->rule_id = rule_id.ptr == NULL ? 0 : ue_database_integer(rule_id);
	verdict->rule_version =
		(int32_t) ue_database_integer(ue_database_value(result, row, ROW_RULE_VERSION));
	verdict->cooldown_s =
		(int32_t) ue_database_integer(ue_database_value(result, row, ROW_COOLDOWN));
	verdict->is_unmonitored = is_unmonitored.len == 1 && is_unmonitored.ptr[0] != 0;
	return true;
}

static UeStatus
copy_value(UeArena *arena, const UeDatabaseResult *result, int row, int column,
		   UeSlice *out)
{
	return ue_arena_copy(arena, ue_database_value(result, row, column), out);
}

static UeStatus
write_platform(UeBuf *buf, const UeCase *kase)
{
	return write_text(buf, kase->response.platform);
}

static UeStatus
write_kind(UeBuf *buf, const UeCase *kase)
{
	return write_text(buf, ue_slice_of(ue_kind_name(kase->kind)));
}

static UeStatus
write_network(UeBuf *buf, const UeCase *kase)
{
	return write_text(buf, ue_slice_of(ue_network_name(kase->network)));
}

static UeStatus
write_status(UeBuf *buf, const UeCase *kase)
{
	ue_database_write_int4(buf, kase->response.status);
	return UE_OK;
}

static UeStatus
write_headers(UeBuf *buf, const UeCase *kase)
{
	UeSlice block;
	size_t n_headers = kase->response.n_headers;
	UeStatus status;

	if (n_headers > UE_LIMIT_HEADERS)
		n_headers = UE_LIMIT_HEADERS;
	status =
		ue_render_header_block(buf->arena, kase->response.headers, n_headers, &block);
	return status == UE_OK ? write_text(buf, block) : status;
}

/* Beyond UE_LIMIT_BODY the core does not look, so it need not travel. */
static UeStatus
write_body(UeBuf *buf, const UeCase *kase)
{
	ue_database_write_bytes(buf, ue_slice_sub(kase->response.body, 0, UE_LIMIT_BODY));
	return UE_OK;
}

static UeStatus
write_format(UeBuf *buf, const UeCase *kase)
{
	return write_text(buf, ue_slice_of(ue_format_name(kase->format)));
}

static UeStatus
write_credential(UeBuf *buf, const UeCase *kase)
{
	return write_text(buf, ue_slice_of(ue_credential_name(kase->credential)));
}

static UeStatus
write_stream(UeBuf *buf, const UeCase *kase)
{
	ue_database_write_bool(buf, kase->is_stream);
	return UE_OK;
}

static UeStatus
write_request_id(UeBuf *buf, const UeCase *kase)
{
	return write_text(buf, kase->request_id);
}

static UeStatus
write_model(UeBuf *buf, const UeCase *kase)
{
	return write_text(buf, kase->model);
}

static UeStatus
write_local_code(UeBuf *buf, const UeCase *kase)
{
	if (kase->kind == UE_KIND_LOCAL_ERROR)
		return write_text(buf, kase->local_code);
	ue_database_write_null(buf);
	return UE_OK;
}

static UeStatus
write_local_message(UeBuf *buf, const UeCase *kase)
{
	if (kase->kind == UE_KIND_LOCAL_ERROR)
		return write_text(buf, kase->local_message);
	ue_database_write_null(buf);
	return UE_OK;
}

static UeStatus
write_at(UeBuf *buf, const UeCase *kase)
{
	ue_database_write_time(buf, kase->response.now_ms * 1000);
	return UE_OK;
}

static UeStatus
write_language(UeBuf *buf, const UeCase *kase)
{
	return write_text(buf, kase->accept_language);
}

static UeStatus
write_channel(UeBuf *buf, const UeCase *kase)
{
	return write_text(buf, kase->channel);
}

static UeStatus
write_route(UeBuf *buf, const UeCase *kase)
{
	return write_text(buf, kase->route);
}

static UeStatus
write_attempt(UeBuf *buf, const UeCase *kase)
{
	ue_database_write_int4(buf, kase->attempt);
	return UE_OK;
}

static UeStatus
write_output(UeBuf *buf, const UeCase *kase)
{
	ue_database_write_bool(buf, kase->has_output);
	return UE_OK;
}

/* Lines "name: value"; neither holds a line's end. */
static UeStatus
write_tags(UeBuf *buf, const UeCase *kase)
{
	UeSlice block;
	UeStatus status;

	status = ue_render_header_block(buf->arena, kase->tags, kase->n_tags, &block);
	return status == UE_OK ? write_text(buf, block) : status;
}

static bool
has_no_channel(const UeCase *kase)
{
	return kase->channel.len == 0;
}

static bool
has_no_route(const UeCase *kase)
{
	return kase->route.len == 0;
}

static bool
is_first_attempt(const UeCase *kase)
{
	return kase->attempt == 1;
}

static bool
has_no_output(const UeCase *kase)
{
	return !kase->has_output;
}

static bool
has_no_tags(const UeCase *kase)
{
	return kase->n_tags == 0;
}

/* Header values and models come from outside: PostgreSQL would refuse the whole batch for
 * one byte that is not UTF-8. */
static UeStatus
write_text(UeBuf *buf, UeSlice text)
{
	UeSlice clean;
	UeStatus status = ue_utf8_clean(buf->arena, text, &clean);

	if (status == UE_OK)
		ue_database_write_bytes(buf, clean);
	return status;
}
