/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_event.c: events and completions come back from their bytes as they were, and hostile
 * or newer bytes are refused or passed over.
 */
#include <stdlib.h>
#include <string.h>

#include "core/fingerprint.h"
#include "event.h"
#include "heap.h"
#include "tap.h"

static UeArena arena;

/* Every column its own value. */
static UeEvent
build_event(void)
{
	static char texts[UE_EVENT_COLUMNS][24];
	UeEvent event;

	ue_event_init(&event);
	for (int i = 0; i < UE_EVENT_COLUMNS; i++)
	{
		char *field = (char *) &event + ue_event_columns[i].offset;

		switch (ue_event_columns[i].type)
		{
			case UE_COLUMN_TIMESTAMPTZ:
			case UE_COLUMN_INT4:
			case UE_COLUMN_INT8:
				*(int64_t *) field = i % 2 == 0 ? INT64_MAX - i : -1000 - i;
				break;
			case UE_COLUMN_UUID:
				for (int j = 0; j < 16; j++)
					field[j] = (char) (200 + j);
				break;
			case UE_COLUMN_TEXT:
			case UE_COLUMN_JSONB:
			case UE_COLUMN_INET:
				snprintf(texts[i], sizeof(texts[i]), "text %d", i);
				*(UeSlice *) field = ue_slice_of(texts[i]);
				break;
			case UE_COLUMN_BOOL:
				*(bool *) field = i % 2 == 0;
				break;
		}
	}
	return event;
}

static UeSlice
write_event(const UeEvent *event)
{
	UeBuf buf;
	UeSlice bytes = {NULL, 0};

	ue_buf_init(&buf, &arena, 1 << 20);
	ok(ue_event_write(&buf, event) == UE_OK && ue_buf_finish(&buf, &bytes) == UE_OK,
	   "an event can be written");
	return bytes;
}

static bool
is_same_event(const UeEvent *a, const UeEvent *b)
{
	for (int i = 0; i < UE_EVENT_COLUMNS; i++)
	{
		const char *left = (const char *) a + ue_event_columns[i].offset;
		const char *right = (const char *) b + ue_event_columns[i].offset;
		bool is_same = false;

		switch (ue_event_columns[i].type)
		{
			case UE_COLUMN_TIMESTAMPTZ:
			case UE_COLUMN_INT4:
			case UE_COLUMN_INT8:
				is_same = *(const int64_t *) left == *(const int64_t *) right;
				break;
			case UE_COLUMN_UUID:
				is_same = memcmp(left, right, 16) == 0;
				break;
			case UE_COLUMN_TEXT:
			case UE_COLUMN_JSONB:
			case UE_COLUMN_INET:
				is_same =
					ue_slice_is_equal(*(const UeSlice *) left, *(const UeSlice *) right);
				break;
			case UE_COLUMN_BOOL:
				is_same = *(const bool *) left == *(const bool *) right;
				break;
		}
		if (!is_same)
		{
			printf("# column %s differs\n", ue_event_columns[i].name);
			return false;
		}
	}
	return true;
}

static void
check_roundtrip(void)
{
	UeEvent event = build_event();
	UeEvent empty, read;
	UeSlice bytes = write_event(&event);

	ok(ue_event_read(bytes, &read) == UE_OK && is_same_event(&event, &read),
	   "every column of a full event comes back");
	ue_event_init(&empty);
	bytes = write_event(&empty);
	ok(ue_event_read(bytes, &read) == UE_OK && is_same_event(&empty, &read),
	   "an empty event comes back with its NULLs");
	ok(bytes.len < 100, "NULLs take no room");
}

static void
check_text(void)
{
	UeEvent event, read;
	UeSlice bytes;

	ue_event_init(&event);
	event.route = (UeSlice){"/v1/\xFF\0x", 7};
	bytes = write_event(&event);
	ok(ue_event_read(bytes, &read) == UE_OK &&
		   ue_slice_is_equal(read.route, UE_SLICE("/v1/\xEF\xBF\xBD\xE2\x90\x80x")),
	   "text that no table takes is made readable");
}

