/* SPDX-License-Identifier: PostgreSQL */
/*
 * play.c: each scenario is a row of the table and a function that answers.
 */
#include "play.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "corpus.h"

#define STALL_MS 600000 /* longer than any test waits */

typedef struct Scenario
{
	const char *name;
	bool (*run)(UeExchange *exchange); /* true: the connection may be used again */
	bool is_early;					   /* the body has not come yet */
} Scenario;

static const Scenario *find_row(const char *name);
static bool send_text(UeExchange *exchange, int status, const char *headers, char *text,
					  size_t len);
static bool send_error(UeExchange *exchange, const UeVendorError *error);
static bool begin_stream(UeExchange *exchange);
static bool send_event(UeExchange *exchange, int index);
static bool send_error_event(UeExchange *exchange);

static bool run_answer_early(UeExchange *exchange);
static bool run_big(UeExchange *exchange);
static bool run_case(UeExchange *exchange);
static bool run_case_split(UeExchange *exchange);
static bool run_close(UeExchange *exchange);
static bool run_cut_json(UeExchange *exchange);
static bool run_drip(UeExchange *exchange);
static bool run_echo(UeExchange *exchange);
static bool run_error_200(UeExchange *exchange);
static bool run_error_first_event(UeExchange *exchange);
static bool run_error_mid_stream(UeExchange *exchange);
static bool run_events(UeExchange *exchange);
static bool run_flaky(UeExchange *exchange);
static bool run_html_500(UeExchange *exchange);
static bool run_no_terminal(UeExchange *exchange);
static bool run_ok(UeExchange *exchange);
static bool run_ok_stream(UeExchange *exchange);
static bool run_reset(UeExchange *exchange);
static bool run_reset_early(UeExchange *exchange);
static bool run_reset_midway(UeExchange *exchange);
static bool run_slow(UeExchange *exchange);
static bool run_slow_events(UeExchange *exchange);
static bool run_stall(UeExchange *exchange);
static bool run_stall_midway(UeExchange *exchange);
static bool run_truncate(UeExchange *exchange);
static bool run_vendor_error(UeExchange *exchange);

static const Scenario scenarios[] = {
	{"answer-early", run_answer_early, true}, /* 413 before the body has been read */
	{"big", run_big, false},				  /* :BYTES of a known pattern */
	{"big-chunked", run_big, false},
	{"case", run_case, false},			   /* :FOLDER of the corpus */
	{"case-split", run_case_split, false}, /* the same, its body byte by byte */
	{"close", run_close, false},		   /* FIN instead of an answer; :MS later */
	{"cut-json", run_cut_json, false},	   /* whole by HTTP, cut inside its JSON */
	{"drip", run_drip, false},			   /* a stream, byte by byte */
	{"echo", run_echo, false},			   /* what arrived, as JSON */
	{"error", run_vendor_error, false},	   /* :NAME of vendor.c's table */
	{"error-200", run_error_200, false},   /* an error object with status 200 */
	{"error-first-event", run_error_first_event, false}, /* :N others before it */
	{"error-mid-stream", run_error_mid_stream, false},
	{"events", run_events, false}, /* :COUNT events, each its own write, and the last */
	{"flaky", run_flaky, false},   /* :ANY fails the first time, then is good */
	{"html500", run_html_500, false},
	{"no-terminal", run_no_terminal, false}, /* a stream that ends well but early */
	{"ok", run_ok, false},
	{"ok-stream", run_ok_stream, false},
	{"reset", run_reset, false},			/* RST instead of an answer */
	{"reset-early", run_reset_early, true}, /* RST while the body comes */
	{"reset-midway", run_reset_midway, false},
	{"slow", run_slow, false}, /* :MS before the answer */
	{"slow-events", run_slow_events,
	 false},					 /* :MS between the first event and the rest */
	{"stall", run_stall, false}, /* no answer */
	{"stall-midway", run_stall_midway, false}, /* begins, then is silent */
	{"truncate", run_truncate,
	 false}, /* fewer bytes than announced; :chunked, :close, :gzip */
};


