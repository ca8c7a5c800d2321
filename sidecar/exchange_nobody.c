/* SPDX-License-Identifier: PostgreSQL */
/*
 * exchange_nobody.c: the channels that are not asked, and why.
 */
#include <stdio.h>
#include <time.h>

#include "core/jsonout.h"
#include "exchange_attempts.h"

/* What is told of the channels that were passed over. */
#define PASSED_OVER_BYTES 8192
#define PASSED_OVER_MAX	  16
#define OBSTACLE_SIZE	  128

/* "2026-11-21T12:00:00Z", and the text around it. */
#define INSTANT_SIZE 24
#define PAUSE_BYTES	 1024

static const char *find_why(const UeAttempts *attempts, size_t i, int64_t now_ms,
							UeHealthPause *pause);
static bool find_obstacle(const UeAttempts *attempts, const UeTableChannel *entry,
						  char why[OBSTACLE_SIZE]);
static void write_passed_over(UeJsonOut *json, const UeChannel *channel, const char *why,
							  int64_t until_ms);
static size_t find_first_back(const UeAttempts *attempts, int64_t now_ms,
							  UeHealthPause *first);
static void hint_wait(UeExchange *exchange, int64_t wait_ms);
static void write_instant(int64_t unix_ms, char out[INSTANT_SIZE]);

/* Why a channel that serves the model is not asked; NULL: it could be. */
static const char *
find_why(const UeAttempts *attempts, size_t i, int64_t now_ms, UeHealthPause *pause)
{
	UeHealthStore *health = attempts->exchange->owner->health;
	const UeChannel *channel = attempts->table->channels[attempts->serving[i]].channel;

	*pause = (UeHealthPause){.until_ms = 0};
	if (health != NULL &&
		ue_health_store_find_pause(health, channel->id, attempts->model, now_ms, pause))
	{
		/* its time has come, but somebody else is trying it */
		if (pause->until_ms != 0 && pause->until_ms <= now_ms)
			return "half_open";
		return ue_health_state_name(pause->state);
	}
	return attempts->n_tries[i] > 0 ? "tried" : NULL;
}

UeSlice
ue_attempts_write_passed_over(UeAttempts *attempts)
{
	const UeChannelTable *table = attempts->table;
	int64_t now_ms = ue_exchange_read_unix_us() / 1000;
	UeSlice text = {NULL, 0};
	int n_written = 0;
	UeBuf buf;
	UeJsonOut json;

	ue_buf_init(&buf, &attempts->exchange->arena, PASSED_OVER_BYTES);
	ue_jsonout_init(&json, &buf);
	ue_jsonout_append_begin(&json, '[');
	for (size_t i = 0; i < attempts->n_serving && n_written < PASSED_OVER_MAX; i++)
	{
		UeHealthPause pause;
		const char *why = find_why(attempts, i, now_ms, &pause);

		if (why == NULL || i == attempts->current)
			continue;
		n_written++;
		write_passed_over(&json, table->channels[attempts->serving[i]].channel, why,
						  pause.until_ms);
	}
	for (size_t i = 0; i < table->n && n_written < PASSED_OVER_MAX; i++)
	{
		char why[OBSTACLE_SIZE];

		if (!find_obstacle(attempts, &table->channels[i], why))
			continue;
		n_written++;
		write_passed_over(&json, table->channels[i].channel, why, 0);
	}
	ue_jsonout_append_end(&json, ']');
	if (n_written == 0 || ue_buf_finish(&buf, &text) != UE_OK)
		return (UeSlice){NULL, 0};
	return text;
}

/* Of one that would serve the model but is none of those.  Who has switched one off knows
 * it, and is reminded only where nobody is left. */
static bool
find_obstacle(const UeAttempts *attempts, const UeTableChannel *entry,
			  char why[OBSTACLE_SIZE])
{
	UeSlice platform = ue_slice_of(attempts->exchange->route.upstream->platform);

	if (!ue_channel_serves(entry->channel, platform, attempts->model))
		return false;
	if (entry->channel->is_enabled && entry->problem != NULL)
		snprintf(why, OBSTACLE_SIZE, "unusable: %s", entry->problem);
	else if (!entry->channel->is_enabled && attempts->n_serving == 0)
		snprintf(why, OBSTACLE_SIZE, "not enabled");
	else
		return false;
	return true;
}

