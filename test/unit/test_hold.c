/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_hold.c: what of a stream is held before the client could use it.
 */
#include <string.h>

#include "hold.h"
#include "tap.h"

static const UeHoldLimits limits = {64, 256 * 1024};

typedef struct Vector
{
	const char *name;
	UeStreamDialect dialect;
	const char *opening; /* held to its end */
	const char *output;	 /* ends the hold */
} Vector;

static const Vector vectors[] = {
	{"chat", UE_STREAM_OPENAI_CHAT,
	 "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\","
	 "\"refusal\":null},\"finish_reason\":null}]}\n\n",
	 "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"H\"}}]}\n\n"},
	{"chat of Azure: filters first", UE_STREAM_OPENAI_CHAT,
	 "data: {\"choices\":[],\"prompt_filter_results\":[{\"prompt_index\":0}]}\n\n"
	 "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}],\"usage\":null}\n\n",
	 "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"content_filter\"}]}\n\n"},
	{"chat: a call", UE_STREAM_OPENAI_CHAT, ": ping\n\n",
	 "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"tool_calls\":[{\"index\":0}]}}]"
	 "}\n\n"},
	{"chat: reasoning", UE_STREAM_OPENAI_CHAT, ": OPENROUTER PROCESSING\n\n",
	 "data: {\"choices\":[{\"delta\":{\"content\":\"\",\"reasoning_content\":\"Hm\"}}]}\n\n"},
	{"chat: the end", UE_STREAM_OPENAI_CHAT, "\n\n", "data: [DONE]\n\n"},
	{"chat: usage alone", UE_STREAM_OPENAI_CHAT, "\n",
	 "data: {\"choices\":[],\"usage\":{\"total_tokens\":1}}\n\n"},
	{"responses", UE_STREAM_OPENAI_RESPONSES,
	 "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{}}\n\n"
	 "event: response.in_progress\ndata: {\"type\":\"response.in_progress\"}\n\n"
	 "event: response.output_item.added\r\ndata: {\"type\":\"response.output_item.added\"}"
	 "\r\n\r\n",
	 "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\","
	 "\"delta\":\"a\"}\n\n"},
	{"anthropic", UE_STREAM_ANTHROPIC,
	 "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\"}}\n\n"
	 "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0}\n\n"
	 "event: ping\ndata: {\"type\":\"ping\"}\n\n",
	 "event: content_block_delta\ndata: {\"type\":\"content_block_delta\"}\n\n"},
	{"anthropic: what is not known", UE_STREAM_ANTHROPIC, "\r\n",
	 "data: {\"type\":\"new_event\"}\n\n"},
	{"gemini: the first candidate", UE_STREAM_GEMINI, ":\n\n",
	 "data: {\"candidates\":[]}\r\n\r\n"},
	{"anybody's", UE_STREAM_ANY, ": hello\n\n", "data: x\n\n"},
	{"not JSON", UE_STREAM_OPENAI_CHAT, "id: 4\n\n", "data: {\"choices\":[\n\n"},
	{"data over two lines", UE_STREAM_ANTHROPIC, "event: ping\n\n",
	 "data: {\"type\":\ndata: \"ping\"}\n\n"},
};

/* In pieces of a given size; the number of bytes after which it was let go. */
static size_t
feed(UeHold *hold, const char *text, size_t piece, bool *is_held)
{
	UeSlice rest = ue_slice_of(text);
	size_t n_fed = 0;
	bool is_kept;

	*is_held = true;
	while (rest.len > 0 && *is_held)
	{
		UeSlice bytes = ue_slice_sub(rest, 0, piece);

		*is_held = ue_hold_append(hold, bytes, &is_kept);
		n_fed += bytes.len;
		rest = ue_slice_sub(rest, piece, rest.len);
	}
	return n_fed;
}

static void
test_vector(const Vector *v)
{
	static const size_t pieces[] = {1, 3, 100000};

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
	{
		UeHold hold;
		bool is_held;
		size_t opening = strlen(v->opening);

		ue_hold_init(&hold, v->dialect, &limits);
		(void) feed(&hold, v->opening, pieces[i], &is_held);
		ok(is_held, "%s, in pieces of %zu: the opening is held", v->name, pieces[i]);
		(void) feed(&hold, v->output, pieces[i], &is_held);
		ok(!is_held, "%s: output lets it go", v->name);
		ok(ue_hold_bytes(&hold).len == opening + strlen(v->output) &&
			   memcmp(ue_hold_bytes(&hold).ptr, v->opening, opening) == 0 &&
			   memcmp(ue_hold_bytes(&hold).ptr + opening, v->output, strlen(v->output)) ==
				   0,
		   "%s: nothing is lost", v->name);
		ue_hold_free(&hold);
	}
}

static void
test_limits(void)
{
	UeHoldLimits few = {3, 1000};
	UeHold hold;
	bool is_held;
	bool is_kept;
	char line[600];

	ue_hold_init(&hold, UE_STREAM_ANTHROPIC, &few);
	(void) feed(&hold, ":\n\n:\n\n", 1, &is_held);
	ok(is_held, "two events of three");
	(void) feed(&hold, ":\n\n", 1, &is_held);
	ok(!is_held, "the third is one too many");
	ue_hold_free(&hold);

	memset(line, 'x', sizeof(line));
	ue_hold_init(&hold, UE_STREAM_ANTHROPIC, &few);
	ok(ue_hold_append(&hold, (UeSlice){line, sizeof(line)}, &is_kept) && is_kept &&
		   !ue_hold_append(&hold, (UeSlice){line, sizeof(line)}, &is_kept) && is_kept &&
		   ue_hold_bytes(&hold).len == 2 * sizeof(line),
	   "so many bytes, also in one line");
	ue_hold_free(&hold);
	ok(ue_hold_bytes(&hold).len == 0, "freed, it holds nothing");
}

int
main(void)
{
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		test_vector(&vectors[i]);
	test_limits();
	return done_testing();
}
