/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_traffic.c: requests counted by kind, ids cut from paths, and counts that replace one
 * another on their way to Postgres.
 */
#include <stdlib.h>
#include <string.h>

#include "heap.h"
#include "shipper_traffic.h"
#include "tap.h"
#include "traffic.h"

#define SECOND INT64_C(1000000)
#define MINUTE (60 * SECOND)

static UeTraffic *traffic;
static UeTrafficEntry written[UE_TRAFFIC_KEYS + UE_METRICS_PLATFORMS];
static int n_written;

static bool
keep(void *context, UeTrafficEntry *entry)
{
	const bool *is_disk_full = context;

	if (is_disk_full != NULL && *is_disk_full)
		return false;
	written[n_written++] = *entry;
	return true;
}

static int
write_all(void)
{
	n_written = 0;
	ue_traffic_write(traffic, keep, NULL);
	return n_written;
}

static void
count(int platform, const char *model, const char *route, bool is_answer, int64_t ms)
{
	UeTrafficKey key = {.platform = platform,
						.model = ue_slice_of(model),
						.route = ue_slice_of(route)};
	UeTrafficSample sample = {.is_answer = is_answer,
							  .first_byte_ms = ms,
							  .total_ms = ms};

	ue_traffic_count(traffic, &key, &sample);
}

static void
test_counting(void)
{
	bool is_disk_full = true;

	count(0, "gpt", "/v1/chat/completions", true, 5);
	count(0, "gpt", "/v1/chat/completions", true, 6);
	count(0, "gpt", "/v1/chat/completions", false, 7);
	count(1, "gpt", "/v1/chat/completions", true, 300001);
	count(0, "", "/v1/chat/completionsgpt", true, -1);
	ok(write_all() == 3, "traffic: one entry for each kind, platforms and texts apart");
	ok(written[0].counts.requests == 3 && written[0].counts.answers == 2,
	   "traffic: a failure is a request and no answer");
	ok(written[0].counts.total[0] == 1 && written[0].counts.total[1] == 1,
	   "traffic: bounds are inclusive");
	ok(written[1].counts.total[UE_TRAFFIC_BUCKETS - 1] == 1,
	   "traffic: what is longer than the last bound is in the last bucket");
	ok(written[2].counts.first_byte[0] == 0 && written[2].counts.total[0] == 1,
	   "traffic: an answer without a first byte is not in its histogram");
	ok(write_all() == 0, "traffic: what has not changed is not written again");

	count(0, "gpt", "/v1/chat/completions", true, 1);
	n_written = 0;
	ue_traffic_write(traffic, keep, &is_disk_full);
	ok(write_all() == 1 && written[0].counts.requests == 4,
	   "traffic: what could not be written is written the next time, as far as it has come");
	ue_traffic_reset(traffic);
	ok(write_all() == 0, "traffic: a new minute begins with nothing");
}

static void
test_room(void)
{
	char model[32];
	char *longest = calloc(1, UE_TRAFFIC_KEY_BYTES + 2);
	uint32_t n_requests = 0;

	memset(longest, 'm', UE_TRAFFIC_KEY_BYTES + 1);
	for (int i = 0; i < 3 * UE_TRAFFIC_KEYS; i++)
	{
		snprintf(model, sizeof(model), "model-%d", i);
		count(2, model, "/v1/messages", true, 1);
	}
	count(UE_METRICS_PLATFORMS - 1, longest, "", true, 1);
	write_all();
	for (int i = 0; i < n_written; i++)
		n_requests += written[i].counts.requests;
	ok(n_written == UE_TRAFFIC_KEYS + 2, "traffic: so many kinds and no more");
	ok(n_requests == 3 * UE_TRAFFIC_KEYS + 1, "traffic: and every request is counted");
	ok(ue_slice_is_equal(written[n_written - 1].key.route, UE_SLICE(UE_TRAFFIC_OTHER)) &&
		   written[n_written - 1].key.platform == UE_METRICS_PLATFORMS - 1,
	   "traffic: the rest by its platform");
	ue_traffic_reset(traffic);

	/* texts fill the table before the number of keys does */
	for (int i = 0; i < UE_TRAFFIC_KEYS; i++)
	{
		snprintf(longest, UE_TRAFFIC_KEY_BYTES, "%0300d", i);
		count(0, longest, "", true, 1);
	}
	write_all();
	n_requests = 0;
	for (int i = 0; i < n_written; i++)
		n_requests += written[i].counts.requests;
	ok(n_written < UE_TRAFFIC_KEYS && n_requests == UE_TRAFFIC_KEYS,
	   "traffic: long texts leave room for fewer, and nothing is lost");
	ue_traffic_reset(traffic);
	free(longest);
}

