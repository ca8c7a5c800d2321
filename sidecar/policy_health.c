/* SPDX-License-Identifier: PostgreSQL */
/*
 * policy_health.c: states of channels read and written.
 */
#include "policy_health.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/json.h"
#include "core/jsonout.h"
#include "heap.h"
#include "log.h"
#include "policy_file.h"

/* 2^53: a double holds every integer up to it. */
#define MAX_NUMBER 9007199254740992.0

#define LINE_MEMORY ((size_t) 256 * 1024)

/* The store's 65,536 states, each with a model and a reason, escaped. */
#define MAX_FILE_BYTES ((size_t) 64 * 1024 * 1024)

static bool read_file(UeHealthCopy *copy, int64_t now_ms, const char **reason);
static bool write_file(const UeHealthCopy *copy, const char *identity,
					   const char **reason);
static void report(UeHealthCopy *copy, const char *event, const char *message,
				   const char *reason);
static bool read_state(UeSlice name, UeHealthState *out);
static bool set_model(UeHealthChange *change, UeSlice model);
static bool read_integer(const UeJson *object, UeSlice name, int64_t *out);
static bool read_line(const UeJson *object, UeHealthChange *change);
static bool is_over(const UeHealthChange *change, int64_t now_ms);
static bool merge_if_not_over(UeHealthStore *store, UeSlice line, int64_t now_ms);
static void append_state(void *context, const UeHealthChange *change, const char *reason);
static int64_t read_unix_ms(void);

void
ue_health_merge_rows(UeHealthStore *store, const UeDatabaseResult *result)
{
	ue_health_store_begin_sync(store);
	for (int row = 0; row < result->n_rows; row++)
	{
		UeHealthChange change = {
			.channel_id = ue_database_integer(ue_database_value(result, row, 0)),
			.until_ms = ue_database_integer(ue_database_value(result, row, 3)),
			.level = (int32_t) ue_database_integer(ue_database_value(result, row, 4)),
		};

		if (set_model(&change, ue_database_value(result, row, 1)) &&
			read_state(ue_database_value(result, row, 2), &change.to))
			ue_health_store_merge(store, &change, ue_database_value(result, row, 5),
								  read_unix_ms());
	}
	ue_health_store_end_sync(store);
}

bool
ue_health_merge_line(UeHealthStore *store, UeSlice line)
{
	return merge_if_not_over(store, line, INT64_MIN);
}

void
ue_health_copy_init(UeHealthCopy *copy, UeHealthStore *store, const char *directory)
{
	UeHealthStats stats;
	const char *reason = "";

	*copy = (UeHealthCopy){.store = store, .directory = directory};
	if (store == NULL)
		return;
	if (!read_file(copy, read_unix_ms(), &reason))
		report(copy, "health_file_bad",
			   "the health of channels on disk cannot be used, or not all of it", reason);
	ue_health_store_read_stats(store, &stats);
	copy->saved_version = stats.version;
}

void
ue_health_copy_save(UeHealthCopy *copy, const char *identity, int64_t now_ms)
{
	UeHealthStats stats;
	const char *reason = "";

	if (copy->store == NULL || now_ms - copy->saved_ms < UE_HEALTH_SAVE_MS)
		return;
	ue_health_store_read_stats(copy->store, &stats);
	if (stats.version == copy->saved_version)
		return;
	copy->saved_ms = now_ms;
	if (write_file(copy, identity, &reason))
	{
		copy->saved_version = stats.version;
		copy->is_reported = false;
	}
	else
		report(copy, "health_file_failed",
			   "the health of channels could not be kept on disk: a start without the "
			   "database would find the one before",
			   reason);
}

static void
report(UeHealthCopy *copy, const char *event, const char *message, const char *reason)
{
	atomic_fetch_add(&copy->failures, 1);
	if (copy->is_reported)
		return;
	copy->is_reported = true;
	ue_log_write(UE_LOG_WARNING, event, message, "file", UE_HEALTH_FILE_NAME, "reason",
				 reason, NULL);
}

static bool
read_file(UeHealthCopy *copy, int64_t now_ms, const char **reason)
{
	UePolicyFile file;
	UeSlice rest;
	bool is_read = true;

	switch (ue_policy_file_read(copy->directory, UE_HEALTH_FILE_NAME, &file, reason))
	{
		case UE_POLICY_FILE_READ:
			break;
		case UE_POLICY_FILE_MISSING:
			return true;
		case UE_POLICY_FILE_BAD:
			return false;
	}
	rest = file.snapshot;
	while (rest.len > 0)
	{
		const char *end = memchr(rest.ptr, '\n', rest.len);
		size_t len = end == NULL ? rest.len : (size_t) (end - rest.ptr);

		if (len > 0 &&
			!merge_if_not_over(copy->store, ue_slice_sub(rest, 0, len), now_ms))
			is_read = false;
		rest = ue_slice_sub(rest, len + 1, rest.len);
	}
	if (!is_read)
		*reason = "a line of it is no state of a channel";
	free(file.bytes);
	return is_read;
}

