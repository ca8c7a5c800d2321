/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_json.c: reading whole, cut, wrong and hostile documents; jansson is the oracle.
 */
#include <jansson.h>
#include <string.h>

#include "core/json.h"
#include "core/limits.h"
#include "guard.h"
#include "libc_allocator.h"
#include "tap.h"

#define CEILING (4 * 1024 * 1024)

static Guard guard;

/* Bodies in the official shapes (peers 5.1), with escapes of every kind. */
static const char *const bodies[] = {
	"{\"error\":{\"message\":\"Rate limit reached for gpt-4.1 in organization org-x on tokens per "
	"min (TPM): Limit 30000\",\"type\":\"tokens\",\"param\":null,\"code\":\"rate_limit_exceeded\"}}",
	"{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"},"
	"\"request_id\":\"req_011CS\"}",
	"[{\n  \"error\": {\n    \"code\": 429,\n    \"message\": \"Quota exceeded\",\n    \"status\": "
	"\"RESOURCE_EXHAUSTED\",\n    \"details\": [ { \"@type\": "
	"\"type.googleapis.com/google.rpc.RetryInfo\", \"retryDelay\": \"34.5s\" } ]\n  }\n}]\n",
	"{\"a\":\"\\u00e9\\n\\t\\\"\\\\\\/ \\ud83d\\ude00 \xE2\x82\xAC\",\"b\":[-0.5e+2,0,1E3,[],{},true,"
	"false,null],\"\":{\"\\u0061\":\"x\"}}",
};

static UeStatus
parse(UeArena *arena, UeSlice text, const UeJson **root)
{
	return ue_json_parse(arena, guard_place(&guard, text), root);
}

/* The same tree as jansson's; jansson's objects have no doubled names, nor have the bodies. */
static bool
is_equal_json(const UeJson *node, const json_t *json)
{
	const UeJson *child = node->child;
	double number;
	size_t n = 0;

	switch (node->type)
	{
		case UE_JSON_NULL:
			return json_is_null(json);
		case UE_JSON_FALSE:
			return json_is_false(json);
		case UE_JSON_TRUE:
			return json_is_true(json);
		case UE_JSON_NUMBER:
			return json_is_number(json) && ue_json_read_number(node, &number) &&
				   number == json_number_value(json);
		case UE_JSON_STRING:
			return json_is_string(json) && json_string_length(json) == node->text.len &&
				   memcmp(json_string_value(json), node->text.ptr, node->text.len) == 0;
		case UE_JSON_ARRAY:
			for (; child != NULL; child = child->next)
			{
				if (!is_equal_json(child, json_array_get(json, n++)))
					return false;
			}
			return json_is_array(json) && json_array_size(json) == n;
		case UE_JSON_OBJECT:
			for (; child != NULL; child = child->next, n++)
			{
				if (!is_equal_json(child, json_object_getn(json, child->key.ptr,
														   child->key.len)))
					return false;
			}
			return json_is_object(json) && json_object_size(json) == n;
	}
	return false;
}

/* No node claims to be whole that is not the same in the whole document. */
static bool
is_prefix_of(const UeJson *cut, const UeJson *whole)
{
	const UeJson *other = whole->child;

	if (cut->type != whole->type || !ue_slice_is_equal(cut->key, whole->key))
		return false;
	if (cut->is_cut ? !ue_slice_has_prefix(whole->text, cut->text)
					: !ue_slice_is_equal(whole->text, cut->text))
		return false;
	for (const UeJson *child = cut->child; child != NULL; child = child->next)
	{
		if (other == NULL || !is_prefix_of(child, other))
			return false;
		other = other->next;
	}
	return cut->is_cut || other == NULL;
}

static void
test_bodies(void)
{
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
	{
		UeSlice text = ue_slice_of(bodies[i]);
		json_t *json = json_loadb(text.ptr, text.len, 0, NULL);
		const UeJson *whole = NULL;
		UeArena arena;
		UeArena cut_arena;
		bool is_prefix = true;

		ue_arena_init(&arena, &libc_allocator, CEILING);
		ue_arena_init(&cut_arena, &libc_allocator, CEILING);
		ok(ue_json_parse(&arena, text, &whole) == UE_OK && !whole->is_cut,
		   "json: body %zu", i);
		ok(is_equal_json(whole, json), "json: body %zu is what jansson reads", i);
		for (size_t len = 1; len < ue_slice_trim(text).len; len++)
		{
			const UeJson *cut = NULL;

			ue_arena_reset(&cut_arena);
			if (parse(&cut_arena, ue_slice_sub(text, 0, len), &cut) != UE_OK ||
				!cut->is_cut || !is_prefix_of(cut, whole))
			{
				is_prefix = false;
				printf("# at %zu\n", len);
			}
		}
		ok(is_prefix, "json: every prefix of body %zu gives what was read of it", i);
		ue_arena_free(&cut_arena);
		ue_arena_free(&arena);
		json_decref(json);
	}
}

