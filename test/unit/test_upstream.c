/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_upstream.c: transfers over real sockets, to a server that misbehaves as its path says.
 *
 * The server is upstream_peer.c.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loop.h"
#include "tap.h"
#include "upstream.h"
#include "upstream_peer.h"

/* One transfer as the handler sees it. */
typedef struct Probe
{
	UeTransfer *transfer;
	UeTimer resume;
	int status;
	size_t n_headers;
	int64_t content_length;
	char body[4096]; /* the beginning */
	size_t n_body;
	size_t n_data;	  /* calls of on_data */
	size_t send_left; /* of a streamed body */
	bool is_send_held;
	bool must_hold;	  /* each on_data says stop, a timer resumes */
	bool must_cancel; /* from inside on_head */
	bool must_not_resend;
	int n_resends;
	bool is_inside; /* of ue_upstream_start */
	bool is_ended;
	bool was_early; /* the handler was called from inside ue_upstream_start */
	UeNetwork network;
	int64_t first_byte_ms;
} Probe;

static UeLoop *loop;
static UeUpstream *upstream;
static UeBaseUrl *base;
static UeTimer guard_timer;

/* The handler */

static int64_t
on_read(void *context, char *buffer, size_t size, bool *is_end)
{
	Probe *probe = context;
	size_t n_bytes = probe->send_left < size ? probe->send_left : size;

	probe->was_early |= probe->is_inside;
	probe->is_send_held = !probe->is_send_held;
	if (probe->is_send_held && probe->send_left > 0)
	{
		/* every second time there is nothing: the transfer has to be resumed */
		ue_loop_set_timer(loop, &probe->resume, 1);
		return 0;
	}
	memset(buffer, 'b', n_bytes);
	probe->send_left -= n_bytes;
	*is_end = probe->send_left == 0;
	return (int64_t) n_bytes;
}

static void
on_head(void *context, int status, UeSlice reason, const UeHeader *headers,
		size_t n_headers, int64_t content_length)
{
	Probe *probe = context;

	(void) reason;
	probe->was_early |= probe->is_inside;
	probe->status = status;
	probe->n_headers = n_headers;
	probe->content_length = content_length;
	if (status == 404)
	{
		is_text(headers[0].value, UE_SLICE("b   folded"),
				"upstream: a folded value is one line");
		is_text(headers[1].value, UE_SLICE(""), "upstream: a header may be empty");
	}
	if (probe->must_cancel)
	{
		ue_transfer_cancel(probe->transfer);
		probe->is_ended = true;
		ue_loop_stop(loop);
	}
}

static bool
on_data(void *context, UeSlice bytes)
{
	Probe *probe = context;

	probe->was_early |= probe->is_inside;
	for (size_t i = 0; i < bytes.len && probe->n_body + i < sizeof(probe->body); i++)
		probe->body[probe->n_body + i] = bytes.ptr[i];
	probe->n_body += bytes.len;
	probe->n_data++;
	if (probe->must_hold)
		ue_loop_set_timer(loop, &probe->resume, 1);
	return !probe->must_hold;
}

static void
on_end(void *context, const UeTransferEnd *end)
{
	Probe *probe = context;

	probe->was_early |= probe->is_inside;
	probe->is_ended = true;
	probe->network = end->network;
	probe->first_byte_ms = end->first_byte_ms;
	ue_loop_stop(loop);
}

static bool
on_resend(void *context)
{
	Probe *probe = context;

	probe->n_resends++;
	return !probe->must_not_resend;
}

static const UeTransferHandler handler = {
	.read_body = on_read,
	.on_head = on_head,
	.on_data = on_data,
	.on_end = on_end,
	.may_resend = on_resend,
};

static void
resume_probe(UeTimer *timer)
{
	Probe *probe = (Probe *) ((char *) timer - offsetof(Probe, resume));

	if (probe->is_ended)
		return;
	if (probe->must_hold)
		ue_transfer_resume_receive(probe->transfer);
	else
		ue_transfer_resume_send(probe->transfer);
}

static void
give_up(UeTimer *timer)
{
	(void) timer;
	ue_loop_stop(loop);
}

static const UeHeader usual_headers[] = {
	{UE_SLICE_INIT("X-One"), UE_SLICE_INIT("1")},
	{UE_SLICE_INIT("X-Empty"), UE_SLICE_INIT("")},
};

