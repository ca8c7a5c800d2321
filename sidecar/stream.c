/* SPDX-License-Identifier: PostgreSQL */
/*
 * stream.c: the lines of an event stream, each judged once.
 *
 * The text under work is what is held plus the bytes fed; without anything held it is the
 * caller's own bytes, so that a stream whose chunks end with whole events is never copied.
 * Offsets in UeStream are into that text and move back when its beginning has passed.
 *
 *   held | fed
 *   event: x\nid: 7\ndata: {"a":1}\n\nevent: y\nda
 *                                     ^ pass_end  ^ line_start
 *
 * WHATWG HTML 9.2.6: lines end with LF, CR or CRLF; a byte order mark may come first.
 */
#include "stream.h"

#include <stdlib.h>
#include <string.h>

#include "peek.h"
#include "stream_private.h"

#define MAX_ENDINGS 4

/*
 * By what a dialect is known, and what its last events have.  Looked for anywhere in a
 * line: a text that happens to contain an ending makes a cut stream pass, never the other
 * way round.  Sources: the streaming chapters of the vendors' API references (OpenAI,
 * Anthropic, Google AI for Developers; November 2026).
 */
typedef struct UeTrait
{
	UeSlice text;
	size_t rare;	/* of its bytes the one that lines of the dialect have least */
	bool is_string; /* the value behind it must be one, and not null */
} UeTrait;

typedef struct UeDialect
{
	UeTrait beginning;
	UeTrait endings[MAX_ENDINGS];
} UeDialect;

static const UeDialect dialects[] = {
	[UE_STREAM_OPENAI_CHAT] =
		{{UE_SLICE_INIT("\"chat.completion.chunk\""), 5, false},
		 /* servers that call themselves OpenAI's may leave out the first, not the reason */
		 {{UE_SLICE_INIT("[DONE]"), 1, false},
		  {UE_SLICE_INIT("\"finish_reason\":"), 7, true}}},
	[UE_STREAM_OPENAI_RESPONSES] = {{UE_SLICE_INIT("response.created"), 8, false},
									{{UE_SLICE_INIT("response.completed"), 8, false},
									 {UE_SLICE_INIT("response.incomplete"), 8, false},
									 {UE_SLICE_INIT("response.failed"), 8, false},
									 {UE_SLICE_INIT("response.cancelled"), 8, false}}},
	[UE_STREAM_ANTHROPIC] = {{UE_SLICE_INIT("message_start"), 7, false},
							 {{UE_SLICE_INIT("message_stop"), 7, false}}},
	/* a prompt that is blocked has no candidate that could finish */
	[UE_STREAM_GEMINI] = {{UE_SLICE_INIT("\"candidates\""), 1, false},
						  {{UE_SLICE_INIT("\"finishReason\""), 7, false},
						   {UE_SLICE_INIT("\"blockReason\""), 6, false}}},
};

static void note_line(UeStream *stream, UeSlice line);
static bool contains(UeSlice line, const UeTrait *trait);
static void scan_lines(UeStream *stream, UeSlice text, size_t scan);
static void scan_line(UeStream *stream, UeSlice text, size_t end, size_t next);
static void scan_blank_line(UeStream *stream, UeSlice text, size_t next);
static void scan_field(UeStream *stream, UeSlice line, size_t next);
static void scan_data(UeStream *stream, UeSlice value, size_t next);
static UeSlice split_field(UeSlice line, UeSlice *name);
static bool is_error_over_lines(UeSlice lines);
static void pass_text(UeStream *stream, UeSlice text);

void
ue_stream_init(UeStream *stream, void (*pass)(void *context, UeSlice bytes),
			   void *context)
{
	memset(stream, 0, sizeof(*stream));
	stream->pass = pass;
	stream->context = context;
}

void
ue_stream_expect(UeStream *stream, UeStreamDialect dialect)
{
	stream->dialect = dialect;
}

void
ue_stream_reset(UeStream *stream)
{
	free(stream->held);
	stream->held = NULL;
	stream->held_len = 0;
	stream->held_size = 0;
}

