/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_breaker.c: which failures hurt a channel, and how.
 */
#include "core/breaker.h"
#include "libc_allocator.h"
#include "tap.h"

static UeArena arena;

static UeRuleFacts
facts_of(UeClass class, int status, const char *message)
{
	return (UeRuleFacts){.platform = UE_SLICE("openai"),
						 .status = status,
						 .class = class,
						 .message = ue_slice_of(message),
						 .model = UE_SLICE("gpt-5"),
						 .channel = UE_SLICE("main"),
						 .attempt = 1};
}

/* The ids that fit, as a text: "3 4". */
static UeSlice
find(const UeBreakers *breakers, const UeRuleFacts *facts)
{
	const UeBreaker **found;
	size_t n;
	UeBuf buf;
	UeSlice text = UE_SLICE("?");

	ue_buf_init(&buf, &arena, 1000);
	if (ue_breakers_find(breakers, &arena, facts, &found, &n) != UE_OK)
		return text;
	for (size_t i = 0; i < n; i++)
	{
		if (i > 0)
			ue_buf_append_byte(&buf, ' ');
		ue_buf_append_int64(&buf, found[i]->id);
	}
	return ue_buf_finish(&buf, &text) == UE_OK ? text : UE_SLICE("?");
}

static void
test_defaults(void)
{
	static const struct
	{
		UeClass class;
		int status;
		const char *message;
		const char *ids;
	} vectors[] = {
		{UE_CLASS_RATE_LIMIT, 429, "Rate limit reached", "1"},
		{UE_CLASS_BILLING, 429, "You exceeded your current quota, please check", "3 4"},
		{UE_CLASS_OVERLOADED, 529, "Overloaded", "2"},
		{UE_CLASS_AUTHENTICATION, 401, "Incorrect API key provided", "4"},
		{UE_CLASS_PERMISSION, 403, "no access", "5 6"},
		{UE_CLASS_SERVER_ERROR, 500, "oops", "8"},
		{UE_CLASS_NETWORK, 502, "connect", "9"},
		{UE_CLASS_STREAM, 502, "cut", "10"},
		{UE_CLASS_MODEL_NOT_FOUND, 404, "no such model", "7"},
		{UE_CLASS_INVALID_REQUEST, 400, "messages: required", ""},
		{UE_CLASS_CONTEXT_LENGTH, 400, "too long", ""},
		{UE_CLASS_CONTENT_POLICY, 400, "flagged", ""},
	};
	UeBreakers *breakers = NULL;

	ok(ue_breakers_build_defaults(&libc_allocator, &arena, &breakers) == UE_OK,
	   "the defaults are compiled");
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
	{
		UeRuleFacts facts =
			facts_of(vectors[i].class, vectors[i].status, vectors[i].message);

		is_text(find(breakers, &facts), ue_slice_of(vectors[i].ids), "%s: rules %s",
				ue_class_name(vectors[i].class), vectors[i].ids);
	}
	ok(ue_breakers_size(breakers) > 0 && ue_breakers_size(breakers) < 1024 * 1024,
	   "they hold %zu bytes", ue_breakers_size(breakers));
	ue_breakers_free(breakers);
	ue_breakers_free(NULL);
}

static UeStatus
read_one(const char *text, UeBreaker *breaker, UeRuleProblem *problem)
{
	const UeJson *root;
	UeRule match;

	if (ue_json_parse(&arena, ue_slice_of(text), &root) != UE_OK)
		return UE_MALFORMED;
	return ue_breaker_read(&arena, root, &match, breaker, problem);
}

static void
test_rows(void)
{
	static const struct
	{
		const char *text;
		const char *field;
	} refused[] = {
		{"{\"id\":1,\"scope\":\"world\",\"match\":{}}", "scope"},
		{"{\"id\":1,\"threshold\":33,\"match\":{}}", "threshold"},
		{"{\"id\":1,\"base_s\":10,\"max_s\":9,\"match\":{}}", "max_s"},
		{"{\"id\":1,\"colour\":1}", "colour"},
		{"{\"id\":1,\"match\":{\"name\":\"a\"}}", NULL},
		{"{\"id\":1}", NULL},
	};
	UeBreaker breaker;
	UeRuleProblem problem;

	ok(read_one("{\"id\":7,\"scope\":\"channel\",\"action\":\"disable\",\"threshold\":3,"
				"\"window_s\":5,\"use_hint\":false,\"duration_s\":9,\"match\":{\"id\":7,"
				"\"name\":\"a\",\"error_codes\":[500]}}",
				&breaker, &problem) == UE_OK &&
		   breaker.id == 7 && breaker.is_whole_channel && breaker.effect.is_disabling &&
		   breaker.effect.threshold == 3 && breaker.effect.window_s == 5 &&
		   !breaker.effect.is_hint_used && breaker.effect.duration_s == 9,
	   "a row is read");
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
	{
		ok(read_one(refused[i].text, &breaker, &problem) == UE_INVALID_ARGUMENT &&
			   problem.text.len > 0,
		   "%s is refused: %.*s", refused[i].text, (int) problem.text.len,
		   problem.text.ptr);
		if (refused[i].field != NULL)
			is_text(problem.field, ue_slice_of(refused[i].field), "the field");
	}
}

/* Every allocation that can fail does, once. */
static void
test_memory(void)
{
	int n = 1;
	UeBreakers *none = NULL;
	UeRuleProblem problem;

	ok(ue_breakers_build(&libc_allocator, 8, &arena, NULL, NULL, 0, &none, &problem) ==
		   UE_TOO_LARGE,
	   "a ceiling of a few bytes is too low, and not the highest there is");

	for (;; n++)
	{
		LibcAllocation allocation = {.fail_from = n};
		UeAllocator allocator = libc_allocator;
		UeBreakers *breakers = NULL;
		UeStatus status;

		allocator.context = &allocation;
		status = ue_breakers_build_defaults(&allocator, &arena, &breakers);
		if (status == UE_OK)
		{
			ue_breakers_free(breakers);
			break;
		}
		if (allocation.n_blocks != 0)
			ok(false, "allocation %d fails: something is lost", n);
		if (status != UE_NO_MEMORY)
			ok(false, "allocation %d fails: %s", n, ue_status_name(status));
	}
	ok(n > 3, "%d allocations can fail, and nothing is lost", n);
}

int
main(void)
{
	ue_arena_init(&arena, &libc_allocator, SIZE_MAX);
	test_defaults();
	test_rows();
	test_memory();
	ue_arena_free(&arena);
	return done_testing();
}
