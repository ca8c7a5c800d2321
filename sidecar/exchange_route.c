/* SPDX-License-Identifier: PostgreSQL */
/*
 * exchange_route.c: which channel, and the request as that channel wants it.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "exchange_attempts.h"

/* A probe that has not told by then makes room for another. */
#define PROBE_PATIENCE_MS 30000

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
static bool is_credential_header(UeSlice name);
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
		ue_attempts_explain_nobody(attempts, now_ms, cause);
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
