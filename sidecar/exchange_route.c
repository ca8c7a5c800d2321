/* SPDX-License-Identifier: PostgreSQL */
/*
 * exchange_route.c: which channel, and the request as that channel wants it.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/jsonout.h"
#include "exchange_attempts.h"

/* A probe that has not told by then makes room for another. */
#define PROBE_PATIENCE_MS 30000

/* What is told of the channels that were passed over. */
#define PASSED_OVER_BYTES 8192
#define PASSED_OVER_MAX	  16
#define OBSTACLE_SIZE	  128

/* "2026-11-21T12:00:00Z", and the text around it. */
#define INSTANT_SIZE 24
#define PAUSE_BYTES	 1024

/* Headers that hold a credential; a channel with its own must not get the client's too. */
static const UeSlice credential_headers[] = {
	UE_SLICE_INIT("authorization"),
	UE_SLICE_INIT("x-api-key"),
	UE_SLICE_INIT("api-key"),
	UE_SLICE_INIT("x-goog-api-key"),
};

static UeAttempts *new_attempts(size_t n_channels);
static UeSlice find_model(UeExchange *exchange);
static void find_serving(UeAttempts *attempts);
static void fill_candidates(const UeAttempts *attempts, int64_t now_ms);
static bool choose(UeAttempts *attempts, int64_t now_ms);
static bool write_target(UeAttempts *attempts, UeSlice model, UeTransferRequest *request);
static size_t write_segment(UeSlice text, char *out);
static bool is_key(UeSlice part);
static UeSlice drop_key(char *target, size_t len);
static size_t find_first_back(const UeAttempts *attempts, int64_t now_ms,
							  UeHealthPause *first);
static void hint_wait(UeExchange *exchange, int64_t wait_ms);
static void explain_nobody(UeAttempts *attempts, int64_t now_ms, UeFailureCause *cause);
static const char *find_why(const UeAttempts *attempts, size_t i, int64_t now_ms,
							UeHealthPause *pause);
static bool find_obstacle(const UeAttempts *attempts, const UeTableChannel *entry,
						  char why[OBSTACLE_SIZE]);
static void write_passed_over(UeJsonOut *json, const UeChannel *channel, const char *why,
							  int64_t until_ms);
static bool is_credential_header(UeSlice name);
static void write_instant(int64_t unix_ms, char out[INSTANT_SIZE]);
static int64_t read_unix_ms(void);
static int64_t find_client_timeout(const UeRequest *request);

bool
ue_attempts_begin(UeExchange *exchange)
{
	const UeChannelTable *table = ue_channel_table_acquire();
	UeAttempts *attempts;

	if (table == NULL)
		return true;
	attempts = new_attempts(table->n);
	if (attempts == NULL)
	{
		ue_channel_table_release(table);
		return false;
	}
	attempts->exchange = exchange;
	attempts->table = table;
	attempts->current = SIZE_MAX;
	attempts->model = find_model(exchange);
	find_serving(attempts);
	if (attempts->n_serving == 0)
	{
		bool has_channels = false;

		for (size_t i = 0; i < table->n && !has_channels; i++)
			has_channels =
				ue_slice_is_equal_fold(table->channels[i].channel->platform,
									   ue_slice_of(exchange->route.upstream->platform));
		if (!has_channels && exchange->spool == NULL)
		{
			/* another platform's channels are no matter of this request */
			ue_attempts_free(attempts);
			return true;
		}
	}
	attempts->policy =
		ue_channel_table_find_policy(table,
									 ue_slice_of(exchange->route.upstream->platform),
									 attempts->model, exchange->route.path);
	attempts->client_timeout_ms = find_client_timeout(exchange->request);
	attempts->budget = ue_channel_table_find_budget(table, attempts->policy);
	ue_retry_budget_earn(attempts->budget, attempts->policy->budget_percent,
						 attempts->policy->budget_burst);
	attempts->spool = exchange->spool;
	exchange->spool = NULL;
	exchange->attempts = attempts;
	return true;
}

