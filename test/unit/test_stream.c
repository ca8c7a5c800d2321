/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_stream.c: the scanner of event streams, cut at every byte, and the look into JSON.
 */
#include <stdlib.h>
#include <string.h>

#include "guard.h"
#include "peek.h"
#include "stream.h"
#include "tap.h"

#define SINK_BYTES 400000

typedef struct Sink
{
	char bytes[SINK_BYTES];
	size_t len;
	size_t n_calls;
} Sink;

typedef struct Case
{
	const char *name;
	UeSlice input;
	UeSlice passed; /* empty with is_good: all of it */
	UeSlice event;	/* empty: no error in it */
	UeSlice separator;
} Case;

#define EVENT_ERROR                                                                      \
	"event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n"
#define GOOD "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"}}]}\n\n"
#define S	 UE_SLICE_INIT

/* clang-format off */
static const Case cases[] = {
	{"a good event", S(GOOD), S(GOOD), S(""), S("")},
	{"several good events", S(GOOD GOOD "data: [DONE]\n\n"), S(GOOD GOOD "data: [DONE]\n\n"), S(""), S("")},
	{"CRLF line ends", S("data: {\"a\":1}\r\n\r\ndata: x\r\n\r\n"), S("data: {\"a\":1}\r\n\r\ndata: x\r\n\r\n"), S(""), S("")},
	{"CR line ends", S("data: {\"a\":1}\r\rdata: x\r\r"), S("data: {\"a\":1}\r\rdata: x\r\r"), S(""), S("")},
	{"a byte order mark", S("\xef\xbb\xbf" GOOD), S("\xef\xbb\xbf" GOOD), S(""), S("")},
	{"comments and blank lines", S(": keep-alive\n\n\n\n: more\n" GOOD), S(": keep-alive\n\n\n\n: more\n" GOOD), S(""), S("")},
	{"a named good event", S("event: message_start\ndata: {\"type\":\"message_start\"}\n\n"), S("event: message_start\ndata: {\"type\":\"message_start\"}\n\n"), S(""), S("")},
	{"an event that is not data", S("id: 7\nretry: 10\n\n" GOOD), S("id: 7\nretry: 10\n\n" GOOD), S(""), S("")},
	{"an object over several lines", S("data: {\ndata: \"a\": 1\ndata: }\n\n"), S("data: {\ndata: \"a\": 1\ndata: }\n\n"), S(""), S("")},
	{"the word error inside a text", S("data: {\"choices\":[{\"delta\":{\"content\":\"error\"}}]}\n\n"), S("data: {\"choices\":[{\"delta\":{\"content\":\"error\"}}]}\n\n"), S(""), S("")},
	{"an error member inside an object", S("data: {\"response\":{\"error\":{\"a\":1}},\"type\":\"response.created\"}\n\n"), S("data: {\"response\":{\"error\":{\"a\":1}},\"type\":\"response.created\"}\n\n"), S(""), S("")},
	{"error: null", S("data: {\"id\":1,\"error\":null}\n\n"), S("data: {\"id\":1,\"error\":null}\n\n"), S(""), S("")},
	{"error: {}", S("data: {\"id\":1,\"error\":{}}\n\n"), S("data: {\"id\":1,\"error\":{}}\n\n"), S(""), S("")},
	{"an escaped quote before", S("data: {\"a\":\"\\\"error\\\":1\"}\n\n"), S("data: {\"a\":\"\\\"error\\\":1\"}\n\n"), S(""), S("")},
	{"a stream without its last blank line", S("data: {\"a\":1}\n"), S("data: {\"a\":1}\n"), S(""), S("\r\n")},
	{"a stream without its last line end", S(GOOD "data: [DO"), S(GOOD "data: [DO"), S(""), S("")},

	{"an error event first", S(EVENT_ERROR), S(""), S(EVENT_ERROR), S("")},
	{"an error event later", S(GOOD EVENT_ERROR GOOD), S(GOOD), S(EVENT_ERROR), S("")},
	{"no blank behind the colon", S("event:error\ndata:{}\n\n"), S(""), S("event:error\ndata:{}\n\n"), S("")},
	{"an error event with CRLF", S("event: error\r\ndata: {}\r\n\r\n"), S(""), S("event: error\r\ndata: {}\r\n\r\n"), S("")},
	{"an error object as data", S("data: {\"error\":{\"message\":\"m\"}}\n\n"), S(""), S("data: {\"error\":{\"message\":\"m\"}}\n"), S("")},
	{"an error behind other members", S("data: {\"id\":\"x\",\"model\":\"m\",\"error\":{\"code\":500},\"choices\":[]}\n\n"), S(""), S("data: {\"id\":\"x\",\"model\":\"m\",\"error\":{\"code\":500},\"choices\":[]}\n"), S("")},
	{"type error", S("data: {\"sequence_number\":1,\"type\":\"error\",\"message\":\"m\"}\n\n"), S(""), S("data: {\"sequence_number\":1,\"type\":\"error\",\"message\":\"m\"}\n"), S("")},
	{"response.failed by name", S("event: response.failed\ndata: {\"type\":\"response.failed\"}\n\n"), S(""), S("event: response.failed\ndata: {\"type\":\"response.failed\"}\n\n"), S("")},
	{"response.failed by type", S(GOOD "data: {\"type\":\"response.failed\",\"response\":{}}\n\n"), S(GOOD), S("data: {\"type\":\"response.failed\",\"response\":{}}\n"), S("")},
	{"an error under another name", S("event: message\nid: 3\ndata: {\"error\":\"text\"}\n\n"), S(""), S("event: message\nid: 3\ndata: {\"error\":\"text\"}\n"), S("")},
	{"an error over several lines", S("data: {\ndata: \"error\":{\"a\":1}\ndata: }\n\n"), S(""), S("data: {\ndata: \"error\":{\"a\":1}\ndata: }\n\n"), S("")},
	{"an error without its end", S(GOOD "event: error\ndata: {\"type\":\"error\"}"), S(GOOD), S("event: error\ndata: {\"type\":\"error\"}"), S("")},
	{"an error behind a comment", S(": hi\n" EVENT_ERROR), S(": hi\n"), S(EVENT_ERROR), S("")},
	{"an error in the middle of an event", S("data: {\"a\":1}\ndata: {\"error\":{\"b\":1}}\n\n"), S("data: {\"a\":1}\n"), S("data: {\"error\":{\"b\":1}}\n"), S("\r\n")},
};
/* clang-format on */