static void
test_cuts(void)
{
	static const struct
	{
		const char *text;
		const char *path;
		const char *expected;
	} cases[] = {
		{"{\"error\":{\"message\":\"The ser", "error.message", "The ser"},
		{"{\"error\":{\"message\":\"caf\xC3", "error.message", "caf"},
		{"{\"m\":\"a\\", "m", "a"},
		{"{\"m\":\"a\\u00e", "m", "a"},
		{"{\"m\":\"a\\ud83d", "m", "a"},
		{"{\"m\":\"a\\ud83d\\ude0", "m", "a"},
		{"{\"m\":\"a\",\"n", "m", "a"},
		{"{\"m\":\"a\",\"n\"", "m", "a"},
		{"{\"m\":\"a\",\"n\":", "m", "a"},
		{"{\"m\":12", "m", "12"},
		{"{\"m\":12.", "m", "12"},
		{"{\"m\":12e+", "m", "12"},
		{"{\"m\":\"a\",\"n\":-", "m", "a"},
	};
	UeArena arena;
	const UeJson *root = NULL;

	ue_arena_init(&arena, &libc_allocator, CEILING);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		ue_arena_reset(&arena);
		ok(parse(&arena, ue_slice_of(cases[i].text), &root) == UE_OK && root->is_cut,
		   "json: cut: %s", cases[i].text);
		is_text(ue_json_text(ue_json_find_path(root, ue_slice_of(cases[i].path))),
				ue_slice_of(cases[i].expected), "json: cut: %s keeps", cases[i].text);
	}
	ok(parse(&arena, UE_SLICE("tr"), &root) == UE_OK && root->type == UE_JSON_TRUE &&
		   root->is_cut,
	   "json: the beginning of a literal is that literal");
	ok(parse(&arena, UE_SLICE("12"), &root) == UE_OK && !root->is_cut,
	   "json: 12 alone is whole");
	ue_arena_free(&arena);
}

static void
test_refusals(void)
{
	static const char *const texts[] = {
		"",		   " \n\t ", "-",		  "{]",			"[}",		 "[1,]",
		"[,1]",	   "{,}",	 "{\"a\"}",	  "{\"a\":1,}", "{a:1}",	 "{'a':1}",
		"nul1",	   "truex",	 "01",		  "+1",			".5",		 "1.x",
		"1ex",	   "--1",	 "1 2",		  "{}{}",		"\"\\x41\"", "\"\\u12G4\"",
		"[1}",	   "]",		 "<html>",	  "NaN",		"\"a\" \"",	 "\xEF\xBB\xBF{}",
		"\"\\'\"", "[1 2]",	 "{\"a\" 1}", "/**/1",		"\"\\u\"",	 "\"\\u12\"",
	};
	UeArena arena;

	ue_arena_init(&arena, &libc_allocator, CEILING);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
	{
		const UeJson *root = NULL;
		UeSlice text = ue_slice_of(texts[i]);

		ok(parse(&arena, text, &root) == UE_MALFORMED && root == NULL,
		   "json: refused: %s", texts[i]);
	}
	ue_arena_free(&arena);
}

static void
test_leniency(void)
{
	UeArena arena;
	const UeJson *root = NULL;

	ue_arena_init(&arena, &libc_allocator, CEILING);
	ok(parse(&arena, UE_SLICE("\"a\nb\0c\""), &root) == UE_OK,
	   "json: raw control characters");
	is_text(ue_json_text(root), UE_SLICE("a\nb\0c"), "json: come out as they are");
	ok(parse(&arena, UE_SLICE("\"\\ud800x\\udc00\\u0000\""), &root) == UE_OK,
	   "json: surrogates");
	is_text(ue_json_text(root), UE_SLICE("\xEF\xBF\xBDx\xEF\xBF\xBD\0"),
			"json: become U+FFFD");
	ok(parse(&arena, UE_SLICE("\"\\ud83d\\u0041\""), &root) == UE_OK,
	   "json: half a pair, then A");
	is_text(ue_json_text(root),
			UE_SLICE("\xEF\xBF\xBD"
					 "A"),
			"json: keeps the A");
	ok(parse(&arena, UE_SLICE("\"\xFF\""), &root) == UE_OK,
	   "json: invalid UTF-8 is passed on");
	ue_arena_free(&arena);
}