void
ue_attempts_free(UeAttempts *attempts)
{
	if (attempts == NULL)
		return;
	ue_attempts_stop_clocks(attempts);
	ue_attempts_abandon(attempts);
	ue_attempts_give_back(attempts);
	ue_hold_free(&attempts->hold);
	ue_spool_free(attempts->spool);
	free(attempts->target);
	free(attempts->body);
	ue_channel_table_release(attempts->table);
	free(attempts);
}

const UeTableChannel *
ue_attempts_channel(const UeAttempts *attempts)
{
	if (attempts->current == SIZE_MAX)
		return NULL;
	return &attempts->table->channels[attempts->serving[attempts->current]];
}

/* With room for all channels of the table. */
static UeAttempts *
new_attempts(size_t n_channels)
{
	UeAttempts *attempts =
		calloc(1, sizeof(*attempts) + n_channels * (sizeof(*attempts->candidates) +
													sizeof(*attempts->serving) +
													sizeof(*attempts->n_tries)));

	if (attempts == NULL)
		return NULL;
	attempts->candidates = (UeCandidate *) (attempts + 1);
	attempts->serving = (uint16_t *) (attempts->candidates + n_channels);
	attempts->n_tries = (uint8_t *) (attempts->serving + n_channels);
	return attempts;
}

/* From the path, or from the beginning of the body. */
static UeSlice
find_model(UeExchange *exchange)
{
	if (exchange->route.model.len == 0)
		ue_exchange_peek_request(exchange);
	return ue_exchange_model(exchange);
}

static void
find_serving(UeAttempts *attempts)
{
	const UeChannelTable *table = attempts->table;
	UeSlice platform = ue_slice_of(attempts->exchange->route.upstream->platform);

	for (size_t i = 0; i < table->n && i < UINT16_MAX; i++)
		if (table->channels[i].channel->is_enabled &&
			table->channels[i].problem == NULL &&
			ue_channel_serves(table->channels[i].channel, platform, attempts->model))
			attempts->serving[attempts->n_serving++] = (uint16_t) i;
}

static void
fill_candidates(const UeAttempts *attempts, int64_t now_ms)
{
	UeHealthStore *health = attempts->exchange->owner->health;
	UeCandidate *candidates = attempts->candidates;

	for (size_t i = 0; i < attempts->n_serving; i++)
	{
		const UeChannel *channel =
			attempts->table->channels[attempts->serving[i]].channel;

		candidates[i] = (UeCandidate){
			.priority = channel->priority,
			.weight = channel->weight,
			.is_usable =
				health == NULL ||
				ue_health_store_is_usable(health, channel->id, attempts->model, now_ms),
			.is_tried = attempts->n_tries[i] > 0,
		};
	}
}

/* Whether another one than the current could be asked, and whether the current could. */
void
ue_attempts_look_around(const UeAttempts *attempts, bool *has_other, bool *is_usable)
{
	UeCandidate *candidates = attempts->candidates;

	*has_other = *is_usable = false;
	fill_candidates(attempts, read_unix_ms());
	for (size_t i = 0; i < attempts->n_serving; i++)
	{
		if (i == attempts->current)
			*is_usable = candidates[i].is_usable;
		else if (candidates[i].is_usable && !candidates[i].is_tried)
			*has_other = true;
	}
}

/* The current one again when the last step says so; else by priority and weight. */
static bool
choose(UeAttempts *attempts, int64_t now_ms)
{
	UeExchanges *owner = attempts->exchange->owner;
	UeCandidate *candidates = attempts->candidates;
	size_t chosen = attempts->current;
	bool may_repeat = attempts->step.kind == UE_STEP_RETRY;

	fill_candidates(attempts, now_ms);
	if (!may_repeat || chosen == SIZE_MAX || !candidates[chosen].is_usable)
		chosen = ue_choose(candidates, attempts->n_serving, may_repeat,
						   ue_ident_random(&owner->ident));

	/* one that is half open may have been taken by another worker meanwhile */
	while (chosen != SIZE_MAX && owner->health != NULL &&
		   !ue_health_store_take(
			   owner->health,
			   attempts->table->channels[attempts->serving[chosen]].channel->id,
			   attempts->model, now_ms, PROBE_PATIENCE_MS, &attempts->probe))
	{
		candidates[chosen].is_usable = false;
		chosen = ue_choose(candidates, attempts->n_serving, may_repeat,
						   ue_ident_random(&owner->ident));
	}
	attempts->current = chosen;
	attempts->is_taken = chosen != SIZE_MAX;
	if (chosen != SIZE_MAX && attempts->n_tries[chosen] < UINT8_MAX)
		attempts->n_tries[chosen]++;
	return chosen != SIZE_MAX;
}