static Guard guard;

static void
take(void *context, UeSlice bytes)
{
	Sink *sink = context;

	if (bytes.len > sizeof(sink->bytes) - sink->len)
		abort();
	memcpy(sink->bytes + sink->len, bytes.ptr, bytes.len);
	sink->len += bytes.len;
	sink->n_calls++;
}

/* Each piece ends at an unreadable page, and is gone afterwards. */
static void
feed(UeStream *stream, UeSlice piece)
{
	UeSlice placed = guard_place(&guard, piece);

	ue_stream_feed(stream, placed);
	memset((char *) placed.ptr, 'X', placed.len);
}

/* Fed in pieces of size step, the first one of size first. */
static bool
is_as_expected(const Case *expected, size_t first, size_t step)
{
	static Sink sink;
	UeStream stream;
	UeSlice passed;
	size_t at = first;
	bool is_error = expected->event.len > 0;
	bool is_right;

	sink.len = 0;
	ue_stream_init(&stream, take, &sink);
	feed(&stream, ue_slice_sub(expected->input, 0, first));
	while (at < expected->input.len)
	{
		feed(&stream, ue_slice_sub(expected->input, at, step));
		at += step;
	}
	ue_stream_end(&stream);
	passed = (UeSlice){sink.bytes, sink.len};
	is_right = ue_slice_is_equal(passed, expected->passed) &&
			   (stream.state == UE_STREAM_ERROR) == is_error &&
			   /* cut between CR and LF, the last line end is CR */
			   (!is_error || ue_slice_is_equal(ue_slice_trim(ue_stream_event(&stream)),
											   ue_slice_trim(expected->event))) &&
			   ue_slice_is_equal(ue_stream_separator(&stream), expected->separator);
	if (!is_right)
		printf("# first %zu step %zu state %d passed \"%.*s\" event \"%.*s\"\n", first,
			   step, (int) stream.state, (int) passed.len, passed.ptr,
			   (int) ue_stream_event(&stream).len, ue_stream_event(&stream).ptr);
	ue_stream_reset(&stream);
	return is_right;
}