/* of the transfers begun from now on */
static const UeHeader *headers = usual_headers;
static size_t n_headers = 2;
static const char *proxy;
static int64_t patience_ms;

static void
begin(Probe *probe, const UeBaseUrl *to, const char *method, const char *target,
	  UeSlice whole_body, int64_t content_length)
{
	UeTransferRequest request = {
		.base = to,
		.method = ue_slice_of(method),
		.target = ue_slice_of(target),
		.headers = headers,
		.n_headers = n_headers,
		.whole_body = whole_body,
		.content_length = content_length,
		.first_byte_timeout_ms = patience_ms,
		.proxy = proxy,
	};

	probe->resume.on_due = resume_probe;
	probe->is_inside = true;
	probe->transfer = ue_upstream_start(upstream, &request, probe);
	probe->is_inside = false;
}

/* Runs the loop until the transfer has ended, at most 5 s. */
static void
finish(Probe *probe)
{
	ue_loop_set_timer(loop, &guard_timer, 5000);
	if (!probe->is_ended)
		ue_loop_run(loop);
	ue_loop_cancel_timer(loop, &guard_timer);
	ue_loop_cancel_timer(loop, &probe->resume);
}

static void
run_to(Probe *probe, const UeBaseUrl *to, const char *method, const char *target,
	   UeSlice body)
{
	memset(probe, 0, sizeof(*probe));
	begin(probe, to, method, target, body, (int64_t) body.len);
	finish(probe);
}

static void
run(Probe *probe, const char *method, const char *target, UeSlice body)
{
	run_to(probe, base, method, target, body);
}

static UeSlice
body_of(const Probe *probe)
{
	size_t len =
		probe->n_body < sizeof(probe->body) ? probe->n_body : sizeof(probe->body);

	return (UeSlice){probe->body, len};
}

/* As they came and in their order, wherever those stand that libcurl looks for. */
static void
test_headers(void)
{
	static const UeHeader mixed[] = {
		{UE_SLICE_INIT("X-Empty"), UE_SLICE_INIT("")},
		{UE_SLICE_INIT("X-One"), UE_SLICE_INIT("1")},
		{UE_SLICE_INIT("X-Two"), UE_SLICE_INIT("2; a: b")},
		{UE_SLICE_INIT("accept"), UE_SLICE_INIT("text/plain")},
		{UE_SLICE_INIT("X-Three"), UE_SLICE_INIT("3")},
		{UE_SLICE_INIT("x-none"), UE_SLICE_INIT("")},
		{UE_SLICE_INIT("Content-type"), UE_SLICE_INIT("a/b")},
		{UE_SLICE_INIT("authorization"), UE_SLICE_INIT("Bearer x")},
		{UE_SLICE_INIT("accept"), UE_SLICE_INIT("")},
	};
	UeSlice expected = UE_SLICE("\r\nX-Empty:\r\nX-One: 1\r\nX-Two: 2; a: b\r\n"
								"accept: text/plain\r\nX-Three: 3\r\nx-none:\r\n"
								"Content-type: a/b\r\nauthorization: Bearer x\r\n"
								"accept:\r\nContent-Length: 5\r\n\r\nhello");
	Probe probe;
	size_t at;

	headers = mixed;
	n_headers = sizeof(mixed) / sizeof(mixed[0]);
	run(&probe, "POST", "/echo", UE_SLICE("hello"));
	ok(ue_slice_find(body_of(&probe), expected, &at),
	   "upstream: headers go as they came, in their order");
	n_headers = 0;
	run(&probe, "GET", "/echo", (UeSlice){NULL, 0});
	ok(ue_slice_find(body_of(&probe), UE_SLICE("\r\n\r\n"), &at) &&
		   !ue_slice_find_fold(body_of(&probe), UE_SLICE("accept"), &at) &&
		   !ue_slice_find_fold(body_of(&probe), UE_SLICE("x-one"), &at),
	   "upstream: and none where there are none");
	headers = usual_headers;
	n_headers = 2;
}