bool
ue_play_has(const char *name)
{
	return find_row(name) != NULL;
}

bool
ue_play_is_early(const char *name)
{
	const Scenario *row = find_row(name);

	return row != NULL && row->is_early;
}

bool
ue_play_run(UeExchange *exchange)
{
	return find_row(exchange->name)->run(exchange);
}

void
ue_play_pause(int ms)
{
	struct timespec duration = {ms / 1000, (long) (ms % 1000) * 1000000};

	(void) nanosleep(&duration, NULL);
}

void
ue_play_print_names(void)
{
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
		printf("  %s\n", scenarios[i].name);
}

static const Scenario *
find_row(const char *name)
{
	size_t len = strcspn(name, ":@");

	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
		if (strlen(scenarios[i].name) == len && memcmp(scenarios[i].name, name, len) == 0)
			return &scenarios[i];
	return NULL;
}

/* Frees text, which open_memstream made. */
static bool
send_text(UeExchange *exchange, int status, const char *headers, char *text, size_t len)
{
	exchange->is_alive = ue_wire_send_answer(exchange->wire, status, headers, text, len);
	free(text);
	return true;
}

static bool
send_error(UeExchange *exchange, const UeVendorError *error)
{
	char headers[2048] = "";
	char *text = NULL;
	size_t len = 0;
	FILE *out = fmemopen(headers, sizeof(headers), "w");

	ue_vendor_write_error_headers(out, error, exchange->hint, exchange->route);
	if (!exchange->request->is_kept_alive)
		fputs("connection: close\r\n", out);
	fclose(out);
	out = open_memstream(&text, &len);
	ue_vendor_write_error(out, error, exchange->hint, exchange->route);
	fclose(out);
	return send_text(exchange, ue_vendor_status(error, exchange->route), headers, text,
					 len);
}

static bool
begin_stream(UeExchange *exchange)
{
	char headers[1024];

	snprintf(headers, sizeof(headers),
			 "content-type: %s\r\ncache-control: no-cache\r\n%s",
			 ue_vendor_is_sse(exchange->route, exchange->request->target)
				 ? "text/event-stream; charset=utf-8"
				 : "application/json; charset=UTF-8",
			 ue_vendor_headers(exchange->route));
	exchange->is_alive = ue_wire_send_head(exchange->wire, 200, headers, -1);
	return exchange->is_alive;
}

/* Google without alt=sse: the same objects as elements of one array. */
static bool
send_event(UeExchange *exchange, int index)
{
	bool is_sse = ue_vendor_is_sse(exchange->route, exchange->request->target);
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (is_sse)
	{
		ue_vendor_write_event(out, exchange->route, exchange->model, index);
		fclose(out);
		exchange->is_alive = ue_wire_send_chunk(exchange->wire, text, len);
	}
	else
	{
		char *element = NULL;
		size_t element_len = 0;
		FILE *inner = open_memstream(&element, &element_len);

		ue_vendor_write_event(inner, exchange->route, exchange->model, index);
		fclose(inner);
		/* without "data: " before and the empty line after it */
		fprintf(out, "%s%.*s%s", index == 0 ? "[" : ",\r\n", (int) element_len - 10,
				element + 6,
				index == ue_vendor_count_events(exchange->route) - 1 ? "]" : "");
		free(element);
		fclose(out);
		exchange->is_alive = ue_wire_send_chunk(exchange->wire, text, len);
	}
	free(text);
	return exchange->is_alive;
}

static bool
send_error_event(UeExchange *exchange)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	ue_vendor_write_error_event(out, ue_vendor_find_error("529"), exchange->route);
	fclose(out);
	exchange->is_alive = ue_wire_send_chunk(exchange->wire, text, len);
	free(text);
	return exchange->is_alive;
}