static bool
write_file(const UeHealthCopy *copy, const char *identity, const char **reason)
{
	UeArena arena;
	UeBuf buf;
	UeSlice text;
	bool is_written;

	ue_arena_init(&arena, &ue_heap_allocator, 4 * MAX_FILE_BYTES);
	ue_buf_init(&buf, &arena, MAX_FILE_BYTES);
	ue_health_store_list(copy->store, append_state, &buf);
	is_written = ue_buf_finish(&buf, &text) == UE_OK;
	if (is_written)
		is_written = ue_policy_file_write(copy->directory, UE_HEALTH_FILE_NAME, identity,
										  text, reason);
	else
		*reason = "out of memory";
	ue_arena_free(&arena);
	return is_written;
}

static void
append_state(void *context, const UeHealthChange *change, const char *reason)
{
	UeBuf *buf = context;
	UeJsonOut out;

	ue_jsonout_init(&out, buf);
	ue_jsonout_append_begin(&out, '{');
	ue_jsonout_append_key(&out, UE_SLICE("channel_id"));
	ue_jsonout_append_int64(&out, change->channel_id);
	ue_jsonout_append_key(&out, UE_SLICE("model"));
	ue_jsonout_append_string(&out, ue_slice_of(change->model));
	ue_jsonout_append_key(&out, UE_SLICE("state"));
	ue_jsonout_append_string(&out, ue_slice_of(ue_health_state_name(change->to)));
	ue_jsonout_append_key(&out, UE_SLICE("until_ms"));
	ue_jsonout_append_int64(&out, change->until_ms);
	ue_jsonout_append_key(&out, UE_SLICE("level"));
	ue_jsonout_append_int64(&out, change->level);
	ue_jsonout_append_key(&out, UE_SLICE("reason"));
	ue_jsonout_append_string(&out, ue_slice_of(reason));
	ue_jsonout_append_end(&out, '}');
	ue_buf_append_byte(buf, '\n');
}

static bool
merge_if_not_over(UeHealthStore *store, UeSlice line, int64_t now_ms)
{
	UeArena arena;
	UeHealthChange change = {0};
	const UeJson *object;
	const UeJson *clear;
	bool is_state;

	ue_arena_init(&arena, &ue_heap_allocator, LINE_MEMORY);
	is_state = ue_json_parse(&arena, line, &object) == UE_OK && !object->is_cut &&
			   read_line(object, &change);
	if (is_state)
	{
		clear = ue_json_find(object, UE_SLICE("clear"));
		if (clear != NULL && clear->type == UE_JSON_TRUE)
			ue_health_store_clear(store, change.channel_id, ue_slice_of(change.model));
		else if (!is_over(&change, now_ms))
			ue_health_store_merge(store, &change,
								  ue_json_text(ue_json_find(object, UE_SLICE("reason"))),
								  read_unix_ms());
	}
	ue_arena_free(&arena);
	return is_state;
}

static bool
read_line(const UeJson *object, UeHealthChange *change)
{
	int64_t level = 0;

	if (object->type != UE_JSON_OBJECT ||
		!read_integer(object, UE_SLICE("channel_id"), &change->channel_id) ||
		!set_model(change, ue_json_text(ue_json_find(object, UE_SLICE("model")))) ||
		!read_state(ue_json_text(ue_json_find(object, UE_SLICE("state"))), &change->to) ||
		!read_integer(object, UE_SLICE("until_ms"), &change->until_ms) ||
		!read_integer(object, UE_SLICE("level"), &level) || level < 0 ||
		level > INT32_MAX || change->until_ms < 0)
		return false;
	change->level = (int32_t) level;
	return true;
}

static bool
read_integer(const UeJson *object, UeSlice name, int64_t *out)
{
	double number;

	if (!ue_json_read_number(ue_json_find(object, name), &number) ||
		number < -MAX_NUMBER || number > MAX_NUMBER)
		return false;
	*out = (int64_t) number;
	return true;
}

static bool
read_state(UeSlice name, UeHealthState *out)
{
	for (int state = UE_HEALTH_HEALTHY; state <= UE_HEALTH_DISABLED; state++)
	{
		if (ue_slice_is_equal(name,
							  ue_slice_of(ue_health_state_name((UeHealthState) state))))
		{
			*out = (UeHealthState) state;
			return true;
		}
	}
	return false;
}

/* One that is longer is none that a sidecar told of. */
static bool
set_model(UeHealthChange *change, UeSlice model)
{
	if (model.len >= sizeof(change->model))
		return false;
	if (model.len > 0)
		memcpy(change->model, model.ptr, model.len);
	change->model[model.len] = '\0';
	return true;
}

static bool
is_over(const UeHealthChange *change, int64_t now_ms)
{
	return change->until_ms != 0 && change->until_ms <= now_ms;
}

static int64_t
read_unix_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
