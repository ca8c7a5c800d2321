/* SPDX-License-Identifier: PostgreSQL */
/*
 * log.c: a line is built in memory and written with one write(2).
 *
 * So lines of several threads do not mix, and a line is in the pipe or file whole or not
 * at all.  Everything is masked, also what we wrote ourselves: a message may quote a
 * setting, and a setting may hold a password.  Only the addresses that we listen on are
 * shown as they are: whoever started us must find us.
 */
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/jsonout.h"
#include "heap.h"
#include "policy_store.h"

/* A value longer than this is cut: the log tells that and where, the row tells the rest. */
#define MAX_VALUE 4096

/* Of one line; a line that would be longer is written without its pairs. */
#define MAX_LINE (64 * 1024)

/* The line, its masked values, and room for what the mask works with. */
#define MAX_MEMORY (1024 * 1024)

static const char *const level_names[] = {
	[UE_LOG_ERROR] = "error",
	[UE_LOG_WARNING] = "warning",
	[UE_LOG_INFO] = "info",
	[UE_LOG_DEBUG] = "debug",
};

static UeLogLevel least_level = UE_LOG_INFO;

typedef struct Line
{
	UeArena arena;
	UeBuf buf;
	UeJsonOut out;
} Line;

static void begin_line(Line *line, UeLogLevel level, const char *event,
					   const char *message);
static void end_line(Line *line);
static void append_pair(UeJsonOut *out, const char *name, const char *value);
static void append_time(UeJsonOut *out);
static void write_line(UeSlice line);

void
ue_log_init(UeLogLevel level)
{
	least_level = level;
}

bool
ue_log_find_level(const char *name, UeLogLevel *out)
{
	for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++)
	{
		if (strcmp(name, level_names[i]) == 0)
		{
			*out = (UeLogLevel) i;
			return true;
		}
	}
	return false;
}

void
ue_log_write(UeLogLevel level, const char *event, const char *message, ...)
{
	int saved_errno = errno;
	Line line;
	const char *name;
	va_list pairs;

	if (level > least_level)
		return;
	begin_line(&line, level, event, message);
	va_start(pairs, message);
	while ((name = va_arg(pairs, const char *)) != NULL)
		append_pair(&line.out, name, va_arg(pairs, const char *));
	va_end(pairs);
	end_line(&line);
	errno = saved_errno;
}

void
ue_log_write_listener(const char *event, const char *message, const char *address)
{
	int saved_errno = errno;
	Line line;

	if (UE_LOG_INFO > least_level)
		return;
	begin_line(&line, UE_LOG_INFO, event, message);
	ue_jsonout_append_key(&line.out, UE_SLICE("address"));
	ue_jsonout_append_string(&line.out, ue_slice_of(address));
	end_line(&line);
	errno = saved_errno;
}

static void
begin_line(Line *line, UeLogLevel level, const char *event, const char *message)
{
	ue_arena_init(&line->arena, &ue_heap_allocator, MAX_MEMORY);
	ue_buf_init(&line->buf, &line->arena, MAX_LINE);
	ue_jsonout_init(&line->out, &line->buf);
	ue_jsonout_append_begin(&line->out, '{');
	append_time(&line->out);
	append_pair(&line->out, "level", level_names[level]);
	append_pair(&line->out, "event", event);
	append_pair(&line->out, "message", message);
}

static void
end_line(Line *line)
{
	UeSlice text;

	ue_jsonout_append_end(&line->out, '}');
	ue_buf_append_byte(&line->buf, '\n');
	if (ue_buf_finish(&line->buf, &text) == UE_OK)
		write_line(text);
	else
		write_line(
			UE_SLICE("{\"level\":\"error\",\"event\":\"log_failed\",\"message\":"
					 "\"a log line was too long or there was no memory for it\"}\n"));
	ue_arena_free(&line->arena);
}

/* A value that cannot be masked is not shown. */
static void
append_pair(UeJsonOut *out, const char *name, const char *value)
{
	UeSlice text = {value, 0};
	UeSlice masked;
	const UePolicy *policy;

	if (value == NULL)
		return;
	text.len = strnlen(value, MAX_VALUE);
	policy = ue_policy_store_acquire();
	if (ue_mask_text(out->buf->arena, ue_policy_mask(policy), text, &masked) != UE_OK)
		masked = UE_SLICE("(not shown: could not be masked)");
	ue_policy_store_release(policy);
	ue_jsonout_append_key(out, ue_slice_of(name));
	ue_jsonout_append_string(out, masked);
}

/* RFC 3339 in UTC, with milliseconds. */
static void
append_time(UeJsonOut *out)
{
	char text[40];
	struct timespec now;
	struct tm parts;
	size_t length;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &parts);
	length = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
	length += (size_t) snprintf(text + length, sizeof(text) - length, ".%03ldZ",
								now.tv_nsec / 1000000);
	ue_jsonout_append_key(out, UE_SLICE("at"));
	ue_jsonout_append_string(out, (UeSlice){text, length});
}

/* A log that cannot be written has nobody to be told. */
static void
write_line(UeSlice line)
{
	ssize_t n_written;

	do
		n_written = write(STDERR_FILENO, line.ptr, line.len);
	while (n_written < 0 && errno == EINTR);
}
