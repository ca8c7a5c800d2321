/* SPDX-License-Identifier: PostgreSQL */
/*
 * exchange_traffic.c: requests into the counts of traffic, and these into the journal.
 *
 * What was counted is written a second later, and at the end of the minute; so a process
 * that is killed takes at most the last second's counts with it.  An idle worker writes
 * nothing and is not woken.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "exchange_attempts.h"
#include "heap.h"
#include "policy_store.h"

#define WRITE_MS  1000
#define MINUTE_MS 60000

/* A path with its ids cut out; of one that is longer nothing is counted apart. */
#define ROUTE_BYTES UE_TRAFFIC_KEY_BYTES

/* Of masking four texts, and of one payload. */
#define ENTRY_MEMORY (256 * 1024)

typedef struct Writing
{
	UeExchanges *owner;
	const UeMaskSettings *mask;
	int64_t now_ms; /* Unix */
	UeArena arena;	/* of one entry */
} Writing;

static void begin_writing_later(UeExchanges *owner);
static void begin_minute(UeExchanges *owner, int64_t now_ms);
static void handle_due(UeTimer *timer);
static bool write_entry(void *context, UeTrafficEntry *entry);
static UeStatus fill_row(Writing *writing, const UeTrafficEntry *entry,
						 UeTrafficRow *row) UE_MUST_CHECK;
static UeSlice find_platform(const UeConfig *config, int platform);
static UeStatus write_counts(UeArena *arena, const uint32_t *counts,
							 UeSlice *out) UE_MUST_CHECK;
static int64_t read_clock_ms(void);

void
ue_exchange_count_traffic(UeExchange *exchange, UeOutcome outcome)
{
	UeExchanges *owner = exchange->owner;
	char route[ROUTE_BYTES];
	UeTrafficKey key = {.platform = exchange->route.platform};
	UeTrafficSample sample = {
		.is_answer = outcome == UE_OUTCOME_OK,
		.is_recovered = outcome == UE_OUTCOME_OK && exchange->attempt > 1,
		.first_byte_ms = exchange->first_byte_ms,
		.total_ms = ue_loop_now_ms(owner->loop) - exchange->start_ms,
	};

	if (exchange->attempts != NULL && ue_attempts_channel(exchange->attempts) != NULL)
		key.channel = ue_attempts_channel(exchange->attempts)->channel->name;
	if (key.platform < 0 || key.platform >= UE_METRICS_PLATFORMS - 1)
		key.platform = UE_METRICS_PLATFORMS - 1;
	else
	{
		ue_exchange_peek_request(exchange);
		key.model = ue_exchange_model(exchange);
		key.route = ue_traffic_cut_ids(exchange->route.path, route, sizeof(route));
	}
	if (!owner->is_traffic_due)
		begin_writing_later(owner);
	ue_traffic_count(owner->traffic, &key, &sample);
}

void
ue_exchange_write_traffic(UeExchanges *owner)
{
	const UePolicy *policy = ue_policy_store_acquire();
	Writing writing = {.owner = owner, .now_ms = read_clock_ms()};

	writing.mask = ue_policy_mask(policy);
	ue_traffic_write(owner->traffic, write_entry, &writing);
	ue_policy_store_release(policy);
	owner->is_traffic_due = false;
}

/* Of the minute before, everything has been written. */
static void
begin_writing_later(UeExchanges *owner)
{
	int64_t now_ms = read_clock_ms();
	int64_t left_ms = MINUTE_MS - now_ms % MINUTE_MS;

	begin_minute(owner, now_ms);
	owner->is_traffic_due = true;
	owner->traffic_due.on_due = handle_due;
	ue_loop_set_timer(owner->loop, &owner->traffic_due,
					  left_ms < WRITE_MS ? left_ms : WRITE_MS);
}

/* Not only a later one: a clock that was set may say anything. */
static void
begin_minute(UeExchanges *owner, int64_t now_ms)
{
	int64_t minute = now_ms / MINUTE_MS;

	if (minute == owner->traffic_minute)
		return;
	ue_traffic_reset(owner->traffic);
	owner->traffic_minute = minute;
}

static void
handle_due(UeTimer *timer)
{
	UeExchanges *owner =
		(UeExchanges *) ((char *) timer - offsetof(UeExchanges, traffic_due));

	ue_exchange_write_traffic(owner);
}

/* What cannot be written, because the disk is full, is tried again while its minute lasts. */
static bool
write_entry(void *context, UeTrafficEntry *entry)
{
	Writing *writing = context;
	UeExchanges *owner = writing->owner;
	UeTrafficRow row = {.minute_us = owner->traffic_minute * MINUTE_MS * 1000};
	bool is_written;

	if (!entry->has_id)
	{
		ue_ident_build_uuid(&owner->ident, writing->now_ms, entry->id);
		entry->has_id = true;
	}
	memcpy(row.entry_id, entry->id, sizeof(row.entry_id));
	ue_arena_init(&writing->arena, &ue_heap_allocator, ENTRY_MEMORY);
	is_written = fill_row(writing, entry, &row) == UE_OK &&
				 ue_journal_append_traffic(owner->journal, &row);
	ue_arena_free(&writing->arena);
	return is_written;
}

/* Masked as the columns of the same names are in a failure's row. */
static UeStatus
fill_row(Writing *writing, const UeTrafficEntry *entry, UeTrafficRow *row)
{
	const UeConfig *config = writing->owner->config;
	UeArena *arena = &writing->arena;
	UeStatus status;

	row->platform = find_platform(config, entry->key.platform);
	row->channel = entry->key.channel;
	row->region = ue_slice_of(config->region);
	row->instance = ue_slice_of(config->instance);
	row->requests = entry->counts.requests;
	row->answers = entry->counts.answers;
	row->recovered = entry->counts.recovered;
	status = ue_exchange_fit_text(arena, writing->mask, entry->key.model, UE_LIMIT_TOKEN,
								  &row->model);
	if (status == UE_OK)
		status = ue_exchange_fit_text(arena, writing->mask, entry->key.route, ROUTE_BYTES,
									  &row->route);
	if (status == UE_OK)
		status = write_counts(arena, entry->counts.first_byte, &row->first_byte_counts);
	if (status == UE_OK)
		status = write_counts(arena, entry->counts.total, &row->total_counts);
	return status;
}

static UeSlice
find_platform(const UeConfig *config, int platform)
{
	const char *name = NULL;

	if (platform < (int) config->n_upstreams)
		name = config->upstreams[platform].platform;
	else if (platform < UE_METRICS_PLATFORMS - 1)
		name = ue_channel_table_platform_name(platform - (int) config->n_upstreams);
	return name == NULL ? UE_SLICE("unknown") : ue_slice_of(name);
}

static UeStatus
write_counts(UeArena *arena, const uint32_t *counts, UeSlice *out)
{
	UeBuf buf;

	ue_buf_init(&buf, arena, ENTRY_MEMORY);
	ue_traffic_write_counts(&buf, counts);
	return ue_buf_finish(&buf, out);
}

static int64_t
read_clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
