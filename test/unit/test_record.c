/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_record.c: rows as JSON, and what is said of wrong ones.
 */
#include "core/record.h"
#include "libc_allocator.h"
#include "tap.h"

static const char *const words[] = {"red", "green", "blue"};
static const UeSlice members[] = {UE_SLICE_INIT("flag"),	 UE_SLICE_INIT("number"),
								  UE_SLICE_INIT("text"),	 UE_SLICE_INIT("list"),
								  UE_SLICE_INIT("statuses"), UE_SLICE_INIT("word"),
								  UE_SLICE_INIT("words")};

typedef struct Row
{
	bool flag;
	int32_t number;
	UeSlice text;
	UeRecordList list;
	UeStatuses statuses;
	int word;
	uint32_t words;
} Row;

static UeRecord
read_row(UeArena *arena, const char *text, Row *row)
{
	UeRecord record;
	const UeJson *root = NULL;

	*row =
		(Row){.flag = true, .number = 7, .text = UE_SLICE("old"), .word = 1, .words = 4};
	if (ue_json_parse(arena, ue_slice_of(text), &root) != UE_OK)
		root = NULL;
	ue_record_init(&record, arena, root);
	ue_record_allow(&record, members, sizeof(members) / sizeof(members[0]));
	ue_record_read_bool(&record, "flag", &row->flag);
	ue_record_read_int32(&record, "number", 1, 100, &row->number);
	ue_record_read_text(&record, "text", 10, &row->text);
	ue_record_read_list(&record, "list", 5, &row->list);
	ue_record_read_statuses(&record, "statuses", &row->statuses);
	ue_record_read_word(&record, "word", words, 3, &row->word);
	ue_record_read_words(&record, "words", words, 3, &row->words);
	return record;
}

typedef struct Vector
{
	const char *text;
	const char *field;
	const char *problem;
} Vector;

static const Vector refused[] = {
	{"[]", "", "it must be a JSON object"},
	{"{\"flag\":true", "", "it must be a JSON object"},
	{"nonsense", "", "it must be a JSON object"},
	{"{\"colour\":1}", "colour",
	 "there is no such field; accepted are the names of the table's columns"},
	{"{\"flag\":true,\"flag\":false}", "flag",
	 "it is given twice; accepted is one value"},
	{"{\"flag\":1}", "flag", "1 is not a boolean; accepted are true and false"},
	{"{\"number\":0}", "number", "0 is out of range; accepted are 1 to 100"},
	{"{\"number\":\"5\"}", "number", "\"5\" is out of range; accepted are 1 to 100"},
	{"{\"number\":1e1}", "number", "1e1 is out of range; accepted are 1 to 100"},
	{"{\"number\":99999999999999999999}", "number",
	 "99999999999999999999 is out of range; accepted are 1 to 100"},
	{"{\"text\":[1]}", "text", "[1] is not a text; accepted are texts"},
	{"{\"text\":\"12345678901\"}", "text",
	 "a text is too long; accepted are at most 10 bytes"},
	{"{\"list\":\"a\"}", "list",
	 "\"a\" is not a list of texts; accepted is one such as [\"a\", \"b\"]"},
	{"{\"list\":[\"a\",1]}", "list", "1 is not a text; accepted are texts"},
	{"{\"list\":[\"a\",\" \"]}", "list",
	 "a text is blank; accepted are texts that are not"},
	{"{\"list\":[\"123456\"]}", "list",
	 "a text is too long; accepted are at most 5 bytes"},
	{"{\"statuses\":\"4xx, 99\"}", "statuses",
	 "4xx, 99: not a status or a range; accepted are parts like 429 and 500-599, 100 to "
	 "599, separated by commas"},
	{"{\"word\":\"pink\"}", "word",
	 "\"pink\" is not known; accepted are red, green, blue"},
	{"{\"words\":[\"red\",\"pink\"]}", "words",
	 "\"pink\" is not known; accepted are red, green, blue"},
	{"{\"number\":0,\"text\":1}", "number", "0 is out of range; accepted are 1 to 100"},
};

static void
test_accepted(UeArena *arena)
{
	Row row;
	UeRecord record = read_row(
		arena,
		"{\"flag\":false,\"number\":100,\"text\":\" a b \",\"list\":[\"x\",\" y \"],"
		"\"statuses\":\"429,500-599\",\"word\":\"blue\",\"words\":[\"blue\",\"red\"]}",
		&row);

	ok(record.status == UE_OK && !row.flag && row.number == 100 && row.word == 2 &&
		   row.words == 5,
	   "flags, numbers and words are read");
	is_text(row.text, UE_SLICE("a b"), "texts are trimmed");
	ok(row.list.n == 2 && ue_slice_is_equal(row.list.items[1], UE_SLICE("y")),
	   "so are those in lists");
	ok(ue_statuses_has(&row.statuses, 429) && ue_statuses_has(&row.statuses, 599) &&
		   !ue_statuses_has(&row.statuses, 430),
	   "statuses are read");

	record = read_row(arena, "{\"flag\":null,\"text\":\"  \",\"words\":null}", &row);
	ok(record.status == UE_OK && row.flag && row.number == 7 && row.word == 1 &&
		   row.words == 4 && ue_slice_is_equal(row.text, UE_SLICE("old")),
	   "what is absent, null or blank has its default");
	record = read_row(arena, "{\"words\":[],\"statuses\":\"\"}", &row);
	ok(record.status == UE_OK && row.words == 0, "an empty list is a value");
}

static void
test_memory(void)
{
	for (size_t ceiling = 0; ceiling < 4096; ceiling += 16)
	{
		UeArena arena;
		Row row;
		UeRecord record;

		ue_arena_init(&arena, &libc_allocator, ceiling);
		record = read_row(&arena, "{\"list\":[\"a\",\"b\"],\"word\":\"pink\"}", &row);
		if (record.status == UE_OK)
			ok(false, "with %zu bytes nothing wrong is accepted", ceiling);
		ue_arena_free(&arena);
	}
	ok(true, "memory that runs out is told, or the problem is");
}

int
main(void)
{
	UeArena arena;

	ue_arena_init(&arena, &libc_allocator, SIZE_MAX);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
	{
		Row row;
		UeRecord record = read_row(&arena, refused[i].text, &row);

		ok(record.status == UE_INVALID_ARGUMENT, "%s is refused", refused[i].text);
		is_text(record.field, ue_slice_of(refused[i].field), "%s: the field",
				refused[i].text);
		is_text(record.problem, ue_slice_of(refused[i].problem), "%s: why",
				refused[i].text);
	}
	test_accepted(&arena);
	test_memory();
	ue_arena_free(&arena);
	return done_testing();
}
