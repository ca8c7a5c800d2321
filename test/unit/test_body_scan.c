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
	static const char *not_names[] = {"{\"model\":\"a\"\"b\"}", "{\"model\":\"a\" \"b\"}",
									  "{\"model\":\"a\"5}",
									  "{\"model\":\"a\"{\"b\":1},\"c\":2}"};
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

	for (size_t i = 0; i < sizeof(not_names) / sizeof(not_names[0]); i++)
	{
		scan = ue_body_scan_new();
		feed(scan, ue_slice_of(not_names[i]), 3);
		ok(!ue_body_scan_model(scan, &quoted, &start, &end), "%s: no name", not_names[i]);
		ue_body_scan_free(scan);
	}

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

/* Of texts that are half JSON: whatever is found, pieces do not matter. */
static void
test_random(void)
{
	static const char *words[] = {"{",		   "}",			 "[",	 "]",	  "\"",
								  "\\",		   ",",			 ":",	 " ",	  "m",
								  "\"model\"", "\"stream\"", "true", "\"a\"", "\\\"",
								  "null",	   "{\"",		 "\"},", "\":\""};
	const unsigned int n_words = sizeof(words) / sizeof(words[0]);
	unsigned int seed = 9;
	int n_different = 0;
	int n_misplaced = 0;
	int n_found = 0;

	for (int i = 0; i < 20000; i++)
	{
		char text[128] = "{";
		size_t sizes[] = {sizeof(text), 1 + (unsigned int) i % 5};
		UeBodyScan *scans[2];
		UeSlice quoted[2] = {{NULL, 0}, {NULL, 0}};
		size_t starts[2] = {0, 0};
		size_t ends[2] = {0, 0};

		while (strlen(text) < 100)
		{
			seed = seed * 1103515245 + 12345;
			strncat(text, words[(seed >> 16) % n_words], 10);
		}
		for (int k = 0; k < 2; k++)
		{
			scans[k] = ue_body_scan_new();
			feed(scans[k], ue_slice_of(text), sizes[k]);
			(void) ue_body_scan_model(scans[k], &quoted[k], &starts[k], &ends[k]);
		}
		n_found += quoted[0].len > 0;
		n_misplaced += quoted[0].len > 0 &&
					   (ends[0] >= strlen(text) || text[starts[0] - 1] != '"' ||
						text[ends[0]] != '"' || ends[0] - starts[0] != quoted[0].len - 2);
		n_different +=
			!ue_slice_is_equal(quoted[0], quoted[1]) || starts[0] != starts[1] ||
			ends[0] != ends[1] ||
			ue_body_scan_is_stream(scans[0]) != ue_body_scan_is_stream(scans[1]) ||
			ue_body_scan_is_open(scans[0]) != ue_body_scan_is_open(scans[1]);
		ue_body_scan_free(scans[0]);
		ue_body_scan_free(scans[1]);
	}
	ok(n_different == 0 && n_found > 0,
	   "20,000 random texts, %d with a model: the same in any pieces", n_found);
	ok(n_misplaced == 0, "and it stands where it is said to: %d do not", n_misplaced);
}

int
main(void)
{
	test_like_peek();
	test_bounds();
	test_random();
	return done_testing();
}