static bool
run_ok(UeExchange *exchange)
{
	char headers[1024];
	char *text = NULL;
	size_t len = 0;
	FILE *out;

	if (exchange->is_stream)
		return run_ok_stream(exchange);
	snprintf(headers, sizeof(headers), "content-type: application/json\r\n%s",
			 ue_vendor_headers(exchange->route));
	out = open_memstream(&text, &len);
	ue_vendor_write_answer(out, exchange->route, exchange->model);
	fclose(out);
	return send_text(exchange, 200, headers, text, len);
}

static bool
run_ok_stream(UeExchange *exchange)
{
	bool is_good = begin_stream(exchange);

	for (int i = 0; is_good && i < ue_vendor_count_events(exchange->route); i++)
		is_good = send_event(exchange, i);
	if (is_good)
		exchange->is_alive = ue_wire_end_chunks(exchange->wire);
	return true;
}

static bool
run_vendor_error(UeExchange *exchange)
{
	const UeVendorError *error = ue_vendor_find_error(exchange->argument);

	if (error == NULL)
		return send_text(exchange, 404, "content-type: text/plain\r\n",
						 strdup("no such error in vendor.c\n"), 26);
	return send_error(exchange, error);
}

/* Fails the first time that this name is asked for; the SDK is told to come again soon. */
static bool
run_flaky(UeExchange *exchange)
{
	if (exchange->number == 1)
		return send_text(exchange, 503,
						 "content-type: application/json\r\nretry-after: 1\r\n",
						 strdup("{\"error\":{\"message\":\"try again\"}}"), 33);
	return run_ok(exchange);
}

static bool
run_html_500(UeExchange *exchange)
{
	static const char page[] =
		"<!DOCTYPE html>\n<html><head><title>500 Internal Server Error</title></head>\n"
		"<body><center><h1>500 Internal Server Error</h1></center>\n"
		"<!-- host ip-10-83-41-7.internal.PLANTED.example key=sk-ant-api03-PLANTEDhtml77xQ2 -->\n"
		"<hr><center>nginx/1.27.1</center></body></html>\n";

	exchange->is_alive = ue_wire_send_answer(exchange->wire, 500,
											 "content-type: text/html\r\nset-cookie: "
											 "session=PLANTEDcookie9\r\n",
											 page, sizeof(page) - 1);
	return true;
}

static bool
run_case(UeExchange *exchange)
{
	UeCorpusCase kase;

	if (!ue_corpus_read(exchange->options->bodies, exchange->argument, &kase))
		return send_text(exchange, 404, "content-type: text/plain\r\n",
						 strdup("no such case in the corpus\n"), 27);
	exchange->is_alive = ue_wire_send_answer(exchange->wire, kase.status, kase.headers,
											 kase.body, kase.len);
	ue_corpus_free(&kase);
	return true;
}

/* A chunk is a write of curl's, however many of them arrive in one segment. */
static bool
run_case_split(UeExchange *exchange)
{
	UeCorpusCase kase;
	bool is_sent;

	if (!ue_corpus_read(exchange->options->bodies, exchange->argument, &kase))
		return send_text(exchange, 404, "content-type: text/plain\r\n",
						 strdup("no such case in the corpus\n"), 27);
	is_sent = ue_wire_send_head(exchange->wire, kase.status, kase.headers, -1);
	for (size_t i = 0; i < kase.len && is_sent; i++)
		is_sent = ue_wire_send_chunk(exchange->wire, kase.body + i, 1);
	exchange->is_alive = is_sent && ue_wire_end_chunks(exchange->wire);
	ue_corpus_free(&kase);
	return true;
}

static bool
run_error_200(UeExchange *exchange)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	ue_vendor_write_error(out, ue_vendor_find_error("529"), NULL, exchange->route);
	fclose(out);
	return send_text(exchange, 200, "content-type: application/json\r\n", text, len);
}

static bool
run_error_first_event(UeExchange *exchange)
{
	int n_before = atoi(exchange->argument);
	bool is_good = begin_stream(exchange);

	for (int i = 0; is_good && i < n_before; i++)
		is_good = send_event(exchange, i);
	if (is_good && send_error_event(exchange))
		exchange->is_alive = ue_wire_end_chunks(exchange->wire);
	return true;
}