static void
test_requests(void)
{
	char expected[512];
	Probe probe;
	size_t at;

	run(&probe, "GET", "/echo?a=%20b", (UeSlice){NULL, 0});
	ok(probe.network == UE_NETWORK_NONE && probe.status == 200 && !probe.was_early &&
		   probe.first_byte_ms >= 0,
	   "upstream: a good answer, not from inside the start");
	snprintf(expected, sizeof(expected),
			 "GET /echo?a=%%20b HTTP/1.1\r\nHost: 127.0.0.1:");
	ok(ue_slice_has_prefix(body_of(&probe), ue_slice_of(expected)),
	   "upstream: target and host as they should be");
	ok(ue_slice_find(body_of(&probe), UE_SLICE("\r\nX-One: 1\r\nX-Empty:\r\n\r\n"), &at),
	   "upstream: no header is invented, an empty one is sent");

	run(&probe, "POST", "/echo", UE_SLICE("hello"));
	ok(ue_slice_find(body_of(&probe),
					 UE_SLICE("X-Empty:\r\nContent-Length: 5\r\n\r\nhello"), &at),
	   "upstream: a whole body has its length and no type");
	run(&probe, "POST", "/echo", (UeSlice){NULL, 0});
	ok(ue_slice_find(body_of(&probe), UE_SLICE("Content-Length: 0\r\n"), &at),
	   "upstream: an empty POST says so");
	run(&probe, "DELETE", "/echo", (UeSlice){NULL, 0});
	ok(ue_slice_has_prefix(body_of(&probe), UE_SLICE("DELETE /echo HTTP/1.1\r\n")) &&
		   !ue_slice_find_fold(body_of(&probe), UE_SLICE("content-length"), &at),
	   "upstream: another method, without a body");
	run(&probe, "HEAD", "/echo", (UeSlice){NULL, 0});
	ok(probe.network == UE_NETWORK_NONE && probe.n_body == 0 && probe.content_length > 0,
	   "upstream: HEAD waits for no body and tells its length");
	run(&probe, "PATCH", "/echo", UE_SLICE("{}"));
	ok(ue_slice_has_prefix(body_of(&probe), UE_SLICE("PATCH /echo ")),
	   "upstream: after HEAD a method with a body");
	run(&probe, "GET", "/interim", (UeSlice){NULL, 0});
	ok(probe.status == 404 && probe.n_headers == 3 && probe.network == UE_NETWORK_NONE,
	   "upstream: an interim answer is passed over");
}

static void
test_streams(void)
{
	Probe probe;
	UeSlice none = {NULL, 0};

	memset(&probe, 0, sizeof(probe));
	probe.send_left = LARGE_BYTES;
	begin(&probe, base, "POST", "/count", none, LARGE_BYTES);
	finish(&probe);
	is_text(body_of(&probe), UE_SLICE("3145728"),
			"upstream: a streamed body arrives whole, however often it pauses");
	ok(!probe.was_early, "upstream: it is not asked for from inside the start");
	memset(&probe, 0, sizeof(probe));
	probe.send_left = 100000;
	begin(&probe, base, "PUT", "/count", none, -1);
	finish(&probe);
	ok(probe.status == 200 && probe.network == UE_NETWORK_NONE,
	   "upstream: a body of unknown length is sent in chunks");
	memset(&probe, 0, sizeof(probe));
	probe.must_hold = true;
	begin(&probe, base, "GET", "/large", none, 0);
	finish(&probe);
	ok(probe.n_body == LARGE_BYTES && probe.network == UE_NETWORK_NONE &&
		   probe.n_data > 10,
	   "upstream: an answer that is held back again and again arrives whole");
}