UeStreamState
ue_stream_feed(UeStream *stream, UeSlice bytes)
{
	UeSlice text = bytes;
	size_t scan = stream->held_len;

	if (stream->state == UE_STREAM_ERROR || bytes.len == 0)
		return stream->state;
	if (stream->dialect == UE_STREAM_FRAMES)
		return ue_stream_feed_frames(stream, bytes);
	if (stream->held_len > 0)
	{
		if (!ue_stream_hold(stream, bytes))
		{
			/* no memory: the held lines pass, and so do these bytes */
			stream->pass(stream->context, (UeSlice){stream->held, stream->held_len});
			stream->pass(stream->context, bytes);
			ue_stream_reset(stream);
			stream->state = UE_STREAM_GOOD;
			stream->line_start = 0;
			stream->is_data_open = false;
			stream->is_overlong = true;
			stream->is_line_open = true;
			return stream->state;
		}
		text = (UeSlice){stream->held, stream->held_len};
	}
	stream->pass_end = 0;
	scan_lines(stream, text, scan);
	pass_text(stream, text);
	ue_stream_keep_rest(stream, text);
	return stream->state;
}

/*
 * A data line whose object is closed is whole even without its line end: some servers leave
 * out the last one.
 */
bool
ue_stream_is_cut(const UeStream *stream)
{
	UeSlice line = {stream->held, stream->held_len};
	UeSlice name;
	UeSlice value;

	if (stream->dialect == UE_STREAM_FRAMES)
		return ue_stream_is_inside_frame(stream);
	if (stream->is_overlong || stream->is_data_open)
		return true;
	if (line.len == 0)
		return false;
	line = ue_slice_sub(line, stream->line_start, line.len);
	if (line.len > 0 && line.ptr[0] == ':')
		return false;
	value = split_field(line, &name);
	if (!ue_slice_is_equal(name, UE_SLICE("data")) || value.len == 0)
		return true;
	return value.ptr[0] == '{' ? !ue_peek_is_closed(value)
							   : value.ptr[0] == '[' && value.ptr[value.len - 1] != ']';
}

bool
ue_stream_lacks_end(UeStream *stream)
{
	if (stream->dialect == UE_STREAM_FRAMES)
		return ue_stream_is_inside_frame(stream);
	/* the last line may lack its end */
	note_line(stream, (UeSlice){stream->held, stream->held_len});
	return stream->has_begun && !stream->has_ended && !stream->was_unseen &&
		   !stream->is_overlong;
}

UeStreamState
ue_stream_end(UeStream *stream)
{
	UeSlice text = {stream->held, stream->held_len};

	if (stream->state == UE_STREAM_ERROR || text.len == 0)
		return stream->state;
	if (stream->dialect == UE_STREAM_FRAMES)
	{
		if (stream->state == UE_STREAM_SUSPECT)
			stream->state = UE_STREAM_ERROR;
		return stream->state;
	}
	stream->pass_end = 0;
	/* the last line may lack its end, the last event its blank line */
	if (stream->line_start < text.len)
		scan_line(stream, text, text.len, text.len);
	if (stream->state != UE_STREAM_ERROR)
		scan_blank_line(stream, text, text.len);
	if (stream->state != UE_STREAM_ERROR)
	{
		stream->pass(stream->context, text);
		ue_stream_reset(stream);
	}
	return stream->state;
}

UeSlice
ue_stream_event(const UeStream *stream)
{
	return (UeSlice){stream->held, stream->held_len};
}

bool
ue_stream_takes_frame(const UeStream *stream)
{
	return stream->pass != NULL && (stream->dialect != UE_STREAM_FRAMES ||
									(stream->frame_left == 0 && !stream->is_overlong));
}

/* CRLF, for behind a CR a bare LF would only complete that line end. */
UeSlice
ue_stream_separator(const UeStream *stream)
{
	if (stream->is_line_open)
		return UE_SLICE("\r\n\r\n");
	if (stream->is_event_open)
		return UE_SLICE("\r\n");
	return (UeSlice){NULL, 0};
}

static void
note_line(UeStream *stream, UeSlice line)
{
	const UeDialect *dialect = &dialects[stream->dialect];

	if (stream->dialect == UE_STREAM_ANY || stream->has_ended || line.len == 0)
		return;
	if (!stream->has_begun)
		stream->has_begun = contains(line, &dialect->beginning);
	for (size_t i = 0; i < MAX_ENDINGS && dialect->endings[i].text.len > 0; i++)
	{
		if (contains(line, &dialect->endings[i]))
			stream->has_ended = true;
	}
}

