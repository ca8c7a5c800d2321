/* SPDX-License-Identifier: PostgreSQL */
/*
 * hold.c: what opens a stream, by dialect.
 *
 * Sources: OpenAI's reference of chat.completion.chunk (the first delta has the role and
 * empty content) and of streaming Responses events; Anthropic's "Streaming messages"
 * (message_start, ping, content_block_start); Gemini sends no event before a candidate.
 * What is not known to open a stream is output: to hold too much would be worse than to
 * retry too little.
 */
#include "hold.h"

#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "heap.h"

/* Opening events are a few hundred bytes; one with the request echoed in it, as Responses
 * does, a few KB. */
#define JSON_MEMORY (256 * 1024)

static bool is_event_output(const UeHold *hold, UeSlice event);
static bool grow(UeHold *hold, size_t needed);
static bool is_chat_output(const UeJson *root);
static bool is_delta_output(const UeJson *delta);
static bool is_opening_type(const UeJson *root, const UeSlice *types, size_t n_types);

/* Responses: everything before the first delta. */
static const UeSlice responses_opening[] = {
	UE_SLICE_INIT("response.created"),
	UE_SLICE_INIT("response.queued"),
	UE_SLICE_INIT("response.in_progress"),
	UE_SLICE_INIT("response.output_item.added"),
	UE_SLICE_INIT("response.content_part.added"),
	UE_SLICE_INIT("response.reasoning_summary_part.added"),
	UE_SLICE_INIT("response.web_search_call.in_progress"),
	UE_SLICE_INIT("response.file_search_call.in_progress"),
	UE_SLICE_INIT("keepalive"),
};

static const UeSlice anthropic_opening[] = {
	UE_SLICE_INIT("message_start"),
	UE_SLICE_INIT("content_block_start"),
	UE_SLICE_INIT("ping"),
};

void
ue_hold_init(UeHold *hold, UeStreamDialect dialect, const UeHoldLimits *limits)
{
	*hold = (UeHold){.dialect = dialect, .limits = *limits};
}

void
ue_hold_free(UeHold *hold)
{
	free(hold->bytes);
	*hold = (UeHold){.bytes = NULL};
}

UeSlice
ue_hold_bytes(const UeHold *hold)
{
	return (UeSlice){hold->bytes, hold->len};
}

/* The end of the line at an offset, its line break included; 0: it is not whole. */
static size_t
find_line_end(const UeHold *hold, size_t at)
{
	for (; at < hold->len; at++)
	{
		if (hold->bytes[at] == '\n')
			return at + 1;
		/* a lone CR ends a line too; at the end a LF may follow it */
		if (hold->bytes[at] == '\r' && at + 1 < hold->len)
			return hold->bytes[at + 1] == '\n' ? at + 2 : at + 1;
	}
	return 0;
}

/* Judges the events that are whole; true: one of them is output. */
static bool
judge_events(UeHold *hold)
{
	size_t at = hold->event_start;
	size_t line_end;

	while ((line_end = find_line_end(hold, at)) != 0)
	{
		bool is_blank = hold->bytes[at] == '\n' || hold->bytes[at] == '\r';
		UeSlice event = {hold->bytes + hold->event_start, at - hold->event_start};

		at = line_end;
		if (!is_blank)
			continue;
		hold->event_start = at;
		hold->n_events++;
		if (is_event_output(hold, event))
			return true;
	}
	return false;
}

bool
ue_hold_append(UeHold *hold, UeSlice bytes, bool *is_kept)
{
	*is_kept = bytes.len == 0 || grow(hold, hold->len + bytes.len);
	if (!*is_kept)
		return false;
	if (bytes.len > 0)
		memcpy(hold->bytes + hold->len, bytes.ptr, bytes.len);
	hold->len += bytes.len;
	return !judge_events(hold) && hold->n_events < hold->limits.max_events &&
		   hold->len < hold->limits.max_bytes;
}

