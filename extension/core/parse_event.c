/* SPDX-License-Identifier: PostgreSQL */
/*
 * parse_event.c: the data of a server-sent event (WHATWG HTML, 9.2.6).
 *
 * A whole stream may come in, or one event.  Wanted is the event that tells the fault.
 */
#include "core/buf.h"
#include "core/limits.h"
#include "core/parse_fields.h"

typedef struct Event
{
	UeSlice lines; /* all lines of the event */
	bool has_data;
	bool is_error; /* its name or its data says so */
} Event;

bool
ue_parse_is_event(UeSlice text)
{
	static const UeSlice fields[] = {UE_SLICE_INIT("event:"), UE_SLICE_INIT("data:"),
									 UE_SLICE_INIT("id:"), UE_SLICE_INIT("retry:"),
									 UE_SLICE_INIT(":")};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (ue_slice_has_prefix(text, fields[i]))
			return true;
	return false;
}

/* Takes a line, without its end (LF, CRLF or CR), off the beginning of *rest. */
static UeSlice
next_line(UeSlice *rest)
{
	UeSlice line;
	size_t len = 0;
	size_t end;

	while (len < rest->len && rest->ptr[len] != '\n' && rest->ptr[len] != '\r')
		len++;
	end = len;
	if (end < rest->len && rest->ptr[end] == '\r')
		end++;
	if (end < rest->len && rest->ptr[end] == '\n' &&
		(end == len || rest->ptr[len] == '\r'))
		end++;
	line = ue_slice_sub(*rest, 0, len);
	*rest = ue_slice_sub(*rest, end, rest->len);
	return line;
}

/* The value of a line of that field; false when it is another's. */
static bool
read_field(UeSlice line, UeSlice field, UeSlice *value)
{
	if (!ue_slice_has_prefix(line, field))
		return false;
	*value = ue_slice_sub(line, field.len, line.len);
	if (value->len > 0 && value->ptr[0] == ' ')
		*value = ue_slice_sub(*value, 1, value->len);
	return true;
}

static void
look_at_line(UeSlice line, Event *event)
{
	UeSlice value;
	size_t at;

	if (read_field(line, UE_SLICE("event:"), &value))
	{
		if (ue_slice_is_equal(value, UE_SLICE("error")) ||
			ue_slice_is_equal(value, UE_SLICE("response.failed")))
			event->is_error = true;
	}
	else if (read_field(line, UE_SLICE("data:"), &value))
	{
		event->has_data = !ue_slice_is_equal(ue_slice_trim(value), UE_SLICE("[DONE]"));
		/* a chunk that carries "error": null is no error; a member of that name is a hint
		 * good enough to choose among events, the dialects decide what it is */
		if (ue_slice_find(value, UE_SLICE("\"error\""), &at) &&
			!ue_slice_find(value, UE_SLICE("\"error\":null"), &at))
			event->is_error = true;
	}
}

static Event
next_event(UeSlice *rest)
{
	Event event = {*rest, false, false};

	while (rest->len > 0)
	{
		UeSlice line = next_line(rest);

		if (ue_slice_is_empty(line))
			break;
		look_at_line(line, &event);
	}
	event.lines.len = (size_t) (rest->ptr - event.lines.ptr);
	return event;
}

static UeStatus
join_data(UeArena *arena, UeSlice lines, UeSlice *data)
{
	UeBuf buf;
	bool is_first = true;

	ue_buf_init(&buf, arena, UE_LIMIT_BODY);
	while (lines.len > 0)
	{
		UeSlice value;

		if (!read_field(next_line(&lines), UE_SLICE("data:"), &value))
			continue;
		if (!is_first)
			ue_buf_append_byte(&buf, '\n');
		is_first = false;
		ue_buf_append(&buf, value);
	}
	return ue_buf_finish(&buf, data);
}

UeStatus
ue_parse_event_data(UeArena *arena, UeSlice text, UeSlice *data)
{
	UeSlice rest = text;
	UeSlice chosen = {NULL, 0};

	while (rest.len > 0)
	{
		Event event = next_event(&rest);

		if (!event.has_data)
			continue;
		chosen = event.lines;
		if (event.is_error)
			break;
	}
	return join_data(arena, chosen, data);
}