bool
ue_attempts_choose(UeAttempts *attempts, UeTransferRequest *request,
				   UeFailureCause *cause)
{
	int64_t now_ms = read_unix_ms();
	const UeTableChannel *channel;
	UeSlice model;

	free(attempts->target);
	free(attempts->body);
	attempts->target = attempts->body = NULL;
	if (!choose(attempts, now_ms))
	{
		explain_nobody(attempts, now_ms, cause);
		return false;
	}
	channel = ue_attempts_channel(attempts);
	request->base = channel->base;
	request->proxy = channel->proxy;
	request->connect_timeout_ms = channel->channel->connect_timeout_ms;
	/* the channel's own first: it is what an operator knows of that endpoint */
	request->first_byte_timeout_ms = channel->channel->first_byte_timeout_ms > 0
										 ? channel->channel->first_byte_timeout_ms
										 : attempts->policy->first_byte_timeout_ms;
	request->idle_timeout_ms = channel->channel->idle_timeout_ms > 0
								   ? channel->channel->idle_timeout_ms
								   : attempts->policy->idle_timeout_ms;
	model = ue_channel_map_model(channel->channel, attempts->model);
	if (ue_slice_is_equal(model, attempts->model))
		model = (UeSlice){NULL, 0};
	return write_target(attempts, model, request) &&
		   ue_attempts_prepare_body(attempts, request,
									ue_client_is_body_complete(
										attempts->exchange->client) &&
										attempts->spool == NULL,
									model);
}

/* The path names the model, or its query the client's key: then the target is another. */
static bool
write_target(UeAttempts *attempts, UeSlice model, UeTransferRequest *request)
{
	const UeExchange *exchange = attempts->exchange;
	UeSlice target = exchange->route.target;
	UeSlice named = exchange->route.model;
	size_t before = target.len;
	size_t after = target.len;
	bool has_key = ue_attempts_channel(attempts)->credential != NULL &&
				   memchr(target.ptr, '?', target.len) != NULL;

	if (model.len > 0 && named.len > 0 && named.ptr >= target.ptr &&
		named.ptr + named.len <= target.ptr + target.len)
	{
		before = (size_t) (named.ptr - target.ptr);
		after = before + named.len;
	}
	if (before == target.len && !has_key)
		return true;
	attempts->target = malloc(target.len + 3 * model.len + 1);
	if (attempts->target == NULL)
		return false;
	memcpy(attempts->target, target.ptr, before);
	if (before < target.len)
		model.len = write_segment(model, attempts->target + before);
	else
		model.len = 0;
	memcpy(attempts->target + before + model.len, target.ptr + after, target.len - after);
	request->target =
		(UeSlice){attempts->target, before + model.len + target.len - after};
	if (has_key)
		request->target = drop_key(attempts->target, request->target.len);
	return true;
}

/* What may stand in a path (RFC 3986 3.3) as it is, slashes of names like
 * "publishers/google/models/x" and what is encoded already; the rest encoded.  Returns the
 * length. */