static bool
grow(UeHold *hold, size_t needed)
{
	size_t size = hold->size == 0 ? 2048 : hold->size;
	char *grown;

	if (needed <= hold->size)
		return true;
	while (size < needed)
		size *= 2;
	grown = realloc(hold->bytes, size);
	if (grown == NULL)
		return false;
	hold->bytes = grown;
	hold->size = size;
	return true;
}

/* Its lines; data may go on over several of them, then it is none that opens a stream. */
static bool
is_event_output(const UeHold *hold, UeSlice event)
{
	UeSlice data = {NULL, 0};
	size_t n_data = 0;

	while (event.len > 0)
	{
		size_t end = 0;
		UeSlice line;

		while (end < event.len && event.ptr[end] != '\n' && event.ptr[end] != '\r')
			end++;
		line = ue_slice_sub(event, 0, end);
		event = ue_slice_sub(event, end + 1, event.len);
		if (!ue_slice_has_prefix(line, UE_SLICE("data:")))
			continue;
		data = ue_slice_trim(ue_slice_sub(line, sizeof("data:") - 1, line.len));
		n_data++;
	}
	/* comments keep a connection alive */
	return n_data > 1 || (n_data == 1 && ue_hold_is_output(hold->dialect, data));
}

bool
ue_hold_is_output(UeStreamDialect dialect, UeSlice data)
{
	const UeJson *root;
	UeArena arena;
	bool is_output = true;

	ue_arena_init(&arena, &ue_heap_allocator, JSON_MEMORY);
	if (dialect != UE_STREAM_ANY && dialect != UE_STREAM_GEMINI &&
		ue_json_parse(&arena, data, &root) == UE_OK && !root->is_cut)
	{
		if (dialect == UE_STREAM_OPENAI_CHAT)
			is_output = is_chat_output(root);
		else if (dialect == UE_STREAM_OPENAI_RESPONSES)
			is_output = !is_opening_type(root, responses_opening,
										 sizeof(responses_opening) / sizeof(UeSlice));
		else
			is_output = !is_opening_type(root, anthropic_opening,
										 sizeof(anthropic_opening) / sizeof(UeSlice));
	}
	ue_arena_free(&arena);
	return is_output;
}

static bool
is_opening_type(const UeJson *root, const UeSlice *types, size_t n_types)
{
	UeSlice type = ue_json_text(ue_json_find(root, UE_SLICE("type")));

	for (size_t i = 0; i < n_types; i++)
		if (ue_slice_is_equal(type, types[i]))
			return true;
	return false;
}

/* A chunk without choices tells about filters (Azure's first) or usage: with usage it is
 * the last. */
static bool
is_chat_output(const UeJson *root)
{
	const UeJson *choices = ue_json_find(root, UE_SLICE("choices"));
	const UeJson *usage = ue_json_find(root, UE_SLICE("usage"));

	if (choices == NULL || choices->type != UE_JSON_ARRAY ||
		(usage != NULL && usage->type == UE_JSON_OBJECT))
		return true;
	for (const UeJson *choice = choices->child; choice != NULL; choice = choice->next)
	{
		const UeJson *reason = ue_json_find(choice, UE_SLICE("finish_reason"));

		if ((reason != NULL && reason->type != UE_JSON_NULL) ||
			is_delta_output(ue_json_find(choice, UE_SLICE("delta"))))
			return true;
	}
	return false;
}

/* Anything but the role and empty texts. */
static bool
is_delta_output(const UeJson *delta)
{
	if (delta == NULL || delta->type != UE_JSON_OBJECT)
		return true;
	for (const UeJson *member = delta->child; member != NULL; member = member->next)
	{
		bool is_empty =
			member->type == UE_JSON_NULL ||
			(member->type == UE_JSON_STRING && member->text.len == 0) ||
			((member->type == UE_JSON_ARRAY || member->type == UE_JSON_OBJECT) &&
			 member->child == NULL);

		if (!is_empty && !ue_slice_is_equal(member->key, UE_SLICE("role")))
			return true;
	}
	return false;
}