static void
test_ids(void)
{
	static const struct
	{
		const char *path, *expected;
	} cases[] = {
		{"", ""},
		{"/", "/"},
		{"/v1/chat/completions", "/v1/chat/completions"},
		{"/v1/responses/resp_68af4096e8fc8190a91d35fd", "/v1/responses/{id}"},
		{"/v1/responses/resp_68af4096e8fc8190a91d35fd/cancel",
		 "/v1/responses/{id}/cancel"},
		{"/v1/files/file-abcdefghijklmnopqrstu1/content", "/v1/files/{id}/content"},
		{"/v1/threads/thread_abc123abc123abc123abc123/runs/run_abc123abc123abc123abc123",
		 "/v1/threads/{id}/runs/{id}"},
		{"/x/550e8400-e29b-41d4-a716-446655440000", "/x/{id}"},
		{"/x/550e8400-e29b-41d4-a716-44665544000g",
		 "/x/550e8400-e29b-41d4-a716-44665544000g"},
		{"/v1/messages/count_tokens", "/v1/messages/count_tokens"},
		{"/v1beta/models/gemini-2.5-flash-preview-05-20:streamGenerateContent",
		 "/v1beta/models/gemini-2.5-flash-preview-05-20:streamGenerateContent"},
		{"/v1/models/claude-3-5-sonnet-20241022",
		 "/v1/models/claude-3-5-sonnet-20241022"},
	};
	char buffer[UE_TRAFFIC_KEY_BYTES];
	char path[2 * UE_TRAFFIC_KEY_BYTES];
	UeSlice longest = {path, sizeof(path)};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		is_text(ue_traffic_cut_ids(ue_slice_of(cases[i].path), buffer, sizeof(buffer)),
				ue_slice_of(cases[i].expected), "traffic: ids in \"%s\"", cases[i].path);
	for (size_t i = 0; i < sizeof(path); i++)
		path[i] = "/0123456789012345678"[i % 20];
	memset(path + 1, '7', 40);
	is_text(ue_traffic_cut_ids(longest, buffer, 8), UE_SLICE(UE_TRAFFIC_OTHER),
			"traffic: a path with an id that is too long");
}

static bool
append(UeCounts *counts, unsigned char id, uint64_t offset, int64_t minute_us,
	   int64_t requests, int64_t now_us)
{
	UeTrafficRow row = {.minute_us = minute_us,
						.platform = UE_SLICE_INIT("openai"),
						.instance = UE_SLICE_INIT("i"),
						.requests = requests};
	UeJournalEntry entry = {.position = {.seq = 1, .offset = offset}};
	UeSlice payload;
	UeArena arena;
	UeBuf buf;
	bool is_taken;

	memset(row.entry_id, id, 16);
	ue_arena_init(&arena, &ue_heap_allocator, 65536);
	ue_buf_init(&buf, &arena, 4096);
	if (ue_traffic_row_write(&buf, &row) != UE_OK ||
		ue_buf_finish(&buf, &payload) != UE_OK)
		return false;
	entry.record.kind = UE_RECORD_TRAFFIC;
	entry.record.payload = payload;
	is_taken = ue_counts_append(counts, &entry, now_us);
	ue_arena_free(&arena);
	return is_taken;
}

/* As if so many of the first were on their way. */
static void
take(UeCounts *counts, size_t n_rows)
{
	UeCount *at = counts->first;

	counts->n_taken = n_rows;
	for (size_t i = 0; i < n_rows; i++, at = at->next)
		at->is_taken = true;
}

