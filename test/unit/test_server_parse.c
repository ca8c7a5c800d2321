/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_server_parse.c: a request is the same in whatever pieces it arrives.
 *
 * Requests, good and bad and mutated at random, are parsed whole and in random pieces,
 * each piece in a place of its own size; what comes out must not differ.
 */
#include <stdlib.h>
#include <string.h>

#include "server_parse.h"
#include "tap.h"

#define N_ROUNDS	30000
#define MAX_REQUEST 2048
#define MAX_SUMMARY (64 * 1024)

static const UeServerLimits limits = {.header_bytes = 1024, .body_window_bytes = 4096};

#define H "Host: a\r\n"

static const UeSlice seeds[] = {
	UE_SLICE_INIT("GET /v1/models?x=1 HTTP/1.1\r\n" H "Accept: */*\r\nX-Empty:\r\n\r\n"),
	UE_SLICE_INIT("POST /v1/messages HTTP/1.1\r\n" H
				  "Content-Length: 11\r\n\r\nhello world"),
	UE_SLICE_INIT("POST /a HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
				  "5;a=\"b\"\r\nhello\r\n3\r\nabc\r\n0\r\nT: x\r\n\r\n"),
	UE_SLICE_INIT(
		"PUT http://h/b HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nz"),
	UE_SLICE_INIT("GET / HTTP/1.1\r\n" H
				  "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
	UE_SLICE_INIT("POST /e HTTP/1.1\r\n" H
				  "Expect: 100-continue\r\nContent-Length: 2\r\n\r\nok"),
	UE_SLICE_INIT("GET / HTTP/1.1\r\n" H "X: a\r\n b\r\nY: \t c \t\r\n\r\n"),
	UE_SLICE_INIT("GET / HTTP/1.1\r\n" H ": no name\r\n\r\n"),
	UE_SLICE_INIT("\r\n\r\nOPTIONS * HTTP/1.1\r\n" H "\r\nGET /next HTTP/1.1\r\n" H
				  "\r\n"),
};

static char summaries[2][MAX_SUMMARY];

static void
append(char *summary, const char *name, UeSlice value)
{
	size_t length = strlen(summary);

	snprintf(summary + length, MAX_SUMMARY - length, "%s=%zu:", name, value.len);
	length = strlen(summary);
	for (size_t i = 0; i < value.len && length + 3 < MAX_SUMMARY; i++, length += 2)
		snprintf(summary + length, 3, "%02x", (unsigned char) value.ptr[i]);
}

static void
append_request(char *summary, const UeParser *parser)
{
	const UeRequest *request = ue_parser_request(parser);
	char facts[128];

	append(summary, "method", request->method);
	append(summary, "target", request->target);
	for (size_t i = 0; i < request->n_headers; i++)
	{
		append(summary, "name", request->headers[i].name);
		append(summary, "value", request->headers[i].value);
	}
	snprintf(facts, sizeof(facts), "%lld %d%d%d%d%d", (long long) request->content_length,
			 request->is_upgrade, ue_parser_is_http_1_0(parser),
			 ue_parser_is_head_method(parser), ue_parser_has_expect(parser),
			 ue_parser_has_keep_alive(parser));
	append(summary, "facts", ue_slice_of(facts));
}

/* Into summary what the parser made of it, and how many bytes it used. */
static void
parse(UeSlice text, bool is_whole, char *summary)
{
	static char body[MAX_REQUEST];
	UeParser *parser = ue_parser_new(&limits);
	UeParse state = UE_PARSE_MORE;
	size_t n_body = 0;
	size_t at = 0;

	summary[0] = '\0';
	while (state == UE_PARSE_MORE && at < text.len)
	{
		size_t length = is_whole ? text.len : 1 + (size_t) (rand() % 9);
		UeSlice piece = ue_slice_sub(text, at, length);
		char *copy = malloc(piece.len); /* so that reading beyond it is noticed */
		size_t n_used = 0;
		UeSlice unread;

		memcpy(copy, piece.ptr, piece.len);
		state = ue_parser_read(parser, (UeSlice){copy, piece.len}, &n_used);
		free(copy);
		at += n_used;
		unread = ue_parser_body(parser);
		if (state != UE_PARSE_REFUSED && unread.len > 0 && rand() % 2 == 0)
		{
			size_t n_taken = 1 + (size_t) rand() % unread.len;

			memcpy(body + n_body, unread.ptr, n_taken);
			n_body += n_taken;
			ue_parser_consume(parser, n_taken);
		}
	}
	if (state == UE_PARSE_REFUSED)
	{
		/* which of several faults is seen first may differ */
		append(summary, "refused", UE_SLICE(""));
	}
	else
	{
		UeSlice unread = ue_parser_body(parser);

		if (unread.len > 0)
			memcpy(body + n_body, unread.ptr, unread.len);
		if (ue_parser_request(parser) != NULL)
			append_request(summary, parser);
		append(summary, "body", (UeSlice){body, n_body + unread.len});
		append(summary, state == UE_PARSE_WHOLE ? "whole" : "more", (UeSlice){body, 0});
		snprintf(summary + strlen(summary), 32, " used %zu", at);
	}
	ue_parser_free(parser);
}

/* Bytes that mean something to HTTP are put in more often than others. */
static UeSlice
mutate(UeSlice seed, char *place)
{
	static const char special[] = "\r\n :;,0aF\t\"\\/?#\x7f\x80\xff\x01";
	size_t length = seed.len;

	memcpy(place, seed.ptr, length);
	for (int n_changes = rand() % 4; n_changes > 0; n_changes--)
	{
		size_t at = (size_t) rand() % length;
		char byte =
			rand() % 3 ? special[(size_t) rand() % sizeof(special)] : (char) rand();

		switch (rand() % 3)
		{
			case 0:
				place[at] = byte;
				break;
			case 1:
				memmove(place + at + 1, place + at, length - at);
				place[at] = byte;
				length++;
				break;
			default:
				memmove(place + at, place + at + 1, length - at - 1);
				length--;
				break;
		}
	}
	return (UeSlice){place, length};
}

static void
test_pieces(void)
{
	static char place[MAX_REQUEST];
	int n_refused = 0, n_whole = 0, n_different = 0;

	for (int round = 0; round < N_ROUNDS; round++)
	{
		UeSlice seed = seeds[(size_t) rand() % (sizeof(seeds) / sizeof(seeds[0]))];
		UeSlice text = mutate(seed, place);

		parse(text, true, summaries[0]);
		parse(text, false, summaries[1]);
		n_refused += strncmp(summaries[0], "refused", 7) == 0;
		n_whole += strstr(summaries[0], "whole") != NULL;
		if (strcmp(summaries[0], summaries[1]) != 0 && n_different++ < 5)
			printf("# %.*s\n# whole: %s\n# pieces: %s\n", (int) text.len, text.ptr,
				   summaries[0], summaries[1]);
	}
	printf("# %d whole, %d refused\n", n_whole, n_refused);
	ok(n_whole > N_ROUNDS / 10 && n_refused > N_ROUNDS / 10,
	   "pieces: some are taken and some refused");
	ok(n_different == 0, "pieces: what is made of a request does not depend on them");
}

static void
test_prefixes(void)
{
	UeSlice seed = seeds[2];
	bool is_open = true;

	for (size_t length = 0; length < seed.len; length++)
	{
		parse(ue_slice_sub(seed, 0, length), false, summaries[0]);
		is_open = is_open && strstr(summaries[0], "more") != NULL;
	}
	ok(is_open, "prefixes: each of a good request waits for more");
}

/* Bytes behind a request are the next one's. */
static void
test_reset(void)
{
	UeSlice text = UE_SLICE("GET /a HTTP/1.1\r\n" H "\r\nGET /b HTTP/1.1\r\n" H "\r\n");
	UeParser *parser = ue_parser_new(&limits);
	size_t n_used = 0;

	ok(ue_parser_read(parser, text, &n_used) == UE_PARSE_WHOLE && n_used == text.len / 2,
	   "reset: the first request ends where it ends");
	ue_parser_reset(parser);
	ok(ue_parser_request(parser) == NULL && !ue_parser_is_whole(parser),
	   "reset: nothing is left of it");
	ok(ue_parser_read(parser, ue_slice_sub(text, n_used, text.len), &n_used) ==
			   UE_PARSE_WHOLE &&
		   ue_slice_is_equal(ue_parser_request(parser)->target, UE_SLICE("/b")),
	   "reset: the second is parsed");
	ue_parser_free(parser);
	ue_parser_free(NULL);
}

int
main(void)
{
	srand(20261121);
	test_pieces();
	test_prefixes();
	test_reset();
	return done_testing();
}
