/* SPDX-License-Identifier: PostgreSQL */
/*
 * shipper_quarantine.c: one refused record as a line of JSON.
 */
#include "shipper_quarantine.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "core/jsonout.h"
#include "heap.h"
#include "policy_store.h"

/* A record's payload, escaped and masked, several copies of it. */
#define MAX_LINE ((size_t) 16 * 1024 * 1024)

static void append_columns(UeJsonOut *out, const UePending *pending);
static void append_column(UeJsonOut *out, const UeColumn *column, const void *record);
static void append_masked(UeJsonOut *out, UeSlice text);
static void append_uuid(UeJsonOut *out, const unsigned char *uuid);

bool
ue_quarantine_append(int directory_fd, const UePending *pending, const char *sqlstate,
					 const char *reason)
{
	UeArena arena;
	UeBuf buf;
	UeJsonOut out;
	UeSlice line;
	bool is_written = false;
	int fd;

	ue_arena_init(&arena, &ue_heap_allocator, 4 * MAX_LINE);
	ue_buf_init(&buf, &arena, MAX_LINE);
	ue_jsonout_init(&out, &buf);
	ue_jsonout_append_begin(&out, '{');
	ue_jsonout_append_key(&out, UE_SLICE("sqlstate"));
	ue_jsonout_append_string(&out, ue_slice_of(sqlstate));
	ue_jsonout_append_key(&out, UE_SLICE("reason"));
	append_masked(&out, ue_slice_of(reason));
	append_columns(&out, pending);
	ue_jsonout_append_end(&out, '}');
	ue_buf_append_byte(&buf, '\n');

	fd = openat(directory_fd, "quarantine.jsonl",
				O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd >= 0 && ue_buf_finish(&buf, &line) == UE_OK)
	{
		off_t end = lseek(fd, 0, SEEK_END);

		is_written =
			write(fd, line.ptr, line.len) == (ssize_t) line.len && fdatasync(fd) == 0;
		if (!is_written && end >= 0 && ftruncate(fd, end) != 0)
			is_written = false;
	}
	if (fd >= 0)
		close(fd);
	ue_arena_free(&arena);
	return is_written;
}

static void
append_columns(UeJsonOut *out, const UePending *pending)
{
	const UeColumn *columns = ue_event_columns;
	int n_columns = UE_EVENT_COLUMNS;
	UeSlice name = UE_SLICE("event");

	if (pending->kind == UE_RECORD_TRANSITION)
	{
		columns = ue_transition_columns;
		n_columns = UE_TRANSITION_COLUMNS;
		name = UE_SLICE("transition");
	}
	else if (pending->kind == UE_RECORD_RECOVERY)
	{
		columns = ue_recovery_columns;
		n_columns = UE_RECOVERY_COLUMNS;
		name = UE_SLICE("recovery");
	}
	ue_jsonout_append_key(out, name);
	ue_jsonout_append_begin(out, '{');
	for (int i = 0; i < n_columns; i++)
		append_column(out, &columns[i], &pending->event); /* of the union, any */
	ue_jsonout_append_end(out, '}');
}

static void
append_column(UeJsonOut *out, const UeColumn *column, const void *record)
{
	const char *field = (const char *) record + column->offset;
	const UeSlice *text = (const UeSlice *) field;
	const int64_t *number = (const int64_t *) field;

	switch (column->type)
	{
		case UE_COLUMN_TIMESTAMPTZ: /* Unix microseconds, as in the journal */
		case UE_COLUMN_INT4:
		case UE_COLUMN_INT8:
			if (*number == UE_EVENT_NULL)
				return;
			ue_jsonout_append_key(out, ue_slice_of(column->name));
			ue_jsonout_append_int64(out, *number);
			break;
		case UE_COLUMN_UUID:
			if (!ue_columns_has_uuid(field))
				return;
			ue_jsonout_append_key(out, ue_slice_of(column->name));
			append_uuid(out, (const unsigned char *) field);
			break;
		case UE_COLUMN_TEXT:
		case UE_COLUMN_JSONB: /* as a string: that it is no JSON may be the reason */
		case UE_COLUMN_INET:
			if (text->len == 0)
				return;
			ue_jsonout_append_key(out, ue_slice_of(column->name));
			append_masked(out, *text);
			break;
		case UE_COLUMN_BOOL:
			ue_jsonout_append_key(out, ue_slice_of(column->name));
			ue_jsonout_append_bool(out, *(const bool *) field);
			break;
	}
}

static void
append_masked(UeJsonOut *out, UeSlice text)
{
	UeSlice masked;
	const UePolicy *policy = ue_policy_store_acquire();
	UeStatus status =
		ue_mask_text(out->buf->arena, ue_policy_mask(policy), text, &masked);

	ue_policy_store_release(policy);
	if (status == UE_OK)
		ue_jsonout_append_string(out, masked);
	else
		ue_jsonout_append_null(out);
}

static void
append_uuid(UeJsonOut *out, const unsigned char *uuid)
{
	char text[37];
	int len = 0;

	for (int i = 0; i < 16; i++)
		len += snprintf(text + len, sizeof(text) - (size_t) len, "%s%02x",
						i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
	ue_jsonout_append_string(out, (UeSlice){text, (size_t) len});
}