static void
test_cases(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		size_t n_wrong = 0;

		for (size_t cut = 0; cut <= cases[i].input.len; cut++)
			n_wrong += !is_as_expected(&cases[i], cut, cases[i].input.len + 1);
		for (size_t step = 1; step <= 7; step++)
			n_wrong += !is_as_expected(&cases[i], 0, step);
		ok(n_wrong == 0, "stream: %s, however it is cut", cases[i].name);
	}
}

/* Ends of streams that HTTP takes for good ones. */
static void
test_cut(void)
{
	static const struct
	{
		UeSlice end;
		bool is_cut;
	} ends[] = {
		{S(""), false},
		{S("data: [DONE]"), false},
		{S("data: [DONE]\n"), false},
		{S("data: {\"a\":{\"b\":1}}"), false},
		{S(": keep-al"), false},
		{S("data: {\"a\":{\"b\":1}"), true},
		{S("data: [DO"), true},
		{S("da"), true},
		{S("data:"), true},
		{S("event: message_stop\n"), true},
		{S("event: message_stop\ndata: {\"a\""), true},
		{S("data: {\ndata: \"a\":1\n"), true},
	};

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
	{
		static Sink sink;
		UeStream stream;

		sink.len = 0;
		ue_stream_init(&stream, take, &sink);
		ue_stream_feed(&stream, UE_SLICE(GOOD));
		ue_stream_feed(&stream, ends[i].end);
		ok(ue_stream_is_cut(&stream) == ends[i].is_cut, "stream: \"%.*s\" %s",
		   (int) ends[i].end.len, ends[i].end.ptr,
		   ends[i].is_cut ? "is cut" : "is an end");
		ue_stream_reset(&stream);
	}
}

/* Streams that HTTP and their framing take for whole. */
static void
test_missing_end(void)
{
	static const struct
	{
		UeSlice text;
		UeStreamDialect dialect;
		bool lacks_end;
	} streams[] = {
		{S("data: {\"object\":\"chat.completion.chunk\"}\n\n"), UE_STREAM_OPENAI_CHAT,
		 true},
		{S("data: {\"object\":\"chat.completion.chunk\"}\n\ndata: [DONE]"),
		 UE_STREAM_OPENAI_CHAT, false},
		{S("data: {\"object\":\"chat.completion.chunk\",\"finish_reason\":null}\n\n"),
		 UE_STREAM_OPENAI_CHAT, true},
		{S("data: {\"object\":\"chat.completion.chunk\",\"finish_reason\":\"stop\"}\n\n"),
		 UE_STREAM_OPENAI_CHAT, false},
		{S("data: {\"finish_reason\": null,\"object\":\"chat.completion.chunk\"}\n\n"),
		 UE_STREAM_OPENAI_CHAT, true},
		{S("data: {\"object\":\"chat.completion.chunk\",\"finish_reason\": \"stop\"}\n\n"),
		 UE_STREAM_OPENAI_CHAT, false},
		{S("data: {\"a\":{\"finish_reason\":null},\"object\":\"chat.completion.chunk\","
		   "\"finish_reason\":\"stop\"}\n\n"),
		 UE_STREAM_OPENAI_CHAT, false},
		{S("data: {\"object\":\"chat.completion.chunk\"}\n\n"), UE_STREAM_ANY, false},
		{S("data: {\"object\":\"other\"}\n\n"), UE_STREAM_OPENAI_CHAT, false},
		{S("event: response.created\ndata: {}\n\n"), UE_STREAM_OPENAI_RESPONSES, true},
		{S("event: response.created\ndata: {}\n\ndata: {\"type\":\"response.incomplete\"}\n\n"),
		 UE_STREAM_OPENAI_RESPONSES, false},
		{S("event: message_start\ndata: {}\n\n: message_stop\n"), UE_STREAM_ANTHROPIC,
		 true},
		{S("event: message_start\r\ndata: {}\r\n\r\nevent: message_stop\r\ndata: {}\r\n\r\n"),
		 UE_STREAM_ANTHROPIC, false},
		{S("data: {\"candidates\":[{}]}\r\n\r\n"), UE_STREAM_GEMINI, true},
		{S("data: {\"candidates\":[{\"finishReason\":\"STOP\"}]}\r\n\r\n"),
		 UE_STREAM_GEMINI, false},
		{S(""), UE_STREAM_ANTHROPIC, false},
	};

	for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++)
	{
		size_t n_wrong = 0;

		for (size_t cut = 0; cut <= streams[i].text.len; cut++)
		{
			static Sink sink;
			UeStream stream;

			sink.len = 0;
			ue_stream_init(&stream, take, &sink);
			ue_stream_expect(&stream, streams[i].dialect);
			ue_stream_feed(&stream, ue_slice_sub(streams[i].text, 0, cut));
			ue_stream_feed(&stream,
						   ue_slice_sub(streams[i].text, cut, streams[i].text.len));
			n_wrong += ue_stream_lacks_end(&stream) != streams[i].lacks_end;
			ue_stream_reset(&stream);
		}
		ok(n_wrong == 0, "stream: an end %s: %zu",
		   streams[i].lacks_end ? "is missing" : "is there, or not known of", i);
	}
}

