/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_jsonout.c: what is written is what jansson reads.
 */
#include <jansson.h>
#include <stdint.h>
#include <string.h>

#include "core/jsonout.h"
#include "core/utf8.h"
#include "libc_allocator.h"
#include "tap.h"

static void
write_document(UeJsonOut *out)
{
	ue_jsonout_append_begin(out, '{');
	ue_jsonout_append_key(out, UE_SLICE("text"));
	ue_jsonout_append_string(out, UE_SLICE("a\"b\\c/\b\f\n\r\t\x01\x1F\x7F\xE2\x82\xAC"));
	ue_jsonout_append_key(out, UE_SLICE("list"));
	ue_jsonout_append_begin(out, '[');
	ue_jsonout_append_int64(out, INT64_MIN);
	ue_jsonout_append_null(out);
	ue_jsonout_append_bool(out, true);
	ue_jsonout_append_bool(out, false);
	ue_jsonout_append_begin(out, '{');
	ue_jsonout_append_end(out, '}');
	ue_jsonout_append_begin(out, '[');
	ue_jsonout_append_end(out, ']');
	ue_jsonout_append_raw(out, UE_SLICE("[1,2]"));
	ue_jsonout_append_end(out, ']');
	ue_jsonout_append_key(out, UE_SLICE(""));
	ue_jsonout_append_string(out, UE_SLICE("\xFF\0"));
	ue_jsonout_append_end(out, '}');
}

static void
test_document(void)
{
	UeArena arena;
	UeBuf buf;
	UeJsonOut out;
	UeSlice text = UE_SLICE("");
	json_t *json;

	ue_arena_init(&arena, &libc_allocator, 1 << 20);
	ue_buf_init(&buf, &arena, 4096);
	ue_jsonout_init(&out, &buf);
	write_document(&out);
	ok(ue_buf_finish(&buf, &text) == UE_OK, "jsonout: a document");
	is_text(text,
			UE_SLICE(
				"{\"text\":\"a\\\"b\\\\c/\\b\\f\\n\\r\\t\\u0001\\u001f\x7F\xE2\x82\xAC\","
				"\"list\":[-9223372036854775808,null,true,false,{},[],[1,2]],"
				"\"\":\"\xEF\xBF\xBD\xE2\x90\x80\"}"),
			"jsonout: compact, commas in their places, little escaped");
	json = json_loadb(text.ptr, text.len, 0, NULL);
	ok(json != NULL, "jsonout: jansson reads it");
	ok(json != NULL && strcmp(json_string_value(json_object_get(json, "text")),
							  "a\"b\\c/\b\f\n\r\t\x01\x1F\x7F\xE2\x82\xAC") == 0,
	   "jsonout: and finds the string that was written");
	json_decref(json);
	ue_arena_free(&arena);
}

/* Every byte and every pair of bytes as a string: valid JSON whatever goes in. */
static void
test_all_bytes(void)
{
	UeArena arena;
	bool is_read = true;

	ue_arena_init(&arena, &libc_allocator, 1 << 20);
	for (int i = 0; i < 65536; i++)
	{
		char bytes[3] = {(char) (i >> 8), (char) i, 'x'};
		UeSlice text = {bytes, sizeof(bytes)};
		UeSlice written;
		UeBuf buf;
		UeJsonOut out;
		json_t *json;

		ue_arena_reset(&arena);
		ue_buf_init(&buf, &arena, 100);
		ue_jsonout_init(&out, &buf);
		ue_jsonout_append_string(&out, text);
		if (ue_buf_finish(&buf, &written) != UE_OK)
		{
			is_read = false;
			continue;
		}
		json = json_loadb(written.ptr, written.len, JSON_DECODE_ANY, NULL);
		is_read &= json != NULL && ue_utf8_is_valid(written);
		json_decref(json);
	}
	ok(is_read, "jsonout: jansson reads every string of two bytes");
	ue_arena_free(&arena);
}

/* Eight bytes are looked at together, so each byte stands at each place of three words. */
static void
test_all_places(void)
{
	UeArena arena;
	bool is_read = true;

	ue_arena_init(&arena, &libc_allocator, 1 << 20);
	for (size_t at = 0; at < 24; at++)
		for (int byte = 1; byte < 0x80; byte++)
		{
			char bytes[24];
			UeSlice text = {bytes, sizeof(bytes)};
			UeSlice written;
			UeBuf buf;
			UeJsonOut out;
			json_t *json;

			memset(bytes, at % 2 == 0 ? '!' : '~', sizeof(bytes));
			bytes[at] = (char) byte;
			ue_arena_reset(&arena);
			ue_buf_init(&buf, &arena, 100);
			ue_jsonout_init(&out, &buf);
			ue_jsonout_append_string(&out, text);
			if (ue_buf_finish(&buf, &written) != UE_OK)
				written = (UeSlice){NULL, 0};
			json = json_loadb(written.ptr, written.len, JSON_DECODE_ANY, NULL);
			is_read &=
				json_string_length(json) == sizeof(bytes) &&
				memcmp(json_string_value(json), bytes, sizeof(bytes)) == 0 &&
				(written.len > sizeof(bytes) + 2) ==
					(byte < 0x20 || byte == '"' || byte == '\\');
			json_decref(json);
		}
	ok(is_read, "jsonout: what must be escaped is seen at every place, nothing else");
	ue_arena_free(&arena);
}

static void
test_failures(void)
{
	bool is_whole = false;

	for (long n = 1; !is_whole; n++)
	{
		LibcAllocation allocation = {0, n, 0};
		UeAllocator allocator = {libc_allocate, libc_release, &allocation};
		UeArena arena;
		UeBuf buf;
		UeJsonOut out;
		UeSlice text;

		ue_arena_init(&arena, &allocator, 1 << 20);
		ue_buf_init(&buf, &arena, 4096);
		ue_jsonout_init(&out, &buf);
		write_document(&out);
		is_whole = ue_buf_finish(&buf, &text) == UE_OK;
		ok(is_whole || buf.status == UE_NO_MEMORY, "jsonout: allocation %ld fails", n);
		ue_arena_free(&arena);
		ok(allocation.n_blocks == 0, "jsonout: nothing is left behind");
	}
	for (size_t ceiling = 0; ceiling < 100; ceiling++)
	{
		UeArena arena;
		UeBuf buf;
		UeJsonOut out;

		ue_arena_init(&arena, &libc_allocator, 1 << 20);
		ue_buf_init(&buf, &arena, ceiling);
		ue_jsonout_init(&out, &buf);
		write_document(&out);
		ok(buf.status == UE_TOO_LARGE && buf.len <= ceiling, "jsonout: ceiling %zu holds", ceiling);
		ue_arena_free(&arena);
	}
}

int
main(void)
{
	test_document();
	test_all_bytes();
	test_all_places();
	test_failures();
	return done_testing();
}