static void
test_replacing(void)
{
	static const int64_t minute = 28000000 * MINUTE;
	UeDatabaseResult good = {.is_ok = true, .sqlstate = "", .message = ""};
	UeDatabaseResult bad = {.sqlstate = "23514", .message = "no"};
	UeDatabaseResult away = {.sqlstate = "57P01", .message = "no"};
	UeJournalPosition oldest;
	UeCounts counts;

	ue_counts_init(&counts);
	ok(!ue_counts_find_oldest(&counts, &oldest) &&
		   ue_counts_find_due(&counts) == INT64_MAX,
	   "counts: nothing is due of nothing");
	append(&counts, 1, 100, minute, 3, minute + SECOND);
	append(&counts, 2, 200, minute, 1, minute + SECOND);
	append(&counts, 1, 300, minute, 9, minute + 2 * SECOND);
	ok(counts.n_rows == 2 && counts.last->row.requests == 9,
	   "counts: the later row takes the place of the one before");
	ok(ue_counts_find_oldest(&counts, &oldest) && oldest.offset == 200,
	   "counts: and the position moves on");
	ok(ue_counts_find_due(&counts) == minute + SECOND + UE_COUNTS_WAIT_US,
	   "counts: without waiting anew");
	append(&counts, 3, 400, minute - 9 * MINUTE, 1, minute + 3 * SECOND);
	ok(ue_counts_find_due(&counts) == minute + 3 * SECOND,
	   "counts: a minute that is over does not wait");

	take(&counts, 3);
	append(&counts, 1, 500, minute, 10, minute + 4 * SECOND);
	ok(counts.n_rows == 4, "counts: what is on its way is not replaced");
	ue_counts_apply_result(&counts, &good, minute + 5 * SECOND);
	ok(counts.n_rows == 1 && counts.first->row.requests == 10 &&
		   ue_counts_find_oldest(&counts, &oldest) && oldest.offset == 500,
	   "counts: what Postgres has is gone, what came meanwhile stays");

	append(&counts, 4, 600, minute, 1, minute + 6 * SECOND);
	take(&counts, 2);
	ue_counts_apply_result(&counts, &away, minute + 6 * SECOND);
	ok(counts.n_rows == 2 && counts.n_taken == 0 &&
		   ue_counts_find_due(&counts) >= minute + 6 * SECOND + UE_COUNTS_WAIT_US,
	   "counts: when Postgres is not well they are kept, and wait");
	take(&counts, 2);
	ue_counts_apply_result(&counts, &bad, minute + 7 * SECOND);
	ok(counts.n_rows == 2 && counts.n_singly == 2,
	   "counts: of those refused for their data each is sent by itself");
	take(&counts, 1);
	ue_counts_apply_result(&counts, &bad, minute + 7 * SECOND);
	take(&counts, 1);
	ue_counts_apply_result(&counts, &good, minute + 7 * SECOND);
	ok(counts.first == NULL && counts.last == NULL && counts.n_singly == 0,
	   "counts: the one refused is dropped, the other is not");

	for (int i = 0; i < UE_COUNTS_MAX_ROWS; i++)
	{
		append(&counts, 7, 1000 + (uint64_t) i, minute, 1, minute);
		memcpy(counts.last->row.entry_id, &i, sizeof(i));
	}
	ok(ue_counts_is_full(&counts), "counts: there is room for so many");
	counts.is_refused = true;
	append(&counts, 9, 9000, minute, 1, minute);
	ok(!ue_counts_is_full(&counts) && counts.n_rows == UE_COUNTS_MAX_ROWS,
	   "counts: while Postgres refuses them the oldest goes");
	ue_counts_reset(&counts);
}

static void
test_rows(void)
{
	UeTrafficRow row;
	char garbage[] = "\1\0\2";

	ok(ue_traffic_row_read((UeSlice){NULL, 0}, &row) == UE_MALFORMED &&
		   ue_traffic_row_read((UeSlice){garbage, 3}, &row) == UE_MALFORMED &&
		   ue_traffic_row_read((UeSlice){garbage, 1}, &row) == UE_MALFORMED,
	   "rows: what is no payload of ours is not read");
}

int
main(void)
{
	traffic = ue_traffic_new();
	test_counting();
	test_room();
	test_ids();
	test_replacing();
	test_rows();
	ue_traffic_free(traffic);
	return done_testing();
}