/* A whole good chunk passes at once, in one piece and without a copy. */
static void
test_flow(void)
{
	static Sink sink;
	UeStream stream;

	ue_stream_init(&stream, take, &sink);
	ue_stream_feed(&stream, UE_SLICE(GOOD GOOD));
	ok(sink.n_calls == 1 && sink.len == 2 * (sizeof(GOOD) - 1) && stream.held == NULL,
	   "stream: a chunk of whole events passes at once and in one piece");
	ue_stream_feed(&stream, UE_SLICE("data: {\"a\""));
	ok(sink.n_calls == 1, "stream: half a line waits");
	ue_stream_feed(&stream, UE_SLICE(":1}\n"));
	ok(sink.n_calls == 2 && stream.held == NULL,
	   "stream: a data line passes before its blank line, and nothing is kept");
	is_text(ue_stream_separator(&stream), UE_SLICE("\r\n"),
			"stream: a frame of ours would need a blank line first");
	ue_stream_reset(&stream);
}

static void
test_overlong(void)
{
	static Sink sink;
	static char text[UE_STREAM_HELD];
	UeStream stream;

	memset(text, 'x', sizeof(text));
	sink.len = 0;
	ue_stream_init(&stream, take, &sink);
	ue_stream_feed(&stream, UE_SLICE("data: {\"image\":\""));
	ue_stream_feed(&stream, (UeSlice){text, sizeof(text)});
	ok(sink.len == 16 + sizeof(text) && stream.held == NULL,
	   "stream: a line too long to hold passes");
	ok(stream.state == UE_STREAM_GOOD, "stream: and is taken for good");
	is_text(ue_stream_separator(&stream), UE_SLICE("\r\n\r\n"),
			"stream: a frame of ours would have to end that line");
	ue_stream_feed(&stream, UE_SLICE("\",\"error\":{\"a\":1}}\n\n"));
	ok(stream.state == UE_STREAM_GOOD, "stream: its rest is not judged");
	ue_stream_feed(&stream, UE_SLICE(EVENT_ERROR));
	ok(stream.state == UE_STREAM_ERROR, "stream: the next event is");
	is_text(ue_stream_event(&stream), UE_SLICE(EVENT_ERROR), "stream: alone");
	ue_stream_reset(&stream);

	sink.len = 0;
	ue_stream_init(&stream, take, &sink);
	ue_stream_feed(&stream, UE_SLICE("event: error\ndata: {\"message\":\""));
	ue_stream_feed(&stream, (UeSlice){text, sizeof(text)});
	ok(stream.state == UE_STREAM_ERROR && sink.len == 0,
	   "stream: an error event too long to hold is an error all the same");
	ue_stream_reset(&stream);
}