/* By its rare byte: memchr passes over a line many bytes at a time. */
static bool
contains(UeSlice line, const UeTrait *trait)
{
	UeSlice text = trait->text;
	const char *end = line.ptr + line.len;
	const char *at = line.ptr + trait->rare;

	if (line.len < text.len)
		return false;
	for (; (at = memchr(at, text.ptr[trait->rare], (size_t) (end - at))) != NULL; at++)
	{
		const char *behind = at - trait->rare + text.len;

		if (behind > end)
			return false;
		if (memcmp(at - trait->rare, text.ptr, text.len) != 0)
			continue;
		if (behind < end && *behind == ' ')
			behind++;
		if (!trait->is_string || (behind < end && *behind == '"'))
			return true;
	}
	return false;
}

bool
ue_stream_hold(UeStream *stream, UeSlice bytes)
{
	size_t needed = stream->held_len + bytes.len;

	if (needed > stream->held_size)
	{
		size_t size = needed < 1024 ? 1024 : needed + needed / 2;
		char *held = realloc(stream->held, size);

		if (held == NULL)
			return false;
		stream->held = held;
		stream->held_size = size;
	}
	memcpy(stream->held + stream->held_len, bytes.ptr, bytes.len);
	stream->held_len = needed;
	return true;
}

static void
scan_lines(UeStream *stream, UeSlice text, size_t scan)
{
	if (stream->is_after_cr)
	{
		stream->is_after_cr = false;
		if (text.ptr[scan] == '\n')
		{
			if (stream->pass_end == scan)
				stream->pass_end++;
			scan++;
			stream->line_start = scan;
		}
	}
	while (scan < text.len && stream->state != UE_STREAM_ERROR)
	{
		const char *from = text.ptr + scan;
		const char *lf = memchr(from, '\n', text.len - scan);
		size_t end = lf == NULL ? text.len : (size_t) (lf - text.ptr);
		const char *cr = memchr(from, '\r', end - scan);
		size_t next = end + 1;

		if (cr != NULL)
		{
			end = (size_t) (cr - text.ptr);
			next = end + 1;
			if (next == text.len)
				stream->is_after_cr = true;
			else if (text.ptr[next] == '\n')
				next++;
		}
		else if (lf == NULL)
			return;
		scan_line(stream, text, end, next);
		stream->line_start = next;
		scan = next;
	}
}

/* The line from line_start to end; the next one begins at next. */
static void
scan_line(UeStream *stream, UeSlice text, size_t end, size_t next)
{
	UeSlice line = ue_slice_sub(text, stream->line_start, end - stream->line_start);

	if (!stream->is_begun)
	{
		stream->is_begun = true;
		if (ue_slice_has_prefix(line, UE_SLICE("\xef\xbb\xbf")))
			line = ue_slice_sub(line, 3, line.len);
	}
	if (stream->is_overlong)
	{
		stream->is_overlong = false;
		stream->was_unseen = true;
		stream->is_line_open = false;
		stream->is_event_open = true;
		stream->pass_end = next;
	}
	else if (line.len == 0)
		scan_blank_line(stream, text, next);
	else if (stream->state == UE_STREAM_SUSPECT)
		return;
	else if (line.ptr[0] == ':')
	{
		/* a comment, which servers send to keep connections alive */
		if (stream->pass_end == stream->line_start)
			stream->pass_end = next;
	}
	else
		scan_field(stream, line, next);
}

static void
scan_blank_line(UeStream *stream, UeSlice text, size_t next)
{
	if (stream->state == UE_STREAM_GOOD && stream->is_data_open)
	{
		UeSlice lines = ue_slice_sub(text, stream->data_start, next - stream->data_start);

		if (ue_peek_may_be_error(lines) && is_error_over_lines(lines))
			stream->state = UE_STREAM_SUSPECT;
	}
	stream->is_data_open = false;
	if (stream->state == UE_STREAM_SUSPECT)
	{
		stream->state = UE_STREAM_ERROR;
		return;
	}
	stream->is_event_open = false;
	stream->pass_end = next;
}