/* Each prefix, in memory of its own size so that a sanitizer sees a byte too many. */
static void
check_hostile(void)
{
	UeEvent event = build_event();
	UeSlice bytes = write_event(&event);
	UeEvent read;
	int n_accepted = 0;
	char newer[64];
	UeSlice extended;

	for (size_t len = 0; len < bytes.len; len++)
	{
		char *copy = malloc(len + 1);

		memcpy(copy, bytes.ptr, len);
		memset(&read, 0x55, sizeof(read));
		if (ue_event_read((UeSlice){copy, len}, &read) == UE_OK)
			n_accepted++;
		else if (read.at_us != 0x5555555555555555)
			n_accepted += 1000;
		free(copy);
	}
	ok(n_accepted == UE_EVENT_COLUMNS,
	   "a prefix is read only when it ends between fields, and failing leaves the event alone");

	ok(ue_event_read(UE_SLICE("\x02"), &read) == UE_MALFORMED,
	   "another version is refused");
	ok(ue_event_read(UE_SLICE("\x01\x00\x01\x01"), &read) == UE_MALFORMED,
	   "a time written as a byte is refused");
	ok(ue_event_read(UE_SLICE("\x01\x01\x02\x01\x00\x00\x00x"), &read) == UE_MALFORMED,
	   "an event id of one byte is refused");
	ok(ue_event_read(UE_SLICE("\x01\x02\x02\xFF\xFF\xFF\xFFx"), &read) == UE_MALFORMED,
	   "a length beyond the end is refused");
	ok(ue_event_read(UE_SLICE("\x01\x02\x07x"), &read) == UE_MALFORMED,
	   "an unknown way of writing is refused");

	memcpy(newer, "\x01\xF0\x02\x03\x00\x00\x00new\x02\x02\x02\x00\x00\x00id", 18);
	extended = (UeSlice){newer, 18};
	ok(ue_event_read(extended, &read) == UE_OK &&
		   ue_slice_is_equal(read.request_id, UE_SLICE("id")),
	   "a column of a newer version is passed over");
}

static void
check_completion(void)
{
	UeCompletion completion = {
		.event_id = "0123456789abcde",
		.response_status = 429,
		.outcome = UE_SLICE_INIT("answered"),
		.decided_by = UE_SLICE_INIT("postgres"),
		.rule_id = 7,
		.rule_version = UE_EVENT_NULL,
		.sent_bytes = INT64_MAX,
		.total_ms = 0,
		.step = UE_SLICE_INIT("failover"),
		.step_reason = UE_SLICE_INIT("retry_status"),
		.wait_ms = 250,
		.passed_over = UE_SLICE_INIT("[]"),
	};
	UeCompletion read;
	UeBuf buf;
	UeSlice bytes;

	ue_buf_init(&buf, &arena, 1024);
	ok(ue_completion_write(&buf, &completion) == UE_OK &&
		   ue_buf_finish(&buf, &bytes) == UE_OK &&
		   ue_completion_read(bytes, &read) == UE_OK &&
		   memcmp(read.event_id, completion.event_id, 16) == 0 &&
		   read.response_status == 429 && read.rule_id == 7 &&
		   read.rule_version == UE_EVENT_NULL && read.sent_bytes == INT64_MAX &&
		   read.total_ms == 0 && ue_slice_is_equal(read.outcome, completion.outcome) &&
		   ue_slice_is_equal(read.decided_by, completion.decided_by),
	   "a completion comes back");
	ok(ue_slice_is_equal(read.step, completion.step) && read.wait_ms == 250 &&
		   ue_slice_is_equal(read.step_reason, completion.step_reason) &&
		   ue_slice_is_equal(read.passed_over, completion.passed_over),
	   "with what was done next");
}

static void
check_verdict(void)
{
	UeCase kase = {
		.response = {.platform = UE_SLICE_INIT("openai"),
					 .status = 429,
					 .body = UE_SLICE_INIT(
						 "{\"error\":{\"message\":\"slow down\",\"type\":"
						 "\"requests\",\"code\":\"rate_limit_exceeded\"}}")},
		.kind = UE_KIND_HTTP_ERROR,
		.request_id = UE_SLICE_INIT("req_1"),
		.model = UE_SLICE_INIT("gpt"),
		.is_stream = true,
	};
	UeVerdict verdict;
	UeEvent event;

	ue_event_init(&event);
	ok(ue_decide_case(&arena, NULL, &kase, &verdict) == UE_OK, "the case is decided");
	ue_event_apply_verdict(&event, &kase, &verdict);
	ok(ue_slice_is_equal(event.class, UE_SLICE("rate_limit")) &&
		   event.status_code == 429 &&
		   ue_slice_is_equal(event.kind, UE_SLICE("http_error")) &&
		   ue_slice_is_equal(event.request_id, UE_SLICE("req_1")) &&
		   ue_slice_is_equal(event.platform, UE_SLICE("openai")) && event.stream &&
		   event.network_error.len == 0 && event.rule_id == UE_EVENT_NULL &&
		   event.retryable && event.mask_version > 0,
	   "a verdict fills its columns and leaves the others");
	ok(ue_slice_is_equal(event.error_code, UE_SLICE("rate_limit_exceeded")) &&
		   ue_slice_is_equal(event.message, UE_SLICE("slow down")) && event.code.len > 0,
	   "the upstream's words and our code are in it");
	ok(event.fingerprint_version == UE_FINGERPRINT_VERSION &&
		   event.fingerprint ==
			   ue_fingerprint_build(UE_SLICE("openai"), UE_SLICE("rate_limit"),
									UE_SLICE("rate_limit_exceeded"), UE_SLICE("slow down")),
	   "its fingerprint is of the row's own columns, so that SQL finds the same");
}

int
main(void)
{
	ue_arena_init(&arena, &ue_heap_allocator, 64 << 20);
	check_roundtrip();
	check_text();
	check_hostile();
	check_completion();
	check_verdict();
	ue_arena_free(&arena);
	return done_testing();
}