typedef struct PeekCase
{
	UeSlice text;
	UePeek prefix; /* when more may come */
	UePeek whole;
} PeekCase;

static const PeekCase peeks[] = {
	{S(""), UE_PEEK_MORE, UE_PEEK_GOOD},
	{S(" \n"), UE_PEEK_MORE, UE_PEEK_GOOD},
	{S("{"), UE_PEEK_MORE, UE_PEEK_GOOD},
	{S("{\"err"), UE_PEEK_MORE, UE_PEEK_GOOD},
	{S("{\"error\""), UE_PEEK_MORE, UE_PEEK_GOOD},
	{S("{\"error\":"), UE_PEEK_MORE, UE_PEEK_GOOD},
	{S("{\"error\":{"), UE_PEEK_MORE, UE_PEEK_GOOD},
	{S("{\"error\":{\"m"), UE_PEEK_ERROR, UE_PEEK_ERROR},
	{S("{\"error\":{\"message\":\"m\"}}"), UE_PEEK_ERROR, UE_PEEK_ERROR},
	{S("{\"error\":{}}"), UE_PEEK_GOOD, UE_PEEK_GOOD},
	{S("{\"error\":null,\"id\":1}"), UE_PEEK_GOOD, UE_PEEK_GOOD},
	{S("{\"error\":\"text\"}"), UE_PEEK_ERROR, UE_PEEK_ERROR},
	{S("[{\"error\":{\"code\":429}}]"), UE_PEEK_ERROR, UE_PEEK_ERROR},
	{S("{\"type\":\"err"), UE_PEEK_MORE, UE_PEEK_GOOD},
	{S("{\"type\":\"error\",\"error\":{}}"), UE_PEEK_ERROR, UE_PEEK_ERROR},
	{S("{\"id\":\"long te"), UE_PEEK_GOOD, UE_PEEK_GOOD},
	/* by number */
	{S("{\"error_code\":17,\"error_msg\":\"m\",\"id\":\"as-1\"}"), UE_PEEK_ERROR,
	 UE_PEEK_ERROR},
	{S("{\"error_code\":17,\"error_"), UE_PEEK_MORE, UE_PEEK_GOOD},
	{S("{\"error_code\":0,\"error_msg\":\"\",\"result\":\"r\"}"), UE_PEEK_GOOD,
	 UE_PEEK_GOOD},
	{S("{\"id\":\"1\",\"choices\":null,\"base_resp\":{\"status_code\":1002,"
	   "\"status_msg\":\"m\"}}"),
	 UE_PEEK_ERROR, UE_PEEK_ERROR},
	{S("{\"id\":\"1\",\"choices\":null,\"ba"), UE_PEEK_MORE, UE_PEEK_GOOD},
	{S("{\"choices\":[{}],\"base_resp\":{\"status_code\":0,\"status_msg\":\"\"}}"),
	 UE_PEEK_GOOD, UE_PEEK_GOOD},
	{S("{\"choices\":[{}],\"base_resp\":{\"status_code\":1027}}"), UE_PEEK_GOOD,
	 UE_PEEK_GOOD},
	{S("{\"code\":11202,\"message\":\"m\",\"sid\":\"s\"}"), UE_PEEK_ERROR, UE_PEEK_ERROR},
	{S("{\"code\":0,\"message\":\"Success\",\"sid\":\"s\",\"choices\":[{}]}"),
	 UE_PEEK_GOOD, UE_PEEK_GOOD},
	{S("{\"header\":{\"code\":11200,\"message\":\"m\",\"sid\":\"s\",\"status\":2}}"),
	 UE_PEEK_ERROR, UE_PEEK_ERROR},
	{S("{\"header\":{\"code\":0,\"sid\":\"s\"},\"payload\":{\"a\":1}}"), UE_PEEK_GOOD,
	 UE_PEEK_GOOD},
	{S("{\"Response\":{\"Error\":{\"Code\":\"C\",\"Message\":\"m\"}}}"), UE_PEEK_ERROR,
	 UE_PEEK_ERROR},
	{S("{\"Response\":{\"Choices\":[{}],\"RequestId\":\"r\"}}"), UE_PEEK_GOOD,
	 UE_PEEK_GOOD},
	{S("{\"Resp"), UE_PEEK_MORE, UE_PEEK_GOOD},
	/* by code and message */
	{S("{\"code\":\"Throttling\",\"message\":\"m\",\"request_id\":\"r\"}"), UE_PEEK_ERROR,
	 UE_PEEK_ERROR},
	{S("{\"code\":\"Throttling\",\"message\":\"m\""), UE_PEEK_MORE, UE_PEEK_ERROR},
	{S("{\"code\":\"\",\"message\":\"\",\"output\":{\"text\":\"t\"},\"request_id\":\"r\"}"),
	 UE_PEEK_GOOD, UE_PEEK_GOOD},
	{S("{\"code\":200,\"message\":\"ok\"}"), UE_PEEK_GOOD, UE_PEEK_GOOD},
	{S("{\"code\":\"Success\",\"message\":\"m\"}"), UE_PEEK_GOOD, UE_PEEK_GOOD},
	{S("{\"code\":\"print(1)\",\"message\":\"done\",\"language\":\"python\"}"),
	 UE_PEEK_GOOD, UE_PEEK_GOOD},
	{S("{\"code\":7,\"message\":\"m\",\"data\":{\"a\":1}}"), UE_PEEK_GOOD, UE_PEEK_GOOD},
	{S("{\"object\":\"error\",\"message\":\"m\"}"), UE_PEEK_ERROR, UE_PEEK_ERROR},
	/* by a list, by a refusal */
	{S("{\"errors\":[{\"message\":\"m\"}],\"data\":null}"), UE_PEEK_ERROR, UE_PEEK_ERROR},
	{S("{\"errors\":[{\"message\":\"m\"}],\"data\":{\"a\":1}}"), UE_PEEK_GOOD,
	 UE_PEEK_GOOD},
	{S("{\"errors\":[],\"data\":null}"), UE_PEEK_GOOD, UE_PEEK_GOOD},
	{S("{\"success\":true,\"errors\":[],\"messages\":[],\"result\":{}}"), UE_PEEK_GOOD,
	 UE_PEEK_GOOD},
	{S("{\"success\":false,\"errors\":[{\"code\":3036}],\"result\":null}"), UE_PEEK_ERROR,
	 UE_PEEK_ERROR},
	{S("{\"success\":false,\"message\":\"m\",\"data\":null}"), UE_PEEK_ERROR,
	 UE_PEEK_ERROR},
	{S("{\"success\":false}"), UE_PEEK_GOOD, UE_PEEK_GOOD},
	{S("{\"throttlingException\":{\"message\":\"m\"}}"), UE_PEEK_ERROR, UE_PEEK_ERROR},
	{S("{\"error\":[]}"), UE_PEEK_GOOD, UE_PEEK_GOOD},
	{S("[{\"error_code\":0},{\"error_code\":4,\"error_msg\":\"m\"}]"), UE_PEEK_ERROR,
	 UE_PEEK_ERROR},
	{S("{\"id\":1,\"error\":{\"a\":2}}"), UE_PEEK_ERROR, UE_PEEK_ERROR},
	{S("{\"choices\":[{\"error\":{\"a\":2}}]}"), UE_PEEK_GOOD, UE_PEEK_GOOD},
	{S("plain text"), UE_PEEK_GOOD, UE_PEEK_GOOD},
	{S("[1,2]"), UE_PEEK_GOOD, UE_PEEK_GOOD},
	{S("[{\"a\":[]},{\"error\":{\"code\":503}}]"), UE_PEEK_ERROR, UE_PEEK_ERROR},
	{S("[{} , \n{\"a\":1}, {\"b\":1,\"error\":\"x\"}"), UE_PEEK_ERROR, UE_PEEK_ERROR},
	{S("[{\"a\":[]},{\"error\":null}]"), UE_PEEK_GOOD, UE_PEEK_GOOD},
	{S("[{\"a\":[]},{\"b\":{\"error\":{\"code\":503}}}]"), UE_PEEK_GOOD, UE_PEEK_GOOD},
	{S("[{\"a\":[]}]"), UE_PEEK_GOOD, UE_PEEK_GOOD},
	/* of a choice */
	{S("{\"id\":\"g\",\"choices\":[{\"index\":0,\"error\":{\"code\":502}}]}"),
	 UE_PEEK_ERROR, UE_PEEK_ERROR},
	{S("{\"id\":\"g\",\"choices\":[{\"index\":0,\"error\":null}]}"), UE_PEEK_GOOD,
	 UE_PEEK_GOOD},
	{S("{\"choices\":[{\"f\":{\"error\":{\"code\":1}}}]}"), UE_PEEK_GOOD, UE_PEEK_GOOD},
	{S("{\"choices\":[{\"index\":0,\"error\":{\"co"), UE_PEEK_GOOD, UE_PEEK_GOOD},
	{S("{\"choices\":[]}"), UE_PEEK_GOOD, UE_PEEK_GOOD},
};

