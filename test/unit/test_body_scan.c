/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_body_scan.c: the model of a body that comes in pieces.
 */
#include <stdlib.h>
#include <string.h>

#include "body_scan.h"
#include "peek.h"
#include "tap.h"

/* Fed in pieces of a size, from copies that end where the piece does. */
static bool
feed(UeBodyScan *scan, UeSlice body, size_t size)
{
	bool wants_more = true;

	for (size_t at = 0; at < body.len && wants_more; at += size)
	{
		UeSlice piece = ue_slice_sub(body, at, size);
		char *copy = malloc(piece.len);

		memcpy(copy, piece.ptr, piece.len);
		wants_more = ue_body_scan_feed(scan, (UeSlice){copy, piece.len});
		free(copy);
	}
	return wants_more;
}

/* As a look at the whole of it would say. */
static void
test_like_peek(void)
{
	static const char *bodies[] = {
		"{\"model\":\"m\"}",
		"{\"messages\":[{\"model\":\"x\",\"c\":\"a \\\"model\\\":\\\"y\\\" \\\\\"}],"
		"\"model\":\"m/1:2\",\"stream\":true}",
		" \n{ \"stream\" : true , \"a\" : { \"b\" : [ 1 , {} ] } , \"model\" : \"q\" }",
		"\xef\xbb\xbf{\"model\":\"b\"}",
		"[{\"model\":\"first\"},{\"model\":\"second\"}]",
		"{\"stream\":\"true\",\"model\":5}",
		"{\"stream\":true,\"stream\":false,\"model\":\"\"}",
		"{\"model\":null,\"x\":\"\\\\\\\\\",\"stream\":true}",
		"{\"model\":\"\\u006d\\\"\\\\\"}",
		"{\"model\":{\"model\":\"deep\"},\"stream\":[true]}",
		"{\"a\":[[[\"]\",\"}\"]]],\"model\":\"after\"}",
		"hello",
		"",
		"null",
		"{}",
		"{]",
		"{\"a\":1]\"model\":\"no\"}",
		"\"{\\\"model\\\":\\\"text\\\"}\"",
	};

	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
	{
		UeSlice body = ue_slice_of(bodies[i]);
		UeSlice expected = {NULL, 0};
		bool is_stream = false;

		ue_peek_request(body, &expected, &is_stream);
		for (size_t size = 1; size <= body.len + 1; size++)
		{
			UeBodyScan *scan = ue_body_scan_new();
			UeSlice quoted = {"\"\"", 2};
			size_t start = 0;
			size_t end = 0;
			bool is_found;

			feed(scan, body, size);
			is_found = ue_body_scan_model(scan, &quoted, &start, &end);
			is_text(ue_slice_sub(quoted, 1, quoted.len - 2), expected,
					"body %zu in pieces of %zu: its model", i, size);
			ok(!is_found ||
				   (expected.ptr == body.ptr + start && expected.len == end - start),
			   "body %zu in pieces of %zu: where it stands", i, size);
			ok(ue_body_scan_is_stream(scan) == is_stream,
			   "body %zu in pieces of %zu: its stream", i, size);
			ue_body_scan_free(scan);
		}
	}
}

static void
test_bounds(void)
{
	char name[4096];
	UeSlice quoted;
	size_t start;
	size_t end;
	UeBodyScan *scan = ue_body_scan_new();

	ok(feed(scan, UE_SLICE("{\"a\":1,\"model\":\"m"), 3),
	   "a name that has begun is waited for");
	ok(!ue_body_scan_model(scan, &quoted, &start, &end),
	   "and is none before it has ended");
	ok(feed(scan, UE_SLICE("\",\"b\":2"), 3) &&
		   ue_body_scan_model(scan, &quoted, &start, &end),
	   "then it is known, while the object goes on");
	ok(feed(scan, UE_SLICE(",\"model\":\"other\""), 3) &&
		   ue_body_scan_model(scan, &quoted, &start, &end) && quoted.len == 3,
	   "and a second one changes nothing");
	ok(!feed(scan, UE_SLICE("}"), 1), "behind the object nothing is wanted");
	ue_body_scan_free(scan);

	memset(name, 'm', sizeof(name));
	scan = ue_body_scan_new();
	feed(scan, UE_SLICE("{\"model\":\""), 3);
	feed(scan, (UeSlice){name, sizeof(name)}, 100);
	feed(scan, UE_SLICE("\",\"stream\":true,\""), 3);
	ok(!ue_body_scan_model(scan, &quoted, &start, &end),
	   "a name beyond all bounds is none");
	ok(ue_body_scan_is_stream(scan), "and what follows is seen");
	feed(scan, (UeSlice){name, sizeof(name)}, 100);
	feed(scan, UE_SLICE("\":1,\"model\":\"m\"}"), 3);
	ok(ue_body_scan_model(scan, &quoted, &start, &end) &&
		   start == 2 * sizeof(name) +
						strlen("{\"model\":\"\",\"stream\":true,\"\":1,\"model\":\""),
	   "also behind a key of that length");
	ue_body_scan_free(scan);
}

int
main(void)
{
	test_like_peek();
	test_bounds();
	return done_testing();
}
