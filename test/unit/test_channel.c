/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_channel.c: a channel's row and its maps.
 */
#include "core/channel.h"
#include "libc_allocator.h"
#include "tap.h"

#define ROW                                                                              \
	"{\"id\":1,\"name\":\"main\",\"platform\":\"openai\",\"base_url\":\"https://api.example\""

static UeRecord
read_row(UeArena *arena, const char *text, UeChannel *channel)
{
	UeRecord record;
	const UeJson *root = NULL;

	if (ue_json_parse(arena, ue_slice_of(text), &root) != UE_OK)
		root = NULL;
	ue_record_init(&record, arena, root);
	ue_channel_read(&record, channel);
	return record;
}

typedef struct Vector
{
	const char *text;
	const char *field;
	const char *problem;
} Vector;

static const Vector refused[] = {
	{"{\"id\":1,\"platform\":\"openai\",\"base_url\":\"https://a\"}", "name",
	 "it must not be empty"},
	{"{\"id\":1,\"name\":\"a\",\"base_url\":\"https://a\"}", "platform",
	 "it must not be empty"},
	{"{\"id\":1,\"name\":\"a\",\"platform\":\"openai\",\"base_url\":\"api.example\"}",
	 "base_url", "accepted are URLs with http:// or https://"},
	{ROW ",\"credential\":\"sk-abcdef\"}", "credential",
	 "accepted are references, env:NAME and file:/path; the secret itself does not belong "
	 "in a database"},
	{ROW ",\"credential\":\"env:\"}", "credential",
	 "accepted are references, env:NAME and file:/path; the secret itself does not belong "
	 "in a database"},
	{ROW ",\"proxy\":\"http://user:password@proxy\"}", "proxy",
	 "a URL with credentials does not belong in a database; accepted are URLs without, and "
	 "references, env:NAME and file:/path"},
	{ROW ",\"weight\":-1}", "weight", "-1 is out of range; accepted are 0 to 1000000"},
	{ROW ",\"colour\":1}", "colour",
	 "there is no such field; accepted are the names of the table's columns"},
	{ROW ",\"model_mapping\":[]}", "model_mapping", "it must be a JSON object"},
	{ROW ",\"model_mapping\":{\"a\":1}}", "model_mapping",
	 "accepted are names of models, 1 to 128 bytes, as members and as values"},
	{ROW ",\"status_code_mapping\":{\"429\":\"bad-code\"}}", "status_code_mapping",
	 "accepted are statuses as members, 100 to 599, and error statuses as values, 400 to "
	 "599"},
	{ROW ",\"status_code_mapping\":{\"429\":503.5}}", "status_code_mapping",
	 "accepted are statuses as members, 100 to 599, and error statuses as values, 400 to "
	 "599"},
	{ROW ",\"status_code_mapping\":{\"429\":200}}", "status_code_mapping",
	 "accepted are statuses as members, 100 to 599, and error statuses as values, 400 to "
	 "599"},
};

static void
test_maps(UeArena *arena)
{
	UeChannel channel;
	UeRecord record = read_row(
		arena,
		ROW
		",\"models\":[\"gpt-*\",\"o?\"],\"credential\":\"env:OPENAI_KEY_2\","
		"\"model_mapping\":{\"a\":\"b\",\"b\":\"c\",\"x\":\"y\",\"y\":\"x\",\"s\":\"s\"},"
		"\"status_code_mapping\":{\"429\":\"503\",\"500\":502,\"200\":503}}",
		&channel);

	ok(record.status == UE_OK && channel.weight == 1 && channel.is_enabled,
	   "a row with its defaults is read");
	is_text(ue_channel_map_model(&channel, UE_SLICE("a")), UE_SLICE("c"),
			"a model's name is mapped all the way");
	is_text(ue_channel_map_model(&channel, UE_SLICE("x")), UE_SLICE("y"),
			"a circle ends where it would close");
	is_text(ue_channel_map_model(&channel, UE_SLICE("s")), UE_SLICE("s"),
			"a name mapped to itself stays");
	is_text(ue_channel_map_model(&channel, UE_SLICE("gpt-5")), UE_SLICE("gpt-5"),
			"so does one that is not mapped");
	/* new-api's vectors of ResetStatusCode */
	ok(ue_channel_map_status(&channel, 429) == 503, "429 is told as 503, from a text");
	ok(ue_channel_map_status(&channel, 500) == 502, "500 as 502, from a number");
	ok(ue_channel_map_status(&channel, 200) == 200, "200 is never mapped");
	ok(ue_channel_map_status(&channel, 404) == 404, "404 is not mapped");
	ok(ue_channel_serves(&channel, UE_SLICE("OpenAI"), UE_SLICE("GPT-5-mini")) &&
		   ue_channel_serves(&channel, UE_SLICE("openai"), UE_SLICE("o4")),
	   "models by globs, without regard to case");
	ok(!ue_channel_serves(&channel, UE_SLICE("openai"), UE_SLICE("claude-opus-4-5")) &&
		   !ue_channel_serves(&channel, UE_SLICE("anthropic"), UE_SLICE("gpt-5")),
	   "no other model, no other platform");
	ok(ue_channel_serves(&channel, UE_SLICE("openai"), (UeSlice){NULL, 0}),
	   "a request without a model may go anywhere");
}

static void
test_references(void)
{
	static const char *const good[] = {"env:A", "env:my_KEY_2", "file:/run/secrets/key"};
	static const char *const bad[] = {"",		"env:",			"env:A B",	"env:A=",
									  "file:",	"file:/",		"file:key", "ENV:A",
									  "sk-abc", "https://vault"};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ok(ue_channel_is_reference(ue_slice_of(good[i])), "\"%s\" is a reference",
		   good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(!ue_channel_is_reference(ue_slice_of(bad[i])), "\"%s\" is none", bad[i]);
}

int
main(void)
{
	UeArena arena;

	ue_arena_init(&arena, &libc_allocator, SIZE_MAX);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
	{
		UeChannel channel;
		UeRecord record = read_row(&arena, refused[i].text, &channel);

		ok(record.status == UE_INVALID_ARGUMENT, "%s is refused", refused[i].text);
		is_text(record.field, ue_slice_of(refused[i].field), "the field");
		is_text(record.problem, ue_slice_of(refused[i].problem), "why");
	}
	test_maps(&arena);
	test_references();
	ue_arena_free(&arena);
	return done_testing();
}