static void
test_peek(void)
{
	for (size_t i = 0; i < sizeof(peeks) / sizeof(peeks[0]); i++)
	{
		UeSlice text = guard_place(&guard, peeks[i].text);

		ok(ue_peek_answer(text, false) == peeks[i].prefix &&
			   ue_peek_answer(text, true) == peeks[i].whole,
		   "peek: %.*s", (int) text.len, text.ptr);
	}
}

/* Every prefix of a request, at an unreadable page: nothing is read beyond, and what is
 * found is found as soon as it is there. */
static void
test_peek_request(void)
{
	UeSlice body = UE_SLICE("{\"messages\":[{\"content\":\"a \\\"model\\\": \\\\\"}],"
							"\"stream\":true,\"model\":\"gpt-5\",\"n\":1}");
	size_t n_wrong = 0;

	for (size_t len = 0; len <= body.len; len++)
	{
		UeSlice text = guard_place(&guard, ue_slice_sub(body, 0, len));
		UeSlice model = {NULL, 0};
		bool is_stream = false;
		size_t at;

		ue_peek_request(text, &model, &is_stream);
		if (ue_slice_find(text, UE_SLICE("true,"), &at) != is_stream)
			n_wrong++;
		if (ue_slice_find(text, UE_SLICE("gpt-5\""), &at) !=
			ue_slice_is_equal(model, UE_SLICE("gpt-5")))
			n_wrong++;
	}
	ok(n_wrong == 0, "peek: model and stream of a request, of every prefix of it");
}