static void
test_finding(void)
{
	UeArena arena;
	const UeJson *root = NULL;
	double number = 7;

	ue_arena_init(&arena, &libc_allocator, CEILING);
	ok(ue_json_parse(
		   &arena,
		   UE_SLICE("{\"a\":{\"b\":1},\"a\":2,\"B\":\"x\",\"n\":\"2.50\",\"s\":\"2s\"}"),
		   &root) == UE_OK,
	   "json: find");
	ok(ue_json_find(root, UE_SLICE("a"))->type == UE_JSON_OBJECT,
	   "json: the first of two");
	ok(ue_json_find(root, UE_SLICE("b")) == NULL, "json: exact case");
	ok(ue_json_find_fold(root, UE_SLICE("b")) != NULL, "json: any case");
	ok(ue_json_find(NULL, UE_SLICE("a")) == NULL && ue_json_text(NULL).len == 0,
	   "json: NULL");
	is_text(ue_json_text(ue_json_find_path(root, UE_SLICE("a.b"))), UE_SLICE("1"),
			"json: path");
	ok(ue_json_find_path(root, UE_SLICE("a.b.c")) == NULL, "json: path beyond a leaf");
	ok(ue_json_find_path(root, UE_SLICE("x.b")) == NULL, "json: path that is not there");
	ok(ue_json_read_number(ue_json_find(root, UE_SLICE("n")), &number) && number == 2.5,
	   "json: a string that holds a number");
	ok(!ue_json_read_number(ue_json_find(root, UE_SLICE("s")), &number) && number == 2.5,
	   "json: and one that does not");
	ok(!ue_json_read_number(root, &number), "json: an object is no number");
	ue_arena_free(&arena);
}

static void
test_numbers(void)
{
	static const struct
	{
		const char *text;
		double value;
	} cases[] = {
		{"0", 0},
		{"-0", 0},
		{"1", 1},
		{"-1.5", -1.5},
		{"1e3", 1000},
		{"1E-3", 0.001},
		{"123456789012345678", 123456789012345678.0},
		{"1234567890123456789012", 1234567890123456789012.0},
		{"0.000000000000000000001", 1e-21},
		{"1e400", -1},
		{"1e99999999999999999999", -1},
		{"1e-99999999999999999999", 0},
		{"0e99999999999999999999", 0},
		{"5e-324", 5e-324},
		{"2.2250738585072014e-308", 2.2250738585072014e-308},
	};
	UeArena arena;

	ue_arena_init(&arena, &libc_allocator, CEILING);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		const UeJson *root = NULL;
		double value = -1;
		double difference;

		if (parse(&arena, ue_slice_of(cases[i].text), &root) == UE_OK)
			(void) ue_json_read_number(root, &value);
		difference = value - cases[i].value;
		/* a few units in the last place are allowed */
		ok(difference == 0 || (difference < 1e-15 * value && -difference < 1e-15 * value),
		   "json: number %s is %g", cases[i].text, value);
	}
	ue_arena_free(&arena);
}

static void
test_limits(void)
{
	static char text[3 * UE_LIMIT_JSON_NODES + 10];
	UeSlice slice = {text, 0};
	UeArena arena;
	const UeJson *root = NULL;

	ue_arena_init(&arena, &libc_allocator, CEILING);
	memset(text, '[', sizeof(text));
	slice.len = UE_LIMIT_JSON_DEPTH;
	ok(ue_json_parse(&arena, slice, &root) == UE_OK && root->is_cut, "json: the deepest");
	slice.len++;
	ok(ue_json_parse(&arena, slice, &root) == UE_TOO_DEEP, "json: one deeper");
	for (size_t i = 1; i < sizeof(text); i++)
		text[i] = i % 2 == 1 ? '0' : ',';
	slice.len = 2 * (UE_LIMIT_JSON_NODES - 1);
	text[slice.len] = ']';
	slice.len++;
	ue_arena_reset(&arena);
	ok(ue_json_parse(&arena, slice, &root) == UE_OK, "json: as many nodes as may be");
	text[slice.len - 1] = ',';
	slice.len = sizeof(text);
	ue_arena_reset(&arena);
	ok(ue_json_parse(&arena, slice, &root) == UE_TOO_LARGE, "json: one more");
	ue_arena_free(&arena);
	ue_arena_init(&arena, &libc_allocator, 20000);
	ok(ue_json_parse(&arena, slice, &root) == UE_NO_MEMORY, "json: the arena's ceiling");
	ue_arena_free(&arena);
}

static void
test_no_memory(void)
{
	char text[40000];
	size_t len = 0;
	bool is_whole = false;

	text[len++] = '[';
	while (len < sizeof(text) - 32)
	{
		memcpy(text + len, "{\"\\u0061\":\"b\\n\"},", 17);
		len += 17;
	}
	text[len++] = '1';
	text[len++] = ']';
	for (long n = 1; !is_whole; n++)
	{
		LibcAllocation allocation = {0, n, 0};
		UeAllocator allocator = {libc_allocate, libc_release, &allocation};
		const UeJson *root = NULL;
		UeSlice slice = {text, len};
		UeArena arena;
		UeStatus status;

		ue_arena_init(&arena, &allocator, CEILING);
		status = ue_json_parse(&arena, slice, &root);
		is_whole = status == UE_OK;
		ok(is_whole || (status == UE_NO_MEMORY && root == NULL),
		   "json: allocation %ld fails", n);
		ue_arena_free(&arena);
		ok(allocation.n_blocks == 0, "json: nothing is left behind");
	}
}

int
main(void)
{
	guard_init(&guard, 65536);
	test_bodies();
	test_cuts();
	test_refusals();
	test_leniency();
	test_finding();
	test_numbers();
	test_limits();
	test_no_memory();
	guard_free(&guard);
	return done_testing();
}