static void
write_passed_over(UeJsonOut *json, const UeChannel *channel, const char *why,
				  int64_t until_ms)
{
	char until[INSTANT_SIZE];

	ue_jsonout_append_begin(json, '{');
	ue_jsonout_append_key(json, UE_SLICE("channel"));
	ue_jsonout_append_string(json, channel->name);
	ue_jsonout_append_key(json, UE_SLICE("why"));
	ue_jsonout_append_string(json, ue_slice_of(why));
	if (until_ms > 0)
	{
		write_instant(until_ms, until);
		ue_jsonout_append_key(json, UE_SLICE("until"));
		ue_jsonout_append_string(json, ue_slice_of(until));
	}
	ue_jsonout_append_end(json, '}');
}

/* The one of the serving channels that comes back first; SIZE_MAX: none ever does. */
static size_t
find_first_back(const UeAttempts *attempts, int64_t now_ms, UeHealthPause *first)
{
	size_t found = SIZE_MAX;

	for (size_t i = 0; i < attempts->n_serving; i++)
	{
		UeHealthPause pause;

		if (find_why(attempts, i, now_ms, &pause) == NULL || pause.until_ms == 0)
			continue;
		if (found == SIZE_MAX || pause.until_ms < first->until_ms)
		{
			found = i;
			*first = pause;
		}
	}
	return found;
}

/* A header of ours is read as the upstream's own wait would be. */
static void
hint_wait(UeExchange *exchange, int64_t wait_ms)
{
	UeHeader *header = ue_arena_allocate(&exchange->arena, sizeof(*header));
	UeBuf buf;

	ue_buf_init(&buf, &exchange->arena, UE_LIMIT_TOKEN);
	ue_buf_append_int64(&buf, wait_ms > 1000 ? wait_ms : 1000);
	if (header == NULL || ue_buf_finish(&buf, &header->value) != UE_OK)
		return;
	header->name = UE_SLICE("retry-after-ms");
	exchange->headers = header;
	exchange->n_headers = 1;
}

/*
 * Nobody can be asked: no channel serves the model, or all of them pause.  The client is
 * told which: until when, and what the last upstream said.
 */
void
ue_attempts_explain_nobody(UeAttempts *attempts, int64_t now_ms, UeFailureCause *cause)
{
	UeExchange *exchange = attempts->exchange;
	UeHealthPause first = {.until_ms = 0};
	size_t found = find_first_back(attempts, now_ms, &first);
	char until[INSTANT_SIZE];
	UeBuf buf;

	*cause = (UeFailureCause){.kind = UE_KIND_LOCAL_ERROR,
							  .local_code = UE_SLICE("get_channel_failed"),
							  .local_message = attempts->model};
	if (attempts->n_serving == 0 || found == SIZE_MAX)
		return;
	cause->local_code = UE_SLICE("channels_cooling_down");
	write_instant(first.until_ms, until);
	ue_buf_init(&buf, &exchange->arena, PAUSE_BYTES);
	if (attempts->model.len > 0)
	{
		ue_buf_append(&buf, attempts->model);
		ue_buf_append(&buf, UE_SLICE(" "));
	}
	ue_buf_append(&buf, UE_SLICE("until "));
	ue_buf_append(&buf, ue_slice_of(until));
	if (first.reason[0] != '\0')
	{
		ue_buf_append(&buf, UE_SLICE(", last upstream error: "));
		ue_buf_append(&buf, ue_slice_of(first.reason));
	}
	if (ue_buf_finish(&buf, &cause->local_message) != UE_OK)
		cause->local_message = attempts->model;
	hint_wait(exchange, first.until_ms - now_ms);
}

static void
write_instant(int64_t unix_ms, char out[INSTANT_SIZE])
{
	time_t seconds = (time_t) ((unix_ms + 999) / 1000);
	struct tm parts;

	if (gmtime_r(&seconds, &parts) == NULL ||
		strftime(out, INSTANT_SIZE, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
		out[0] = '\0';
}