static size_t
write_segment(UeSlice text, char *out)
{
	static const char plain[] = "-._~!$&'()*+,;=:@/";
	size_t n_out = 0;

	for (size_t i = 0; i < text.len; i++)
	{
		unsigned char c = (unsigned char) text.ptr[i];
		bool is_plain =
			(c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			(c != '\0' && strchr(plain, c) != NULL) ||
			(c == '%' && i + 2 < text.len && isxdigit((unsigned char) text.ptr[i + 1]) &&
			 isxdigit((unsigned char) text.ptr[i + 2]));

		if (is_plain)
		{
			out[n_out++] = text.ptr[i];
			continue;
		}
		out[n_out++] = '%';
		out[n_out++] = "0123456789ABCDEF"[c >> 4];
		out[n_out++] = "0123456789ABCDEF"[c & 15];
	}
	return n_out;
}

/* "key=…", in whatever way its letters are encoded. */
static bool
is_key(UeSlice part)
{
	size_t at = 0;

	for (const char *letter = "key"; *letter != '\0'; letter++)
	{
		int code = at < part.len ? (unsigned char) part.ptr[at] : 0;

		if (code == '%' && at + 2 < part.len)
		{
			char hex[3] = {part.ptr[at + 1], part.ptr[at + 2], '\0'};

			code = (int) strtol(hex, NULL, 16);
			at += 2;
		}
		at++;
		if (code != *letter)
			return false;
	}
	return at == part.len || part.ptr[at] == '=';
}

/* Google's clients may send their key in the query; ours goes in a header. */
static UeSlice
drop_key(char *target, size_t len)
{
	char *query = memchr(target, '?', len);
	char *end = target + len;
	char *out = query;

	if (query == NULL)
		return (UeSlice){target, len};
	for (char *part = query + 1; part <= end;)
	{
		char *next = memchr(part, '&', (size_t) (end - part));
		size_t part_len = (size_t) ((next == NULL ? end : next) - part);

		if (part_len > 0 && !is_key((UeSlice){part, part_len}))
		{
			*out = out == query ? '?' : '&';
			memmove(out + 1, part, part_len);
			out += 1 + part_len;
		}
		if (next == NULL)
			break;
		part = next + 1;
	}
	return (UeSlice){target, (size_t) (out - target)};
}

const UeHeader *
ue_attempts_filter_request(UeAttempts *attempts, size_t *n_out)
{
	UeExchange *exchange = attempts->exchange;
	const UeTableChannel *channel = ue_attempts_channel(attempts);
	UeHeader *headers = (UeHeader *) ue_exchange_filter_request(exchange, n_out);
	size_t n_kept = 0;

	if (headers == NULL || channel->credential == NULL)
		return headers;
	for (size_t i = 0; i < *n_out; i++)
		if (!is_credential_header(headers[i].name))
			headers[n_kept++] = headers[i];
	headers = ue_exchange_reserve_headers(exchange->owner, n_kept + 1);
	if (headers == NULL)
		return NULL;
	headers[n_kept] = channel->header;
	*n_out = n_kept + 1;
	return headers;
}

static bool
is_credential_header(UeSlice name)
{
	for (size_t i = 0; i < sizeof(credential_headers) / sizeof(UeSlice); i++)
		if (ue_slice_is_equal_fold(name, credential_headers[i]))
			return true;
	return false;
}

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
	int64_t now_ms = read_unix_ms();
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
static void
explain_nobody(UeAttempts *attempts, int64_t now_ms, UeFailureCause *cause)
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

static int64_t
read_unix_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/*
 * What the official SDKs tell of their own patience, in seconds: x-stainless-timeout of
 * OpenAI's and Anthropic's (for the whole request), x-stainless-read-timeout of Python's,
 * x-server-timeout of Google's when its user has set a timeout.
 */
static int64_t
find_client_timeout(const UeRequest *request)
{
	static const UeSlice names[] = {UE_SLICE_INIT("x-stainless-timeout"),
									UE_SLICE_INIT("x-stainless-read-timeout"),
									UE_SLICE_INIT("x-server-timeout")};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
	{
		UeSlice value =
			ue_exchange_find_header(request->headers, request->n_headers, names[i]);
		size_t dot;
		int64_t seconds;

		/* "600", "600.0" */
		if (ue_slice_find(value, UE_SLICE("."), &dot))
			value.len = dot;
		if (ue_slice_parse_int64(value, &seconds) && seconds > 0 && seconds <= 86400)
			return seconds * 1000;
	}
	return 0;
}