static void
test_failures(void)
{
	static const struct
	{
		const char *target;
		UeNetwork network;
		int status;
	} cases[] = {
		{"/reset", UE_NETWORK_RESET, 0},
		{"/close", UE_NETWORK_RESET, 0},
		{"/cut", UE_NETWORK_TRUNCATED, 200},
		{"/chunkcut", UE_NETWORK_TRUNCATED, 200},
		{"/badchunk", UE_NETWORK_PROTOCOL, 200},
		{"/garbage", UE_NETWORK_PROTOCOL, 0},
		{"/hugehead", UE_NETWORK_PROTOCOL, 0},
		{"/hugetrailer", UE_NETWORK_PROTOCOL, 200},
		{"/hugeinterim", UE_NETWORK_PROTOCOL, 0},
		{"/silent", UE_NETWORK_FIRST_BYTE_TIMEOUT, 0},
		{"/stall", UE_NETWORK_IDLE_TIMEOUT, 200},
	};
	char error[256];
	UeBaseUrl *dead = ue_base_url_parse("http://127.0.0.1:9", error, sizeof(error));
	UeBaseUrl *nowhere = ue_base_url_parse("http://host.invalid", error, sizeof(error));
	UeSlice none = {NULL, 0};
	Probe probe;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		run(&probe, "GET", cases[i].target, none);
		ok(probe.is_ended && probe.network == cases[i].network &&
			   probe.status == cases[i].status,
		   "upstream: %s is %s (%s)", cases[i].target, ue_network_name(cases[i].network),
		   ue_network_name(probe.network));
	}
	run_to(&probe, dead, "GET", "/", none);
	ok(probe.network == UE_NETWORK_CONNECT, "upstream: a refused connection is connect");
	run_to(&probe, nowhere, "GET", "/", none);
	ok(probe.network == UE_NETWORK_DNS, "upstream: an unknown host is dns (%s)",
	   ue_network_name(probe.network));
	ue_base_url_free(dead);
	ue_base_url_free(nowhere);
}

/* What one transfer asks for is not the next one's. */
static void
test_ways(const char *url)
{
	char error[256];
	UeBaseUrl *far = ue_base_url_parse("http://host.invalid", error, sizeof(error));
	UeBaseUrl *closed = ue_base_url_parse("http://closed.invalid", error, sizeof(error));
	UeSlice none = {NULL, 0};
	Probe probe;

	run(&probe, "GET", "/late", none);
	ok(probe.network == UE_NETWORK_FIRST_BYTE_TIMEOUT, "upstream: 600 ms are too long");
	patience_ms = 5000;
	run(&probe, "GET", "/late", none);
	ok(probe.network == UE_NETWORK_NONE && probe.status == 200,
	   "upstream: unless the request has more patience");
	patience_ms = 0;
	run(&probe, "GET", "/late", none);
	ok(probe.network == UE_NETWORK_FIRST_BYTE_TIMEOUT, "upstream: and only that one");

	proxy = url;
	run_to(&probe, far, "POST", "/echo", UE_SLICE("hello"));
	ok(probe.network == UE_NETWORK_NONE && probe.status == 200 &&
		   ue_slice_has_prefix(body_of(&probe), UE_SLICE("POST /echo HTTP/1.1\r\n")),
	   "upstream: through a proxy, by CONNECT");
	run_to(&probe, closed, "GET", "/echo", none);
	ok(probe.network == UE_NETWORK_PROXY && probe.status == 0,
	   "upstream: a proxy that refuses is told apart (%s)",
	   ue_network_name(probe.network));
	proxy = NULL;
	run(&probe, "GET", "/echo", none);
	ok(probe.status == 200, "upstream: the next one goes straight");
	run_to(&probe, far, "GET", "/echo", none);
	ok(probe.network != UE_NETWORK_NONE, "upstream: a proxy's connection is not reused");
	ue_base_url_free(far);
	ue_base_url_free(closed);
}

static void
test_cancels(void)
{
	Probe probe;
	int closed;

	memset(&probe, 0, sizeof(probe));
	closed = upstream_peer_closed;
	begin(&probe, base, "GET", "/silent", (UeSlice){NULL, 0}, 0);
	ue_loop_set_timer(loop, &guard_timer, 50);
	ue_loop_run(loop);
	ue_transfer_cancel(probe.transfer);
	for (int i = 0; i < 5000 && upstream_peer_closed == closed; i++)
		usleep(1000);
	ok(upstream_peer_closed == closed + 1 && !probe.is_ended,
	   "upstream: a cancel closes the connection at once, without an end");
	memset(&probe, 0, sizeof(probe));
	probe.must_cancel = true;
	begin(&probe, base, "GET", "/large", (UeSlice){NULL, 0}, 0);
	finish(&probe);
	ue_loop_set_timer(loop, &guard_timer, 20);
	ue_loop_run(loop);
	ok(probe.status == 200 && probe.n_body == 0 &&
		   ue_upstream_count_transfers(upstream) == 0,
	   "upstream: a cancel from inside the handler is the last that is heard");
}