static bool
run_error_mid_stream(UeExchange *exchange)
{
	if (!exchange->is_stream)
		return send_error(exchange, ue_vendor_find_error("529"));
	if (begin_stream(exchange) && send_event(exchange, 0) && send_event(exchange, 1) &&
		send_event(exchange, 2) && send_event(exchange, 3) && send_error_event(exchange))
		exchange->is_alive = ue_wire_end_chunks(exchange->wire);
	return true;
}

static bool
run_no_terminal(UeExchange *exchange)
{
	if (begin_stream(exchange) && send_event(exchange, 0) && send_event(exchange, 1) &&
		send_event(exchange, 2))
		exchange->is_alive = ue_wire_end_chunks(exchange->wire);
	return true;
}

static bool
run_events(UeExchange *exchange)
{
	int n_events = atoi(exchange->argument);
	bool is_good = begin_stream(exchange);

	for (int i = 0; is_good && i < n_events; i++)
		is_good = send_event(exchange, 2);
	is_good =
		is_good && send_event(exchange, ue_vendor_count_events(exchange->route) - 1);
	if (is_good)
		exchange->is_alive = ue_wire_end_chunks(exchange->wire);
	return true;
}

static bool
run_drip(UeExchange *exchange)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	for (int i = 0; i < ue_vendor_count_events(exchange->route); i++)
		ue_vendor_write_event(out, exchange->route, exchange->model, i);
	fclose(out);
	if (begin_stream(exchange))
	{
		for (size_t i = 0; exchange->is_alive && i < len; i++)
			exchange->is_alive = ue_wire_send_chunk(exchange->wire, text + i, 1);
		if (exchange->is_alive)
			exchange->is_alive = ue_wire_end_chunks(exchange->wire);
	}
	free(text);
	return true;
}

static bool
run_cut_json(UeExchange *exchange)
{
	static const char cut[] =
		"{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"choi";

	exchange->is_alive =
		ue_wire_send_answer(exchange->wire, 200, "content-type: application/json\r\n",
							cut, sizeof(cut) - 1);
	return true;
}

static bool
run_truncate(UeExchange *exchange)
{
	static const char cut[] = "{\"id\":\"chatcmpl-1\",\"obj";
	static const char json[] = "content-type: application/json\r\n";
	static const char gzip[] =
		"content-type: application/json\r\ncontent-encoding: gzip\r\n";
	static const char compressed[] = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\x56";
	static const char until_close[] =
		"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";

	if (exchange->is_stream)
	{
		if (begin_stream(exchange) && send_event(exchange, 0))
			(void) send_event(exchange, 1);
		return false;
	}
	if (strcmp(exchange->argument, "gzip") == 0)
		exchange->is_alive =
			ue_wire_send_head(exchange->wire, 200, gzip, 500) &&
			ue_wire_send_raw(exchange->wire, compressed, sizeof(compressed) - 1);
	else if (strcmp(exchange->argument, "chunked") == 0)
		exchange->is_alive = ue_wire_send_head(exchange->wire, 200, json, -1) &&
							 ue_wire_send_chunk(exchange->wire, cut, sizeof(cut) - 1);
	else if (strcmp(exchange->argument, "close") == 0)
		exchange->is_alive =
			ue_wire_send_raw(exchange->wire, until_close, sizeof(until_close) - 1) &&
			ue_wire_send_raw(exchange->wire, cut, sizeof(cut) - 1);
	else
		exchange->is_alive = ue_wire_send_head(exchange->wire, 200, json, 500) &&
							 ue_wire_send_raw(exchange->wire, cut, sizeof(cut) - 1);
	return false;
}

static bool
run_reset(UeExchange *exchange)
{
	ue_wire_make_reset(exchange->wire);
	return false;
}

static bool
run_close(UeExchange *exchange)
{
	exchange->is_alive = !ue_wire_wait_gone(exchange->wire, atoi(exchange->argument));
	return false;
}