/* What an event is told by, at each place of a text of each length, and the same with one
 * byte changed. */
static void
test_may_be_error(void)
{
	static const UeSlice parts[] = {S("rror"), S("ode\""), S("response.failed"),
									S("xception\""), S("uccess\"")};
	size_t n_wrong = 0;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
	{
		for (size_t len = 0; len <= 70; len++)
		{
			char bytes[70];

			memset(bytes, 'r', sizeof(bytes));
			if (ue_peek_may_be_error(guard_place(&guard, (UeSlice){bytes, len})))
				n_wrong++;
			for (size_t at = 0; at + parts[i].len <= len; at++)
			{
				memset(bytes, 'r', sizeof(bytes));
				memcpy(bytes + at, parts[i].ptr, parts[i].len);
				if (!ue_peek_may_be_error(guard_place(&guard, (UeSlice){bytes, len})))
					n_wrong++;
				bytes[at + parts[i].len - 1] = '#';
				if (ue_peek_may_be_error(guard_place(&guard, (UeSlice){bytes, len})))
					n_wrong++;
			}
		}
	}
	ok(n_wrong == 0, "peek: what may be an error event is found wherever it stands");
}

int
main(void)
{
	guard_init(&guard, 4096);
	test_cases();
	test_cut();
	test_missing_end();
	test_flow();
	test_overlong();
	test_peek();
	test_peek_request();
	test_may_be_error();
	guard_free(&guard);
	return done_testing();
}