/* event:, id:, retry: and what we do not know are held until the event's data. */
static void
scan_field(UeStream *stream, UeSlice line, size_t next)
{
	UeSlice name;
	UeSlice value = split_field(line, &name);

	stream->has_field = true;
	note_line(stream, line);
	if (ue_slice_is_equal(name, UE_SLICE("event")))
	{
		if (ue_slice_is_equal(value, UE_SLICE("error")) ||
			ue_slice_is_equal(value, UE_SLICE("response.failed")))
			stream->state = UE_STREAM_SUSPECT;
	}
	else if (ue_slice_is_equal(name, UE_SLICE("data")) && !stream->is_data_open)
		scan_data(stream, value, next);
}

static void
scan_data(UeStream *stream, UeSlice value, size_t next)
{
	if (value.len > 0 && value.ptr[0] == '{' && value.ptr[value.len - 1] != '}')
	{
		/* an object that goes on in the next data line: judged when the event is whole */
		stream->is_data_open = true;
		stream->data_start = stream->line_start;
	}
	else if (ue_peek_may_be_error(value) && ue_peek_is_error_event(value))
		stream->state = UE_STREAM_ERROR;
	else
	{
		stream->is_event_open = true;
		stream->pass_end = next;
	}
}

static UeSlice
split_field(UeSlice line, UeSlice *name)
{
	const char *colon = memchr(line.ptr, ':', line.len);
	size_t at = colon == NULL ? line.len : (size_t) (colon - line.ptr);

	*name = ue_slice_sub(line, 0, at);
	return ue_slice_trim(ue_slice_sub(line, at + 1, line.len));
}

/* The data lines joined, as a client would see them. */
static bool
is_error_over_lines(UeSlice lines)
{
	char *data = malloc(lines.len);
	size_t len = 0;
	size_t at = 0;
	bool is_error;

	if (data == NULL)
		return false;
	while (at < lines.len)
	{
		size_t end = at;
		UeSlice name;
		UeSlice value;

		while (end < lines.len && lines.ptr[end] != '\n' && lines.ptr[end] != '\r')
			end++;
		value = split_field(ue_slice_sub(lines, at, end - at), &name);
		/* each line lost at least its "data:", so the joined text has room */
		if (value.len > 0 && ue_slice_is_equal(name, UE_SLICE("data")))
		{
			memcpy(data + len, value.ptr, value.len);
			len += value.len;
			data[len++] = '\n';
		}
		at = end + 1;
	}
	is_error = ue_peek_is_error_event((UeSlice){data, len});
	free(data);
	return is_error;
}

static void
pass_text(UeStream *stream, UeSlice text)
{
	if (stream->state != UE_STREAM_ERROR && text.len - stream->pass_end > UE_STREAM_HELD)
	{
		if (stream->state == UE_STREAM_SUSPECT)
			stream->state = UE_STREAM_ERROR;
		else
		{
			stream->is_data_open = false;
			stream->is_overlong = stream->line_start < text.len;
			stream->is_event_open = true;
			stream->pass_end = text.len;
		}
	}
	else if (stream->is_overlong)
		stream->pass_end = text.len;
	stream->is_line_open = stream->is_overlong;
	if (stream->pass_end > 0)
		stream->pass(stream->context, ue_slice_sub(text, 0, stream->pass_end));
}

/* What has not passed moves to the beginning of held; of an error, its own event only. */
void
ue_stream_keep_rest(UeStream *stream, UeSlice text)
{
	size_t passed = stream->pass_end;
	size_t end = stream->state == UE_STREAM_ERROR && stream->line_start > passed
					 ? stream->line_start
					 : text.len;
	UeSlice rest = ue_slice_sub(text, passed, end - passed);

	stream->line_start -= passed < stream->line_start ? passed : stream->line_start;
	stream->data_start -= passed < stream->data_start ? passed : stream->data_start;
	if (rest.len == 0)
	{
		ue_stream_reset(stream);
		return;
	}
	if (stream->held_len > 0)
	{
		memmove(stream->held, rest.ptr, rest.len);
		stream->held_len = rest.len;
	}
	else if (!ue_stream_hold(stream, rest))
	{
		stream->pass(stream->context, rest);
		stream->state = UE_STREAM_GOOD;
		stream->line_start = 0;
		stream->is_overlong = true;
		stream->is_line_open = true;
	}
}