/* What was sent before an RST may be lost with it: the peer is given time to read it. */
static bool
run_reset_midway(UeExchange *exchange)
{
	(void) run_truncate(exchange);
	ue_play_pause(100);
	ue_wire_make_reset(exchange->wire);
	return false;
}

static bool
run_stall(UeExchange *exchange)
{
	exchange->is_alive = !ue_wire_wait_gone(exchange->wire, STALL_MS);
	return false;
}

static bool
run_stall_midway(UeExchange *exchange)
{
	(void) run_truncate(exchange);
	return run_stall(exchange);
}

static bool
run_slow(UeExchange *exchange)
{
	exchange->is_alive = !ue_wire_wait_gone(exchange->wire, atoi(exchange->argument));
	return exchange->is_alive && run_ok(exchange);
}

/* Some of the body is read first, so that the peer is in the middle of sending. */
static bool
run_reset_early(UeExchange *exchange)
{
	ue_play_pause(20);
	return run_reset(exchange);
}

static bool
run_slow_events(UeExchange *exchange)
{
	bool is_good;

	if (!exchange->is_stream)
		return run_slow(exchange);
	is_good = begin_stream(exchange) && send_event(exchange, 0);
	if (is_good)
		exchange->is_alive = is_good =
			!ue_wire_wait_gone(exchange->wire, atoi(exchange->argument));
	for (int i = 1; is_good && i < ue_vendor_count_events(exchange->route); i++)
		is_good = send_event(exchange, i);
	if (is_good)
		exchange->is_alive = ue_wire_end_chunks(exchange->wire);
	return true;
}

static bool
run_answer_early(UeExchange *exchange)
{
	exchange->request->is_kept_alive = false;
	(void) send_error(exchange, ue_vendor_find_error("413"));
	/* closing with unread input would send RST and could destroy the answer on its way */
	(void) ue_wire_wait_gone(exchange->wire, 2000);
	return false;
}

/* Byte i of the answer is 'a' + i mod 26 of each block: both ends can sum it. */
static bool
run_big(UeExchange *exchange)
{
	static const char headers[] = "content-type: application/octet-stream\r\n";
	char block[26 * 1024];
	int64_t left = strtoll(exchange->argument, NULL, 10);
	bool is_chunked = strncmp(exchange->name, "big-chunked", 11) == 0;

	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = (char) ('a' + i % 26);
	exchange->is_alive =
		ue_wire_send_head(exchange->wire, 200, headers, is_chunked ? -1 : left);
	while (exchange->is_alive && left > 0)
	{
		size_t part = left < (int64_t) sizeof(block) ? (size_t) left : sizeof(block);

		exchange->is_alive = is_chunked ? ue_wire_send_chunk(exchange->wire, block, part)
										: ue_wire_send_raw(exchange->wire, block, part);
		left -= (int64_t) part;
	}
	if (exchange->is_alive && is_chunked)
		exchange->is_alive = ue_wire_end_chunks(exchange->wire);
	return true;
}

/* {"method":…,"target":…,"bytes":…,"crc32":…,"headers":[["name: value"],…]} */
static bool
run_echo(UeExchange *exchange)
{
	const UeWireRequest *request = exchange->request;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	bool is_first = true;

	fprintf(
		out,
		"{\"method\":\"%s\",\"target\":\"%s\",\"bytes\":%lld,\"crc32\":%u,\"chunked\":%s,"
		"\"headers\":[",
		request->method, request->target, (long long) request->body_bytes,
		(unsigned int) request->body_crc, request->content_length < 0 ? "true" : "false");
	for (const char *line = request->headers; *line != '\0';
		 line = strstr(line, "\r\n") + 2)
	{
		fputs(is_first ? "\"" : ",\"", out);
		is_first = false;
		for (const char *at = line; *at != '\r'; at++)
		{
			if (*at == '"' || *at == '\\')
				fputc('\\', out);
			fputc(*at, out);
		}
		fputc('"', out);
	}
	fputs("]}", out);
	fclose(out);
	return send_text(exchange, 200, "content-type: application/json\r\n", text, len);
}
