/* SPDX-License-Identifier: PostgreSQL */
/*
 * peek.c: a look at the members that there are.
 *
 * What an error looks like is the core's to know (telltale.h); here it is decided only
 * whether what is there is enough to ask.
 */
#include "peek.h"

#include <string.h>

#include "core/eventframe.h"
#include "core/telltale.h"
#include "core/walk.h"

/* Bytes that are compared at once; the compiler finds the instructions for it. */
#define LANES 16
typedef unsigned char UeLanes __attribute__((vector_size(LANES)));

static inline UeLanes find_trios(const char *text);
static bool has_hit(UeLanes hits);
static UePeek judge_first(const UeWalk *walk);
static UePeek peek_frames(UeSlice beginning, bool is_whole);

UePeek
ue_peek_answer(UeSlice beginning, bool is_whole)
{
	UeWalk walk;
	UeTelltale telltale;
	bool is_short;
	bool has_member = false;
	UeWalkFound step;

	/* no text begins with a NUL, and every frame shorter than 16 MB does */
	if (beginning.len > 0 && beginning.ptr[0] == '\0')
		return peek_frames(beginning, is_whole);
	if (!ue_walk_begin(&walk, beginning, &is_short))
		return is_short && !is_whole ? UE_PEEK_MORE : UE_PEEK_GOOD;
	do
	{
		telltale = (UeTelltale){0};
		while ((step = ue_walk_next(&walk)) == UE_WALK_MEMBER)
		{
			ue_telltale_note(&telltale, walk.key, walk.value);
			has_member = true;
		}
		if (ue_telltale_judge(&telltale, is_whole || step == UE_WALK_END) ==
			UE_TELLTALE_ERROR)
			return UE_PEEK_ERROR;
	} while (step == UE_WALK_END && ue_walk_next_object(&walk));

	if (step == UE_WALK_INCOMPLETE && !has_member)
	{
		UePeek first = judge_first(&walk);

		return first == UE_PEEK_MORE && is_whole ? UE_PEEK_GOOD : first;
	}
	return !is_whole && step == UE_WALK_INCOMPLETE &&
				   ue_telltale_judge(&telltale, false) == UE_TELLTALE_OPEN
			   ? UE_PEEK_MORE
			   : UE_PEEK_GOOD;
}

bool
ue_peek_is_error_event(UeSlice data)
{
	UeWalk walk;
	UeTelltale telltale = {0};
	bool is_short;

	if (!ue_walk_begin(&walk, data, &is_short))
		return false;
	while (ue_walk_next(&walk) == UE_WALK_MEMBER)
		ue_telltale_note(&telltale, walk.key, walk.value);
	return ue_telltale_judge(&telltale, true) == UE_TELLTALE_ERROR;
}

/*
 * Asked of each event of each stream, so that one pass looks for three bytes of each part,
 * sixteen places at a time; only where they are found is a part looked for by itself.
 */
bool
ue_peek_may_be_error(UeSlice text)
{
	/* parts of "error", "Error", "errors"; of "code", "status_code"; of "success" */
	static const UeSlice parts[] = {UE_SLICE_INIT("rror"), UE_SLICE_INIT("ode\""),
									UE_SLICE_INIT("response.failed"),
									UE_SLICE_INIT("xception\""),
									UE_SLICE_INIT("uccess\"")};
	char last[LANES + 2] = {0};
	UeLanes hits = {0};
	size_t at = 0;

	if (text.len == 0)
		return false;
	for (; at + LANES + 2 <= text.len; at += LANES)
		hits |= find_trios(text.ptr + at);
	memcpy(last, text.ptr + at, text.len - at);
	hits |= find_trios(last);
	if (!has_hit(hits))
		return false;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (memmem(text.ptr, text.len, parts[i].ptr, parts[i].len) != NULL)
			return true;
	return false;
}

bool
ue_peek_is_closed(UeSlice text)
{
	return ue_walk_is_closed(text);
}

void
ue_peek_request(UeSlice body, UeSlice *model, bool *is_stream)
{
	UeWalk walk;
	bool is_short;

	if (!ue_walk_begin(&walk, body, &is_short))
		return;
	while (ue_walk_next(&walk) == UE_WALK_MEMBER)
	{
		if (ue_slice_is_equal(walk.key, UE_SLICE("model")) && walk.value.len > 2 &&
			walk.value.ptr[0] == '"')
			*model = ue_slice_sub(walk.value, 1, walk.value.len - 2);
		else if (ue_slice_is_equal(walk.key, UE_SLICE("stream")))
			*is_stream = ue_slice_is_equal(walk.value, UE_SLICE("true"));
	}
}

/* Bedrock streams in frames; an exception may be the first, or follow the first event. */
static UePeek
peek_frames(UeSlice beginning, bool is_whole)
{
	UeEventFrame frame;
	UeSlice rest = beginning;

	if (ue_eventframe_find_error(beginning, &frame))
		return UE_PEEK_ERROR;
	if (is_whole || ue_eventframe_next(&rest, &frame) ||
		(beginning.len >= UE_EVENTFRAME_PRELUDE && !ue_eventframe_is_frame(beginning)))
		return UE_PEEK_GOOD;
	return UE_PEEK_MORE;
}

/* The first member, of which only a part is there: its name is enough, nearly always. */
static UePeek
judge_first(const UeWalk *walk)
{
	bool is_error = ue_slice_is_equal(walk->key, UE_SLICE("error"));

	if (is_error && walk->value.len > 1 &&
		(walk->value.ptr[0] == '{' || walk->value.ptr[0] == '"'))
		return UE_PEEK_ERROR;
	if (walk->value.len > 0 && !ue_telltale_is_suspect(walk->key))
		return UE_PEEK_GOOD;
	return UE_PEEK_MORE;
}

/* Of each part of ue_peek_may_be_error three bytes that are seldom together elsewhere. */
static inline UeLanes
find_trios(const char *text)
{
	UeLanes a;
	UeLanes b;
	UeLanes c;

	memcpy(&a, text, LANES);
	memcpy(&b, text + 1, LANES);
	memcpy(&c, text + 2, LANES);
	return (UeLanes) (((a == 'r') & (b == 'r') & (c == 'o')) |
					  ((a == 'd') & (b == 'e') & (c == '"')) |
					  ((a == '.') & (b == 'f') & (c == 'a')) |
					  ((a == 'x') & (b == 'c') & (c == 'e')) |
					  ((a == 'u') & (b == 'c') & (c == 'c')));
}

static bool
has_hit(UeLanes hits)
{
	static const UeLanes none = {0};

	return memcmp(&hits, &none, LANES) != 0;
}