/* Connections are kept; one that the server has closed meanwhile is no failure. */
static void
test_kept_connections(void)
{
	Probe probe;
	int accepted;
	int n_failed = 0;

	run(&probe, "GET", "/echo", (UeSlice){NULL, 0});
	accepted = upstream_peer_accepted;
	for (int i = 0; i < 20; i++)
		run(&probe, "POST", "/echo", UE_SLICE("x"));
	ok(upstream_peer_accepted == accepted, "upstream: a connection is used again");
	for (int i = 0; i < 100; i++)
	{
		run(&probe, "POST", "/once", UE_SLICE("x"));
		n_failed += probe.network != UE_NETWORK_NONE;
	}
	ok(n_failed == 0, "upstream: a connection closed while idle costs nothing");

	for (int may_not = 0; may_not <= 1; may_not++)
	{
		run(&probe, "GET", "/echo", (UeSlice){NULL, 0});
		accepted = upstream_peer_accepted;
		memset(&probe, 0, sizeof(probe));
		probe.must_not_resend = may_not;
		begin(&probe, base, "POST", "/reset", UE_SLICE("x"), 1);
		finish(&probe);
		/* refused, it ends before the peer may have seen the second connection */
		ok(probe.network == UE_NETWORK_RESET && probe.n_resends == 1 &&
			   (upstream_peer_accepted == accepted + 1 ||
				(may_not && upstream_peer_accepted == accepted)),
		   may_not ? "upstream: a request is sent again only if the handler agrees"
				   : "upstream: a request over a dead connection is sent once more");
	}
}

static void
test_many(void)
{
	enum
	{
		N_PROBES = 300 /* more than two multis */
	};
	Probe *probes = calloc(N_PROBES, sizeof(*probes));
	int n_wrong = 0;

	for (int i = 0; i < N_PROBES; i++)
		begin(&probes[i], base, "POST", i % 3 == 0 ? "/cut" : "/echo", UE_SLICE("x"), 1);
	for (int i = 0; i < N_PROBES; i++)
	{
		finish(&probes[i]);
		while (!probes[i].is_ended)
			finish(&probes[i]);
		n_wrong +=
			probes[i].network != (i % 3 == 0 ? UE_NETWORK_TRUNCATED : UE_NETWORK_NONE);
	}
	ok(n_wrong == 0 && ue_upstream_count_transfers(upstream) == 0,
	   "upstream: 300 transfers at once");
	free(probes);
}

/* The last one: nobody listens any more. */
static void
test_last(void)
{
	Probe probe;

	run(&probe, "GET", "/echo", (UeSlice){NULL, 0});
	patience_ms = 4000;
	run(&probe, "POST", "/last", UE_SLICE("x"));
	ok(probe.network == UE_NETWORK_RESET && probe.n_resends == 0,
	   "upstream: what may have been worked on was reset, also when nobody is there for a "
	   "second time");
	run(&probe, "POST", "/echo", UE_SLICE("x"));
	ok(probe.network == UE_NETWORK_CONNECT, "upstream: and that is none to connect to");
}

int
main(void)
{
	static const UeUpstreamLimits limits = {
		.connect_timeout_ms = 1000,
		.first_byte_timeout_ms = 300,
		.idle_timeout_ms = 300,
		.max_head_bytes = 32768,
	};
	UeUpstream *first;
	char url[64];
	char error[256];

	signal(SIGPIPE, SIG_IGN);
	upstream_peer_start(url, sizeof(url));
	guard_timer.on_due = give_up;
	loop = ue_loop_new();
	base = ue_base_url_parse(url, error, sizeof(error));
	if (loop == NULL || base == NULL || !ue_upstream_global_init())
		return 2;
	upstream = ue_upstream_new(loop, &limits, &handler);
	test_requests();
	test_headers();
	test_streams();
	test_failures();
	test_ways(url);
	test_cancels();
	test_kept_connections();
	test_many();
	/* without the connections that the first one keeps */
	first = upstream;
	upstream = ue_upstream_new(loop, &limits, &handler);
	test_last();
	ue_upstream_free(first);
	ue_upstream_free(upstream);
	ue_loop_free(loop);
	ue_base_url_free(base);
	return done_testing();
}
